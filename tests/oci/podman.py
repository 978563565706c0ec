"""podman runs its containers by boxstep-oci: what its users do, root and others, seen through podman and
from the host."""

import contextlib
import fcntl
import http.client
import socket
import struct
import termios

from callers import LIMIT, OWN, Cgroup, cgroup_file, namespace, say, until
from harness import *
from rights import enter, handed_over

NEEDS = "root vm cmd:podman cmd:conmon"
NEEDS_OF_USER = NEEDS + " user cmd:newuidmap"
IMAGE_NAME = "localhost/demo:latest"
SOCKET = "/run/boxstep-podman.sock"
LOCKS = ["/dev/shm/libpod_lock", f"/dev/shm/libpod_rootless_lock_{USER_ID}"]  # podman's own, which stay as long as the machine runs
# The service of systemd that repeats a health check is not there: the checks are asked for.
ENV = {"DISABLE_HC_SYSTEMD": "true"}
NAPS = ["sh", "-c", "trap 'echo told; exit 3' TERM; echo up; while :; do sleep 1; done"]


# The overlay's directory is not mounted over itself, which would stay.
OVERLAY = ["--storage-driver", "overlay", "--storage-opt", "overlay.skip_mount_home=true"]
# A tmpfs, as all is in the VM, has no extended attributes of users before Linux 6.6.
COPIES = ["--storage-driver", "vfs"]


def podman(*words, storage=OVERLAY):
    """Its command line. From podman 5 on `create` has its caller's variables and `start` has not: a place
    for the states that only a variable names is none."""
    return [
        *"env -u BOXSTEP_RUN podman".split(),
        "--runtime", program("boxstep-oci"),
        "--cgroup-manager", "cgroupfs",
        "--events-backend", "file",
        *storage,
        *map(str, words),
    ]  # fmt: skip


def once(*words, network="none"):
    """podman run --rm; gives its Result."""
    return run(podman("run", "--rm", "--network", network, *words), timeout=LIMIT)


class Service(http.client.HTTPConnection):
    """podman's own service, as its remote clients speak to it: asking it costs no start of podman."""

    def __init__(self):
        super().__init__("podman", timeout=LIMIT * SLOW)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def ask(method, words, value=None):
    """Asks the service; gives the text of its answer."""
    service_of = Service()
    body = None if value is None else json.dumps(value)
    service_of.request(method, "/v4.0.0/libpod/containers/" + words, body, {"Content-Type": "application/json"})
    answer = service_of.getresponse()
    text = answer.read().decode()
    service_of.close()
    check(answer.status < 300, f"{method} {words}: {answer.status} {text}")
    return text


def state(name):
    return json.loads(ask("GET", f"{name}/json"))["State"]


def containers():
    return json.loads(ask("GET", "json?all=true")) or []


class Container:
    """One that runs in the background, removed at the end of the block."""

    def __init__(self, name, *words, cmd=NAPS, network=("--network", "none")):
        self.name = name
        say(podman("run", "-d", "--name", name, *network, *words, IMAGE_NAME, *cmd), env=ENV)

    def __enter__(self):
        self.pid = state(self.name)["Pid"]
        return self

    def __exit__(self, *_):
        ask("DELETE", f"{self.name}?force=true&timeout=0&ignore=true")

    def inside(self, *words):
        return say(podman("exec", self.name, *words))


@service
def _():
    groups = Cgroup("libpod_parent/conmon", "libpod_parent")
    new_locks = [path for path in LOCKS if not os.path.exists(path)]
    os.makedirs("/run/boxstep", exist_ok=True)
    server = subprocess.Popen(podman("system", "service", "--time", "0", "unix://" + SOCKET))
    try:
        image = say(podman("pull", "-q", f"oci:{IMAGE_DIR}:latest"))
        say(podman("tag", image, IMAGE_NAME))
        until(lambda: os.path.exists(SOCKET), "the service of podman")
        with store_of_user():
            yield
    finally:
        server.terminate()
        server.wait()
        groups.remove()
        for path in filter(os.path.exists, new_locks):
            os.unlink(path)
        shutil.rmtree("/run/boxstep")


