"""Exercises of step 2: numbers inside and outside, an init that reaps and passes on. The tasks: book/exercises/02.md"""

import os
import re
import signal

import harness
from exercise import Exercise


def children(pid):
    return [int(word) for word in harness.read(f"/proc/{pid}/task/{pid}/children").split()]


def first_inside(p):
    return harness.wait_for(lambda: children(p.pid), "the child of the program")[0]


# ---- 2.1 -----------------------------------------------------------------------------------------


class Numbers(Exercise):
    def right(self):
        return "outermost = 3\nmiddle = 2\ninnermost = 1\nseen_in_middle = yes\nseen_by_sibling = no\n"

    def fill(self, text):
        return text


numbers = Numbers(
    "2.1", "Three numbers of one process", "step02", kind="observe", file="answers.txt",
    template="""# In your shell:  step02 --no-init -- step02 --no-init -- sleep 100
# and in another:  grep NSpid /proc/PID/status   for the PID of that sleep.
# How many numbers are in the line as the host reads it, as the outer step02's child reads it in its own
# /proc, and as the sleep itself reads it?
outermost =
middle =
innermost =
# yes or no: has the sleep a number in the middle namespace, and has it one in that of a second
# `step02 --no-init -- sh` beside the first?
seen_in_middle =
seen_by_sibling =
""",
    hints={
        "count": "A process has a number in its own PID namespace and in each one above it, up to that of the "
                 "procfs which is read; further up and to the side nobody is told.",
        "sight": "Namespaces of this kind are a tree: sight goes down it, never up and never across.",
    },
    wrong={"count": [("middle = 2", "middle = 3")], "sight": [("seen_by_sibling = no", "seen_by_sibling = yes")]},
)


def nested(g):
    """NSpid of one process three deep: as the host, the middle and itself read it."""
    step = g.program()
    p = harness.start([step, "--no-init", "--", step, "--no-init", "--", harness.PROBE, "read", "/proc/self/status",
                       "catch", "1"])
    p.read_until("ready")
    middle = first_inside(p)
    inner = harness.wait_for(lambda: children(middle), "the innermost")[0]
    words = re.compile(r"^NSpid:\s*(.*)$", re.M)
    outside = words.search(harness.read(f"/proc/{inner}/status"))[1].split()
    there = words.search(harness.read(f"/proc/{middle}/root/proc/{outside[1]}/status"))[1].split()
    return outside, there, words.search(p.out)[1].split()


@numbers.check("how many numbers each of the three reads", 6)
def _(g):
    for name, seen in zip(("outermost", "middle", "innermost"), nested(g)):
        g.predicted(name, len(seen), "count")


@numbers.check("who sees it", 4)
def _(g):
    outside, there, _ = nested(g)
    g.predicted("seen_in_middle", "yes" if len(there) == 2 else "no", "sight")
    sibling = harness.run([g.program(), "--no-init", "--", harness.PROBE, "pids"])
    seen = f"process {outside[0]} " in sibling.out or len(re.findall(r"^process", sibling.out, re.M)) > 1
    g.predicted("seen_by_sibling", "yes" if seen else "no", "sight")


# ---- 2.2 -----------------------------------------------------------------------------------------

PATIENCE = 4  # seconds, for what takes a thousandth of one
ORPHANS = 50

reap = Exercise(
    "2.2", "Reap fifty orphans", "step02", refill="step02-pidns/init.c", cut=["reap"], stub="(void)command;",
    hints={
        "one": "Some dead were left lying: a signal that is pending is not counted, so one SIGCHLD can stand for "
               "many who ended.",
        "block": "It waits when nobody has ended, and hears no signal meanwhile.",
        "early": "The init left when an orphan ended, not when the command did.",
        "status": "The command's end was told wrongly: a status that wait gives has parts, see wait(2).",
    },
    wrong={
        "one": [("while ((ended = waitpid(-1, &status, WNOHANG)) > 0)", "if ((ended = waitpid(-1, &status, WNOHANG)) > 0)")],
        "block": [("waitpid(-1, &status, WNOHANG)", "waitpid(-1, &status, 0)")],
        "early": [("if (ended == command)", "if (ended)")],
        "status": [("WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)", "status")],
    },
    seconds=90,
)


def zombies(pid):
    states = [re.search(r"State:\s+(\w)", text)[1] for text in map(status_of, children(pid)) if text]
    return states.count("Z")


def status_of(pid):
    try:
        return harness.read(f"/proc/{pid}/status")
    except OSError:
        return ""


@reap.check("the command's status is the program's", 3)
def _(g):
    for words, wanted in ((["exit", "7"], 7), (["raise", "9"], 137)):
        p = harness.start([g.program(), "--", harness.PROBE, *words])
        try:
            r = p.wait(PATIENCE)
        except harness.Failure as failure:
            raise type(failure)("the command has ended, the program has not") from None
        g.must(r.status == wanted, f"status {r.status} for {' '.join(words)}", "status")


@reap.check(f"{ORPHANS} orphans that end at once leave no zombie", 5)
def _(g):
    script = f"i=0; while [ $i -lt {ORPHANS} ]; do (sleep 1000 &); i=$((i+1)); done; echo made; read word; exit 5"
    p = harness.start([g.program(), "--", "/bin/sh", "-c", script], stdin=harness.subprocess.PIPE)
    p.read_until("made")
    init = first_inside(p)
    orphans = harness.wait_for(lambda: (lambda c: len(c) > ORPHANS and c)(children(init)), "the orphans")
    # stopped, the init cannot take one by one what the kernel makes one signal of
    os.kill(init, signal.SIGSTOP)
    mine = [pid for pid in orphans if "sleep" in (status_of(pid).splitlines() or [""])[0]]
    for pid in mine:
        os.kill(pid, signal.SIGKILL)
    harness.wait_for(lambda: zombies(init) >= len(mine), "their ends")
    os.kill(init, signal.SIGCONT)
    try:
        harness.wait_for(lambda: not p.alive() or zombies(init) == 0, "the reaping", timeout=PATIENCE)
    except harness.Failure:
        g.must(False, f"{zombies(init)} of {len(mine)} are zombies", "one")
    try:
        p.write("\n")
        status = p.wait().status
    except BrokenPipeError:
        status = "none"
    g.must(status == 5, f"status {status}, the command's was 5", "early")


