"""What `features` lists is done, and what the specification has and is done is listed: each word of it is
asked for in a config.json of its own, and a word that nobody knows is refused, so that this can fail."""

from harness import *
from oci import OCI

# features.md and config*.md of the OCI runtime specification 1.3
HOOKS = "prestart createRuntime createContainer startContainer poststart poststop".split()
NAMESPACES = "cgroup ipc mount network pid time user uts".split()
MOUNT_OPTIONS = """async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev
    nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev
    rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro
    rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime
    suid symfollow sync tmpcopyup unbindable idmap ridmap""".split()
ACTIONS = "KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG NOTIFY".split()
OPERATORS = "NE LT LE EQ GE GT MASKED_EQ".split()
FLAGS = "TSYNC LOG SPEC_ALLOW WAIT_KILLABLE_RECV".split()
MODES = "DEFAULT BIND INTERLEAVE WEIGHTED_INTERLEAVE PREFERRED PREFERRED_MANY LOCAL".split()
POLICY_FLAGS = "NUMA_BALANCING RELATIVE_NODES STATIC_NODES".split()
ID = "features"  # not the name of other tests' containers
MAPS = [{"containerID": 0, "hostID": 0, "size": 1}]


def features():
    return json.loads(run([program("boxstep-oci"), "features"]).out)


def listed(words, prefix, wanted):
    equal(sorted(words), sorted(prefix + word for word in wanted))


def runs(change, word):
    """A bundle with this CHANGE runs."""
    box = OCI("/bin/true", id=ID)
    change(box)
    r = box.run()
    equal((r.status, r.err), (0, ""), word)


def refuses(change, word="NOSUCH"):
    box = OCI("/bin/true", id=ID)
    change(box)
    r = box.run()
    equal(r.status, 1, word)
    contains(r.err, word)


@test("features: the newest version that is listed is accepted, and the one after it is not")
def _():
    f = features()
    for version in (f["ociVersionMin"], f["ociVersionMax"]):
        runs(lambda box, v=version: box.config.update(ociVersion=v), version)
    major, minor, _ = f["ociVersionMax"].split(".")
    later = f"{major}.{int(minor) + 1}.0"
    refuses(lambda box: box.config.update(ociVersion=later), later)
    equal(sorted(f), sorted("ociVersionMin ociVersionMax hooks mountOptions linux annotations potentiallyUnsafeConfigAnnotations".split()))
    equal(sorted(f["linux"]), sorted("namespaces capabilities cgroup seccomp apparmor selinux memoryPolicy intelRdt mountExtensions netDevices".split()))


@test("features: of every annotation that changes what is done it is told that it can")
def _():
    with open(ROOT + "/step07-runtime/oci/config.c", encoding="utf-8") as file:
        acting = re.findall(r'json_text\(config->annotations, "([^"]+)"', file.read())
    told = features()["potentiallyUnsafeConfigAnnotations"]
    check("run.oci.keep_original_groups" in acting, f"the annotations of config.c: {acting}")
    for name in acting:
        check(name in told or any(t.endswith(".") and name.startswith(t) for t in told), name + " is not told")


@test("features: every hook that is listed is run", timeout=60)
def _():
    f = features()
    equal(sorted(f["hooks"]), sorted(HOOKS))
    for stage in f["hooks"]:
        with OCI("/bin/true", id=ID) as box:
            box.config["hooks"] = {stage: [{"path": "/bin/sh", "args": ["sh", "-c", "exit 9"]}]}
            log = f"{TMP}/log-{stage}"
            box.create(globals=("--log", log))
            box.call("start", globals=("--log", log))
            box.call("delete", "--force", globals=("--log", log))
            contains(read(log), f"hooks.{stage}[0]")


@test("features: every kind of namespace that is listed can be had", needs="root")
def _():
    f = features()["linux"]
    equal(sorted(f["namespaces"]), NAMESPACES)
    files = {"mount": "mnt", "network": "net"}
    for kind in f["namespaces"]:
        with OCI("/bin/sleep", "60", id=ID) as box:
            box.namespace(kind)
            if kind == "user":
                box.linux.update(uidMappings=MAPS, gidMappings=MAPS)
            pid = box.created().pid
            file = files.get(kind, kind)
            differs(os.readlink(f"/proc/{pid}/ns/{file}"), os.readlink(f"/proc/self/ns/{file}"), kind)
    refuses(lambda box: box.namespace("NOSUCH"))


@test("features: every mount option that is listed is one, and what the specification has is listed", needs="root", timeout=240)
def _():
    options = features()["mountOptions"]
    equal(sorted(set(MOUNT_OPTIONS) - set(options)), [])
    equal(len(options), len(set(options)))
    for option in options:
        if option in ("bind", "rbind", "idmap", "ridmap", "remount"):
            kind, bound = "none", ["bind"]
        else:
            kind, bound = "tmpfs", []
        maps = {"uidMappings": MAPS, "gidMappings": MAPS} if "idmap" in option else {}
        r = OCI("/bin/true", id=ID).mount("/tmp", kind, TMP, *bound, option, **maps).run()
        # the kernel says no to maps of a file system that takes none, and to what is not mounted yet
        check(r.status == 0 or maps and "mount_setattr" in r.err or option == "remount" and "remount" in r.err, f"{option}: {r.err}")
    # who is no option of mounts goes to the file system, which knows it or not
    refuses(lambda box: box.mount("/tmp", "tmpfs", "tmpfs", "NOSUCH"))


