"""Bundles, roots and callers that want the OCI runtime to do something for them on the host."""

import harness

from harness import *
from mounts import SWAPPER
from oci import OCI, console, reap
from roots import make_rootfs, untouched, victim


def link_to(image, name, target):
    os.rmdir(f"{image}/{name}")
    os.symlink(target, f"{image}/{name}")


def refused(box, says, *words, **options):
    r = box.run(*words, **options)
    equal((r.status, r.out), (1, ""), says)
    contains(r.err, says)


# ---- /dev, and what is made in it (CVE-2026-41579, CVE-2026-47766, CVE-2024-45310) ---------------


@test("an image whose /dev is a link gets no device outside, with a file system on it and without")
def _():
    host = victim()
    for target in (host, "../../../../../.." + host, "/proc/self/root" + host, "/proc/1/cwd"):
        image = make_rootfs()
        link_to(image, "dev", target)
        box = OCI("/bin/probe", "exit", "0", rootfs=image)
        box.linux["devices"] = [{"path": "/dev/evil", "type": "c", "major": 1, "minor": 5}]
        refused(box, "symbolic link")
        untouched(host)
        del box.config["mounts"][1:]
        r = box.run()  # then the link means a place in the root, or nothing
        check(r.status in (0, 1), r)
        untouched(host)
        shutil.rmtree(image)


@test("a device whose directory is a link is made in the root")
def _():
    host = victim()
    image = make_rootfs()
    link_to(image, "mnt", host)
    box = OCI("/bin/probe", "stat", host + "/evil", rootfs=image)
    box.linux["devices"] = [{"path": "/mnt/evil", "type": "c", "major": 1, "minor": 3}]
    contains(box.run().out, "device 1:3")
    untouched(host)


@test("a directory that is swapped for a link a thousand times gets nothing made on the host", timeout=240)
def _():
    host = victim()
    image = make_rootfs()
    os.makedirs(image + "/swap/dir")
    os.symlink(host, image + "/swap/link")
    p = start([sys.executable, "-c", SWAPPER, image + "/swap/dir", image + "/swap/link"])
    for n in range(20):
        box = OCI("/bin/probe", "exit", "0", rootfs=image, cwd=f"/swap/dir/cwd{n}").mount(f"/swap/dir/mount{n}/deep")
        box.linux["devices"] = [{"path": f"/swap/link/dev{n}", "type": "c", "major": 1, "minor": 3}]
        box.linux["maskedPaths"] = box.linux["readonlyPaths"] = ["/swap/dir/secret"]
        r = box.run()
        check(r.status in (0, 1), r)
        untouched(host)
    p.read_until("1000")
    untouched(host)


# ---- masks and consoles (CVE-2025-31133, CVE-2025-52565) -----------------------------------------


@test("a path is masked by the device 1:3 or not at all, and then nothing runs")
def _():
    host = victim()
    image = make_rootfs()
    os.makedirs(TMP + "/dev")
    for make in (
        lambda p: os.symlink(host + "/secret", p),
        lambda p: os.symlink("/proc/sys/kernel/core_pattern", p),
        lambda p: os.mknod(p, 0o20666, os.makedev(1, 5)),
        lambda p: os.mkfifo(p),
    ):
        make(TMP + "/dev/null")
        box = OCI("/bin/probe", "read", "/etc/passwd", rootfs=image)
        del box.config["mounts"][1:]
        box.mount("/dev", "bind", TMP + "/dev", "bind")
        box.linux["maskedPaths"] = ["/etc"]
        with open(image + "/etc/passwd", "w") as file:
            file.write("to be masked\n")
        box.linux["maskedPaths"] = ["/etc/passwd"]
        refused(box, "/dev/null")
        os.unlink(TMP + "/dev/null")
    untouched(host)


@test("a /dev/console that is a link or a file of the container leads the terminal nowhere else")
def _():
    host = victim()
    image = make_rootfs()
    for make in (
        lambda p: os.symlink(host + "/secret", p),
        lambda p: os.symlink("/proc/self/root" + host + "/secret", p),
        lambda p: os.symlink("/proc/sys/kernel/core_pattern", p),
    ):
        os.makedirs(TMP + "/dev/pts")
        os.mknod(TMP + "/dev/null", 0o20666, os.makedev(1, 3))
        make(TMP + "/dev/console")
        listener = console()
        with OCI("/bin/probe", "mounts", rootfs=image, terminal=True) as box:
            box.config["mounts"][1] = {"destination": "/dev", "type": "bind", "source": TMP + "/dev", "options": ["bind"]}
            r = box.create("--console-socket", TMP + "/console")
            check(r.status in (0, 1), r)
            if r.status == 0:
                absent(read(f"/proc/{box.pid}/mountinfo"), "core_pattern", "mounts")
        untouched(host)
        shutil.rmtree(TMP + "/dev")
        listener.close()
        os.unlink(TMP + "/console")


