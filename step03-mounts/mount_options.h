/*
 * mount_options: the words of mount(8), and what they mean to the kernel.
 *
 * The words address four different things, which mount(2) mixes in one argument and the newer calls
 * keep apart: attributes of this mount (nosuid), of the file system as a whole (sync), how mount
 * events spread (rslave), and data for one file system (size=64m).
 * Follows mount(8), mount_setattr(2), fsconfig(2), and the runtime-spec's table "Linux mount
 * options" (config.md). Explained in book/03-mounts.md.
 */
#ifndef BOXSTEP_MOUNT_OPTIONS_H
#define BOXSTEP_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mount_bits { /* for mount_setattr(2): MOUNT_ATTR_… */
	uint64_t set, clear;
};

struct mount_flags {
	bool bind, recursive;	 /* bind, rbind */
	bool remount;		 /* change what is mounted there already */
	bool copy_up;		 /* tmpcopyup: it begins with what it covers */
	bool idmap, idmap_all;	 /* idmap, ridmap */
	char *maps;		 /* what follows "idmap=", for mount_ids.h; NULL: nothing */
	struct mount_bits one;	 /* ro nosuid nodev noexec nosymfollow, the atime family … */
	struct mount_bits all;	 /* rro rnosuid …: the whole tree below */
	unsigned long spread[4]; /* MS_SHARED… [|MS_REC], applied in order */
	size_t spread_count;
	uint64_t classic; /* MS_I_VERSION: only mount(2) itself can say it */
	char **data;	  /* "size=64m", "sync": one fsconfig(2) each */
	size_t data_count;
};

/*
 * Takes one option of the list into FLAGS; later words override earlier ones. A word that is not
 * the kernel's own is data of the file system (split at commas outside of quotes, as mount(2)
 * does). 0, or −1 with ENOMEM or EINVAL.
 */
int mount_flags_add(struct mount_flags *flags, const char *option);
void mount_flags_free(struct mount_flags *flags);

/* Every word that is known, for `features`: the Nth, or NULL after the last. */
const char *mount_option_name(size_t n);

/* "MOUNT_ATTR_NOSUID|MOUNT_ATTR_NODEV", as strace prints them, "0" for none; in a static buffer
 * that lasts for two uses. */
const char *mount_attr_names(uint64_t attributes);

/* Takes "shared", "rslave" …: MS_SHARED… [|MS_REC]; 0 for an unknown word. */
unsigned long mount_propagation(const char *word);

#endif
