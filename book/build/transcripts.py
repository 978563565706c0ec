"""Transcripts: every console block of the book is run, and shows what was printed.

A block ```` ```console ```` is one shell session from the project's root. Lines that begin with `$ `
are commands, lines that begin with `> ` straight below continue one; the rest is output, and is
written by this tool. Tags: `user` (as an ordinary user), `vm` (in the VM lab, where cgroup v2 is),
`cpus=2` (with two processors there), `needs=a,b` (commands, or net, nft, cgroup2), `norun="reason"`
(shown, not run).
"""
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess

from chapter import ROOT, Fault

BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
WORK = ROOT / f"build/book.{os.getpid()}"  # in the tree, which the VM shares
VM = ROOT / "tests/vm"
VM_DIR = os.environ.get("VM_DIR", str(ROOT / "build/vm"))
USER_ID = 1000
LARGEST = 20000  # bytes that one command may print
LIMIT = {"native": 60, "vm": 240}


class Session:
    """One block: its commands, what the book says they print, what they printed now."""

    def __init__(self, fence, number):
        self.fence, self.number = fence, number
        self.commands, self.recorded = [], []
        self.printed, self.statuses, self.pids, self.fault = [], [], (0, 0), None
        for line in fence.body:
            if line.startswith("$ "):
                self.commands.append([line[2:]])
                self.recorded.append([])
            elif not self.commands:
                raise Fault(f"{fence.place}: a transcript begins with a `$ ` line")
            elif line.startswith("> ") and not self.recorded[-1]:
                self.commands[-1].append(line[2:])
            else:
                self.recorded[-1].append(line)
        if not self.commands:
            raise Fault(f"{fence.place}: a transcript without a command")

    @property
    def where(self):
        return "vm" if "vm" in self.fence.tags else "native"

    @property
    def directory(self):
        return WORK / f"{self.number:03}"

    def missing(self):
        """What the block needs and this machine lacks, or None."""
        if self.where == "native" and os.geteuid() != 0 and "user" not in self.fence.tags:
            return "root"
        for need in filter(None, self.fence.settings.get("needs", "").split(",")):
            if need == "cgroup2":
                if not pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists():
                    return "cgroup2"
            elif need == "net":
                if os.environ.get("BOOK_NET") != "1":
                    return "net (BOOK_NET=1 allows it)"
            elif not shutil.which(need, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
                return need
        return None

    def prepare(self):
        """Writes the scripts that run the block: its machine, and the session in it."""
        self.directory.mkdir(parents=True)
        d, tag = self.directory, f"book-{os.getpid()}-{self.number:03}"
        home, user = f"/var/tmp/{tag}", "user" in self.fence.tags
        shell = ["env", "-i", *self._environment(home, tag), "timeout", "-k", "5",
                 str(LIMIT[self.where])]
        if user and os.geteuid() == 0:
            shell += ["setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups",
                      "--inh-caps=-all"]
        lines = ["exec </dev/null", "umask 022", *machine(), f"mkdir -p {home}/lib {home}/run",
                 *reachable(f"{home}/tree"),
                 f"chown -R {USER_ID}:{USER_ID} {home}" if user else "", f"cd {ROOT}",
                 f"read -r _ _ _ _ p </proc/loadavg; echo $p >{d}/first",
                 " ".join([*shell, "bash", f"{d}/session.sh"]),
                 f"read -r _ _ _ _ p </proc/loadavg; echo $p >{d}/last",
                 f"rm -rf {home} /run/{tag}"]
        (d / "run.sh").write_text("\n".join(lines) + "\n")
        (d / "session.sh").write_text("".join(
            f'c=$(<{d}/{i}.cmd); (exit ${{s:-0}})\n'
            f'eval "$c" >>{d}/{i}.out 2>&1; s=$?; echo $s >>{d}/status\n'
            for i in range(len(self.commands))))
        for i, command in enumerate(self.commands):
            (d / f"{i}.cmd").write_text(adapt("\n".join(command)) + "\n")
            (d / f"{i}.out").touch()
        (d / "status").touch()
        if user:
            for path in [d, *d.iterdir()]:
                os.chown(path, USER_ID, USER_ID)

    def _environment(self, home, tag):
        """The same variables on every machine; the programs keep their state in a place apart."""
        user = "user" in self.fence.tags
        return [f"HOME={home if user else '/root'}", "LC_ALL=C.UTF-8", "NO_COLOR=1",
                f"PATH={BUILD}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=dumb", "TZ=UTC", f"BUILD={BUILD}", f"BOXSTEP_ROOT={home}/lib", f"BOXSTEP_NET={home}/net",
                f"BOXSTEP_RUN={home}/run"]

    def collect(self):
        """Takes what was printed; what went wrong with the run itself is in .fault."""
        d = self.directory
        self.statuses = [int(x) for x in (d / "status").read_text().split()]
        if len(self.statuses) < len(self.commands):
            stuck = self.commands[len(self.statuses)][0]
            self.fault = f"{self.fence.place}: no end after {LIMIT[self.where]} s: {stuck}"
            return
        for i, command in enumerate(self.commands):
            if (d / f"{i}.out").stat().st_size > LARGEST:
                self.fault = f"{self.fence.place}: more output than a reader wants: {command[0]}"
                return
        self.pids = tuple(int((d / x).read_text()) for x in ("first", "last"))
        self.printed = [shown((d / f"{i}.out").read_text(errors="replace"))
                        for i in range(len(self.commands))]

    def differences(self):
        """Lines that the book has otherwise, as (said, printed); [] when all compare equal."""
        found = []
        for old, new in zip(self.recorded, self.printed):
            for i in range(max(len(old), len(new))):
                said = old[i] if i < len(old) else None
                got = new[i] if i < len(new) else None
                if said is None or got is None or not same(said, got, self.pids):
                    found.append((said, got))
        return found

    def fill(self):
        self.fence.body = []
        for command, output in zip(self.commands, self.printed):
            self.fence.body.append("$ " + command[0])
            self.fence.body += ["> " + line for line in command[1:]]
            self.fence.body += output
            if output and output[0].startswith("> "):
                raise Fault(f"{self.fence.place}: output that begins with `> ` reads as a command")


def adapt(command):
    """The command for a build directory that is not ./build."""
    if BUILD == ROOT / "build":
        return command
    return re.sub(r"(?<![\w./-])(\./)?build/", lambda m: f"{BUILD}/{m[1] or ''}", command)


def shown(text):
    """Output as the book prints it: the reader's directories instead of this machine's."""
    text = re.sub(r"/var/tmp/book-\d+-\d+/lib", "/var/lib/boxstep", text)
    text = re.sub(r"/var/tmp/book-\d+-\d+/(run|net)", "/run/boxstep", text)
    text = text.replace(f"{BUILD}/./", "./build/").replace(f"{BUILD}/", "build/")
    text = text.replace(str(ROOT), "/home/reader/boxstep")
    text = re.sub(r"^\S*/session.sh: line \d+: ", "bash: ", text, flags=re.M)
    text = re.sub(r"\x1b\[[0-9;]*m|\r", "", text)
    return [line.rstrip() for line in text.rstrip("\n").split("\n")] if text else []


# What may differ from run to run: times, addresses, ids. Each class compares equal to itself only.
TOKEN = re.compile(r"""
    (?P<time> \d{4}-\d\d-\d\d (?:[T ]\d\d:\d\d:\d\d (?:\.\d+)? (?:Z|[+-]\d\d:?\d\d)? )?
            | (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\ +\d+ (?:\ +\d\d:\d\d(?::\d\d)?(?:\ \d{4})?|\ +\d{4})?
            | (?<![\d:.])\d{1,2}:\d\d:\d\d (?:\.\d+)? (?![\d:]) )
  | (?P<span> (?<![\w.])\d+(?:\.\d+)? (?=\s?(?:ns|us|µs|ms|s|seconds?|minutes?)\b) )
  | (?P<mac>  (?:[0-9a-f]{2}:){5}[0-9a-f]{2} )
  | (?P<ip>   (?<![\w.]) (?:10|172\.(?:1[6-9]|2\d|3[01])|192\.168) (?:\.\d{1,3}){2,3} (?![\w.]) )
  | (?P<ip6>  (?<![\w:]) (?:fe80|fd[0-9a-f]{2}) :[0-9a-f:]+ )
  | (?P<ptr>  0x[0-9a-f]{6,} )
  | (?P<id>   (?<!\w) (?=\d*[a-f]) (?=[a-f]*\d) [0-9a-f]{12,64} (?!\w) )
  | (?P<tmp>  tmp\.\w{10} )
  | (?P<run>  \b run-\d+-\d+ )
  | (?P<num>  \d+ )
  | (?P<text> \D )
""", re.X)
MOUNTINFO = re.compile(r"^\d+ \d+ \d+:\d+ ")
PID_MAX = 1 << 22  # the most that kernel.pid_max can be, proc_sys_kernel(5)
FIRST_NS_INODE = 0xEFFFFFF8  # the initial namespaces' numbers, then those given out at run time


def tokens(line):
    line = re.sub(r"\s+", " ", line.strip())
    if MOUNTINFO.match(line):
        line = re.sub(r"^\d+ \d+ (\d+):\d+", r"ID ID \1:ID", line)
        line = re.sub(r"\b(shared|master|propagate_from):\d+", r"\1:ID", line)
    return [(m.lastgroup, m[0]) for m in TOKEN.finditer(line)]


def is_pid(number, pids):
    first, last = pids
    return first < number <= last if first <= last else first < number <= PID_MAX or 300 < number <= last


def same(old, new, pids):
    """True when two lines say the same: words and numbers equal, pids, ids, times, addresses any."""
    left, right = tokens(old), tokens(new)
    if len(left) != len(right):
        return False
    for (kind_a, a), (kind_b, b) in zip(left, right):
        if {kind_a, kind_b} == {"id", "num"} and min(len(a), len(b)) >= 12:
            continue  # one id of twelve digits in three hundred has no letter
        if kind_a != kind_b:
            return False
        if a == b or kind_a not in ("num", "text"):
            continue
        if kind_a == "text":
            return False
        if FIRST_NS_INODE <= min(int(a), int(b)) and max(int(a), int(b)) < 1 << 32:
            continue
        if not is_pid(int(b), pids):
            return False
    return True


def not_run(fence):
    """The reason why the block is not run, or None."""
    return fence.settings.get("norun")


def sessions(chapters):
    """The blocks to run, in order, and those marked as not run."""
    run, norun = [], []
    for fence in (f for c in chapters for f in c.fences if f.language == "console"):
        if not_run(fence) is not None:
            norun.append(fence)
        else:
            run.append(Session(fence, len(run)))
    return run, norun


def machine():
    """Shell lines that make the namespaces of a block, as root, the same on every machine: its name,
    its users, its lo, numbers of processes, and nothing of it left afterwards."""
    if os.geteuid() != 0:
        return []
    binds = [f"[ ! -e /etc/{name} ] || mount --bind {WORK}/{name} /etc/{name}" for name in ETC]
    return ["echo 3000 2>/dev/null >/proc/sys/kernel/ns_last_pid", "hostname laptop",
            "ip link set lo up", *binds]


def reachable(place):
    """Shell lines after which an ordinary user, or what root starts as one, reaches the tree by its own path:
    it may lie in a directory that is root's alone, as /root is. PLACE is a name to be used meanwhile."""
    closed = [str(path) for path in ROOT.parents if not path.stat().st_mode & 0o001]
    if os.geteuid() != 0 or not closed:
        return []
    return [f"mkdir {place}", f"mount --rbind {ROOT} {place}", f"mount -t tmpfs -o mode=755 tree {closed[-1]}",
            f"mkdir -p {ROOT}", f"mount --move {place} {ROOT}", f"rmdir {place}"]


# Who there is, on every machine: root, and an ordinary user with subordinate ids.
ETC = {"passwd": f"root:x:0:0:root:/root:/bin/bash\n"
                 f"reader:x:{USER_ID}:{USER_ID}::/home/reader:/bin/bash\n"
                 "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
       "group": f"root:x:0:\nreader:x:{USER_ID}:\nnogroup:x:65534:\n",
       "subuid": "reader:100000:65536\n", "subgid": "reader:100000:65536\n"}
UNSHARE = ("unshare --mount --net --uts --ipc --pid --fork --kill-child --mount-proc "
           "--propagation private").split()


def run_native(session):
    unshare = UNSHARE if os.geteuid() == 0 else []
    shell = subprocess.Popen([*unshare, "bash", session.directory / "run.sh"],
                             start_new_session=True)
    shell.wait()
    try:
        os.killpg(shell.pid, signal.SIGKILL)  # what the block left in the background
    except ProcessLookupError:
        pass


def in_vm(session):
    """The lines of shell that run a block; the machine's second processor sleeps (tests/vm/guest.sh)
    unless the block asks for two."""
    line = f"{' '.join(UNSHARE)} bash {session.directory}/run.sh\n"
    if session.fence.settings.get("cpus") != "2":
        return line
    cpu = "/sys/devices/system/cpu/cpu1/online"
    return f"old=$(cat {cpu}); echo 1 >{cpu}\n{line}echo $old >{cpu}\n"


def run_vm(list_):
    """All blocks for the VM in one boot of it."""
    script = WORK / "vm.sh"
    script.write_text("".join(in_vm(s) for s in list_))
    seconds = 60 + LIMIT["vm"] * len(list_)
    subprocess.run([VM / "setup.sh", VM_DIR], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([VM / "run.sh", "-d", VM_DIR, "-t", str(seconds), "-w", ROOT, "--",
                           "bash", script], check=False)
    if done.returncode != 0:
        raise Fault(f"the VM lab ended with status {done.returncode}")


def rootfs():
    """What is in build/rootfs, by path."""
    return {str(path) for path in (BUILD / "rootfs").rglob("*")}


def restore_rootfs(before):
    """Removes what a block has left there, mount points above all: the next one would show them."""
    for path in sorted(rootfs() - before, reverse=True):
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        else:
            os.unlink(path)


def run_all(list_):
    """Runs the blocks; gives those that could not run, as (session, what is missing), and the rest."""
    skipped = [(s, s.missing()) for s in list_ if s.missing()]
    ready = [s for s in list_ if not s.missing()]
    before = rootfs()
    WORK.mkdir(parents=True, exist_ok=True)
    for name, text in ETC.items():
        (WORK / name).write_text(text)
    try:
        for session in ready:
            session.prepare()
        shared = os.open("/var/tmp", os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(shared, fcntl.LOCK_EX)  # names that blocks make there are everybody's
        for session in ready:
            if session.where == "native":
                run_native(session)
                restore_rootfs(before)
        os.close(shared)
        for_vm = [s for s in ready if s.where == "vm"]
        if for_vm:
            run_vm(for_vm)
        for session in ready:
            session.collect()
        restore_rootfs(before)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    return skipped, ready
