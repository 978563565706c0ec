"""Step 3: a root of its own, mounts by descriptor, devices, hidden paths."""

import fcntl

from harness import *
from roots import *

STEPS = for_steps(3, 7)


def with_names(image):
    """The mount points of step 6, which a container's root may not make in a root that is not its own."""
    for name in ("resolv.conf", "hosts", "hostname"):
        open(f"{image}/etc/{name}", "a").close()
    return image


# ---- the root ------------------------------------------------------------------------------------


@test("nothing of the host remains in mountinfo, and nothing is shared with it", steps=STEPS)
def _(s):
    r = run(s.argv(cmd=[s.probe, "mounts"]))
    equal(r.status, 0)
    found = mounts_of(r)
    check(found["/"][0] != "/", "the root mount is a directory of the host's file system, not its root")
    for point in ("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"):
        check(point in found, point)
    usual = {"proc", "tmpfs", "devpts", "mqueue", "sysfs", "cgroup2"}
    own = {"/", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname"}
    for point, (_, _, kind, optional) in found.items():
        check(point in own or kind in usual, f"{point} is {kind}")
        equal([o for o in optional if not o.startswith("unbindable")], [], f"propagation of {point}")


@test("the root inside is the directory given, and `..` of / is /", steps=STEPS)
def _(s):
    r = run(s.argv(cmd=["/bin/sh", "-c", "cd /..; pwd; cat /etc/motd; ls -di / /.. | awk '{print $1}' | uniq | wc -l"]))
    equal(r.lines, ["/", "a root file system of busybox", "1"])


@test("no descriptor but stdin, stdout and stderr reaches the command", steps=STEPS)
def _(s):
    r = run(s.argv("--no-init", cmd=[s.probe, "fds"]))
    equal([line.split()[1] for line in r.lines], ["0", "1", "2"])


@test("a read-only root cannot be written, what is mounted in it can", steps=STEPS)
def _(s):
    r = run(s.argv("--read-only", "--tmpfs", "/tmp", cmd=[s.probe, "write", "/made", "x", "write", "/tmp/x", "x", "write", "/dev/null", "x"]))
    equal(r.lines, ["write = -1 EROFS", "write = 1", "write = 1"])
    check(not os.path.exists(ROOTFS + "/made"))


@test("without pivot_root the host's mounts are gone all the same", steps=STEPS)
def _(s):
    r = run(s.given("--no-pivot", "--rootfs", ROOTFS, "--", "/bin/probe", "mounts", "list", "/"))
    equal(r.status, 0)
    check(mounts_of(r)["/"][0] != "/", "the root")
    contains(r.out, "entry bin")


# a host of its own in $1, where a mount with a blank in its path lies on / itself
BLANK = """mount -t tmpfs host "$1" && cd "$1" || exit
for d in bin dev lib lib64 proc sys usr var; do [ ! -d /$d ] || { mkdir $d && mount --rbind /$d $d; }; done
mkdir old "a b" && mount -t tmpfs none "a b" && pivot_root . old && cd / && umount -l old && shift && exec "$@\""""


@test("without pivot_root a mount of the host with a blank in its path is detached too", steps=STEPS)
def _(s):
    os.mkdir(TMP + "/host")
    told = TMP + "/told.json"
    words = s.given("--explain=json", "--explain-to", told, "--no-pivot", "--rootfs", ROOTFS, "--", "/bin/true")
    equal(run(["unshare", "--mount", "sh", "-c", BLANK, "sh", TMP + "/host", *words]).status, 0)
    results = [e["result"] for e in map(json.loads, read(told).splitlines()) if e["call"] == 'umount2("/a b", MNT_DETACH)']
    equal(results[:1], [0])


@test("a chroot out of a root without pivot finds no /proc or /sys of the host", steps=STEPS)
def _(s):
    # who may chroot leaves a chroot: mkdir x; chroot x; cd ../../..; chroot .
    r = run(s.given("--no-pivot", "--rootfs", ROOTFS, "--tmpfs", "/tmp:exec", "--", "/bin/sh", "-c",
             "mkdir /tmp/x; cp /bin/busybox /tmp/x; chroot /tmp/x /busybox true; echo $?"))
    equal(r.lines, ["0"])


@test("pivot_root is told, and the detached tree after it", steps=STEPS)
def _(s):
    r, events = explain(s.argv(cmd=["/bin/true"]))
    equal(r.status, 0)
    calls = [e["call"] for e in events]
    at = calls.index('pivot_root(".", ".")')
    equal(calls[at + 1], 'umount2(".", MNT_DETACH)')
    check(any(c.startswith("move_mount(") for c in calls[:at]), "attached before the pivot")
    check(all(e["result"] is None or e["result"] >= 0 for e in events if e["call"].startswith(("pivot", "umount"))))


# ---- mounts --------------------------------------------------------------------------------------


@test("a directory of the host is seen inside, writable, and read-only with :ro", steps=STEPS)
def _(s):
    os.chmod(TMP, 0o777)
    os.makedirs(TMP + "/shared")
    with open(TMP + "/shared/file", "w") as file:
        file.write("from outside\n")
    image = make_rootfs()
    r = run(s.argv("--bind", TMP + "/shared:/data", cmd=[s.probe, "read", "/data/file", "write", "/data/file", "inside"], rootfs=image))
    equal(r.lines, ["from outside", "write = 6"])
    equal(read(TMP + "/shared/file"), "inside")
    r = run(s.argv("--bind", TMP + "/shared:/data:ro", cmd=[s.probe, "write", "/data/file", "x"], rootfs=image))
    equal(r.lines, ["write = -1 EROFS"])


@test("a single file is bound, its mount point made with its parents", steps=STEPS)
def _(s):
    image = make_rootfs()
    with open(TMP + "/conf", "w") as file:
        file.write("setting\n")
    r = run(s.given("--rootfs", image, "--bind", TMP + "/conf:/opt/new/conf", "--", "/bin/cat", "/opt/new/conf"))
    equal((r.status, r.out), (0, "setting\n"))


@test("a bind is recursive, ro is for the top mount, rro for all below", steps=STEPS)
def _(s):
    image = make_rootfs()
    os.makedirs(TMP + "/src/below")
    run(["mount", "-t", "tmpfs", "x", TMP + "/src/below"])
    try:
        r = run(s.given("--rootfs", image, "--bind", TMP + "/src:/d:ro", "--", "/bin/probe", "write", "/d/x", "x", "write", "/d/below/x", "x"))
        equal(r.lines, ["write = -1 EROFS", "write = 1"])
        r = run(s.given("--rootfs", image, "--bind", TMP + "/src:/d:rro", "--", "/bin/probe", "write", "/d/x", "x", "write", "/d/below/x", "x"))
        equal(r.lines, ["write = -1 EROFS", "write = -1 EROFS"])
    finally:
        run(["umount", TMP + "/src/below"])


@test("every attribute of a mount arrives: nosuid, nodev, noexec, nosymfollow, the atime family", steps=STEPS)
def _(s):
    image = make_rootfs()
    os.makedirs(TMP + "/src")
    for words, there in (
        ("nosuid,nodev,noexec", {"nosuid", "nodev", "noexec", "relatime"}),
        ("nosymfollow", {"nosymfollow", "relatime"}),
        ("noatime", {"noatime"}),
        ("strictatime", set()),
        ("nodiratime", {"nodiratime", "relatime"}),
        ("rnosuid,rnodev,rnoexec,rnoatime,rro", {"nosuid", "nodev", "noexec", "noatime", "ro"}),
        ("ro,rw,nosuid,suid", {"rw", "relatime"}),
    ):
        r = run(s.given("--rootfs", image, "--bind", f"{TMP}/src:/d:{words}", "--", "/bin/probe", "mounts"))
        options = set(mounts_of(r)["/d"][1])
        equal(options - {"rw"}, there - {"rw"}, words)


@test("propagation is private unless asked for; rslave sees what the host mounts later, rprivate does not", steps=STEPS)
def _(s):
    image = make_rootfs()
    os.makedirs(TMP + "/src/later")
    run(["mount", "--bind", TMP + "/src", TMP + "/src"])
    run(["mount", "--make-rshared", TMP + "/src"])
    try:
        for word, seen in (("rslave", "yes"), ("rprivate", "no"), ("rw", "no")):
            p = start(s.given("--rootfs", image, "--bind", f"{TMP}/src:/d:{word}", "--", "/bin/sh", "-c",
                       "echo ready; read x; [ -e /d/later/file ] && echo yes || echo no"), stdin=subprocess.PIPE)
            p.read_until("ready")
            run(["mount", "-t", "tmpfs", "x", TMP + "/src/later"])
            open(TMP + "/src/later/file", "w").close()
            p.write("go\n")
            r = p.wait()
            run(["umount", TMP + "/src/later"])
            equal(r.lines[-1], seen, word)
        run(["mount", "-t", "tmpfs", "x", TMP + "/src/later"])
        r = run(s.given("--rootfs", image, "--bind", f"{TMP}/src:/d:rw", "--", "/bin/cat", "/proc/self/mountinfo"))
        run(["umount", TMP + "/src/later"])
        peers = {line.split()[4]: line.split(" - ")[0].split()[6:] for line in r.lines}
        equal((peers["/d"], peers["/d/later"]), ([], []), "nor has what is mounted below any")
        r = run(s.given("--rootfs", image, "--bind", f"{TMP}/src:/d:rshared", "--", "/bin/sh", "-c",
                 "mount -t tmpfs x /d/later && : > /d/later/mark"))
        equal(r.status, 0, "a mount made inside a shared bind")
        check(os.path.exists(TMP + "/src/later/mark"), "is seen by the host")
        run(["umount", TMP + "/src/later"])
    finally:
        run(["umount", TMP + "/src"])


@test("a tmpfs takes size, mode and exec; tmpcopyup begins with what it covers", steps=STEPS)
def _(s):
    image = make_rootfs()
    with open(image + "/etc/conf", "w") as file:
        file.write("as shipped\n")
    os.symlink("conf", image + "/etc/link")
    os.chmod(image + "/etc/conf", 0o640)
    r = run(s.argv("--tmpfs", "/t:size=1m,mode=700", "--tmpfs", "/etc:tmpcopyup", rootfs=image,
                   cmd=[s.probe, "stat", "/t", "statfs", "/t", "stat", "/etc/conf", "stat", "/etc/link", "write", "/etc/conf", "changed"]))
    contains(r.lines[0], "directory 0700")
    contains(r.lines[1], "size 1048576 ")
    contains(r.lines[2], "file 0640")
    contains(r.lines[3], "link")
    equal(r.lines[4], "write = 7")
    equal(read(image + "/etc/conf"), "as shipped\n", "the image")


@test("an empty directory bound with tmpcopyup begins with what the image has there, a used one is kept", steps=STEPS)
def _(s):
    image = make_rootfs()
    with open(image + "/etc/conf", "w") as file:
        file.write("as shipped")
    os.makedirs(TMP + "/volume")
    argv = s.given("--rootfs", image, "--bind", TMP + "/volume:/etc:tmpcopyup", "--", "/bin/probe", "read", "/etc/conf", "write", "/etc/conf", "mine")
    contains(run(argv).out, "as shipped")
    contains(run(argv).out, "mine")
    equal(read(image + "/etc/conf"), "as shipped")


@test("what tmpcopyup copies keeps its holes: a file larger than the tmpfs fits into it, data and size as they were", steps=STEPS)
def _(s):
    image = make_rootfs()
    with open(image + "/etc/sparse", "wb") as file:
        file.truncate(256 << 20)
        for offset in (0, 100 << 20):
            file.seek(offset)
            file.write(b"x" * 4096)
    with open(image + "/etc/hole", "wb") as file:
        file.truncate(1 << 30)
    r = run(s.given("--rootfs", image, "--tmpfs", "/etc:tmpcopyup,size=1m", "--", "/bin/sh", "-c", "stat -c '%s %b' /etc/sparse /etc/hole; tr -d '\\0' </etc/sparse | wc -c"))
    equal(r.lines, [f"{256 << 20} 16", f"{1 << 30} 0", "8192"], r.err)


@test("an empty directory bound with tmpcopyup gets the mode of what it covers, and is filled also when it is read-only", steps=STEPS)
def _(s):
    image = make_rootfs()
    os.makedirs(image + "/kept")
    with open(image + "/kept/file", "w") as file:
        file.write("as shipped")
    os.chmod(image + "/kept", 0o1770)
    os.makedirs(TMP + "/volume")
    r = run(s.given("--rootfs", image, "--bind", TMP + "/volume:/kept:ro,tmpcopyup", "--", "/bin/probe", "read", "/kept/file", "write", "/kept/file", "x"))
    contains(r.out, "as shipped")
    contains(r.out, "EROFS")
    equal(os.stat(TMP + "/volume").st_mode & 0o7777, 0o1770)


def with_files(count):
    """A root with COUNT files of a page in /kept, a directory and a link."""
    image = make_rootfs()
    os.makedirs(image + "/kept/below")
    for i in range(count):
        with open(f"{image}/kept/{i:03}", "w") as file:
            file.write("x" * 4096)
    os.symlink("000", image + "/kept/link")
    os.chmod(image + "/kept", 0o1770)
    return image


@test("a directory that was not filled to the end, for want of room, is filled by the next try; then it is kept", needs="root", steps=STEPS)
def _(s):
    image, volume = with_files(40), TMP + "/disk/volume"
    os.makedirs(TMP + "/disk")
    say = ["--", "/bin/sh", "-c", "cat /kept/[0-9]* | wc -c; ls /kept | wc -l; rm /kept/000"]
    argv = s.given("--rootfs", image, "--bind", volume + ":/kept:tmpcopyup", *say)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "none", TMP + "/disk"], check=True)
    try:
        os.makedirs(volume)
        r = run(argv)
        equal((r.status, r.out), (125, ""))
        contains(r.err, "ENOSPC")
        equal(os.stat(volume).st_mode & 0o7777, 0o1000)
        check(0 < len(os.listdir(volume)) < 42, "some of the files are there")
        subprocess.run(["mount", "-o", "remount,size=1m", TMP + "/disk"], check=True)
        equal(run(argv).lines, ["163840", "42"])
        equal(os.stat(volume).st_mode & 0o7777, 0o1770)
        equal(run(argv).lines, ["159744", "41"])
    finally:
        subprocess.run(["umount", TMP + "/disk"], check=True)


