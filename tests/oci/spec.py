"""config.json field by field, through boxstep-oci, with facts from the host: hooks, netDevices, the
listener of seccomp, sockets from systemd, what is refused and how it is said."""

import ctypes
import resource
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
        box.config["root"]["path"] = "/no/such/root"
        equal(box.create().status, 1)
        check(not os.path.exists(TMP + "/notes"), "none, nor poststop, where no process has begun")
        box.config["root"]["path"] = ROOTFS
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
        state = json.loads(told[0][1])
        equal((state["status"], "pid" in state), ("stopped", False))
        check(not os.path.exists(f"{box.root}/box"), "poststop comes after the container is gone")


@test("a hook without an environment of its own has the runtime's, and startContainer the command's")
def _():
    note = script("note", f'echo "$1 ${{WHOSE-}}" >> {TMP}/notes\n')
    mine = {"path": note, "args": [note, "own"], "env": ["WHOSE=hook"]}
    with OCI("/bin/true", env=["PATH=/bin", "WHOSE=command"]) as box:
        box.mount("/notes", "bind", TMP, "bind")
        inside = ["sh", "-c", "echo inside ${WHOSE-} >> /notes/notes"]
        box.config["hooks"] = {
            "createRuntime": [{"path": note, "args": [note, "outside"]}, mine],
            "startContainer": [{"path": "/bin/sh", "args": inside}],
        }
        box.write()
        env = {**os.environ, "WHOSE": "caller"}
        equal(run(box.argv("run", "--bundle", box.bundle), env=env).status, 0)
        equal(lines(TMP + "/notes"), ["outside caller", "own hook", "inside command"])


def ignore_all():
    """By the system call: the C library would leave out two that it has for itself."""
    number = {"x86_64": 13, "aarch64": 134}[os.uname().machine]
    for one in range(1, 65):
        LIBC.syscall(number, one, (ctypes.c_uint64 * 4)(int(signal.SIG_IGN)), None, 8)


@test("signals that the runtime's caller ignores are ignored by nothing in the container, a hook and exec included")
def _():
    look = ["/bin/grep", "SigIgn", "/proc/self/status"]
    for words in ([], ["--pid-file", TMP + "/pid"], ["init"], ["hook"]):
        with OCI(*look) as box:
            box.config["annotations"] = {"boxstep.init": "true"} if words == ["init"] else {}
            if words == ["hook"]:
                box.mount("/seen", "bind", TMP, "bind")
                box.config["hooks"] = {"startContainer": [{"path": "/bin/cp", "args": ["cp", "/proc/self/status", "/seen/status"]}]}
            box.write()
            flags = [word for word in words if word not in ("init", "hook")]
            r = run(box.argv("run", "--bundle", box.bundle, *flags), prepare=ignore_all)
            equal((r.status, r.out), (0, "SigIgn:\t0000000000000000\n"), " ".join(words))
    contains(read(TMP + "/status"), "SigIgn:\t0000000000000000\n")
    with OCI("/bin/sleep", "60") as box:
        aside = ["sh", "-c", f'exec "$@" >{TMP}/out 2>&1', "sh"]
        equal(run([*aside, *box.write().argv("create", "--bundle", box.bundle)], prepare=ignore_all).status, 0)
        equal(run(box.argv("start"), prepare=ignore_all).status, 0)
        pid = box.state()["pid"]
        wait_for(lambda: read(f"/proc/{pid}/comm") == "sleep\n", "the exec")
        contains(read(f"/proc/{pid}/status"), "SigIgn:\t0000000000000000\n")
        equal(run([*box.argv("exec"), *look], prepare=ignore_all).out, "SigIgn:\t0000000000000000\n")


@test("a hook has no signal blocked and no descriptor but the three, whatever the runtime and its caller have")
def _():
    # by the shell itself: around a fork it blocks signals
    text = f'while read name set; do [ $name != SigBlk: ] || echo $set; done </proc/$$/status >{TMP}/blocked; echo /proc/$$/fd/* >{TMP}/fds\n'
    look = script("look", text)
    fd = os.open("/etc/hostname", os.O_RDONLY)
    for stage in ("prestart", "createContainer", "poststart", "poststop"):
        box = OCI("/bin/true")  # in the foreground `run` blocks what it passes on
        box.config["hooks"] = {stage: [{"path": look}]}
        equal(box.run(prepare=lambda: os.dup2(fd, 9), fds=(fd, 9)).status, 0)
        equal(read(TMP + "/blocked"), "0000000000000000\n", stage)
        absent(read(TMP + "/fds"), "fd/9", stage)


@test("of a variable that is there twice the later value is meant, in config.json and in --process, file or pipe")
def _():
    twice = ["PATH=/bin", "ONE=1", "TWO=", "ONE=2", "TWO=3", "NONE"]
    with OCI("/bin/sleep", "60", env=twice) as box:
        box.created().ok("start")
        wait_for(lambda: read(f"/proc/{box.pid}/comm") == "sleep\n", "the exec")
        equal(read(f"/proc/{box.pid}/environ").split("\0")[:4], ["PATH=/bin", "ONE=2", "TWO=3", "NONE"])
        with open(TMP + "/process", "w") as file:
            json.dump({**box.process, "args": ["/bin/cat", "/proc/self/environ"]}, file)
        equal(box.ok("exec", "--process", TMP + "/process").out.split("\0")[:4], ["PATH=/bin", "ONE=2", "TWO=3", "NONE"])
        given = read(TMP + "/process")  # a pipe, as a shell's <(…) is
        equal(box.ok("exec", "--process", "/dev/stdin", input=given).out.split("\0")[1], "ONE=2")


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
        box.config["hooks"]["createRuntime"] = [{"path": script("bad", "exit 3\n")}]
        equal(box.create().status, 1)
        equal(lines(TMP + "/seen")[4:], [host, host], "poststop too, after one that has failed")


@test("while a container is made its status is creating, and exec is refused: its root is the host's still")
def _():
    for verb in ("create", "run"):
        for stage in ("prestart", "createRuntime", "createContainer"):
            with OCI("/bin/true") as box:
                words = f"--root {box.root}"
                oci = program("boxstep-oci")
                ask = script("ask", f"{oci} {words} exec box /bin/ls / >> {TMP}/said 2>&1\n{oci} {words} state box >> {TMP}/said\n")
                box.config["hooks"] = {stage: [{"path": ask}]}
                box.created() if verb == "create" else box.run()
                said = read(TMP + "/said")
                contains(said, "container box is being created", stage)
                contains(said, '"status":"creating"', stage)
                absent(said, "bin\n", stage)
                os.unlink(TMP + "/said")


@test("a command that takes the name of a container in the making, or at the gate, is running all the same")
def _():
    for name in ("boxstep: build", "boxstep: gate"):
        with OCI(*shell(f"echo -n '{name}' >/proc/$$/comm; sleep 60; :")) as box:
            box.created().ok("start")
            wait_for(lambda: "sleep 60" in read(f"/proc/{box.pid}/cmdline"), "the exec")
            wait_for(lambda: read(f"/proc/{box.pid}/comm") == name + "\n", "the other name")
            equal(box.status, "running")
            equal(box.ok("exec", after=["/bin/echo", "in"]).out, "in\n")
            r = box.call("start")
            equal(r.status, 1)
            contains(r.err, "not in the state created")