@reap.check("signals are heard while nobody ends", 2)
def _(g):
    p = harness.start([g.program(), "--", "/bin/sh", "-c", f"({harness.PROBE} exit 0 &); exec {harness.PROBE} catch 2"])
    try:
        p.read_until("ready")
        init = first_inside(p)
        harness.wait_for(lambda: len(children(init)) <= 1, "the orphan's end")
    except (harness.Failure, OSError):
        g.must(False, "the program has ended with the orphan, or never took it", "early")
    for number in (signal.SIGUSR1, signal.SIGTERM):
        p.send(number)
        try:
            p.read_until(f"signal {int(number)}", timeout=PATIENCE)
        except harness.Failure:
            g.must(False, f"signal {int(number)} did not reach the command", "block")


# ---- 2.3 -----------------------------------------------------------------------------------------

forward = Exercise(
    "2.3", "Pass signals on, and tell how it ended", "step02", refill="step02-pidns/spawn.c",
    cut=["spawn_pass_on", "spawn_status"], stub="return 0;",
    hints={
        "raw": "The program's status is not what a shell would say of such an end: siginfo_t has the how in si_code "
               "and the what in si_status, and a status has eight bits.",
        "dropped": "The signal was taken and went nowhere; it belongs to the child that the pidfd names.",
        "fixed": "The command got another signal than the one that was sent.",
        "gone": "A child that has ended meanwhile is no error: its end is told by the pidfd.",
    },
    wrong={
        "raw": [("return info->si_code == CLD_EXITED ? info->si_status : 128 + info->si_status;",
                 "return info->si_status;")],
        "fixed": [("pidfd_send_signal(child->pidfd, number, NULL, 0) < 0 && errno != ESRCH",
                   "pidfd_send_signal(child->pidfd, SIGTERM, NULL, 0) < 0 && number")],
        "dropped": [("number = (int)info.ssi_signo;", "number = 0;")],
    },
)


@forward.check("each signal reaches the command, as itself", 4)
def _(g):
    p = harness.start([g.program(), "--no-init", "--", harness.PROBE, "catch", "3"])
    p.read_until("ready")
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTERM):
        p.send(number)
        try:
            p.read_until("signal ", timeout=PATIENCE)
        except harness.Failure:
            g.must(False, f"signal {int(number)} was not heard: {p.out}{p.err}", "dropped")
        try:
            p.read_until(f"signal {int(number)}\n", timeout=PATIENCE)
        except harness.Failure:
            g.must(False, f"signal {int(number)} was sent: {p.out}{p.err}", "fixed")


@forward.check("how the command ended is what a shell would say", 4)
def _(g):
    r = harness.run([g.program(), "--no-init", "--", harness.PROBE, "exit", "3"])
    g.must(r.status == 3, f"status {r.status} after exit 3", "raw")
    p = harness.start([g.program(), "--no-init", "--", harness.PROBE, "catch", "9"])
    p.read_until("ready")
    os.kill(first_inside(p), signal.SIGKILL)
    r = p.wait()
    g.must(r.status == 137, f"status {r.status} after SIGKILL", "raw")


@forward.check("after the command nobody is left", 2)
def _(g):
    p = harness.start([g.program(), "--", harness.PROBE, "catch", "1"])
    p.read_until("ready")
    p.send(signal.SIGTERM)
    try:
        r = p.wait(PATIENCE)
    except harness.Failure:
        g.must(False, "SIGTERM did not end it", "dropped")
    g.must(r.status == 0, f"status {r.status}\n{r.out}{r.err}", "raw")


# ---- 2.4 -----------------------------------------------------------------------------------------

enomem = Exercise(
    "2.4", "Fork without memory, with memory to spare", "afterlife", kind="break", file="afterlife.c",
    hints={
        "works": "fork still works: the next child goes into a namespace whose process 1 is alive, or into the old one.",
        "limit": "EAGAIN is a limit of numbers; wanted is the errno of a namespace that takes nobody any more.",
        "memory": "Memory was limited; the task is to leave it alone.",
    },
    wrong={
        "works": [("first = fork();", "first = -1;")],
        "limit": [("\tif (unshare(CLONE_NEWPID) < 0)\n\t\treturn;\n",
                   "\tsetrlimit(RLIMIT_NPROC, &(struct rlimit){ 1, 1 });\n\tif (setuid(65533) == 0)\n\t\treturn;\n")],
        "memory": [("\tif (unshare(CLONE_NEWPID) < 0)\n\t\treturn;\n",
                    "\tsetrlimit(RLIMIT_AS, &(struct rlimit){ 1 << 20, 1 << 20 });\n\tif (unshare(CLONE_NEWPID) < 0)\n\t\treturn;\n")],
    },
)


@enomem.check("fork says ENOMEM, and nothing is short of memory", 10)
def _(g):
    r = harness.run([g.program()])
    g.must_not("EAGAIN" in r.out, r.out, "limit")
    g.must("ENOMEM" in r.out, r.out + r.err, "works")
    g.must("limit unlimited" in r.out, r.out, "memory")
