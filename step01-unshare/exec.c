/*
 * exec.c: finds the command, becomes it, and says why when the kernel will not.
 * Follows execve(2), elf(5), close_range(2). Explained in book/01-unshare.md.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "step01-unshare/call.h"
#include "step01-unshare/exec.h"
#include "step01-unshare/procfs.h"

#ifndef LIBEXECDIR
#define LIBEXECDIR "/usr/local/libexec/boxstep"
#endif

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#else
#define OUR_MACHINE EM_NONE
#endif

enum { NOT_FOUND = 127, NOT_RUNNABLE = 126 }; /* the shell's statuses, POSIX 2.8.2 */

/* ---- finding ---- */

/* Only EACCES says so. A seccomp filter that is in force already may be older than faccessat2(2),
 * and answers EPERM or ENOSYS whatever is asked: then execve itself will tell. */
static bool
may_not_execute(const char *path)
{
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 && errno == EACCES;
}

/* Looks for NAME in the directories of PATH. Gives 0 and the file in FOUND; −1 with ENOENT, or with
 * EACCES when a file of that name is there but is not executable. */
static int
search(const char *name, char *const envp[], char *found, size_t size)
{
	const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	int number = ENOENT;

	for (size_t i = 0; envp[i]; i++)
		if (strncmp(envp[i], "PATH=", 5) == 0)
			path = envp[i] + 5;
	for (const char *end;; path = end + 1) {
		struct stat status;
		end = strchrnul(path, ':');
		size_t length = (size_t)snprintf(found, size, "%.*s%s%s", (int)(end - path), path,
						 end > path ? "/" : "", name);
		if (length < size && stat(found, &status) == 0 && S_ISREG(status.st_mode)) {
			if (!may_not_execute(found))
				return 0;
			number = EACCES;
		}
		if (!*end)
			break;
	}
	errno = number;
	return -1;
}

/* ---- causes ---- */

/* The path that a dynamic ELF file names as its interpreter (PT_INTERP). */
static void
elf_interpreter(int fd, const Elf64_Ehdr *header, char *path, size_t size)
{
	Elf64_Phdr part[32]; /* its entry comes before those of what is loaded, elf(5) */
	ssize_t got = pread(fd, part, sizeof part, (off_t)header->e_phoff);
	size_t count = got > 0 ? (size_t)got / sizeof part[0] : 0;

	for (size_t i = 0; i < count && i < header->e_phnum; i++)
		if (part[i].p_type == PT_INTERP && part[i].p_filesz > 0 &&
		    part[i].p_filesz < size) {
			ssize_t n = pread(fd, path, part[i].p_filesz, (off_t)part[i].p_offset);
			path[n > 0 ? n - 1 : 0] = '\0';
			return;
		}
}

/* NUMBER, and a sentence about it in CAUSE. */
__attribute__((format(printf, 4, 5))) static int
because(int number, char *cause, size_t size, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(cause, size, format, list);
	va_end(list);
	return number;
}

/* Looks at the head of the file. */
static int
file_obstacle(int fd, char *cause, size_t size)
{
	union {
		Elf64_Ehdr elf;
		char text[256];
	} head = { 0 };
	char interpreter[256] = "";
	ssize_t n = pread(fd, &head, sizeof head - 1, 0);

	if (n > 2 && head.text[0] == '#' && head.text[1] == '!') {
		char *line = head.text + 2 + strspn(head.text + 2, " \t");
		char *end = line + strcspn(line, " \t\n");
		bool carriage_return = end > line && end[-1] == '\r';
		*end = '\0';
		if (carriage_return)
			return because(ENOENT, cause, size,
				       "its #! line ends with CR LF; save it with Unix line ends");
		snprintf(interpreter, sizeof interpreter, "%s", line);
	} else if (n >= (ssize_t)sizeof head.elf && memcmp(head.text, ELFMAG, SELFMAG) == 0) {
		if (OUR_MACHINE != EM_NONE && head.elf.e_ident[EI_CLASS] == ELFCLASS64 &&
		    head.elf.e_machine != OUR_MACHINE)
			return because(ENOEXEC, cause, size,
				       "it is built for another architecture (ELF machine %u)",
				       head.elf.e_machine);
		if (head.elf.e_ident[EI_CLASS] == ELFCLASS64)
			elf_interpreter(fd, &head.elf, interpreter, sizeof interpreter);
	} else
		return because(ENOEXEC, cause, size,
			       "it is neither an ELF program nor a script with a #! line");
	return interpreter[0] && access(interpreter, F_OK) < 0
		       ? because(ENOENT, cause, size, "its interpreter %s is missing here",
				 interpreter)
		       : 0;
}

/* The first directory of PATH that may not be entered. */
static int
path_obstacle(const char *path, char *cause, size_t size)
{
	char part[4096];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
		if (may_not_execute(part))
			return because(EACCES, cause, size, "%s may not be entered by uid %u", part,
				       geteuid());
	}
	return 0;
}

/* Why execve of PATH fails, or would, as far as looking at the file can tell: its error, and a
 * sentence in CAUSE; 0: nothing is seen; −1: no file is seen, and errno says why. */
