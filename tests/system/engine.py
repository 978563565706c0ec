"""The engine boxstep as people use it who know docker: run, ps, logs, exec, stop, kill, rm, inspect,
images, rmi, pull; what a killed monitor and a full disk leave; what a terminal sees."""

import ctypes
import fcntl
import select
import struct
import termios

from harness import *

APP = IMAGE_DIR + ":app"


def box(*words, timeout=30, **options):
    return run([program("boxstep"), *words], timeout=timeout, **options)


def ok(*words, **options):
    r = box(*words, **options)
    equal(r.status, 0, " ".join(words))
    return r


def network(words):
    return [] if any(str(w).startswith(("--network", "-p")) for w in words) else ["--network", "none"]


def once(*words, cmd=(), image=IMAGE, **options):
    """A container that is removed when it has ended, without a network unless one is asked for."""
    return box("run", "--rm", *network(words), *words, image, *cmd, **options)


class Container:
    """One that runs in the background; removed at the end."""

    def __init__(self, *words, cmd=("/bin/sleep", "300"), name="web", image=IMAGE, **options):
        self.name = name
        r = ok("run", "-d", "--name", name, *network(words), *words, image, *cmd, **options)
        self.id = r.out.strip()

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        try:
            box("rm", "-f", self.name)
        except Exception:  # what failed before is the cause
            if not failed:
                raise

    def record(self):
        return json.loads(ok("inspect", self.name).out)[0]

    def logs(self, *words):
        return ok("logs", *words, self.name)

    def wait(self):
        wait_for(lambda: self.record()["status"] == "exited", "the end of the container")
        return self.record()


def gone():
    equal(ok("ps", "-aq").out, "", "containers that are left")


# ---- run: statuses -------------------------------------------------------------------------------


@test("run gives the command's status, 127 for a missing one, 126 for one that cannot run, 128+n, 125 for ours")
def _():
    equal(once(cmd=["/bin/sh", "-c", "exit 7"]).status, 7)
    r = once(cmd=["nosuch"])
    equal(r.status, 127)
    contains(r.err, "nosuch")
    equal(once(cmd=["/etc/passwd"]).status, 126)
    equal(once("--init", cmd=["/bin/sh", "-c", "kill -TERM $$"]).status, 143)
    r = once("--nosuch")
    equal(r.status, 125)
    contains(r.err, "nosuch")
    gone()


@test("stdout and stderr are the command's, each on its own")
def _():
    r = once(cmd=["/bin/sh", "-c", "echo out; echo err >&2"])
    equal((r.status, r.out, r.err), (0, "out\n", "err\n"))


@test("everything that the command wrote arrives, also a great deal at its end")
def _():
    r = once(cmd=["/bin/sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo end"])
    equal((len(r.out), r.out[-5:]), (3000004, "xend\n"))


@test("standard input reaches the command with -i alone")
def _():
    equal(once("-i", cmd=["/bin/cat"], input="through\n").out, "through\n")
    equal(once(cmd=["/bin/cat"], input="not this\n").out, "")


@test("without --rm the container stays until rm, with what it wrote; with --rm nothing stays")
def _():
    equal(box("run", "--name", "kept", "--network", "none", IMAGE, "/bin/sh", "-c", "echo x > /file").status, 0)
    contains(ok("ps", "-a").out, "kept")
    record = json.loads(ok("inspect", "kept").out)[0]
    store = STAGE + "/home/store/containers/" + record["id"]
    equal(read(store + "/upper/file"), "x\n")
    equal(ok("rm", "kept").out, "kept\n")
    check(not os.path.exists(store))
    once(cmd=["/bin/true"])
    gone()


@test("-d prints the id of 64 digits and returns; the container runs on")
def _():
    with Container() as c:
        matches(c.id, r"\A[0-9a-f]{64}\Z")
        equal(c.record()["status"], "running")
        equal(c.record()["id"], c.id)
        for word in (c.id, c.id[:12], "web"):
            contains(ok("exec", word, "hostname").out, c.id[:12])


@test("a name that is taken is refused, and a bad one")
def _():
    with Container():
        r = box("run", "--name", "web", IMAGE, "/bin/true")
        equal((r.status, r.out), (125, ""))
        contains(r.err, "taken")
    for name in ("a/b", "-x", "", "a b"):
        r = box("run", "--name=" + name, IMAGE, "/bin/true")
        equal(r.status, 125, name)
        contains(r.err, "--name")


@test("two runs with one name at once: exactly one wins")
def _():
    words = [program("boxstep"), "run", "-d", "--name", "same", "--network", "none", IMAGE, "/bin/sleep", "300"]
    both = [start(words) for _ in range(2)]
    try:
        ends = [p.wait() for p in both]
        equal(sorted(r.status for r in ends), [0, 125])
    finally:
        box("rm", "-f", "same")
    gone()


@test("several containers at once do not get into each other's way")
def _():
    many = [start([program("boxstep"), "run", "--rm", "--network", "none", IMAGE, "/bin/sh", "-c", f"sleep 0.2; echo {n}; exit {n}"]) for n in range(5)]
    for n, p in enumerate(many):
        r = p.wait()
        equal((r.status, r.out), (n, f"{n}\n"))
    gone()


# ---- run: options --------------------------------------------------------------------------------


@test("the image's config is honoured: entrypoint, command, user, working directory, environment")
def _():
    r = once(image=IMAGE, cmd=["/bin/sh", "-c", "pwd; echo $GREETING; id -u"])
    equal(r.lines, ["/srv", "hello", "0"])
    r = once(image=APP)
    equal(r.status, 0)
    contains(r.out, "world")
    contains(once(image=APP, cmd=["moon"]).out, "moon")
    equal(once("--entrypoint", "/usr/bin/id", image=APP, cmd=["-u"]).out, "1000\n")


@test("-e, --env-file, -w, --hostname and HOSTNAME, HOME")
def _():
    with open(TMP + "/env", "w") as file:
        file.write("# a comment\nFROM_FILE=1\nWORDS=a b c\n\n")
    r = once("-e", "A=B", "-e", "GREETING=bye", "--env-file", TMP + "/env", "-e", "INHERITED", cmd=["env"], env={"INHERITED": "yes"})
    for line in ("A=B", "GREETING=bye", "FROM_FILE=1", "WORDS=a b c", "INHERITED=yes", "HOME=/root"):
        contains(r.lines, line)
    absent(r.out, "GREETING=hello")
    equal(once("-w", "/made/here", cmd=["pwd"]).out, "/made/here\n")
    equal(once("--hostname", "box", cmd=["/bin/sh", "-c", "hostname; echo $HOSTNAME"]).out, "box\nbox\n")
    with open(TMP + "/env", "w") as file:
        file.write("HOSTNAME=mine\nTERM=dumb\n")
    own = ["HOSTNAME=mine", "TERM=dumb"]
    for words in (["-e", own[0], "-e", own[1]], ["--env-file", TMP + "/env"]):
        r = once("-t", "--hostname", "box", *words, cmd=["env"])
        equal([line for line in r.lines if line.startswith(("HOSTNAME=", "TERM="))], own)
    contains(once("-t", cmd=["env"]).lines, "TERM=xterm")


@test("what a service manager gives to run stays outside: NOTIFY_SOCKET, LISTEN_FDS and its descriptors")
def _():
    given = ["sh", "-c", 'exec 3<"$0"; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', TMP]
    env = {"NOTIFY_SOCKET": TMP + "/socket"}
    for words in ([], ["--init"]):
        r = run([*given, program("boxstep"), "run", "--rm", "--network", "none", *words, IMAGE, "sh", "-c", "env; ls /proc/self/fd"], env=env)
        equal(r.status, 0)
        absent(r.out, "LISTEN_")
        absent(r.out, "NOTIFY_")
        equal(r.lines[-4:], ["0", "1", "2", "3"], "the last is the directory that ls reads")


