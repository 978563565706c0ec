/*
 * namespaces: what a process sees. The eight kinds: created, joined, shown.
 *
 * Follows namespaces(7), unshare(2), setns(2), ioctl_ns(2), time_namespaces(7).
 * Explained in book/01-unshare.md.
 */
#ifndef BOXSTEP_NAMESPACES_H
#define BOXSTEP_NAMESPACES_H

#include <sched.h> /* CLONE_NEW… */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "step01-unshare/options.h"

struct ns_options {
	int kinds;	      /* CLONE_NEW* flags to create, or to join */
	const char *hostname; /* set in a new UTS namespace; NULL leaves the host's copy */
	int64_t monotonic;    /* seconds added to CLOCK_MONOTONIC of a new time namespace */
	int64_t boottime;     /* seconds added to CLOCK_BOOTTIME */
	uint32_t monotonic_ns, boottime_ns; /* and nanoseconds, below a second */
	pid_t join; /* join the namespaces of this process instead of making any; 0: no */
	pid_t show; /* show those of this process; −1: of the one that the words name; 0: no */
};

#define NS_KINDS 8
/* The kinds in an order in which they can be joined one by one, by path: the user namespace first,
 * because it gives the rights for the others; the mount namespace last, because /proc is needed
 * until then. */
extern const struct ns_kind {
	const char *name; /* in /proc/PID/ns */
	int flag;	  /* CLONE_NEW… */
	const char *flag_name;
	const char *word; /* in the OCI's configuration */
} ns_kinds[NS_KINDS];

extern const struct option_row ns_options[]; /* --user … --time, --all, offsets, --hostname */
extern const struct option_row ns_view_options[]; /* --show, --join: step 1 only */

/* CLONE_NEWNET for "network", the word of the OCI's configuration; 0 for what is none. */
int ns_flag(const char *word);
/* The Nth of these words, or NULL. */
const char *ns_word(size_t n);

/* "CLONE_NEWUTS|CLONE_NEWPID" for a set of flags, "0" for none; in a static buffer. */
const char *ns_flag_names(int flags);

/*
 * unshare(2) of KINDS for the calling process. A new user namespace comes first, by the kernel's
 * own rule. EPERM without rights: the hint names the host's restriction where it is known.
 * A new PID or time namespace takes effect for the next child, not for the caller.
 */
int ns_unshare(int kinds);

/*
 * Prepares a time namespace for the next child: unshare(CLONE_NEWTIME) and the offsets, which can
 * be written only until a process is in it (so clone3 cannot do this). Does nothing without
 * CLONE_NEWTIME in KINDS. CLONE_NEWTIME must then be left out of clone3's flags.
 */
int ns_prepare_time(const struct ns_options *options);

/* The same, and the caller itself enters it: setns(2) with its own time_for_children. (Before Linux
 * 6.2 exec does not enter it, and a vfork(2) is refused while the two differ.) */
int ns_enter_time(const struct ns_options *options);

/* Makes every mount of the caller's new mount namespace private, so that nothing done here is
 * seen outside: mount(NULL, "/", NULL, MS_REC|MS_PRIVATE, NULL). */
int ns_private_mounts(void);

/* sethostname(2) when the options name one; EINVAL above 64 bytes, and without a new UTS
 * namespace, because it would rename the host. */
int ns_set_hostname(const struct ns_options *options);

/*
 * Joins the KINDS (0: all that differ from the caller's) of process PID: by pidfd in one setns(2),
 * by the files of /proc/PID/ns before Linux 5.8. The PID namespace takes effect for the next child.
 * Gives those of them that differed, −1; ESRCH when the process ends meanwhile.
 */
int ns_join(pid_t pid, int kinds);

/* The kinds in which PID's namespaces are not the caller's; joining one's own would be EINVAL. */
int ns_different_kinds(pid_t pid);

/*
 * A joined PID namespace takes effect for children only: forks, and gives 0 in the child, the first
 * process inside. The parent waits and leaves with the child's status (128+n by signal); when it is
 * killed, so is the child.
 */
int ns_fork_into(void);

/* Joins one namespace by an open descriptor or by path (a file of /proc/PID/ns or a bind mount of
 * one); FLAG is its kind, so that a path of the wrong kind is refused (EINVAL). */
int ns_join_path(const char *path, int flag);

/* The same in two steps, for a child that finds no path to it any more: the first gives a
 * descriptor, and refuses one that is the caller's own already (EINVAL). PATH is for messages. */
int ns_open_other(const char *path, int flag);
int ns_join_fd(int fd, int flag, const char *path);

/* The same for several, of different kinds, all opened before the first is joined: what a user
 * namespace among them owns is joined after it, the rest before. */
struct ns_at {
	int flag;
	const char *path;
};
int ns_join_paths(const struct ns_at *at, size_t count);
/* Before they are joined: the kinds of those that are not the caller's own. What is set in the
 * others would be set for the caller, and for the host. */
int ns_other_kinds(const struct ns_at *at, size_t count);

/* Prints a table: the namespaces of PID beside the caller's own and PID 1's. Gives 0 or −1. */
int ns_show(pid_t pid);

/* The same for a command line: --show=PID and no words; or PID −1, and WORDS one number, or none
 * for the caller itself. */
int ns_show_words(pid_t pid, char *const words[]);

/* Adds the hint that fits an errno of EPERM, EACCES or ENOSPC from a call that makes KINDS. Gives
 * −1. */
int ns_hint_rights(int kinds);

/* Is the caller root of the machine: user 0 of the first user namespace? Root of any other has no
 * right over the host. */
bool ns_root_of_host(void);

/* Why the kernel refuses a new user namespace here, or its rights, if it does: a sentence, or NULL.
 * Three sysctls, and the AppArmor profile of this process. */
const char *ns_user_refusal(void);

#endif
