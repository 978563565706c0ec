"""Who may use which option: each is tried as root, as a user, and as a user on a host that restricts user namespaces.

The table that comes out stands in the README. When the README says otherwise this test fails, and leaves
the table in build/rights.md, from where book/build/sync.py takes it.
"""

import contextlib

from harness import *
from harness import Step, environment
from help import help_of, help_text, rows

OWN = "--user --map-root".split()
RANGE = "--user --map-auto".split()
RESTRICTION = "/proc/sys/user/max_user_namespaces"


class Case:
    """An option with a value to try; COMMAND inside, and what its output has to match."""

    def __init__(self, words, command="true", shows="", image=False, untried=None):
        self.words, self.command, self.shows = words.split(), command, shows
        self.untried = untried  # why it cannot be tried on this kernel
        self.image = image  # run in IMAGE, not in ROOTFS


def kind(name):
    """A namespace kind: the command is in another one than this process."""
    link = {"mount": "mnt"}.get(name, name)
    suffix = "_for_children" if name in ("pid", "time") else ""
    mine = os.readlink(f"/proc/self/ns/{link}")
    return Case(f"--{name}", f"readlink /proc/self/ns/{link}{suffix}", rf"^(?!{re.escape(mine)})\w+:\[")


def limit(words, file, shows):
    return Case(words, f"cat /sys/fs/cgroup/{file}", shows)