@test("containers that begin at once with the same empty directory fill it one after the other, and wait for each other, not for ever", steps=for_steps(3, 3))
def _(s):
    image, volume = with_files(100), TMP + "/volume"
    os.makedirs(volume)
    look = ["--", "/bin/sh", "-c", "cat /kept/[0-9]* | wc -c; ls /kept | wc -l"]
    argv = s.given("--rootfs", image, "--bind", volume + ":/kept:tmpcopyup", *look)
    lock = os.open(volume, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    r = run(argv)
    equal((r.status, r.out, os.listdir(volume)), (125, "", []))
    contains(r.err, "what covers /kept: another container has been filling it for 10 seconds")
    runs = [start(argv) for _ in range(4)]
    os.close(lock)
    for r in [p.wait() for p in runs]:
        equal((r.status, r.lines), (0, ["409600", "102"]), r.err)


@test("a read-only tmpfs is so at the end, with the mount points that were made in it", steps=STEPS)
def _(s):
    image = make_rootfs()
    os.makedirs(TMP + "/src")
    r = run(s.given("--rootfs", image, "--tmpfs", "/t:ro", "--bind", TMP + "/src:/t/in/side", "--", "/bin/probe",
             "write", "/t/x", "x", "write", "/t/in/side/x", "x"))
    equal(r.lines, ["write = -1 EROFS", "write = 1"])


@test("a tmpfs on a directory that is there keeps its mode; a new one is for everybody", steps=STEPS)
def _(s):
    image = make_rootfs()
    os.chmod(image + "/mnt", 0o751)
    r = run(s.given("--rootfs", image, "--tmpfs", "/mnt", "--tmpfs", "/new", "--", "/bin/probe", "stat", "/mnt", "stat", "/new"))
    contains(r.lines[0], "0751")
    contains(r.lines[1], "1777")


@test("/dev/shm has the size asked for", steps=STEPS)
def _(s):
    contains(run(s.argv("--shm-size", "8m", cmd=[s.probe, "statfs", "/dev/shm"])).out, "size 8388608 ")


@test("the maps of an id-mapped bind can be its own", needs="root", steps=STEPS)
def _(s):
    os.makedirs(TMP + "/src")
    open(TMP + "/src/file", "w").close()
    os.chown(TMP + "/src/file", 1000, 1001)
    os.chmod(TMP + "/src", 0o777)
    bind = TMP + "/src:/mnt:idmap=uids=1000-0-1#0-7-1;gids=1001-0-1#0-8-1"
    r = run(s.argv("--bind", bind, cmd=[s.probe, "stat", "/mnt/file", "stat", "/mnt", "write", "/mnt/made", "x"], privileged=True))
    if "EINVAL" in r.err:
        skip("this file system cannot map ids")
    contains(r.lines[0], " 0:0 ")
    contains(r.lines[1], " 7:8 ")
    made = os.stat(TMP + "/src/made")
    equal((made.st_uid, made.st_gid), (1000, 1001), "owner on the disk of a file made inside by root")


@test("files are owned by the container's root through an id-mapped bind", steps=STEPS)
def _(s):
    image = with_names(make_rootfs())
    os.makedirs(TMP + "/src")
    open(TMP + "/src/file", "w").close()
    argv = s.given("--user", "--map-auto", "--rootfs", image, "--bind")
    r = run([*argv, TMP + "/src:/mnt", "--", "/bin/probe", "stat", "/mnt/file"])
    contains(r.out, "65534:65534", "not mapped: nobody's")
    r = run([*argv, TMP + "/src:/mnt:idmap", "--", "/bin/probe", "stat", "/mnt/file", "write", "/mnt/made", "x"])
    if "EINVAL" in r.err:
        skip("this file system cannot map ids")
    contains(r.lines[0], " 0:0 ")
    equal(os.stat(TMP + "/src/made").st_uid, 0, "owner outside of a file made inside")


# ---- devices -------------------------------------------------------------------------------------

NODES = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9", "tty": "5:0"}
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}