@test("a /dev/ptmx or a /dev/pts of the container's own making is no terminal")
def _():
    image = make_rootfs()
    os.makedirs(TMP + "/pts")
    for make in (
        lambda p: os.symlink("/dev/ptmx", p),
        lambda p: os.symlink("/proc/self/fd/0", p),
        lambda p: open(p, "w").close(),
        lambda p: os.mkfifo(p),
        lambda p: os.mknod(p, 0o20666, os.makedev(1, 5)),
    ):
        make(TMP + "/pts/ptmx")
        listener = console()
        with OCI("/bin/probe", "tty", rootfs=image, terminal=True) as box:
            box.config["mounts"][2] = {"destination": "/dev/pts", "type": "bind", "source": TMP + "/pts", "options": ["bind"]}
            r = box.create("--console-socket", TMP + "/console")
            equal(r.status, 1)
            contains(box.out, "/dev/pts")
        os.unlink(TMP + "/pts/ptmx")
        listener.close()
        os.unlink(TMP + "/console")


# ---- /proc (CVE-2019-16884, CVE-2019-19921, CVE-2023-27561, CVE-2025-52881) ----------------------


@test("nothing but a procfs comes on /proc, and nothing into it that the runtime writes to")
def _():
    host = victim()
    for target, type, source in (
        ("/proc", "tmpfs", "tmpfs"),
        ("/proc/", "bind", host),
        ("//proc", "bind", "/proc/self/attr"),
        ("/proc/self", "tmpfs", "tmpfs"),
        ("/proc/self/attr", "bind", host),
        ("/proc/self/attr/exec", "bind", "/dev/null"),
        ("/proc/thread-self/attr/exec", "bind", "/dev/null"),
        ("/proc/sys/kernel/core_pattern", "bind", "/dev/null"),
        ("/mnt/self/oom_score_adj", "bind", "/dev/null"),
        ("/mnt/../proc/self/oom_score_adj", "bind", "/dev/null"),
    ):
        image = make_rootfs()
        link_to(image, "mnt", "proc")
        box = OCI("/bin/probe", "exit", "0", rootfs=image, oomScoreAdj=100).mount(target, type, source, *(["bind"] if type == "bind" else []))
        refused(box, "EPERM")
        shutil.rmtree(image)
    image = make_rootfs()
    link_to(image, "proc", host)
    refused(OCI("/bin/probe", "exit", "0", rootfs=image), "symbolic link")
    untouched(host)


@test("what covers the place that a link named /proc leads to is refused, and a procfs, a sysfs or /sys where a link is")
def _():
    host = victim()
    image = make_rootfs()
    link_to(image, "proc", "mnt")
    box = OCI("/bin/probe", "exit", "0", rootfs=image).mount("/mnt")
    del box.config["mounts"][0]
    refused(box, "EPERM")
    shutil.rmtree(image)
    for name, type, source, options in (("mnt", "proc", "proc", []), ("mnt", "sysfs", "sysfs", []), ("sys", "bind", host, ["bind"])):
        image = make_rootfs()
        link_to(image, name, "tmp")
        refused(OCI("/bin/probe", "exit", "0", rootfs=image).mount("/" + name, type, source, *options), "symbolic link")
        shutil.rmtree(image)
    untouched(host)


@test("the devices of a container without a mount on /dev are not made behind a link")
def _():
    host = victim()
    for target in (host, "/tmp", "../../../../../.." + host):
        image = make_rootfs()
        link_to(image, "dev", target)
        box = OCI("/bin/probe", "exit", "0", rootfs=image)
        del box.config["mounts"][1:]  # /dev and what is below
        refused(box, "symbolic link")
        equal(os.listdir(image + "/tmp"), [])
        shutil.rmtree(image)
    untouched(host)


FAKES = ("self/oom_score_adj", "self/attr/exec", "self/attr/apparmor/exec", "self/setgroups", "sys/net/ipv4/ip_forward")