@test("-u takes names and numbers of the image, and groups; a name that is missing is refused")
def _():
    equal(once("-u", "app", cmd=["/bin/sh", "-c", "id -u; id -g; id -G; echo $HOME"]).lines, ["1000", "1000", "1000 1001", "/home"])
    equal(once("-u", "1234:5678", cmd=["/bin/sh", "-c", "id -u; id -g"]).lines, ["1234", "5678"])
    equal(once("-u", "app:extra", cmd=["id", "-g"]).out, "1001\n")
    for user in ("nosuch", "-1", "4294967296", "app:nosuch"):
        r = once(f"--user={user}", cmd=["/bin/true"])
        equal((r.status, r.out), (125, ""), user)
    gone()


@test("-v: a directory of the host, read-only, and a named volume that outlives containers")
def _():
    os.makedirs(TMP + "/data")
    with open(TMP + "/data/file", "w") as file:
        file.write("content\n")
    r = once("-v", TMP + "/data:/data", cmd=["/bin/sh", "-c", "cat /data/file; echo new > /data/new"])
    equal((r.status, r.out, read(TMP + "/data/new")), (0, "content\n", "new\n"))
    r = once("-v", TMP + "/data:/data:ro", cmd=["/bin/sh", "-c", "echo x > /data/x"])
    differs(r.status, 0)
    contains(r.err, "Read-only")
    once("-v", "vol:/vol", cmd=["/bin/sh", "-c", "echo kept > /vol/f"])
    equal(once("-v", "vol:/other", cmd=["cat", "/other/f"]).out, "kept\n")
    shutil.rmtree(STAGE + "/home/store/volumes")
    for word in ("/no/such:/data", "data", "a/b:/data", f"{TMP}:data", ".x:/data"):
        r = once("-v", word, cmd=["/bin/true"])
        equal((r.status, r.out), (125, ""), word)
        contains(r.err, "-v " + word.split(":")[0])
    gone()


# In a mount namespace of its own, with a kernel that seems to have SELinux.
SELINUX = """mount -t tmpfs tmpfs /sys/fs && mkdir /sys/fs/selinux && echo 0 > /sys/fs/selinux/enforce && exec "$@" """


@test("-v with z or Z: left out without SELinux, and with it refused, because nothing would be labelled")
def _():
    os.makedirs(TMP + "/data")
    for words in ("z", "Z", "ro,z", "Z,ro"):
        r = once("-v", f"{TMP}/data:/data:{words}", cmd=["/bin/sh", "-c", "echo x > /data/x"])
        equal((r.status, "Read-only" in r.err), (1, True) if "ro" in words else (0, False), words)
        argv = [program("boxstep"), "run", "--rm", "--network", "none", "-v", f"{TMP}/data:/data:{words}", IMAGE, "true"]
        r = run(["unshare", "-m", "sh", "-c", SELINUX, "sh", *argv])
        equal((r.status, r.out), (125, ""))
        contains(r.err, "SELinux label")
        contains(r.err, "chcon")
    gone()


@test("a named volume that is empty begins with what the image has there, owner and mode too; a used one is kept")
def _():
    volumes = STAGE + "/home/store/volumes"
    try:
        r = once("-v", "new:/srv", "-v", "owned:/data", "-v", "closed:/srv/dir:ro", "-v", "open:/tmp", "-v", "none:/none",
                 cmd=["/bin/sh", "-c", "cat /srv/keep /srv/dir/c; stat -c '%u:%g %a' /srv /data /srv/dir /tmp /none; touch /srv/dir/x"])
        equal(r.lines, ["kept", "c", "0:0 755", "1000:1000 755", "0:0 750", "0:0 1777", "0:0 755"])
        contains(r.err, "Read-only")
        equal(once("-v", "new:/srv", cmd=["/bin/sh", "-c", "rm /srv/keep; echo mine > /srv/own"]).status, 0)
        equal(once("-v", "new:/srv", cmd=["ls", "/srv"]).lines, ["dir", "link", "own"])
        equal(once("-v", "new:/data", cmd=["ls", "/data"]).lines, ["dir", "link", "own"])
        equal(read(volumes + "/new/own"), "mine\n")
    finally:
        shutil.rmtree(volumes)
    gone()


@test("--tmpfs, --read-only, --shm-size")
def _():
    r = once("--read-only", "--tmpfs", "/scratch:size=1m", "--shm-size", "2m", cmd=["/bin/sh", "-c", "echo x > /f; echo y > /scratch/f && cat /scratch/f; mount | grep -E ' /(scratch|dev/shm) '"])
    contains(r.err, "Read-only")
    contains(r.out, "y\n")
    contains(r.out, "size=1024k")
    contains(r.out, "size=2048k")


@test("a volume of the image is the container's own, and begins with what the image has there")
def _():
    r = once("--entrypoint", "/bin/sh", "-u", "0", image=APP, cmd=["-c", "grep ' /data ' /proc/self/mountinfo && ls /data"])
    equal(r.status, 0)


@test("--cap-drop ALL leaves none; the usual set, the filter and no_new_privs are the default")
def _():
    r = once(cmd=["/bin/probe", "caps"])
    matches(r.out, r"^bounding 00000000a[0-9a-f]{7}$")
    contains(r.out, "no_new_privs 1\nseccomp 2\n")
    r = once("--cap-drop", "ALL", cmd=["/bin/probe", "caps"])
    for name in ("effective", "permitted", "bounding"):
        contains(r.out, f"{name} 0000000000000000\n")
    r = once("--cap-drop", "ALL", "--cap-add", "KILL", cmd=["/bin/probe", "caps"])
    contains(r.out, "effective 0000000000000020\n")


@test("--init puts an init above the command; without it the command is PID 1")
def _():
    contains(once(cmd=["/bin/probe", "ids"]).out, "pid 1\n")
    contains(once("--init", cmd=["/bin/probe", "ids"]).out, "pid 2\nppid 1\n")


@test("--network none has lo alone, host is the host's, bridge has an address and the host's names", needs="root nft")
def _():
    equal(sorted(set(re.findall(r"^interface (\w+)|^(lo|eth0)\b", once("--network", "none", cmd=["ip", "-o", "link"]).out, re.M))), [])
    absent(once("--network", "none", cmd=["ip", "link"]).out, "eth0")
    equal(once("--network", "host", cmd=["readlink", "/proc/self/ns/net"]).out.strip(), os.readlink("/proc/self/ns/net"))
    r = once("--network", "bridge", "--hostname", "box", cmd=["/bin/sh", "-c", "ip addr show eth0; cat /etc/hosts"])
    equal(r.status, 0)
    matches(r.out, r"inet \d+\.\d+\.\d+\.\d+/")
    matches(r.out, r"^\d+\.\d+\.\d+\.\d+\s+.*box")


@test("-p: a published port is reached, told by ps, and free again afterwards", needs="root nft")
def _():
    import socket

    def ask():
        with socket.create_connection(("127.0.0.1", 18080), 5) as s:
            s.sendall(b"hi")
            return s.recv(100)

    with Container("-p", "18080:80", cmd=["/bin/probe", "listen", "tcp", "0.0.0.0", "80", "answer"]) as c:
        def answered():
            try:
                return ask()
            except OSError:
                return b""

        contains(wait_for(answered, "an answer").decode(), "answer")
        contains(ok("ps").out, "18080->80/tcp")
        r = box("run", "--rm", "-p", "18080:80", IMAGE, "/bin/true")
        equal(r.status, 125)
        contains(r.err, "18080")
        ok("stop", "-t", "0", "web")
        try:
            ask()
            check(False, "still reached")
        except OSError:
            pass


# ---- terminals -----------------------------------------------------------------------------------


def size_of(fd, rows, columns):
    import fcntl
    import struct

    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@test("-it: a pty of the caller's size, Ctrl-C is the command's, the terminal is as before afterwards")
def _():
    words = ["run", "--rm", "-it", "--network", "none", IMAGE, "/bin/sh", "-c", "trap 'echo caught; exit 5' INT; stty size; tty; echo on; while :; do sleep 0.1; done"]
    p = start(["/bin/sh", "-c", 'stty rows 31 cols 79; "$@"; echo status $?; stty -a', "sh", program("boxstep"), *words], pty=True)
    p.read_until("on\r\n")
    contains(p.out, "31 79")
    contains(p.out, "/dev/pts/0")
    p.write(b"\x03")
    p.read_until("status 5")
    p.read_until("rows")
    r = p.wait()
    contains(r.out, "caught")
    matches(r.out, r"(^| )echo ")
    matches(r.out, r"(^| )icanon")
    gone()