def cases():
    disk = next(iter(sorted(os.listdir("/sys/block"))), "sda")
    number = read(f"/sys/block/{disk}/dev").strip() if os.path.isdir(f"/sys/block/{disk}") else "8:0"
    found = {name: kind(name) for name in "user mount uts ipc pid net cgroup time".split()}
    return found | {
        # step 1
        "pid": Case("--pid", "(exec sh -c 'echo $$')", "^1$"),  # the first child, not the command
        "all": Case("--all", "echo ok", "ok"),
        "hostname": Case("--uts --hostname box", "hostname", "^box$"),
        "monotonic": Case("--time --monotonic 100000", "cat /proc/self/timens_offsets", r"monotonic +100000"),
        "boottime": Case("--time --boottime 100000", "cat /proc/self/timens_offsets", r"boottime +100000"),
        "map-root": Case("--user --map-root", "id -u", "^0$"),
        "sysctl": Case("--ipc --sysctl kernel.msgmax=9000", "cat /proc/sys/kernel/msgmax", "9000"),
        "map-auto": Case("--user --map-auto", "cat /proc/self/uid_map", r"\d{5}$"),
        "show": Case("--show"),
        "join": Case("--join JOINED", "hostname", "^joined$"),
        "explain": Case("--explain=brief", "true", "execve"),
        "explain-to": Case("--explain-to TOLD", "true", "execve"),
        # step 2
        "no-init": Case("--no-init", "echo $$", "^1$"),
        # step 3
        "rootfs": Case("", "ls -d /bin/probe", "probe"),
        "read-only": Case("--read-only", "touch /x || echo refused", "^refused"),
        "no-pivot": Case("--no-pivot", "ls -d /bin/probe", "probe"),
        "bind": Case("--bind /etc:/srv:ro", "ls /srv", "hosts"),
        "tmpfs": Case("--tmpfs /srv:size=1m", "grep /srv /proc/self/mountinfo", "size=1024k"),
        "shm-size": Case("--shm-size 1m", "grep /dev/shm /proc/self/mountinfo", "size=1024k"),
        "mask": Case("--mask /etc/passwd", "wc -c </etc/passwd", "^0$"),
        # step 4
        "memory": limit("--memory 64m", "memory.max", "67108864"),
        "memory-swap": limit("--memory 64m --memory-swap 128m", "memory.swap.max", "67108864"),
        "memory-reservation": limit("--memory-reservation 32m", "memory.low", "33554432"),
        "oom-group": limit("--oom-group", "memory.oom.group", "1"),
        "cpus": limit("--cpus 0.5", "cpu.max", "50000 100000"),
        "cpu-weight": limit("--cpu-weight 50", "cpu.weight", "50"),
        "cpu-shares": limit("--cpu-shares 512", "cpu.weight", r"\d"),
        "cpuset-cpus": limit("--cpuset-cpus 0", "cpuset.cpus", "0"),
        "cpuset-mems": limit("--cpuset-mems 0", "cpuset.mems", "0"),
        "pids-limit": limit("--pids-limit 20", "pids.max", "20"),
        "io-max": limit(f"--io-max {number}:rbps=1m", "io.max", "1048576"),
        "io-weight": limit("--io-weight 50", "io*weight", "50"),
        "cgroup-conf": limit("--cgroup-conf memory.high=32m", "memory.high", "33554432"),
        "cgroup-parent": Case("--cgroup-parent CGROUP", "true"),
        "stats": Case("--stats", "true", "memory"),
        "ulimit": Case("--ulimit nofile=64", "grep files /proc/self/limits", r"\s64\s"),
        "oom-score-adj": Case("--oom-score-adj 500", "cat /proc/self/oom_score_adj", "^500$"),
        "umask": Case("--umask 027", "grep Umask /proc/self/status", "0027"),
        # step 5
        "lower": Case("--lower ROOTFS", "ls -d /bin/probe", "probe", image=None),
        "upper": Case("--lower ROOTFS --upper UPPER", "ls -d /bin/probe", "probe", image=None),
        "keep": Case("--keep", "touch /made", "", image=True),
        "diff": Case("--diff", "touch /made", "^A /made", image=True),
        "platform": Case(f"--platform linux/{MACHINE}", "true", "", image=True),
        "entrypoint": Case("--entrypoint /bin/echo", "as told", "as told", image=True),
        "env": Case("--env A=b", "env", "^A=b", image=True),
        "workdir": Case("--workdir /tmp", "pwd", "^/tmp", image=True),
        "run-as": Case("--run-as 1000", "id -u", "^1000$", image=True),
        "root": Case("--root STORE", "true", "", image=True),
        # step 6; one row for each kind of network
        "network": {
            "--network bridge": Case("--network bridge", "cat /proc/net/dev", "eth0"),
            "--network host": Case("--network host", "cat /proc/net/dev", "lo:"),
            "--network none": Case("--network none", "cat /proc/net/dev", "lo:"),
        },
        "publish": Case("--network bridge --publish 127.0.0.1:18080:80", "cat /proc/net/dev", "eth0"),
        "dns": Case("--dns 192.0.2.1", "cat /etc/resolv.conf", "192.0.2.1"),
        "dns-search": Case("--dns-search example.org", "cat /etc/resolv.conf", "example.org"),
        "dns-option": Case("--dns-option ndots:3", "cat /etc/resolv.conf", "ndots:3"),
        "add-host": Case("--add-host db:192.0.2.7", "cat /etc/hosts", r"192.0.2.7\s+db"),
        # step 7
        "cap-add": Case("--cap-add SYS_TIME", "grep CapEff /proc/self/status", "aa0425fb"),
        "cap-drop": Case("--cap-drop ALL", "grep CapEff /proc/self/status", r"\s0{16}"),
        "privileged": Case("--privileged", "grep Seccomp: /proc/self/status", r"\s0$"),
        "seccomp": Case("--seccomp unconfined", "grep Seccomp: /proc/self/status", r"\s0$"),
        "no-new-privileges": Case("--no-new-privileges", "grep NoNewPrivs /proc/self/status", r"\s1$"),
        "apparmor": Case("--apparmor unconfined"),
        "selinux": Case("--selinux system_u:system_r:container_t:s0",
                        untried=None if os.path.exists("/sys/fs/selinux") else "not tried: no SELinux"),
        "detach": Case("--detach", "true", r"^\d+$"),
        "log": Case("--log TOLD", "echo kept", "kept"),
    }


def engine_cases():
    """The options of `boxstep run` that no step has, or that mean something else there."""
    return {
        "interactive": Case("--interactive"),
        "tty": Case("--tty", "tty", "/dev/pts/0"),
        "rm": Case("--rm"),
        "name": Case("--name tried"),
        "init": Case("--init", "cat /proc/1/comm", r"^init$"),
        "env-file": Case("--env-file ENV", "env", "^A=b"),
        "volume": Case("--volume /etc:/srv:ro", "ls /srv", "hosts"),
        "user": Case("--user 1000", "id -u", "^1000$"),
        "hostname": Case("--hostname box", "hostname", "^box$"),
        "pid": Case("--pid host", "cat /proc/SELF/comm", "python3"),
        "ipc": Case("--ipc host", "readlink /proc/self/ns/ipc", re.escape(os.readlink("/proc/self/ns/ipc"))),
        "uts": Case("--uts host", "hostname", f"^{os.uname().nodename}$"),
        "userns": Case("--userns auto", "cat /proc/self/uid_map", r"^ +0 +[1-9]"),
        "sysctl": Case("--sysctl kernel.msgmax=9000", "cat /proc/sys/kernel/msgmax", "9000"),
        "stop-signal": Case("--stop-signal INT"),
        "label": Case("--label a=b"),
        "cidfile": Case("--cidfile CID"),
        "pull": Case("--pull never"),
        "detach": Case("--detach", "true", r"^[0-9a-f]{64}$"),
        "seccomp": Case("--seccomp unconfined", "grep Seccomp: /proc/self/status", r"\s0$"),
    }


MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


class Engine:
    """`boxstep run`, where the steps are programs."""

    n, name = "boxstep run", "boxstep"

    def argv(self, words, case, command):
        rest = [] if "--rm" in words or "--detach" in words else ["--rm"]
        return [program("boxstep"), "run", *rest, *words, IMAGE, *command]


class Program(Step):
    def argv(self, words, case, command):
        if "--show" in words:
            return [self.path, *words]
        if case.image is False:
            return super().argv(*words, cmd=command)
        network = ["--network", "none"] if self.n >= 6 else []
        return [self.path, *words, *network, *([IMAGE] if case.image else []), *command]


# ---- trying ----


def attempt(s, case, prefix, user, cgroup=None):
    """True when the option did what it says, in one situation; else the refusal."""
    home = STAGE + ("/user" if user else "/home")
    told = home + "/told"
    known = {"SELF": os.getpid(), "TOLD": told, "CGROUP": "/rights/own" if cgroup else "/rights",
             "ROOTFS": ROOTFS, "UPPER": store(user) + "/upper", "STORE": store(user) + "/other",
             "ENV": TMP + "/env", "CID": home + "/cid"}
    if "JOINED" in case.words:  # the namespaces of another process of the same user
        sleeper = start([step(1), *(OWN if user else []), "--uts", "--hostname", "joined", "--", "sleep", "20"], user=user)
        wait_for(lambda: read(f"/proc/{sleeper.pid}/comm") == "sleep\n" or not sleeper.alive(), "the sleeper")
        known["JOINED"] = sleeper.pid
    words = [str(known.get(word, word)) for word in case.words]
    words = prefix + [w for w in words if w not in prefix]
    asked = case.command.replace("SELF", str(os.getpid()))
    command = ["/bin/sh", "-c", asked] if re.search(r"[|&<$*]", asked) else asked.split()
    argv = s.argv(words, case, command)
    env = {"BOXSTEP_ROOT": store(user) + "/store"}
    if cgroup:
        r = run([*enter(cgroup), *argv], env={**environment(user=True), **env}, cwd=STAGE + "/user", timeout=15)
    else:
        r = (run_as_user if user else run)(argv, env=env, pty="--tty" in words, timeout=15)
    text = r.out + r.err
    for path in (told, home + "/cid"):
        if os.path.exists(path):
            text += read(path)
            os.unlink(path)
    works = r.status == 0 and re.search(case.shows, text, re.M) is not None
    if not works and r.status == 125:
        matches(text, rf"^{s.name}: .+", "a refusal is a sentence")
    return works or text


def store(user):
    return STAGE + ("/disk/user" if user else "/disk/root")


def verdict(s, case, user, restricted=False):
    engine = isinstance(s, Engine)
    ways = [("yes", [])]
    if user and not engine and "--user" not in case.words:
        ways += [("with `--user --map-root`", OWN), ("with `--user --map-auto`", RANGE)]
    for words, prefix in ways:
        done = attempt(s, case, prefix, user)
        if done is True:
            return words
    if user and not restricted and (engine or len(ways) > 1):
        with handed_over() as cgroup:
            if attempt(s, case, [] if engine else OWN, user, cgroup) is True:
                return ("" if engine else "with `--user --map-root`, ") + "in a cgroup that was handed over"
    later = re.search(r"needs (Linux \d+\.\d+)", done)
    return f"from {later[1]} on" if later else "no"


@contextlib.contextmanager
def mqueue():
    """What every distribution mounts and the VM does not, for --ipc host."""
    os.makedirs("/dev/mqueue", exist_ok=True)
    mounted = " /dev/mqueue " in read("/proc/self/mountinfo")
    if not mounted:
        subprocess.run(["mount", "-t", "mqueue", "mqueue", "/dev/mqueue"], check=True)
    try:
        yield
    finally:
        if not mounted:
            subprocess.run(["umount", "/dev/mqueue"], check=True)


@contextlib.contextmanager
def disk():
    """A disk for the stores: tmpfs has no extended attributes of users before Linux 6.6."""
    image, where = TMP + "/disk.img", STAGE + "/disk"
    with open(image, "w") as file:
        file.truncate(512 << 20)
    os.makedirs(where)
    subprocess.run(["modprobe", "-q", "loop"], check=False)  # which is also a disk for --io-max
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, where], check=True)
    try:
        for user in (False, True):
            os.makedirs(store(user) + "/upper")
        for path in (store(True), store(True) + "/upper"):
            os.chown(path, USER_ID, USER_ID)
        yield
    finally:
        subprocess.run(["umount", where], check=True)
        os.rmdir(where)


