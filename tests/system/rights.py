"""Who may use which option: each is tried as root, as a user, and as a user on a host that restricts user namespaces.

The table that comes out stands in the README; this test fails when the README says otherwise, and leaves
the table in build/rights.md, from where book/build/sync.py takes it.
"""

from harness import *
from help import help_of, rows
from harness import Step

OWN = "--user --map-root".split()
RANGE = "--user --map-auto".split()
RESTRICTION = "/proc/sys/user/max_user_namespaces"


class Case:
    """An option with a value to try; COMMAND inside, and what its output has to match."""

    def __init__(self, words, command="true", shows="", more=()):
        self.words, self.command = words.split(), command
        self.shows, self.more = shows, list(more)


def kind(name):
    """A namespace kind: the command is in another one than this process."""
    link = {"net": "net", "mount": "mnt"}.get(name, name)
    suffix = "_for_children" if name in ("pid", "time") else ""
    mine = os.readlink(f"/proc/self/ns/{link}")
    return Case(f"--{name}", f"readlink /proc/self/ns/{link}{suffix}", rf"^(?!{re.escape(mine)})\w+:\[")


def cases():
    found = {name: kind(name) for name in "user mount uts ipc pid net cgroup time".split()}
    found |= {
        "all": Case("--all", "echo ok", "ok"),
        "hostname": Case("--uts --hostname box", "hostname", "^box$"),
        "monotonic": Case("--time --monotonic 100000", "cat /proc/self/timens_offsets", r"monotonic +100000"),
        "boottime": Case("--time --boottime 100000", "cat /proc/self/timens_offsets", r"boottime +100000"),
        "map-root": Case("--user --map-root", "id -u", "^0$"),
        "map-auto": Case("--user --map-auto", "cat /proc/self/uid_map", r"\d{5}$"),
        "show": Case("--show"),
        "join": Case("--join SELF", "echo joined", "joined"),
        "explain": Case("--explain=brief", "true", "execve"),
        "explain-to": Case("--explain-to /dev/stderr", "true", "execve"),
        "no-init": Case("--no-init", "echo $$", "^1$"),
    }
    return found


# ---- trying ----


def attempt(s, case, prefix, user):
    """Whether the option did what it says, in one situation."""
    words = [w.replace("SELF", str(os.getpid())) for w in case.words]
    words = prefix + [w for w in words if w not in prefix]
    if "--show" in words:
        argv = [s.path, *words]
    else:
        argv = s.argv(*words, *case.more, cmd=[s.shell, "-c", case.command])
    r = (run_as_user if user else run)(argv)
    works = r.status == 0 and re.search(case.shows, r.out + r.err, re.M) is not None
    if not works and r.status == 125:
        matches(r.err, rf"^{s.name}: .+", "a refusal is a sentence")
    return works


def verdict(s, case, user):
    if attempt(s, case, [], user):
        return "yes"
    if user and "--user" not in case.words:
        if attempt(s, case, OWN, user):
            return "with `--user --map-root`"
        if attempt(s, case, RANGE, user):
            return "with `--user --map-auto`"
    return "no"


class Restricted:
    """No user namespace can be made, until the end of the block."""

    def __enter__(self):
        self.before = read(RESTRICTION)
        with open(RESTRICTION, "w") as file:
            file.write("0")

    def __exit__(self, *_):
        with open(RESTRICTION, "w") as file:
            file.write(self.before)


def table(results):
    """Options of one step that fared alike stand in one row."""
    lines = ["| step | options | as root | as a user | where user namespaces are restricted |",
             "|---|---|---|---|---|"]
    groups = {}
    for (n, name), outcome in results.items():
        groups.setdefault((n, outcome), []).append(f"`--{name}`")
    for (n, outcome), names in groups.items():
        lines.append(f"| {n} | {', '.join(names)} | {' | '.join(outcome)} |")
    return "\n".join(lines) + "\n"


def new_options(last=7):
    """Each option with the first step that has it."""
    seen = {}
    for n in range(1, last + 1):
        if os.path.exists(f"{STAGE}/bin/step{n:02d}"):
            for name, *_ in rows(help_of(Step(n))):
                seen.setdefault(name, n)
    return seen


@test("the README says rightly who may use which option", needs="root cgroup2 nft vm", timeout=600)
def _():
    known, options = cases(), new_options()
    equal(sorted(set(options) - set(known)), [], "options without a case here")
    results = {}
    for name, n in options.items():
        s, case = Step(n), known[name]
        root, user = verdict(s, case, False), verdict(s, case, True)
        with Restricted():
            results[n, name] = (root, user, verdict(s, case, True))
    made = table(results)
    with open(BUILD + "/rights.md", "w") as file:
        file.write(made)
    said = re.search(r"<!-- generated: rights -->\n(.*?)<!-- end -->", read(ROOT + "/README.md"), re.S)
    check(said, "README.md has no part `rights`")
    equal(said[1], made, "the table of README.md (book/build/sync.py puts it right)")