@test("what a createContainer hook mounts at the root's path is in the container, and not on the host")
def _():
    os.makedirs(TMP + "/given")
    with open(TMP + "/given/word", "w") as file:
        file.write("given")
    os.symlink(ROOTFS, TMP + "/link")
    for root in (ROOTFS, TMP + "/link"):
        box = OCI(*shell("cat /tmp/word"), rootfs=root)
        hook = script("hook", f"mount --bind {TMP}/given {root}/tmp\n")
        box.config["hooks"] = {"createContainer": [{"path": hook, "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}]}
        r = box.run()
        equal((r.status, r.out, r.err), (0, "given", ""))
        check("/given" not in read("/proc/self/mountinfo"), "nothing on the host")


for failing in ("prestart", "createRuntime", "createContainer"):
    @test(f"a {failing} hook that fails ends create: its word on stderr, poststop run, nothing left")
    def _(failing=failing):
        bad = script("bad", "seq 2000\necho the-reason >&2\nexit 3\n")
        last = script("last", f"echo x >> {TMP}/gone\n")
        with OCI("/bin/true") as box:
            box.config["hooks"] = {failing: [{"path": bad}, {"path": last}], "poststop": [{"path": last}]}
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
    for terminal in (False, True):
        with OCI("/bin/true", terminal=terminal) as box:
            box.config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo because >&2; exit 4"]}]}
            r = box.run()
            equal(r.status, 1)
            contains(r.out + r.err, "because")
            contains(r.err, 'hooks.startContainer[0] "/bin/sh" ended with status 4')
        equal(lines(TMP + "/gone"), ["x"])
        equal(os.listdir(box.root), [])


@test("a poststart hook that fails stops the container, since 1.3; a poststop one is a warning")
def _():
    bad = script("bad", "echo its word\nexit 5\n")
    with OCI("/bin/sleep", "60") as box:
        box.config["hooks"] = {"poststart": [{"path": bad}]}
        box.created()
        pid = box.pid
        r = box.call("start")
        equal(r.status, 1)
        contains(r.err, "hooks.poststart[0]")
        wait_for(lambda: reap() or not alive(pid), "the end of the container")
        equal(os.listdir(box.root), [])
    box = OCI("/bin/sleep", "60")
    box.config["hooks"] = {"poststart": [{"path": bad}]}
    r = box.run()
    equal((r.status, r.out), (1, ""))
    matches(r.err, r"\Aits word\n.*hooks.poststart\[0\]")
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


@test("of what a hook that fails has said the first 64 KiB are passed on")
def _():
    with OCI("/bin/true") as box:
        box.config["hooks"] = {"prestart": [{"path": script("bad", "seq 20000\nexit 3\n")}]}
        equal(box.create().status, 1)
        equal(box.out.index("boxstep-oci: hooks.prestart[0]"), 65536)


@test("a start that fails for another reason than a hook leaves the container, stopped, and poststop is for delete", needs="root")
def _():
    last = script("last", f"echo x >> {TMP}/gone\n")
    os.mkdir(TMP + "/bin")
    shutil.copy(PROBE, TMP + "/bin/once")
    with OCI("/srv/once").mount("/srv", "bind", TMP + "/bin", "bind") as box:
        box.config["hooks"] = {"poststop": [{"path": last}]}
        box.created()
        os.unlink(TMP + "/bin/once")
        r = box.call("start")
        differs(r.status, 0)
        contains(r.err, "/srv/once")
        equal(box.ended().status, "stopped")
        equal(lines(TMP + "/gone"), [])
        box.ok("delete")
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
    ({"prestart": [{"path": "/x", "timeout": 2147484}]}, "timeout"),
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


@test("a startContainer hook is held to the filter, before and without noNewPrivileges, and has no listener of its own")
def _():
    look = {"path": "/bin/sh", "args": ["sh", "-c", "umask >/tmp/umask; grep Seccomp: /proc/self/status >/tmp/held"]}
    for no_new_privs, agent in ((True, None), (False, None), (True, Supervisor())):
        with OCI(*shell("umask; exec sleep 60"), noNewPrivileges=no_new_privs) as box:
            box.mount("/tmp").config["hooks"] = {"startContainer": [look]}
            killable = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]  # which the kernel takes with a listener only
            box.linux["seccomp"] = supervised(agent.path, "umask", flags=killable) if agent else {
                "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]}
            box.created().ok("start")
            equal(read(f"/proc/{box.pid}/root/tmp/held"), "Seccomp:\t2\n")
            if agent:
                wait_for(lambda: box.out.endswith("\n"), "the command's answer")
                equal((int(box.out, 8), agent.count), (ANSWER, 1), "the command's own listener, and no other")
                absent(read(f"/proc/{box.pid}/root/tmp/umask"), f"{ANSWER:04o}")


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


@test("a filter that is older than the calls by which a command is started does not keep it from running")
def _():
    for errno in (1, 38):  # EPERM of the older engines' profiles, ENOSYS of the newer ones'
        user = {"uid": 1000, "gid": 1000}
        with OCI("sh", "-c", "echo $HOME", user=user, noNewPrivileges=False) as box:  # so the filter is there before
            calls = ["faccessat2", "openat2", "close_range"]
            rule = {"names": calls, "action": "SCMP_ACT_ERRNO", "errnoRet": errno}
            box.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
            equal(box.run().out, "/home\n", f"errno {errno}")
            rule["names"] = [*calls, "newfstatat", "stat", "statx"]  # nothing can be seen of the command then
            box.process["args"] = ["/bin/probe", "exit", "7"]
            equal(box.run().status, 7, f"errno {errno}, without stat")


@test("a process without a terminal leads a session of its own, the container's and one of exec")
def _():
    stat = ["/bin/cat", "/proc/self/stat"]
    with OCI("/bin/sleep", "60") as box:
        box.created().ok("start")
        equal(os.getsid(box.pid), box.pid)
        pid, *rest = box.ok("exec", after=stat).out.split()
        equal(rest[4], pid, "proc_pid_stat(5): session")


@test("a pipe that is standard output is the user's, who can open it by name; a file stays whose it is")
def _():
    user = {"uid": 1000, "gid": 1000}
    with OCI("sh", "-c", "echo word > /dev/stdout; echo $?", user=user) as box:
        box.config["mounts"] = [m for m in box.config["mounts"] if m["destination"] != "/dev"]
        box.mount("/dev", "tmpfs", "tmpfs", "mode=755")
        r = box.run()
        equal((r.status, r.out, r.err), (0, "word\n0\n", ""))
    with OCI("/bin/sleep", "60", user=user) as box:
        box.created().ok("start")
        r = box.call("exec", after=["sh", "-c", "echo word > /dev/stdout; echo $?"])
        equal((r.status, r.out), (0, "word\n0\n"))
        equal(os.stat(box.bundle + "/out").st_uid, 0, "the file that create had as standard output")


@test("run has a terminal for its command where its caller has none")
def _():
    with OCI("/bin/sh", "-c", "tty", terminal=True) as box:
        r = box.run()
        equal((r.status, r.out, r.err), (0, "/dev/pts/0\n", ""), "into a pipe, as the program wrote it")
        p = start(box.write().argv("run", "--bundle", box.bundle), pty=True)
        p.read_until("/dev/pts/0\r\n")
        equal(p.wait().status, 0)


# ---- interfaces ----------------------------------------------------------------------------------


def ip(*words):
    return run(["ip", *words])


def seen(name):
    """What ip tells of an interface and of the routes over it, without counters and what IPv6 makes by itself."""
    (link,) = json.loads(ip("-j", "-d", "address", "show", "dev", name).out)
    addresses = sorted((a for a in link["addr_info"] if a["scope"] != "link"), key=str)
    routes = [ip(family, "route", "show", "dev", name).out for family in ("-4", "-6")]
    facts = {key: link.get(key) for key in ("ifindex", "ifname", "address", "mtu", "master", "txqlen")}
    return facts | {"up": "UP" in link["flags"]}, [{k: v for k, v in a.items() if k != "nodad"} for a in addresses], routes


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
            ip("address", "add", "192.0.2.10/32", "dev", "three0")
            before = seen("three0")
            box.linux["netDevices"] = {"three0": {"name": "eth0"}}
            r = box.create()
            equal(r.status, 1)
            contains(box.out, "EEXIST")
            equal(seen("three0"), before, "it stays on the host")
        finally:
            for name in ("one0", "two0", "three0"):
                ip("link", "delete", "peer-" + name)


@test("two interfaces of one hardware address each come with their own addresses, whatever number the kernel gives", needs="root")
def _():
    with OCI("/bin/sleep", "60") as box:
        names = ("same0", "same1")
        for number, name in enumerate(names):
            ip("link", "add", name, "address", "02:00:00:00:00:07", "type", "veth", "peer", "name", "end-" + name)
            ip("address", "add", f"192.0.2.{7 + number}/32", "dev", name)
        try:
            box.linux["netDevices"] = {name: {"name": "eth%d"} for name in names}
            box.created()
            inside = json.loads(run(["nsenter", "-t", str(box.pid), "-n", "ip", "-j", "address"]).out)
            have = {link["ifname"]: (["UP" in link["flags"]] + [a["local"] for a in link["addr_info"] if a["family"] == "inet"]) for link in inside}
            equal({name: have[name] for name in ("eth0", "eth1")}, {"eth0": [True, "192.0.2.7"], "eth1": [True, "192.0.2.8"]})
        finally:
            for name in names:
                ip("link", "delete", "end-" + name)


@test("an address moves with all that belongs to it: the other end, broadcast, label, metric, noprefixroute, lifetime", needs="root")
def _():
    with OCI("/bin/sleep", "60") as box:
        ip("link", "add", "whole0", "type", "veth", "peer", "name", "stays0")
        for words in (
            "10.9.1.1 peer 10.9.1.2/32 label whole0:p2p",
            "10.9.2.1/24 broadcast 10.9.2.77 metric 7",
            "10.9.3.1/24 label whole0 noprefixroute",
            "fd09::1/64 metric 9 noprefixroute preferred_lft 0",
        ):
            ip("address", "add", *words.split(), "dev", "whole0")
        ip("address", "add", "10.9.4.1/24", "dev", "whole0", "valid_lft", "1000", "preferred_lft", "1000")
        ip("address", "add", "10.9.5.1/24", "scope", "link", "dev", "whole0")
        try:
            box.linux["netDevices"] = {"whole0": {"name": "in0"}}
            box.created()
            (inside,) = json.loads(run(["nsenter", "-t", str(box.pid), "-n", "ip", "-j", "address", "show", "dev", "in0"]).out)
            have = {a["local"]: a for a in inside["addr_info"] if a["scope"] == "global"}
            equal(sorted(have), ["10.9.1.1", "10.9.2.1", "10.9.3.1", "fd09::1"])
            facts = {local: {k: a.get(k) for k in ("address", "prefixlen", "broadcast", "label", "metric", "noprefixroute", "deprecated")} for local, a in have.items()}
            none = dict.fromkeys(("address", "prefixlen", "broadcast", "label", "metric", "noprefixroute", "deprecated"))
            equal(facts["10.9.1.1"], none | {"address": "10.9.1.2", "prefixlen": 32, "label": "in0:p2p"})
            equal(facts["10.9.2.1"], none | {"prefixlen": 24, "broadcast": "10.9.2.77", "label": "in0", "metric": 7})
            equal(facts["10.9.3.1"], none | {"prefixlen": 24, "label": "in0", "noprefixroute": True})
            equal(facts["fd09::1"], none | {"prefixlen": 64, "metric": 9, "noprefixroute": True, "deprecated": True})
        finally:
            ip("link", "delete", "stays0")


def lacks_command(box):
    box.config["process"]["args"] = ["/no/such/command"]


def fails_hook(box):
    box.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}


def takes_lo(box):
    box.linux["netDevices"]["back0"]["name"] = "lo"


def takes_twice(box):
    box.linux["netDevices"]["other0"] = {"name": "in0"}


def own_user_namespace(box):
    box.namespace("user")
    box.linux["uidMappings"] = box.linux["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    lacks_command(box)


def lacks_carrier(box):
    ip("link", "set", "stays0", "down")
    lacks_command(box)


for spoil in (lacks_command, fails_hook, takes_lo, takes_twice, own_user_namespace, lacks_carrier):
    for verb in ("create", "run"):
        @test(f"a {verb} that fails gives an interface back as it was: {spoil.__name__.replace('_', ' ')}", needs="root")
        def _(spoil=spoil, verb=verb):
            box = OCI("/bin/true")
            ip("link", "add", "bridge0", "type", "bridge")
            ip("link", "add", "back0", "type", "veth", "peer", "name", "stays0")
            ip("link", "add", "other0", "type", "veth", "peer", "name", "stays1")
            try:
                ip("link", "set", "stays0", "up")
                ip("link", "set", "back0", "up")
                ip("link", "set", "other0", "master", "bridge0", "up")
                ip("address", "add", "10.9.1.1/24", "broadcast", "10.9.1.9", "label", "back0:one", "dev", "back0")
                ip("address", "add", "10.9.2.1/24", "dev", "back0", "scope", "link")
                ip("address", "add", "fd09::1/64", "nodad", "dev", "back0")
                ip("route", "add", "10.9.9.0/24", "via", "10.9.1.7", "dev", "back0", "metric", "7")
                ip("route", "add", "10.9.8.0/24", "via", "10.9.7.1", "onlink", "dev", "back0")
                ip("route", "add", "10.9.7.1", "dev", "back0")
                ip("route", "add", "fd0a::/64", "via", "fd09::7", "dev", "back0")
                box.linux["netDevices"] = {"back0": {"name": "in0"}}
                spoil(box)
                before = seen("back0"), seen("other0")
                r = box.create() if verb == "create" else box.run()
                check(r.status != 0, f"{verb} has failed")
                equal((seen("back0"), seen("other0")), before)
            finally:
                for name in ("stays0", "stays1", "bridge0"):
                    ip("link", "delete", name)


for wrong, words in (
    ({"missing0": {}}, "interface missing0"),
    ({"lo": {"name": "a/b"}}, "a/b"),
    ({"lo": {"name": "much-too-long-a-name"}}, "much-too-long"),
    ({"lo": {"name": "%d%d"}}, "%d%d"),
    ({"lo": []}, "no object"),
    ({"lo": {"name": 5}}, "name"),
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


def same_mounts(box, pid):
    return os.stat(f"/proc/{box.pid}/ns/mnt").st_ino == os.stat(f"/proc/{pid}/ns/mnt").st_ino


@test("a mount namespace with a path is joined, exec follows, and the caller's own stays as it is", needs="root")
def _():
    other = subprocess.Popen(["unshare", "--mount", "sleep", "60"])
    try:
        wait_for(lambda: os.stat(f"/proc/{other.pid}/ns/mnt").st_ino != os.stat("/proc/self/ns/mnt").st_ino, "its namespace")
        wait_for(lambda: read(f"/proc/{other.pid}/comm") == "sleep\n", "the exec of sleep")
        with open(TMP + "/word", "w") as file:
            file.write("given")
        before = read("/proc/self/mountinfo")
        with OCI("/bin/sleep", "60") as box:
            box.namespace("mount", path=f"/proc/{other.pid}/ns/mnt")
            box.mount("/etc/word", "bind", TMP + "/word", "bind")
            box.created()
            check(same_mounts(box, other.pid), "it lives in that namespace")
            box.ok("start")
            equal(box.ok("exec", after=["/bin/cat", "/etc/word"]).out, "given")
            equal(box.ok("exec", after=["/bin/ls", "/"]).out.split(), sorted(os.listdir(ROOTFS)))
            equal(read("/proc/self/mountinfo"), before)
        equal(read("/proc/self/mountinfo"), before)
    finally:
        other.kill()
        other.wait()


@test("a time namespace with a path is joined, and its clock does not hide that the container runs", needs="root")
def _():
    with OCI("/bin/sleep", "60", id="first") as first, OCI("/bin/sleep", "60") as box:
        first.namespace("time").linux["timeOffsets"] = {"boottime": {"secs": 1000}}
        first.created().ok("start")
        wait_for(lambda: read(f"/proc/{first.pid}/comm") == "sleep\n", "the exec")
        box.namespace("time", path=f"/proc/{first.pid}/ns/time").created()
        equal(box.status, "created")
        box.ok("start")
        equal(box.status, "running")
        equal(os.stat(f"/proc/{box.pid}/ns/time").st_ino, os.stat(f"/proc/{first.pid}/ns/time").st_ino)
        inside = float(box.ok("exec", after=["/bin/cat", "/proc/uptime"]).out.split()[0])
        check(900 < inside - float(read("/proc/uptime").split()[0]) < 1100, f"the clock of the other: {inside}")
        box.delete()
        box.namespace("time", path="/proc/self/ns/time").created().ok("start")
        equal(box.status, "running")


@test("a mount namespace with a path: the caller's own, another kind and a missing one are refused, and nothing is turned", needs="root")
def _():
    before = read("/proc/self/mountinfo"), os.readlink("/proc/self/root")
    for path, words in (
        ("/proc/self/ns/mnt", "own"),
        ("/proc/self/ns/uts", "is not a namespace of that kind"),
        (TMP + "/none", "ENOENT"),
    ):
        with OCI("/bin/true") as box:
            box.namespace("mount", path=path)
            equal(box.create().status, 1)
            contains(box.out, words)
            contains(box.out, path)
            equal(os.listdir(box.root), [])
        equal((read("/proc/self/mountinfo"), os.readlink("/proc/self/root")), before)


@test("without a mount namespace the caller's is the container's, and has nothing of it, while it is there and after", needs="root kernel:6.15")
def _():
    before = read("/proc/self/mountinfo")
    with OCI("/bin/sleep", "60") as box:
        box.without("mount").linux["maskedPaths"] = ["/proc/interrupts"]
        box.mount("/tmp")
        box.mount("/etc", "bind", TMP, "bind", "ro")
        box.created()
        equal(read("/proc/self/mountinfo"), before)
        box.ok("start")
        check(same_mounts(box, "self"), "the caller's mount namespace")
        for command, wanted in (
            ("ls /", "\n".join(sorted(os.listdir(ROOTFS)))),
            ("touch /tmp/x && ls /tmp", "x"),
            ("touch /etc/x 2>/dev/null || echo read-only", "read-only"),
            ("wc -c </proc/interrupts", "0"),
            ("cat /proc/1/comm", "sleep"),
            ("echo >/dev/null && test -c /dev/null && echo null", "null"),
        ):
            equal(box.ok("exec", after=["/bin/sh", "-c", command]).out.strip(), wanted, command)
        # who may chroot leaves a chroot by `..`; this one is attached to nothing that `..` could lead to
        leave = ("import os, sys; os.chroot(sys.argv[1]); os.chdir('/'); os.mkdir('tmp/in'); os.chroot('tmp/in')\n"
                 "for _ in range(20): os.chdir('..')\n"
                 "os.chroot('.'); print(*sorted(os.listdir('/')))")  # fmt: skip
        equal(run([sys.executable, "-c", leave, f"/proc/{box.pid}/root"]).out.split(), sorted(os.listdir(ROOTFS)))
        os.kill(box.pid, signal.SIGKILL)
        box.ended().ok("delete")
        equal(read("/proc/self/mountinfo"), before)


@test("before Linux 6.15 a configuration without a mount namespace is refused in a sentence, and the host is as before", needs="root vm")
def _():
    before = read("/proc/self/mountinfo")
    with OCI("/bin/true") as box:
        equal(box.without("mount").create().status, 1 if KERNEL < (6, 15) else 0)
        if KERNEL < (6, 15):
            contains(box.out, "before Linux 6.15 nothing can be mounted in a root that is attached nowhere")
            equal(os.listdir(box.root), [])
    equal(read("/proc/self/mountinfo"), before)


@test("in the caller's mount namespace too what is mounted can be made read-only, or spread otherwise, afterwards", needs="root kernel:6.15")
def _():
    for entries, command, wanted in (
        ([("/tmp", "tmpfs", "tmpfs", "ro")], "touch /tmp/x", "Read-only"),
        ([("/tmp", "tmpfs", "tmpfs", "ro"), ("/tmp/a",)], "touch /tmp/a/x && touch /tmp/x", "Read-only"),
        ([("/tmp", "tmpfs", "tmpfs", "ro"), ("/tmp",)], "touch /tmp/x && ls /tmp", "x"),
        ([("/tmp", "tmpfs", "tmpfs", "ro"), ("/tmp/a", "tmpfs", "tmpfs", "ro")], "touch /tmp/a/x", "Read-only"),
        ([("/tmp",), ("/tmp/a", "tmpfs", "tmpfs", "ro"), ("/tmp", "none", "none", "remount", "ro")], "touch /tmp/a/x", "Read-only"),
        ([("/tmp",), ("/tmp", "none", "none", "remount", "ro")], "touch /tmp/x", "Read-only"),
        ([("/tmp",), ("/tmp", "none", "none", "remount", "bind", "ro")], "touch /tmp/x", "Read-only"),
        ([("/tmp",), ("/tmp", "none", "none", "rshared")], "touch /tmp/x && ls /tmp", "x"),
    ):
        with OCI(*shell(command)) as box:
            box.without("mount")
            for entry in entries:
                box.mount(*entry)
            r = box.run()
            contains(r.out + r.err, wanted, str(entries))
    with OCI(*shell("echo >/dev/null && ls /dev && touch /dev/x")) as box:
        box.without("mount").config["mounts"][1]["options"].append("ro")
        r = box.run()
        contains(r.out, "urandom")
        contains(r.err, "Read-only")


@test("in the caller's mount namespace a change of what is no mount, and what only mount(2) can say, are refused", needs="root kernel:6.15")
def _():
    for entry, words in (
        (("/bin", "none", "none", "remount", "bind", "ro"), "it was to change the mount on /bin"),
        (("/tmp", "tmpfs", "tmpfs", "iversion"), "attached nowhere, in which mount(2) mounts nothing"),
    ):
        with OCI("/bin/true") as box:
            box.without("mount").mount(*entry)
            r = box.run()
            equal(r.status, 1)
            contains(r.err, words)


@test("an ordinary user without any namespace is told what is missing, and in a user namespace of their own needs no more", needs="root user kernel:6.15")
def _():
    with OCI("/bin/ls", "/", capabilities={}) as box:
        box.linux["namespaces"] = []
        box.config["mounts"][2]["options"] = ["newinstance", "ptmxmode=0666"]
        call = box.write().argv("run", "--bundle", box.bundle)
        os.makedirs(box.root)
        os.chown(box.root, USER_ID, USER_ID)
        r = run_as_user(call)
        equal(r.status, 1)
        contains(r.err, "needs root, or a user namespace first")
        equal(os.listdir(box.root), [])
        box.linux["namespaces"] = [{"type": "pid"}]
        box.write()
        r = run_as_user(["unshare", "--map-root-user", "--mount", *call])
        equal((r.status, r.out.split()), (0, sorted(os.listdir(ROOTFS))))


@test("a user namespace asks for a mount namespace that is new too, or is its own", needs="root")
def _():
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    for where in ({}, {"path": "/proc/1/ns/mnt"}):
        with OCI("/bin/true") as box:
            box.namespace("user").linux.update(uidMappings=maps, gidMappings=maps)
            box.namespace("mount", **where) if where else box.without("mount")
            r = box.run()
            equal(r.status, 1)
            contains(r.err, "root of a user namespace may mount nothing in a mount namespace that was there before it")


@test("a user namespace with a path is joined, alone or as a pod's, also while its first process waits at the gate", needs="root")
def _():
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    files = {"user": "user", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt"}
    with OCI("/bin/sleep", "60", id="first") as first:
        first.namespace("user").linux.update(uidMappings=maps, gidMappings=maps)
        first.created()
        for joined in (["user"], ["user", "network", "ipc", "uts"], list(files)):
            with OCI("/bin/sleep", "60") as box:
                for kind in joined:
                    box.namespace(kind, path=f"/proc/{first.pid}/ns/{files[kind]}")
                box.mount("/tmp").mount("/tmp/given", "bind", TMP, "bind").created()
                inside = os.stat(f"/proc/{first.pid}/ns/user").st_ino
                equal(os.stat(f"/proc/{box.pid}/ns/user").st_ino, inside)
                matches(read(f"/proc/{box.pid}/status"), r"(?m)^Uid:\t100000\t100000\t100000\t100000$")
                # nobody of that namespace may look into a process that still has what is the host's
                equal(os.stat(f"/proc/{box.pid}/mem").st_uid, 0, "it is not dumpable")
                box.ok("start")
                text = "touch /tmp/x && ls -d /tmp/x /tmp/given/bundle-box; echo >/dev/null"
                equal(box.ok("exec", after=["/bin/probe", "ids"]).out.split("uid ")[1].split("\n")[0], "0 0 0")
                equal(box.ok("exec", after=["/bin/sh", "-c", text]).out, "/tmp/given/bundle-box\n/tmp/x\n")


@test("nobody of a user namespace may look into a runtime that has joined it: that of run, or of exec", needs="root")
def _():
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    with OCI("/bin/sleep", "60", id="first") as first:
        first.namespace("user").linux.update(uidMappings=maps, gidMappings=maps)
        first.created().ok("start")
        box = OCI(*shell("echo in; read line")).namespace("user", path=f"/proc/{first.pid}/ns/user").write()
        for argv in (box.argv("run", "--bundle", box.bundle), [*first.argv("exec"), *shell("echo in; read line")]):
            runtime = start(argv, pty=True)
            runtime.read_until("in")
            owner = f"/proc/{runtime.popen.pid}/ns/user"
            equal(os.stat(owner).st_ino, os.stat(f"/proc/{first.pid}/ns/user").st_ino, "it is there too")
            r = run(["nsenter", "-U", "-t", str(first.pid), "cat", f"/proc/{runtime.popen.pid}/maps"])
            contains(r.err, "Permission denied")
            runtime.write("\r")
            equal(runtime.wait().status, 0)


@test("a namespace that the joined user namespace does not own is joined before it, with the runtime's rights", needs="root")
def _():
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    host = subprocess.Popen(["unshare", "--net", "--uts", "sleep", "60"])
    try:
        inode = lambda pid, kind: os.stat(f"/proc/{pid}/ns/{kind}").st_ino
        wait_for(lambda: inode(host.pid, "uts") != inode("self", "uts"), "namespaces of its own")
        with OCI("/bin/sleep", "60", id="first") as first:
            first.namespace("user").linux.update(uidMappings=maps, gidMappings=maps)
            first.created()
            with OCI("/bin/true") as box:
                whose = {"user": first.pid, "ipc": first.pid, "net": host.pid, "uts": host.pid}
                for kind, pid in whose.items():
                    box.namespace("network" if kind == "net" else kind, path=f"/proc/{pid}/ns/{kind}")
                box.created()
                equal({kind: inode(box.pid, kind) for kind in whose}, {kind: inode(pid, kind) for kind, pid in whose.items()})
    finally:
        host.kill()
        host.wait()


@test("the path of a namespace is absolute, and what it leads to is not waited for", needs="root")
def _():
    os.mkfifo(TMP + "/fifo")
    for kind in ("mount", "network"):
        for path, words in (
            ("proc/self/ns/mnt", "linux.namespaces: the path proc/self/ns/mnt of " + kind + " is not absolute"),
            (TMP + "/fifo", TMP + "/fifo is not a namespace of that kind"),
        ):
            with OCI("/bin/true") as box:
                r = box.namespace(kind, path=path).run()
                equal(r.status, 1)
                contains(r.err, words)


@test("exec runs in the container's root from whatever mount namespace and root it is called", needs="root kernel:6.15")
def _():
    for mounts in ("own", "inherited"):
        with OCI("/bin/sleep", "60") as box:
            if mounts == "inherited":
                box.without("mount")
            box.created().ok("start")
            call = [*box.argv("exec"), "/bin/ls", "/"]
            inside = ["nsenter", f"--mount=/proc/{box.pid}/ns/mnt", "--root=/"]
            for where in ([], ["unshare", "--mount"], inside):
                r = run([*where, *call])
                equal((r.status, r.out.split()), (0, sorted(os.listdir(ROOTFS))), f"{mounts} {where}")


@test("what exec runs takes memory by the container's policy, as its first process does", needs="root")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.linux["memoryPolicy"] = {"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}
        box.created().ok("start")
        wait_for(lambda: "sleep" in read(f"/proc/{box.pid}/comm"), "the command")
        for numa in (read(f"/proc/{box.pid}/numa_maps"), box.ok("exec", after=["/bin/cat", "/proc/self/numa_maps"]).out):
            matches(numa, r"(?m)^[0-9a-f]+ prefer.*relative.*:0 ")


@test("what exec runs has the container's personality, as its first process has", needs="root")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.linux["personality"] = {"domain": "LINUX32"}
        box.created()
        box.ok("start")
        equal(box.ok("exec", after=["/bin/cat", "/proc/self/personality"]).out, "00000008\n")
        equal(read(f"/proc/{box.pid}/personality"), "00000008\n")


@test("a configuration without a process is created, and its start says that there is none", needs="root")
def _():
    with OCI() as box:
        del box.config["process"]
        box.created()
        equal(box.status, "created")
        equal(box.ok("exec", after=["/bin/ls", "/"]).out.split(), sorted(os.listdir(ROOTFS)), "exec has its own command")
        equal(box.call("exec", after=["/none"]).status, 255)
        check(alive(box.pid), "somebody waits at the gate")
        r = box.call("start")
        equal(r.status, 1)
        contains(r.err, "no object `process`")
        box.ended().ok("delete")
        r = box.run()
        equal(r.status, 1)
        contains(r.err, "no object `process`")
        equal(os.listdir(box.root), [])


@test("mounts are listed in the order in which they were asked for, binds between the others")
def _():
    with OCI("/bin/cat", "/proc/self/mountinfo") as box:
        os.makedirs(TMP + "/tree")
        wanted = ["/tmp", "/tmp/a", "/tmp/b", "/tmp/c", "/tmp/d"]
        box.mount("/tmp")
        box.mount("/tmp/a", "bind", TMP + "/tree", "rbind", "rslave")
        box.mount("/tmp/b")
        box.mount("/tmp/c", "bind", TMP + "/tree", "bind", "ro")
        box.mount("/tmp/d")
        places = [line.split()[4] for line in box.run().out.splitlines()]
        places = [place for place in places if place in wanted]
        equal(sorted(places), wanted)
        # since Linux 6.8 it is the order of making, and only since 6.15 can a source be copied at its turn
        if not (6, 8) <= KERNEL < (6, 15):
            equal(places, wanted)


@test("a bind whose source is in the root has what was mounted there before it, and a link in it ends in the root", needs="root")
def _():
    maps, root = mapped_root()
    os.makedirs(TMP + "/given/a/x")
    os.makedirs(TMP + "/given/b")
    with open(TMP + "/given/b/word", "w") as file:
        file.write("of b\n")
    os.symlink("/etc", root + "/home/link")
    for user in (False, True):
        with OCI(*shell("cat /srv/x/word && cmp /etc/passwd /tmp/passwd && echo same"), rootfs=root) as box:
            if user:
                box.namespace("user").linux.update(uidMappings=maps, gidMappings=maps)
            box.mount("/mnt", "bind", TMP + "/given/a", "bind").mount("/mnt/x", "bind", TMP + "/given/b", "bind")
            box.mount("/srv", "bind", root + "/mnt", "rbind").mount("/tmp", "bind", root + "//home/link", "bind")
            r = box.run()
            equal((r.status, r.err, r.lines), (0, "", ["of b", "same"]))
            box.config["mounts"][-1]["source"] = root + "/none"
            contains(box.run().err, 'open("/none") inside the root: ENOENT: No such file or directory; the source of the bind mount on /tmp')
            box.config["mounts"][-1]["source"] = root + "/../given/b"  # a path of the host
            box.process["args"] = ["/bin/cat", "/tmp/word"]
            equal(box.run().out, "of b\n")
            box.config["mounts"][-1]["source"] = root + "er"  # only begins like it
            contains(box.run().err, f'open_tree(AT_FDCWD, "{root}er"')


@test("a mount on / takes the root's place: what was mounted before it is covered, and what comes after it is in it", needs="root")
def _():
    maps, root = mapped_root()
    subprocess.run(["cp", "-a", ROOTFS, root + "/home/other"], check=True)
    os.makedirs(root + "/home/other/home/here")
    subprocess.run(["chown", "-R", "-h", "100000:100000", root + "/home/other"], check=True)
    look = ["/bin/sh", "-c", "ls /home; cat /before/x; ls -d /before; touch /home/x; touch /tmp/x && echo written; cat /proc/self/mountinfo"]
    for user in (False, True):
        with OCI(*look, rootfs=root) as box:
            if user:
                box.namespace("user").linux.update(uidMappings=maps, gidMappings=maps)
            box.config["mounts"].insert(0, {"destination": "/", "type": "bind", "source": root + "/home/other", "options": ["rbind", "ro"]})
            box.config["mounts"].insert(0, {"destination": "/before", "type": "tmpfs", "source": "tmpfs"})
            box.config["mounts"].insert(0, {"destination": "//", "type": "tmpfs", "source": "tmpfs"})
            box.mount("/tmp")
            r = box.run()
            equal((r.status, r.lines[:2]), (0, ["here", "written"]))
            for line, why in zip(r.err.splitlines(), ("/before/x", "/before", "Read-only file system"), strict=True):
                contains(line, why)
            equal([line.split()[4] for line in r.lines[2:]].count("/"), 1)


@test("a tmpfs on / is a root that has only what is mounted in it; ro of it comes last; one that copies is refused", needs="root")
def _():
    subprocess.run(["cp", "-a", ROOTFS + "/bin", TMP + "/bin"], check=True)  # one in the root would be covered
    for read_only in (False, True):
        with OCI("/bin/probe", "stat", "/", "stat", "/etc", "write", "/new", "x") as box:
            options = ["size=1m", "ro"] if read_only else ["size=1m"]
            box.config["mounts"].insert(0, {"destination": "/", "type": "tmpfs", "source": "tmpfs", "options": options})
            box.mount("/bin", "bind", TMP + "/bin", "rbind")
            r = box.run()
            equal((r.status, r.err), (0, ""))
            matches(r.lines[0], r"755 .*0:0")
            contains(r.lines[1], "ENOENT")
            check(("EROFS" in r.lines[2]) == read_only, r.lines[2])
            box.config["mounts"][0]["options"].append("tmpcopyup")
            contains(box.run().err, "mount on /: that is the root itself")


# ---- what else the specification says ------------------------------------------------------------


@test("ociVersion: 1.0 to 1.3 are known, with what SemVer puts behind; others are refused by their number")
def _():
    box = OCI("/bin/true")
    for version in ("1.0.0", "1.0.2-dev", "1.1.0+build", "1.2.1", "1.3.0"):
        box.config["ociVersion"] = version
        equal(box.run().status, 0, version)
    for version in ("2.0.0", "1.4.0", "0.9.0", "1.2", "new", "1.2.0x", ""):
        box.config["ociVersion"] = version
        r = box.run()
        equal(r.status, 1, version)
        contains(r.err, "ociVersion")
    del box.config["ociVersion"]
    contains(box.run().err, "ociVersion")


@test("a device of a user namespace is a node of its own, with the mode and owner that it is to have", needs="root kernel:6.15")
def _():
    maps, root = mapped_root()
    script = "stat -c '%A %u:%g %t:%T' /dev/own /dev/foo/zero; head -c 3 /dev/foo/zero | wc -c; grep -c foo/zero /proc/mounts"
    with OCI("/bin/sh", "-c", script, rootfs=root) as box:
        box.namespace("user").linux.update(uidMappings=maps, gidMappings=maps)
        box.linux["devices"] = [
            {"path": "/dev/own", "type": "b", "major": 7, "minor": 250, "fileMode": 0o640, "uid": 10, "gid": 11},
            {"path": "/dev/foo/zero", "type": "c", "major": 1, "minor": 5},
            {"path": "/dev/pipe", "type": "p", "fileMode": 0o600},
        ]
        wanted = ["brw-r----- 10:11 7:fa", "crw-rw-rw- 0:0 1:5", "3", "1"]
        r = box.run()
        equal((r.status, r.lines), (0, wanted), r.err)
        for uid in (5000, maps[0]["containerID"] + maps[0]["size"]):  # nobody's by the maps
            box.linux["devices"][0]["uid"] = uid
            contains(box.run().err, "/dev/own: without mknod the host's own node is bound, and it has none")


def without_mknod():
    LIBC.prctl(24, 27, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_MKNOD


@test("a device of another path than the host's is bound by its number where mknod is not allowed", needs="root")
def _():
    maps, root = mapped_root()
    made = [path for path in ("/dev/char", "/dev/char/1:11") if not os.path.lexists(path)]
    script = "head -c 3 /dev/other/zero | wc -c; stat -c %t:%T /dev/other/zero /dev/other/kmsg"
    with OCI("/bin/sh", "-c", script, rootfs=root) as box:
        box.namespace("user").linux.update(uidMappings=maps, gidMappings=maps)
        box.linux["devices"] = [{"path": f"/dev/other/{name}", "type": "c", "major": 1, "minor": minor} for name, minor in (("zero", 5), ("kmsg", 11))]
        try:
            if "/dev/char" in made:
                os.mkdir("/dev/char")
            if "/dev/char/1:11" in made:
                contains(box.run(prepare=without_mknod).err, "/dev/other/kmsg: without mknod the host's own node is bound, and it has none")
                os.symlink("/dev/null", "/dev/char/1:11")
                contains(box.run(prepare=without_mknod).err, "/dev/char/1:11 of the host: not the device c 1:11")
                os.remove("/dev/char/1:11")
                os.symlink("../kmsg", "/dev/char/1:11")
            r = box.run(prepare=without_mknod)
            equal((r.status, r.lines), (0, ["3", "1:5", "1:b"]), r.err)
        finally:
            for path in reversed(made):
                (os.rmdir if path == "/dev/char" else os.remove)(path)


@test("rootfsPropagation slave: what is mounted in the root on the host later is there inside, and nothing of it otherwise", needs="root")
def _():
    host = TMP + "/host"
    os.mkdir(host)
    subprocess.run(["mount", "--bind", host, host], check=True)
    subprocess.run(["mount", "--make-shared", host], check=True)
    try:
        maps, root = mapped_root(host)
        for propagation, user, there in (("slave", 0, 1), ("rslave", 1, 1), ("private", 0, 0), ("rprivate", 1, 0), ("shared", 0, 0), ("", 1, 0)):
            with OCI("/bin/sleep", "60", rootfs=root) as box:
                box.linux["rootfsPropagation"] = propagation
                if user:
                    box.namespace("user").linux.update(uidMappings=maps, gidMappings=maps)
                box.created().ok("start")
                subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "late", root + "/srv"], check=True)
                open(root + "/srv/late", "w").close()
                equal(box.ok("exec", after=["/bin/ls", "/srv"]).out, "late\n" * there, propagation)
                subprocess.run(["umount", root + "/srv"], check=True)
                equal(box.ok("exec", after=["/bin/ls", "/srv"]).out, "", propagation)
    finally:
        subprocess.run(["umount", "-R", host], check=True)


@test("annotations are strings under a name")
def _():
    box = OCI("/bin/true")
    for wrong in ({"a": 5}, {"": "x"}, {"a": None}):
        box.config["annotations"] = wrong
        contains(box.run().err, "annotations")


@test("the message queues of a container with a user namespace belong to its root", needs="root")
def _():
    maps, root = mapped_root()
    with OCI("/bin/sleep", "60", id="first", rootfs=root) as first, OCI("/bin/probe", "stat", "/dev/mqueue", rootfs=root) as box:
        first.namespace("user").linux.update(uidMappings=maps, gidMappings=maps)
        first.created()
        box.mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev")
        for path in ({}, {"path": f"/proc/{first.pid}/ns/user"}):
            box.namespace("user", **path).linux.update(uidMappings=maps, gidMappings=maps)
            r = box.run()
            matches(r.out, " 0:0 ")
            equal((r.status, r.err), (0, ""))


@test("the source of a bind is relative to the bundle")
def _():
    with OCI(*shell("cat /tmp/word")) as box:
        os.makedirs(box.bundle + "/given")
        with open(box.bundle + "/given/word", "w") as file:
            file.write("of the bundle")
        box.mount("/tmp", "none", "given", "bind")
        r = box.run()
        equal((r.status, r.out), (0, "of the bundle"))


@test("a bind with idmap is refused without any maps, and with maps in the option that are none or are others than beside it")
def _():
    other = {"uidMappings": [{"containerID": 0, "hostID": 5, "size": 1}], "gidMappings": [{"containerID": 0, "hostID": 5, "size": 1}]}
    for option, more, why in (
        ("idmap", {}, "idmap on /tmp"),
        ("idmap=uids=0-5-1", {}, "idmap=uids=0-5-1: not uids="),
        ("ridmap=uids=0-5-1;gids=@0-5-1", {}, "no line of the container's own map has all of an @"),
        ("idmap=uids=0-5-1;gids=0-5-1", other, "and others beside it"),
    ):
        box = OCI("/bin/true").mount("/tmp", "none", TMP, "bind", option)
        box.config["mounts"][-1].update(more)
        r = box.run()
        equal(r.status, 1, option)
        contains(r.err, why)


@test("one of the usual devices has the mode and owner that the configuration gives it")
def _():
    with OCI("/bin/probe", "stat", "/dev/tty", "stat", "/dev/null") as box:
        box.linux["devices"] = [{"path": "/dev/tty", "type": "c", "major": 5, "minor": 0, "fileMode": 0o620, "gid": 5}]
        r = box.run()
        matches(r.lines[0], r"620 .*0:5 ")
        matches(r.lines[1], r"666 .*0:0 ")


@test("a remount that makes /dev read-only takes effect when the devices are there")
def _():
    with OCI("/bin/probe", "stat", "/dev/null", "write", "/dev/x", "x", "mounts") as box:
        box.mount("/dev", "tmpfs", "tmpfs", "remount", "ro", "nosuid")
        r = box.run()
        contains(r.lines[0], "666")
        contains(r.lines[1], "EROFS")


@test("effective capabilities that are not permitted are left out with a warning, as the specification wants it", needs="root")
def _():
    with OCI("/bin/probe", "caps") as box:
        box.process["capabilities"] = {"bounding": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"],
                                       "effective": ["CAP_CHOWN", "CAP_KILL"], "inheritable": ["CAP_KILL"]}  # fmt: skip
        r = box.run()
        contains(r.err, "CAP_KILL cannot be granted, and is left out")
        for name, value in (("effective", 1), ("permitted", 1), ("inheritable", 0)):
            matches(r.out, rf"(?m)^{name} 0*{value}$")


@test("a configuration without the object `linux` has the caller's namespaces", needs="root kernel:6.15")
def _():
    with OCI(*shell("readlink /proc/self/ns/pid; ls -d /etc/passwd")) as box:
        del box.config["linux"]
        r = box.run()
        equal(r.lines, [os.readlink("/proc/self/ns/pid"), "/etc/passwd"], r.err)


@test("a tmpfs that begins with what it covers is whose its options say", needs="root")
def _():
    with OCI("/bin/probe", "stat", "/srv", "stat", "/opt", "stat", "/etc/passwd", "write", "/etc/new", "x") as box:
        box.mount("/srv", "tmpfs", "tmpfs", "tmpcopyup", "uid=5", "gid=6")
        box.mount("/opt", "tmpfs", "tmpfs", "tmpcopyup")
        for read_only in ("ro", "rro"):  # later: until then it is written
            box.mount("/etc", "tmpfs", "tmpfs", "tmpcopyup", read_only)
            r = box.run()
            contains(r.lines[0], " 5:6 ")
            contains(r.lines[1], " 0:0 ")
            contains(r.lines[2], " 0:0 ")
            contains(r.lines[3], "EROFS")


@test("a multiplexer of the host's that is mounted on /dev/ptmx, as by podman --privileged, makes no terminals: replaced", needs="root")
def _():
    with OCI(*shell("readlink /dev/ptmx; exec 3<>/dev/ptmx; ls /dev/pts")) as box:
        box.mount("/dev/ptmx", "bind", "/dev/ptmx", "bind")
        r = box.run()
        equal((r.status, r.err, r.lines), (0, "", ["pts/ptmx", "0", "ptmx"]))


@test("a directory for a command is what the kernel calls it: EACCES, which callers make 126 of", needs="root")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.created().ok("start")
        r = box.call("exec", after=["/etc"])
        contains(r.err, 'execve("/etc"): EACCES: Permission denied; it is a directory')


def mapped_root(place=None):
    """Maps of ids, and a root in PLACE that belongs to whoever is 0 by them."""
    root = (place or TMP) + "/root"
    subprocess.run(["cp", "-a", ROOTFS, root], check=True)
    subprocess.run(["chown", "-R", "-h", "100000:100000", root], check=True)
    os.chmod(TMP, 0o755)
    return [{"containerID": 0, "hostID": 100000, "size": 1000}], root


@test("who joins a user namespace may repeat its maps, as podman does: root there, they are not written", needs="root")
def _():
    maps, root = mapped_root()
    with OCI("/bin/sleep", "60", id="first", rootfs=root) as first, OCI("/bin/sleep", "60", rootfs=root) as box:
        first.namespace("user")
        first.linux.update(uidMappings=maps, gidMappings=maps)
        first.created()
        box.namespace("user", path=f"/proc/{first.pid}/ns/user")
        box.linux.update(uidMappings=maps, gidMappings=maps)
        box.created()
        equal(os.readlink(f"/proc/{box.pid}/ns/user"), os.readlink(f"/proc/{first.pid}/ns/user"))
        box.ok("start")
        matches(read(f"/proc/{box.pid}/status"), r"^Uid:\t100000\t")


@test("a bind with idmap and without maps has those of the user namespace that is joined", needs="root")
def _():
    maps, root = mapped_root()
    os.makedirs(TMP + "/given")
    look = OCI("/bin/probe", "stat", "/srv", "stat", "/opt", rootfs=root)
    with OCI("/bin/sleep", "60", id="first", rootfs=root) as first, look as box:
        first.namespace("user")
        first.linux.update(uidMappings=maps, gidMappings=maps)
        first.created()
        box.namespace("user", path=f"/proc/{first.pid}/ns/user")
        box.mount("/srv", "none", TMP + "/given", "bind", "idmap").mount("/opt", "none", TMP + "/given", "bind")
        box.created().ok("start")
        wait_for(lambda: box.out.count("\n") == 2, "both answers")
        matches(box.out, r" 0:0 .*\n.* 65534:65534 ")


@test("maps in the option idmap, as podman and crun have them: of the host's ids, and after an @ of the container's", needs="root")
def _():
    maps, root = mapped_root()
    os.makedirs(TMP + "/given")
    with OCI("/bin/probe", "stat", "/srv", "stat", "/opt", "stat", "/tmp", rootfs=root) as box:
        box.namespace("user")
        box.linux.update(uidMappings=[{"containerID": 0, "hostID": 100000, "size": 1}, {"containerID": 1, "hostID": 200001, "size": 99}], gidMappings=maps)
        box.mount("/srv", "none", TMP + "/given", "bind", "idmap=gids=7-1-1#0-100003-1;uids=0-200002-5")
        box.mount("/opt", "none", TMP + "/given", "rbind", "ridmap=uids=@0-5-95;gids=@0-6-1")
        box.mount("/tmp", "none", TMP + "/given", "bind", "idmap=uids=0-0-1;gids=@0-6-1")
        r = box.run()
        equal([re.search(r" (\d+:\d+) ", line)[1] for line in r.lines], ["2:3", "5:6", "65534:6"], r.err)
        for beyond in ("@0-5-96", "@0-0-2", "@0-100-1"):  # to no id of the container's, or to two of its lines
            box.config["mounts"][-1]["options"] = ["bind", f"idmap=uids={beyond};gids=0-100000-1"]
            r = box.run()
            equal(r.status, 1)
            contains(r.err, "no line of the container's own map has all of an @")


@test("a run that joins a user namespace clears away what it made, also after a failure", needs="root")
def _():
    maps, root = mapped_root()
    said = TMP + "/said"
    hook = script("hook", f"echo stopped >> {said}\n")
    with OCI("/bin/sleep", "60", id="first", rootfs=root) as first, OCI("/bin/true", rootfs=root) as box:
        first.namespace("user")
        first.linux.update(uidMappings=maps, gidMappings=maps)
        first.created()
        box.namespace("user", path=f"/proc/{first.pid}/ns/user")
        for words, status, hooks in ((["/bin/sh", "-c", "exit 7"], 7, 0), (["/nowhere"], 127, 0), (["/bin/true"], 0, 1)):
            box.config["process"]["args"] = words
            if hooks:
                box.config["hooks"] = {"poststop": [{"path": hook}]}
                os.mkdir(cgroup2_mount() + "/boxstep-box")  # as a killed create leaves it
            r = box.run()
            equal((r.status, r.out), (status, ""), words)
            check(r.err == "" or "nowhere" in r.err, r.err)
            equal(os.listdir(box.root), ["first"], words)
            check(not os.path.exists(cgroup2_mount() + "/boxstep-box"), words)
        equal(read(said), "stopped\n")
        box.namespace("network", path=f"/proc/{first.pid}/ns/uts")  # it fails when the other is joined already
        r = box.run()
        equal((r.status, r.out), (1, ""))
        contains(r.err, "ns/uts")
        equal(os.listdir(box.root), ["first"])
        check(not os.path.exists(cgroup2_mount() + "/boxstep-box"), "its cgroup is gone")


@test("the caller's groups are left behind, if no annotation of podman's --group-add keep-groups asks for them, of exec too", needs="root")
def _():
    def groups(argv):
        r = run(["setpriv", "--groups", "4,5", *argv])
        equal((r.status, r.err), (0, ""))
        return [line for line in r.lines if line.startswith("groups")]

    for annotations, wanted in (({}, ["groups"]), ({"run.oci.keep_original_groups": "1"}, ["groups 4 5"])):
        with OCI("/bin/sleep", "60") as box:
            box.config["annotations"] = annotations
            box.created().ok("start")
            equal(groups([*box.argv("exec"), "/bin/probe", "ids"]), wanted)
        with asked("ids") as box:
            box.config["annotations"] = annotations
            equal(groups(box.write().argv("run", "--bundle", box.bundle)), wanted)


@test("time offsets have seconds and nanoseconds", needs="root")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.namespace("time")
        box.linux["timeOffsets"] = {"monotonic": {"secs": 7, "nanosecs": 500000000}, "boottime": {"nanosecs": 3}}
        box.created()
        offsets = read(f"/proc/{box.pid}/timens_offsets").split()
        equal(offsets, ["monotonic", "7", "500000000", "boottime", "0", "3"])
    box.linux["timeOffsets"] = {"monotonic": {"nanosecs": 1000000000}}
    contains(box.run().err, "nanosecs")


def affinity(pid):
    return sorted(os.sched_getaffinity(pid))


@test("execCPUAffinity is for exec alone: its `final`, or else its `initial`, is what the process runs on", needs="root cpus")
def _():
    for given in ({"initial": "0", "final": "1"}, {"initial": "1"}):
        with OCI("/bin/sleep", "60") as box:
            box.process["execCPUAffinity"] = given
            box.created().ok("start")
            equal(affinity(box.pid), affinity(0), "the first process")
            r = box.call("exec", after=shell("grep Cpus_allowed_list /proc/self/status"))
            matches(r.out, r":\s*1$")
    box.process["execCPUAffinity"] = {"initial": "x"}
    contains(box.run().err, "cpu affinity")


@test("a capability that is not known is left out with a warning in the log", needs="root")
def _():
    with OCI("/bin/true") as box:
        box.process["capabilities"]["bounding"] = [*box.process["capabilities"]["bounding"], "CAP_NO_SUCH"]
        log = TMP + "/log"
        r = box.run(globals=("--log", log, "--log-format", "json"))
        equal((r.status, r.err), (0, ""))
        warning = json.loads(read(log))
        equal(warning["level"], "warning")
        contains(warning["msg"], "CAP_NO_SUCH")
        # podman reads the whole file as one object: an error is alone in it, but for what others wrote
        box.process["args"] = ["/nowhere"]
        os.remove(log)
        for before in ("", '{"level":"info"}\n'):
            with open(log, "w") as file:
                file.write(before)
            equal(box.run(globals=("--log", log, "--log-format", "json")).status, 127)
            levels = [json.loads(line)["level"] for line in lines(log)]
            equal(levels, ["info", "warning", "error"] if before else ["error"])
        os.remove(log)
        equal(box.run(globals=("--log", log)).status, 127)
        equal(["CAP_NO_SUCH" in line for line in lines(log)], [True, False], "a log that is text keeps both")


@test("a capability that exec adds is ambient too where it is inheritable: else an ordinary user lost it at once", needs="root")
def _():
    with OCI("/bin/sleep", "60", user={"uid": 1000, "gid": 1000}) as box:
        box.process["capabilities"] = {"bounding": ["CAP_CHOWN"], "inheritable": ["CAP_CHOWN"], "ambient": []}
        box.created().ok("start")
        for cap, effective in (("CAP_CHOWN", 1), ("CAP_KILL", 0)):
            out = box.ok("exec", "--cap", cap, after=["/bin/grep", "-E", "Cap(Eff|Amb)", "/proc/self/status"]).out
            equal([int(line.split()[1], 16) for line in out.splitlines()], [effective, effective], cap)


@test("an ambient one that is not inheritable, as others' own `spec` writes it, is told and left out", needs="root")
def _():
    with OCI("/bin/probe", "caps") as box:
        box.process["user"] = {"uid": 1000, "gid": 1000}
        box.process["capabilities"].update(inheritable=["CAP_KILL"], ambient=["CAP_CHOWN", "CAP_KILL"])
        r = box.run()
        equal(r.status, 0)
        matches(r.err, r"warning: process.capabilities: CAP_CHOWN cannot be granted, and is left out$")
        matches(r.out, r"^ambient 0+20$")  # CAP_KILL


@test("root loses nothing by an ambient one that is not inheritable, as buildah asks for each: that is not told", needs="root")
def _():
    with OCI("/bin/probe", "caps") as box:
        box.process["capabilities"].update(inheritable=["CAP_KILL"], ambient=["CAP_CHOWN", "CAP_KILL"])
        r = box.run()
        equal((r.status, r.err), (0, ""))
        matches(r.out, r"^ambient 0+20$")  # CAP_KILL
        matches(r.out, r"^effective 0*[0-9a-f]*[13579bdf]$")  # CAP_CHOWN


@test("one that is not known and one that this host does not grant are each told", needs="root")
def _():
    with asked("caps") as box:
        caps = box.process["capabilities"]
        for kind in caps:
            caps[kind] = [*caps[kind], "CAP_NO_SUCH", "CAP_SYS_TIME"]
        r = run(["setpriv", "--bounding-set", "-sys_time", *box.write().argv("run", "--bundle", box.bundle)])
        equal(r.status, 0, r.err)
        matches(r.err, r"warning: process.capabilities: CAP_NO_SUCH is not known here")
        matches(r.err, r"warning: process.capabilities: CAP_SYS_TIME cannot be granted")
        box.config["process"]["args"] = ["/bin/sleep", "60"]
        for kind in caps:
            caps[kind] = ["CAP_KILL"]
        box.created().ok("start")
        r = run(["setpriv", "--bounding-set", "-sys_time", *box.argv("exec", "--cap", "CAP_NO_SUCH", "--cap", "CAP_SYS_TIME"), "/bin/true"])
        equal(r.status, 0, r.err)
        matches(r.err, r"warning: process.capabilities: CAP_NO_SUCH is not known here")
        matches(r.err, r"warning: process.capabilities: CAP_SYS_TIME cannot be granted")


@test("oomScoreAdj below the caller's works in a user namespace, also in one that is joined: the parent writes it", needs="root cgroup2")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.namespace("user")
        for kind in ("uid", "gid"):
            box.linux[kind + "Mappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        box.process["oomScoreAdj"] = -100
        box.created().ok("start")
        equal(read(f"/proc/{box.pid}/oom_score_adj").strip(), "-100")
        r = box.call("exec", after=shell("cat /proc/self/oom_score_adj"))
        equal((r.status, r.out.strip()), (0, "-100"))
        with OCI("/bin/sleep", "60", id="joined", oomScoreAdj=-200) as joined:
            joined.namespace("user", path=f"/proc/{box.pid}/ns/user").created().ok("start")
            equal(read(f"/proc/{joined.pid}/oom_score_adj").strip(), "-200")


@test("a hard limit above the caller's works in a user namespace: the parent raises it, for exec too", needs="root cgroup2")
def _():
    def low():
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 4096))

    show = shell("ulimit -Sn; ulimit -Hn")
    with OCI(*show) as box:
        box.namespace("user")
        for kind in ("uid", "gid"):
            box.linux[kind + "Mappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        box.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 1000, "hard": 65536}]
        r = box.run(prepare=low)
        equal((r.status, r.out), (0, "1000\n65536\n"))
        box.process["args"] = ["/bin/sleep", "60"]
        box.created().ok("start")
        r = box.call("exec", after=show, prepare=low)
        equal((r.status, r.out), (0, "1000\n65536\n"))


@test("labels of a security module that this kernel does not have are refused by its name")
def _():
    if os.path.exists("/sys/fs/selinux/enforce"):
        raise Skip("SELinux is on here")
    box = OCI("/bin/true")
    box.linux["mountLabel"] = "system_u:object_r:x_t:s0"
    r = box.run()
    equal(r.status, 1)
    contains(r.err, "SELinux is not on in this kernel")
    del box.linux["mountLabel"]
    box.process["selinuxLabel"] = "system_u:system_r:x_t:s0"
    contains(box.run().err, "SELinux is not on in this kernel")


for name, wrong in (
    ("kernel", {"memory": {"kernel": 1 << 20}}),
    ("leafWeight", {"blockIO": {"weightDevice": [{"major": 8, "minor": 0, "leafWeight": 10}]}}),
    ("network.classID", {"network": {"classID": 5}}),
    ("realtimeRuntime", {"cpu": {"realtimeRuntime": 5}}),
):
    @test(f"refused by name: {name}, which only cgroup v1 had", needs="root cgroup2")
    def _(name=name, wrong=wrong):
        box = OCI("/bin/true")
        box.linux["resources"] = wrong
        r = box.run()
        equal(r.status, 1)
        contains(r.err, name)


@test("devices may be FIFOs and stand anywhere; a file that is something else is refused", needs="root")
def _():
    with OCI(*shell("stat -c '%F %a' /dev/pipe /run/null; stat -c '%t %T' /run/null")) as box:
        box.mount("/run")
        box.linux["devices"] = [
            {"path": "/dev/pipe", "type": "p", "fileMode": 0o640},
            {"path": "/run/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600},
        ]
        r = box.run()
        equal((r.status, r.out.split("\n")[:3]), (0, ["fifo 640", "character special file 600", "1 3"]))
        box.linux["devices"] = [{"path": "/bin/sh", "type": "c", "major": 1, "minor": 3}]
        r = box.run()
        equal(r.status, 1)
        contains(r.err, "/bin/sh")


# ---- why a command cannot be run -----------------------------------------------------------------

def elf(machine=62, interpreter=None):
    """The head of a 64-bit ELF program of that machine (x86-64: 62, arm64: 183)."""
    text = (interpreter or "").encode() + b"\0"
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, 0x400000, 64, 0, 0, 64, 56, 1 if interpreter else 0, 0, 0, 0)
    part = struct.pack("<IIQQQQQQ", 3, 4, 120, 0x400078, 0x400078, len(text), len(text), 1)
    return head + (part + text if interpreter else b"")


OTHER = 183 if os.uname().machine == "x86_64" else 62
OURS = 62 if os.uname().machine == "x86_64" else 183

for name, content, error, words in (
    ("a missing ELF interpreter", elf(OURS, "/lib/no-such-ld.so"), "ENOENT", "its interpreter /lib/no-such-ld.so is missing"),
    ("another architecture", elf(OTHER), "ENOEXEC", "another architecture"),
    ("a missing #! interpreter", b"#!/no/such/sh\n", "ENOENT", "its interpreter /no/such/sh is missing"),
    ("CR LF behind the #! line", b"#!/bin/sh\r\necho\r\n", "ENOENT", "CR LF"),
    ("neither a program nor a script", b"hello\n", "ENOEXEC", "neither an ELF program nor a script"),
    ("no right to execute", None, "EACCES", "no right to execute"),
    ("a mount with noexec", False, "EACCES", "noexec"),
):
    @test(f"create says why the command cannot be run, and what execve would: {name}")
    def _(content=content, error=error, words=words):
        with OCI("/tmp/tool") as box:
            os.makedirs(box.bundle + "/tools")
            path = box.bundle + "/tools/tool"
            with open(path, "wb") as file:
                file.write(content or b"#!/bin/sh\n")
            os.chmod(path, 0o644 if content is None else 0o755)
            box.mount("/tmp", "none", "tools", "bind", *(["noexec"] if content is False else []))
            r = box.create()
            equal(r.status in (1, 126), True, f"status {r.status}")
            contains(box.out, f'execve("/tmp/tool"): {error}: ')
            contains(box.out, words)


@test("create says which directory the user of the command may not enter", needs="root")
def _():
    with OCI("/tmp/closed/tool", user={"uid": 1000, "gid": 1000}) as box:
        box.process["capabilities"] = {}
        os.makedirs(box.bundle + "/tools/closed")
        shutil.copy(PROBE, box.bundle + "/tools/closed/tool")
        os.chmod(box.bundle + "/tools/closed", 0o700)
        box.mount("/tmp", "none", "tools", "bind")
        box.create()
        contains(box.out, "/tmp/closed may not be entered by uid 1000")
