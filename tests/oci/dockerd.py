"""dockerd runs its containers by boxstep-oci, registered with --add-runtime."""

import fcntl
import struct
import termios

import traced
from callers import EATER, LIMIT, Cgroup, Daemon, ask, cgroup_file, empty, namespace, say, until
from harness import *

sys.path.append(ROOT + "/book/build")
import sequence  # noqa: E402

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
    traced.write_wrapper(DIR + "/told", DIR + "/calls")  # Docker's own runc, told of
    words += ["--add-runtime", f"told={DIR}/told"]
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
    # The shim reads memory.events when the kernel has told it of a change, and tells dockerd, which keeps
    # it for the container's end. One that ends meanwhile has no cgroup to read any more, whatever the
    # runtime: so it ends afterwards.
    script = EATER[-1].replace("exec ", "") + "; status=$?; until test -e /known; do sleep 0.1; done; exit $status"
    with Container("eater", "--memory", "24m", "--memory-swap", "24m", cmd=["sh", "-c", script]) as c:
        c.inside("touch", "/go")
        events = ["events", "--since", "0", "--filter", "event=oom", "--filter", "container=eater", "--format", "{{.Action}}"]
        until(lambda: "oom" in say(docker(*events, "--until", int(time.time()))), "dockerd to be told of the kill")
        c.inside("touch", "/known")
        equal(say(docker("wait", "eater")), "137")
        equal(inspect("eater", "State.OOMKilled"), "true")


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
        address = inspect("wired", "NetworkSettings.Networks.bridge.IPAddress")
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


# ---- what book/09-docker-run.md tells of Docker -----------------------------------------------------

TOLD_OF = {"dockerd": "20.10", "containerd": "1.6", "runc": "1.1"}  # others call in another order


def versions():
    """Major and minor of each program that the book tells of, as it is here."""
    return {name: re.search(r"\b(\d+\.\d+)\.\d", say([name, "--version"]))[1] for name in TOLD_OF}


class Seen:
    """One docker run by runc, and who is who in it. TOLD is the sequence: rows of (who, what), each seen."""

    def __init__(self):
        asked = [*traced.STRACE, "-e", "trace=write", "-o", TMP + "/asked"]
        start_it = docker("run", "-d", "--runtime", "told", "-p", "8080:80", "--name", "seen", "box", "sleep", "1000")
        self.id = say([*asked, *start_it])
        self.asked = read(TMP + "/asked")
        self.init = int(inspect("seen", "State.Pid"))
        self.shim, self.dockerd = traced.parent(self.init), int(read(DIR + "/pid"))
        self.containerd = next(pid for pid, name in traced.children(self.dockerd) if name == "containerd")
        self.bundle = f"{DIR}/run/containerd/daemon/io.containerd.runtime.v2.task/moby/{self.id}"
        self.config = json.loads(read(self.bundle + "/config.json"))
        self.create, self.start = traced.said(DIR + "/calls")
        self.calls = traced.calls(f"{DIR}/calls.{self.create[1]}")
        self.told = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run(docker("rm", "-f", "seen"), timeout=LIMIT)


def client_asks(seen):
    asked = re.findall(r"POST /v[\d.]+/containers/(create|[0-9a-f]{64}/start)", seen.asked)
    equal(asked, ["create", seen.id + "/start"])
    seen.told.append(("docker", "request: POST /containers/create, POST /containers/ID/start"))


def dockerd_prepares(seen):
    root = seen.config["root"]["path"]
    contains(read(f"/proc/{seen.dockerd}/mountinfo"), f" {root} rw")
    check(re.search(rf" {root} .* - overlay ", read(f"/proc/{seen.dockerd}/mountinfo")), "the root is an overlay")
    check(not any('"overlay"' in text for _, _, text in seen.calls), "runc mounts no overlay")
    seen.told.append(("dockerd", "overlay: mount"))
    proxies = [pid for pid, name in traced.children(seen.dockerd) if name == "docker-proxy"]
    equal(len(proxies), 2)
    check(all(traced.began(pid) <= traced.began(seen.shim) for pid in proxies), "the ports come before the shim")
    rules = say(["nsenter", "-t", str(seen.dockerd), "-n", "iptables-save", "-t", "nat"])
    matches(rules, r"-A DOCKER .*--dport 8080 -j DNAT --to-destination 172\.")
    seen.told.append(("dockerd", "ports: iptables, docker-proxy"))