@test("podman run gives the output and the status of the command", NEEDS + " cmd:catatonit")
def _():
    r = once(IMAGE_NAME, "sh", "-c", "echo out; echo err >&2; exit 7")
    equal((r.status, r.out, r.err), (7, "out\n", "err\n"))
    equal(once("--init", IMAGE_NAME, "sh", "-c", "kill -9 $$").status, 137)


@test("podman tells a command that is not there (127) from one that cannot be run (126)", NEEDS)
def _():
    r = once(IMAGE_NAME, "nosuch")
    equal(r.status, 127)
    contains(r.err, "nosuch")
    r = once(IMAGE_NAME, "/etc/passwd")
    equal(r.status, 126)
    contains(r.err, "/etc/passwd")


@test("podman's container in the background is entered, seen, told, and stopped", NEEDS)
def _():
    with Container("back", "--stop-timeout", LIMIT * SLOW) as c:
        equal(state("back")["Status"], "running")
        equal(c.inside("id", "-u"), "0")
        contains(c.inside("cat", "/proc/1/cmdline"), "trap")
        words = ["-u", "1000:1000", "-w", "/tmp", "-e", "A=b", "back", "sh", "-c", "id -u; pwd; echo $A; exit 5"]
        r = run(podman("exec", *words), timeout=LIMIT)
        equal((r.status, r.lines), (5, ["1000", "/tmp", "b"]))
        equal(run(podman("exec", "back", "nosuch"), timeout=LIMIT).status, 127)
        equal(run(podman("exec", "back", "/etc/passwd"), timeout=LIMIT).status, 126)
        contains(say(podman("top", "back", "hpid")), str(c.pid))
        say(podman("exec", "-d", "back", "sh", "-c", "echo x > /tmp/detached"))
        until(lambda: os.path.exists(f"/proc/{c.pid}/root/tmp/detached"), "the detached exec")
        until(lambda: "up" in say(podman("logs", "back")), "the first line")
        say(podman("stop", "back"))
        equal(state("back")["ExitCode"], 3)
        contains(say(podman("logs", "back")), "told")
        say(podman("start", "back"))
        equal(state("back")["Status"], "running")
        say(podman("kill", "--signal", "KILL", "back"))
        equal(say(podman("wait", "back")), "137")


@test("podman pauses and resumes a container: its cgroup follows", NEEDS)
def _():
    with Container("held", "--memory", "64m") as c:
        equal(cgroup_file(c.pid, "memory.max"), str(64 << 20))
        say(podman("pause", "held"))
        equal(state("held")["Status"], "paused")
        equal(cgroup_file(c.pid, "cgroup.freeze"), "1")
        say(podman("unpause", "held"))
        equal(state("held")["Status"], "running")
        equal(cgroup_file(c.pid, "cgroup.freeze"), "0")


@test("podman updates the limits of a container: its cgroup follows", NEEDS)
def _():
    with Container("grown", "--memory", "64m") as c:
        say(podman("update", "--memory", "96m", "--cpus", "0.5", "grown"))
        equal(cgroup_file(c.pid, "memory.max"), str(96 << 20))
        equal(cgroup_file(c.pid, "cpu.max"), "50000 100000")


@test("podman's container on a terminal has one, with its size, and so has exec", NEEDS)
def _():
    p = start(podman("run", "-it", "--rm", "--name", "term", "--network", "none", IMAGE_NAME, "sh"), pty=True)
    fcntl.ioctl(p.terminal, termios.TIOCSWINSZ, struct.pack("4H", 33, 77, 0, 0))
    p.read_until("#", LIMIT)
    p.write("tty; until stty size | grep '33 77'; do :; done; echo pid $$\n")
    p.read_until("pid 1\r", LIMIT)
    contains(p.out, "/dev/pts/0")
    inner = run(podman("exec", "-it", "term", "sh", "-c", "tty; echo $TERM"), timeout=LIMIT, pty=True)
    contains(inner.out, "/dev/pts/1")
    contains(inner.out, "xterm")
    p.write("exit 9\n")
    equal(p.wait(LIMIT).status, 9)


@test("podman's health check is run in the container", NEEDS)
def _():
    with Container("well", "--health-cmd", "test -e /tmp/well", "--health-retries", "1") as c:
        equal(run(podman("healthcheck", "run", "well"), timeout=LIMIT, env=ENV).status, 1)
        equal(state("well")["Health"]["Status"], "unhealthy")
        c.inside("touch", "/tmp/well")
        equal(run(podman("healthcheck", "run", "well"), timeout=LIMIT, env=ENV).status, 0)
        equal(state("well")["Health"]["Status"], "healthy")


