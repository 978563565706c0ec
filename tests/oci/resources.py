"""linux.resources value by value: what 0, -1 and absence mean in each, in which order two writes that
depend on each other are made, and what v2 cannot do. The numbers are read where the kernel keeps them."""

from harness import *
from oci import OCI

LIVE = "root cgroup2"


class Limited(OCI):
    """A container that was created with these resources."""

    def __init__(self, **resources):
        super().__init__("/bin/sleep", "60")
        self.linux["resources"] = resources

    def __enter__(self):
        super().__enter__().created()
        self.group = json.loads(read(self.root + "/box/state.json"))["cgroup"]
        return self

    def now(self, *files):
        return [read(f"{self.group}/{file}").strip() for file in files]

    def update(self, **resources):
        return self.call("update", "--resources", "-", input=json.dumps(resources))

    def updated(self, **resources):
        r = self.update(**resources)
        equal((r.status, r.out, r.err), (0, "", ""), json.dumps(resources))
        return self


def refused(words, **resources):
    box = OCI("/bin/true")
    box.linux["resources"] = resources
    r = box.run()
    equal(r.status, 1, json.dumps(resources))
    contains(r.err, words)


@test("no cgroupsPath means the root of all cgroups: a container is never put there, nor its rules for devices", needs="vm")
def _():  # where it would be put there, every process of the machine loses its devices: so in the VM alone
    for path in (".", "./", "/.", "a/.", "./a", "//", "/"):
        box = OCI("/bin/true")
        box.linux.update(cgroupsPath=path, resources={"devices": [{"allow": False, "access": "rwm"}]})
        r = box.run()
        equal(r.status, 1, path)
        matches(r.err, "is no path of a cgroup|is the root of all cgroups")


@test("pids.limit: -1 is no limit, absence leaves it, and 0 is the first process alone; before 1.3 it says nothing, in an update too", needs=LIVE)
def _():
    for version in ("1.2.1", "1.3.0"):
        new, box = version == "1.3.0", Limited(pids={"limit": 20})
        box.config["ociVersion"] = version
        with box:
            equal(box.now("pids.max"), ["20"])
            box.updated(pids={})
            equal(box.now("pids.max"), ["20"])
            box.updated(pids={"limit": None})
            equal(box.now("pids.max"), ["20"])
            box.updated(pids={"limit": -1})
            equal(box.now("pids.max"), ["max"])
            box.updated(pids={"limit": 0})
            equal(box.now("pids.max"), ["1" if new else "max"])
            box.updated(pids={"limit": 30})
            equal(run([*box.argv("update", "--pids-limit", "0")]).status, 0)
            equal(box.now("pids.max"), ["1" if new else "30"])
    box = OCI("/bin/probe", "fork", "1")
    box.linux["resources"] = {"pids": {"limit": 0}}
    box.config["ociVersion"] = "1.3.0"
    contains(box.run().out, "EAGAIN")
    # before 1.3 it is the word for "not set", and podman 4.3 sends it for --pids-limit -1
    box.config["ociVersion"] = "1.2.1"
    absent(box.run().out, "EAGAIN")


@test("pids.limit below -1 or above what the kernel counts is refused", needs=LIVE)
def _():
    refused("limit", pids={"limit": -2})
    refused("limit", pids={"limit": 1 << 31})


@test("memory.limit, swap and reservation: 0 and absence leave them, -1 is no limit", needs=LIVE)
def _():
    files = ("memory.max", "memory.swap.max", "memory.low")
    with Limited(memory={"limit": 64 << 20, "swap": 96 << 20, "reservation": 16 << 20}) as box:
        was = [str(64 << 20), str(32 << 20), str(16 << 20)]
        equal(box.now(*files), was)
        equal(box.updated(memory={}).now(*files), was)
        equal(box.updated(memory={"limit": 0, "swap": 0, "reservation": 0}).now(*files), was)
        equal(box.updated(memory={"swap": 64 << 20}).now(*files), [str(64 << 20), "0", str(16 << 20)])
        equal(box.updated(memory={"swap": -1}).now(*files), [str(64 << 20), "max", str(16 << 20)])
        equal(box.updated(memory={"reservation": -1}).now(*files), [str(64 << 20), "max", "max"])
        box.updated(memory={"limit": 32 << 20, "swap": 48 << 20})
        equal(box.now(*files), [str(32 << 20), str(16 << 20), "max"])
        # as with v1, where swap was a part of the same number
        equal(box.updated(memory={"limit": -1}).now(*files), ["max", "max", "max"])


@test("memory and swap that cannot be: less than the memory, and without a limit of memory", needs=LIVE)
def _():
    refused("cannot be less", memory={"limit": 64 << 20, "swap": 32 << 20})
    refused("wants a limit of memory", memory={"swap": 32 << 20})
    refused("wants a limit of memory", memory={"limit": -1, "swap": 32 << 20})
    refused("memory limit -2", memory={"limit": -2})