@test("-it: a new size of the window reaches the container")
def _():
    p = start([program("boxstep"), "run", "--rm", "-it", "--network", "none", IMAGE, "/bin/sh", "-c", "trap 'stty size; exit' WINCH; echo on; while :; do sleep 0.1; done"], pty=True)
    p.read_until("on\r\n")
    size_of(p.terminal, 44, 99)
    p.read_until("44 99")
    equal(p.wait().status, 0)


@test("-t without a terminal is refused with -i; -it with -d too when --rm is asked")
def _():
    r = once("-it", cmd=["/bin/true"])
    equal(r.status, 125)
    contains(r.err, "-t")
    gone()


@test("Ctrl-C of a foreground run reaches the command and ends the run with its status")
def _():
    p = start([program("boxstep"), "run", "--rm", "--network", "none", IMAGE, "/bin/sh", "-c", "trap 'echo caught; exit 3' INT; echo on; while :; do sleep 0.1; done"])
    p.read_until("on")
    os.killpg(p.pid, signal.SIGINT)
    r = p.wait()
    equal(r.status, 3)
    equal(r.out.count("caught"), 1, "the signal came once")
    gone()


# ---- ps, logs, inspect ---------------------------------------------------------------------------


@test("ps has docker's columns; -a shows what has ended, with its status; -q the ids")
def _():
    with Container() as c:
        r = ok("ps")
        equal(re.split(r" {2,}", r.lines[0].strip()), ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"])
        matches(r.lines[1], rf'^{c.id[:12]} +\S+:latest +"/bin/sleep 300" +\S.* ago +Up \S.* +web$')
        equal(ok("ps", "-q").out, c.id[:12] + "\n")
        equal(ok("ps", "-q", "--no-trunc").out, c.id + "\n")
        ok("kill", "web")
        c.wait()
        equal(len(ok("ps").lines), 1)
        matches(ok("ps", "-a").out, r"Exited \(137\) .* ago +web$")


@test("logs: both streams, --tail, -t, and -f until the end")
def _():
    script = "for n in 1 2 3; do echo out$n; echo err$n >&2; done; sleep 0.5; printf last"
    with Container(cmd=["/bin/sh", "-c", script]) as c:
        p = start([program("boxstep"), "logs", "-f", "web"])
        r = p.wait()
        equal((r.status, r.out), (0, "out1\nout2\nout3\nlast"))
        equal(r.err, "err1\nerr2\nerr3\n")
        c.wait()
        equal(c.logs("--tail", "1").out, "last")
        equal(c.logs("--tail", "0").out, "")
        equal(len(c.logs("--tail", "all").out), len(r.out))
        matches(c.logs("-t").out, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z out1$")
    equal(box("logs", "--tail", "x", "web").status, 125)
    r = box("logs", "web")
    equal(r.status, 125)
    contains(r.err, "no such container: web")


@test("inspect is JSON: what was asked, what runs, and how it ended")
def _():
    with Container("-l", "a=b", "-e", "X=Y") as c:
        r = c.record()
        equal((r["name"], r["status"], r["labels"]), ("web", "running", {"a": "b"}))
        check(os.path.exists(f"/proc/{r['pid']}"))
        contains(r["config"]["process"]["env"], "X=Y")
        ok("kill", "-s", "TERM", "web")  # PID 1 has no handler
        time.sleep(0.2)
        equal(c.record()["status"], "running")
        ok("kill", "web")
        r = c.wait()
        equal((r["exitCode"], r["pid"], r.get("oomKilled", False)), (137, 0, False))
    equal(box("inspect", "nosuch").status, 1)


def subreaper():
    """Orphans of what this test starts become its children."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


# ---- exec ----------------------------------------------------------------------------------------


@test("exec: status, -i, -u, -w, -e, a terminal; 127 and 126 as run gives them")
def _():
    with Container("--hostname", "inside"):
        equal(ok("exec", "web", "hostname").out, "inside\n")
        equal(box("exec", "web", "/bin/sh", "-c", "exit 9").status, 9)
        equal(box("exec", "web", "nosuch").status, 127)
        equal(box("exec", "web", "/etc/passwd").status, 126)
        equal(box("exec", "-i", "web", "cat", input="through\n").out, "through\n")
        equal(box("exec", "web", "cat", input="not\n").out, "")
        equal(ok("exec", "-u", "app", "web", "id", "-u").out, "1000\n")
        equal(ok("exec", "-w", "/etc", "web", "pwd").out, "/etc\n")
        contains(ok("exec", "-e", "A=B", "web", "env").lines, "A=B")
        r = ok("exec", "web", "/bin/probe", "caps")
        contains(r.out, "no_new_privs 1\nseccomp 2\n")
        p = start([program("boxstep"), "exec", "-it", "web", "/bin/sh", "-c", "tty; read x; echo got $x; exit 4"], pty=True)
        p.read_until("/dev/pts/")
        p.write("word\r")
        r = p.wait()
        equal(r.status, 4)
        contains(r.out, "got word")
        subreaper()  # PID 1 does not end before every process of its namespace is reaped by its parent
        ok("exec", "-d", "web", "sleep", "1")
        wait_for(lambda: "sleep 1" in ok("exec", "web", "ps").out, "the detached process")
        equal(os.waitstatus_to_exitcode(os.wait()[1]), 0)
        equal(box("exec", "web").status, 125)
        ok("kill", "web")
        wait_for(lambda: box("exec", "web", "true").status == 125, "the end")
        contains(box("exec", "web", "true").err, "not running")


# ---- stop, kill, rm ------------------------------------------------------------------------------


@test("stop sends the image's signal first, then KILL after the time")
def _():
    script = "trap 'echo quit; exit 0' QUIT; echo on; while :; do sleep 0.05; done"
    with Container("--entrypoint", "/bin/sh", image=APP, cmd=["-c", script]) as c:
        wait_for(lambda: "on" in c.logs().out, "the command")
        equal(ok("stop", "web").out, "web\n")
        contains(c.logs().out, "quit")
        equal(c.record()["exitCode"], 0)
    with Container() as c:
        began = time.monotonic()
        ok("stop", "-t", "1", "web")
        check(time.monotonic() - began >= 1, "it had its second")
        equal(c.record()["exitCode"], 137)
        ok("stop", "web")
    equal(box("stop", "nosuch").status, 1)


@test("kill sends any signal; rm refuses what runs, rm -f takes it; several words at once")
def _():
    with Container(cmd=["/bin/probe", "catch", "5"]) as c:
        wait_for(lambda: "ready" in c.logs().out, "the command")
        ok("kill", "-s", "USR1", "web")
        wait_for(lambda: "10" in c.logs().out.split("ready")[1], "the signal")
        r = box("rm", "web")
        equal(r.status, 1)
        contains(r.err, "running")
        with Container(name="other"):
            r = box("rm", "-f", "web", "nosuch", "other")
            equal((r.status, r.out), (1, "web\nother\n"))
            contains(r.err, "nosuch")
    equal(box("kill", "-s", "NOSUCH", "web").status, 125)
    gone()


# ---- images --------------------------------------------------------------------------------------


@test("images has docker's columns; rmi refuses an image that a container uses")
def _():
    with Container():
        r = ok("images")
        equal(re.split(r" {2,}", r.lines[0].strip()), ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"])
        check(len(r.lines) > 1, "there is an image")
        image = ok("images", "-q").lines
        check(all(re.fullmatch(r"[0-9a-f]{12}", i) for i in image), image)
        record = json.loads(ok("inspect", "web").out)[0]
        used = record["imageId"].split(":")[-1][:12]
        r = box("rmi", used)
        equal(r.status, 1)
        contains(r.err, "needed by " + record["id"])
    ok("rmi", used)
    equal(box("rmi", "nosuch").status, 1)


@test("an image that is nowhere is refused, named, and nothing is left")
def _():
    for word in ("/no/such/layout", IMAGE_DIR + ":nosuch"):
        r = box("run", "--rm", "--pull", "never", word, "/bin/true")
        equal((r.status, r.out), (125, ""))
        contains(r.err, "nosuch" if "nosuch" in word else word)
    r = box("run", "--pull", "sometimes", IMAGE)
    equal(r.status, 125)
    contains(r.err, "--pull")
    gone()


# ---- killed and full -----------------------------------------------------------------------------


def parent(pid):
    return int(re.search(r"^PPid:\s*(\d+)", read(f"/proc/{pid}/status"), re.M).group(1))


@test("kill -9 of the monitor: the container goes with it, ps says so, rm clears everything")
def _():
    with Container() as c:
        pid = c.record()["pid"]
        os.kill(parent(pid), signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{pid}") or "State:\tZ" in read(f"/proc/{pid}/status"), "the end of the first process")
        matches(ok("ps", "-a").out, r"Exited \(137\)")
        equal(ok("ps", "-q").out, "")
        contains(c.record()["error"], "monitor")
        equal(box("exec", "web", "true").status, 125)
        ok("rm", "web")
    gone()


@test("kill -9 of the client of a foreground run: the container runs on, and can be removed")
def _():
    p = start([program("boxstep"), "run", "--name", "web", "--network", "none", IMAGE, "/bin/sh", "-c", "echo on; sleep 300"])
    p.read_until("on")
    p.send(signal.SIGKILL)
    equal(p.wait().status, 137)
    contains(ok("ps").out, "Up ")
    ok("rm", "-f", "web")
    gone()


@test("kill -9 of a run in its first moments leaves what ps and rm clear", timeout=180)
def _():
    ok("run", "--rm", "--network", "none", IMAGE, "/bin/true")
    for delay in [0.002 * n for n in range(1, 12)]:
        p = start([program("boxstep"), "run", "-d", "--network", "none", IMAGE, "/bin/sleep", "300"])
        time.sleep(delay)
        p.send(signal.SIGKILL)
        p.wait()
        time.sleep(0.1)
        for name in ok("ps", "-aq").out.split():
            ok("rm", "-f", name)
    gone()


@test("a full disk is told as one, and the container is not left behind")
def _():
    small = TMP + "/small"
    os.makedirs(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", small], check=True)
    try:
        r = box("run", "--rm", "--network", "none", IMAGE, "/bin/true", env={"BOXSTEP_ROOT": small})
        equal((r.status, r.out), (125, ""))
        matches(r.err, "ENOSPC|No space left")
        equal(box("ps", "-aq", env={"BOXSTEP_ROOT": small}).out, "")
    finally:
        subprocess.run(["umount", small], check=True)

# ---- what a review of the engine asked -----------------------------------------------------------


def on_pty(*words):
    return start([program("boxstep"), *words], pty=True)


@test("-i on a terminal without -t: the command gets its bytes and its end through a pipe, not the terminal")
def _():
    p = on_pty("run", "--rm", "-i", "--network", "none", IMAGE, "/bin/sh", "-c", "readlink /proc/self/fd/0; cat; echo over")
    p.read_until("pipe:")
    p.write("word\n")
    p.read_until("word\r\nword")
    p.write(b"\x04")
    p.read_until("over")
    equal(p.wait().status, 0)
    gone()


@test("-d -i: standard input stays open and empty, and is not the caller's")
def _():
    with Container("-i", cmd=["/bin/sh", "-c", "readlink /proc/self/fd/0; cat; echo ended"]) as c:
        wait_for(lambda: "pipe:" in c.logs().out, "the command")
        time.sleep(0.2)
        equal(c.record()["status"], "running")
        absent(c.logs().out, "ended")


@test("exec on a terminal without -t hands no terminal in; -t without -i takes no input; the size follows")
def _():
    with Container():
        p = on_pty("exec", "web", "/bin/sh", "-c", "for n in 0 1 2; do readlink /proc/self/fd/$n; done; exit 3")
        r = p.wait()
        equal(r.status, 3)
        absent(r.out, "/dev/pts")
        equal(r.out.count("pipe:"), 2)
        p = on_pty("exec", "web", "/bin/sh", "-c", "trap 'echo caught; exit 6' INT; echo on; while :; do sleep 0.1; done")
        p.read_until("on\r\n")
        p.write(b"\x03")
        r = p.wait()
        equal((r.status, r.out.count("caught")), (6, 1))
        p = on_pty("exec", "-i", "web", "cat")
        p.write("through\n\x04")
        r = p.wait()
        equal((r.status, r.out.count("through")), (0, 2))
        p = on_pty("exec", "-it", "web", "/bin/sh", "-c", "trap 'stty size; exit' WINCH; echo on; while :; do sleep 0.1; done")
        p.read_until("on\r\n")
        size_of(p.terminal, 45, 98)
        p.read_until("45 98")
        equal(p.wait().status, 0)


@test("exec -e takes the place of the variable that is there, and NAME alone is the caller's")
def _():
    with Container("-e", "A=old"):
        r = ok("exec", "-e", "A=new", "-e", "HERE", "-e", "AB=other", "web", "/bin/sh", "-c", "tr '\\0' '\\n' < /proc/$$/environ; true", env={"HERE": "1"})
        equal([line for line in r.lines if line.startswith("A=")], ["A=new"])
        contains(r.lines, "HERE=1")
        contains(r.lines, "AB=other")


@test("exec -d returns at once and holds nothing of the caller")
def _():
    with Container():
        subreaper()
        r = ok("exec", "-d", "web", "/bin/sh", "-c", "ls -l /proc/$$/fd > /fds; sleep 1")
        check(r.seconds < 1 * SLOW, "waited for it")
        wait_for(lambda: box("exec", "web", "cat", "/fds").out.count("/dev/null") == 3, "its descriptors")
        os.wait()  # of the orphan: PID 1 does not end before it


@test("exec is in the cgroup of PID 1, with its rights, filter and namespaces")
def _():
    with Container("--cap-drop", "ALL", "--cap-add", "CHOWN", "-u", "0"):
        script = "cat /proc/$1/cgroup; grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/$1/status; for n in pid net mnt uts ipc cgroup; do readlink /proc/$1/ns/$n; done"
        one = ok("exec", "web", "/bin/sh", "-c", script, "sh", "1").out
        equal(ok("exec", "web", "/bin/sh", "-c", script, "sh", "self").out, one)
        contains(one, "CapEff:\t0000000000000001")


@test("for another user than root a file's capabilities give nothing, in run and in exec")
def _():
    path = f"{TMP}/probe"
    shutil.copy(PROBE, path)
    os.chmod(path, 0o755)
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1, 0, 0, 0))  # chown, effective
    words = ["-v", f"{path}:/tmp/probe"]
    matches(once("-u", "1000", *words, cmd=["/tmp/probe", "caps"]).out, r"(?m)^permitted 0+$")
    with Container(*words):
        matches(ok("exec", "-u", "1000", "web", "/tmp/probe", "caps").out, r"(?m)^permitted 0+$")
        matches(ok("exec", "web", "/tmp/probe", "caps").out, r"(?m)^permitted 0*[1-9a-f]")


@test("a reader of the output that goes away ends the client, and neither the command nor sends it a signal")
def _():
    script = "trap 'echo pipe >> /hit' PIPE; while [ ! -e /stop ]; do echo line; sleep 0.02; done; sleep 300"
    p = start([program("boxstep"), "run", "--name", "web", "--network", "none", IMAGE, "/bin/sh", "-c", script])
    try:
        p.read_until("line")
        p.popen.stdout.close()
        p.streams.pop(next(fd for fd, s in p.streams.items() if s == "out"))
        r = p.wait()
        equal(r.status, 125)
        contains(r.err, "write to standard output: EPIPE: Broken pipe; the container goes on")
        equal(box("exec", "web", "cat", "/hit").status, 1)
        contains(ok("ps").out, "web")
    finally:
        box("rm", "-f", "web")
    gone()


@test("output that finds no room is an error of run and of exec -t, of exec without a terminal the command's own")
def _():
    words = f"{program('boxstep')} run --rm --network none {IMAGE}"
    for command, goes_on in ("echo hi", False), ("sh -c 'echo hi; sleep 300'", True):
        r = run(["sh", "-c", f"{words} {command} >/dev/full"])
        equal(r.status, 125)
        contains(r.err, "write to standard output: ENOSPC")
        if goes_on:
            (name,) = ok("ps", "-q").out.split()
            r = run(["sh", "-c", f"{program('boxstep')} exec -t {name} echo hi >/dev/full"])
            equal(r.status, 125)
            contains(r.err, "write to standard output: ENOSPC")
            r = run(["sh", "-c", f"{program('boxstep')} exec {name} echo hi >/dev/full"])
            equal(r.status, 1)
            contains(r.err, "echo: write error")
            ok("rm", "-f", name)
        wait_for(lambda: ok("ps", "-aq").out == "", "the end")  # --rm, which that client did not wait for


@test("whoever waits for the end of the client's output does not wait for the container when the client is killed")
def _():
    words = ["run", "--rm", "--name", "web", "--network", "none", IMAGE, "/bin/sh", "-c", "echo on; sleep 300"]
    p = start([program("boxstep"), *words])
    try:
        p.read_until("on")
        p.send(signal.SIGKILL)
        out = p.popen.stdout
        wait_for(lambda: select.select([out], [], [], 0)[0], "the end of the output")
        equal(os.read(out.fileno(), 10), b"")
        contains(ok("ps").out, "Up ")
    finally:
        box("rm", "-f", "web")
    p.wait()
    gone()


@test("what a container leaves in the host's PID namespace does not hold up its end, however much it writes")
def _():
    with Container("--pid", "host", cmd=["/bin/sh", "-c", "while :; do echo on; sleep 0.02; done & exit 3"]) as c:
        wait_for(lambda: c.record()["status"] == "exited", "the end")
        equal(c.record()["exitCode"], 3)
        ok("rm", "web")
    gone()


@test("stop waits for a container that is being made, and then ends it")
def _():
    slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=clone3", "-e", "inject=clone3:delay_enter=500000"]
    p = start([*slow, program("boxstep"), "run", "-d", "--name", "web", "--network", "none", IMAGE, "/bin/sleep", "300"])
    wait_for(lambda: "Created" in ok("ps", "-a").out, "the container")
    equal(ok("stop", "-t", "0", "web").out, "web\n")
    equal(p.wait().status, 0)
    matches(ok("ps", "-a").out, r"Exited \(137\)")
    ok("rm", "web")
    gone()


@test("kill -9 of the monitor at any of its calls that make something leaves what rm clears", timeout=180)
def _():
    ok("run", "--rm", "--network", "none", IMAGE, "/bin/true")
    for call in ("mkdir", "mkdirat", "symlinkat", "clone3", "bpf"):
        for nth in range(1, 6):
            kill = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={nth}"]
            run([*kill, program("boxstep"), "run", "-d", "--network", "none", IMAGE, "/bin/true"])
            for name in ok("ps", "-aq").out.split():
                ok("rm", "-f", name)
    gone()


@test("a disk that is full for a while costs lines of the log, and the record says so")
def _():
    small = TMP + "/small"
    os.makedirs(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", small], check=True)
    env = {"BOXSTEP_ROOT": small}
    script = "while [ ! -e /tmp/go ]; do sleep 0.02; done; head -c 20000 /dev/zero | tr '\\0' x; echo; while [ ! -e /tmp/on ]; do sleep 0.02; done; echo again"
    try:
        ok("run", "-d", "--name", "web", "--network", "none", "--tmpfs", "/tmp", IMAGE, "/bin/sh", "-c", script, env=env)
        with open(small + "/fill", "wb") as file:
            try:
                while True:
                    os.write(file.fileno(), b"\0" * 4096)
            except OSError:
                pass
        ok("exec", "web", "touch", "/tmp/go", env=env)
        time.sleep(0.5)
        os.unlink(small + "/fill")
        ok("exec", "web", "touch", "/tmp/on", env=env)
        record = lambda: json.loads(ok("inspect", "web", env=env).out)[0]
        wait_for(lambda: record()["status"] == "exited", "the end")
        equal(ok("logs", "web", env=env).out.splitlines()[-1:], ["again"])
        contains(record()["error"], "lines of the log are missing: No space left")
        ok("rm", "web", env=env)
    finally:
        box("rm", "-f", "web", env=env)
        subprocess.run(["umount", small], check=True)
    gone()


@test("a client that is stopped does not hold up rm of its container")
def _():
    p = start([program("boxstep"), "run", "--name", "web", "--network", "none", IMAGE, "/bin/sh", "-c", "echo on; sleep 300"])
    p.read_until("on")
    p.send(signal.SIGSTOP)
    try:
        equal(ok("rm", "-f", "web").out, "web\n")
    finally:
        p.send(signal.SIGCONT)
    p.wait()
    gone()


@test("ps shows a command of several lines and control characters in one line, cut between characters")
def _():
    with Container(cmd=["/bin/sh", "-c", "sleep 300\n\033[31m"]):
        r = ok("ps", "--no-trunc")
        equal(len(r.lines), 2)
        contains(r.out, "/bin/sh -c sleep 300  [31m")
    with Container(cmd=["/bin/sh", "-c", "sleep 300; äöüäöüäöü"]):
        matches(ok("ps").out, r'"/bin/sh -c sleep 30…"')


@test("ps in a loop while containers come and go never fails, and never calls one killed that ended")
def _():
    many = [start([program("boxstep"), "run", *(["--rm"] if n % 2 else []), "--network", "none", IMAGE, "/bin/true"]) for n in range(8)]
    while any(p.alive() for p in many):
        ok("ps", "-a")
    equal([p.wait().status for p in many], [0] * 8)
    names = ok("ps", "-aq").out.split()
    equal(len(names), 4)
    for record in json.loads(ok("inspect", *names).out):
        equal((record["status"], record["exitCode"], record.get("error")), ("exited", 0, None))
    ok("rm", *names)
    gone()


@test("kill -9 of the monitor of a container on the bridge: the next ps takes the network away", needs="root nft")
def _():
    with Container("-p", "18081:80") as c:
        pid = c.record()["pid"]
        contains(run(["nft", "list", "ruleset"]).out, "18081")
        os.kill(parent(pid), signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{pid}") or "State:\tZ" in read(f"/proc/{pid}/status"), "the end of the first process")
        contains(ok("ps", "-a").out, "Exited (137)")
        absent(run(["nft", "list", "ruleset"]).out, "18081")
        absent(run(["ip", "link"]).out, "bx")
        ok("rm", "web")
    gone()


@test("a device node of a disk is made with CAP_MKNOD at most, and never opened")
def _():
    r = once("--cap-add", "MKNOD", cmd=["/bin/sh", "-c", "mknod /disk b 7 0 || exit 0; dd if=/disk of=/dev/null count=1 && echo opened"])
    absent(r.out, "opened")
    matches(r.err, "not permitted|denied")


@test("--ulimit, --umask, --sysctl, --cgroup-conf and --oom-score-adj reach config.json and the command")
def _():
    with Container("--ulimit", "nofile=77:88", "--umask", "027", "--sysctl", "net.ipv4.ip_default_ttl=33", "--oom-score-adj", "500") as c:
        r = ok("exec", "web", "/bin/sh", "-c", "ulimit -n; ulimit -Hn; umask; cat /proc/sys/net/ipv4/ip_default_ttl; cat /proc/1/oom_score_adj")
        equal(r.lines, ["77", "88", "0027", "33", "500"])
        equal(c.record()["config"]["process"]["user"]["umask"], 0o27)


@test("--label, --cidfile; a cidfile that is there is refused and stays as it is")
def _():
    with Container("--cidfile", TMP + "/cid", "--label", "only", "--label", "k=v=w") as c:
        equal(read(TMP + "/cid"), c.id)
        equal(c.record()["labels"], {"only": "", "k": "v=w"})
        r = once("--cidfile", TMP + "/cid", cmd=["/bin/true"])
        equal(r.status, 125)
        equal(read(TMP + "/cid"), c.id)
        equal(len(ok("ps", "-aq").lines), 1)


@test("a path without an image is refused as a path; a registry is not asked")
def _():
    for word in ("/no/such/image", "./nosuch"):
        r = once(image=word, cmd=["/bin/true"])
        equal((r.status, r.out), (125, ""))
        contains(r.err, "nosuch" if "." in word else "/no/such/image")
        absent(r.err, "pulling")


@test("run pulls what is missing; --pull never does not, --pull always asks again; the words go to stderr")
def _():
    from fakeregistry import Registry

    with Registry() as registry, open(PROBE, "rb") as file:
        registry.image("1", [{"x": file.read()}])
        name = f"{registry.host}/demo:1"
        r = once("--pull", "never", image=name)
        equal(r.status, 125)
        equal(registry.paths("manifests"), [])
        r = once("--entrypoint", "/x", "-v", PROBE + ":/probe:ro", image=name, cmd=["exit", "3"])
        asked = len(registry.paths("manifests"))
        check(asked > 0, "nobody asked")
        differs(r.status, 125, r.err)
        absent(r.out, "ulling")
        once("--entrypoint", "/x", image=name, cmd=["exit", "3"])
        equal(len(registry.paths("manifests")), asked)
        once("--pull", "always", "--entrypoint", "/x", image=name, cmd=["exit", "3"])
        check(len(registry.paths("manifests")) > asked, "it was not asked again")
        contains(ok("images").out, "demo")
        equal(box("pull", "--", "--platform").status, 125)
        ok("rmi", name)
        absent(ok("images").out, registry.host)
    gone()


@test("logs 2>&1 keeps the order of the streams, a very long line, and the last one without an end")
def _():
    script = "for n in 1 2 3; do echo out$n; sleep 0.1; echo err$n >&2; sleep 0.1; done; head -c 50000 /dev/zero | tr '\\0' x; echo; printf end"
    with Container(cmd=["/bin/sh", "-c", script]) as c:
        c.wait()
        r = run(["/bin/sh", "-c", '"$0" logs web 2>&1', program("boxstep")])
        equal(r.out, "out1\nerr1\nout2\nerr2\nout3\nerr3\n" + "x" * 50000 + "\nend")


@test("--network container:PID shares its namespace; --pid host sees the host's processes")
def _():
    with Container() as c:
        pid = c.record()["pid"]
        equal(once("--network", f"container:{pid}", cmd=["readlink", "/proc/self/ns/net"]).out.strip(), os.readlink(f"/proc/{pid}/ns/net"))
    equal(once("--pid", "host", cmd=["readlink", "/proc/self/ns/pid"]).out.strip(), os.readlink("/proc/self/ns/pid"))


# ---- readers and programs that stall --------------------------------------------------------------


def is_full(p):
    """Whether the pipe that is P's standard output has no room."""
    pipe = os.open(f"/proc/{p.pid}/fd/1", os.O_WRONLY | os.O_NONBLOCK)
    try:
        return not select.select([], [pipe], [], 0)[1]
    finally:
        os.close(pipe)


def stalled(*words, script):
    """A foreground run whose output nobody reads, once its pipe is full."""
    p = start([program("boxstep"), "run", *words, "--name", "web", "--network", "none", IMAGE, "/bin/sh", "-c", script])
    wait_for(lambda: is_full(p), "a full pipe", 30)
    return p


@test("a reader that stalls holds up the command, but neither exec nor stop nor rm of its container")
def _():
    p = stalled(script="trap 'exit 6' TERM; while :; do echo a line of some length for the pipe; done")
    try:
        equal(ok("exec", "web", "hostname").status, 0)
        ok("stop", "-t", "1", "web")
        record = json.loads(ok("inspect", "web").out)[0]
        equal(record["status"], "exited")
        ok("rm", "web")
        gone()
        r = p.wait()
        equal(r.status, record["exitCode"])
        matches(r.out, r"\A(a line of some length for the pipe\n)+(a[a-z ]*)?\Z", "what was read in the end")
    finally:
        box("rm", "-f", "web")


@test("what a command wrote before its end reaches a reader that comes late, and the log at once")
def _():
    p = stalled(script="head -c 130000 /dev/zero | tr '\\0' x; exit 4")
    try:
        wait_for(lambda: json.loads(ok("inspect", "web").out)[0]["status"] == "exited", "the end", 30)
        equal(len(ok("logs", "web").out), 130000, "bytes in the log")
        r = p.wait()
        equal((r.status, len(r.out)), (4, 130000))
    finally:
        box("rm", "-f", "web")
    gone()


@test("Ctrl-C ends a run whose command has ended and whose reader does not come")
def _():
    p = stalled("--rm", script="head -c 130000 /dev/zero; exit 4")
    wait_for(lambda: ok("ps", "-aq").out == "", "the end", 30)
    wait_for(lambda: p.send(signal.SIGINT) or not p.alive(), "the end of the client")
    equal(p.popen.returncode, 4)


@test("a program that does not read its terminal holds up what is typed, but not stop")
def _():
    p = on_pty("run", "--rm", "-it", "--name", "web", "--network", "none", IMAGE, "/bin/sh", "-c", "stty raw -echo; echo on; exec sleep 300")
    try:
        p.read_until("on")
        os.set_blocking(p.terminal, False)
        wait_for(lambda: not typed(p.terminal), "a full terminal", 30)
        ok("stop", "-t", "0", "web")
    finally:
        box("rm", "-f", "web")
    equal(p.wait().status, 137)
    gone()


def typed(terminal):
    """Whether the terminal takes more. A program between may make room a moment later: not yet full."""
    for _ in range(20):
        try:
            return os.write(terminal, b"x" * 4096) > 0
        except BlockingIOError:
            time.sleep(0.02)
    return False


def wrote(pid):
    """The bytes that a process has handed to write(2), so far."""
    return int(re.search(r"^wchar: (\d+)", read(f"/proc/{pid}/io"), re.M)[1])


def stands_still(pid):
    """Waits until the process is held up by whoever should read it."""
    written = []
    wait_for(lambda: written.append(wrote(pid)) or len(written) > 9 and len(set(written[-9:])) == 1, "a full terminal", 30)


@test("run whose terminal nobody reads is stopped all the same")
def _():
    p = on_pty("run", "--rm", "--name", "web", "--network", "none", IMAGE, "yes")
    try:
        p.read_until("y")
        stands_still(json.loads(ok("inspect", "web").out)[0]["pid"])
        ok("stop", "-t", "0", "web")
    finally:
        box("rm", "-f", "web")
    equal(p.wait().status, 137)
    gone()


@test("exec -t whose terminal nobody reads ends by a signal")
def _():
    with Container():
        p = on_pty("exec", "-t", "web", "yes")
        p.read_until("y")
        stands_still(p.pid)
        wait_for(lambda: p.send(signal.SIGTERM) or not p.alive(), "the end of exec", 30)


@test("Ctrl-C that PID 1 has no handler for: a hint at the second, the end at the third")
def _():
    p = start([program("boxstep"), "run", "--rm", "--name", "web", "--network", "none", IMAGE, "/bin/sh", "-c", "echo on; exec sleep 300"])
    p.read_until("on")
    pid = json.loads(ok("inspect", "web").out)[0]["pid"]
    wait_for(lambda: read(f"/proc/{pid}/comm") == "sleep\n", "the exec: a shell with -c does take it")
    wait_for(lambda: (p.send(signal.SIGINT), p.pump(0.1), "no handler for SIGINT" in p.err)[2], "the hint")
    wait_for(lambda: (p.send(signal.SIGINT) if p.alive() else None, p.pump(0.1), not p.alive())[2], "the end")
    r = p.wait()
    equal((r.status, r.err.count("no handler"), r.err.count("--init")), (137, 1, 1))
    gone()


@test("Ctrl-C that PID 1 takes is the command's alone, however often; below --init it ends the command")
def _():
    script = "n=0; trap 'n=$((n+1)); echo caught $n' INT; echo on; while :; do sleep 0.05; done"
    p = start([program("boxstep"), "run", "--rm", "--name", "web", "--network", "none", IMAGE, "/bin/sh", "-c", script])
    p.read_until("on")
    for n in range(1, 6):
        p.send(signal.SIGINT)
        p.read_until(f"caught {n}\n")
    ok("stop", "-t", "0", "web")
    equal(p.wait().err, "")
    p = start([program("boxstep"), "run", "--rm", "--init", "--network", "none", IMAGE, "/bin/sh", "-c", "echo on; exec sleep 300"])
    p.read_until("on")
    p.send(signal.SIGINT)
    r = p.wait()
    equal((r.status, r.err), (130, ""))
    gone()


# ---- what a kill or a fault leaves -----------------------------------------------------------------


def containers_dir():
    return STAGE + "/home/store/containers"


@test("kill -9 of rm, at whatever call: the next command sweeps the rest, and the name is free", needs="root cmd:strace")
def _():
    for nth in (1, 2, 3, 5, 8):
        equal(box("run", "--name", "half", "--network", "none", IMAGE, "/bin/sh", "-c", "mkdir -p /a/b/c; for n in 1 2 3 4 5; do echo > /a/b/c/$n; done").status, 0)
        r = run(["strace", "-f", "-o", "/dev/null", "-e", f"inject=unlinkat:signal=KILL:when={nth}", program("boxstep"), "rm", "half"])
        equal(r.status, 137, f"rm, killed at call {nth}")
        box("rm", "half")  # the first call may be one before the record's
        equal(ok("ps", "-aq").out, "")
        equal(os.listdir(containers_dir()), [], f"directories that are left after a kill at call {nth}")


@test("a directory without a record is swept by the next command; one that is being made is not")
def _():
    dead = containers_dir() + "/" + "d" * 64
    os.makedirs(dead + "/upper/deep/er")
    ok("ps")
    check(not os.path.exists(dead), "the dead directory is still there")
    import fcntl

    os.makedirs(dead)
    holder = os.open(dead, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    ok("ps")
    check(os.path.exists(dead), "what a living rm holds was taken from it")
    os.close(holder)
    ok("ps")
    check(not os.path.exists(dead), "the dead directory is still there")


@test("a cidfile goes with a container that did not start")
def _():
    for words, status in ((["nosuch"], 127), (["/etc/passwd"], 126)):
        r = once("--cidfile", TMP + "/cid", cmd=words)
        equal(r.status, status)
        check(not os.path.exists(TMP + "/cid"), "the cidfile is there")
    equal(once("--cidfile", TMP + "/cid", cmd=["/bin/true"]).status, 0)
    matches(read(TMP + "/cid"), r"\A[0-9a-f]{64}\Z")
    gone()


@test("a container whose record was damaged is listed and removed by its id, whether it runs or has ended")
def _():
    for text, running in (("{", True), ("{", False), ("{}", True), (" " * (5 << 20), True)):
        with Container() as c:
            record, pid = f"{STAGE}/home/store/containers/{c.id}/container.json", c.record()["pid"]
            if not running:
                ok("stop", "-t", "0", "web")
            with open(record, "w") as file:
                file.write(text)
            equal(ok("ps", "-aq", "--no-trunc").out, c.id + "\n")
            contains(ok("inspect", c.id[:12]).out, "container.json was damaged")
            r = box("rm", c.id[:12])
            equal(r.status, 1 if running else 0)
            if running:
                contains(r.err, "is running")
                ok("rm", "-f", c.id[:12])
            check(not os.path.exists(f"/proc/{pid}"), "its process lives")
            check(not os.path.exists(os.path.dirname(record)), "its directory is there")
    gone()


@test("rm -f, stop and kill work while state.json is damaged; rm does when the monitor is gone too")
def _():
    def damage(c, text):
        state = f"{STAGE}/home/run/oci/{c.id}"
        with open(state + "/state.json", "w") as file:
            file.write(text)
        return state

    for text in ("", "{", '{"pid":"x"}', "[]"):
        with Container() as c:
            state = damage(c, text)
            ok("kill", "-s", "CONT", "web")
            equal(box("exec", "web", "true").status, 125)
            ok("rm", "-f", "web")
            check(not os.path.exists(state), "its state is left")
    with Container() as c:
        state = damage(c, "{")
        ok("stop", "-t", "0", "web")
        equal(c.record()["status"], "exited")
        check(not os.path.exists(state), "its state is left")
    with Container() as c:
        state, pid = damage(c, "{"), c.record()["pid"]
        os.kill(parent(pid), signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{pid}") or "State:\tZ" in read(f"/proc/{pid}/status"), "the end of the first process")
        ok("rm", "-f", "web")
        check(not os.path.exists(state), "its state is left")
    gone()


@test("ps of a record without its times says so in words")
def _():
    with Container(cmd=["true"]) as c:
        c.wait()
        path = f"{STAGE}/home/store/containers/{c.id}/container.json"
        record = json.loads(read(path))
        del record["created"], record["finishedAt"]
        with open(path, "w") as file:
            json.dump(record, file)
        matches(ok("ps", "-a").out, r' "true" +N/A +Exited \(0\) an unknown time ago ')


@test("rm -f of a container that cannot end says which process nobody waits for, and whose child it is")
def _():
    subreaper()
    with Container() as c:
        ok("exec", "-d", "web", "true")  # an orphan: now a child of this test, which does not wait for it
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        r = box("rm", "-f", "web")
        equal((r.status, r.out), (1, ""))
        child, _ = os.wait()
        contains(r.err, f"process {child} has ended, and its parent {os.getpid()} ")
        ok("rm", "-f", "web")
    gone()


@test("reset removes containers and what belongs to them; images and volumes stay, but not with ALL=1")
def _():
    import shutil

    ok("run", "-d", "--network", "none", "-v", "kept:/vol", IMAGE, "/bin/sleep", "300")
    store = STAGE + "/home/store"
    reset = [ROOT + "/tests/reset.sh"]
    env = {"BUILD": STAGE + "/bin"}
    with open(store + "/.7.images.json", "w") as half:  # locked, so that only reset removes it
        fcntl.flock(half, fcntl.LOCK_EX)
        equal(run(reset, env=env).status, 0)
    check(not os.path.exists(store + "/.7.images.json"), "a record half written is left")
    gone()
    check(os.path.isdir(store + "/volumes/kept"), "the volume is gone")
    check(len(ok("images", "-q").lines) > 0, "the images are gone")
    check(not os.path.exists(store + "/containers") or not os.listdir(store + "/containers"), "a container is left")
    copy = TMP + "/copy"
    shutil.copytree(store + "/volumes", copy + "/volumes")
    r = run(reset, env={**env, "BOXSTEP_ROOT": copy, "ALL": "1"})
    equal(r.status, 0)
    check(not os.path.exists(copy), "the store is left")
    shutil.rmtree(store + "/volumes")


# ---- options that only a test of their own shows ---------------------------------------------------


@test("--privileged: all capabilities, no filter, nothing masked; devices of the host only then")
def _():
    r = once("--privileged", cmd=["/bin/sh", "-c", "grep -E 'CapEff|CapBnd|Seccomp:|NoNewPrivs' /proc/self/status; grep -c ' /proc/' /proc/self/mountinfo; : > /proc/sys/kernel/ns_last_pid"])
    every = re.search(r"^CapBnd:\s*(\w+)$", read("/proc/self/status"), re.M)[1]
    for line in (f"CapEff:\t{every}", f"CapBnd:\t{every}", "Seccomp:\t0", "NoNewPrivs:\t0"):
        contains(r.lines, line)
    equal(r.lines[-1], "0", "mounts below /proc")
    r = once(cmd=["/bin/sh", "-c", "grep -c ' /proc/' /proc/self/mountinfo; : > /proc/sys/kernel/ns_last_pid"])
    differs(r.lines[0], "0", "mounts below /proc")
    differs(r.status, 0, "status of a write below /proc/sys")


@test("--platform chooses the image of an index, and one that is not there is refused by name")
def _():
    from layouts import Layer, Layout

    layout = Layout(TMP + "/several")
    for machine in ("amd64", "arm64", "s390x"):
        layer = Layer()
        layer.rootfs(ROOTFS)
        layout.tag(layout.manifest([layer.file("machine", machine + "\n")]), "all", machine)
    layout.write()
    for machine in ("arm64", "s390x"):
        equal(once("--platform", "linux/" + machine, image=TMP + "/several:all", cmd=["cat", "/machine"]).out, machine + "\n")
    r = once("--platform", "linux/mips64", image=TMP + "/several:all", cmd=["true"])
    equal((r.status, r.out), (125, ""))
    contains(r.err, "mips64")
    gone()


@test("exec -it -u: a terminal, as a user of the image, with that user's home and groups")
def _():
    with Container():
        p = on_pty("exec", "-it", "-u", "app", "web", "/bin/sh", "-c", "tty; id -u; id -G; echo at $HOME; ls -l $(tty) | cut -c 1-10; read x; exit $x")
        p.read_until("at /home")
        p.write("6\r")
        r = p.wait()
        equal(r.status, 6)
        contains(r.out, "/dev/pts/")
        contains(r.out, "1000\r\n1000 1001\r\n")


@test("eight runs at once on the bridge have eight addresses, and reach each other", needs="root nft", timeout=180)
def _():
    names = [f"n{n}" for n in range(8)]
    words = [program("boxstep"), "run", "-d", "--network", "bridge"]
    try:
        many = [start([*words, "--name", n, IMAGE, "/bin/probe", "listen", "tcp", "0.0.0.0", "80", n]) for n in names]
        for p in many:
            equal(p.wait().status, 0)
        addresses = {json.loads(ok("inspect", n).out)[0]["ip"]: n for n in names}
        equal(len(addresses), 8, "number of addresses")
        for address, n in addresses.items():
            asked = lambda: box("exec", names[0], "/bin/sh", "-c", f"echo | nc -w 2 {address} 80").out
            wait_for(lambda: n in asked(), f"an answer of {n}")
    finally:
        box("rm", "-f", *names)
    gone()
    absent(run(["ip", "link"]).out, "veth")


@test("rmi by a short id; rmi -f while a container uses the image; the container is still removed whole")
def _():
    env = {"BOXSTEP_ROOT": TMP + "/own"}
    equal(run([program("boxstep-unpack"), "--name", "one", IMAGE], env=env).status, 0)
    image = ok("images", "-q", env=env).out.strip()
    contains(ok("rmi", image[:6], env=env).out, "Deleted: sha256:" + image)
    equal(ok("images", "-q", env=env).out, "")
    equal(box("rmi", image[:6], env=env).status, 1)
    for name in ("one", "two"):
        equal(run([program("boxstep-unpack"), "--name", name, IMAGE], env=env).status, 0)
    equal(box("run", "--name", "web", "--network", "none", "one", "/bin/true", env=env).status, 0)
    ok("rmi", "two", env=env)
    r = box("rmi", "one", env=env)
    equal(r.status, 1)
    contains(r.err, "needed by")
    ok("rmi", "-f", "one", env=env)
    equal(ok("images", "-q", env=env).out, "")
    ok("rm", "web", env=env)
    equal((os.listdir(TMP + "/own/layers"), os.listdir(TMP + "/own/containers")), ([], []))


# ---- limits --------------------------------------------------------------------------------------


@test("--memory, --cpus, --pids-limit are in force, and an OOM kill is told by inspect and run", needs="root cgroup2", timeout=120)
def _():
    with Container("--memory", "64m", "--cpus", "0.5", "--pids-limit", "20") as c:
        pid = c.record()["pid"]
        top = cgroup2_mount() + re.search(r"^0::(.*)$", read(f"/proc/{pid}/cgroup"), re.M).group(1)
        equal(read(top + "/memory.max").strip(), str(64 << 20))
        equal(read(top + "/cpu.max").strip(), "50000 100000")
        equal(read(top + "/pids.max").strip(), "20")
    with Container("--memory", "32m", cmd=["/bin/probe", "hog", "200m"]) as c:
        r = c.wait()
        equal((r["exitCode"], r["oomKilled"]), (137, True))
        contains(r["error"].lower(), "memory")
        matches(ok("ps", "-a").out, r"Exited \(137\)")
    r = once("--memory", "32m", cmd=["/bin/probe", "hog", "200m"])
    equal(r.status, 137)
    contains(r.err.lower(), "memory")


@test("a limit that this host cannot enforce is said in a sentence and left out")
def _():
    if any("memory" in read(p + "/cgroup.controllers") for p in [cgroup2_mount()]):
        skip("this host has the controllers")
    for option, value, controller in (
        ("--memory", "64m", "memory"),
        ("--cpus", "0.5", "cpu"),
        ("--cpuset-cpus", "0", "cpuset"),
        ("--pids-limit", "20", "pids"),
        ("--io-weight", "50", "io"),
    ):
        r = once(option, value, cmd=["echo", "on"])
        equal((r.status, r.out), (0, "on\n"), option)
        equal(r.err, f"boxstep: this host has no {controller} controller in cgroup v2: that limit is left out\n")


# ---- bad use -------------------------------------------------------------------------------------

for words, named in (
    ([], "no verb"),
    (["nosuch"], "nosuch"),
    (["run"], "IMAGE"),
    (["run", "--memory", "64q", "IMAGE"], "--memory"),
    (["run", "--cpus", "0", "IMAGE"], "--cpus"),
    (["run", "--pids-limit", "-3", "IMAGE"], "--pids-limit"),
    (["run", "-p", "99999:1", "IMAGE"], "99999"),
    (["run", "--network", "nosuch", "IMAGE"], "nosuch"),
    (["run", "--env-file", "/no/such", "IMAGE"], "/no/such"),
    (["run", "--tmpfs", "x", "IMAGE"], "--tmpfs"),
    (["run", "--cidfile", "/no/such/file", "--network", "none", "IMAGE"], "/no/such/file"),
    (["run", "--seccomp", "/no/such", "IMAGE"], "/no/such"),
    (["run", "--cap-add", "NOSUCH", "IMAGE"], "NOSUCH"),
    (["run", "--stop-signal", "NOSUCH", "--network", "none", "IMAGE"], "NOSUCH"),
    (["run", "--pid", "nosuch", "--network", "none", "IMAGE"], "--pid"),
    (["stop", "-t", "-1", "x"], "-1"),
    (["exec", "x"], "exec"),
    (["exec", "nosuch", "true"], "nosuch"),
    (["logs", "a", "b"], "logs"),
):
    @test("refused: boxstep " + " ".join(words))
    def _(words=words, named=named):
        r = box(*[w.replace("IMAGE", IMAGE) if w == "IMAGE" else w for w in words], *(["/bin/true"] if "IMAGE" in words else []))
        equal((r.status, r.out), (125, ""))
        contains(r.err, named)
        gone()


@test("a profile of --seccomp that is a FIFO is refused, and not waited for")
def _():
    os.mkfifo(TMP + "/profile")
    r = box("run", "--network", "none", "--seccomp", TMP + "/profile", IMAGE, "/bin/true")
    os.unlink(TMP + "/profile")
    equal((r.status, r.out), (125, ""))
    contains(r.err, "/profile: not a regular file")
    gone()


# In a mount namespace of its own, which ends with the script: nothing of it is the host's.
LATER = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1" && mount --make-shared "$1" && mkdir "$1/sub"
"$2" run -d --name later --network none -v "$1:/srv$3" "$4" /bin/sleep 300 > /dev/null
mount -t tmpfs tmpfs "$1/sub" && touch "$1/sub/file"
"$2" exec later ls /srv/sub
"""


@test("-v with rslave receives what the host mounts there later, and without it does not")
def _():
    os.mkdir(TMP + "/shared")
    for option, seen in ((":rslave", "file\n"), ("", "")):
        try:
            r = run(["unshare", "-m", "sh", "-c", LATER, "sh", TMP + "/shared", program("boxstep"), option, IMAGE])
        finally:
            box("rm", "-f", "later")
        equal((r.status, r.out), (0, seen), option)