@test("containers of a podman pod share its network, ipc and host name, not their processes", NEEDS)
def _():
    pod = ["pod", "create", "--name", "pod", "--network", "none", "--infra-image", IMAGE_NAME]
    say(podman(*pod, "--infra-command", "sleep 10000"))
    try:
        with Container("one", "--pod", "pod", network=()) as one, Container("two", "--pod", "pod", network=()) as two:
            for kind in ("net", "ipc", "uts"):
                equal(namespace(one.pid, kind), namespace(two.pid, kind), kind)
            for kind in ("pid", "mnt"):
                differs(namespace(one.pid, kind), namespace(two.pid, kind), kind)
            equal(one.inside("hostname"), "pod")
            say(podman("exec", "-d", "one", "nc", "-l", "-p", "99", "-e", "echo", "from", "one"))
            until(lambda: ":0063 " in read(f"/proc/{one.pid}/net/tcp6"), "the listener")
            equal(two.inside("nc", "127.0.0.1", "99"), "from one")
    finally:
        run(podman("pod", "rm", "-f", "-t", "0", "pod"), timeout=LIMIT)


@test("podman's user namespace: root inside is nobody in particular on the host", NEEDS)
def _():
    with Container("mapped", "--uidmap", "0:300000:5000", "--gidmap", "0:400000:5000") as c:
        matches(c.inside("cat", "/proc/self/uid_map"), r"^\s*0\s+300000\s+5000$")
        matches(read(f"/proc/{c.pid}/status"), r"^Uid:\t300000\t")
        matches(read(f"/proc/{c.pid}/status"), r"^Gid:\t400000\t")
        c.inside("touch", "/new")
        equal(os.stat(f"/proc/{c.pid}/root/new").st_uid, 300000)
        equal(c.inside("stat", "-c", "%u", "/new"), "0")


@test("podman's --userns auto takes a range of the subordinate ids", NEEDS)
def _():
    for name in ("subuid", "subgid"):
        with open("/etc/" + name, "a") as file:  # a copy of the tests' own
            file.write("containers:700000:65536\n")
    r = once("--userns", "auto:size=2000", IMAGE_NAME, "cat", "/proc/self/uid_map")
    equal(r.out.split(), ["0", "700000", "2000"])


@test("podman's --userns container:NAME joins it as its root, and --privileged beside --userns auto has terminals", NEEDS)
def _():
    with Container("mapped", "--uidmap", "0:300000:5000", "--gidmap", "0:400000:5000"):
        r = once("--userns", "container:mapped", IMAGE_NAME, "sh", "-c", "cat /proc/self/uid_map; id -u; touch /new && stat -c %u /new")
        equal(r.out.split(), ["0", "300000", "5000", "0", "0"])
    words = ["--privileged", "--uidmap", "0:300000:5000", "--gidmap", "0:400000:5000"]
    equal(once(*words, IMAGE_NAME, "sh", "-c", "exec 3<>/dev/ptmx; ls /dev/pts").out.split(), ["0", "ptmx"])


@test("podman build runs its steps, says nothing of its own, and ends by the status of the one that fails", NEEDS)
def _():
    with open(TMP + "/Containerfile", "w") as file:
        file.write(f"FROM {IMAGE_NAME}\nRUN id -u\nUSER app\nRUN id -u; exit 3\n")
    r = run(podman("build", "--no-cache", "--network", "none", TMP), timeout=LIMIT)
    equal((r.status, [line for line in r.lines if line.isdigit()]), (3, ["0", "1000"]))
    absent(r.out + r.err, "boxstep-oci:")


@test("podman's container with a read-only root, no capabilities and limits has them", NEEDS)
def _():
    look = "touch /no 2>&1; touch /tmp/yes && echo tmp; grep -E 'Cap|NoNew' /proc/self/status"
    look += "; cd /sys/fs/cgroup; cat memory.max pids.max cpu.max"
    limits = ["--memory", "48m", "--pids-limit", "33", "--cpus", "0.25"]
    rights = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
    r = once(*rights, *limits, IMAGE_NAME, "sh", "-c", look)
    contains(r.lines[0], "Read-only file system")
    equal(r.lines[1], "tmp")
    equal([line.split()[1] for line in r.lines[2:7]], ["0" * 16] * 5)
    equal(r.lines[7], "NoNewPrivs:\t1")
    equal(r.lines[8:], [str(48 << 20), "33", "25000 100000"])