@test("features: every capability of the kernel's header is listed, and none that is not taken", needs="root")
def _():
    header = read("/usr/include/linux/capability.h")
    f = features()["linux"]
    names = re.findall(r"^#define (CAP_\w+)\s+\d+$", header, re.M)
    equal(sorted(f["capabilities"]), sorted(n for n in names if n != "CAP_LAST_CAP"))
    log = TMP + "/log"
    box = OCI("/bin/true", id=ID)
    box.process["capabilities"] = {"bounding": [*f["capabilities"], "CAP_NOSUCH"]}
    equal(box.run(globals=("--log", log)).status, 0)
    matches(read(log), r"capabilities: CAP_NOSUCH is not known")
    open(log, "w").close()
    box.process["capabilities"] = {"bounding": f["capabilities"]}
    equal(box.run(globals=("--log", log)).status, 0)
    absent(read(log), "is not known")


def filtered(**more):
    """An argument rule for a call that true(1) does not make."""
    rule = {"names": ["acct"], "action": "SCMP_ACT_ERRNO"}
    return lambda box: box.linux.update(seccomp={"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{**rule, **more.pop("rule", {})}], **more})


@test("features: every action, operator, architecture and flag of seccomp that is listed is taken")
def _():
    f = features()["linux"]["seccomp"]
    listed(f["actions"], "SCMP_ACT_", ACTIONS)
    listed(f["operators"], "SCMP_CMP_", OPERATORS)
    listed(f["knownFlags"], "SECCOMP_FILTER_FLAG_", FLAGS)
    equal(sorted(set(f["supportedFlags"]) - set(f["knownFlags"])), [])
    for action in f["actions"]:
        if action == "SCMP_ACT_NOTIFY":  # wants somebody who listens; that is tests/oci/spec.py's
            refuses(filtered(rule={"action": action}), "listenerPath")
        else:
            runs(filtered(rule={"action": action}), action)
    for op in f["operators"]:
        runs(filtered(rule={"args": [{"index": 0, "value": 1, "valueTwo": 1, "op": op}]}), op)
    for arch in f["archs"]:
        runs(filtered(architectures=[arch]), arch)
    for flag in f["supportedFlags"]:
        # which is nothing without a listener, says the kernel
        (refuses if flag.endswith("KILLABLE_RECV") else runs)(filtered(flags=[flag]), flag)
    for more in ({"rule": {"action": "NOSUCH"}}, {"rule": {"args": [{"index": 0, "value": 1, "op": "NOSUCH"}]}},
                 {"architectures": ["NOSUCH"]}, {"flags": ["NOSUCH"]}):
        refuses(filtered(**more))


@test("features: every mode and flag of a memory policy that is listed is known")
def _():
    f = features()["linux"]["memoryPolicy"]
    listed(f["modes"], "MPOL_", MODES)
    listed(f["flags"], "MPOL_F_", POLICY_FLAGS)

    def policy(**value):
        box = OCI("/bin/true", id=ID)
        box.linux["memoryPolicy"] = value
        return box.run()

    for mode in f["modes"]:
        r = policy(mode=mode, **({} if mode in ("MPOL_DEFAULT", "MPOL_LOCAL") else {"nodes": "0"}))
        # WEIGHTED_INTERLEAVE is of Linux 6.9: then it is the kernel who says no
        check(r.status == 0 or "set_mempolicy" in r.err, f"{mode}: {r.err}")
    for flag in f["flags"]:
        r = policy(mode="MPOL_BIND", nodes="0", flags=[flag])
        check(r.status == 0 or "set_mempolicy" in r.err, f"{flag}: {r.err}")
    contains(policy(mode="NOSUCH").err, "NOSUCH")
    contains(policy(mode="MPOL_BIND", nodes="0", flags=["NOSUCH"]).err, "NOSUCH")


@test("features: what is told as on or off is so: rdma, idmap, netDevices, labels, resctrl")
def _():
    f = features()["linux"]
    equal(f["cgroup"], {"v1": False, "v2": True, "systemd": True, "systemdUser": True, "rdma": True})
    # rdma has no device here: the wrong type of one is found all the same
    refuses(lambda box: box.linux.update(resources={"rdma": {"NOSUCH": 5}}))
    equal(f["mountExtensions"], {"idmap": {"enabled": True}})
    equal((f["netDevices"], f["apparmor"], f["selinux"]), ({"enabled": True},) * 3)
    for change, word in (({"netDevices": {"NOSUCH": {}}}, "NOSUCH"), ({"intelRdt": {"closID": "x"}}, "linux.intelRdt")):
        refuses(lambda box, c=change: box.linux.update(c), word)
    equal(f["intelRdt"], {"enabled": False, "schemata": False, "monitoring": False})
