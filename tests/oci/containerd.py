"""containerd runs its containers by boxstep-oci, through its shim for runc: what Kubernetes stands on."""

import tarfile

import cri
from callers import EAT, EATER, LIMIT, Cgroup, Daemon, cgroup_file, empty, say, until
from harness import *

sys.path.append(ROOT + "/tests")
import images  # noqa: E402

NEEDS = "root vm cmd:containerd cmd:ctr"
DIR = STAGE + "/containerd"
SOCKET = "/run/boxstep-containerd.sock"
IMAGE_NAME = "docker.io/library/box:latest"
PAUSE_NAME = "docker.io/library/box:pause"  # what holds a pod's namespaces

CONFIG = f"""version = 2
root = "{DIR}/root"
state = "{DIR}/state"
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_NAME}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.boxstep]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.boxstep.options]
  BinaryName = "{STAGE}/bin/boxstep-oci"
"""


def ctr(*words):
    return ["ctr", "--address", SOCKET, *map(str, words)]


def ctr_run(*words):
    return ctr("run", "--runc-binary", program("boxstep-oci"), *words)


def pid_of(name):
    for line in say(ctr("task", "ls")).splitlines():
        if line.split()[0] == name:
            return int(line.split()[1])
    return None


def status_of(name):
    return {line.split()[0]: line.split()[2] for line in say(ctr("task", "ls")).splitlines()}.get(name)


class Container:
    """One that runs in the background, removed at the end of the block."""

    def __init__(self, name, *words, cmd=("sleep", "10000")):
        self.name = name
        say(ctr_run("-d", *words, IMAGE_NAME, name, *cmd))

    def __enter__(self):
        self.pid = pid_of(self.name)
        return self

    def __exit__(self, *_):
        run(ctr("task", "rm", "-f", self.name), timeout=LIMIT)
        run(ctr("container", "rm", self.name), timeout=LIMIT)

    def inside(self, *words):
        return run(ctr("task", "exec", "--exec-id", "e", self.name, *words), timeout=LIMIT)


def make_image():
    layout = images.Layout(DIR + "/image")
    layers = [layout.layer(images.base, ROOTFS, False)]
    config = {"Env": ["PATH=/usr/bin:/bin"], "WorkingDir": "/"}
    shell = layout.image(layers, {**config, "Cmd": ["/bin/sh"]})
    layout.index({"latest": shell, "pause": layout.image(layers, {**config, "Cmd": ["/bin/sleep", "100000"]})})
    with tarfile.open(DIR + "/image.tar", "w") as tar:
        tar.add(DIR + "/image", ".")


@service
def _():
    empty(DIR)
    group = Cgroup("default", "k8s.io")
    with open(DIR + "/config.toml", "w") as file:
        file.write(CONFIG)
    make_image()
    daemon = Daemon(["containerd", "-c", DIR + "/config.toml"], DIR + "/log")
    try:
        daemon.wait_for(ctr("version"))
        for namespace in ("default", "k8s.io"):
            names = ["--base-name", IMAGE_NAME.partition(":")[0]]
            say(ctr("--namespace", namespace, "image", "import", *names, DIR + "/image.tar"))
        yield
    finally:
        daemon.stop()
        group.remove()


@test("ctr run gives the output and the status of the command", NEEDS)
def _():
    r = run(ctr_run("--rm", IMAGE_NAME, "once", "sh", "-c", "echo out; echo err >&2; exit 7"), timeout=LIMIT)
    equal((r.status, r.out), (7, "out\n"))
    contains(r.err, "err\n")


@test("containerd shows why a command did not start, in boxstep-oci's words", NEEDS)
def _():
    for word, why in (("nosuch", "no such file or directory"), ("/etc/passwd", "permission denied")):
        r = run(ctr_run("--rm", IMAGE_NAME, "never", word), timeout=LIMIT)
        equal(r.status, 1)
        contains(r.err, f'execve("{word}")')
        contains(r.err, why)


@test("containerd's task is entered, paused, measured and killed", NEEDS)
def _():
    with Container("task", "--memory-limit", 64 << 20) as c:
        equal(status_of("task"), "RUNNING")
        equal(cgroup_file(c.pid, "memory.max"), str(64 << 20))
        r = c.inside("sh", "-c", "cat /proc/1/cmdline; exit 5")
        equal(r.status, 5)
        contains(r.out, "sleep")
        contains(say(ctr("task", "ps", "task")), str(c.pid))
        say(ctr("task", "pause", "task"))
        equal(status_of("task"), "PAUSED")
        equal(cgroup_file(c.pid, "cgroup.freeze"), "1")
        say(ctr("task", "resume", "task"))
        equal(status_of("task"), "RUNNING")
        metrics = json.loads(say(ctr("task", "metrics", "--format", "json", "task")))
        equal(metrics["memory"]["usage_limit"], 64 << 20)
        check(metrics["pids"]["current"] == 1 and metrics["cpu"]["usage_usec"] > 0, str(metrics))
        say(ctr("task", "kill", "--signal", "SIGKILL", "task"))
        until(lambda: status_of("task") == "STOPPED", "its end")