@test("what podman asks for a process, its mounts, devices and sysctls arrives", NEEDS)
def _():
    os.makedirs(TMP + "/data")
    words = ["-v", f"{TMP}/data:/data:ro", "--tmpfs", "/scratch:size=1m,mode=700", "--hostname", "named"]
    words += ["--user", "1000:1000", "--group-add", "2000", "-w", "/opt", "--ulimit", "nofile=77:99"]
    words += ["--device", "/dev/full:/dev/fill", "--sysctl", "net.ipv4.ip_unprivileged_port_start=7"]
    words += ["--cap-add", "NET_RAW", "--umask", "027", "--annotation", "a=b", "--add-host", "there:192.0.2.1"]
    look = "id; pwd; umask; hostname; ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_unprivileged_port_start"
    look += "; grep there /etc/hosts; touch /data/x 2>&1; stat -c %a /scratch; ls -l /dev/fill | cut -c1; grep -c Seccomp:.2 /proc/self/status"
    r = once(*words, IMAGE_NAME, "sh", "-c", look)
    equal(r.lines[:7], ["uid=1000(app) gid=1000(app) groups=1000(app),2000", "/opt", "0027", "named", "77", "99", "7"])
    contains(r.lines[7], "192.0.2.1")
    contains(r.lines[8], "Read-only file system")
    equal(r.lines[9:], ["700", "c", "1"])


@test("a container of podman's that takes too much memory is killed, and conmon hears why", NEEDS)
def _():
    eat = ["dd", "if=/dev/zero", "of=/dev/null", "bs=128M", "count=1"]
    limits = ["--memory", "24m", "--memory-swap", "24m", "--network", "none"]
    equal(run(podman("run", "--rm", *limits, IMAGE_NAME, *eat), timeout=LIMIT, cwd=TMP).status, 137)
    # Before 2.1.13 conmon writes the fact into the directory where podman was called, and podman looks
    # for it in the container's: its State.OOMKilled is false with Debian 12's conmon and any runtime.
    version = [int(n) for n in say(["conmon", "--version"]).split()[2].split(".")]
    if version < [2, 1, 13]:
        until(lambda: os.path.exists(TMP + "/oom"), "conmon's word that there was no memory")


@test("podman's containers without a limit of processes, and for a systemd, are so", NEEDS)
def _():
    # podman 4.3 sends 0 for the first
    equal(once("--pids-limit", "-1", IMAGE_NAME, "cat", "/sys/fs/cgroup/pids.max").out.strip(), "max")
    look = "mkdir /sys/fs/cgroup/below && echo made; stat -f -c %T /run /tmp /run/lock; echo $container"
    equal(once("--systemd", "always", IMAGE_NAME, "sh", "-c", look).lines, ["made", "tmpfs", "tmpfs", "tmpfs", "podman"])


@test("podman's --init is process 1", NEEDS + " cmd:catatonit")
def _():
    with Container("initial", "--init", cmd=("sleep", "10000")) as c:
        contains(read(f"/proc/{c.pid}/comm"), "init")
        contains(c.inside("cat", "/proc/2/cmdline"), "sleep")


@test("podman rm -f ends a container that does not listen, and nothing is left", NEEDS)
def _():
    with Container("deaf", cmd=("sh", "-c", "trap '' TERM; while :; do sleep 1; done")) as c:
        group = read(f"/proc/{c.pid}/cgroup").strip().partition("::")[2]
        check(os.path.isdir(cgroup2_mount() + group), "its cgroup")
        say(podman("rm", "-f", "-t", "0", "deaf"))
        until(lambda: not os.path.exists(f"/proc/{c.pid}"), "its end")
        until(lambda: not os.path.exists(cgroup2_mount() + group), "the end of its cgroup")
    equal(containers(), [])