def check_devices(r):
    for line, (name, number) in zip(r.lines, NODES.items()):
        matches(line, rf"^stat char 0666 .* device {number}$", name)
    contains(r.out, "entry ptmx")


DEVICE_QUESTIONS = [word for name in NODES for word in ("stat", "/dev/" + name)] + ["list", "/dev"]


@test("the six devices are the kernel's, for everybody", steps=STEPS)
def _(s):
    check_devices(run(s.argv(cmd=[s.probe, *DEVICE_QUESTIONS])))


@test("nodes of the host that a user namespace has bound count no set-user-ID bit and are not executed", steps=STEPS)
def _(s):
    r = run(s.argv("--user", "--map-auto", rootfs=with_names(make_rootfs()), cmd=["/bin/sh", "-c", "grep -E ' /dev/[a-z]+ ' /proc/self/mountinfo"]))
    flags = {line.split()[4]: line.split()[5].split(",") for line in r.lines}
    for name in NODES:
        check({"nosuid", "noexec"} <= set(flags["/dev/" + name]), f"/dev/{name}: {flags}")


@test("devices work: what goes to null is gone, random gives, full is full", steps=STEPS)
def _(s):
    r = run(s.argv(cmd=["/bin/sh", "-c", "echo x > /dev/null; head -c 3 /dev/urandom | wc -c; echo x > /dev/full; echo $?; echo err > /dev/stderr; echo fd > /dev/fd/1"]))
    equal(r.lines, ["3", "1", "fd"])
    contains(r.err, "err")


