/*
 * bundle: from an image and the options of `run` to the config.json that an OCI runtime takes.
 * Follows the OCI image specification ("conversion"), the OCI runtime specification, and what the
 * usual engines make of the same options. Explained in book/07-runtime.md.
 */
#ifndef BOXSTEP_BUNDLE_H
#define BOXSTEP_BUNDLE_H

#include "step01-unshare/sysctl.h"
#include "step03-mounts/mounts.h"
#include "step04-cgroups/limits.h"
#include "step04-cgroups/attrs.h"
#include "step05-overlay/obtain.h"
#include "step06-net/network.h"
#include "step06-net/resolv.h"
#include "step07-runtime/engine/container.h"
#include "step07-runtime/security/caps.h"
#include "step07-runtime/security/seccomp.h"
#include "step07-runtime/security/labels.h"

/* The options of `run` that stand in no module below, and the structs of those that do. */
struct run_options {
	bool detach, interactive, tty, remove, init, read_only;
	const char *name, *hostname, *entrypoint, *user, *workdir, *platform, *pull, *stop_signal;
	const char *cidfile, *pid, *ipc, *uts, *userns;
	struct text_list env, env_file, volume, tmpfs, label;
	int64_t shm_size;
	struct network_options network;
	struct resolv_options names;
	struct limits limits;
	struct cap_options caps;
	struct seccomp_options seccomp;
	struct attr_options attrs;
	struct label_options labels;
	struct sysctl_options sysctl;
	/* what userns comes to, by ids_choose */
	struct idmap_options maps;
	int user_kinds; /* CLONE_NEWUSER or 0 */
};

/* Writes config.json into the container's directory. COMMAND: the words after the image. */
int bundle_write(struct container *container, const struct run_options *options,
		 const struct image *image, char *const command[], size_t count);

#endif