@test("a container of podman's has no network, the host's, or one of its own on a bridge", NEEDS)
def _():
    equal(once(IMAGE_NAME, "ls", "/sys/class/net").lines, ["lo"])
    equal(once(IMAGE_NAME, "readlink", "/proc/self/ns/net", network="host").out.strip(), namespace("self", "net"))
    # the bridge, its rules and the namespace's name are made in namespaces that go with the shell
    r = run([*OWN, *podman("run", "--rm", "--network", "podman", IMAGE_NAME, "ip", "-4", "-o", "address")], timeout=LIMIT)
    equal(r.status, 0)
    matches(r.out, r"eth0 +inet 10\.88\.")


@test("fifty containers in a row, by podman's service, and nothing of them is left", NEEDS, timeout=600)
def _():
    for i in range(50):
        name, words = f"n{i}", ["sh", "-c", f"exit {i}"]
        ask("POST", "create", {"image": IMAGE_NAME, "command": words, "netns": {"nsmode": "none"}, "name": name})
        ask("POST", f"{name}/start")
        equal(ask("POST", f"{name}/wait").strip(), str(i))
        ask("DELETE", f"{name}?force=true")
    equal(containers(), [])


# ---- an ordinary user's ---------------------------------------------------------------------------

HOME = STAGE + "/podman"  # of the user: the images and what holds the user namespace serve all tests
OF_USER = {"HOME": HOME, "XDG_DATA_HOME": HOME + "/data", "XDG_RUNTIME_DIR": HOME + "/run", **ENV}


def mine(*words, via=(), timeout=LIMIT):
    """podman as the ordinary user, by the words VIA; gives its Result."""
    return run([*via, *podman(*words, storage=COPIES)], timeout=timeout, env=OF_USER, user=not via)


def say_mine(*words, via=()):
    r = mine(*words, via=via)
    equal(r.status, 0, "status")
    return r.out.strip()


@contextlib.contextmanager
def store_of_user():
    """The image in the user's own storage. The first command leaves a process that holds the user
    namespace, with its mounts, for those that follow."""
    os.makedirs(HOME + "/run", mode=0o700)
    for path in (HOME, HOME + "/run"):
        os.chown(path, USER_ID, USER_ID)
    try:
        say_mine("tag", say_mine("pull", "-q", f"oci:{IMAGE_DIR}:latest"), IMAGE_NAME)
        yield
    finally:
        holder = HOME + "/run/libpod/tmp/pause.pid"
        if os.path.exists(holder):
            os.kill(int(read(holder)), signal.SIGKILL)
        shutil.rmtree(HOME)


class Mine:
    """The user's container that runs in the background, removed at the end of the block."""

    def __init__(self, name, *words, via=(), cmd=NAPS):
        self.name, self.via = name, via
        say_mine("run", "-d", "--name", name, "--network", "none", *words, IMAGE_NAME, *cmd, via=via)

    def __enter__(self):
        self.pid = int(self.field("State.Pid"))
        return self

    def __exit__(self, *_):
        say_mine("rm", "-f", "-t", "0", "-i", self.name, via=self.via)

    def field(self, name):
        return say_mine("inspect", "--format", "{{.%s}}" % name, self.name, via=self.via)

    def inside(self, *words):
        return say_mine("exec", self.name, *words, via=self.via)


@test("rootless podman run gives the output and the status of the command, or says why it did not run", NEEDS_OF_USER)
def _():
    r = mine("run", "--rm", "--network", "none", IMAGE_NAME, "sh", "-c", "echo out; echo err >&2; exit 7")
    equal((r.status, r.out, r.err), (7, "out\n", "err\n"))
    for word, status in (("nosuch", 127), ("/etc/passwd", 126)):
        r = mine("run", "--rm", "--network", "none", IMAGE_NAME, word)
        equal(r.status, status)
        contains(r.err, word)


