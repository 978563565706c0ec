"""Every example of every --help of boxstep, boxstep-oci, boxstep-pull and boxstep-unpack, run as it
stands in a world made for it, its status and effect checked. An example that is not in the list here
is a failure: a command comes with examples that work. (Those of the steps are run by help.py.)"""

import ctypes

from fakeregistry import MANIFEST, Registry
from help import OTHERS, examples, help_text
from layouts import ARCHITECTURE
from oci import OCI

from harness import *

EXAMPLES = {}  # the line: how it is run
STORE = TMP + "/store"  # each example's own: its images are what `images` lists


def box(*words):
    return run([program("boxstep"), *words], env={"BOXSTEP_ROOT": STORE})


def oci_box(*words, cwd=None):
    return run(["sh", "-c", "boxstep-oci " + " ".join(words)], cwd=cwd)


class World:
    """The directory in which an example is run, and what it finds there."""

    def __init__(self):
        self.path = TMP + "/world"
        os.makedirs(self.path)
        self.registries, self.hosts = [], None
        self.env = {"BOXSTEP_ROOT": STORE}

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        try:
            names = box("ps", "-aq").out.split()
            if names:
                box("rm", "-f", *names)
            for id in ("web", "once"):
                for root in ([], ["--root", self.path + "/R"]):
                    run([program("boxstep-oci"), *root, "delete", "--force", id])
        finally:
            for registry in self.registries:
                registry.__exit__()
            shutil.rmtree("/tmp/store", ignore_errors=True)

    def sh(self, line, status=0, **options):
        """Runs LINE with its output in a file: what runs on holds no pipe of ours."""
        r = run(["sh", "-c", f"exec >{self.path}/out 2>{self.path}/err </dev/null\n{line}"], **self.options(), **options)
        r.out, r.err = read(self.path + "/out"), read(self.path + "/err")
        equal((r.status, r.err if status == 0 else ""), (status, ""), line)
        return r

    def options(self):
        def own_hosts():
            if not self.hosts:
                return
            libc = ctypes.CDLL(None)
            libc.unshare(0x00020000)  # CLONE_NEWNS
            libc.mount(None, b"/", None, ctypes.c_ulong(0x44000), None)
            libc.mount(self.hosts.encode(), b"/etc/hosts", None, ctypes.c_ulong(0x1000), None)

        return dict(cwd=self.path, env=self.env, prepare=own_hosts)


def example(line, *stages, effect=None, **how):
    """LINE of a --help: STAGES make its world, EFFECT looks at what came of it (world, result).
    HOW: pty: what is typed; until: what it says, whereupon the container ends; needs."""
    needs = "root " + how.pop("needs", "")
    EXAMPLES[line] = True

    @test("example: " + line, needs=needs)
    def _():
        with World() as world:
            for stage in stages:
                stage(world)
            if "pty" in how:
                p = start(["sh", "-c", line], pty=True, **world.options())
                p.write(how["pty"])
                r = p.wait()
                equal(r.status, 0)
            elif "until" in how:
                p = start(["sh", "-c", line], **world.options())
                p.read_until(how["until"])
                oci_box("kill", "web", "KILL")
                r = p.wait()
                equal((r.status, r.err), (0, ""))
            else:
                r = world.sh(line)
            if effect:
                effect(world, r)


@test("every example of every --help has its world here", needs="")
def _():
    for name in OTHERS:
        text = help_text([program(name)])
        block = re.search(r"^commands:\n((?:  .*\n)+)", text, re.M)
        check(block or name in ("boxstep-pull", "boxstep-unpack"), f"{name} lists no commands")
        lines = examples(text)
        for command in re.findall(r"^  ([a-z]+)", block[1], re.M) if block else []:
            lines += examples(help_text([program(name), command]))
        equal([line for line in lines if line not in EXAMPLES], [], f"examples of {name} that no test runs")


# ---- the engine ----------------------------------------------------------------------------------


def image(*names, tag="latest"):
    def stage(world):
        for name in names:
            world.sh(f"boxstep-unpack --name {name} {IMAGE_DIR}:{tag} >/dev/null 2>&1")

    return stage