@test("links of /dev lead to the process's own descriptors and terminal multiplexer", steps=STEPS)
def _(s):
    r = run(s.argv(cmd=["/bin/sh", "-c", "for l in " + " ".join(LINKS) + "; do readlink /dev/$l; done"]))
    equal(r.lines, list(LINKS.values()))


@test("the terminals of the host are not there, a new one is the container's own", steps=STEPS)
def _(s):
    r = run(s.argv("--tmpfs", "/tmp", cmd=["/bin/sh", "-c", "ls /dev/pts; exec 3<>/dev/ptmx; ls /dev/pts"]))
    equal(r.lines, ["ptmx", "0", "ptmx"])


@test("a /dev that is bound from the host is left as it is", steps=STEPS)
def _(s):
    image = make_rootfs()
    os.makedirs(TMP + "/dev")
    for name, number in (("null", 3), ("ptmx", 5)):
        os.mknod(f"{TMP}/dev/{name}", 0o20666, os.makedev(1, number))
    r = run(s.given("--rootfs", image, "--bind", TMP + "/dev:/dev", "--", "/bin/probe", "list", "/dev", "stat", "/dev/ptmx"))
    equal(r.lines[:-1], ["entry null", "entry ptmx"])
    contains(r.lines[-1], "device 1:5")
    equal(sorted(os.listdir(TMP + "/dev")), ["null", "ptmx"])


