"""Roots to spoil, a directory of the host that must not be reached, and what the probe says of mounts."""

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


def victim():
    """A directory of the host that nothing inside may reach: its path."""
    path = f"{TMP}/host-secret"
    os.makedirs(path, exist_ok=True)
    with open(path + "/secret", "w") as file:
        file.write("of the host")
    return path


def untouched(path):
    equal(os.listdir(path), ["secret"], "the host's directory")
    equal(read(path + "/secret"), "of the host")
    status = os.stat(path + "/secret")
    equal((status.st_uid, status.st_nlink, status.st_mode & 0o777), (0, 1, 0o644))


def mounts_of(r):
    """{mount point: (root, options, type, optional fields)} from the probe's `mounts`."""
    found = {}
    for line in r.lines:
        left, _, right = line.partition(" - ")
        words = left.split()
        if right and words[0].isdigit():
            found[words[4]] = (words[3], words[5].split(","), right.split()[0], words[6:])
    return found