SLEEPS = "trap 'echo hup' HUP; trap 'echo term; exit 5' TERM; echo said; while :; do sleep 0.05; done"


def container(*names, script=SLEEPS, ended=False):
    def stage(world):
        image("staged")(world)
        for name in names:
            box("run", "-d", "--name", name, "--network", "none", "staged", "/bin/sh", "-c", script)
            wait_for(lambda: "said" in logs(name), f"what {name} says")
            if ended:
                wait_for(lambda: record(name)["status"] == "exited", "its end")

    return stage


def record(name):
    r = box("inspect", name)
    return json.loads(r.out)[0] if r.status == 0 else None


def logs(name):
    return box("logs", name).out


def images():
    return box("images").out


def ended_with(status, *names):
    def effect(world, _):
        for name in names:
            wait_for(lambda: record(name)["status"] == "exited", "the end of " + name)
            equal(record(name)["exitCode"], status, name)

    return effect


def removed(*names):
    def effect(world, r):
        equal(r.out.split(), list(names))
        for name in names:
            equal(record(name), None, name)

    return effect


def says(*parts):
    def effect(world, r):
        for part in parts:
            contains(r.out, part)

    return effect


ENDS = "echo said; echo second; sleep 0.3; exit 5"

example("boxstep run --help", effect=says("usage: boxstep run"))
example("boxstep images", image("nginx:1.27"), effect=says("nginx", "1.27"))
example("boxstep images -q", image("nginx"), effect=lambda w, r: matches(r.out, r"\A[0-9a-f]{12}\n\Z"))
example("boxstep images --no-trunc", image("nginx"), effect=lambda w, r: matches(r.out, r"\b[0-9a-f]{64}\b"))
example("boxstep ps", container("web"), effect=says("web", "Up "))
example("boxstep ps -a", container("web", script=ENDS, ended=True), effect=says("web", "Exited (5)"))
example("boxstep ps -aq", container("web", script=ENDS, ended=True), effect=lambda w, r: matches(r.out, r"\A[0-9a-f]{12}\n\Z"))
example("boxstep run --rm alpine echo hello", image("alpine"), effect=lambda w, r: equal(r.out, "hello\n"))
example("boxstep run -it --rm alpine sh", image("alpine"), pty="echo $((6*7)); exit 0\r", effect=says("42"))
example(
    "boxstep run -d --name web -p 8080:80 --memory 64m nginx",
    image("nginx"),
    needs="cgroup2 nft",
    effect=lambda w, r: equal((len(r.out), record("web")["ports"]), (65, ["0.0.0.0:8080->80/tcp", "[::]:8080->80/tcp"])),
)
example("boxstep logs web", container("web"), effect=lambda w, r: equal(r.out, "said\n"))
example("boxstep logs -f web", container("web", script=ENDS), effect=lambda w, r: equal(r.out, "said\nsecond\n"))
example(
    "boxstep logs --tail 10 -t web",
    container("web"),
    effect=lambda w, r: matches(r.out, r"\A\d{4}-\d\d-\d\dT\S+Z said\n\Z"),
)
example("boxstep exec web ps", container("web"), effect=says("PID", "ps"))
example("boxstep exec -it web sh", container("web"), pty="echo $((6*7)); exit 0\r", effect=says("42"))
example("boxstep exec -u 33 web id", container("web"), effect=says("uid=33"))
example("boxstep stop web", container("web"), effect=ended_with(5, "web"))
example("boxstep stop -t 2 web", container("web"), effect=ended_with(5, "web"))
example("boxstep stop web db", container("web", "db"), effect=ended_with(5, "web", "db"))
example("boxstep kill web", container("web"), effect=ended_with(137, "web"))
example(
    "boxstep kill -s HUP web", container("web"), effect=lambda w, r: wait_for(lambda: "hup" in logs("web"), "the signal")
)
example("boxstep kill -s 15 web db", container("web", "db"), effect=ended_with(5, "web", "db"))
example("boxstep rm web", container("web", script=ENDS, ended=True), effect=removed("web"))
example("boxstep rm -f web", container("web"), effect=removed("web"))
example("boxstep rm web db", container("web", "db", script=ENDS, ended=True), effect=removed("web", "db"))
example("boxstep inspect web", container("web"), effect=says('"name":"web"'))
example("boxstep inspect $(boxstep ps -q)", container("web"), effect=says('"name":"web"'))
example("boxstep inspect web db", container("web", "db"), effect=says('"name":"web"', '"name":"db"'))
example("boxstep rmi nginx", image("nginx"), effect=lambda w, r: absent(images(), "nginx"))
example("boxstep rmi nginx:1.27", image("nginx:1.27", "nginx"), effect=lambda w, r: absent(images(), "1.27"))
example(
    "boxstep rmi -f $(boxstep images -q)",
    container("web", script=ENDS, ended=True),
    effect=lambda w, r: equal(len(images().splitlines()), 1),
)