@test("a /proc that the image makes up takes nothing that was meant for the kernel, at create and exec")
def _():
    image = make_rootfs()
    for name in FAKES:
        os.makedirs(os.path.dirname(f"{image}/proc/{name}"), exist_ok=True)
        with open(f"{image}/proc/{name}", "w") as file:
            file.write("fake")
    with OCI("/bin/probe", "sleep", "60", rootfs=image, oomScoreAdj=100) as box:
        del box.config["mounts"][0]
        box.linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
        box.created().ok("start")
        equal(read(f"/proc/{box.pid}/oom_score_adj"), "100\n", "the kernel's own word")
        with open(TMP + "/process", "w") as file:
            json.dump({**box.process, "args": ["/bin/probe", "sleep", "60"], "oomScoreAdj": 200}, file)
        box.ok("exec", "--process", TMP + "/process", "--detach", "--pid-file", TMP + "/pid")
        entered = int(read(TMP + "/pid"))
        adjusted = read(f"/proc/{entered}/oom_score_adj")
        os.kill(entered, signal.SIGKILL)  # PID 1 cannot end before whoever entered is reaped
        wait_for(lambda: reap() or not os.path.exists(f"/proc/{entered}"), "the end of who entered")
        equal(adjusted, "200\n", "of who entered")
        for name in FAKES:
            equal(read(f"{image}/proc/{name}"), "fake", name)


# ---- descriptors, directories (CVE-2024-21626) ---------------------------------------------------


@test("a working directory of the configuration that is a descriptor leads nowhere")
def _():
    image = make_rootfs()
    for n in range(3, 16):
        os.symlink(f"/proc/self/fd/{n}", f"{image}/cwd{n}")
        for cwd in (f"/proc/self/fd/{n}", f"/cwd{n}", f"/proc/self/fd/{n}/../../.."):
            box = OCI("/bin/probe", "cwd", "list", ".", rootfs=image, cwd=cwd)
            r = box.run()
            absent(r.out, "config.json", cwd)
            absent(r.out, "unreachable", cwd)
            if r.status == 0:
                matches(r.lines[0], r"^cwd /")


# ---- rights (CVE-2022-29162), users (CVE-2026-30892, CVE-2024-40635) -----------------------------


@test("whoever enters has no inheritable and no ambient capability, whatever is asked for")
def _():
    with OCI("/bin/probe", "sleep", "60") as box:
        box.created().ok("start")
        for words in ((), ("--cap", "CAP_NET_RAW"), ("--user", "1000", "--cap", "CAP_NET_RAW")):
            r = box.call("exec", *words, after=["/bin/probe", "caps"])
            contains(r.lines, "inheritable 0000000000000000")
            contains(r.lines, "ambient 0000000000000000")


LOOSE = ["-1", "+1", " 1", "1 ", "0x1", "1e3", "1.0", "4294967295", "4294967296", "2147483648", "18446744073709551616",
         "99999999999999999999999", "1:", "1:-1", "1:4294967296", "1: 1", ":1:", "1:1:1", "1\n", "-0", "٣"]


def named_by_numbers(image):
    """An image whose passwd makes root of every number that is none."""
    names = {user.split(":")[0] for user in LOOSE}
    with open(image + "/etc/passwd", "w") as file:
        file.writelines(f"{name}:x:0:0::/:/bin/sh\n" for name in names if re.fullmatch(r"[0-9]+", name))


@test("a user that is not a number of 31 bits is nobody, least of all root", timeout=240)
def _():
    image = make_rootfs()
    named_by_numbers(image)
    with OCI("/bin/probe", "sleep", "60", rootfs=image) as box:
        box.created().ok("start")
        for user in LOOSE:
            r = box.call("exec", f"--user={user}", after=["/bin/probe", "ids"])
            check(r.status == 255 and not r.out, f"{user!r}: {r}")
            r = box.call("exec", f"--additional-gids={user}", after=["/bin/probe", "ids"])
            check(r.status == 255 and not r.out, f"{user!r}: {r}")
        for user in (-1, 4294967295, 4294967296, 2147483648, 1.5, "1", None, [], 1 << 64):
            with open(TMP + "/process", "w") as file:
                json.dump({"args": ["/bin/probe", "ids"], "cwd": "/", "user": {"uid": user if user is not None else {}}}, file)
            r = box.call("exec", "--process", TMP + "/process")
            check(r.status == 255 and not r.out, f"{user!r}: {r}")