@test("the host's own root as the container's leaves the host's /dev as it is")
def _():
    before = os.lstat("/dev/ptmx")
    r = run([step(3), "--rootfs", "/", "--", PROBE, "stat", "/dev/ptmx"])
    contains(r.out, "stat link")
    equal(os.lstat("/dev/ptmx").st_ino, before.st_ino)


# ---- hidden paths --------------------------------------------------------------------------------


@test("masked paths appear empty: a file, a directory, and those of the default list", steps=STEPS)
def _(s):
    image = make_rootfs()
    with open(image + "/etc/key", "w") as file:
        file.write("secret")
    os.makedirs(image + "/etc/keys/deep")
    r = run(s.argv("--mask", "/etc/key", "--mask", "/etc/keys", "--mask", "/nowhere", rootfs=image,
                   cmd=[s.probe, "read", "/etc/key", "list", "/etc/keys", "list", "/sys/firmware", "read", "/proc/keys", "read", "/proc/timer_list", "stat", "/etc/key"]))
    equal(r.status, 0)
    equal(len(r.lines), 1)
    contains(r.lines[0], "device 1:3")


MASKED = """/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug
    /proc/scsi /proc/timer_list /proc/timer_stats /sys/firmware /sys/devices/virtual/powercap""".split()
READ_ONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split()