# ---- registries ----------------------------------------------------------------------------------


def fill(registry, machine=ARCHITECTURE):
    """The demo image, under every tag that an example asks for, for MACHINE too."""
    for name in os.listdir(IMAGE_DIR + "/blobs/sha256"):
        with open(f"{IMAGE_DIR}/blobs/sha256/{name}", "rb") as file:
            registry.blob(file.read())
    with open(IMAGE_DIR + "/index.json") as file:
        chosen = json.load(file)["manifests"][0]["digest"]
    descriptor = registry.manifest("one", registry.blobs[chosen])
    entry = {**descriptor, "platform": {"os": "linux", "architecture": machine}}
    for tag in ("latest", "1", "1.2"):
        registry.manifest(tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}, INDEX)


INDEX = MANIFEST.replace("manifest", "index")


def world_wide(machine=ARCHITECTURE):
    """docker.io and ghcr.io on this machine, with a certificate that the example is told to trust."""

    def stage(world):
        cert, key = world.path + "/cert.pem", world.path + "/key.pem"
        words = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -out {cert} -keyout {key}"
        names = "subjectAltName=DNS:registry-1.docker.io,DNS:ghcr.io"
        subprocess.run([*words.split(), "-addext", names], check=True, capture_output=True)
        world.hosts = world.path + "/hosts"
        with open(world.hosts, "w") as file:
            file.write("127.0.0.1 localhost registry-1.docker.io ghcr.io\n")
        world.env["SSL_CERT_FILE"] = cert
        serve(world, machine, tls=(cert, key), port=443)

    return stage


def local(**how):
    def stage(world):
        serve(world, ARCHITECTURE, port=5000, **how)
        with open(world.path + "/auth.json", "w") as file:
            json.dump({"auths": {"localhost:5000": {"auth": "bWU6c2VjcmV0"}}}, file)  # me:secret

    return stage


def serve(world, machine, **how):
    registry = Registry(**how)
    world.registries.append(registry)
    fill(registry, machine)


def brought(name, tag="latest"):
    return lambda w, r: matches(images(), rf"^{name} +{re.escape(tag)} ")


TLS = dict(needs="cmd:openssl")
example("boxstep pull nginx", world_wide(), effect=brought("nginx"), **TLS)
example("boxstep pull localhost:5000/demo:1", local(), effect=brought("localhost:5000/demo", "1"))
example("boxstep pull --platform linux/arm64 alpine", world_wide("arm64"), effect=brought("alpine"), **TLS)
example("boxstep-pull nginx", world_wide(), effect=brought("nginx"), **TLS)
example(
    "boxstep-pull --platform linux/arm64 --parallel 8 ghcr.io/owner/app:1.2",
    world_wide("arm64"),
    effect=brought("ghcr.io/owner/app", "1.2"),
    **TLS,
)
example(
    "boxstep-pull --authfile auth.json --quiet localhost:5000/demo",
    local(auth="basic", user="me", password="secret"),
    effect=brought("localhost:5000/demo"),
)


# ---- layers --------------------------------------------------------------------------------------


def built(world):
    os.symlink(STAGE, world.path + "/build")


example("boxstep-unpack build/images/demo:latest", built, effect=lambda w, r: equal(len(images().splitlines()), 2))
example("boxstep-unpack --name demo build/images/demo:app", built, effect=brought("demo"))
example(
    "boxstep-unpack --root /tmp/store --no-sync build/images/demo:latest",
    built,
    effect=lambda w, r: check(os.listdir("/tmp/store/layers"), "no layer was unpacked"),
)


