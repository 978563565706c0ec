"""config.json field by field, through boxstep-oci, with facts from the host: hooks, netDevices, the
listener of seccomp, sockets from systemd, what is refused and how it is said."""

import ctypes
import socket
import struct
import threading

from harness import *
from oci import OCI, alive, asked, reap, shell, subreaper

HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def script(name, text):
    """A program of the host, by its path."""
    path = f"{TMP}/{name}"
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def lines(path):
    return read(path).split("\n")[:-1] if os.path.exists(path) else []


# ---- hooks ---------------------------------------------------------------------------------------


@test("each hook runs once and in order, with the container's state on its stdin")
def _():
    note = script("note", f'state=$(cat)\nprintf "%s %s\\n" "$1" "$state" >> {TMP}/notes\n')
    with OCI("/bin/true") as box:
        box.config["annotations"] = {"org.example": "kept"}
        box.config["hooks"] = {
            stage: [{"path": note, "args": [note, f"{stage}{n}"]} for n in (1, 2)]
            for stage in HOOKS if stage != "startContainer"
        }
        box.created()
        told = [line.split(" ", 1) for line in lines(TMP + "/notes")]
        equal([name for name, _ in told], [f"{s}{n}" for s in HOOKS[:3] for n in (1, 2)])
        pid = box.pid
        for name, text in told:
            state = json.loads(text)
            equal((state["id"], state["status"], state["bundle"]), ("box", "creating", box.bundle))
            equal(state["pid"], 1 if name.startswith("createContainer") else pid)
            equal(state["annotations"], {"org.example": "kept"})
        box.ok("start")
        told = [line.split(" ", 1) for line in lines(TMP + "/notes")][6:]
        equal([name for name, _ in told], ["poststart1", "poststart2"])
        equal(json.loads(told[0][1])["status"], "running")
        box.ended().ok("delete")
        told = [line.split(" ", 1) for line in lines(TMP + "/notes")][8:]
        equal([name for name, _ in told], ["poststop1", "poststop2"])
        equal(json.loads(told[0][1])["status"], "stopped")
        check(not os.path.exists(f"{box.root}/box"), "poststop comes after the container is gone")


@test("hooks run in the namespaces that the specification names; startContainer is the image's program")
def _():
    look = script("look", f'readlink /proc/self/ns/net > {TMP}/$1\n')
    with OCI("/bin/sleep", "60") as box:
        box.config["hooks"] = {s: [{"path": look, "args": [look, s]}] for s in HOOKS if s != "startContainer"}
        box.config["hooks"]["startContainer"] = [
            {
                "path": "/bin/sh",
                "args": ["sh", "-c", "readlink /proc/self/ns/net > /tmp/net; echo $X > /tmp/made"],
                "env": ["X=y"],
            }
        ]
        box.mount("/tmp")
        box.created()
        box.ok("start")
        host, inside = os.readlink("/proc/self/ns/net"), os.readlink(f"/proc/{box.pid}/ns/net")
        check(host != inside, "a network namespace of its own")
        for stage, wanted in (("prestart", host), ("createRuntime", host), ("createContainer", inside), ("poststart", host)):
            equal(read(f"{TMP}/{stage}").strip(), wanted, stage)
        equal(read(f"/proc/{box.pid}/root/tmp/net").strip(), inside)
        equal(read(f"/proc/{box.pid}/root/tmp/made").strip(), "y")
        box.ok("delete", "--force")
        equal(read(f"{TMP}/poststop").strip(), host)


@test("the hooks of the host's side stay there when the container joins namespaces by path")
def _():
    look = script("look", f'readlink /proc/self/ns/net >> {TMP}/seen\n')
    with OCI("/bin/sleep", "60", id="first") as first, OCI("/bin/sleep", "60") as box:
        first.created()
        box.namespace("network", path=f"/proc/{first.pid}/ns/net")
        box.config["hooks"] = {s: [{"path": look}] for s in ("prestart", "createRuntime", "createContainer", "poststop")}
        box.created()
        host, inside = os.readlink("/proc/self/ns/net"), os.readlink(f"/proc/{first.pid}/ns/net")
        equal(lines(TMP + "/seen"), [host, host, inside])
        box.delete()
        equal(lines(TMP + "/seen"), [host, host, inside, host])


