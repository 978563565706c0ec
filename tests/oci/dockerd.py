"""dockerd runs its containers by boxstep-oci, registered with --add-runtime."""

import fcntl
import struct
import termios

from callers import EATER, LIMIT, Cgroup, Daemon, ask, cgroup_file, empty, say, until
from harness import *

CLIENT = "/usr/bin/docker"  # Debian's
NEEDS = f"root vm cmd:dockerd cmd:{CLIENT}"
DIR = STAGE + "/dockerd"
SOCKET = "unix:///run/boxstep-docker.sock"
NAPS = ["sh", "-c", "trap 'echo told; exit 3' TERM; echo up; while :; do sleep 1; done"]


def docker(*words):
    return [CLIENT, "--host", SOCKET, *map(str, words)]


def once(*words, network="none", options=()):
    return run(docker("run", "--rm", *options, "--network", network, *words), timeout=LIMIT)


def inspect(name, field):
    return say(docker("inspect", "--format", "{{.%s}}" % field, name))


class Container:
    """One that runs in the background, removed at the end of the block."""

    def __init__(self, name, *words, cmd=NAPS, network="none"):
        self.name = name
        say(docker("run", "-d", "--name", name, "--network", network, *words, "box", *cmd))

    def __enter__(self):
        self.pid = int(inspect(self.name, "State.Pid"))
        return self

    def __exit__(self, *_):
        run(docker("rm", "-f", self.name), timeout=LIMIT)

    def inside(self, *words):
        return say(docker("exec", self.name, *words))


@service
def _():
    empty(DIR)
    group = Cgroup("docker")
    words = ["--host", SOCKET, "--data-root", DIR + "/root", "--exec-root", DIR + "/run", "--pidfile", DIR + "/pid"]
    words += ["--add-runtime", "boxstep=" + program("boxstep-oci"), "--default-runtime", "boxstep"]
    words += ["--exec-opt", "native.cgroupdriver=cgroupfs", "--storage-driver", "overlay2"]
    daemon = Daemon(["dockerd", *words], DIR + "/log")
    try:
        daemon.wait_for(docker("version"))
        pack = run(["tar", "-C", ROOTFS, "-cf", DIR + "/root.tar", "."])
        equal(pack.status, 0)
        say(docker("import", DIR + "/root.tar", "box"))
        yield
    finally:
        daemon.stop()
        group.remove()
        say(["modprobe", "-r", "br_netfilter"])  # dockerd loads it, and its switches come with it


@test("docker info lists boxstep-oci among the runtimes, and the default is it", NEEDS)
def _():
    info = json.loads(say(docker("info", "--format", "{{json .}}")))
    equal(info["Runtimes"]["boxstep"]["path"], program("boxstep-oci"))
    equal((info["DefaultRuntime"], info["CgroupVersion"]), ("boxstep", "2"))


@test("docker run gives the output and the status of the command", NEEDS)
def _():
    r = once("box", "sh", "-c", "echo out; echo err >&2; exit 7")
    equal((r.status, r.out, r.err), (7, "out\n", "err\n"))
    r = once("box", "nosuch")
    equal(r.status, 127)
    contains(r.err, "nosuch")
    r = once("box", "/etc/passwd")
    equal(r.status, 126)
    contains(r.err, "/etc/passwd")