# ---- the runtime ---------------------------------------------------------------------------------


def bundle(script=SLEEPS):
    """A bundle in the world itself, and another below it: B."""

    def stage(world):
        for path in (world.path, world.path + "/B"):
            os.makedirs(path, exist_ok=True)
            box = OCI("/bin/sh", "-c", script)
            with open(path + "/config.json", "w") as file:
                json.dump(box.config, file)
            with open(path + "/P", "w") as file:
                json.dump({**box.process, "args": ["/bin/sh", "-c", "echo > /dev/p; exec sleep 300"]}, file)

    return stage


def oci(*steps, script=SLEEPS, root="", id="web"):
    """What was done before: of create, start, pause, kill."""

    def stage(world):
        bundle(script)(world)
        for step in steps:
            words = f"{root} {step.replace('WEB', id) if 'WEB' in step else step + ' ' + id}"
            r = run(["sh", "-c", f"exec >{world.path}/{step.split()[0]} 2>&1 </dev/null; boxstep-oci {words}"], cwd=world.path)
            equal(r.status, 0, step)
            if step == "start":
                wait_for(lambda: "said" in read(world.path + "/create"), "what the container says")
        if "kill WEB KILL" in steps:
            wait_for(lambda: state(world, root)["status"] == "stopped", "the end")

    return stage


def state(world, root="", id="web"):
    r = oci_box(root, "state", id, cwd=world.path)
    return json.loads(r.out) if r.status == 0 else None


def status_is(status, root="", id="web"):
    return lambda w, r: wait_for(lambda: (state(w, root, id) or {"status": None})["status"] == status, f"the state {status}")


def two(one, other):
    def effect(world, r):
        one(world, r)
        other(world, r)

    return effect


R = "--root R"
example("boxstep-oci list", oci("create"), effect=says("web", "created"))
example("boxstep-oci list -q", oci("create"), effect=lambda w, r: equal(r.out, "web\n"))
example("boxstep-oci list --format json", oci("create"), effect=lambda w, r: equal(json.loads(r.out)[0]["id"], "web"))
example("boxstep-oci --version", effect=says("boxstep-oci version", "spec: "))
example("boxstep-oci run --help", effect=says("usage: boxstep-oci run"))
example("boxstep-oci create web", bundle(), effect=status_is("created"))
example("boxstep-oci create --bundle B web", bundle(), effect=status_is("created"))
example(
    "boxstep-oci create --pid-file P web && boxstep-oci start web",
    bundle(),
    effect=two(status_is("running"), lambda w, r: equal(state(w)["pid"], int(read(w.path + "/P")))),
)
example("boxstep-oci start web", oci("create"), effect=status_is("running"))
example("boxstep-oci --root R start web", oci("create", root=R), effect=status_is("running", R))
example("boxstep-oci --log L start web", oci("create"), effect=status_is("running"))
example("boxstep-oci run --bundle B once", bundle("echo done"), effect=lambda w, r: equal(r.out, "done\n"))
example("boxstep-oci run once", bundle("echo done"), effect=lambda w, r: equal(r.out, "done\n"))
example(
    "boxstep-oci run --detach --pid-file P once",
    bundle(),
    effect=lambda w, r: equal(state(w, id="once")["pid"], int(read(w.path + "/P"))),
)
RUNS = oci("create", "start")
example("boxstep-oci exec web ps", RUNS, effect=says("PID"))
example("boxstep-oci exec --cwd / web ls", RUNS, effect=says("bin", "proc"))
example("boxstep-oci state web", RUNS, effect=says('"status":"running"'))
example("boxstep-oci --root R state web", oci("create", root=R), effect=says('"status":"created"'))
example("boxstep-oci state --regex 'w.*'", RUNS, effect=says('"status":"running"'))
example("boxstep-oci kill web", RUNS, effect=status_is("stopped"))
example("boxstep-oci kill web KILL", RUNS, effect=status_is("stopped"))
example("boxstep-oci kill --all web 9", RUNS, effect=status_is("stopped"))
example("boxstep-oci delete web", oci("create", "kill WEB KILL"), effect=lambda w, r: equal(state(w), None))
example("boxstep-oci delete --force web", RUNS, effect=lambda w, r: equal(state(w), None))
example("boxstep-oci delete --force --regex 'w.*'", RUNS, effect=lambda w, r: equal(state(w), None))
VM = dict(needs="cgroup2")  # what looks at or changes the container's cgroup
PAUSED = oci("create", "start", "pause")
example("boxstep-oci pause web", RUNS, effect=status_is("paused"), **VM)
example("boxstep-oci --root R pause web", oci("create", "start", root=R), effect=status_is("paused", R), **VM)
example("boxstep-oci pause web && boxstep-oci resume web", RUNS, effect=status_is("running"), **VM)
example("boxstep-oci resume web", PAUSED, effect=status_is("running"), **VM)
example("boxstep-oci --root R resume web", oci("create", "start", "pause", root=R), effect=status_is("running", R), **VM)
example("boxstep-oci resume web && boxstep-oci ps web", PAUSED, effect=lambda w, r: matches(r.out, r"^(.*\D)?\d+"), **VM)
example("boxstep-oci ps web", RUNS, effect=lambda w, r: contains(r.out, str(state(w)["pid"])), **VM)
example(
    "boxstep-oci ps --format json web", RUNS, effect=lambda w, r: contains(json.loads(r.out), state(w)["pid"]), **VM
)
example("boxstep-oci ps web -o pid,comm", RUNS, effect=lambda w, r: contains(r.out, str(state(w)["pid"])), **VM)