@test("what a createContainer hook mounts at the root's path is in the container, and not on the host")
def _():
    os.makedirs(TMP + "/given")
    with open(TMP + "/given/word", "w") as file:
        file.write("given")
    with OCI(*shell("cat /tmp/word")) as box:
        hook = script("hook", f"mount --bind {TMP}/given {box.config['root']['path']}/tmp\n")
        box.config["hooks"] = {"createContainer": [{"path": hook, "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]}
        r = box.run()
        equal((r.status, r.out, r.err), (0, "given", ""))
        check("/given" not in read("/proc/self/mountinfo"), "nothing on the host")


for failing in ("prestart", "createRuntime", "createContainer"):
    @test(f"a {failing} hook that fails ends create: its word on stderr, poststop run, nothing left")
    def _(failing=failing):
        bad = script("bad", "echo the-reason >&2\nexit 3\n")
        last = script("last", f"echo x >> {TMP}/gone\n")
        with OCI("/bin/true") as box:
            box.config["hooks"] = {failing: [{"path": bad}], "poststop": [{"path": last}]}
            r = box.create()
            equal(r.status, 1)
            contains(box.out, "the-reason")
            contains(box.out, f'hooks.{failing}[0] "{bad}" ended with status 3')
            equal(lines(TMP + "/gone"), ["x"])
            equal(os.listdir(box.root), [])


@test("a startContainer hook that fails ends start with the container gone and poststop run")
def _():
    last = script("last", f"echo x >> {TMP}/gone\n")
    with OCI("/bin/true") as box:
        box.config["hooks"] = {
            "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "exit 4"]}],
            "poststop": [{"path": last}],
        }
        box.created()
        r = box.call("start")
        equal(r.status, 1)
        contains(r.err, 'hooks.startContainer[0] "/bin/sh" ended with status 4')
        equal(lines(TMP + "/gone"), ["x"])
        equal(os.listdir(box.root), [])


@test("a poststart hook that fails stops the container, since 1.3; a poststop one is a warning")
def _():
    bad = script("bad", "exit 5\n")
    with OCI("/bin/sleep", "60") as box:
        box.config["hooks"] = {"poststart": [{"path": bad}]}
        box.created()
        pid = box.pid
        r = box.call("start")
        equal(r.status, 1)
        contains(r.err, "hooks.poststart[0]")
        wait_for(lambda: reap() or not alive(pid), "the end of the container")
        equal(os.listdir(box.root), [])
    last = script("last", f"echo x >> {TMP}/gone\n")
    with OCI("/bin/true") as box:
        box.config["hooks"] = {"poststop": [{"path": bad}, {"path": last}]}
        box.created().ok("start")
        box.ended()
        log = TMP + "/log"
        r = box.call("delete", globals=("--log", log, "--log-format", "json"))
        equal((r.status, r.out, r.err), (0, "", ""))
        warning = json.loads(read(log))
        equal(warning["level"], "warning")
        contains(warning["msg"], "hooks.poststop[0]")
        equal(lines(TMP + "/gone"), ["x"])


@test("a hook that is still there after its timeout is killed, with what it started")
def _():
    slow = script("slow", f"sleep 1000 &\necho $! > {TMP}/slow.pid\nwait\n")
    with OCI("/bin/true") as box:
        box.config["hooks"] = {"createRuntime": [{"path": slow, "timeout": 1}]}
        r = box.create(timeout=60)
        equal(r.status, 1)
        contains(box.out, "hooks.createRuntime[0]")
        contains(box.out, "Timer expired")
        wait_for(lambda: reap() or not alive(int(read(TMP + "/slow.pid"))), "the end of what the hook started")


@test("a hook that cannot be run is named, without the words for a missing command")
def _():
    with OCI("/bin/true") as box:
        box.config["hooks"] = {"prestart": [{"path": "/no/such/hook"}]}
        r = box.create()
        equal(r.status, 1)
        contains(box.out, 'hooks.prestart[0] "/no/such/hook" ended with status 127')
        contains(box.out, "ENOENT")
        check("o such file or directory" not in box.out, "podman would take it for the command")


for wrong, words in (
    ({"prestart": [{"path": "relative"}]}, "absolute path"),
    ({"poststop": [{"path": "/x", "timeout": 0}]}, "timeout"),
    ({"poststart": [{"path": "/x", "timeout": -1}]}, "timeout"),
    ({"createRuntime": {"path": "/x"}}, "createRuntime"),
    ({"createRuntime": ["/x"]}, "no object"),
    ({"createRuntime": [{"path": "/x", "args": "y"}]}, "args"),
    ({"createRuntime": [{"path": "/x", "env": [1]}]}, "env"),
):
    @test(f"refused: hooks {json.dumps(wrong)[:60]}")
    def _(wrong=wrong, words=words):
        box = OCI()
        box.config["hooks"] = wrong
        r = box.run()
        equal(r.status, 1)
        contains(r.err, words)


# ---- a supervisor of system calls ----------------------------------------------------------------

LIBC = ctypes.CDLL(None, use_errno=True)
NOTIFY_RECEIVE, NOTIFY_SEND = 0xC0502100, 0xC0182101
ANSWER = 4242


class Supervisor(threading.Thread):
    """Takes one listener over the socket, and answers each call that it is asked about with ANSWER."""

    def __init__(self):
        super().__init__(daemon=True)
        self.path, self.state, self.asked = TMP + "/supervisor", None, []
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.door.bind(self.path)
        self.door.listen()
        self.start()

    def run(self):
        connection, _ = self.door.accept()
        with connection:
            data, fds, _, _ = socket.recv_fds(connection, 65536, 4)
            self.rest = connection.recv(1)
        self.state, self.count = json.loads(data), len(fds)
        while True:
            request = ctypes.create_string_buffer(80)
            if LIBC.ioctl(fds[0], ctypes.c_ulong(NOTIFY_RECEIVE), request) < 0:
                break
            number, pid, _, call = struct.unpack_from("=QIIi", request)
            self.asked.append((pid, call))
            LIBC.ioctl(fds[0], ctypes.c_ulong(NOTIFY_SEND), struct.pack("=QqiI", number, ANSWER, 0, 0))
        os.close(fds[0])


def supervised(path, *calls, **more):
    rule = {"names": list(calls), "action": "SCMP_ACT_NOTIFY"}
    return {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path, "syscalls": [rule], **more}


for no_new_privs in (True, False):
    @test(f"a supervisor gets the listener and the state, and answers calls (noNewPrivileges {no_new_privs})")
    def _(no_new_privs=no_new_privs):
        agent = Supervisor()
        with OCI(*shell("umask; exec sleep 60"), noNewPrivileges=no_new_privs) as box:
            box.process["capabilities"] = {s: ["CAP_CHOWN"] for s in ("bounding", "effective", "permitted")}
            box.config["annotations"] = {"org.example": "kept"}
            box.linux["seccomp"] = supervised(agent.path, "umask", listenerMetadata="some words")
            box.created()
            box.ok("start")
            wait_for(lambda: box.out.endswith("\n"), "the command's answer")
            equal(int(box.out, 8), ANSWER, "what umask(2) answered, as the shell prints it")
            state = agent.state
            equal((state["fds"], state["pid"], state["metadata"]), (["seccompFd"], box.pid, "some words"))
            equal((state["state"]["id"], state["state"]["bundle"], state["state"]["pid"]), ("box", box.bundle, box.pid))
            equal(state["state"]["annotations"], {"org.example": "kept"})
            equal((agent.count, agent.rest), (1, b""), "one descriptor, and the connection is closed")
            equal({pid for pid, _ in agent.asked}, {box.pid})
            fds = os.listdir(f"/proc/{box.pid}/fd")
            check(set(fds) <= {"0", "1", "2"}, f"the listener does not stay in the container: {fds}")


@test("exec hands a listener of its own to the supervisor, with its own pid")
def _():
    first = Supervisor()
    with OCI("/bin/sleep", "60") as box:
        box.linux["seccomp"] = supervised(first.path, "umask")
        box.created().ok("start")
        wait_for(lambda: first.state, "the first listener")
        os.unlink(first.path)
        agent = Supervisor()
        r = box.call("exec", after=shell("umask; echo $$"))
        equal(r.status, 0)
        equal(int(r.out.split()[0], 8), ANSWER)
        check(agent.state["pid"] != agent.state["state"]["pid"], "the process is not the container's first")
        equal(agent.state["state"]["pid"], box.pid)
        equal(agent.state["state"]["status"], "running")


@test("a supervisor that is not there is an error of create, and listenerPath is ignored without notify")
def _():
    with OCI("/bin/true") as box:
        box.linux["seccomp"] = supervised("/no/such/socket", "umask")
        r = box.create()
        equal(r.status, 1)
        contains(box.out, "/no/such/socket")
        box.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/no/such/socket"}
        equal(box.run().status, 0)


# ---- interfaces ----------------------------------------------------------------------------------


def ip(*words):
    return run(["ip", *words])


@test("an interface of the host moves into the container, with its addresses and another name", needs="root")
def _():
    with OCI("/bin/sleep", "60") as box:
        ip("link", "add", "moved0", "type", "veth", "peer", "name", "stays0")
        ip("address", "add", "192.0.2.7/24", "dev", "moved0")
        ip("address", "add", "2001:db8::7/64", "dev", "moved0")
        try:
            mac = json.loads(ip("-j", "link", "show", "moved0").out)[0]["address"]
            box.linux["netDevices"] = {"moved0": {"name": "inner0"}}
            box.created()
            check("moved0" not in ip("link").out, "it has left the host")
            inside = json.loads(run(["nsenter", "-t", str(box.pid), "-n", "ip", "-j", "address", "show", "inner0"]).out)[0]
            equal(inside["address"], mac)
            check("UP" in inside["flags"], "it is up")
            have = {(a["local"], a["prefixlen"]) for a in inside["addr_info"] if a["scope"] == "global"}
            equal(have, {("192.0.2.7", 24), ("2001:db8::7", 64)})
        finally:
            ip("link", "delete", "stays0")


@test("a pattern as the new name lets the kernel choose a number; a name that is taken is refused", needs="root")
def _():
    with OCI("/bin/sleep", "60", id="pod") as pod, OCI("/bin/sleep", "60") as box:
        pod.created()
        for name in ("one0", "two0", "three0"):
            ip("link", "add", name, "type", "veth", "peer", "name", "peer-" + name)
        try:
            ip("address", "add", "192.0.2.9/32", "dev", "two0")
            inside = ("nsenter", "-t", str(pod.pid), "-n", "ip", "-j")
            run([*inside, "link", "add", "eth0", "type", "veth", "peer", "name", "end0"])
            box.namespace("network", path=f"/proc/{pod.pid}/ns/net")
            box.linux["netDevices"] = {"one0": {"name": "eth%d"}, "two0": {"name": "eth%d"}}
            box.created()
            names = {link["ifname"]: link for link in json.loads(run([*inside, "address"]).out)}
            check({"eth0", "eth1", "eth2"} <= set(names), f"{sorted(names)}")
            equal([n for n in names if "192.0.2.9" in json.dumps(names[n])], ["eth2"])
            box.delete()
            box.linux["netDevices"] = {"three0": {"name": "eth0"}}
            r = box.create()
            equal(r.status, 1)
            contains(box.out, "EEXIST")
            check("three0" in ip("link").out, "it stays on the host")
        finally:
            for name in ("one0", "two0", "three0"):
                ip("link", "delete", "peer-" + name)


for wrong, words in (
    ({"missing0": {}}, "interface missing0"),
    ({"lo": {"name": "a/b"}}, "a/b"),
    ({"lo": {"name": "much-too-long-a-name"}}, "much-too-long"),
    ({"lo": {"name": "%d%d"}}, "%d%d"),
    ({"lo": []}, "no object"),
):
    @test(f"refused: netDevices {json.dumps(wrong)}", needs="root")
    def _(wrong=wrong, words=words):
        box = OCI()
        box.linux["netDevices"] = wrong
        r = box.run()
        equal(r.status, 1)
        contains(r.err, words)


@test("refused: netDevices without a network namespace")
def _():
    box = OCI().without("network")
    box.linux["netDevices"] = {"lo": {}}
    contains(box.run().err, "netDevices")