@test("of the default lists each path that this kernel has is empty, or a mount that cannot be written", steps=STEPS)
def _(s):
    show = "for p in " + " ".join(MASKED) + "; do [ -d $p ] && ls -A $p || cat $p; done 2>/dev/null"
    equal(run(s.argv(cmd=["/bin/sh", "-c", show + "; true"])).out, "")
    flags = {line.split()[4]: line.split()[5].split(",") for line in run(s.argv(cmd=["/bin/cat", "/proc/self/mountinfo"])).lines}
    for path in filter(os.path.exists, MASKED + READ_ONLY):
        contains(flags, path)
        check(path in MASKED or "ro" in flags[path], f"{path}: {flags[path]}")


@test("/proc/sys, /proc/sysrq-trigger and /sys cannot be written", steps=STEPS)
def _(s):
    r = run(s.argv(cmd=[s.probe, "write", "/proc/sys/kernel/hostname", "x", "mkdir", "/sys/fs/x", "write", "/proc/sysrq-trigger", "h"]))
    equal(r.lines[:2], ["write = -1 EROFS", "mkdir = -1 EROFS"])
    check(r.lines[2] in ("write = -1 EROFS", "write = -1 ENOENT"), r.lines[2])  # not every kernel has it


# ---- without root --------------------------------------------------------------------------------


