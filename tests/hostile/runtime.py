"""What a container, an image or a caller may do to the runtime itself: to its file, to its groups, to
what it says, and to the process that enters."""

import errno
import hashlib
import select

import harness

from harness import *
from oci import OCI, alive, reap
from roots import make_rootfs


def script(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o755)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


# ---- the runtime's own file (CVE-2019-5736) ------------------------------------------------------

# Finds the process that runs something else than the image's own programs, opens its program, lets
# it go on (it hangs at a FIFO that it was told to log to), and writes as soon as nobody runs it.
OVERWRITE = """#!/bin/sh
busybox mkfifo /tmp/fifo
echo ready
while :; do
    for p in /proc/[0-9]*; do
        case "$(busybox readlink $p/exe)" in *busybox | '') ;; *) break 2 ;; esac
    done
done
exec 9< $p/exe
echo opened
cat /tmp/fifo > /dev/null &
n=0
while [ $n -lt 200 ]; do
    if (echo overwritten > /proc/self/fd/9) 2> /dev/null; then echo written; exit; fi
    busybox usleep 10000
    n=$((n + 1))
done
echo refused
"""


class Copied(OCI):
    """The runtime is a copy that may be overwritten."""

    def argv(self, *words, **options):
        return [TMP + "/boxstep-oci", *super().argv(*words, **options)[1:]]


def overwrite(image, user=False):
    shutil.copy(program("boxstep-oci"), TMP + "/boxstep-oci")
    script(image + "/attack", OVERWRITE)
    script(image + "/entered", "#!/proc/self/exe --log=/tmp/fifo\n")
    return digest(TMP + "/boxstep-oci")


@test("a container that is entered through #!/proc/self/exe cannot write into the runtime's file")
def _():
    image = make_rootfs()
    before = overwrite(image)
    with Copied("/attack", rootfs=image) as box:
        box.created().ok("start")
        wait_for(lambda: "ready" in box.out, "the attacker")
        box.call("exec", after=["/entered"])
        wait_for(lambda: "refused" in box.out or "written" in box.out, "the attack")
        contains(box.out, "opened")
        contains(box.out, "refused")
    equal(digest(TMP + "/boxstep-oci"), before, "the runtime's file")


@test("a container whose command is #!/proc/self/exe cannot write into the runtime's file")
def _():
    image = make_rootfs()
    before = overwrite(image)
    with Copied("/entered", rootfs=image) as box:
        os.mkfifo(image + "/tmp/fifo")
        box.created().ok("start")
        script(image + "/attack", OVERWRITE.replace("busybox mkfifo /tmp/fifo\n", ""))
        r = box.call("exec", after=["/attack"], timeout=20)
        contains(r.out, "opened")  # and process 1 goes on to its error, and takes the others along
        absent(r.out, "written")
    equal(digest(TMP + "/boxstep-oci"), before, "the runtime's file")


@test("where /proc does not show whether its file can be written, the runtime runs nothing", needs="root")
def _():
    with OCI("/bin/true") as box:
        argv = box.argv("run", "--bundle", box.write().bundle)
        r = run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh", *argv])
        equal((r.status, r.out), (1, ""))
        contains(r.err, 'open("/proc/self/exe"): ENOENT')


# The same for the programs that people type: whoever opens /proc/PID/exe here has more rights than
# anybody in the container, and the file must not be writable for him either.


def give(name):
    """A copy of the program NAME that may be overwritten, and a directory for the container, with a
    command that is the program itself and waits at a FIFO."""
    copy, shared = f"{STAGE}/user/{name}", TMP + "/give"
    shutil.copy(program(name), copy)
    os.mkdir(shared)
    os.mkfifo(shared + "/fifo")
    script(shared + "/entered", f"#!/proc/self/exe --explain-to={FIFO}\n")
    for path in (TMP, shared, shared + "/fifo"):
        os.chmod(path, 0o777)
    if harness.AS_ROOT:
        os.chown(copy, USER_ID, USER_ID)  # for the test without root; for the others it is the same
    return copy


