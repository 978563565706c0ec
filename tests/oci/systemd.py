"""The systemd driver against Debian's systemd, as process 1 of namespaces of its own below a cgroup of the test.

Where the host has cgroup v2 with controllers only in the VM lab, this runs there.
"""

from harness import *
from oci import OCI, of_this_process, own_cgroup

SYSTEMD = "/lib/systemd/systemd"
# Older kernels mount no cgroup2 on top of another: the inherited one goes first.
INSIDE = """
mount --make-rprivate /
mount -t proc proc /proc
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/systemd/system
printf '[Unit]\\nDefaultDependencies=no\\n' >/run/systemd/system/lab.target
export container=lab
exec %s --system --unit=lab.target --log-target=console
""" % SYSTEMD


class Lab:
    """systemd, and what is run beside it."""

    def __enter__(self):
        if not os.path.exists(SYSTEMD) or not shutil.which("systemctl"):
            skip("systemd is not installed")
        self.group = f"{cgroup2_mount()}/boxstep-systemd-{os.getpid()}"
        os.mkdir(self.group)

        self.outer = start(["unshare", "-pfmC", "--kill-child", "sh", "-c", INSIDE], prepare=self.enter(""))
        self.pid = wait_for(lambda: self.children(), "systemd's process")[0]
        # unshare itself goes back: a cgroup with a process of its own hands no controllers down
        with open(cgroup2_mount() + own_cgroup("self") + "/cgroup.procs", "w") as file:
            file.write(str(self.outer.pid))
        wait_for(lambda: self.run("systemctl", "is-active", "lab.target").out == "active\n", "systemd", timeout=60)
        return self

    def children(self):
        return read(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").split()

    def enter(self, below):
        def write():
            with open(f"{self.group}{below}/cgroup.procs", "w") as file:
                file.write("0")

        return write

    def run(self, *words, **options):
        """From a cgroup that systemd sees: with nsdelegate nobody is moved into its namespace from outside."""
        below = "/init.scope" if os.path.isdir(self.group + "/init.scope") else ""
        return run(["nsenter", "-t", self.pid, "-a", *words], prepare=self.enter(below), **options)

    def show(self, unit, *names):
        out = self.run("systemctl", "show", unit, *("-p" + name for name in names)).out
        return dict(line.split("=", 1) for line in out.splitlines())

    def __exit__(self, *_):
        os.kill(int(self.pid), signal.SIGKILL)
        self.outer.kill()
        wait_for(lambda: "populated 0" in read(self.group + "/cgroup.events"), "the end of systemd")
        for folder, _, _ in os.walk(self.group, topdown=False):
            os.rmdir(folder)


def bundle(path="lab-one.slice:pre:web", **resources):
    box = OCI("/bin/sleep", "600", id="web")
    rules = [{"allow": False, "access": "rwm"}]
    box.linux.update(cgroupsPath=path, resources={"devices": rules, **resources})
    return box.namespace("cgroup").write()


def oci(lab, *words, **options):
    null = {"stdin": subprocess.DEVNULL}
    return lab.run(program("boxstep-oci"), "--root", "/run/oci", "--systemd-cgroup", *words, **null, **options)


def create(lab, box):
    """Its first process holds what it inherits: a file is given for the output."""
    text = '"$@" </dev/null >/run/out 2>&1; s=$?; cat /run/out; exit $s'
    argv = [program("boxstep-oci"), "--root", "/run/oci", "--systemd-cgroup", "create", "--bundle", box.bundle, "web"]
    return lab.run("sh", "-c", text, "sh", *argv)


@test("slice:prefix:name is a scope that systemd delegates, with the limits as its properties", needs="root cgroup2 cpus", timeout=200)
def _():
    with Lab() as lab:
        box = bundle(memory={"limit": 64 << 20, "swap": 64 << 20}, pids={"limit": 30}, cpu={"quota": 50000, "period": 100000, "shares": 512, "cpus": "0-1"})
        r = create(lab, box)
        equal((r.status, r.out), (0, ""))
        wanted = {"ActiveState": "active", "Slice": "lab-one.slice", "Delegate": "yes", "MemoryMax": str(64 << 20), "MemorySwapMax": "0",
                  "TasksMax": "30", "CPUQuotaPerSecUSec": "500ms", "DevicePolicy": "strict", "AllowedCPUs": "0-1",
                  "ControlGroup": "/lab.slice/lab-one.slice/pre-web.scope"}
        equal(lab.show("pre-web.scope", *wanted), wanted)
        group = lab.group + wanted["ControlGroup"]
        equal((read(group + "/memory.max"), read(group + "/pids.max")), (f"{64 << 20}\n", "30\n"))
        equal(len(read(group + "/cgroup.procs").split()), 1, "processes in it: the helper is gone")
        equal(oci(lab, "start", "web").status, 0)
        contains(oci(lab, "exec", "web", "/bin/cat", "/proc/self/cgroup").out, "0::/\n")
        r = oci(lab, "update", "--memory", "32m", "--pids-limit", "20", "--cpuset-cpus", "1", "web")
        equal((r.status, r.err), (0, ""))
        wanted = {"MemoryMax": str(32 << 20), "TasksMax": "20", "AllowedCPUs": "1"}
        equal(lab.show("pre-web.scope", *wanted), wanted)
        equal((read(group + "/memory.max"), read(group + "/cpuset.cpus")), (f"{32 << 20}\n", "1\n"))
        equal(oci(lab, "delete", "--force", "web").status, 0)
        equal(lab.show("pre-web.scope", "ActiveState", "LoadState"), {"ActiveState": "inactive", "LoadState": "not-found"})
        check(not os.path.exists(group), "the cgroup is gone")


@test("run by systemd's driver leaves no unit; another form of cgroupsPath, and a host without systemd, are refused",
      needs="root", timeout=200)
def _():
    with Lab() as lab:
        box = bundle(path="")
        box.process["args"] = ["/bin/true"]
        equal(oci(lab, "run", "--bundle", box.write().bundle, "web").status, 0)
        equal(lab.show("boxstep-web.scope", "LoadState"), {"LoadState": "not-found"})
        r = create(lab, bundle(path="/not/of/systemd"))
        equal(r.status, 1)
        contains(r.out, "slice:prefix:name")
        equal(lab.run("ls", "/run/oci").out, "")
        for words in (["set", "nosuch.scope", "-", "TasksMax=5"], ["set", "lab.target", "-", "TasksMax"], ["start", "lab.target", "-"]):
            r = lab.run(program("boxstep-scope"), *words, stdin=subprocess.DEVNULL)
            equal((r.status, r.out.count("\n"), r.err), (1, 1, ""), words)  # the reason, which boxstep-oci passes on
        equal(run([program("boxstep-scope"), "--help"]).status, 0)
        equal(run([program("boxstep-scope"), "start"]).status, 1)
    r = bundle().call("run", "--bundle", f"{TMP}/bundle-web", globals=["--cgroup-manager", "systemd"])
    equal(r.status, 1)
    contains(r.err, "systemd, unit pre-web.scope: ")
    equal(of_this_process(), [])