@test("an ordinary user gets the same root, mounts and devices in a user namespace", needs="user", steps=STEPS)
def _(s):
    r = run_as_user(s.argv("--user", "--map-root", "--read-only", "--tmpfs", "/tmp",
                           cmd=[s.probe, *DEVICE_QUESTIONS, "mounts", "write", "/tmp/x", "x", "write", "/dev/null", "x", "write", "/made", "x"]))
    equal(r.status, 0)
    check_devices(r)
    found = mounts_of(r)
    equal(found["/proc"][2], "proc")
    equal(found["/dev"][2], "tmpfs")
    check("ro" in found["/sys"][1], "sysfs is read-only")
    equal(r.lines[-3:], ["write = 1", "write = 1", "write = -1 EROFS"])


@test("an ordinary user's bind remembers being read as the host's mount does, whatever is asked: it is locked", needs="user", steps=STEPS)
def _(s):
    os.makedirs(TMP + "/src")
    os.chmod(TMP, 0o755)
    for words in ("nodiratime", "noatime", "rnodiratime,rstrictatime", "nodiratime,noexec"):
        r = run_as_user(s.given("--user", "--map-root", "--rootfs", ROOTFS, "--bind", f"{TMP}/src:/tmp:{words}", "--", "/bin/probe", "mounts"))
        equal((r.status, r.err), (0, ""), words)
        options = set(mounts_of(r)["/tmp"][1])
        equal(options & {"relatime", "noexec", "nodiratime"}, {"relatime"} | {"noexec"} & set(words.split(",")), words)


@test("an ordinary user gets a range of ids, a bind and a masked path", needs="user cmd:newuidmap", steps=STEPS)
def _(s):
    os.makedirs(TMP + "/src")
    os.chmod(TMP, 0o755)
    os.chmod(TMP + "/src", 0o777)
    r = run_as_user(s.given("--user", "--map-auto", "--rootfs", ROOTFS, "--mask", "/etc/passwd", "--bind", TMP + "/src:/tmp", "--",
                     "/bin/probe", "read", "/etc/passwd", "write", "/tmp/made", "x", "stat", "/tmp/made"))
    equal(r.lines[0], "write = 1")
    contains(r.lines[1], " 0:0 ")
    equal(os.stat(TMP + "/src/made").st_uid, USER_ID)


@test("root's files reach a container with ids of its own: the parent opens what the child could not", steps=STEPS)
def _(s):
    image = with_names(make_rootfs("closed/image"))
    os.chmod(TMP + "/closed", 0o700)
    os.makedirs(TMP + "/closed/src")
    open(TMP + "/closed/src/file", "w").close()
    r = run(s.given("--user", "--map-auto", "--rootfs", image, "--bind", TMP + "/closed/src:/mnt", "--", "/bin/probe", "list", "/mnt"))
    equal((r.status, r.out), (0, "entry file\n"))


@test("in a network namespace of one's own a user mounts a sysfs of one's own", needs="user")
def _():
    r = run_as_user([step(3), "--user", "--map-root", "--net", "--rootfs", ROOTFS, "--", "/bin/probe", "mounts"])
    equal([p for p in mounts_of(r) if p.startswith("/sys/fs")], [])


@test("with the host's process numbers a user sees the host's /proc, for it may mount no other", needs="user", steps=STEPS)
def _(s):
    r = run_as_user(s.given("--user", "--map-root", "--pid", "host", "--rootfs", ROOTFS, "--", "/bin/sh", "-c", "[ -d /proc/" + str(os.getpid()) + " ] && echo seen"))
    equal(r.out, "seen\n")


