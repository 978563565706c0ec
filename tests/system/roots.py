"""Roots to spoil, and what the probe says of mounts: for the tests of step 3 and of hostile images."""

from harness import *


def make_rootfs(name="image"):
    """A root of one's own to spoil: the probe and busybox of ROOTFS, with empty directories."""
    path = f"{TMP}/{name}"
    for directory in ("bin", "dev", "proc", "sys", "tmp", "etc", "mnt"):
        os.makedirs(f"{path}/{directory}")
    for program in ("busybox", "probe"):
        shutil.copy(f"{ROOTFS}/bin/{program}", f"{path}/bin/{program}")
    os.symlink("busybox", f"{path}/bin/sh")
    os.symlink("busybox", f"{path}/bin/cat")
    os.chmod(TMP, 0o755)
    return path


def mounts_of(r):
    """{mount point: (root, options, type, optional fields)} from the probe's `mounts`."""
    found = {}
    for line in r.lines:
        left, _, right = line.partition(" - ")
        words = left.split()
        if right and words[0].isdigit():
            found[words[4]] = (words[3], words[5].split(","), right.split()[0], words[6:])
    return found
