"""Images and options that want a mount, a device or a mask to land outside of the root."""

from harness import *
from roots import *


def hostile(link, target, **options):
    """Runs an image in which LINK is a symbolic link to TARGET; gives the Result."""
    image = make_rootfs()
    if os.path.isdir(f"{image}/{link}"):
        os.rmdir(f"{image}/{link}")
    os.symlink(target, f"{image}/{link}")
    return run([step(3), "--rootfs", image, *options.get("argv", []), "--", "/bin/probe", *options.get("ask", ["exit", "0"])])


@test("an image whose /proc, /sys or /dev is a link is not run, wherever the link leads")
def _():
    secret = victim()
    for name in ("proc", "sys", "dev"):
        for target in (secret, "../../../../../.." + secret, "tmp", "/nowhere"):
            r = hostile(name, target)
            equal(r.status, 125, f"/{name} -> {target}")
            contains(r.err, f"/{name}")
            contains(r.err, "symbolic link")
            shutil.rmtree(TMP + "/image")
    untouched(secret)


@test("a mount point that is a link to the host's directory is made inside the root")
def _():
    secret = victim()
    for target in (secret, "../../../../../../../.." + secret, "/proc/self/root" + secret, "/proc/1/cwd" + secret):
        r = hostile("mnt", target, argv=["--tmpfs", "/mnt/made/deep"], ask=["write", "/mnt/made/deep/x", "x"])
        untouched(secret)
        if r.status == 0:
            equal(r.lines, ["write = 1"])
        shutil.rmtree(TMP + "/image")


@test("a link to something missing inside is followed, and its target made inside")
def _():
    r = hostile("mnt", "/run/not/there", argv=["--tmpfs", "/mnt/x:mode=711"], ask=["stat", "/run/not/there/x"])
    contains(r.out, "directory 0711")
    check(not os.path.exists("/run/not"))


@test("a loop of links is an error, not a hang")
def _():
    r = hostile("mnt", "mnt", argv=["--tmpfs", "/mnt/x"])
    equal(r.status, 125)
    contains(r.err, "ELOOP")


@test("a tmpfs on /proc, or under a link to it, is refused")
def _():
    for argv in (["--tmpfs", "/proc"], ["--tmpfs", "/mnt"], ["--tmpfs", "/proc/sys"], ["--bind", "/tmp:/proc/self"], ["--bind", "/proc/self/attr:/proc"], ["--bind", "/dev/shm:/proc"], ["--bind", "/etc/hostname:/proc/self/attr/exec"]):
        r = hostile("mnt", "/proc", argv=argv)
        equal(r.status, 125, " ".join(argv))
        contains(r.err, "EPERM")
        contains(r.err, argv[1].split(":")[-1])
        shutil.rmtree(TMP + "/image")


@test("a few files of /proc may be covered, as hosts do that show a container its own uptime")
def _():
    image = make_rootfs()
    with open(TMP + "/uptime", "w") as file:
        file.write("1.00 1.00\n")
    r = run([step(3), "--rootfs", image, "--bind", TMP + "/uptime:/proc/uptime:ro", "--", "/bin/cat", "/proc/uptime"])
    equal(r.out, "1.00 1.00\n")


@test("a path is masked by the device 1:3 itself, not by what an image calls /dev/null")
def _():
    image = make_rootfs()
    with open(image + "/evil", "w") as file:
        file.write("evil")
    # the user covers /dev by a directory of theirs, in which null is a link, a file, another device
    os.makedirs(TMP + "/dev")
    for make in (
        lambda p: os.symlink("/evil", p),
        lambda p: open(p, "w").close(),
        lambda p: os.mknod(p, 0o20666, os.makedev(1, 5)),
        lambda p: os.mknod(p, 0o60666, os.makedev(1, 3)),  # the number of null, but of a disk
        lambda p: os.symlink("/proc/self/exe", p),
    ):
        make(TMP + "/dev/null")
        r = run([step(3), "--rootfs", image, "--bind", TMP + "/dev:/dev", "--mask", "/etc", "--", "/bin/true"])
        equal(r.status, 125)
        contains(r.err, "/dev/null")
        os.unlink(TMP + "/dev/null")


@test("an image's own /dev/ptmx or /dev/null does not stay in the new /dev")
def _():
    image = make_rootfs()
    os.mknod(image + "/dev/null", 0o20666, os.makedev(1, 11))  # kmsg
    os.mknod(image + "/dev/ptmx", 0o20666, os.makedev(5, 2))
    r = run([step(3), "--rootfs", image, "--", "/bin/probe", "stat", "/dev/null", "stat", "/dev/ptmx"])
    contains(r.lines[0], "device 1:3")
    contains(r.lines[1], "stat link")


SWAPPER = r"""
import ctypes, os, sys
libc = ctypes.CDLL(None)
a, b = (p.encode() for p in sys.argv[1:3])
n = 0
while os.getppid() != 1:
    libc.renameat2(-100, a, -100, b, 2)  # RENAME_EXCHANGE
    n += 1
    if n == 1000:
        print("1000", flush=True)
"""


@test("a mount point swapped for a link a thousand times never leads outside", timeout=240)
def _():
    secret = victim()
    image = make_rootfs()
    os.makedirs(image + "/swap/dir")
    os.symlink(secret, image + "/swap/link")
    os.makedirs(TMP + "/src")
    p = start([sys.executable, "-c", SWAPPER, image + "/swap/dir", image + "/swap/link"])
    outcomes = set()
    for _ in range(40):
        r = run([step(3), "--rootfs", image, "--bind", TMP + "/src:/swap/dir/mnt", "--tmpfs", "/swap/link/tmp", "--mask", "/swap/dir", "--", "/bin/probe", "mounts"])
        outcomes.add(r.status)
        untouched(secret)
    p.read_until("1000")
    untouched(secret)
    check(outcomes <= {0, 125}, f"statuses {outcomes}")


@test("the program that was run cannot be written through /proc/PID/exe of the container's own")
def _():
    before = read_bytes(step(3))
    run([step(3), "--no-init", "--rootfs", ROOTFS, "--", "/bin/sh", "-c", "for p in /proc/[0-9]*; do echo x > $p/exe; done 2>/dev/null; true"])
    run([step(3), "--rootfs", ROOTFS, "--", "/bin/sh", "-c", "for p in /proc/[0-9]*; do echo x > $p/exe; done 2>/dev/null; true"])
    check(read_bytes(step(3)) == before, "the program changed")


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()