static int
obstacle(const char *path, char *cause, size_t size)
{
	struct statvfs fs;
	struct stat status;
	int fd, number;

	if (stat(path, &status) < 0) {
		number = errno;
		if (number == EACCES && path_obstacle(path, cause, size))
			return EACCES;
		errno = number;
		/* a filter that is in force already says so of whatever is asked */
		return number == EPERM || number == ENOSYS ? 0 : -1;
	}
	if (!S_ISREG(status.st_mode))
		return because(EACCES, cause, size, "it is %s",
			       S_ISDIR(status.st_mode) ? "a directory" : "no file");
	if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOEXEC))
		return because(EACCES, cause, size, "it is on a mount with the flag noexec");
	if (may_not_execute(path))
		return because(EACCES, cause, size,
			       "its mode %04o gives uid %u no right to execute it",
			       status.st_mode & 07777, geteuid());
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
		return 0;
	number = file_obstacle(fd, cause, size);
	close(fd);
	return number;
}

/* ---- the call ---- */

static int
refused(int status, const char *cause)
{
	int number = errno;

	call_error()->status = status;
	if (cause)
		call_hint("%s", cause);
	errno = number;
	return -1;
}

int
exec_find(const char *name, char *const envp[], char path[EXEC_PATH], bool check)
{
	char cause[400];
	int number;

	if (strlen(name) >= EXEC_PATH) { /* cut off, it could name another program */
		fail(ENAMETOOLONG, "execve(\"%s\")", name);
		return refused(NOT_RUNNABLE, NULL);
	}
	if (strchr(name, '/'))
		snprintf(path, EXEC_PATH, "%s", name);
	else if (search(name, envp, path, EXEC_PATH) < 0) {
		fail(errno, "execve(\"%s\")", name);
		return refused(errno == ENOENT ? NOT_FOUND : NOT_RUNNABLE,
			       errno == ENOENT ? "no directory of PATH has it" : NULL);
	}
	number = check ? obstacle(path, cause, sizeof cause) : 0;
	if (number == 0)
		return 0;
	fail(number < 0 ? errno : number, "execve(\"%s\")", path);
	return number < 0 ? refused(NOT_FOUND, NULL) : refused(NOT_RUNNABLE, cause);
}

int
exec_close_others(unsigned keep)
{
	static unsigned closed = ~0U; /* from this one on it is done */
	unsigned first = STDERR_FILENO + 1 + keep;

	if (first >= closed)
		return 0;
	closed = first;
	return call(close_range(first, ~0U, CLOSE_RANGE_CLOEXEC),
		    "close_range(%u, 4294967295, CLOSE_RANGE_CLOEXEC)", first);
}

void
exec_close_inherited(int proc, unsigned keep)
{
	int directory = procfs_open_file(proc, "self/fd", O_RDONLY | O_DIRECTORY);
	DIR *list = directory < 0 ? NULL : fdopendir(directory);
	struct dirent *entry;

	if (!list) { /* they go at the exec, then */
		call_forget();
		close_fd(directory);
		return;
	}
	while ((entry = readdir(list))) {
		unsigned fd = (unsigned)atoi(entry->d_name); /* . and .. are 0 */
		if (fd > STDERR_FILENO + keep && !(fcntl((int)fd, F_GETFD) & FD_CLOEXEC))
			close((int)fd);
	}
	closedir(list);
}

int
exec_prepare(unsigned keep)
{
	sigset_t none;

	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return fail(errno, "sigprocmask");
	return exec_close_others(keep);
}

void
exec_default_signals(void)
{
	/* the kernel's struct sigaction, all 0: the C library would not set the two (32 and 33)
	 * that it has for itself; KILL and STOP nobody can */
	const uint64_t none[4] = { 0 };

	for (int number = 1; number < NSIG; number++)
		syscall(SYS_rt_sigaction, number, none, NULL, NSIG / 8);
}

/* ANCHOR: exec */
int
exec_now(const char *path, char *const argv[], char *const envp[])
{
	char cause[400] = "";
	int count = 0, number, status;

	stage("exec",
	      "The process stays, the program in it is replaced; its namespaces go on with it.",
	      "readlink /proc/%d/exe", call_pid());
	while (envp[count])
		count++;
	/* success does not return, so it is told before; what is seen to fail is told once, after
	 */
	if (call_mode != CALL_SILENT && !obstacle(path, cause, sizeof cause) &&
	    access(path, X_OK) == 0)
		tell_exec("execve(\"%s\", %s, /* %d vars */)", path, call_argv(argv), count);
	call(execve(path, argv, envp), "execve(\"%s\", %s, /* %d vars */)", path, call_argv(argv),
	     count);
	number = errno;
	status = number == ENOENT && access(path, F_OK) < 0 ? NOT_FOUND : NOT_RUNNABLE;
	obstacle(path, cause, sizeof cause);
	errno = number;
	return refused(status, cause[0] ? cause : NULL);
}

int
exec_command(char *const argv[], char *const envp[], unsigned keep)
{
	char path[EXEC_PATH];

	if (exec_find(argv[0], envp, path, false) < 0 || exec_prepare(keep) < 0)
		return -1;
	return exec_now(path, argv, envp);
}
/* ANCHOR_END: exec */

/* ---- other programs of ours ---- */

static const char *own_place;

void
program_is_in(const char *place)
{
	own_place = place;
}

int
program_beside(const char *name, char path[PATH_MAX])
{
	const char *given = getenv("BOXSTEP_LIBEXEC");
	char self[PATH_MAX] = "", *slash;
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length > 0 && (slash = strrchr(self, '/')))
		*slash = '\0';
	const char *const folders[] = { given, own_place ? own_place : self, LIBEXECDIR };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (folders[i] && folders[i][0] &&
		    snprintf(path, PATH_MAX, "%s/%s", folders[i], name) < PATH_MAX &&
		    access(path, X_OK) == 0)
			return 0;
	fail(ENOENT, "the program %s", name);
	return call_hint("it belongs beside this one, or in $BOXSTEP_LIBEXEC; make builds it");
}
