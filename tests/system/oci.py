"""The OCI runtime boxstep-oci as its callers use it: conmon's and the shim's command lines, the
specification's config.json field by field, and what is left when somebody is killed in between."""

import array
import ctypes
import fcntl
import select
import socket

from harness import *

USUAL_CAPS = ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_NET_BIND_SERVICE"]


class OCI:
    """A bundle that the test writes, and the runtime called on it."""

    def __init__(self, *args, id="box", rootfs=ROOTFS, **process):
        self.id, self.root, self.bundle = id, TMP + "/oci", f"{TMP}/bundle-{id}"
        os.makedirs(self.bundle, exist_ok=True)
        self.config = {
            "ociVersion": "1.2.0",
            "process": {
                "user": {"uid": 0, "gid": 0},
                "args": list(args) or ["/bin/probe", "ids"],
                "env": ["PATH=/bin:/usr/bin"],
                "cwd": "/",
                "noNewPrivileges": True,
                "capabilities": {s: USUAL_CAPS for s in ("bounding", "effective", "permitted")},
                **process,
            },
            "root": {"path": rootfs},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                {
                    "destination": "/dev/pts",
                    "type": "devpts",
                    "source": "devpts",
                    "options": ["newinstance", "ptmxmode=0666", "mode=0620"],
                },
            ],
            "linux": {"namespaces": [{"type": t} for t in ("pid", "mount", "ipc", "uts", "network")]},
        }
        self.process, self.linux = self.config["process"], self.config["linux"]

    def mount(self, target, type="tmpfs", source="tmpfs", *options, **more):
        self.config["mounts"].append(
            {"destination": target, "type": type, "source": source, "options": list(options), **more}
        )
        return self

    def namespace(self, type, **more):
        spaces = [n for n in self.linux["namespaces"] if n["type"] != type]
        self.linux["namespaces"] = spaces + [{"type": type, **more}]
        return self

    def without(self, type):
        self.linux["namespaces"] = [n for n in self.linux["namespaces"] if n["type"] != type]
        return self

    def write(self):
        with open(self.bundle + "/config.json", "w") as file:
            json.dump(self.config, file)
        return self

    def argv(self, verb, *words, globals=()):
        return [program("boxstep-oci"), "--root", self.root, *globals, verb, *words, self.id]

    def call(self, verb, *words, globals=(), after=(), timeout=10, **options):
        return run([*self.argv(verb, *words, globals=globals), *after], timeout=timeout, **options)

    def ok(self, verb, *words, **options):
        r = self.call(verb, *words, **options)
        equal((r.status, r.err), (0, ""), verb)
        return r

    def create(self, *words, **options):
        """As conmon calls it: the container's output is a file, because its pipes outlive `create`."""
        self.write()
        with open(self.bundle + "/out", "w") as out:
            fd = out.fileno()

            def divert():
                os.dup2(fd, 1)
                os.dup2(fd, 2)

            globals = options.pop("globals", ())
            words = ("--bundle", self.bundle, "--pid-file", self.bundle + "/pid", *words)
            return self.call("create", *words, globals=globals, prepare=divert, fds=(fd, *options.pop("fds", ())), **options)

    def created(self, *words, **options):
        r = self.create(*words, **options)
        equal((r.status, self.out), (0, ""), "create")
        return self

    @property
    def out(self):
        return read(self.bundle + "/out")

    @property
    def pid(self):
        return int(read(self.bundle + "/pid"))

    def run(self, *words, **options):
        self.write()
        return self.call("run", "--bundle", self.bundle, *words, **options)

    def state(self):
        return json.loads(self.ok("state").out)

    @property
    def status(self):
        return self.state()["status"]

    def ended(self):
        wait_for(lambda: self.status == "stopped", "the end of the container")
        reap()
        return self

    def delete(self):
        """Whatever has become of it, also after a failed check."""
        self.call("delete", "--force")
        reap()

    def __enter__(self):
        subreaper()
        return self

    def __exit__(self, *_):
        self.delete()


