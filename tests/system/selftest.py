"""The harness itself: that it runs, compares, and sees a leak."""

from harness import *


@test("a program's status, output and signal are told apart")
def _():
    r = run(["/bin/sh", "-c", "echo out; echo err >&2; exit 7"])
    equal((r.status, r.out, r.err), (7, "out\n", "err\n"))
    equal(run(["/bin/sh", "-c", "kill -9 $$"]).status, 137)


@test("input for a program that ends without reading it is no error")
def _():
    for size in (1, 1 << 20):
        equal(run(["true"], input="x" * size).status, 0)
    equal(run(["wc", "-c"], input="x" * (1 << 20)).out.strip(), str(1 << 20))


@test("a background program is read, asked and stopped")
def _():
    p = start(["/bin/sh", "-c", "trap 'echo bye; exit 3' TERM; echo hi; while :; do sleep 0.05; done"])
    p.read_until("hi")
    p.send(signal.SIGTERM)
    r = p.wait()
    equal((r.status, r.out), (3, "hi\nbye\n"))


@test("a program on a terminal is on a terminal")
def _():
    contains(run(["/bin/sh", "-c", "tty"], pty=True).out, "/dev/pts/")


@test("the ordinary user has no rights and ids of its own")
def _():
    r = run_as_user(["/bin/sh", "-c", "id -u; grep CapEff /proc/self/status; grep boxuser /etc/subuid"])
    equal(r.lines[0], str(USER_ID))
    contains(r.out, "0000000000000000")
    contains(r.out, f"{USER_NAME}:{SUB_FIRST}:65536")


@test("a mount, an interface, a rule, a process, a file and a changed sysctl are seen as leaks", needs="root nft")
def _():
    before = host_changes()
    scratch = [f"{place}/leak" for place in ("/tmp", "/var/tmp", "/dev/shm")]
    run(["mkdir", *scratch])
    run(["touch", *[name + "/file" for name in scratch]])
    run(["mount", "-t", "tmpfs", "x", TMP])
    run(["ip", "link", "add", "leak0", "type", "bridge"])
    run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet"])
    run(["nft", "add", "table", "ip", "leak0"])
    p = start(["sleep", "100"])
    left = "\n".join(host_changes(before))
    p.kill()
    run(["rm", "-r", *scratch])
    run(["ip", "link", "del", "leak0"])
    run(["nft", "delete", "table", "ip", "leak0"])
    equal([line for line in host_changes(before) if line.startswith("nft")], [])
    run(["umount", TMP])
    run(["sh", "-c", "echo 0 > /proc/sys/net/ipv4/conf/all/route_localnet"])
    for part in ("mount left: " + TMP, "interface left: leak0", "nft left: table ip leak0", "(sleep 100)", "route_localnet = 1", *[f"file left: {name}/file" for name in scratch]):
        contains(left, part)


@service
def _():
    server = subprocess.Popen(["sleep", "1000"])
    with open(STAGE + "/served", "w") as file:
        file.write(str(server.pid))
    yield
    server.kill()
    server.wait()


@test("what the tests of a file stand on runs while they do, and is no test's leak")
def _():
    contains(read(f"/proc/{read(STAGE + '/served')}/cmdline"), "sleep")


@test("the VM lab has cgroup v2 with every controller", needs="vm cgroup2")
def _():
    have = read(cgroup2_mount() + "/cgroup.controllers").split()
    for name in ("cpuset", "cpu", "io", "memory", "pids"):
        check(name in have, name)