def resources(world):
    with open(world.path + "/FILE", "w") as file:
        json.dump({"memory": {"limit": 64 << 20}, "pids": {"limit": 20}}, file)


def control(**wanted):
    """What files of the container's cgroup hold."""

    def effect(world, r):
        where = re.search(r"^0::(.*)$", read(f"/proc/{state(world)['pid']}/cgroup"), re.M).group(1)
        for name, value in wanted.items():
            equal(read(f"{cgroup2_mount()}{where}/{name.replace('_', '.')}").strip(), value, name)

    return effect


example("boxstep-oci update --memory 64m web", RUNS, effect=control(memory_max=str(64 << 20)), **VM)
example("boxstep-oci update --cpu-quota 50000 web", RUNS, effect=control(cpu_max="50000 100000"), **VM)
example(
    "boxstep-oci update --resources FILE web",
    RUNS,
    resources,
    effect=control(memory_max=str(64 << 20), pids_max="20"),
    **VM,
)
example("boxstep-oci events --stats web", RUNS, effect=lambda w, r: equal(json.loads(r.out)["id"], "web"), **VM)
example("boxstep-oci events --interval 500ms web", RUNS, until='"stats"', **VM)
example("boxstep-oci events web", RUNS, until='"stats"', **VM)


def orphans(world):
    """What the example leaves running is this test's child afterwards, and waited for."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def detached(world, r):
    wait_for(lambda: oci_box("exec", "web", "ls", "/dev/p").status == 0, "what the process made")
    oci_box("kill", "web", "KILL")
    os.wait()


example("boxstep-oci exec --process P --detach web", orphans, RUNS, effect=detached)


def folder(world):
    os.mkdir(world.path + "/B")


def config(path, user):
    def effect(world, r):
        with open(world.path + "/" + path) as file:
            kinds = [n["type"] for n in json.load(file)["linux"]["namespaces"]]
        equal("user" in kinds, user, "a user namespace")

    return effect


example("boxstep-oci spec", effect=config("config.json", False))
example("boxstep-oci spec --rootless", effect=config("config.json", True))
example("boxstep-oci spec --bundle B", folder, effect=config("B/config.json", False))
example("boxstep-oci features", effect=lambda w, r: contains(json.loads(r.out)["linux"]["namespaces"], "pid"))
example("boxstep-oci features --help", effect=says("usage: boxstep-oci features"))
example("boxstep-oci --debug features", effect=lambda w, r: contains(json.loads(r.out), "ociVersionMax"))