@test("nor is it for the engine and the steps", timeout=240)
def _():
    for user in LOOSE:
        if user == "1:":  # user 1 and the group of passwd, as elsewhere
            continue
        r = run([program("boxstep"), "run", "--rm", "--network", "none", f"--user={user}", IMAGE, "/bin/probe", "ids"])
        check(r.status == 125 and not r.out, f"{user!r}: {r}")
        r = run([step(5), f"--run-as={user}", IMAGE, "/bin/probe", "ids"])
        check(r.status == 125 and not r.out, f"{user!r}: {r}")


@test("what is written as a number is never a name of the image's passwd or group, which could be root's (CVE-2026-46680)")
def _():
    root = make_rootfs()
    for file in ("passwd", "group"):
        with open(f"{root}/etc/{file}", "w") as text:
            text.writelines(f"{name}:x:0:0::/:/bin/sh\n" for name in ("2147483648", "4294967296", "-1", "+7"))
    for user in ("2147483648", "4294967296", "-1", "+7", "5:4294967296"):
        r = run([step(5), "--lower", root, f"--run-as={user}", "--", "/bin/probe", "ids"])
        equal((r.status, r.out), (125, ""), user)
        contains(r.err, "not a number from 0 to 2147483647")


@test("a process object of wrong kinds is refused, not asserted")
def _():
    with OCI("/bin/probe", "sleep", "60") as box:
        box.created().ok("start")
        for member, value in (("capabilities", "all"), ("capabilities", []), ("user", "root"), ("user", 0), ("env", "A=B"), ("args", {})):
            with open(TMP + "/process", "w") as file:
                json.dump({"args": ["/bin/probe", "ids"], "cwd": "/", member: value}, file)
            words = ("--cap", "CAP_KILL", "--user", "0", "--additional-gids", "5")
            r = box.call("exec", *words, "--process", TMP + "/process")
            equal((r.status, r.out), (255, ""), f"{member}: {value!r}")
            contains(r.err, member)


# ---- cgroups (CVE-2023-25809, CVE-2022-0492) -----------------------------------------------------

CGROUPS = r"""
grep -E ' - cgroup2? ' /proc/self/mountinfo
for dir in /sys/fs/cgroup /sys/fs/cgroup/*; do busybox mkdir $dir/evil 2>/dev/null && echo made $dir/evil; done
busybox find /sys/fs/cgroup -name release_agent 2>/dev/null | while read f; do (echo /evil > $f) 2>/dev/null && echo wrote $f; done
for type in cgroup cgroup2; do busybox mount -t $type none /mnt 2>/dev/null && echo mounted $type; done
busybox unshare -C busybox mount -t cgroup -o rdma none /mnt 2>/dev/null && echo mounted in a namespace
echo done
"""


@test("no cgroup of the host can be changed from inside, nor any hierarchy mounted anew")
def _():
    for argv in ([program("boxstep"), "run", "--rm", "--network", "none", IMAGE], harness.Step(7).argv(cmd=[])):
        r = run([*argv, "/bin/sh", "-c", CGROUPS])
        equal(r.lines[-1], "done")
        for word in ("made", "wrote", "mounted"):
            check(not [line for line in r.lines if line.startswith(word)], r)


@test("nor by an ordinary user's container", needs="user")
def _():
    r = run_as_user([program("boxstep"), "run", "--rm", IMAGE, "/bin/sh", "-c", CGROUPS])
    equal(r.lines[-1], "done")
    for word in ("made", "wrote", "mounted"):
        check(not [line for line in r.lines if line.startswith(word)], r)


# ---- the container's own code (CVE-2019-14271, CVE-2026-41567) -----------------------------------