def subreaper():
    """conmon and the shim are: the container's first process becomes a child of this one."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def reap(pid=-1):
    try:
        while os.waitpid(pid, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def parent(pid):
    return int(re.search(r"^PPid:\s*(\d+)", read(f"/proc/{pid}/status"), re.M).group(1))


def alive(pid):
    try:
        return "State:\tZ" not in read(f"/proc/{pid}/status")
    except (FileNotFoundError, ProcessLookupError):
        return False


def shell(text):
    return ["/bin/sh", "-c", text]


def asked(*words, **process):
    """A bundle whose command is the probe with these questions."""
    return OCI("/bin/probe", *words, **process)


# ---- life and death ------------------------------------------------------------------------------


@test("the status is created, running, stopped, and nothing after delete")
def _():
    with OCI("/bin/probe", "catch", "1") as box:
        box.created()
        equal(box.status, "created")
        equal(box.out, "", "the command has not begun")
        check(os.path.exists(f"{box.root}/box/exec.fifo"), "exec.fifo is there until start")
        modes = [oct(os.stat(path).st_mode & 0o777) for path in (box.root, box.root + "/box")]
        equal(modes, ["0o711", "0o700"], "others see neither which containers there are, nor into one")
        box.ok("start")
        equal(box.status, "running")
        check(not os.path.exists(f"{box.root}/box/exec.fifo"), "exec.fifo goes with start")
        os.mkfifo(f"{box.root}/box/exec.fifo")
        equal(box.status, "running", "also where a start that was killed has left it")
        wait_for(lambda: "ready" in box.out, "the command")
        box.ok("kill", after=["TERM"])
        box.ended()
        equal(box.status, "stopped")
        open(f"{box.root}/box/more", "x").close()  # whatever else somebody has put there
        box.ok("delete")
        r = box.call("state")
        equal(r.status, 1)
        contains(r.err, "does not exist")
        check(not os.path.exists(f"{box.root}/box"), "the state directory is gone")


@test("state tells what the specification and its callers want, and pid 0 once it has ended")
def _():
    with OCI("/bin/true") as box:
        box.config["annotations"] = {"org.example": "kept"}
        box.created()
        s = box.state()
        equal(s["ociVersion"], "1.3.0")
        equal(list(s)[:4], ["ociVersion", "id", "pid", "status"], "as runc prints them: some read it by lines")
        equal((s["id"], s["pid"], s["status"]), ("box", box.pid, "created"))
        equal((s["bundle"], s["rootfs"], s["owner"]), (box.bundle, ROOTFS, str(os.geteuid())))
        equal(s["annotations"], {"org.example": "kept"})
        matches(s["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
        box.ok("start")
        equal(box.ended().state()["pid"], 0)


@test("the pid file is there when create ends, and the first process is the caller's child")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.created()
        matches(read(box.bundle + "/pid"), r"\A\d+\Z")
        equal(parent(box.pid), os.getpid(), "parent of the first process")
        equal(read(f"/proc/{box.pid}/status").count("NSpid:"), 1)
        matches(read(f"/proc/{box.pid}/status"), r"^NSpid:.*\t1$")


@test("the exit status reaches the caller that is a subreaper")
def _():
    with OCI(*shell("exit 7")) as box:
        pid = box.created().pid
        box.ok("start")
        equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 7)


@test("run gives the command's own status, and 128 plus the signal")
def _():
    equal(OCI(*shell("exit 42")).run().status, 42)
    equal(OCI("/bin/probe", "raise", "KILL").run().status in (0, 137), True)  # PID 1 survives its own
    box = OCI("/bin/sleep", "60")
    p = start(box.write().argv("run", "--bundle", box.bundle, "--pid-file", TMP + "/pid"))
    wait_for(lambda: os.path.exists(TMP + "/pid") and read(TMP + "/pid"), "the pid file")
    wait_for(lambda: box.call("state").out.find('"running"') > 0, "the start")
    os.kill(int(read(TMP + "/pid")), signal.SIGKILL)
    equal(p.wait().status, 137)
    equal(os.listdir(box.root), [])


@test("run and exec pass signals on to the command")
def _():
    box, other = OCI("/bin/probe", "catch", "1"), OCI("/bin/sleep", "60", id="other")
    with other:
        other.created().ok("start")
        for argv in (box.write().argv("run", "--bundle", box.bundle), [*other.argv("exec"), "/bin/probe", "catch", "1"]):
            p = start(argv)
            p.read_until("ready")
            p.send(signal.SIGUSR1)
            equal(p.wait().status, 0)
            contains(p.out, "10")


@test("delete refuses what runs; with --force it kills first; an unknown one is no error then")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.created().ok("start")
        r = box.call("delete", globals=["--log", TMP + "/log"])
        equal(r.status, 1)
        contains(r.err, "not stopped")
        for text in (r.err, read(TMP + "/log")):
            contains(text, "; kill it first, or delete --force")
        equal(box.status, "running")
        pid = box.pid
        box.ok("delete", "--force")
        check(not alive(pid), "it is dead")
        box.ok("delete", "--force")
        r = box.call("delete")
        equal(r.status, 1)
        contains(r.err, "does not exist")


@test("a container that was only created can be deleted, and its process goes")
def _():
    with OCI("/bin/sleep", "60") as box:
        pid = box.created().pid
        box.ok("delete")
        check(not alive(pid), "the waiting process is dead")


@test("kill takes names and numbers, and says `container not running` of a dead one")
def _():
    with OCI("/bin/probe", "catch", "3") as box:
        box.created().ok("start")
        wait_for(lambda: "ready" in box.out, "the command")
        for word, number in (("SIGUSR1", 10), ("HUP", 1), ("15", 15)):
            box.ok("kill", after=[word])
            wait_for(lambda: re.search(rf"\b{number}\b", box.out.split("ready")[1]), f"signal {word}")
        box.ended()
        r = box.call("kill", after=["9"])
        equal(r.status, 1)
        contains(r.err, "container not running")
        r = box.call("kill", after=["NOSUCH"])
        equal(r.status, 1)
        contains(r.err, "NOSUCH")


@test("start of what runs or has ended is refused, and of what died before it started too")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.created().ok("start")
        contains(box.call("start").err, "not in the state created")
        box.delete()
        pid = box.created().pid
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        r = box.call("start", timeout=10)
        equal(r.status, 1)
        contains(r.err, "container not running")


@test("an id that is taken is refused, and the first keeps running")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.created().ok("start")
        first = box.pid
        r = box.create()
        equal(r.status, 1)
        contains(box.out, "already exists")
        equal(box.state()["pid"], first)


@test("of two creates of one id at once exactly one wins")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.write()
        null = os.open("/dev/null", os.O_WRONLY)
        prepare = lambda: os.dup2(null, 1)
        for _ in range(4):
            both = [start(box.argv("create", "--bundle", box.bundle), prepare=prepare) for _ in range(2)]
            ends = []
            for p in both:
                while p.alive():
                    p.pump(0.02)
                p.pump(0.05)
                ends.append((p.popen.poll(), p.err))
            equal(sorted(e[0] for e in ends), [0, 1])
            contains([e[1] for e in ends if e[0]][0], "already exists")
            equal(box.status, "created")
            box.delete()


for bad_id in ("", "a/b", ".", "..", "a b", "x" * 256, "é"):
    @test(f"refused: the container id {bad_id[:8]!r}")
    def _(bad_id=bad_id):
        box = OCI(id="box").write()
        box.id = bad_id
        r = box.call("run", "--bundle", box.bundle)
        equal(r.status, 1)
        contains(r.err, "container id")


# ---- killed in between ---------------------------------------------------------------------------


@test("a create that was killed before its state was written leaves nothing that the next minds")
def _():
    with OCI("/bin/sleep", "60") as box:
        os.makedirs(box.root + "/box")
        shutil.copy(box.write().bundle + "/config.json", box.root + "/box/")
        os.mkfifo(box.root + "/box/exec.fifo")
        contains(box.call("state").err, "does not exist")
        check(not os.path.exists(box.root + "/box"), "swept by the look")
        os.makedirs(box.root + "/box")
        box.created()
        equal(box.status, "created")


@test("kill -9 of a runtime at any moment of create leaves what the next create or delete clears")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.write()
        for delay in [0.0005 * n for n in range(1, 26)]:
            null = os.open("/dev/null", os.O_RDWR)
            p = subprocess.Popen(box.argv("create", "--bundle", box.bundle), stdout=null, stderr=null)
            time.sleep(delay)
            p.kill()
            p.wait()
            os.close(null)
            box.ok("delete", "--force")
            # a child that waits for GO ends with its parent, one at the gate by delete
            wait_for(lambda: not of_this_process(), "the end of the child", timeout=5)
            equal(os.path.exists(box.root) and os.listdir(box.root) or [], [])
        box.created()  # an empty cgroup of a killed one is taken over
        equal(box.status, "created")


@test("an empty cgroup that a killed create left is taken over by one with limits too")
def _():
    with OCI("/bin/sleep", "60") as box:
        if "pids" in read(cgroup2_mount() + "/cgroup.controllers").split():
            box.linux["resources"] = {"pids": {"limit": 20}}
        else:
            box.linux["resources"] = {"hugepageLimits": [{"pageSize": "2MB", "limit": 2 << 20}]}
        box.created()
        group = json.loads(read(box.root + "/box/state.json"))["cgroup"]
        box.delete()
        os.mkdir(group)
        box.created()
        equal(json.loads(read(box.root + "/box/state.json"))["cgroup"], group)


@test("what fails in the child is what is told, although the parent compiles a long profile meanwhile")
def _():
    rule = {"names": ["acct", "kexec_load", "reboot", "swapon"] * 5, "action": "SCMP_ACT_ERRNO"}
    for verb in (OCI.create, OCI.run):
        with OCI("/bin/true").mount("/mnt", "bind", "/no-such-source", "bind") as box:
            box.linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule] * 8000}
            for _ in range(20):
                r = verb(box)
                equal(r.status, 1)
                told = r.err + (box.out if verb == OCI.create else "")
                contains(told, "/no-such-source")
                equal(len(told.splitlines()), 1)


def of_this_process():
    reap()
    text = read(f"/proc/self/task/{os.getpid()}/children")
    return text.split()


@test("kill -9 of the first process is told as stopped, and a pid that is used again is not believed")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.created().ok("start")
        os.kill(box.pid, signal.SIGKILL)
        box.ended()
        state = json.loads(read(box.root + "/box/state.json"))
        time.sleep(0.05)  # start times are told in hundredths of a second
        other = start(["sleep", "60"])
        state["pid"] = other.pid
        with open(box.root + "/box/state.json", "w") as file:
            json.dump(state, file)
        equal(box.status, "stopped")
        contains(box.call("kill", after=["KILL"]).err, "container not running")
        box.ok("delete", "--force")
        check(other.alive(), "a stranger is not killed")


@test("a state.json that is damaged is named")
def _():
    with OCI("/bin/true") as box:
        os.makedirs(box.root + "/box")
        for text in ("{", '{"pid": "x"}', "[]"):
            with open(box.root + "/box/state.json", "w") as file:
                file.write(text)
            r = box.call("state")
            equal(r.status, 1)
            contains(r.err, "state.json" if text != '{"pid": "x"}' else "pid")
        contains(run([program("boxstep-oci"), "--root", box.root, "list"]).out, "ID")
        os.unlink(box.root + "/box/state.json")
        os.mkfifo(box.root + "/box/state.json")
        contains(box.call("state").err, "state.json")
        shutil.rmtree(box.root)
    with OCI("/bin/sleep", "60") as box, OCI("/bin/sleep", "60", id="other") as other:
        box.created(), other.created()
        os.rename(box.root + "/box/state.json", box.root + "/box/own")
        shutil.copy(other.root + "/other/state.json", box.root + "/box/")
        r = box.call("kill", after=["KILL"])
        equal(r.status, 1)
        contains(r.err, "state.json of box is damaged")
        equal(other.status, "created", "by the name of another container nobody is killed")
        os.rename(box.root + "/box/own", box.root + "/box/state.json")


# ---- errors as callers read them -----------------------------------------------------------------


@test("a missing executable fails at create, with the text that podman matches")
def _():
    for args, text in ((["/no/such"], "[Nn]o such file or directory"), (["nosuch"], "[Nn]o such file or directory")):
        with OCI(*args) as box:
            r = box.create()
            equal(r.status, 127)
            matches(box.out, text)
            equal(os.listdir(box.root), [], "nothing is left")
    with OCI("/etc/passwd") as box:
        r = box.create()
        equal(r.status, 126)
        matches(box.out, "[Pp]ermission denied")


@test("the hints of other errors contain no words that podman takes for a missing command")
def _():
    for change, named in (
        (lambda c: c["root"].update(path="/no/such/root"), "root.path"),
        (lambda c: c["process"].update(cwd="relative"), "process.cwd"),
        (lambda c: c["linux"].update(namespaces=[{}]), "linux.namespaces"),
    ):
        box = OCI()
        change(box.config)
        r = box.run()
        equal(r.status, 1)
        contains(r.err, named)
        if named != "root.path":
            absent(r.err.lower(), "no such file or directory")


@test("--log-format json: the file is one object with msg, level and time, repeated on stderr")
def _():
    log = TMP + "/log.json"
    with OCI("/no/such") as box:
        r = box.create(globals=["--log-format=json", "--log", log])
        differs(r.status, 0)
        text = read(log)
        entry = json.loads(text)
        equal((text.count("\n"), sorted(entry)), (1, ["level", "msg", "time"]))
        equal(entry["level"], "error")
        matches(entry["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        contains(box.out, entry["msg"].split(":")[0])
        contains(entry["msg"], "/no/such")
        contains(entry["msg"], ": no such file or directory", "the cause begins small")


@test("the log says nothing while all goes well, and text without --log-format")
def _():
    log = TMP + "/log"
    with OCI("/bin/true") as box:
        box.created(globals=["--log", log])
        equal(read(log), "")
        r = box.call("state", globals=["--log", log])
        equal(r.status, 0)
        equal(run([program("boxstep-oci"), "--root", box.root, "--log", log, "state", "other"]).status, 1)
        contains(read(log), "container other does not exist")
        absent(read(log), "{")
        equal(run([program("boxstep-oci"), "--root", box.root, "--log", log, "state", "third"]).status, 1)
        matches(read(log), r"\A.*container other.*\n.*container third.*\n\Z")


@test("--version names itself, a commit and the specification; checkpoint is refused")
def _():
    r = run([program("boxstep-oci"), "--version"])
    matches(r.out, r"\Aboxstep-oci version \S+\ncommit: \S+\nspec: 1\.\d+\.\d+\n\Z")
    equal(run([program("boxstep-oci"), "--root", TMP, "--version"]).out, r.out, "behind another option")
    r = run([program("boxstep-oci"), "checkpoint", "--help"])
    equal(r.status, 1)
    contains(r.err, "checkpoint")


@test("the flags of conmon and of the shim are taken")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.created(
            "--no-new-keyring",
            globals=["--cgroup-manager", "cgroupfs", "--log", TMP + "/l", "--log-format", "json", "--debug", "--rootless=false"],
        )
        box.ok("start", globals=["--log", TMP + "/l", "--log-format", "json"])
        equal(json.loads(read_list(box, "--format=json"))[0]["id"], "box")


def read_list(box, *words):
    r = run([program("boxstep-oci"), "--root", box.root, "list", *words])
    equal((r.status, r.err), (0, ""))
    return r.out


@test("list shows all as a table, as JSON and as ids; without any state it is empty")
def _():
    box, other, dot = OCI("/bin/sleep", "60"), OCI("/bin/sleep", "60", id="other"), OCI("/bin/sleep", "60", id=".box")
    equal(json.loads(read_list(box, "--format", "json")), [])
    with dot:
        equal(read_list(dot.created(), "-q"), ".box\n", "an id may begin like a hidden file")
    with box, other:
        box.created().ok("start")
        other.created()
        for words in (["-q"], ["-q", "--format", "json"]):
            equal(sorted(read_list(box, *words).split()), ["box", "other"])
        matches(read_list(box), rf"^box +{box.pid} +running +{box.bundle} +\d{{4}}-\S+Z +0$")
        line = read_list(box, "--format", "json")
        equal(line.count("\n"), 1, "as callers read it that do not parse")
        states = {s["id"]: s["status"] for s in json.loads(line)}
        equal(states, {"box": "running", "other": "created"})


for words, named in (
    ([], "no verb"),
    (["nosuch"], "nosuch"),
    (["state"], "state"),
    (["state", "a", "b"], "state"),
    (["--nosuch", "list"], "nosuch"),
    (["run", "--preserve-fds", "x", "id"], "--preserve-fds"),
    (["run", "--bundle", "/no/such", "id"], "/no/such"),
    (["--log", "/no/such/dir/log", "list"], "--log"),
    (["--log-format", "xml", "list"], "--log-format"),
    (["--cgroup-manager", "nosuch", "list"], "--cgroup-manager nosuch: not one of cgroupfs|systemd|disabled"),
    (["--cgroup-manager", "cgroupfs|systemd", "list"], "--cgroup-manager cgroupfs|systemd: not one of"),
    (["--log-format", "", "list"], "--log-format : not one of text|json"),
    (["list", "--format", "js"], "--format js: not one of table|json"),
    (["list", "--format", "xml"], "--format"),
    (["exec", "id"], "no command"),
    (["run", "--bundle", "BUNDLE", "--console-socket", "/no/such/socket", "id"], "--console-socket"),
    (["run", "--bundle", "BUNDLE", "--pid-file", "/no/such/pid", "id"], "--pid-file"),
    (["run", "--bundle", "BUNDLE", "--pid-file", "BUNDLE/", "id"], "no regular file"),
    (["kill", "id", "TERM", "9"], "kill: 3 words where ID [SIGNAL] is expected"),
    (["kill", "--", "id", "--all"], '"--ALL" is no signal'),
    (["list", "id"], "list: 1 words where none is expected"),
):
    @test("refused: boxstep-oci " + " ".join(words))
    def _(words=words, named=named):
        box = OCI().write()
        words = [w.replace("BUNDLE", box.bundle) for w in words]
        r = run([program("boxstep-oci"), "--root", box.root, *words])
        equal((r.status, r.out), (1, ""))
        contains(r.err, named)
        matches(r.err, "^boxstep-oci: ")
        equal(os.listdir(box.root) if os.path.isdir(box.root) else [], [])


# ---- a table of bad configurations ---------------------------------------------------------------


def put(path, value):
    def change(config):
        *way, last = path.split(".")
        for word in way:
            config = config[int(word) if word.isdigit() else word]
        if value is REMOVED:
            del config[last]
        else:
            config[last] = value

    return change


REMOVED = object()
BAD = [
    ("process", REMOVED, "process"),
    ("process", [], "process"),
    ("process.args", REMOVED, "process.args"),
    ("process.args", [], "process.args"),
    ("process.args", "sh", "args"),
    ("process.args", [1], "args"),
    ("process.cwd", REMOVED, "process.cwd"),
    ("process.cwd", "tmp", "process.cwd"),
    ("process.cwd", 5, "cwd"),
    ("process.env", ["A=B", 7], "env"),
    ("process.terminal", "yes", "terminal"),
    ("process.noNewPrivileges", 1, "noNewPrivileges"),
    ("process.user", {"uid": -1, "gid": 0}, "process.user"),
    ("process.user", {"uid": 4294967296, "gid": 0}, "process.user"),
    ("process.user", {"uid": 2147483648, "gid": 0}, "process.user"),
    ("process.user", {"uid": "root", "gid": 0}, "uid"),
    ("process.user", {"uid": 0, "gid": 0, "additionalGids": [-5]}, "additionalGids"),
    ("process.user", {"uid": 0, "gid": 0, "umask": "022"}, "umask"),
    ("process.user", {"uid": 0, "gid": 2147483648}, "process.user"),
    ("process.user", {"uid": 0, "gid": 0, "additionalGids": [2147483648]}, "additionalGids"),
    ("process.user", {"uid": 0, "gid": 0, "umask": 0o1000}, "umask"),
    ("process.consoleSize", {"height": 65536, "width": 80}, "consoleSize.height"),
    ("process.consoleSize", {"height": 24, "width": 65536}, "consoleSize.width"),
    ("process.capabilities", {"bounding": "CAP_KILL"}, "bounding"),
    ("process.rlimits", [{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}], "RLIMIT_NOSUCH"),
    ("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 1}], "process.rlimits[0] needs"),
    ("process.rlimits", [{"type": "RLIMIT_NOFILE", "hard": 1}], "process.rlimits[0] needs"),
    ("process.rlimits", [{"soft": 1, "hard": 1}], "process.rlimits[0] needs"),
    ("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 9, "hard": 1}], "RLIMIT_NOFILE"),
    ("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": "9", "hard": 9}], "process.rlimits"),
    ("process.oomScoreAdj", 5000, "oom_score_adj"),
    ("process.scheduler", {"policy": "SCHED_NOSUCH"}, "SCHED_NOSUCH"),
    ("process.ioPriority", {"class": "IOPRIO_NOSUCH", "priority": 1}, "IOPRIO_NOSUCH"),
    ("process.execCPUAffinity", {"final": "x"}, 'cpu affinity "x"'),
    ("root", REMOVED, "root.path"),
    ("root.path", "", "root.path"),
    ("root.path", "/no/such/root", "/no/such/root"),
    ("root.readonly", "yes", "readonly"),
    ("hostname", 5, "hostname"),
    ("mounts", {}, "mounts"),
    ("mounts", [5], "mounts"),
    ("mounts", [{"type": "tmpfs"}], "destination"),
    ("mounts", [{"destination": "/tmp", "type": "nosuchfs"}], "nosuchfs"),
    ("mounts", [{"destination": "/tmp", "type": "bind", "source": "/no/such"}], "/no/such"),
    ("mounts", [{"destination": "/tmp", "type": "tmpfs", "options": "ro"}], "options"),
    ("mounts", [{"destination": "/tmp", "type": "tmpfs", "options": ["nosuchoption"]}], "nosuchoption"),
    ("linux.namespaces", "mount", "linux.namespaces"),
    ("linux.namespaces", [{"type": "mount"}, {"type": "mount"}], "linux.namespaces: mount"),
    ("linux.namespaces", [{"type": "mount"}, {"type": "nosuch"}], "linux.namespaces: nosuch"),
    ("linux.namespaces", [{"type": "mount"}, {}], "linux.namespaces"),
    ("linux.namespaces", [{"type": "mount", "path": "/proc/self/ns/mnt"}], "/proc/self/ns/mnt: that namespace is this program's own"),
    ("linux.namespaces", [{"type": "mount"}, {"type": "network", "path": "/no/such"}], "/no/such"),
    ("linux.namespaces", [{"type": "mount"}, {"type": "network", "path": "/proc/self/ns/uts"}], "/proc/self/ns/uts"),
    ("linux.namespaces", [{"type": "mount"}, {"type": "network", "path": "/proc/self/ns/user"}], "not a namespace of that kind"),
    ("linux.uidMappings", [{"containerID": 0, "hostID": 0, "size": 0}], "uidMappings[0].size"),
    ("linux.uidMappings", [{"containerID": -1, "hostID": 0, "size": 1}], "uidMappings[0].containerID"),
    ("linux.uidMappings", [{"containerID": 0, "hostID": 4294967295, "size": 2}], "id mapping"),
    ("linux.uidMappings", [{"containerID": 0, "hostID": 0, "size": 1}], "linux.uidMappings"),
    ("linux.devices", [{"type": "c"}], "linux.devices"),
    ("linux.devices", [{"type": "x", "path": "/dev/x"}], "linux.devices"),
    ("linux.devices", [{"type": "c", "path": "/dev/x", "major": 1, "minor": 3, "fileMode": "666"}], "fileMode"),
    ("linux.devices", [{"type": "c", "path": "/dev/x", "major": 4096, "minor": 3}], "linux.devices[0].major"),
    ("linux.devices", [{"type": "c", "path": "/dev/x", "major": 1, "minor": 1048576}], "linux.devices[0].minor"),
    ("linux.devices", [{"type": "c", "path": "/dev/x", "major": 1, "minor": 3, "uid": 2147483648}], "linux.devices[0].uid"),
    ("linux.maskedPaths", [5], "maskedPaths"),
    ("linux.readonlyPaths", "x", "readonlyPaths"),
    ("linux.sysctl", {"kernel.domainname": 5}, "kernel.domainname"),
    ("linux.sysctl", {"kernel.panic": "1"}, "kernel/panic"),
    ("linux.sysctl", {"net/../kernel/panic": "1"}, "panic"),
    ("linux.rootfsPropagation", "nosuch", "linux.rootfsPropagation"),
    ("linux.resources", {"memory": {"limit": "64m"}}, "limit"),
    ("linux.resources", {"memory": 5}, "memory"),
    ("linux.resources", {"devices": [{"allow": True, "type": "x"}]}, "linux.resources.devices"),
    ("linux.resources", {"devices": [{"allow": True, "access": "q"}]}, "linux.resources.devices"),
    ("linux.resources", {"unified": {"memory.max": 5}}, "memory.max"),
    ("linux.resources", {"unified": {"../../x": "5"}}, "../../x"),
    ("linux.resources", {"hugepageLimits": [5]}, "hugepageLimits"),
    ("linux.cgroupsPath", "../../escape", "../../escape"),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_NOSUCH"}, "SCMP_ACT_NOSUCH"),
    ("linux.seccomp", {"defaultAction": "SCMP_ACT_NOTIFY"}, "SCMP_ACT_NOTIFY"),
    ("linux.seccomp", [], "seccomp"),
    ("linux.intelRdt", {"closID": "x"}, "linux.intelRdt"),
    ("linux.netDevices", {"eth0": {"name": "x"}}, "linux.netDevices"),
    ("linux.mountLabel", "system_u:x", "linux.mountLabel"),
    ("linux.memoryPolicy", {"nodes": "0"}, "linux.memoryPolicy has no mode"),
    ("linux.personality", {"domain": "NOSUCH"}, "NOSUCH"),
    ("hooks", {"prestart": [{"path": "bin/true"}]}, "hooks"),
    ("annotations", [], "annotations"),
    ("annotations", {"boxstep.user": "nosuchuser"}, "nosuchuser"),
]


@test("each bad member of config.json is named, and nothing is left", timeout=240)
def _():
    wrong = []
    for path, value, named in BAD:
        box = OCI("/bin/true")
        put(path, value)(box.config)
        r = box.run()
        what = f"{path} = {value!r:.80}"
        if r.status != 1 or named not in r.err or r.out or r.err.count("\n") != 1:
            wrong.append(f"{what}: status {r.status}, {r.err!r}, wanted {named!r}")
        if os.path.isdir(box.root) and os.listdir(box.root):
            wrong.append(f"{what}: left {os.listdir(box.root)}")
            box.delete()
    check(not wrong, "told wrongly:\n" + "\n".join(wrong))


@test("a config.json that is no JSON, too deep, too large, a FIFO or missing is refused in a sentence")
def _():
    box = OCI()
    path = box.bundle + "/config.json"
    for text in ("", "{", "[]", '{"a":1}{', '{"a":' * 200 + "1" + "}" * 200, '{"process": {"args": ["\\u0000"]}}', "\ufeff{}"):
        with open(path, "w") as file:
            file.write(text)
        r = box.call("run", "--bundle", box.bundle)
        equal((r.status, r.out), (1, ""), repr(text[:20]))
        matches(r.err, "config.json|args|process")
    with open(path, "w") as file:
        file.write('{"ociVersion": "' + "x" * (5 << 20) + '"}')
    contains(box.call("run", "--bundle", box.bundle).err, "4 MiB")
    os.unlink(path)
    contains(box.call("run", "--bundle", box.bundle).err, "config.json")
    os.mkfifo(path)
    contains(box.call("run", "--bundle", box.bundle, timeout=10).err, "regular file")


# ---- what it sees --------------------------------------------------------------------------------


@test("each kind of namespace that is listed is new, the others are the caller's")
def _():
    kinds = {"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "time": "time"}
    r = asked("ns").namespace("cgroup").namespace("time").run()
    for kind in kinds.values():
        absent(r.out, os.readlink(f"/proc/self/ns/{kind}") + "\n", kind)
    box = asked("ns")
    box.linux["namespaces"] = [{"type": "mount"}, {"type": "pid"}]
    r = box.run()
    for kind in ("net", "ipc", "uts", "cgroup", "user", "time"):
        contains(r.out, f"ns_{kind} " + os.readlink(f"/proc/self/ns/{kind}") + "\n")


@test("namespaces by path are joined: a pod's network, host name and process numbers")
def _():
    with OCI("/bin/sleep", "60", id="pod") as pod:
        pod.config["hostname"] = "pod"
        pod.created().ok("start")
        inner = asked("ns", "host", "ids", "pids")
        for type, name in (("network", "net"), ("uts", "uts"), ("ipc", "ipc"), ("pid", "pid")):
            inner.namespace(type, path=f"/proc/{pod.pid}/ns/{name}")
        r = inner.run()
        equal(r.status, 0)
        for name in ("net", "uts", "ipc", "pid"):
            contains(r.out, f"ns_{name} " + os.readlink(f"/proc/{pod.pid}/ns/{name}") + "\n")
        contains(r.out, "hostname pod\n")
        contains(r.out, "process 1 (sleep)")
        differs(re.search(r"^pid (\d+)", r.out, re.M).group(1), "1")
        equal(pod.status, "running")


@test("hostname and domainname are set in the container's namespace alone")
def _():
    before = os.uname().nodename
    box = asked("host")
    box.config.update(hostname="inside", domainname="example.org")
    equal(box.run().out, "hostname inside\ndomainname example.org\n")
    host = f"hostname {os.uname().nodename}\ndomainname {read('/proc/sys/kernel/domainname')}"
    box.config.update(hostname="", domainname="")  # as good as none, with a namespace and without
    equal(box.run().out, host)
    box.without("uts")
    equal(box.run().out, host)
    box.namespace("uts").config["hostname"] = "inside"
    equal(os.uname().nodename, before)
    del box.config["domainname"]
    r = box.without("uts").run()
    equal(r.status, 1)
    contains(r.err, "hostname")


@test("domainname without a UTS namespace is refused: it would be the host's")
def _():
    box = asked("host").without("uts")
    box.config["domainname"] = "example.org"
    r = box.run()
    equal(r.status, 1)
    contains(r.err, "domainname")


@test("a name or a sysctl for a namespace that is joined and is the host's is refused: a path may lead there")
def _():
    host = lambda: (os.uname().nodename, read("/proc/sys/kernel/domainname"), read("/proc/sys/net/ipv4/ip_default_ttl"))
    before = host()
    for kind, file, change in (
        ("uts", "uts", {"hostname": "evil"}),
        ("uts", "uts", {"domainname": "evil"}),
        ("network", "net", {"sysctl": {"net.ipv4.ip_default_ttl": "33"}}),
    ):
        box = asked("host").without(kind)
        box.linux["namespaces"].append({"type": kind, "path": f"/proc/{os.getpid()}/ns/{file}"})
        (box.linux if "sysctl" in change else box.config).update(change)
        r = box.run()
        equal(r.status, 1)
        contains(r.err, "the host")
        equal(host(), before, change)


@test("mounts are made in order, with their options; a bind has its own flags")
def _():
    os.makedirs(TMP + "/data/sub")
    with open(TMP + "/data/file", "w") as file:
        file.write("content\n")
    box = asked("mounts", "read", "/data/file", "write", "/data/x", "x", "write", "/scratch/x", "x", "stat", "/scratch")
    box.mount("/data", "bind", TMP + "/data", "rbind", "ro", "nosuid")
    box.mount("/scratch", "tmpfs", "tmpfs", "size=1m", "mode=1770", "noexec")
    r = box.run()
    equal(r.status, 0)
    matches(r.out, r" /data ro,nosuid")
    matches(r.out, r" /scratch \S*noexec.* - tmpfs tmpfs .*size=1024k")
    contains(r.out, "content\n")
    contains(r.out, "write = -1 EROFS\nwrite = ")
    contains(r.out, "directory 1770")
    check(not os.path.exists(ROOTFS + "/scratch/x"), "the tmpfs is not the root")


@test("`bind` behind `rbind` leaves out nothing below, and an option of a file system is nothing to a bind")
def _():
    box = OCI(*shell("cat /data/below/file; touch /data/below/x 2>&1"))
    os.makedirs(TMP + "/data/below")
    run(["mount", "-t", "tmpfs", "tmpfs", TMP + "/data/below"])
    try:
        with open(TMP + "/data/below/file", "w") as file:
            file.write("content\n")
        box.mount("/data", "bind", TMP + "/data", "rbind", "bind", "rro", "mode=755", "size=1k")
        r = box.run()
        contains(r.out, "content\n")
        contains(r.out, "Read-only file system")
    finally:
        run(["umount", TMP + "/data/below"])


@test("a recursive read-only bind is read-only below as well")
def _():
    box = OCI(*shell("mkdir /data/sub/x 2>&1; mkdir /data/x 2>&1"))
    box.mount("/mnt1", "tmpfs", "tmpfs")
    os.makedirs(TMP + "/data/sub")
    box.mount("/data", "bind", TMP + "/data", "rbind", "rro")
    r = box.run()
    equal(r.out.count("Read-only file system"), 2)


@test("nothing of the host's mounts remains; the root is a mount of its own")
def _():
    r = asked("mounts").run()
    absent(r.out, STAGE + "/home")
    equal(len([line for line in r.lines if " /sys" in line]), 0)
    r = asked("mounts", "cwd").run("--no-pivot")
    equal(r.status, 0)
    contains(r.out, "cwd /\n")


@test("root.readonly makes the root read-only, and mounts in it writable")
def _():
    box = asked("write", "/file", "x", "write", "/scratch/file", "x").mount("/tmp", "tmpfs", "tmpfs")
    box.process["args"][-2] = "/tmp/file"
    box.config["root"]["readonly"] = True
    matches(box.run().out, r"write = -1 EROFS\nwrite = [01]")
    check(not os.path.exists(ROOTFS + "/file"))


@test("root.path is taken from the bundle when it is relative")
def _():
    box = OCI("/bin/busybox", "echo", "here", rootfs="root")
    os.makedirs(box.bundle + "/root/bin")
    shutil.copy(ROOTFS + "/bin/busybox", box.bundle + "/root/bin/")
    equal(box.run(cwd="/").out, "here\n")
    equal(box.write().call("run", cwd=box.bundle).out, "here\n")


@test("the usual devices are there, and those of linux.devices with mode and owner")
def _():
    box = asked(*sum((["stat", "/dev/" + d] for d in ("null", "zero", "full", "random", "urandom", "tty", "mine")), []), "write", "/dev/null", "x")
    box.linux["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 7, "gid": 8}]
    r = box.run()
    for number in ("1:3", "1:5", "1:7", "1:8", "1:9", "5:0"):
        matches(r.out, rf"char 0666 0:0 .* device {number}\n")
    matches(r.out, r"char 0640 7:8 .* device 1:5\n")


@test("masked paths read as empty, read-only paths refuse writes")
def _():
    box = asked("read", "/proc/timer_list", "list", "/proc/scsi", "write", "/proc/sys/kernel/domainname", "x", "read", "/etc/motd")
    box.linux["maskedPaths"] = ["/proc/timer_list", "/proc/scsi", "/etc/motd", "/no/such"]
    box.linux["readonlyPaths"] = ["/proc/sys", "/no/such"]
    r = box.run()
    equal(r.status, 0)
    contains(r.out, "EROFS")
    absent(r.out, "root file system")
    absent(r.out, "Timer List")


@test("a path that is masked twice, or whose link leads to one, is covered once")
def _():
    rootfs = TMP + "/image"
    equal(run(["cp", "-a", ROOTFS, rootfs]).status, 0)
    os.symlink("/proc/bus", rootfs + "/bus")
    with OCI("/bin/sleep", "60", rootfs=rootfs) as box:
        box.linux["maskedPaths"] = ["/proc/bus", "/etc/motd", "/proc/fs", "/proc/bus", "/etc/motd", "/bus", "/proc/fs"]
        box.created().ok("start")
        mounted = [line.split()[4] for line in read(f"/proc/{box.pid}/mountinfo").splitlines()]
        equal([mounted.count(path) for path in ("/proc/bus", "/proc/fs", "/etc/motd")], [1, 1, 1])


@test("sysctl settings are those of the container's namespaces, also where /proc/sys is read-only")
def _():
    box = asked("read", "/proc/sys/net/ipv4/ip_forward", "read", "/proc/sys/kernel/msgmax", "write", "/proc/sys/kernel/msgmax", "1")
    before = read("/proc/sys/kernel/msgmax")
    box.linux["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4321"}
    box.linux["readonlyPaths"] = ["/proc/sys"]
    equal(box.run().out, "1\n4321\nwrite = -1 EROFS\n")
    equal(read("/proc/sys/kernel/msgmax"), before)
    r = box.without("ipc").run()
    equal(r.status, 1)
    contains(r.err, "msgmax")


@test("lo is up in a network namespace of its own")
def _():
    matches(asked("net").run().out, r"lo.*127\.0\.0\.1")


# ---- who it is -----------------------------------------------------------------------------------


@test("user, group, additional groups and umask are those of the configuration, and no others")
def _():
    box = OCI(*shell("/bin/probe ids; umask"), user={"uid": 1000, "gid": 1001, "additionalGids": [5, 7], "umask": 0o27})
    r = box.run(prepare=lambda: os.setgroups([99]))
    contains(r.out, "uid 1000 1000 1000\ngid 1001 1001 1001\n")
    matches(r.out, r"^groups 5 7$")
    contains(r.out, "0027")
    box.process["user"] = {"uid": 3, "gid": 4}
    matches(box.run(prepare=lambda: os.setgroups([99])).out, r"^groups$")


@test("HOME comes from the container's passwd when the environment has none")
def _():
    contains(asked("env", user={"uid": 1000, "gid": 1000}).run().out, "HOME=/home\n")
    contains(asked("env", user={"uid": 4242, "gid": 1}).run().out, "HOME=/\n")
    equal([w for w in asked("env", env=["HOME=", "A=1"]).run().lines if "HOME" in w], ["env HOME=/root"], "an empty one is none")
    r = asked("env", env=["HOME=/set", "A=B"]).run()
    equal(sorted(l for l in r.lines if "=" in l), ["env A=B", "env HOME=/set"])


@test("capabilities are the five sets given, and none without the object")
def _():
    def sets(**caps):
        r = asked("caps", capabilities=caps).run()
        return dict(re.findall(r"^(effective|permitted|inheritable|bounding|ambient)(?: (.*))?$", r.out, re.M))

    kill, bind = ["CAP_KILL"], ["CAP_KILL", "CAP_NET_BIND_SERVICE"]
    s = sets(bounding=bind, permitted=bind, effective=bind)
    equal((s["bounding"], s["permitted"], int(s["effective"], 16)), (s["effective"], s["effective"], 0x420))
    equal(int(s["inheritable"], 16), 0)
    none = sets()
    equal(len(set(none.values())), 1, "all five are empty")
    equal(int(sets(bounding=kill, permitted=kill, effective=kill, inheritable=kill, ambient=kill)["ambient"], 16), 0x20)


@test("no_new_privs is as the configuration says")
def _():
    contains(asked("caps").run().out, "no_new_privs 1\n")
    contains(asked("caps", noNewPrivileges=False).run().out, "no_new_privs 0\n")


@test("linux.seccomp is in force for the command, and only then")
def _():
    box = asked("mkdir", "/tmp/x", "ids").mount("/tmp", "tmpfs", "tmpfs")
    contains(box.run().out, "mkdir = 0")
    box.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}],
    }
    contains(box.run().out, "mkdir = -1 EOPNOTSUPP")
    box.process["args"] = ["/bin/probe", "caps"]
    contains(box.run().out, "seccomp 2\n")


@test("boxstep.seccomp=default puts the built-in filter on, boxstep.init a PID 1 above the command")
def _():
    box = asked("caps", "ids")
    box.config["annotations"] = {"boxstep.seccomp": "default", "boxstep.init": "true"}
    r = box.run()
    contains(r.out, "seccomp 2\n")
    contains(r.out, "pid 2\nppid 1\n")
    with OCI("/bin/sleep", "60") as box:
        box.config["annotations"] = {"boxstep.init": "true"}
        box.created().ok("start")
        wait_for(lambda: read(f"/proc/{box.pid}/comm") == "init\n", "its name, by which ps shows that it is at no gate any more")


@test("boxstep.user is looked up in the container's own passwd")
def _():
    box = asked("ids")
    box.config["annotations"] = {"boxstep.user": "app"}
    r = box.run()
    contains(r.out, "uid 1000 1000 1000\n")
    matches(r.out, r"^groups .*\b1001\b")


@test("resource limits are soft and hard as given, unlimited too")
def _():
    infinity = 2**64 - 1
    r = asked(
        "limits",
        rlimits=[
            {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            {"type": "RLIMIT_FSIZE", "soft": 1 << 33, "hard": infinity},
        ],
    ).run()
    contains(r.out, "limit nofile 100 200\n")
    contains(r.out, "limit core 0 0\n")
    contains(r.out, f"limit fsize {1 << 33} -1\n")


@test("oomScoreAdj is that of the process")
def _():
    equal(asked("read", "/proc/self/oom_score_adj", oomScoreAdj=321).run().out, "321\n")


@test("a working directory that is missing is made; one that is a file is refused")
def _():
    root = TMP + "/root"
    subprocess.run(["cp", "-a", ROOTFS, root], check=True)
    equal(OCI("/bin/pwd", rootfs=root, cwd="/made/for/it").run().out, "/made/for/it\n")
    check(os.path.isdir(root + "/made/for/it"))
    r = OCI("/bin/pwd", rootfs=root, cwd="/etc/passwd").run()
    equal(r.status, 1)
    contains(r.err, "/etc/passwd")
    os.symlink("/../../../../../../outside", root + "/link")
    r = OCI("/bin/pwd", rootfs=root, cwd="/link/x").run()
    check(not os.path.exists("/outside"), "nothing is made outside of the root")


@test("uid mappings are those that the host sees, and root in the container owns its files")
def _():
    root = TMP + "/root"
    subprocess.run(["cp", "-a", ROOTFS, root], check=True)
    subprocess.run(["chown", "-R", "-h", "100000:200000", root], check=True)
    os.chmod(TMP, 0o755)
    with OCI("/bin/sleep", "60", rootfs=root) as box:
        box.namespace("user")
        box.linux["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        box.linux["gidMappings"] = [{"containerID": 0, "hostID": 200000, "size": 65536}]
        box.created().ok("start")
        equal(read(f"/proc/{box.pid}/uid_map").split(), ["0", "100000", "65536"])
        equal(read(f"/proc/{box.pid}/gid_map").split(), ["0", "200000", "65536"])
        matches(read(f"/proc/{box.pid}/status"), r"^Uid:\t100000\t")
        r = box.call("exec", after=["/bin/probe", "ids", "stat", "/etc/passwd", "write", "/etc/new", "x"])
        equal(r.status, 0)
        contains(r.out, "uid 0 0 0\n")
        contains(r.out, " 0:0 size")
        equal((os.stat(root + "/etc/new").st_uid, os.stat(root + "/etc/new").st_gid), (100000, 200000))


def of_user(*cmd):
    """A bundle that an ordinary user can run."""
    home = STAGE + "/user" if (os.geteuid() == 0) else STAGE + "/home"
    me = USER_ID if (os.geteuid() == 0) else os.getuid()
    box = OCI(*cmd)
    box.bundle, box.root = home + "/bundle", home + "/oci"
    os.makedirs(box.bundle, exist_ok=True)
    box.namespace("user")
    one = [{"containerID": 0, "hostID": me, "size": 1}]
    box.linux["uidMappings"] = box.linux["gidMappings"] = one
    box.process["capabilities"] = {}
    box.write()
    if (os.geteuid() == 0):
        subprocess.run(["chown", "-R", f"{me}:{me}", box.bundle], check=True)
    return box


@test("an ordinary user runs a container in a user namespace", needs="user")
def _():
    box = of_user("/bin/probe", "ids")
    r = run_as_user(box.argv("run", "--bundle", box.bundle))
    equal((r.status, r.err), (0, ""))
    contains(r.out, "uid 0 0 0\n")
    shutil.rmtree(box.bundle)
    shutil.rmtree(box.root)


@test("an ordinary user's containers are kept in a place of the user's own, for root of the user's namespace too", needs="user")
def _():
    subreaper()
    box, default, oci = of_user("/bin/sleep", "600"), {"BOXSTEP_RUN": ""}, program("boxstep-oci")
    silent = ["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh"]  # the container holds the output longer than `create`
    try:
        equal(run_as_user([*silent, oci, "create", "--bundle", box.bundle, "box"], env=default).status, 0)
        for who in ([], ["unshare", "-Ur"]):  # as podman starts its runtime
            equal(run_as_user([*who, oci, "list", "-q"], env=default).out, "box\n")
    finally:
        run_as_user([oci, "delete", "--force", "box"], env=default)
        reap()


@test("root's containers are kept in /run, whatever XDG_RUNTIME_DIR a login left", needs="root")
def _():
    with OCI("/bin/sleep", "60", id=f"test-{os.getpid()}") as box:
        box.root = "/run/boxstep/oci"
        there = os.path.exists(box.root)  # somebody's own containers
        made = [program("boxstep-oci"), "create", "--bundle", box.write().bundle, box.id]
        silent = ["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh"]
        equal(run([*silent, *made], env={"BOXSTEP_RUN": "", "XDG_RUNTIME_DIR": TMP}).status, 0)
        equal(box.status, "created")
    if not there:
        os.removedirs(box.root)


# ---- descriptors and terminals -------------------------------------------------------------------


@test("descriptors above stderr stay outside, but for those of --preserve-fds")
def _():
    fd = os.open("/etc/hostname", os.O_RDONLY)

    def hand_on():
        os.dup2(fd, 3)
        os.dup2(fd, 4)
        os.dup2(fd, 9)

    r = asked("fds").run(prepare=hand_on, fds=(3, 4, 9, fd))
    equal(re.findall(r"^fd (\d+) ", r.out, re.M), ["0", "1", "2"])
    r = asked("fds").run("--preserve-fds", "2", prepare=hand_on, fds=(3, 4, 9, fd))
    equal(re.findall(r"^fd (\d+) ", r.out, re.M), ["0", "1", "2", "3", "4"])


@test("a container that waits for start holds no descriptor of create's caller, but for those of --preserve-fds")
def _():
    names = lambda pid: {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) > 2}
    with OCI("/bin/sleep", "60") as box:
        lock, (reader, writer) = os.open(TMP + "/lock", os.O_CREAT | os.O_RDWR), os.pipe()
        fcntl.flock(lock, fcntl.LOCK_EX)
        equal(box.create(fds=(lock, writer)).status, 0)
        os.close(writer)
        os.close(lock)
        check(select.select([reader], [], [], 10)[0], "nobody has the pipe's other end")
        equal(os.read(reader, 1), b"")
        lock = os.open(TMP + "/lock", os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        equal([name for name in names(box.pid) if "cgroup" in name or name.startswith(TMP + "/lock")], [])
        equal(box.ok("start").err, "")
        os.close(lock)
        os.close(reader)
    with OCI("/bin/sleep", "60") as box:
        kept, null = os.open("/etc/hostname", os.O_RDONLY), os.open("/dev/null", os.O_WRONLY)
        prepare = lambda: [os.dup2(null, 1), os.dup2(null, 2), os.dup2(kept, 3)]
        words = ("--bundle", box.write().bundle, "--pid-file", box.bundle + "/pid", "--preserve-fds", "1")
        equal(run(box.argv("create", *words), prepare=prepare, fds=(3, kept, null)).status, 0)
        equal(os.readlink(f"/proc/{box.pid}/fd/3"), "/etc/hostname")
        os.close(kept)
        os.close(null)


def receive_master(listener):
    connection, _ = listener.accept()
    data, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4 * 8))
    fds = array.array("i")
    for level, kind, body in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(body[: len(body) - len(body) % fds.itemsize])
    connection.close()
    return data, list(fds)


def read_all(master):
    text = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:
            return text.decode()
        if not part:
            return text.decode()
        text += part


def console():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(TMP + "/console")
    listener.listen(1)
    listener.settimeout(10)
    return listener


@test("a terminal: its master comes over the console socket, its slave is 0, 1, 2 and controlling")
def _():
    listener = console()
    with asked("tty", "stat", "/dev/console") as box:
        box.process.update(terminal=True, consoleSize={"height": 33, "width": 77})
        box.created("--console-socket", TMP + "/console")
        data, fds = receive_master(listener)
        equal(len(fds), 1, "descriptors with the message")
        check(data, "the message has a name")
        box.ok("start")
        out = read_all(fds[0]).replace("\r", "")
        for n in range(3):
            contains(out, f"tty {n} /dev/pts/0\n")
        contains(out, "size 33 77\n")
        contains(out, "controlling = 0\n")
        matches(out, r"stat char 0620 .* device 136:0")
        os.close(fds[0])
        box.ended()


@test("Ctrl-C at a container's terminal is SIGINT for the command")
def _():
    listener = console()
    with OCI(*shell("trap 'echo caught; exit 9' INT; echo on; while :; do sleep 0.05; done")) as box:
        box.process["terminal"] = True
        pid = box.created("--console-socket", TMP + "/console").pid
        master = receive_master(listener)[1][0]
        box.ok("start")
        text = b""
        while b"on" not in text:
            text += os.read(master, 100)
        os.write(master, b"\x03")
        contains(read_all(master), "caught")
        equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 9)
        os.close(master)


@test("Ctrl-C at the terminal of `run` reaches a command that has no terminal of its own, once")
def _():
    catches = "trap 'echo caught; exit 3' INT; echo on; while :; do sleep 0.1; done"
    for annotations in ({}, {"boxstep.init": "true"}):
        with OCI("/bin/sh", "-c", catches) as box:
            box.config["annotations"] = annotations
            p = start(box.write().argv("run", "--bundle", box.bundle), pty=True)
            p.read_until("on\r\n")
            p.write(b"\x03")
            r = p.wait()
            equal((r.status, r.out.count("caught")), (3, 1))


@test("a terminal that nobody shows, without a console socket, is refused, by name")
def _():
    box = asked("ids", terminal=True).write()
    for words in (["create"], ["run", "--detach"]):
        r = box.call(*words, "--bundle", box.bundle)
        equal(r.status, 1)
        contains(r.err, "--console-socket")


# ---- exec ----------------------------------------------------------------------------------------


def running(*args, **process):
    box = OCI(*(args or ["/bin/sleep", "60"]), **process)
    return box


def executed(box, *command, words=(), **options):
    return box.call("exec", *words, after=command, **options)


@test("exec runs in the container's namespaces and root, with its rights and its filter")
def _():
    with running() as box:
        box.config["hostname"] = "inside"
        box.linux["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}],
        }
        box.namespace("cgroup").created().ok("start")
        r = executed(box, "/bin/probe", "ns", "host", "caps", "mkdir", "/tmp/x", "pids", "fds", "cwd")
        equal((r.status, r.err), (0, ""))
        for kind in ("pid", "net", "mnt", "ipc", "uts", "cgroup"):
            contains(r.out, os.readlink(f"/proc/{box.pid}/ns/{kind}"))
        contains(r.out, "hostname inside\n")
        contains(r.out, "no_new_privs 1\nseccomp 2\n")
        contains(r.out, "mkdir = -1 EOPNOTSUPP")
        contains(r.out, "process 1 (sleep)")
        equal(re.findall(r"^fd (\d+) ", r.out, re.M), ["0", "1", "2"])
        own = re.search(r"^effective.*$", r.out, re.M).group(0)
        first = re.search(r"^CapEff:\s*(\w+)", read(f"/proc/{box.pid}/status"), re.M).group(1)
        contains(own, f"{int(first, 16):x}")


@test("exec gives the command's status, and 255 when it could not be run")
def _():
    with running() as box:
        box.created().ok("start")
        equal(executed(box, "/bin/sh", "-c", "exit 5").status, 5)
        equal(executed(box, "/bin/sh", "-c", "kill -9 $$").status, 137)
        r = executed(box, "/no/such")
        equal(r.status, 255)
        contains(r.err, "/no/such")
        equal(executed(box, "/etc/passwd").status, 255)
        equal(executed(box, "/bin/cat", input="through\n").out, "through\n")
        equal(executed(box, "/bin/pwd", words=["--cwd", "/etc"]).out, "/etc\n")
        contains(executed(box, "/bin/probe", "env", words=["--env", "A=B"]).out, "A=B\n")


@test("exec --process FILE --detach --pid-file, as conmon calls it; the process is the caller's child")
def _():
    with running() as box:
        box.created().ok("start")
        process = {"args": ["/bin/sleep", "60"], "cwd": "/", "user": {"uid": 1000, "gid": 1000}, "env": ["PATH=/bin"]}
        with open(TMP + "/process.json", "w") as file:
            json.dump(process, file)
        null = os.open("/dev/null", os.O_WRONLY)
        words = ["--process", TMP + "/process.json", "--detach", "--pid-file", TMP + "/exec.pid"]
        r = box.call("exec", *words, prepare=lambda: os.dup2(null, 1) and os.dup2(null, 2), fds=(null,))
        equal(r.status, 0)
        pid = int(read(TMP + "/exec.pid"))
        equal(parent(pid), os.getpid())
        matches(read(f"/proc/{pid}/status"), r"^Uid:\t1000\t1000")
        equal(os.readlink(f"/proc/{pid}/ns/pid"), os.readlink(f"/proc/{box.pid}/ns/pid"))
        equal(box.status, "running")
        os.kill(pid, signal.SIGKILL)  # PID 1 does not end before every process of its namespace is reaped
        os.waitpid(pid, 0)


def executed_from_a_file(box, *command):
    """Of a file that says nothing of rights."""
    with open(TMP + "/process.json", "w") as file:
        json.dump({"args": list(command), "cwd": "/", "env": ["PATH=/bin"]}, file)
    r = box.ok("exec", "--process", TMP + "/process.json")
    return r.lines


@test("exec of a file without capabilities has the container's")
def _():
    with running() as box:
        box.created().ok("start")
        sets = re.findall(r"^Cap\w+:\t.*$", read(f"/proc/{box.pid}/status"), re.M)
        equal(executed_from_a_file(box, "/bin/grep", "Cap", "/proc/self/status"), sets)
        differs(sets[2][-16:], "0" * 16)


@test("exec of a file without a profile of AppArmor is held to the container's", needs="vm cmd:apparmor_parser")
def _():
    with AppArmor("boxstep_box", "file, signal, unix, network, ptrace, capability,"), running() as box:
        box.process["apparmorProfile"] = "boxstep_box"
        box.created().ok("start")
        equal(read(f"/proc/{box.pid}/attr/current"), "boxstep_box (enforce)\n")
        equal(executed_from_a_file(box, "/bin/cat", "/proc/self/attr/current"), ["boxstep_box (enforce)"])


@test("exec --tty with a console socket: the terminal is of the container's devpts")
def _():
    listener = console()
    with running() as box:
        box.created().ok("start")
        p = start([*box.argv("exec", "--tty", "--console-socket", TMP + "/console"), "/bin/probe", "tty"])
        master = receive_master(listener)[1][0]
        out = read_all(master).replace("\r", "")
        contains(out, "tty 0 /dev/pts/0\n")
        contains(out, "controlling = 0\n")
        equal(p.wait().status, 0)
        os.close(master)


@test("exec into what has ended says `container not running`, and other commands go on beside a long exec")
def _():
    with running() as box:
        box.created().ok("start")
        p = start([*box.argv("exec"), "/bin/sh", "-c", "echo on; exec sleep 60"])
        p.read_until("on")
        equal(json.loads(box.ok("state", timeout=10).out)["status"], "running")
        contains(box.call("start", timeout=10).err, "not in the state created")
        box.ok("kill", after=["KILL"], timeout=10)
        equal(p.wait().status, 137)
        box.ended()
        r = executed(box, "/bin/true")
        equal(r.status, 255)
        contains(r.err, "container not running")


# ---- cgroups -------------------------------------------------------------------------------------


def own_cgroup(pid):
    return re.search(r"^0::(.*)$", read(f"/proc/{pid}/cgroup"), re.M).group(1)


@test("the first process is in its cgroup before create ends; delete removes the cgroup")
def _():
    top = cgroup2_mount()
    with OCI("/bin/sleep", "60") as box:
        box.created()
        directory = json.loads(read(box.root + "/box/state.json"))["cgroup"]
        if not directory:
            skip("no writable cgroup2 here")
        contains(read(directory + "/cgroup.procs").split(), str(box.pid))
        box.delete()
        check(not os.path.exists(directory), "the cgroup is gone")


@test("without a cgroup no device rules can be in force: CAP_MKNOD goes, from what exec brings too", needs="root")
def _():
    caps = {s: [*USUAL_CAPS, "CAP_MKNOD"] for s in ("bounding", "effective", "permitted")}
    look = ("/bin/grep", "-E", "^Cap(Prm|Eff|Bnd)", "/proc/self/status")
    for manager, bit in (("cgroupfs", 1), ("disabled", 0)):
        with OCI("/bin/sleep", "60", capabilities=caps) as box:
            box.linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
            box.created(globals=["--cgroup-manager", manager]).ok("start")
            if manager == "cgroupfs" and not json.loads(read(box.root + "/box/state.json"))["cgroup"]:
                continue  # no writable cgroup2 here
            first = re.findall(r"^Cap(?:Prm|Eff|Bnd):.*$", read(f"/proc/{box.pid}/status"), re.M)
            with open(TMP + "/process.json", "w") as file:
                json.dump({**box.process, "args": list(look)}, file)
            equal([int(line[-16:], 16) >> 27 & 1 for line in first], [bit] * 3, manager)
            equal(box.ok("exec", after=look).lines, first, manager)
            equal(box.ok("exec", "--process", TMP + "/process.json").lines, first, manager)


@test("--cgroup-manager disabled leaves the container in the caller's cgroup, and who asks for one is told that it has none")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.created(globals=["--cgroup-manager", "disabled"])
        equal(read(f"/proc/{box.pid}/cgroup"), read("/proc/self/cgroup"))
        for verb in ("ps", "pause", "update", "events"):
            r = box.call(verb)
            equal((r.status, r.out), (1, ""), verb)
            contains(r.err, "container box has no cgroup")
        box.ok("start")
        box.ok("kill", "--all", after=["KILL"])
        box.ended().ok("delete")
        pid = box.created(globals=["--cgroup-manager", "disabled"]).pid
        box.ok("delete", "--force")
        check(not alive(pid), "its process is gone")


@test("ps lists the container's processes as host numbers; pause and resume freeze and thaw", needs="root")
def _():
    with OCI(*shell("sleep 60 & wait")) as box:
        box.created().ok("start")
        if not json.loads(read(box.root + "/box/state.json"))["cgroup"]:
            skip("no writable cgroup2 here")
        pids = wait_for(lambda: len(p := json.loads(box.ok("ps", "--format", "json").out)) == 2 and p, "two processes")
        contains(pids, box.pid)
        lines = box.ok("ps").out.splitlines()
        matches(lines[0], r"^UID +PID +PPID ")
        equal(sorted(int(line.split()[1]) for line in lines[1:]), sorted(pids))
        r = box.call("ps", after=["-o", "comm"])
        equal((r.status, r.out), (1, ""))
        contains(r.err, "no column PID")
        box.ok("pause")
        equal(box.status, "paused")
        r = executed(box, "/bin/true", timeout=10)
        equal(r.status, 255)
        contains(r.err, "paused")
        contains(box.call("delete").err, "not stopped")
        box.ok("resume")
        equal(box.status, "running")
        box.ok("pause")
        box.ok("delete", "--force", timeout=20)
        contains(box.call("pause").err, "does not exist")


@test("kill --all reaches every process of a container that shares the host's process numbers")
def _():
    with OCI(*shell("sleep 60 & echo $!; wait")) as box:
        box.without("pid").created().ok("start")
        if not json.loads(read(box.root + "/box/state.json"))["cgroup"]:
            skip("no writable cgroup2 here")
        second = int(wait_for(lambda: box.out.strip(), "the second process"))
        box.ok("kill", "--all", after=["KILL"])
        wait_for(lambda: not alive(second) and not alive(box.pid), "the end of both")


@test("a cgroupsPath that somebody is in already is refused, and who is in it lives on", needs="root")
def _():
    top = f"{cgroup2_mount()}/boxstep-oci-others-{os.getpid()}"
    other = start(["sleep", "60"])
    with OCI("/bin/true") as box:
        if not os.access(os.path.dirname(top), os.W_OK):
            skip("no writable cgroup2 here")
        os.mkdir(top)
        with open(top + "/cgroup.procs", "w") as procs:
            procs.write(str(other.pid))
        box.linux["cgroupsPath"] = "/" + os.path.basename(top)
        try:
            r = box.run()
            check(r.status != 0 and "has processes already" in r.err, f"{r.status}: {r.err}")
            equal(read(top + "/cgroup.procs").split(), [str(other.pid)])
        finally:
            os.kill(other.pid, signal.SIGKILL)
            other.wait()
            os.rmdir(top)


@test("a cgroupsPath that is frozen is refused, where a process put there would never run", needs="root")
def _():
    top = f"{cgroup2_mount()}/boxstep-oci-frozen-{os.getpid()}"
    with OCI("/bin/true") as box:
        if not os.access(os.path.dirname(top), os.W_OK):
            skip("no writable cgroup2 here")
        os.mkdir(top)
        with open(top + "/cgroup.freeze", "w") as freeze:
            freeze.write("1")
        box.linux["cgroupsPath"] = "/" + os.path.basename(top)
        try:
            r = box.run()
            check(r.status == 1 and "is frozen" in r.err, f"{r.status}: {r.err}")
        finally:
            os.rmdir(top)  # still there: it is who made it that removes it


@test("the limits of linux.resources are written, v1's words and v2's own", needs="root cgroup2", timeout=60)
def _():
    with OCI("/bin/sleep", "60") as box:
        box.linux["cgroupsPath"] = "/boxstep-oci-test/box"
        box.linux["resources"] = {
            "memory": {"limit": 67108864, "swap": 100663296, "reservation": 33554432},
            "cpu": {"quota": 50000, "period": 100000, "shares": 1024, "cpus": "0"},
            "pids": {"limit": 20},
            "unified": {"memory.high": "60000000"},
        }
        box.created()
        top = cgroup2_mount() + own_cgroup(box.pid)
        for file, value in (
            ("memory.max", "67108864"),
            ("memory.swap.max", "33554432"),
            ("memory.low", "33554432"),
            ("memory.high", "59998208"),
            ("cpu.max", "50000 100000"),
            ("cpuset.cpus", "0"),
            ("pids.max", "20"),
        ):
            equal(read(f"{top}/{file}").strip(), value, file)
        contains(own_cgroup(box.pid), "boxstep-oci-test/box")


@test("a limit that the container passes is enforced: memory and processes", needs="root cgroup2", timeout=60)
def _():
    box = asked("hog", "200m")
    box.linux["resources"] = {"memory": {"limit": 33554432, "swap": 33554432}}
    equal(box.run().status, 137)
    box = asked("fork", "30")
    box.linux["resources"] = {"pids": {"limit": 10}}
    contains(box.run(timeout=20).out, "EAGAIN")


@test("device rules: what is not allowed cannot be opened, the usual ones can", needs="root")
def _():
    box = OCI("/bin/probe", "read", "/dev/mine", "write", "/dev/null", "x")
    box.linux["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 2}]  # there is none: ENXIO
    box.linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    with box:
        box.created()
        if not json.loads(read(box.root + "/box/state.json"))["cgroup"]:
            skip("no writable cgroup2 here")
    with OCI("/bin/sleep", "60", id="pod") as pod:
        pod.created()
        for where in ({}, {"path": f"/proc/{pod.pid}/ns/net"}):  # a pod's other containers join its namespaces
            r = box.namespace("network", **where).run()
            contains(r.out, "read = -1 EPERM")
            matches(r.out, "write = [01]")


# ---- safe ----------------------------------------------------------------------------------------


@test("the runtime is not dumpable while it waits at the gate, and its file cannot be written from inside")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.created()
        equal(os.stat(f"/proc/{box.pid}/environ").st_uid, 0)
        box.ok("start")
        r = executed(box, "/bin/sh", "-c", "echo x > /proc/1/exe; echo $?")
        contains(r.out, "1")
    before = read_bytes(program("boxstep-oci"))
    OCI(*shell("for p in /proc/[0-9]*; do echo x > $p/exe; done 2>/dev/null")).run()
    equal(read_bytes(program("boxstep-oci")) == before, True)


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


@test("the bundle's config.json may change after create: exec sees the one of create")
def _():
    with running(user={"uid": 1000, "gid": 1000}) as box:
        box.created().ok("start")
        box.process["user"] = {"uid": 0, "gid": 0}
        box.write()
        contains(executed(box, "/bin/probe", "ids").out, "uid 1000 1000 1000\n")


@test("the same calls are told and made: create and start under --explain=json")
def _():
    box = asked("ids")
    box.write()
    path = TMP + "/explain.json"
    r = run([*box.argv("run"), "--bundle", box.bundle, "--explain=json", "--explain-to", path])
    if r.status != 0:
        r = run([program("boxstep-oci"), "--root", box.root, "run", "--bundle", box.bundle, "--explain=json", "--explain-to", path, "box"])
    equal(r.status, 0)
    calls = [json.loads(line)["call"] for line in read(path).splitlines()]
    for name in ("clone3(", "pivot_root(", "move_mount(", "capset(", "execve("):
        check(any(c.startswith(name) for c in calls), name)