def containerd_starts_a_shim(seen):
    equal(traced.words(seen.shim)[0], "/usr/bin/containerd-shim-runc-v2")
    equal(traced.words(seen.shim)[1:5], ["-namespace", "moby", "-id", seen.id])
    check(traced.parent(seen.shim) not in (seen.containerd, seen.dockerd), "the shim is nobody's here")
    seen.told += [("containerd", "bundle: config.json"), ("containerd", "exec: containerd-shim-runc-v2")]


def shim_runs_runc(seen):
    before = ["--root", DIR + "/run/runtime-runc/moby", "--log", seen.bundle + "/log.json", "--log-format", "json"]
    create = ["create", "--bundle", seen.bundle, "--pid-file", seen.bundle + "/init.pid", seen.id]
    equal(seen.create[2:], (seen.shim, before + create))
    equal(seen.start[2:], (seen.shim, [*before, "start", seen.id]))
    for _, pid, *_ in (seen.create, seen.start):
        check(not os.path.exists(f"/proc/{pid}"), "runc has ended")
    seen.told.append(("shim", "exec: runc create"))


def runc_makes_the_container(seen):
    texts = [text for _, _, text in seen.calls]
    contains("\n".join(texts), "unshare(CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWPID|CLONE_NEWNET)")
    contains("\n".join(texts), f'execve("/proc/{seen.dockerd}/exe", ["libnetwork-setkey"')
    last = [time for thread, time, text in seen.calls if thread == seen.init and text.startswith("execve(")][0]
    check(seen.create[0] < seen.start[0] < last, "the command comes after runc start")
    rows = [("sleep" if own else "runc", f"{stage}: {traced.names(some)}") for own, stage, some in traced.stages(seen.calls, seen.init)]
    equal(rows[-1][0], "sleep")
    seen.told += [*rows[:-1], ("shim", "exec: runc start"), rows[-1]]


def who_is_left(seen):
    left = [name for _, name in traced.children(seen.dockerd)]
    equal(sorted(left), ["containerd", "docker-proxy", "docker-proxy"])
    equal(traced.words(seen.init), ["sleep", "1000"])
    kinds = "cgroup ipc mnt net pid time user uts".split()
    own = [kind for kind in kinds if namespace(seen.init, kind) != namespace(seen.shim, kind)]
    equal(own, ["cgroup", "ipc", "mnt", "net", "pid", "uts"])
    equal(read(f"/proc/{seen.init}/cgroup").strip(), f"0::/docker/{seen.id}")


def who_holds_the_output(seen):
    pipe = os.readlink(f"/proc/{seen.init}/fd/1")
    matches(pipe, r"^pipe:")
    contains(traced.opened(seen.shim), pipe)
    fifo = f"{DIR}/run/containerd/{seen.id}/init-stdout"
    contains(traced.opened(seen.shim), fifo)
    contains(traced.opened(seen.dockerd), fifo)
    contains(traced.opened(seen.dockerd), f"{DIR}/root/containers/{seen.id}/{seen.id}-json.log")


@test("what the book tells of docker run is seen, with runc: who asks whom, whose child is who, which calls, what is left", NEEDS + " cmd:strace", timeout=300)
def _():
    if versions() != TOLD_OF:
        skip(f"the book tells of {TOLD_OF}, here are {versions()}")
    with Seen() as seen:
        for look in (client_asks, dockerd_prepares, containerd_starts_a_shim, shim_runs_runc,
                     runc_makes_the_container, who_is_left, who_holds_the_output):
            look(seen)
    lanes = ["docker", "dockerd", "containerd", "shim", "runc", "sleep"]
    chart = "\n".join(sequence.chart(lanes, seen.told)) + "\n"
    with open(BUILD + "/docker-run.seq", "w") as out:  # to be copied where it is wanted so
        out.write(chart)
    equal(chart, read(ROOT + "/book/figures/docker-run.seq"), "build/docker-run.seq beside book/figures/docker-run.seq")
