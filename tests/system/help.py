"""What every program promises about its command line: help, spelling of options, exit statuses."""

from harness import *

ROW = re.compile(r"^  (?:-(\w),| {3}) --([a-z][a-z0-9-]*)(\[=\w+\]| \S+)?\s{1,}(\S.*?)(?:  \[(.+)\])?$")
NO_OBJECT = {"help", "explain", "explain-to"}  # options of the programs alone: nothing in the kernel


def rows(text):
    """The options that a --help lists: (name, unit, help, kernel object)."""
    found = []
    for line in text.splitlines():
        row = ROW.match(line)
        if row:
            found.append((row[2], (row[3] or "").strip(), row[4], row[5]))
        elif re.match(r"^\s+(-\w,)?\s*--\w", line) and not line.startswith("       "):
            check(False, f"not a row of the form `--name UNIT  help  [object]`: {line!r}")
    return found


def examples(text):
    head, mark, tail = text.partition("\nexamples:\n")
    check(mark, "--help has no examples")
    return [line.strip() for line in tail.splitlines() if line.startswith("  ")]


def help_of(s):
    return help_text([s.path])


def help_text(argv):
    r = run([*argv, "--help"])
    equal(r.status, 0, "status of --help")
    equal(r.err, "", "stderr of --help")
    if "  -h, " not in r.out:
        equal(run([*argv, "-h"]).out, r.out, "-h, which is no other option")
    return r.out


def ready(s):
    """A directory in which `build/…` of the examples exists, for the user too."""
    os.symlink(STAGE, TMP + "/build")
    return dict(cwd=TMP, timeout=60)


@test("--help has a synopsis, three examples, and a unit, a sentence and an object for each option",
      steps=(1, 7), needs="")
def _(s):
    text = help_of(s)
    matches(text, rf"^usage: {s.name} \[OPTIONS\]")
    check(len(rows(text)) >= 5, f"few options found in:\n{text}")
    check_help(text, s.name)


def check_help(text, name):
    found = rows(text)
    names = [option for option, *_ in found]
    equal(len(set(names)), len(names), "number of different options")
    for option, unit, sentence, _ in found:
        check(len(sentence) >= 8, f"--{option} has no help: {sentence!r}")
        check(not unit or re.match(r"\[=|[A-Z\[]|\d+-\d+$|[a-z]+(\|[a-z]+)+$", unit), f"--{option}: {unit!r} is no unit")
    bare = [option for option, _, _, kernel in found if not kernel and option not in NO_OBJECT]
    check(len(bare) * 3 <= len(found) or name.startswith("boxstep"), f"options without an object: {bare}")
    check(len(examples(text)) >= 3, "fewer than three examples")
    for line in examples(text):
        check(line.split()[0] == name, f"an example of another program: {line}")


OTHERS = ("boxstep", "boxstep-oci", "boxstep-pull", "boxstep-unpack")


def register_others():
    """The same for the programs that are no steps, and for each command that their help lists."""
    for name in OTHERS:

        @test(f"--help of {name} and of its commands has a synopsis, three examples, units and sentences", needs="")
        def _(name=name):
            path = program(name)
            text = help_text([path])
            matches(text, rf"^usage: {name} ")
            check_help(text, name)
            block = re.search(r"^commands:\n((?:  .*\n)+)", text, re.M)
            for command in re.findall(r"^  ([a-z]+)", block[1], re.M) if block else []:
                text = help_text([path, command])
                matches(text, rf"^usage: {name} {command}")
                check_help(text, name)

        @test(f"{name} names a wrong option and a wrong value", needs="")
        def _(name=name):
            for argv in (["--nosuch"], ["--nosuch=1"]):
                r = run([program(name), *argv])
                check(r.status == (1 if name == "boxstep-oci" else 125), f"status\n{r}")
                matches(r.err, rf"^{name}: .*--nosuch")
                equal(r.out, "", "stdout")


register_others()


@test("each example of --help works as it stands", steps=(1, 3))
def _(s):
    try_examples(s)


@test("each example of --help works as it stands", steps=(4, 7), needs="root cgroup2 nft")
def _(s):
    try_examples(s)


def try_examples(s):
    options = ready(s)
    for line in examples(help_of(s)):
        r = run(["sh", "-c", line], **options)
        check(r.status == 0, f"example: {line}\n{r}")


@test("an option takes its value as the next word and after an equals sign", steps=(1, 7))
def _(s):
    for words in (["--uts", "--hostname", "box"], ["--uts", "--hostname=box"]):
        r = run(s.argv(*words, cmd=[s.shell, "-c", "hostname"]))
        equal((r.status, r.out), (0, "box\n"), " ".join(words))


@test("options end at -- and at the first word that is none", steps=(1, 7))
def _(s):
    for end in ([], ["--"]):
        argv = [w for w in s.argv(cmd=[s.shell, "-c", 'echo "$@"', "sh", "--uts", "--nosuch"])]
        argv.remove("--")
        at = argv.index(s.shell)
        r = run([*argv[:at], *end, *argv[at:]])
        equal((r.status, r.out), (0, "--uts --nosuch\n"), f"with {end}")


@test("the command's own status comes back, and 128+n when a signal ended it", steps=(1, 7))
def _(s):
    for status in (0, 1, 3, 124, 255):
        equal(run(s.argv(cmd=[s.shell, "-c", f"exit {status}"])).status, status)
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
        r = run(s.argv(cmd=[s.shell, "-c", f"kill -{int(number)} $$; sleep 5"]))
        equal(r.status, 128 + number, f"status after signal {number}")


@test("a command that is not there is 127, one that cannot be run 126, and both are named", steps=(1, 7))
def _(s):
    r = run(s.argv(cmd=["nosuchcommand"]))
    equal(r.status, 127)
    contains(r.err, f"{s.name}: ")
    contains(r.err, "nosuchcommand")
    r = run(s.argv(cmd=["/nosuch/command"]))
    equal(r.status, 127)
    contains(r.err, "/nosuch/command")
    for path in ("/etc/passwd", "/etc"):
        r = run(s.argv(cmd=[path]))
        equal(r.status, 126, f"status of running {path}")
        contains(r.err, path)


@test("a wrong option, a missing value and a value too many are named, with status 125", steps=(1, 7), needs="")
def _(s):
    bad("", [s.path, "--nosuch", "--", "true"], names="--nosuch")
    bad("", [s.path, "--nosuch=3", "--", "true"], names="--nosuch")
    bad("", [s.path, "-?", "--", "true"], names="-?")
    bad("", [s.path, "--hostname"], names="--hostname")
    bad("", [s.path, "--uts=yes", "--", "true"], names="--uts")
    bad("", [s.path, "--explain=loud", "--", "true"], names="loud")


@test("without a command a program says how it is used, with status 125", steps=(1, 7), needs="")
def _(s):
    argv = s.argv(cmd=[]) if s.n >= 3 else [s.path]
    r = run(argv)
    equal(r.status, 125)
    contains(r.err, f"{s.name}: ")
    contains(r.err, "COMMAND")


@test("every option of a lower step is an option of the higher ones", steps=(2, 7), needs="")
def _(s):
    here = {name for name, *_ in rows(help_of(s))}
    below = {name for name, *_ in rows(help_of(type(s)(s.n - 1)))}
    only_first = {"show", "join"} if s.n == 2 else set()  # views of other processes: step 1 makes none
    equal(sorted(below - here - only_first), [], "options lost")
