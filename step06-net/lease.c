/*
 * lease.c: numbers given out under a lock, and taken back from the dead.
 * Follows flock(2). Explained in book/06-net.md.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step04-cgroups/process.h"
#include "step06-net/lease.h"

enum { NUMBERS = 65536, TRIES = 1000 };

/* ---- the book ---- */

/* mkdir -p: each may be there; a parent may go again before the next is made. */
static int
make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	return mkdir(path, 0755) < 0 && errno != EEXIST && errno != ENOENT ? -1 : 0;
}

/* Anybody may make anything in /tmp: a directory of ours there that is somebody else's is a trap.
 * One that is ours stays ours, because /tmp is sticky. */
static bool
is_trap(const char *path)
{
	char own[LEASE_PATH];
	struct stat st;

	if (strncmp(path, "/tmp/boxstep-", strlen("/tmp/boxstep-")) != 0)
		return false;
	snprintf(own, sizeof own, "/tmp/%.*s", (int)strcspn(path + 5, "/"), path + 5);
	return lstat(own, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid();
}

int
lease_book_open(struct lease_book *book, const char *state, bool make)
{
	struct stat ns, opened, named;

	book->dir = -1;
	if (stat("/proc/self/ns/net", &ns) < 0)
		return -1;
	if (snprintf(book->path, sizeof book->path, "%s/%llu", state,
		     (unsigned long long)ns.st_ino) >= (int)sizeof book->path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (int tries = 0; tries < TRIES; tries++) {
		if (make && make_parents(book->path) < 0)
			return -1;
		book->dir = open(book->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (book->dir < 0 && (errno != ENOENT || !make))
			return -1;
		if (book->dir < 0)
			continue; /* removed by somebody who has just left */
		while (flock(book->dir, LOCK_EX) < 0)
			if (errno != EINTR) {
				close_fd(book->dir);
				book->dir = -1;
				return -1;
			}
		if (is_trap(book->path)) {
			close(book->dir);
			book->dir = -1;
			errno = EPERM;
			return -1;
		}
		/* The lock is worth something only on the directory that has the name now. */
		if (fstat(book->dir, &opened) == 0 && stat(book->path, &named) == 0 &&
		    opened.st_ino == named.st_ino && opened.st_dev == named.st_dev)
			return 0;
		close(book->dir);
		book->dir = -1;
	}
	errno = ENOENT;
	return -1;
}

void
lease_book_close(struct lease_book *book)
{
	int number = errno;
	char *slash = strrchr(book->path, '/');

	if (book->dir >= 0) {
		if (rmdir(book->path) == 0 && slash) {
			*slash = '\0';
			rmdir(book->path);
			*slash = '/';
		}
		close(book->dir);
	}
	book->dir = -1;
	errno = number;
}

/* ---- owners ---- */

/* Reads a lease's file: its number, and whether the process named in it is there. */
static void
read_lease(int fd, unsigned *number, bool *running)
{
	char text[256];
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	uint64_t start;
	int pid;

	*number = 0;
	*running = false;
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "number %u pid %d start %" SCNu64, number, &pid, &start) == 3)
		*running = pid > 0 && start && process_start_time(pid) == start;
}

/* ---- leases ---- */

static int
fill(struct lease *lease, const struct lease_book *book, const char *id)
{
	*lease = (struct lease){ .fd = -1 };
	if (!id[0] || id[0] == '.' || strchr(id, '/') || strlen(id) >= sizeof lease->id)
		return fail(EINVAL, "container id \"%.80s\": not a file name of 1 to %d bytes", id,
			    LEASE_ID - 1);
	snprintf(lease->id, sizeof lease->id, "%s", id);
	snprintf(lease->path, sizeof lease->path, "%s/%s", book->path, id);
	return 0;
}

int
lease_find(const struct lease_book *book, const char *id, struct lease *lease)
{
	bool running;
	char name[LEASE_ID + 8];

	if (fill(lease, book, id) < 0)
		return -1;
	snprintf(name, sizeof name, "%s/lease", id);
	lease->fd = openat(book->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (lease->fd < 0)
		return -1;
	read_lease(lease->fd, &lease->number, &running);
	return 0;
}

/* Calls USE for every directory of the book. */
static int
each_name(const struct lease_book *book, int (*use)(const char *name, void *context), void *context)
{
	int fd = openat(book->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return fail(errno, "reading %s", book->path);
	}
	while (result == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			result = use(entry->d_name, context);
	closedir(dir);
	return result;
}

struct taken {
	const struct lease_book *book;
	uint8_t number[NUMBERS / 8];
};

static int
note_taken(const char *name, void *context)
{
	struct taken *taken = context;
	struct lease lease;

	if (lease_find(taken->book, name, &lease) == 0) {
		if (lease.number < NUMBERS)
			taken->number[lease.number / 8] |= (uint8_t)(1 << lease.number % 8);
		close(lease.fd);
	}
	return 0;
}

/* A free number; the search begins where the id says, so that one just given back is not the next
 * to be given out, and old connections to it do not meet a stranger. 0: none. */
static unsigned
free_number(const struct lease_book *book, const char *id, unsigned count)
{
	struct taken taken = { .book = book };
	unsigned start = 5381;

	if (each_name(book, note_taken, &taken) < 0)
		return 0;
	for (; *id; id++)
		start = start * 33 + (unsigned char)*id;
	for (unsigned i = 0; i < count; i++) {
		unsigned number = 2 + (start + i) % count;
		if (!(taken.number[number / 8] & 1 << number % 8))
			return number;
	}
	return 0;
}

int
lease_take(struct lease_book *book, const char *id, unsigned count, struct lease *lease)
{
	char name[LEASE_ID + 8], text[32];
	int length;

	if (fill(lease, book, id) < 0)
		return -1;
	if (count >= NUMBERS)
		return fail(EINVAL, "%u addresses", count);
	if (count && (lease->number = free_number(book, id, count)) == 0)
		return fail(EADDRNOTAVAIL, "all %u addresses of the network are in use", count);
	if (mkdirat(book->dir, id, 0755) < 0)
		return fail(errno, "mkdir(\"%s\") for the lease of %s", lease->path, id);
	snprintf(name, sizeof name, "%s/lease", id);
	lease->fd = openat(book->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	length = snprintf(text, sizeof text, "number %u\n", lease->number);
	if (lease->fd < 0 || flock(lease->fd, LOCK_EX | LOCK_NB) < 0 ||
	    write(lease->fd, text, (size_t)length) != length) {
		fail(errno, "writing %s/lease", lease->path);
		lease_drop(book, lease);
		return -1;
	}
	return 0;
}

int
lease_hold_for(const struct lease *lease, pid_t pid)
{
	char text[96];
	int length = snprintf(text, sizeof text, "number %u\npid %d\nstart %" PRIu64 "\n",
			      lease->number, pid, process_start_time(pid));

	if (pwrite(lease->fd, text, (size_t)length, 0) != length)
		return fail(errno ? errno : EIO, "writing %s/lease", lease->path);
	return 0;
}

static int
unlink_in(const char *name, void *context)
{
	const struct lease_book *here = context;

	unlinkat(here->dir, name, 0);
	return 0;
}

void
lease_drop(struct lease_book *book, struct lease *lease)
{
	int number = errno;
	struct lease_book here = {
		.dir = openat(book->dir, lease->id,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW),
	};

	if (here.dir >= 0) {
		each_name(&here, unlink_in, &here);
		close(here.dir);
		unlinkat(book->dir, lease->id, AT_REMOVEDIR);
	}
	if (lease->fd >= 0)
		close(lease->fd); /* and with it goes the lock */
	lease->fd = -1;
	errno = number;
}

/* ---- sweeping ---- */

struct sweep {
	struct lease_book *book;
	const char *except;
	lease_each *each;
	void *context;
};

/* ANCHOR: sweep */
static int
sweep_one(const char *name, void *context)
{
	const struct sweep *sweep = context;
	struct lease lease;
	bool alive = false;
	int result;

	if (sweep->except && strcmp(name, sweep->except) == 0)
		return 0;
	/* One without a file was left by a crash between mkdir and open: we hold the book. */
	if (lease_find(sweep->book, name, &lease) == 0) {
		alive = flock(lease.fd, LOCK_EX | LOCK_NB) < 0;
		if (!alive)
			read_lease(lease.fd, &lease.number, &alive);
	}
	result = sweep->each(&lease, alive, sweep->context);
	if (!alive && result == 0)
		lease_drop(sweep->book, &lease);
	else if (lease.fd >= 0)
		close(lease.fd);
	return result;
}
/* ANCHOR_END: sweep */

int
lease_sweep(struct lease_book *book, const char *id, lease_each *each, void *context)
{
	struct sweep sweep = { book, id, each, context };

	return each_name(book, sweep_one, &sweep);
}