@contextlib.contextmanager
def handed_over():
    """A cgroup that the user owns, as systemd's user manager makes them."""
    path = cgroup2_mount() + "/rights"
    os.mkdir(path)
    try:
        for name in ["", *read("/sys/kernel/cgroup/delegate").split()]:
            if os.path.exists(f"{path}/{name}"):
                os.chown(f"{path}/{name}", USER_ID, USER_ID)
        yield path
    finally:
        write(path + "/cgroup.kill", 1)  # what --detach has left running
        wait_for(lambda: "populated 0" in read(path + "/cgroup.events"), "the end of what ran as the user")
        for folder, _, _ in list(os.walk(path, topdown=False)):
            os.rmdir(folder)


def enter(cgroup):
    """The words that run a command as the user, with its first process in the cgroup."""
    script = f'echo $$ >{cgroup}/cgroup.procs && exec setpriv --reuid={USER_ID} --regid={USER_ID}'
    return ["sh", "-c", script + ' --clear-groups --inh-caps=-all "$@"', "sh"]


def write(path, value):
    with open(path, "w") as file:
        file.write(str(value))


class Restricted:
    """No user namespace can be made, until the end of the block."""

    def __enter__(self):
        self.before = read(RESTRICTION)
        write(RESTRICTION, 0)

    def __exit__(self, *_):
        write(RESTRICTION, self.before)


def table(results):
    """Options of one step that fared alike stand in one row."""
    lines = ["| program | options | as root | as a user | where user namespaces are restricted |",
             "|---|---|---|---|---|"]
    groups = {}
    for n, label, outcome in results:
        groups.setdefault((n, outcome), []).append(f"`{label}`")
    for (n, outcome), names in groups.items():
        name = n if isinstance(n, str) else f"step{n:02d}"
        lines.append(f"| {name} | {', '.join(names)} | {' | '.join(outcome)} |")
    return "\n".join(lines) + "\n"


def wanted():
    """(program, label, case) for every option: of the first step that has it, and of boxstep run."""
    known, seen = cases(), set()
    for n in range(1, 8):
        options = [name for name, *_ in rows(help_of(Step(n))) if name not in seen]
        equal(sorted(set(options) - set(known)), [], f"options of step {n} without a case here")
        seen.update(options)
        for name in options:
            one = known[name]
            for label, case in (one if isinstance(one, dict) else {f"--{name}": one}).items():
                yield Program(n), label, case
    known = {**known, **engine_cases()}
    options = [name for name, *_ in rows(help_text([program("boxstep"), "run"]))]
    equal(sorted(set(options) - set(known)), [], "options of boxstep run without a case here")
    for name in options:
        one = known[name]
        for label, case in (one if isinstance(one, dict) else {f"--{name}": one}).items():
            yield Engine(), label, case


def said():
    part = re.search(r"<!-- generated: rights -->\n(.*?)<!-- end -->", read(ROOT + "/README.md"), re.S)
    check(part, "README.md has no part `rights`")
    return part[1]


@test("the README's table of rights has every option once, with the first program that has it", needs="")
def _():
    in_table = []
    for row in said().splitlines()[2:]:
        _, name, options, *_ = (cell.strip() for cell in row.split("|"))
        in_table += [f"{name} {option}" for option in re.findall(r"`([^`]+)`", options)]
    there = [f"{s.n if isinstance(s.n, str) else s.name} {label}" for s, label, _ in wanted()]
    equal(sorted(set(there) ^ set(in_table)), [], "options that are in one of the two only")
    equal(len(in_table), len(there), "options in the table")


@test("the README says rightly who may use which option", needs="root cgroup2 nft vm", timeout=600)
def _():
    results = []
    write(TMP + "/env", "A=b\n")
    with disk(), mqueue():
        for s, label, case in wanted():
            if case.untried:
                results.append((s.n, label, (case.untried,) * 3))
                continue
            outcome = [verdict(s, case, False), verdict(s, case, True)]
            with Restricted():
                outcome.append(verdict(s, case, True, restricted=True))
            results.append((s.n, label, tuple(outcome)))
    made = table(results)
    if made != said():
        write(ROOT + "/build/rights.md", made)
    changed = set(made.splitlines()) ^ set(said().splitlines())
    equal(sorted(changed), [], "rows of README.md and of what was seen (book/build/sync.py puts it right)")
