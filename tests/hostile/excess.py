"""What the engine is given that is too long, too many, or not what it seems: it is refused by name, and
never taken for something else."""

from harness import *

NAME = "hostile-engine"


def box(*words, **options):
    return run([program("boxstep"), *words], **options)


def once(*words, cmd=("/bin/true",)):
    return box("run", "--rm", "--network", "none", *words, IMAGE, *cmd)


def gone():
    equal(box("ps", "-aq").out, "", "containers that are left")


@test("an --env-file that cannot be read is an error: not no variables")
def _():
    os.makedirs(TMP + "/directory")
    r = once("--env-file", TMP + "/directory")
    equal(r.status, 125)
    contains(r.err, TMP + "/directory")
    contains(r.err, "EISDIR")
    gone()


@test("an --env-file is no shell script: a name with white space in it, or none, is refused with its line")
def _():
    for line, name in (("export X=1", "export X"), ("X =1", "X "), ("X\tY", "X"), ("=1", "")):
        with open(TMP + "/env", "w") as file:
            file.write(f"# export A=1\n\n  B=2 = 3\n{line}\n")
        r = once("--env-file", TMP + "/env", cmd=["env"])
        equal((r.status, r.out), (125, ""), line)
        contains(r.err, f'{TMP}/env, line 4: "{name}')
    with open(TMP + "/env", "w") as file:
        file.write("# export A=1\n\n  B=2 = 3\n")
    contains(once("--env-file", TMP + "/env", cmd=["env"]).lines, "B=2 = 3")
    gone()


@test("options of -v and --tmpfs are taken whole or refused: an `ro` at their end is not cut off")
def _():
    os.makedirs(TMP + "/data")
    look = ("/bin/sh", "-c", "touch /mnt/w && echo wrote; ls /mnt")
    for count in (10, 30, 60, 120):
        words = "nosuid,nodev," * count + "ro"
        for option in ("--volume", f"{TMP}/data:/mnt:{words}"), ("--tmpfs", f"/mnt:{words}"):
            r = once(*option, cmd=look)
            absent(r.out, "wrote")
            contains(r.err, "Read-only file system" if r.status != 125 else "long")
    equal(os.listdir(TMP + "/data"), [])
    equal(once("--volume", f"{TMP}/data:/mnt:nosuid,ro", cmd=look).status, 0)
    gone()


@test("a mount's target and a label's name that are long are taken as they are, or refused")
def _():
    r = once("--tmpfs", "/" + "x" * 5000)
    equal(r.status, 125)
    contains(r.err, "--tmpfs")
    key = "k" * 1000
    r = box("run", "-d", "--network", "none", "--name", NAME, "--label", key + "=v", IMAGE, "/bin/true")
    equal(r.status, 0)
    equal(json.loads(box("inspect", NAME).out)[0]["labels"], {key: "v"})
    equal(box("rm", "-f", NAME).status, 0)


@test("a limit that this host cannot enforce is left out, whatever word it was asked for with", needs="root")
def _():
    offered = read(cgroup2_mount() + "/cgroup.controllers").split() if cgroup2_mount() else []
    for controller, words in (("memory", ["--memory", "64m"]), ("memory", ["--cgroup-conf", "memory.high=60000000"]),
                              ("pids", ["--cgroup-conf", "pids.max=50"]), ("io", ["--cgroup-conf", "io.weight=50"])):
        r = once(*words)
        if controller not in offered:
            equal(r.status, 0, " ".join(words))
            equal(r.err.count("is left out"), 1, r.err)
            contains(r.err, controller)


@test("a cidfile that could not be written is not left behind, half", needs="root")
def _():
    full = TMP + "/full"
    os.makedirs(full)
    equal(run(["mount", "-t", "tmpfs", "-o", "size=4096", "full", full]).status, 0)
    try:
        with open(full + "/all", "wb") as file:
            file.write(bytes(4096))
        r = once("--cidfile", full + "/cid")
        equal(r.status, 125)
        contains(r.err, full + "/cid")
        equal(os.listdir(full), ["all"])
    finally:
        run(["umount", full])
    gone()


@test("an answer that could not be written is an error: a full disk is not an empty list")
def _():
    equal(box("run", "-d", "--network", "none", "--name", NAME, IMAGE, "/bin/sleep", "300").status, 0)
    try:
        for ours, words in ((125, ["boxstep", "ps", "-a"]), (125, ["boxstep", "inspect", NAME]), (125, ["boxstep", "--help"]),
                            (125, ["boxstep", "images"]), (1, ["boxstep-oci", "features"]), (1, ["boxstep-oci", "list"]),
                            (1, ["boxstep-oci", "--version"]), (125, ["step01", "--help"]), (125, ["boxstep", "kill", NAME]),
                            (125, ["boxstep-unpack", "--help"]), (125, ["boxstep-unpack", IMAGE])):
            r = run(["sh", "-c", 'exec "$@" > /dev/full', "sh", program(words[0]), *words[1:]])
            equal(r.status, ours, " ".join(words))
            contains(r.err, "ENOSPC")
    finally:
        box("rm", "-f", NAME)
    gone()


@test("more containers than descriptors: that is said, no name is taken twice, and none is forgotten")
def _():
    names = [f"{NAME}-{n}" for n in range(6)]
    for name in names:
        equal(box("run", "-d", "--network", "none", "--name", name, IMAGE, "/bin/true").status, 0)
    few = ["sh", "-c", 'ulimit -n 7; exec "$@"', "sh", program("boxstep")]
    for words in (["ps", "-aq"], ["rm", names[0]], ["run", "--network", "none", "--name", names[-1], IMAGE, "/bin/true"]):
        r = run([*few, *words])
        check(r.status != 0, " ".join(words))
        contains(r.err, "EMFILE")
    equal(len(box("ps", "-aq").lines), len(names))
    equal(box("rm", "-f", *names).status, 0)
    gone()
