"""A state.json that cannot be believed: the container can be got rid of, its name is free again, and no
process is killed for it that was not shown to be the container's."""

from harness import *
from oci import OCI, alive

ID = "damaged"  # not the name of other tests' containers
WORDS = ("", "{", '{"pid": 1, "bun', "[]", "nothing", '{"pid": "x"}', '{"pid": 1.5}', '{"pid": -1}', '{"id": "damaged", "pid": 1}',
         '{"id": "damaged", "pid": 4294967297, "startTime": 1, "bundle": "/", "cgroup": ""}', "\0" * 4096)  # fmt: skip


def path(box):
    return f"{box.root}/{box.id}/state.json"


def damage(box, text):
    with open(path(box), "w") as file:
        file.write(text)


def end(box, group):
    """Ends a container that nobody knows any more, and removes its cgroup."""
    os.kill(box.pid, signal.SIGKILL)
    os.waitpid(box.pid, 0)
    if group:
        wait_for(lambda: not os.path.isdir(group) or "populated 0" in read(group + "/cgroup.events"), "an empty cgroup")
        if os.path.isdir(group):
            os.rmdir(group)


def group_of(box):
    return json.loads(read(path(box)))["cgroup"]


class Stranger:
    """A process that is no container's; in the cgroup at PATH if there is one."""

    def __init__(self, group=""):
        self.popen = subprocess.Popen(["sleep", "1000"])
        if group:
            with open(group + "/cgroup.procs", "w") as file:
                file.write(str(self.popen.pid))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.wait()

    def lives(self):
        check(self.popen.poll() is None, "a stranger is not killed")


@test("delete --force removes a container whose state.json is damaged, says so, and frees the name")
def _():
    for text in WORDS:
        with OCI("/bin/true", id=ID) as box:
            box.created()
            pid, group = box.pid, group_of(box)
            damage(box, text)
            r = box.call("delete")
            equal(r.status, 1, repr(text))
            contains(r.err, "delete --force")
            check(os.path.exists(path(box)), "without --force nothing is removed")
            check("already exists" in box.create().out + box.out, "the name is not free yet")
            r = box.call("delete", "--force")
            equal((r.status, r.out), (0, ""), repr(text))
            contains(r.err, "damaged")
            equal(os.listdir(box.root), [], repr(text))
            check(alive(pid), "who was not known is not killed")
            end(box, group)
            box.created().ok("start")
            box.ended()


@test("a state.json that is no file, or none that may be read, does not hold delete --force up")
def _():
    for make in (lambda p: os.mkfifo(p), lambda p: os.mkdir(p), lambda p: os.symlink("/dev/zero", p)):
        with OCI("/bin/true", id=ID) as box:
            group = group_of(box.created())
            os.unlink(path(box))
            make(path(box))
            equal(box.call("state").status, 1)
            equal(box.call("delete", "--force").status, 0)
            equal(os.listdir(box.root), [])
            end(box, group)


@test("a state.json of another container gets nobody killed")
def _():
    with OCI("/bin/sleep", "60", id="other") as other, OCI("/bin/true", id=ID) as box:
        other.created().ok("start")
        box.created()
        os.kill(box.pid, signal.SIGKILL)
        os.waitpid(box.pid, 0)
        shutil.copy(path(other), path(box))
        contains(box.call("state").err, "state.json of damaged is damaged")
        r = box.call("delete", "--force")
        equal(r.status, 0)
        contains(r.err, "damaged")
        equal(other.status, "running")


@test("a number that another process has by now is nobody's to kill, with a start time that is not its")
def _():
    with Stranger() as stranger, OCI("/bin/true", id=ID) as box:
        time.sleep(2 / os.sysconf("SC_CLK_TCK"))  # the unit of a start time: they shall not have the same
        box.created().ok("start")
        box.ended()
        state = json.loads(read(path(box)))
        state["pid"] = stranger.popen.pid
        damage(box, json.dumps(state))
        equal(box.status, "stopped")
        box.ok("delete", "--force")
        stranger.lives()


@test("who is in a cgroup of that name lives on, and its path is told", needs="root cgroup2")
def _():
    box = OCI("/bin/sleep", "60", id=ID)
    with box:
        box.created()
        pid, group = box.pid, group_of(box)
        with Stranger(group) as stranger:
            damage(box, "{")
            r = box.call("delete", "--force")
            equal(r.status, 0)
            contains(r.err, group)
            stranger.lives()
            check(alive(pid), "nobody knows any more whose it is")
        end(box, group)
    with box:
        box.created()
        os.kill(box.pid, signal.SIGKILL)
        os.waitpid(box.pid, 0)
        damage(box, "")
        equal(box.call("delete", "--force").status, 0)
        check(not os.path.exists(group), "an empty cgroup goes with it")


@test("delete --force keeps to the directory of states, whatever the id")
def _():
    os.makedirs(TMP + "/oci/box")
    os.makedirs(TMP + "/apart")
    with open(TMP + "/apart/state.json", "w") as file:
        file.write("{")
    for id in ("../apart", ".", "..", "box/../../apart", "", TMP + "/apart"):
        equal(run([program("boxstep-oci"), "--root", TMP + "/oci", "delete", "--force", id]).status, 1, id)
    equal(sorted(os.listdir(TMP)), ["apart", "oci"])
    equal((os.listdir(TMP + "/apart"), os.listdir(TMP + "/oci")), (["state.json"], ["box"]))