FIFO = "/srv/../srv/fifo"  # a name that nobody else has on a command line


def seen():
    """The pid of the process that stands at the FIFO: it runs as /proc/self/exe."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = read(f"/proc/{pid}/cmdline").split("\0")
        except OSError:
            continue
        if words[0] == "/proc/self/exe" and f"--explain-to={FIFO}" in words:
            return pid


def cannot_write(copy, argv, **options):
    before = digest(copy)
    p = start(argv, **options)
    wait_for(lambda: p.pump(0.05) or seen() or not p.alive(), "the command at the FIFO")
    check(seen(), f"the command did not run: {p.err}")
    fd = os.open(f"/proc/{seen()}/exe", os.O_RDONLY)
    with open(TMP + "/give/fifo", "rb") as fifo:  # lets it go on to its error
        fifo.read()
    p.wait()
    try:
        os.write(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY), b"overwritten")
        check(False, "what runs as the program was written, be it a copy")
    except OSError as error:
        contains(["EROFS", "EPERM"], errno.errorcode[error.errno])
    finally:
        os.close(fd)
    equal(digest(copy), before, copy)


@test("a program begins anew on a file that cannot be written where a verb makes a process, and nowhere else", needs="root cmd:strace")
def _():
    trace = TMP + "/execs"
    for words, times in [
        ([program("boxstep-oci"), "list"], 0),
        ([program("boxstep-oci"), "state", "nobody"], 0),
        ([program("boxstep-oci"), "start", "nobody"], 0),
        ([program("boxstep-oci"), "exec", "nobody", "true"], 1),
        ([program("boxstep"), "ps"], 0),
        ([program("boxstep"), "exec", "nobody", "true"], 1),
        ([step(7), "--", "true"], 1),
    ]:
        run(["strace", "-f", "-qq", "-o", trace, "-e", "trace=execveat", *words])
        equal(read(trace).count("execveat("), times, words)


@test("a command has no variable by which the program told itself where it began", needs="root")
def _():
    r = run([step(7), "--network", "none", "--rootfs", ROOTFS, "--", "/bin/sh", "-c", "env"])
    contains(r.out, "PATH=")
    absent(r.out, "BOXSTEP_SEALED_FROM")


@test("a command of step 7 that is #!/proc/self/exe is nothing that could be written")
def _():
    copy = give("step07")
    words = ["--network", "none", "--bind", TMP + "/give:/srv", "--rootfs", ROOTFS, "--", "/srv/entered"]
    cannot_write(copy, [copy, *words])
    cannot_write(copy, [copy, "--no-init", *words])


@test("nor is one of step 7 without root", needs="user root")
def _():
    copy = give("step07")
    words = ["--network", "none", "--bind", TMP + "/give:/srv", "--rootfs", ROOTFS, "--", "/srv/entered"]
    cannot_write(copy, [copy, "--user", "--map-root", *words], user=True)


@test("nor is one of boxstep run and boxstep exec")
def _():
    copy = give("boxstep")
    env = {"BOXSTEP_LIBEXEC": STAGE + "/bin"}
    words = ["--network", "none", "-v", TMP + "/give:/srv"]
    cannot_write(copy, [copy, "run", "--rm", *words, IMAGE, "/srv/entered"], env=env)
    r = run([program("boxstep"), "run", "-d", "--name", "entered", *words, IMAGE, "/bin/sleep", "300"])
    equal(r.status, 0)
    try:
        cannot_write(copy, [copy, "exec", "entered", "/srv/entered"], env=env)
    finally:
        run([program("boxstep"), "rm", "-f", "entered"])


# ---- groups of the caller (CVE-2022-36109) -------------------------------------------------------


def fake_deny(image):
    """An image that says in a /proc of its own that groups cannot be given up here."""
    os.makedirs(image + "/proc/self")
    with open(image + "/proc/self/setgroups", "w") as file:
        file.write("deny\n")


def in_groups():
    os.setgroups([4, 24])


@test("an image that has a /proc/self/setgroups of its own does not keep the caller's groups")
def _():
    image = make_rootfs()
    fake_deny(image)
    box = OCI("/bin/probe", "ids", rootfs=image)
    del box.config["mounts"][0]
    r = box.run(prepare=in_groups)
    equal(r.status, 0)
    contains(r.lines, "groups")


@test("nor does it for who enters, and a FIFO there holds nobody up")
def _():
    image = make_rootfs()
    fake_deny(image)
    with OCI("/bin/probe", "sleep", "60", rootfs=image) as box:
        del box.config["mounts"][0]
        box.created().ok("start")
        r = box.call("exec", after=["/bin/probe", "ids"], prepare=in_groups)
        contains(r.lines, "groups")
        os.unlink(image + "/proc/self/setgroups")
        os.mkfifo(image + "/proc/self/setgroups")
        r = box.call("exec", after=["/bin/probe", "ids"], prepare=in_groups)
        contains(r.lines, "groups")


# ---- entering ------------------------------------------------------------------------------------


@test("a FIFO in place of /etc/passwd or /etc/group holds up nobody who enters")
def _():
    image = make_rootfs()
    with OCI("/bin/probe", "sleep", "60", rootfs=image) as box:
        box.created().ok("start")
        for name in ("passwd", "group"):
            os.mkfifo(f"{image}/etc/{name}")
            r = box.call("exec", after=["/bin/probe", "ids"])
            equal(r.status, 0, name)


@test("nobody who enters gets out by a working directory that is a descriptor (CVE-2024-21626)")
def _():
    image = make_rootfs()
    with OCI("/bin/probe", "sleep", "60", rootfs=image) as box:
        box.created().ok("start")
        for n in range(3, 16):
            os.symlink(f"/proc/self/fd/{n}", f"{image}/cwd{n}")
            for cwd in (f"/proc/self/fd/{n}", f"/cwd{n}", f"/proc/self/fd/{n}/../../.."):
                r = box.call("exec", "--cwd", cwd, after=["/bin/probe", "cwd", "list", "."])
                absent(r.out, "config.json", cwd)
                absent(r.out, "boxstep", cwd)
                if r.status == 0:  # no descriptor of the runtime's: one that a `..` led back from
                    matches(r.lines[0], r"^cwd /")


@test("whoever enters has no descriptor but the three, whatever the caller had open")
def _():
    image = make_rootfs()
    with OCI("/bin/probe", "sleep", "60", rootfs=image) as box:
        box.created().ok("start")
        fds = tuple(os.open("/", os.O_RDONLY) for _ in range(5))
        r = box.call("exec", after=["/bin/probe", "fds"], fds=fds)
        for fd in fds:
            os.close(fd)
        equal(sorted(int(line.split()[1]) for line in r.lines if line.startswith("fd ")), [0, 1, 2])


@test("a caller that promises more descriptors than it gives gets none of the runtime's own into the container")
def _():
    r = OCI("/bin/probe", "fds").run("--preserve-fds", "20")
    equal([line.split()[1] for line in r.lines if line.startswith("fd ")], ["0", "1", "2"], r.err)
    with OCI("/bin/probe", "sleep", "60") as box:
        box.created().ok("start")
        r = box.call("exec", "--preserve-fds", "20", after=["/bin/probe", "fds"])
        equal([line.split()[1] for line in r.lines if line.startswith("fd ")], ["0", "1", "2"], r.err)


@test("a process that its user may not look at is entered or refused, but the command never runs here", needs="user")
def _():
    home, me = STAGE + ("/user" if harness.AS_ROOT else "/home"), USER_ID if harness.AS_ROOT else os.getuid()
    box = OCI("/bin/probe", "sleep", "60").namespace("user")
    box.bundle, box.root = home + "/bundle", home + "/oci"
    os.makedirs(box.bundle)
    box.linux["uidMappings"] = box.linux["gidMappings"] = [{"containerID": 0, "hostID": me, "size": 1}]
    box.process["capabilities"] = {}
    box.write()
    os.chmod(box.bundle, 0o777)
    created = box.create(user=True)  # it waits at the gate, and is not dumpable
    equal((created.status, box.out), (0, ""))
    r = box.call("exec", after=[PROBE, "ns"], user=True)
    box.call("delete", "--force", user=True)
    reap()
    shutil.rmtree(box.bundle)
    shutil.rmtree(box.root)
    absent(r.out, os.readlink("/proc/self/ns/mnt"), "the namespaces of the command")


@test("root of a container that sees the process of another one being made, in a user namespace of root's, cannot look into it", needs="root")
def _():
    os.chmod(TMP, 0o755)
    os.mkfifo(TMP + "/go")
    script(TMP + "/hold", f"#!/bin/sh\n: >{TMP}/held; read word <{TMP}/go\n")
    maps = [{"containerID": 0, "hostID": 100000, "size": 1000}]
    look = "for p in /proc/[0-9]*; do grep -q '^boxstep' $p/comm && ls -di $p/root/ $p/cwd/; done 2>&1; true"
    with OCI("/bin/probe", "sleep", "60") as box:
        box.created().ok("start")
        other = OCI("/bin/true", id="other").namespace("user").namespace("pid", path=f"/proc/{box.pid}/ns/pid")
        other.linux.update(uidMappings=maps, gidMappings=maps)
        other.config["hooks"] = {"createRuntime": [{"path": TMP + "/hold"}]}
        run_it = start(other.write().argv("run", "--bundle", other.bundle))
        wait_for(lambda: os.path.exists(TMP + "/held"), "the hook")  # its root is the host's still
        r = box.call("exec", after=["/bin/sh", "-c", look])
        with open(TMP + "/go", "w") as go:
            go.write("\n")
        equal((r.out.count("Permission denied"), r.out.count("\n")), (2, 2), r.out + r.err)
        equal(run_it.wait().status, 0)


# ---- a process that /proc shows as a zombie ------------------------------------------------------


def headless(box):
    """Its first process has ended the first of its threads, and goes on in another."""
    box.created().ok("start")
    wait_for(lambda: "headless" in box.out and "Z" in read(f"/proc/{box.pid}/stat").rpartition(")")[2], "the end of its first thread")
    return box


@test("a container whose first thread has ended while another goes on is running, and dies of a signal")
def _():
    for words, after in (((), ["KILL"]), (("--all",), ["KILL"])):
        with OCI("/bin/probe", "headless", "300") as box:
            headless(box)
            equal(box.status, "running")
            contains(box.call("delete").err, "not stopped")
            box.ok("kill", *words, after=after)
            box.ended().ok("delete")


@test("delete --force ends such a container, with a cgroup and without")
def _():
    for globals in ((), ("--cgroup-manager", "disabled")):
        with OCI("/bin/probe", "headless", "300") as box:
            box.created(globals=globals)
            box.ok("start")
            pid = os.pidfd_open(box.pid)
            wait_for(lambda: "headless" in box.out, "the second thread")
            box.ok("delete", "--force")
            equal(select.select([pid], [], [], 0)[0], [pid], "the end of the whole process")
            os.close(pid)


@test("such a process beside the first one does not survive its container, whoever it shares a PID namespace with", needs="root")
def _():
    cgroup2_mount()
    with OCI("/bin/sh", "-c", "/bin/probe headless 300 & exec /bin/sleep 300").without("pid") as box:
        box.created().ok("start")
        wait_for(lambda: "headless" in box.out, "the second thread")
        box.ok("delete", "--force")
        check(not os.path.exists(f"{box.root}/box"), "nothing is left")


# ---- other containers ----------------------------------------------------------------------------


@test("a create with the id of a container of another --root does not touch that one")
def _():
    with OCI("/bin/sleep", "60") as box:
        box.created().ok("start")
        first, box.root = box.root, TMP + "/other"
        r = box.create()
        equal(r.status, 1)
        contains(box.out, "EEXIST")
        equal(os.listdir(box.root), [])
        box.root = first
        equal(box.status, "running")


# ---- what a caller leaves behind -----------------------------------------------------------------


def ignoring_children():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


@test("a directory of states that somebody else has laid out in /tmp is believed by no verb: no hook of it runs", needs="root")
def _():
    root, said = f"/tmp/boxstep-oci-{os.getpid()}", TMP + "/said"
    script(TMP + "/hook", f"#!/bin/sh\necho it ran >> {said}\n")
    with OCI("/bin/true") as box:
        box.config["hooks"] = {"poststop": [{"path": TMP + "/hook"}]}
        box.ok("run", "--bundle", box.write().bundle)
        check(os.path.exists(said), "the hook of one's own container runs")
        os.unlink(said)
        try:
            os.makedirs(root + "/box")
            with open(root + "/box/config.json", "w") as file:
                json.dump(box.config, file)
            with open(root + "/box/state.json", "w") as file:
                state = {"id": "box", "pid": 1, "startTime": 1, "bundle": box.bundle, "cgroup": "", "hooks": True}
                json.dump(state, file)
            os.chown(root, 1000, 1000)
            verbs = "state box|start box|kill box|delete box|delete --force box|exec box true|ps box|pause box"
            for words in f"{verbs}|resume box|update --memory 10m box|events --stats box".split("|"):
                r = run([program("boxstep-oci"), "--root", root, *words.split()])
                equal((r.status, r.out), (1, ""), words)
                contains(r.err, "it belongs to somebody else")
            check(not os.path.exists(said), "no hook of it has run")
            os.chown(root, 0, 0)
            equal(run([program("boxstep-oci"), "--root", root, "delete", "box"]).status, 0)
            check(os.path.exists(said), "one's own directory is believed")
        finally:
            shutil.rmtree(root)


@test("a directory of addresses that somebody else has laid out in /tmp is not used", steps=for_steps(6, 7))
def _(s):
    top = f"/tmp/boxstep-{os.getpid()}"
    os.makedirs(top + "/net")
    try:
        for owner, status in ((1000, 125), (0, 0)):
            os.chown(top, owner, owner)
            r = run(["env", f"BOXSTEP_NET={top}/net", *s.argv("--network", "none", cmd=["/bin/true"])])
            equal(r.status, status, r.err)
            equal("EPERM" in r.err, owner != 0, r.err)
            equal([files for _, _, files in os.walk(top) if files], [], "no lease is left")
    finally:
        shutil.rmtree(top)


@test("a caller that ignores SIGCHLD gets the command's status, not a hang", steps=for_steps(2, 7))
def _(s):
    r = run(s.argv(cmd=[s.probe, "exit", "7"]), prepare=ignoring_children, timeout=20)
    equal(r.status, 7)


@test("with 0, 1 and 2 closed nothing is written into a file that took their place", steps=for_steps(1, 7))
def _(s):
    def closed():
        os.closerange(0, 3)

    path = TMP + "/told"
    argv = s.argv("--explain-to", path, cmd=["/no/such/command"])
    child = subprocess.Popen(argv, env=harness.environment(), preexec_fn=closed)
    equal(child.wait(20), 127)
    for line in read(path).splitlines():
        json.loads(line)


def closed_to_others():
    os.umask(0o077)


@test("whatever the caller's umask, a user inside gets through to what was made for it", steps=for_steps(3, 7))
def _(s):
    r = run(s.argv("--tmpfs", "/tmp/made/deep", cmd=[s.probe, "stat", "/tmp/made", "stat", "/dev/null"]), prepare=closed_to_others)
    contains(r.lines[0], "directory 0755")
    contains(r.lines[1], "0666")
    shutil.rmtree(ROOTFS + "/tmp/made")


@test("a container has the umask 022 of other runtimes, and what was made for it is open to its users")
def _():
    box = OCI("/bin/sh", "-c", "umask; stat -c %a /tmp/made", rootfs=make_rootfs()).mount("/tmp/made/deep")
    os.symlink("busybox", TMP + "/image/bin/stat")
    r = box.run(prepare=closed_to_others)
    equal(r.out, "0022\n755\n")


@test("a profile that asks a supervisor is refused, not put on without one")
def _():
    calls = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]
    with open(TMP + "/profile", "w") as file:
        json.dump({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": TMP + "/none", "syscalls": calls}, file)
    bad("SCMP_ACT_NOTIFY", harness.Step(7).argv("--seccomp", TMP + "/profile", cmd=["/bin/true"]), names="SCMP_ACT_NOTIFY")


@test("the relay of published ports has nobody's ids and no group", needs="root net")
def _():
    p = start(harness.Step(6).argv("--network", "bridge", "--publish", "127.0.0.1:18431:80", cmd=["/bin/probe", "sleep", "30"]), prepare=in_groups)
    relay = lambda: [c for c in children(p.pid) if read(f"/proc/{c}/comm") == "boxstep-relay\n"]
    wait_for(relay, "the relay")
    status = read(f"/proc/{relay()[0]}/status")
    matches(status, r"(?m)^Uid:\t65534\t65534\t65534\t65534$")
    matches(status, r"(?m)^Gid:\t65534\t65534\t65534\t65534$")
    matches(status, r"(?m)^Groups:\s*$")
    p.send(signal.SIGTERM)
    p.wait()


def children(pid):
    return read(f"/proc/{pid}/task/{pid}/children").split()


@test("an annotation that is null, a number or an object is refused by its name")
def _():
    for value in (None, 1, {}, [], True):
        box = OCI("/bin/probe", "exit", "3")
        box.config["annotations"] = {"boxstep.init": value, "boxstep.seccomp": value}
        r = box.run()
        equal((r.status, r.out), (1, ""), repr(value))
        contains(r.err, 'annotations: "boxstep.init"')


# ---- what it says --------------------------------------------------------------------------------

WORDS = [
    'a\n      1  umount2("/", 0) = 0',
    '"}\n{"who":1,"call":"forged"',
    "\x1b[2J\x1b]0;title\x07",
    b"\xff\xfe\xc3",
    "\u009b31m",
    "\\",
    "é" * 60,
    b"x" * 79 + "é".encode(),
    "w" * 5000,
]


@test("--explain=json is one JSON object a line, whatever the words", steps=for_steps(1, 7))
def _(s):
    path = TMP + "/told"
    for words in [[w] for w in WORDS] + [WORDS]:
        r = run(s.argv("--explain=json", "--explain-to", path, cmd=[s.probe, "args", *words][: len(words) + 2]))
        with open(path, "rb") as file:
            told = [json.loads(line.decode()) for line in file.read().splitlines()]
        check(told and all("forged" not in t["call"] or t["call"].startswith("execve(") for t in told))
        os.unlink(path)


@test("told as text, a call is a line, and no word of the command steers the terminal", steps=for_steps(1, 7))
def _(s):
    for word in WORDS[:6]:
        r = subprocess.run(
            s.argv("--explain=brief", cmd=[s.probe, "exit", "0", word]), env=harness.environment(), capture_output=True, timeout=30
        )
        text = r.stderr.decode()  # strict: bytes that are no UTF-8 are written as numbers
        for line in text.splitlines():
            matches(line, r"^ *\d+  [a-z]\w*\(")
        check(not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text), "control characters")


@test("an error that names a caller's word is one line, without control characters", steps=for_steps(1, 7))
def _(s):
    for argv in (["--no\x1b[31m\nx"], ["--hostname", "a\nb\x1b[2J" * 30, "--uts"], ["--explain=\x1b[1m"]):
        r = run(s.argv(*argv, cmd=[s.probe]))
        equal(r.status, 125)
        equal(r.err.count("\n"), 1)
        check(not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", r.err), "control characters")