@test("a container in a container: with root it runs, in a user namespace the masked /proc forbids it and the message says so")
def _():
    os.makedirs(TMP + "/tools")
    shutil.copy(step(3), TMP + "/tools/step03")
    shutil.copytree(make_rootfs(), TMP + "/tools/rootfs", symlinks=True)
    outer = [step(3), "--rootfs", ROOTFS, "--bind", TMP + "/tools:/srv", "--", "/srv/step03", "--rootfs", "/srv/rootfs"]
    r = run([*outer, "--", "/bin/probe", "list", "/mnt", "ids"])
    contains(r.out, "pid")
    r = run([*outer, "--user", "--map-root", "--", "/bin/true"])
    equal(r.status, 125)
    contains(r.err, "EPERM")
    contains(r.err, "only where a whole one is visible")


# ---- bad use -------------------------------------------------------------------------------------

bad("no root given", lambda: [step(3), "--", "true"], names="--rootfs")
bad("no command", lambda: [step(3), "--rootfs", ROOTFS], names="no COMMAND")
bad("a root that is not there", lambda: [step(3), "--rootfs", "/nosuch", "--", "true"], call='stat("/nosuch")', names="make rootfs")
bad("a root that is a file", lambda: [step(3), "--rootfs", "/etc/passwd", "--", "true"], call="stat(", names="/etc/passwd")
bad("a source that is not there", lambda: [step(3), "--rootfs", ROOTFS, "--bind", "/nosuch:/mnt", "--", "true"], call="open_tree(", names="/nosuch")
bad("a bind without a place", lambda: [step(3), "--rootfs", ROOTFS, "--bind", "/tmp", "--", "true"], names="--bind /tmp")
bad("a bind on a relative place", lambda: [step(3), "--rootfs", ROOTFS, "--bind", "/tmp:mnt", "--", "true"], names="--bind /tmp:mnt")
bad("a bind over the root itself", lambda: [step(3), "--rootfs", ROOTFS, "--bind", "/tmp:/", "--", "true"], names="the root itself")
bad("a directory bound over a file", lambda: [step(3), "--rootfs", ROOTFS, "--bind", "/tmp:/etc/motd", "--", "true"], names="/etc/motd")
bad("a file bound over a directory", lambda: [step(3), "--rootfs", ROOTFS, "--bind", "/etc/passwd:/etc", "--", "true"], names="/etc")
bad("an option of a file system for a bind", lambda: [step(3), "--rootfs", ROOTFS, "--bind", "/tmp:/mnt:size=1m", "--", "true"], names="size=1m")
bad("a size that is none", lambda: [step(3), "--rootfs", ROOTFS, "--tmpfs", "/tmp:size=64q", "--", "true"], call="fsconfig(", names="Bad value for 'size'")
bad("an option that tmpfs does not know", lambda: [step(3), "--rootfs", ROOTFS, "--tmpfs", "/tmp:banana", "--", "true"], call="fsconfig(", names="banana")
bad("a size of /dev/shm that is none", lambda: [step(3), "--rootfs", ROOTFS, "--shm-size", "64q", "--", "true"], names="--shm-size 64q")
bad("ids to map, and no maps", lambda: [step(3), "--rootfs", ROOTFS, "--bind", "/tmp:/mnt:idmap", "--", "true"], names="idmap on /mnt")
bad("maps of ids that are none", lambda: [step(3), "--rootfs", ROOTFS, "--bind", "/tmp:/mnt:idmap=uids=5", "--", "true"], names="idmap=uids=5: not uids=")
bad("ids mapped by an ordinary user", lambda: [step(3), "--user", "--map-root", "--rootfs", ROOTFS, "--bind", "/tmp:/mnt:idmap", "--", "true"], call="open_tree(", names="by the host's root", user=True)
bad("an ordinary user without a user namespace", lambda: [step(3), "--rootfs", ROOTFS, "--", "true"], call="clone3(", names="--map-root", user=True)