@test("a task on a terminal has one", NEEDS)
def _():
    p = start(ctr_run("-t", "--rm", IMAGE_NAME, "term", "sh"), pty=True)
    p.read_until("#", LIMIT)
    p.write("tty; echo pid $$\n")
    p.read_until("pid 1\r", LIMIT)
    contains(p.out, "/dev/pts/0")
    p.write("exit 9\n")
    equal(p.wait(LIMIT).status, 9)


@test("a task that takes too much memory is killed, and containerd says so", NEEDS)
def _():
    events = start(ctr("events"))

    def heard():
        say(ctr("namespace", "label", "default", "heard=yes"))
        events.pump(0.1)
        return events.out

    until(heard, "events to be told")
    with Container("eater", "--memory-limit", 24 << 20, cmd=EATER) as c:
        # The shim reads memory.events, then leaves if nobody is in the cgroup: a kill between its two
        # looks is never told, whatever the runtime. So the first to be killed leaves the container alive.
        equal(c.inside(*EAT.split()).status, 137)
        events.read_until("/tasks/oom", LIMIT)
        equal(status_of("eater"), "RUNNING")
        equal(c.inside("touch", "/go").status, 0)
        until(lambda: status_of("eater") == "STOPPED", "its end")
        contains(run(ctr("task", "rm", "eater"), timeout=LIMIT).err, "exit code 137")


@test("containerd's container with rights and mounts of its own has them", NEEDS)
def _():
    os.makedirs(TMP + "/data")
    words = ["--cwd", "/srv", "--env", "A=b", "--read-only", "--cap-drop", "CAP_CHOWN"]
    words += ["--mount", f"type=bind,src={TMP}/data,dst=/data,options=rbind:ro", "--seccomp"]
    look = "pwd; echo $A; touch /no /data/no 2>&1; grep -E 'Seccomp:|NoNew' /proc/self/status"
    r = run(ctr_run("--rm", *words, IMAGE_NAME, "full", "sh", "-c", look), timeout=LIMIT)
    equal(r.lines[:2], ["/srv", "b"])
    equal(r.out.count("Read-only file system"), 2)
    equal(r.lines[-2:], ["NoNewPrivs:\t1", "Seccomp:\t2"])


def kubelet(method, fields):
    try:
        return cri.ask(SOCKET, method, fields)
    except AssertionError as failure:
        raise type(failure)(f"{failure}\n{read(DIR + '/log')[-3000:]}") from None


def started(pod, config):
    """A container of the pod that runs: its id."""
    resources = {1: {4: 64 << 20}, 2: {3: {1: cri.NODE}}}
    container = {1: {1: "main"}, 2: {1: IMAGE_NAME}, 3: ["sleep", "100000"], 15: resources}
    name = kubelet("CreateContainer", {1: pod, 2: container, 3: config})[1][0]
    kubelet("StartContainer", {1: name})
    return name


@test("a pod under the handler boxstep, as a RuntimeClass asks for it: entered, limited, stopped", NEEDS + " cmd:curl")
def _():
    # no network plug-in here: the pod has the network of its node
    config = {1: {1: "pod", 2: "uid", 3: "space"}, 8: {2: {1: {1: cri.NODE}}}}
    pod = kubelet("RunPodSandbox", {1: config, 2: "boxstep"})[1][0]
    try:
        main = started(pod, config)
        status = kubelet("ContainerStatus", {1: main, 2: 1})
        equal(cri.fields_of(status[1][0])[3], [cri.RUNNING])
        info = json.loads(cri.fields_of(status[2][0])[2][0])
        equal(info["runtimeOptions"]["binary_name"], STAGE + "/bin/boxstep-oci")
        equal(cgroup_file(info["pid"], "memory.max"), str(64 << 20))
        look = ["sh", "-c", "cat /proc/1/cmdline; echo err >&2; exit 5"]
        answer = kubelet("ExecSync", {1: main, 2: look, 3: LIMIT * SLOW})
        # process 1 is what holds the pod: its containers share their processes, if nobody asks otherwise
        equal((answer[1], answer[2], answer[3]), ([b"/bin/sleep\x00100000\x00"], [b"err\n"], [5]))
        kubelet("UpdateContainerResources", {1: main, 2: {4: 96 << 20}})
        equal(cgroup_file(info["pid"], "memory.max"), str(96 << 20))
        memory = cri.fields_of(cri.fields_of(kubelet("ContainerStats", {1: main})[1][0])[3][0])
        check(cri.fields_of(memory[2][0])[1][0] > 0, "memory in use")
        kubelet("StopContainer", {1: main})
        equal(cri.fields_of(kubelet("ContainerStatus", {1: main})[1][0])[3], [cri.EXITED])
        kubelet("RemoveContainer", {1: main})
    finally:
        kubelet("StopPodSandbox", {1: pod})
        kubelet("RemovePodSandbox", {1: pod})