@test("nothing of an image is run or loaded on the host: no helper, no library, no name service", timeout=240)
def _():
    image = make_rootfs()
    os.makedirs(image + "/usr/bin")
    os.makedirs(image + "/sbin")
    helpers = "nft iptables newuidmap newgidmap pasta slirp4netns modprobe mount umount boxstep-pull boxstep-unpack boxstep-oci systemctl ip".split()
    for name in helpers:
        for folder in ("bin", "usr/bin", "sbin"):
            if not os.path.exists(f"{image}/{folder}/{name}"):
                with open(f"{image}/{folder}/{name}", "w") as file:
                    file.write(f"#!/bin/sh\necho {name} >> {TMP}/ran\n")
                os.chmod(f"{image}/{folder}/{name}", 0o755)
    with open(image + "/etc/ld.so.preload", "w") as file:
        file.write("/evil.so\n")
    with open(image + "/etc/nsswitch.conf", "w") as file:
        file.write("passwd: evil\ngroup: evil\n")
    with OCI("/bin/probe", "sleep", "60", rootfs=image) as box:
        box.process["env"] += ["LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/", f"BOXSTEP_LIBEXEC={image}/usr/bin"]
        box.created().ok("start")
        box.call("exec", "--user", "nosuch", after=["/bin/probe", "ids"])
        for verb in (["exec"], ["ps"], ["pause"], ["resume"], ["state"], ["kill"]):
            box.call(*verb, **({"after": ["/bin/probe", "ids"]} if verb == ["exec"] else {}))
    check(not os.path.exists(TMP + "/ran"), "run on the host")
    check(not os.path.exists(image + TMP + "/ran"), "run in the container")


# ---- passwd and group, when somebody enters by name (CVE-2024-9676, CVE-2026-47262) --------------


@test("a passwd or group that is a FIFO, a device, a link to one, or huge holds up nobody who enters by name")
def _():
    image = make_rootfs()
    with OCI("/bin/probe", "sleep", "60", rootfs=image) as box:
        box.created().ok("start")
        for name in ("passwd", "group"):
            path = f"{image}/etc/{name}"
            if name == "group":
                with open(f"{image}/etc/passwd", "w") as file:
                    file.write("app:x:1:1::/:/bin/sh\n")
            for make in (
                lambda: os.mkfifo(path),
                lambda: os.symlink("/dev/zero", path),
                lambda: os.mknod(path, 0o20666, os.makedev(1, 5)),
                lambda: (open(path, "w").close(), os.truncate(path, 1 << 40)),
            ):
                make()
                r = box.call("exec", "--user", "app", after=["/bin/probe", "ids"], timeout=30)
                equal((r.status, r.out), (255, ""), name)
                contains(r.err, f"/etc/{name}")
                os.unlink(path)


# ---- settings and annotations (CVE-2022-0811, CVE-2024-3154) -------------------------------------


@test("a setting of the host is not smuggled in as one of the container's")
def _():
    before = read("/proc/sys/kernel/core_pattern")
    for key, value in (
        ("kernel.core_pattern", "|/evil"),
        ("kernel/core_pattern", "|/evil"),
        ("net.ipv4.ip_forward=1+kernel.core_pattern", "|/evil"),
        ("net/../kernel/core_pattern", "|/evil"),
        ("net.ipv4.ip_forward\nkernel.core_pattern", "|/evil"),
        ("net./kernel/core_pattern", "|/evil"),
        ("kernel.shm_rmid_forced/../core_pattern", "|/evil"),
        ("../../kernel/core_pattern", "|/evil"),
        ("", "|/evil"),
    ):
        box = OCI("/bin/probe", "exit", "0")
        box.linux["sysctl"] = {key: value}
        refused(box, "sys")
        equal(read("/proc/sys/kernel/core_pattern"), before, key)
    box = OCI("/bin/probe", "read", "/proc/sys/kernel/core_pattern")
    box.linux["sysctl"] = {"kernel.shm_rmid_forced": "1+kernel.core_pattern=|/evil"}
    box.run()
    equal(read("/proc/sys/kernel/core_pattern"), before)


@test("an annotation that means something to other runtimes does nothing here")
def _():
    box = OCI("/bin/probe", "exit", "0")
    box.config["annotations"] = {
        "run.oci.hooks.stdout": TMP + "/evil",
        "run.oci.hooks.stderr": TMP + "/evil",
        "run.oci.handler": "krun",
        "run.oci.mount_context_type": "rootcontext",
        "run.oci.keep_original_groups": "1",
        "io.kubernetes.cri-o.PodLinuxResources": "kernel.core_pattern=|/evil",
        "org.systemd.property.ExecStartPre": f"touch {TMP}/evil",
        "boxstep.user\n": "0",
    }
    equal(box.run().status, 0)
    check(not os.path.exists(TMP + "/evil"))


@test("a config.json of a terabyte is refused before it fills the memory of /run")
def _():
    box = OCI("/bin/true")
    box.write()
    os.truncate(box.bundle + "/config.json", 1 << 40)
    r = box.call("run", "--bundle", box.bundle)
    equal(r.status, 1)
    contains(r.err, "4 MiB")