@test("rootless podman's root is its user, and every other id inside is a subordinate one", NEEDS_OF_USER)
def _():
    with Mine("own") as c:
        equal(c.inside("cat", "/proc/self/uid_map").split(), ["0", str(USER_ID), "1", "1", str(SUB_FIRST), "65536"])
        matches(read(f"/proc/{c.pid}/status"), rf"^Uid:\t{USER_ID}\t")
        differs(namespace(c.pid, "user"), namespace("self", "user"))
        linux = json.loads(read(c.field("OCIConfigPath")))["linux"]
        absent([one["type"] for one in linux["namespaces"]], "user", "what podman asks for")
        absent(linux, "cgroupsPath")
        c.inside("sh", "-c", "touch /root/zero /tmp/other; chown 1000 /tmp/other")
        equal(os.stat(f"/proc/{c.pid}/root/root/zero").st_uid, USER_ID)
        equal(os.stat(f"/proc/{c.pid}/root/tmp/other").st_uid, SUB_FIRST + 999)


@test("rootless podman's container in the background is entered, told, stopped and started again", NEEDS_OF_USER)
def _():
    with Mine("back", "--stop-timeout", LIMIT * SLOW) as c:
        words = ["-u", "1000:1000", "-w", "/tmp", "-e", "A=b", "back", "sh", "-c", "id -u; pwd; echo $A; exit 5"]
        r = mine("exec", *words)
        equal((r.status, r.lines), (5, ["1000", "/tmp", "b"]))
        until(lambda: "up" in say_mine("logs", "back"), "the first line")
        say_mine("stop", "back")
        equal(c.field("State.ExitCode"), "3")
        contains(say_mine("logs", "back"), "told")
        say_mine("start", "back")
        equal(c.inside("id", "-u"), "0")
        say_mine("kill", "--signal", "KILL", "back")
        equal(say_mine("wait", "back"), "137")


@test("rootless podman's --userns keep-id: who it is outside it is inside, and its files are its own", NEEDS_OF_USER)
def _():
    os.makedirs(TMP + "/data")
    os.chown(TMP + "/data", USER_ID, USER_ID)
    look = "id -u; id -g; touch /data/new; touch /no 2>&1"
    r = mine("run", "--rm", "--network", "none", "--userns", "keep-id", "-v", TMP + "/data:/data", IMAGE_NAME, "sh", "-c", look)
    equal((r.status, r.lines[:2]), (1, [str(USER_ID)] * 2))
    contains(r.lines[2], "Permission denied")
    equal(os.stat(TMP + "/data/new").st_uid, USER_ID)


@test("rootless podman's limits need a cgroup that was handed to its user: there they hold, and are changed; it is held and killed", NEEDS_OF_USER)
def _():
    r = mine("run", "--rm", "--network", "none", "--memory", "64m", IMAGE_NAME, "true")
    equal(r.status, 126)
    contains(r.err, "start it in a cgroup that is yours")
    with handed_over() as group:
        os.mkdir(group + "/podman")  # a cgroup that hands controllers down has no process of its own
        with open(group + "/cgroup.subtree_control", "w") as file:
            file.write("+memory +pids +cpu")
        via = enter(group + "/podman")
        parent = ["--cgroup-parent", f"/{os.path.relpath(group, cgroup2_mount())}/box"]
        limits = ["--memory", "64m", "--memory-swap", "64m", "--pids-limit", "33", "--cpus", "0.5"]
        with Mine("held", *parent, *limits, via=via) as c:
            own = read(f"/proc/{c.pid}/cgroup").strip().partition("::")[2]
            matches(own, rf"^{parent[1]}/libpod-")
            limit_of = {name: cgroup_file(c.pid, name) for name in ("memory.max", "pids.max", "cpu.max")}
            equal(limit_of, {"memory.max": str(64 << 20), "pids.max": "33", "cpu.max": "50000 100000"})
            say_mine("update", "--memory", "96m", "held", via=via)
            equal(cgroup_file(c.pid, "memory.max"), str(96 << 20))
            say_mine("pause", "held", via=via)
            equal(cgroup_file(c.pid, "cgroup.freeze"), "1")
            say_mine("unpause", "held", via=via)
            equal(cgroup_file(c.pid, "cgroup.freeze"), "0")
        until(lambda: not os.path.exists(cgroup2_mount() + own), "the end of its cgroup")
        eat = ["dd", "if=/dev/zero", "of=/dev/null", "bs=128M", "count=1"]
        words = ["--rm", "--network", "none", *parent, "--memory", "24m", "--memory-swap", "24m"]
        equal(mine("run", *words, IMAGE_NAME, *eat, via=via).status, 137)
        until(lambda: "populated 0" in read(group + "/cgroup.events"), "the end of conmon")