@test("swap is written before memory: what is above a lower limit has somewhere to go", needs=LIVE)
def _():
    with Limited(memory={"limit": 64 << 20, "swap": 64 << 20}) as box:
        given = json.dumps({"memory": {"limit": 32 << 20, "swap": 96 << 20}})
        said = box.call("update", "--explain", "--resources", "-", input=given).err
        check(0 < said.index("memory.swap.max") < said.index("memory.max"), said)


@test("checkBeforeUpdate: a limit below what is in use is refused, and nothing is changed", needs=LIVE)
def _():
    with Limited(memory={"limit": 64 << 20}) as box:
        before = box.now("memory.max", "memory.swap.max")
        r = box.update(memory={"limit": 4096, "swap": 4096, "checkBeforeUpdate": True})
        equal(r.status, 1)
        contains(r.err, "bytes in use")
        equal(box.now("memory.max", "memory.swap.max"), before)
        box.updated(memory={"limit": 65 << 20, "checkBeforeUpdate": True})
        equal(box.now("memory.max"), [str(65 << 20)])
        equal(box.status, "created")


@test("what v1's memory had is refused by its name, unless it asks for what v2 does", needs=LIVE)
def _():
    for name, member in (("swappiness", {"swappiness": 0}), ("kernel", {"kernelTCP": 4096}),
                         ("disableOOMKiller", {"disableOOMKiller": True}), ("useHierarchy", {"useHierarchy": False})):
        refused(name, memory=member)
    box = OCI("/bin/true")
    box.linux["resources"] = {"memory": {"kernel": -1, "kernelTCP": 0, "swappiness": None, "useHierarchy": True, "disableOOMKiller": False}}
    equal(box.run().status, 0)


@test("cpu.idle is 0 or 1, and goes back", needs=LIVE)
def _():
    with Limited(cpu={"idle": 1, "shares": 512}) as box:
        equal(box.now("cpu.idle"), ["1"])
        equal(box.updated(cpu={"quota": 50000}).now("cpu.idle"), ["1"])
        equal(box.updated(cpu={"idle": 0, "shares": 1024}).now("cpu.idle", "cpu.weight"), ["0", "100"])
        equal(run([*box.argv("update", "--cpu-idle", "1")]).status, 0)
        equal(box.now("cpu.idle"), ["1"])
    for wrong in (2, -1, "1", True):
        refused("idle", cpu={"idle": wrong})


@test("cpu.burst rises after the quota and falls before it; 0 takes it away", needs=LIVE)
def _():
    with Limited(cpu={"quota": 50000, "period": 100000, "burst": 20000}) as box:
        files = ("cpu.max", "cpu.max.burst")
        equal(box.now(*files), ["50000 100000", "20000"])
        equal(box.updated(cpu={"quota": 80000, "burst": 70000}).now(*files), ["80000 100000", "70000"])
        equal(box.updated(cpu={"quota": 40000, "burst": 30000}).now(*files), ["40000 100000", "30000"])
        equal(box.updated(cpu={"period": 200000}).now(*files), ["40000 200000", "30000"])
        equal(box.updated(cpu={"quota": 60000}).now(*files), ["60000 200000", "30000"])
        equal(box.updated(cpu={"burst": 0}).now(*files), ["60000 200000", "0"])
        equal(box.updated(cpu={"quota": -1}).now(*files), ["max 200000", "0"])
        equal(run([*box.argv("update", "--cpu-burst", "9000", "--cpu-quota", "10000")]).status, 0)
        equal(run([*box.argv("update", "--cpu-burst", "0")]).status, 0)
        equal(box.now(*files), ["10000 200000", "0"])
    refused("above the quota", cpu={"quota": 5000, "burst": 6000})
    refused("burst", cpu={"quota": 5000, "burst": -1})


@test("cpu.shares out of v1's range are taken for the nearest that it had", needs=LIVE)
def _():
    with Limited(cpu={"shares": 1}) as box:
        equal(box.now("cpu.weight"), ["1"])
        equal(box.updated(cpu={"shares": 1 << 40}).now("cpu.weight"), ["10000"])
        equal(box.updated(cpu={"shares": 0}).now("cpu.weight"), ["10000"])
    refused("cpu shares -1", cpu={"shares": -1})


@test("unified: any file of a controller, a line at a time; the last word; orders to the cgroup are refused", needs=LIVE)
def _():
    more = {"memory.high": "33554432", "pids.max": "7", "cgroup.max.depth": "3", "cgroup.max.descendants": "5"}
    with Limited(pids={"limit": 20}, unified=more) as box:
        equal(box.now(*more), list(more.values()))
        equal(box.updated(unified={"cpuset.cpus": "0"}).now("cpuset.cpus"), ["0"])
        r = box.update(unified={"memory.nosuch": "1"})
        equal(r.status, 1)
        contains(r.err, "memory.nosuch")
        r = box.update(unified={"nosuch.max": "1"})
        equal(r.status, 1)
        contains(r.err, "nosuch.max")
    for order in ("cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.type", "cgroup.subtree_control"):
        refused(order, unified={order: "1"})
    refused("memory", unified={"memory": "1"})
    refused("/", unified={"../memory.max": "1"})
