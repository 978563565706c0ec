"""The engine as an ordinary user runs it: with subordinate ids, without them, and what it may not."""

from harness import *


def box(*words, **options):
    return run_as_user([program("boxstep"), *words], **options)


def ok(*words, **options):
    r = box(*words, **options)
    equal(r.status, 0, " ".join(words))
    return r


@test("a user runs, looks at, enters, stops and removes a container, with ids of the user's own", needs="user")
def _():
    r = ok("run", "--rm", IMAGE, "/bin/sh", "-c", "id -u; cat /proc/self/uid_map; touch /made && stat -c %u /made")
    equal(r.lines[0], "0")
    matches(r.lines[1], rf"^\s+0\s+{USER_ID}\s+1$")
    matches(r.lines[2], rf"^\s+1\s+{SUB_FIRST}\s+65536$")
    equal(r.lines[3], "0")
    try:
        name = ok("run", "-d", "--name", "mine", IMAGE, "/bin/sh", "-c", "echo said; exec sleep 300").out.strip()
        contains(ok("ps").out, "mine")
        wait_for(lambda: ok("logs", "mine").out == "said\n", "what it says")
        equal(ok("exec", "mine", "id", "-u").out, "0\n")
        equal(ok("exec", "-u", "1000", "mine", "id", "-u").out, "1000\n")
        equal(run([program("boxstep"), "inspect", name]).status, 1, "root's own store does not have it")
        ok("stop", "-t", "0", "mine")
        contains(ok("ps", "-a").out, "Exited (137)")
    finally:
        box("rm", "-f", "mine")
    equal(ok("ps", "-aq").out, "")


@test("files of every id that a user's container made go with it", needs="user")
def _():
    script = "mkdir -p /d/e && echo x > /d/e/f && chown -R 1000:1001 /d && chmod 000 /d/e"
    equal(box("run", "--name", "mine", IMAGE, "/bin/sh", "-c", script).status, 0)
    ok("rm", "mine")
    equal(os.listdir(STAGE + "/user/store/containers"), [])


@test("a user without subordinate ids gets a container with one id, and cannot be another", needs="user root")
def _():
    lone = 54329

    def become():
        os.setgroups([])
        os.setresgid(lone, lone, lone)
        os.setresuid(lone, lone, lone)

    home = TMP + "/lone"
    os.mkdir(home)
    os.chown(home, lone, lone)
    env = {name: f"{home}/{name.lower()}" for name in ("BOXSTEP_ROOT", "BOXSTEP_RUN", "BOXSTEP_NET", "XDG_DATA_HOME")}
    env |= {"HOME": home, "XDG_RUNTIME_DIR": home, "LLVM_PROFILE_FILE": home + "/%m%c.profraw"}
    argv = [program("boxstep"), "run", "--rm"]
    r = run([*argv, IMAGE, "/bin/sh", "-c", "id -u; cat /proc/self/uid_map"], env=env, prepare=become)
    equal(r.status, 0)
    matches(r.out, rf"\A0\n\s+0\s+{lone}\s+1\n\Z")
    r = run([*argv, "-u", "1000", IMAGE, "true"], env=env, prepare=become)
    equal((r.status, r.out), (125, ""))
    matches(r.err, r"setgroups\(|setresuid\(")


@test("--userns: host is root's alone, auto gives root ids of their own, another word is refused", needs="user root")
def _():
    r = box("run", "--userns", "host", IMAGE, "true")
    equal((r.status, r.out), (125, ""))
    contains(r.err, "--userns host")
    for user in (False, True):
        r = run([program("boxstep"), "run", "--userns", "nosuch", IMAGE, "true"], user=user)
        equal((r.status, r.out), (125, ""))
        contains(r.err, "--userns nosuch")
    r = run([program("boxstep"), "run", "--rm", "--userns", "host", "--network", "none", IMAGE, "readlink", "/proc/self/ns/user"])
    equal(r.out.strip(), os.readlink("/proc/self/ns/user"))


@test("volumes of a container with ids of its own are filled and can be used, one that others use too", needs="user root")
def _():
    script = "cat /srv/keep; stat -c %u:%g /srv /data; touch /srv/new /data/new && stat -c %u /srv/new"
    words = ["run", "--rm", "--network", "none", "-u", "0", "--entrypoint", "/bin/sh", "-v", "both:/srv"]
    try:
        for more in (["--userns", "auto"], [], ["--userns", "auto"]):
            r = run([program("boxstep"), *words, *more, IMAGE_DIR + ":app", "-c", script])
            equal((r.status, r.lines), (0, ["kept", "0:0", "1000:1000", "0"]))
    finally:
        shutil.rmtree(STAGE + "/home/store/volumes")


@test("a user cannot see, signal or remove a container of root", needs="user root")
def _():
    name = run([program("boxstep"), "run", "-d", "--name", "roots", "--network", "none", IMAGE, "/bin/sleep", "300"]).out.strip()
    env = {"BOXSTEP_ROOT": STAGE + "/home/store", "BOXSTEP_RUN": STAGE + "/home/run"}
    try:
        for words in (["ps", "-a"], ["kill", name], ["rm", "-f", name], ["exec", name, "true"], ["logs", name]):
            r = box(*words, env=env)
            check(r.status in (1, 125) and not r.out, f"{words}: {r}")
            matches(r.err, "EACCES|EPERM")
        contains(run([program("boxstep"), "ps"]).out, "roots")
    finally:
        run([program("boxstep"), "rm", "-f", "roots"])
