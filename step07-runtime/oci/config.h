/*
 * config: config.json of a bundle, taken apart into what each floor below wants to know.
 *
 * Which field goes to which module is the table in config.c: every module keeps its own options,
 * and none of them knows JSON. Follows the OCI runtime specification 1.3 (config.md,
 * config-linux.md). Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_OCI_CONFIG_H
#define BOXSTEP_OCI_CONFIG_H

#include <sys/ioctl.h>

#include "step01-unshare/idmap.h"
#include "step01-unshare/namespaces.h"
#include "step01-unshare/sysctl.h"
#include "step03-mounts/devices.h"
#include "step03-mounts/mounts.h"
#include "step03-mounts/rootfs.h"
#include "step04-cgroups/device_rules.h"
#include "step04-cgroups/limits.h"
#include "step04-cgroups/attrs.h"
#include "step05-overlay/json.h"
#include "step05-overlay/user.h"
#include "step06-net/netdev.h"
#include "step07-runtime/security/caps.h"
#include "step07-runtime/security/labels.h"

struct oci_rlimit {
	const char *type;
	bool has_soft, has_hard;
	uint64_t soft, hard;
};

struct oci_process {
	struct json_object *json; /* owns the strings below */
	char **args, **env;	  /* vectors end with NULL */
	const char *cwd;	  /* absolute */
	bool terminal;
	struct winsize size; /* consoleSize; no rows: not given */
	bool into_pipe;	     /* its terminal is shown into a pipe or a file; not of the JSON */
	struct user user;
	unsigned listen_fds; /* descriptors after 2 that it is told of; not of the JSON */
	bool no_new_privs;
	struct cap_sets caps;		    /* all empty when the object gives none */
	const char *unknown_cap;	    /* a name that this runtime does not know */
	const char *first_cpus, *last_cpus; /* execCPUAffinity: before and in the cgroup */
	struct oci_rlimit *rlimit;	    /* as given; attrs has them by number */
	size_t rlimit_count;
	struct attr_options attrs;
	struct label_options labels;
};

enum { OCI_MINOR = 3 }; /* of the newest version of the specification that is known: 1.3 */

struct oci_config {
	char *text; /* of the file, as it was read */
	size_t length;
	struct json_object *json;
	unsigned minor; /* of the version that it was written for */
	struct oci_process process;
	bool no_process;	     /* there is none: it can be created, and not started */
	struct rootfs_options root;  /* path, read_only, propagation */
	struct ns_options ns;	     /* kinds to make, hostname, offsets */
	struct ns_at join[NS_KINDS]; /* namespaces that exist already */
	size_t joins;
	const char *mount_path, *time_path; /* and those that the child joins; or NULL */
	struct idmap_options idmap;
	struct mount_list mounts;
	const char *mount_label; /* SELinux's, of what is mounted anew */
	struct devices_options devices;
	struct cgroup_options cgroup;
	struct limits limits;
	struct device_rule *device_rules; /* linux.resources.devices; the defaults follow them */
	size_t device_rule_count;
	struct sysctl_options sysctl;
	struct json_part seccomp; /* linux.seccomp, of TEXT, not read yet */
	const char *domainname;
	struct json_object *annotations; /* an object, or NULL */
	struct json_object *hooks;	 /* checked; or NULL: hooks.h */
	struct netdev_list netdevs;
	/* annotations of ours, and one of crun's: what the specification has no words for */
	bool init;	       /* boxstep.init=true: a built-in init as PID 1 */
	bool keep_groups;      /* run.oci.keep_original_groups=1: those of the caller */
	bool seccomp_default;  /* boxstep.seccomp=default: the built-in profile */
	const char *user_name; /* boxstep.user=NAME[:GROUP]: looked up in the root; NULL: none */
};

/* Tells the recorded error as a warning, by oci_warning (NULL: nobody listens), and forgets it:
 * something goes on without what was asked for. */
void oci_warn(void);
/* DONE of a function for which 1 is an error that something can go on without: told so, then 0. */
int oci_warn_of(int done);
extern void (*oci_warning)(void);

/* Reads the file PATH below DIRFD; relative root paths are taken from BUNDLE.
 * What this runtime does not do is refused by name (ENOTSUP), never left out silently. */
int oci_config_read(int dirfd, const char *path, const char *bundle, struct oci_config *config);
void oci_config_free(struct oci_config *config);

/* A process object by itself, for exec: from a parsed object (whose reference it takes over). */
int oci_process_read(struct json_object *json, struct oci_process *process);
/* Once it is whole, and again after a change: a command, an absolute directory, attributes that can
 * be. −1 with EINVAL. */
int oci_process_check(struct oci_process *process);
void oci_process_free(struct oci_process *process);

#endif