@test("docker's container is entered, logged, paused, updated, measured and stopped", NEEDS)
def _():
    with Container("back", "--memory", "64m", "--memory-swap", "64m", "--stop-timeout", LIMIT * SLOW) as c:
        until(lambda: say(docker("logs", "back")) == "up", "the first line")
        equal(c.inside("id", "-u"), "0")
        words = ["-u", "1000", "-w", "/tmp", "-e", "A=b", "back", "sh", "-c", "id -u; pwd; echo $A; exit 5"]
        r = run(docker("exec", *words), timeout=LIMIT)
        equal((r.status, r.lines), (5, ["1000", "/tmp", "b"]))
        contains(say(docker("top", "back")), str(c.pid))
        say(docker("pause", "back"))
        equal(inspect("back", "State.Status"), "paused")
        equal(cgroup_file(c.pid, "cgroup.freeze"), "1")
        say(docker("unpause", "back"))
        equal(cgroup_file(c.pid, "cgroup.freeze"), "0")
        equal(cgroup_file(c.pid, "memory.max"), str(64 << 20))
        more = ["--memory", "96m", "--memory-swap", "96m", "--cpus", "0.5", "--pids-limit", "77"]
        say(docker("update", *more, "back"))
        equal(cgroup_file(c.pid, "memory.max"), str(96 << 20))
        equal(cgroup_file(c.pid, "cpu.max"), "50000 100000")
        equal(cgroup_file(c.pid, "pids.max"), "77")
        contains(say(docker("stats", "--no-stream", "--format", "{{.MemUsage}}", "back")), "/ 96MiB")
        say(docker("stop", "back"))
        equal(inspect("back", "State.ExitCode"), "3")
        equal(say(docker("logs", "back")).splitlines(), ["up", "told"])


@test("docker starts again what failed, as often as its restart policy says", NEEDS)
def _():
    with Container("again", "--restart", "on-failure:2", cmd=["sh", "-c", "echo try; exit 4"]):
        ask(docker("inspect", "--format", "{{.RestartCount}} {{.State.Status}}", "again"), "2 exited")
        equal(inspect("again", "State.ExitCode"), "4")
        equal(say(docker("logs", "again")), "try\ntry\ntry")


@test("docker's container that takes too much memory is killed, and docker knows why", NEEDS)
def _():
    with Container("eater", "--memory", "24m", "--memory-swap", "24m", cmd=EATER) as c:
        c.inside("touch", "/go")
        equal(say(docker("wait", "eater")), "137")
        ask(docker("inspect", "--format", "{{.State.OOMKilled}}", "eater"), "true")


@test("docker's container on a terminal has one, with its size", NEEDS)
def _():
    p = start(docker("run", "-it", "--rm", "--network", "none", "box", "sh"), pty=True)
    fcntl.ioctl(p.terminal, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
    p.read_until("#", LIMIT)
    p.write("tty; until stty size | grep '33 77'; do :; done; echo pid $$\n")
    p.read_until("pid 1\r", LIMIT)
    contains(p.out, "/dev/pts/0")
    p.write("exit 9\n")
    equal(p.wait(LIMIT).status, 9)


@test("docker's container on its bridge has an address, which the hook of the network has set", NEEDS)
def _():
    with Container("wired", network="bridge") as c:
        address = inspect("wired", "NetworkSettings.IPAddress")
        matches(address, r"^172\.")
        contains(c.inside("ip", "-4", "-o", "address"), address)
        say(docker("exec", "-d", "wired", "nc", "-l", "-p", "99", "-e", "echo", "from wired"))
        until(lambda: ":0063 " in read(f"/proc/{c.pid}/net/tcp6"), "the listener")
        equal(once("box", "nc", address, "99", network="bridge").out, "from wired\n")


@test("docker's container with a read-only root, no capabilities and an init has them", NEEDS)
def _():
    os.makedirs(TMP + "/data")
    words = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--init", "--user", "1000"]
    words += ["--tmpfs", "/scratch", "-v", f"{TMP}/data:/data:ro", "--ulimit", "nofile=77:99", "--hostname", "named"]
    look = "touch /no /data/no 2>&1; touch /scratch/yes; hostname; ulimit -n; cat /proc/1/comm"
    look += "; grep -E 'CapEff|NoNew|Seccomp:' /proc/self/status"
    r = once(*words, "box", "sh", "-c", look)
    equal(r.out.count("Read-only file system"), 2)
    equal(r.lines[2:5], ["named", "77", "docker-init"])
    equal([line.split()[1] for line in r.lines[5:]], ["0" * 16, "1", "2"])
