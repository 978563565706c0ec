"""runc under strace, as dockerd's shim calls it: what book/09-docker-run.md tells of Docker is read from
there and from /proc. Only the calls that are asked for stop (--seccomp-bpf): a run of it costs seconds."""

import glob
import itertools
import os
import re

import harness

CALLS = "clone,execve,unshare,mount,umount2,pivot_root,mknodat,mkdirat,sethostname,bpf,prctl,setgroups,setuid,capset"
STRACE = "strace -f --seccomp-bpf -qq -s 300 -e signal=none".split()
# Of no stage: what asks what the kernel can, what failed, threads, runc's own binary, and its first words to itself.
NOISE = re.compile(r"CLONE_THREAD|CLONE_VFORK|= -1 |^prctl\((?!PR_SET_SECCOMP)|^bpf\((?!BPF_PROG_ATTACH)|/runc\.\w+\""
                   r"|^mkdirat\((?!.*\"/sys/fs/cgroup/)|^execve\(\"/usr/s?bin/runc\"")
# The stage that a call belongs to: the first that matches.
STAGES = (("gate", r"mknodat.*/exec\.fifo"), ("clone", r"clone\(|execve\(\"/proc/self/exe\"|unshare"),
          ("cgroup", r"mkdirat|bpf"), ("network", r"execve\(\"/proc/\d+/exe\""), ("devices", r"mknodat"),
          ("pivot", r"pivot_root|umount2\(\"\.\"|mount\(\"\", \"\.\"|sethostname"), ("mounts", r"mount"),
          ("seccomp", r"prctl"), ("user", r"setgroups|setuid|capset"), ("exec", r"execve"))


def write_wrapper(path, log):
    """A program to register as a runtime: it is runc, and the files LOG.* have what runc did."""
    with open(path, "w") as out:
        out.write(f"""#!/bin/sh
echo "$(date +%s.%N) $$ $PPID $*" >>{log}
case " $* " in *" create "* | *" start "*) ;; *) exec runc "$@" ;; esac
exec {" ".join(STRACE)} -D -ttt -e trace={CALLS} -o {log}.$$ runc "$@"
""")
    os.chmod(path, 0o755)


def said(log):
    """[(time, pid, ppid, words)] of every time that runc was called."""
    lines = [line.split(" ") for line in harness.read(log).splitlines()]
    return [(float(time), int(pid), int(ppid), words) for time, pid, ppid, *words in lines]


def calls(path):
    """[(thread, time, call)] of the file of an strace, in their order; an interrupted call where it ended, but
    an execve where it began: until its new program is there its parent waits (vfork), and then they race."""
    found, begun = [], {}
    for line in harness.read(path).splitlines():
        thread, time, text = line.split(None, 2)
        place = len(found)
        if text.endswith("<unfinished ...>"):
            begun[thread] = (text.removesuffix("<unfinished ...>"), place)
            found += [None] * text.startswith("execve(")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", text):
            first, place = begun.pop(thread, ("", place))
            text = first + resumed[1]
        if re.match(r"\w+\(", text) and not NOISE.search(text):
            call = (int(thread), float(time), text)
            if text.startswith("execve(") and place < len(found):
                found[place] = call
            else:
                found.append(call)
    return [call for call in found if call]


def stages(found, init):
    """[(whether it is the container's own process INIT, stage, [calls])] of what calls() found."""
    told, turned = [], False
    for thread, _, text in found:
        stage = next(name for name, pattern in STAGES if re.match(pattern, text))
        if not turned and stage == "user":
            continue  # runc init sets its ids to those that it has
        told.append((thread == init, "hide" if turned and stage == "mounts" else stage, text))
        turned = turned or text.startswith("pivot_root")
    return [(*kind, [text for _, _, text in some]) for kind, some in itertools.groupby(told, key=lambda x: x[:2])]


def names(texts):
    return ", ".join(dict.fromkeys(re.match(r"\w+", text)[0] for text in texts))


# ---- processes -----------------------------------------------------------------------------------


def stat(pid):
    """The fields of /proc/PID/stat behind the name: the state is the first."""
    return harness.read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def parent(pid):
    return int(stat(pid)[1])


def began(pid):
    """In clock ticks since boot."""
    return int(stat(pid)[19])


def words(pid):
    return harness.read(f"/proc/{pid}/cmdline").split("\0")[:-1]


def children(pid):
    """[(number, name)] of the children of PID, without those of none: the ended."""
    found = [int(os.path.basename(path)) for path in glob.glob("/proc/[0-9]*") if os.path.exists(path + "/stat")]
    found = [child for child in found if parent(child) == pid and words(child)]
    return sorted((child, os.path.basename(words(child)[0])) for child in found)


def opened(pid):
    """What the descriptors of PID are links to."""
    return {os.readlink(path) for path in glob.glob(f"/proc/{pid}/fd/*") if os.path.lexists(path)}
