"""Step 5: the root is an image. Formats, layers, the store, the overlay, the config, without root too."""

import fcntl
import glob
import stat
import tarfile
import threading

from harness import *
from layouts import *

STEPS = for_steps(5, 7)


def argv(s, *options, image=IMAGE, cmd=()):
    """The program of a step with an image in place of --rootfs."""
    words = [s.path, *map(str, options)]
    if s.n >= 6 and not any(str(o).startswith("--network") for o in options):
        words += ["--network", "none"]
    return [*words, image, *cmd]


def here(name="store"):
    """The environment of a store of the test's own."""
    return {"BOXSTEP_ROOT": f"{TMP}/{name}"}


def folder(path):
    return f"{TMP}/store/{path}"


def layer_of(name, *layers, store="store"):
    """Unpacks an image of LAYERS into the test's store; gives the topmost layer's directory."""
    path = image(f"{TMP}/{name}", [Layer().rootfs(ROOTFS), *layers] if not layers else list(layers))
    r = run([program("boxstep-unpack"), path], env=here(store))
    equal(r.status, 0, "boxstep-unpack")
    with open(f"{TMP}/{store}/images.json") as file:
        chain = json.load(file)["images"][-1]["layers"][-1]
    return f"{TMP}/{store}/layers/{chain[7:]}/diff"


def busybox_layer():
    return Layer().rootfs(ROOTFS)


# ---- what is in it -------------------------------------------------------------------------------


@test("the layers appear merged: the topmost file, nothing deleted, only the new of an opaque directory", steps=STEPS)
def _(s):
    r = run(argv(s, cmd=["/bin/sh", "-c", "cat /etc/motd; ls /srv /srv/dir; cat /srv/link; ls -d /usr"]))
    equal(r.status, 0, r.err)
    equal(r.out, "from the third layer\n/srv:\ndir\nkeep\nlink\n\n/srv/dir:\nc\nkept\n/usr\n")


@test("layers are unpacked once: the second run only looks", steps=STEPS)
def _(s):
    words = argv(s, cmd=["/bin/true"])
    for expected in (True, False):
        r, events = explain(words, env=here())
        equal(r.status, 0, r.err)
        equal(any("boxstep-unpack" in e["call"] for e in events), expected, "boxstep-unpack was started")
    equal(len(os.listdir(folder("layers"))), 3, "layers")
    equal(os.listdir(folder("aside")) + os.listdir(folder("scratch")), [], "what is in the making")


@test("two tags that share layers share them in the store", steps=STEPS)
def _(s):
    for tag in ("latest", "app"):
        equal(run(s.given(f"{IMAGE_DIR}:{tag}", *(["/bin/true"] if tag == "latest" else [])), env=here()).status, 0)
    equal(len(os.listdir(folder("layers"))), 3, "layers")
    with open(folder("images.json")) as file:
        equal(len(json.load(file)["images"]), 2, "image records")


@test("gzip, zstd and plain layers are told by their content, and closing zeros are not missed", needs="root cmd:zstd", steps=STEPS)
def _(s):
    layout = Layout(TMP + "/image")
    layers = [layout.layer(busybox_layer().bytes(), "gzip")]
    for n, packed in enumerate(("gzip", "zstd", "")):
        for closed in (True, False):
            data = Layer().file(f"{n}-{closed}", f"{packed}\n").bytes(closed)
            blob, diff = layout.layer(data, packed)
            layers.append(({**blob, "mediaType": OCI + "layer.v1.tar"}, diff))
    layout.tag(layout.manifest(layers)).write()
    r = run(s.given(layout.path, "/bin/sh", "-c", "cat /0-* /1-* /2-*"), env=here())
    equal(r.out, "gzip\ngzip\nzstd\nzstd\n\n\n", r.err)


@test("an archive, gzip'd or not, as skopeo or as docker writes it, closed by zeros or not, is an image too", steps=STEPS)
def _(s):
    base, top = busybox_layer().bytes(), Layer().file("hello", "from an archive\n").bytes()
    layout = Layout(TMP + "/image")
    layout.tag(layout.manifest([layout.layer(base), layout.layer(top)], {"Cmd": ["cat", "/hello"]}), "1").write()
    config = {"Cmd": ["cat", "/hello"]}
    for path in (
        archive(layout.path, TMP + "/oci.tar"),
        archive(layout.path, TMP + "/oci.tar.gz", "gz"),
        archive(layout.path, TMP + "/tagged.tar") + ":1",
        docker_archive(TMP + "/docker.tar", [base, top], config),
        docker_archive(TMP + "/docker.tgz", [base, top], config, packed="gz") + ":1",
        unclosed(archive(layout.path, TMP + "/open.tar")),
        unclosed(archive(layout.path, TMP + "/open.tar.gz", "gz")),
        unclosed(docker_archive(TMP + "/docker-open.tar", [base, top], config)),
        unclosed(docker_archive(TMP + "/docker-open.tgz", [base, top], config, packed="gz")),
    ):
        r = run(argv(s, image=path), env=here())
        equal((r.status, r.out), (0, "from an archive\n"), path)
    equal(len(os.listdir(folder("layers"))), 2, "the same layers, unpacked once")


@test("an archive that has not changed is not read again, one that has is", steps=STEPS)
def _(s):
    path = docker_archive(TMP + "/a.tar", [busybox_layer().file("word", "one\n").bytes()])
    unpacked = lambda events: any("boxstep-unpack" in e["call"] for e in events)
    r, events = explain(s.given(path, "cat", "/word"), env=here())
    equal((r.out, unpacked(events)), ("one\n", True))
    r, events = explain(s.given(path, "cat", "/word"), env=here())
    equal((r.out, unpacked(events)), ("one\n", False))
    docker_archive(path, [busybox_layer().file("word", "two\n").bytes()])
    r, events = explain(s.given(path, "cat", "/word"), env=here())
    equal((r.out, unpacked(events)), ("two\n", True))


@test("the image for this machine is chosen from an index, also from one inside another", steps=STEPS)
def _(s):
    layout = Layout(TMP + "/image")
    entries = []
    for machine in ("riscv64", ARCHITECTURE, "s390x"):
        found = layout.manifest([busybox_layer().file("machine", machine + "\n")])
        entries.append({**found, "platform": {"os": "linux", "architecture": machine}})
    inner = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": entries}
    layout.tag(layout.document(inner, OCI + "index.v1+json"), "all").write()
    for _ in range(2):
        equal(run(s.given(layout.path, "cat", "/machine"), env=here()).out, ARCHITECTURE + "\n")
        r = run(s.given("--platform", "linux/s390x", layout.path + ":all", "cat", "/machine"), env=here())
        equal(r.out, "s390x\n", r.err)
    r = run(s.given("--platform", "linux/mips64", layout.path, "true"), env=here())
    equal(r.status, 125)
    contains(r.err, "linux/mips64")
    contains(r.err, "riscv64")


# ---- what a layer may hold -----------------------------------------------------------------------


@test("owners, modes, times and links are as the tarball says, those of directories too")
def _():
    top = (
        Layer()
        .folder("d", mode=0o1750, uid=7, gid=8, mtime=1000000)
        .file("d/f", "x", mode=0o4711, uid=9, gid=10, mtime=2000000)
        .hard("d/same", "d/f")
        .link("d/l", "/no/where", uid=11, gid=12, mtime=3000000)
        .add("d/fifo", tarfile.FIFOTYPE, mode=0o600)
        .node("d/null", "c", 1, 3, mode=0o666)
    )
    path = layer_of("image", busybox_layer(), top)
    st = os.stat(path + "/d")
    equal((oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime), ("0o41750", 7, 8, 1000000.0))
    st = os.stat(path + "/d/f")
    equal((oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime, st.st_nlink), ("0o104711", 9, 10, 2000000.0, 2))
    equal(os.stat(path + "/d/same").st_ino, st.st_ino, "hard link")
    st = os.lstat(path + "/d/l")
    equal((os.readlink(path + "/d/l"), st.st_uid, st.st_gid, st.st_mtime), ("/no/where", 11, 12, 3000000.0))
    equal(oct(os.stat(path + "/d/fifo").st_mode), "0o10600")
    st = os.stat(path + "/d/null")
    equal((oct(st.st_mode), os.major(st.st_rdev), os.minor(st.st_rdev)), ("0o20666", 1, 3))


@test("extended attributes are kept, file capabilities too; overlayfs's own are not the image's to give")
def _():
    capability = b"\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    text = capability.decode("latin-1")
    given = {"user.note": "kept", "trusted.overlay.redirect": "/etc", "user.overlay.opaque": "y", "security.selinux": "x"}
    layer = Layer().file("f", "x", xattrs={**given, "security.capability": text}).folder("d", xattrs=given)
    path = layer_of("image", busybox_layer(), layer)
    equal(sorted(os.listxattr(path + "/f")), ["security.capability", "user.note"])
    equal(os.getxattr(path + "/f", "security.capability"), capability)
    equal(os.listxattr(path + "/d"), ["user.note"])


@test("a sparse file keeps its size and its holes, in each of tar's formats: in the middle, at its end, nothing else")
def _():
    os.mkdir(TMP + "/files")
    for name, size, written in (("end", 1 << 20, [0]), ("only", 1 << 20, []), ("middle", 3 << 20, [0, (3 << 20) - 4096]), ("first", 1 << 20, [(1 << 20) - 4096])):
        with open(f"{TMP}/files/{name}", "wb") as file:
            file.truncate(size)
            for offset in written:
                file.seek(offset)
                file.write(b"data" * 1024)
    names = sorted(os.listdir(TMP + "/files"))
    for options in (["--format=gnu"], *(["--format=posix", "--sparse-version=" + v] for v in ("0.0", "0.1", "1.0"))):
        data = subprocess.run(["tar", "-S", *options, "-C", TMP + "/files", "-c", *names], stdout=subprocess.PIPE, check=True).stdout
        check(len(data) < 1 << 20, "holes are not in the tarball")
        layout = Layout(TMP + "/image")
        layout.tag(layout.manifest([layout.layer(data)])).write()
        equal(run([program("boxstep-unpack"), layout.path], env=here()).status, 0)
        with open(folder("images.json")) as file:
            made = folder(f"layers/{json.load(file)['images'][-1]['layers'][0][7:]}/diff")
        for name in names:
            with open(f"{TMP}/files/{name}", "rb") as one, open(f"{made}/{name}", "rb") as other:
                check(one.read() == other.read(), f"{options}: {name}")
            check(os.stat(f"{made}/{name}").st_blocks <= 16, f"{options}: {name} has holes")
        shutil.rmtree(TMP + "/image")
        shutil.rmtree(TMP + "/store")


@test("a directory that a layer does not mention looks as the layers below have it")
def _():
    below = busybox_layer().folder("var/odd", mode=0o1777, uid=5, gid=6, mtime=4000000)
    path = layer_of("image", below, Layer().file("var/odd/f", "x").file("new/dir/f", "x"))
    st = os.stat(path + "/var/odd")
    equal((oct(st.st_mode), st.st_uid, st.st_gid, st.st_mtime), ("0o41777", 5, 6, 4000000.0))
    equal(oct(os.stat(path + "/new/dir").st_mode), "0o40755", "one that is nowhere")
    equal(oct(os.stat(path).st_mode), "0o40755", "the root")


@test("a hard link to a file of a lower layer brings the file with it")
def _():
    below = busybox_layer().file("etc/original", "of below\n", mode=0o640, uid=3)
    path = layer_of("image", below, Layer().hard("etc/second", "etc/original"))
    st = os.stat(path + "/etc/second")
    equal((read(path + "/etc/second"), oct(st.st_mode), st.st_uid, st.st_nlink), ("of below\n", "0o100640", 3, 2))


@test("a file that an opaque directory between hides is not there for a hard link")
def _():
    layers = [busybox_layer().file("d/secret", "deleted\n").file("d/deep/secret", "deleted\n"), Layer().file("d/.wh..wh..opq")]
    for target in ("d/secret", "d/deep/secret"):
        path = image(f"{TMP}/{os.path.dirname(target)}", [*layers, Layer().hard("found", target)])
        bad("what is hidden", [program("boxstep-unpack"), path], names=(f'hard link to "{target}"', "ENOENT"), env=here())
    shown = Layer().file("d/.wh..wh..opq").file("d/secret", "new\n")
    equal(read(layer_of("shown", layers[0], shown, Layer().hard("found", "d/secret")) + "/found"), "new\n")


@test("a hard link to a sparse file of a lower layer, and a volume that has one, take no room for its holes", steps=STEPS)
def _(s):
    with open(TMP + "/big", "wb") as file:
        file.truncate(1 << 30)
        file.write(b"data" * 1024)
    data = subprocess.run(["tar", "-S", "-C", TMP, "-c", "big"], stdout=subprocess.PIPE, check=True).stdout
    layout = Layout(TMP + "/image")
    layers = [layout.layer(busybox_layer().bytes()), layout.layer(data), Layer().hard("data/same", "big")]
    layout.tag(layout.manifest(layers, {"Volumes": {"/data": {}}})).write()
    r = run(s.given(layout.path, "/bin/sh", "-c", "stat -c '%s %b' /data/same; head -c 4 /data/same"), env=here())
    equal(r.lines, [f"{1 << 30} 8", "data"], r.err)
    kept = run(["du", "-sk", folder("layers")]).out.split()[0]
    check(int(kept) < 8 << 10, f"{kept} KiB in the store")


@test("a whiteout deletes what is below, and not what its own layer brings, in whatever order", steps=STEPS)
def _(s):
    below = busybox_layer().folder("a").file("a/old", "x").folder("b").file("b/old", "x").file("f", "old\n")
    top = (
        Layer()
        .file(".wh.a")
        .folder("a")
        .file("a/new", "x")
        .folder("b")
        .file("b/new", "x")
        .file(".wh.b")
        .file("f", "new\n")
        .file(".wh.f")
        .file(".wh.c")
        .file("c/deep/f", "x")
        .file(".wh..wh.plnk", "aufs")
        .file(".wh.never")
    )
    layer_of("image", below, top)
    r = run(s.given(TMP + "/image", "/bin/sh", "-c", "ls -A /a /b /c/deep; cat /f; ls -A / | grep -c wh"), env=here())
    equal(r.out, "/a:\nnew\n\n/b:\nnew\n\n/c/deep:\nf\nnew\n0\n", r.err)


@test("128 layers are one root, and the topmost wins", steps=STEPS)
def _(s):
    layout = Layout(TMP + "/image")
    layers = [layout.layer(busybox_layer().bytes())]
    for n in range(127):
        layers.append(layout.layer(Layer().file("number", f"{n}\n").file(f"n{n}", "").bytes()))
    layout.tag(layout.manifest(layers)).write()
    r = run(s.given(layout.path, "/bin/sh", "-c", "cat /number; ls -d /n[0-9]* | wc -l"), env=here(), timeout=120)
    equal(r.out, "126\n127\n", r.err)


@test("on Linux 6.1 128 layers are one root too", needs="vm", steps=(5, 5))
def _(s):
    layout = Layout(TMP + "/image")
    layers = [layout.layer(busybox_layer().bytes())]
    layers += [layout.layer(Layer().file("number", f"{n}\n").file(f"n{n}", "").bytes()) for n in range(127)]
    layout.tag(layout.manifest(layers)).write()
    r = run(s.given(layout.path, "/bin/sh", "-c", "cat /number; ls -d /n[0-9]* | wc -l"), env=here(), timeout=120)
    equal(r.out, "126\n127\n", r.err)


class Disk:
    """An ext4 file system of the test's own at PATH: what the VM has besides is tmpfs and 9p."""

    def __init__(self, path):
        self.path, self.image = path, path + ".ext4"

    def __enter__(self):
        run(["modprobe", "loop"])
        os.mkdir(self.path)
        with open(self.image, "w") as file:
            file.truncate(128 << 20)
        equal(run(["mkfs.ext4", "-q", self.image]).status, 0)
        equal(run(["mount", "-o", "loop", self.image, self.path]).status, 0)

    def __exit__(self, *_):
        run(["umount", self.path])


IDMAPPED = "id-mapped layers serve root's --user on Linux 6.1 too, and no mount of theirs stays"


@test(IDMAPPED, needs="vm", steps=STEPS)
def _(s):
    script = "stat -c %u /etc/motd /opt/one; cat /etc/motd; ls /srv/dir; echo x > /etc/motd; echo x > /srv/n; rm /srv/keep; stat -c %u /srv/n"
    before = run(["cat", "/proc/self/mountinfo"]).out
    with Disk(TMP + "/disk"):
        r = run(argv(s, "--user", "--map-auto", "--keep", cmd=["/bin/sh", "-c", script]), env=here("disk/store"))
        equal((r.status, r.lines), (0, ["0", "1000", "from the third layer", "c", "0"]), r.err)
        place = re.search(r"the changes are in (\S+)", r.err).group(1)
        mapped = os.stat(place + "/srv/n").st_uid
        differs(mapped, 0, "the owner on the host")
        equal(os.stat(place + "/etc/motd").st_uid, mapped)
        check(stat.S_ISCHR(os.lstat(place + "/srv/keep").st_mode), "the deletion is a whiteout")
        again = run(argv(s, cmd=["cat", "/etc/motd"]), env=here("disk/store"))
        equal(again.out, "from the third layer\n", "the layer has not changed")
    equal(run(["cat", "/proc/self/mountinfo"]).out, before)


@test("where the file system of the store cannot be id-mapped, root's --user is refused with what to do", needs="vm", steps=STEPS)
def _(s):
    r = run(argv(s, "--user", "--map-auto", cmd=["/bin/true"]), env=here())
    equal(r.status, 125)
    contains(r.err, "tmpfs only since Linux 6.3")


@test("on Linux 6.1 the root is an overlay: writes go to the upper directory, deletions are whiteouts", needs="vm", steps=STEPS)
def _(s):
    script = "grep -c ' / / .* overlay ' /proc/self/mountinfo; echo x > /etc/motd; rm -r /srv/dir; mkdir /srv/dir; ls -A /srv/dir; rm /srv/keep"
    r = run(argv(s, "--keep", "--diff", cmd=["/bin/sh", "-c", script]), env=here())
    equal((r.status, r.out), (0, "1\n"), r.err)
    place = re.search(r"the changes are in (\S+)", r.err).group(1)
    check(stat.S_ISCHR(os.lstat(place + "/srv/keep").st_mode), "a whiteout")
    equal(os.getxattr(place + "/srv/dir", "trusted.overlay.opaque"), b"y")
    equal(run(argv(s, cmd=["/bin/sh", "-c", "cat /etc/motd; ls /srv/dir"]), env=here()).out, "from the third layer\nc\n")


@test("a layer is written to the disk before it has its name, unless --no-sync", needs="root cmd:strace")
def _():
    for options, synced in (((), 3), (("--no-sync",), 0)):
        trace = f"{TMP}/trace{synced}"
        words = ["strace", "-f", "-e", "trace=syncfs,renameat,renameat2", "-o", trace, program("boxstep-unpack"), *options, IMAGE]
        equal(run(words, env=here(f"store{synced}")).status, 0)
        order = ["syncfs" if "syncfs(" in line else "layer" for line in read(trace).splitlines() if "syncfs(" in line or '"layers/' in line]
        equal(order, (["syncfs", "layer"] if synced else ["layer"]) * 3, "order")


# ---- what the image wants ------------------------------------------------------------------------


@test("Env, Entrypoint, Cmd, User and WorkingDir of the image are honoured", steps=STEPS)
def _(s):
    r = run(argv(s, image=IMAGE_DIR + ":app"))
    equal((r.status, r.out), (0, "hello, world\napp\n"), r.err)
    r = run(argv(s, image=IMAGE_DIR + ":app", cmd=["reader"]))
    equal(r.out, "hello, reader\napp\n", "a command replaces Cmd")
    r = run(argv(s, "--entrypoint", "/bin/sh", image=IMAGE_DIR + ":app", cmd=["-c", "id; pwd; echo $HOME $GREETING"]))
    equal(r.out, "uid=1000(app) gid=1000(app) groups=1001(extra)\n/srv\n/home hello\n", r.err)


@test("--env, --workdir and --run-as go before the image's; a working directory is made", steps=STEPS)
def _(s):
    r = run(
        argv(
            s,
            *("-e", "GREETING=hi", "--env", "PASSED", "-w", "/made/here", "--run-as", "12:34"),
            cmd=["/bin/sh", "-c", "echo $GREETING $PASSED; pwd; id -u; id -g; id -G; stat -c %u /made"],
        ),
        env={"PASSED": "on"},
    )
    equal(r.out, "hi on\n/made/here\n12\n34\n34\n0\n", r.err)


@test("--env is for a root that is no image too; what an image or an upper directory is needed for is refused", steps=STEPS)
def _(s):
    show = ("--", "/bin/sh", "-c", "echo $GREETING $PASSED $PATH")
    for root in ("--rootfs", "--lower"):
        r = run(s.given("-e", "GREETING=hi", "--env", "PASSED", root, ROOTFS, *show), env={"PASSED": "on"})
        equal(r.out, "hi on /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n", r.err)
        for words in (["--entrypoint", "/bin/sh"], ["--platform", "linux/amd64"]):
            bad(words[0], s.given(*words, root, ROOTFS, "--", "true"), names=f"{words[0]} does nothing with {root}")
    os.mkdir(TMP + "/upper")
    for words in (["--upper", TMP + "/upper"], ["--keep"], ["--diff"], ["--lower", ROOTFS]):
        bad(words[0], s.given(*words, "--rootfs", ROOTFS, "--", "true"), names=f"{words[0]} does nothing with --rootfs")


@test("a volume begins with what the image has there, belongs to it, and is no part of the changes", steps=STEPS)
def _(s):
    script = "echo x > /data/f; ls -ld /data | cut -c1-10; stat -c %U /data; grep -c ' /data ' /proc/self/mountinfo"
    r = run(argv(s, "--diff", "--entrypoint", "/bin/sh", image=IMAGE_DIR + ":app", cmd=["-c", script]))
    equal(r.out, "drwxr-xr-x\napp\n1\n", r.err)
    absent(r.err, "/data")


@test("SIGTERM is passed on as the image's StopSignal", steps=STEPS)
def _(s):
    words = argv(s, "--entrypoint", "/bin/sh", image=IMAGE_DIR + ":app")
    p = start([*words, "-c", "trap 'echo quit; exit 7' QUIT; trap 'echo term; exit 8' TERM; echo ready; while :; do sleep 0.1; done"])
    p.read_until("ready")
    p.send(signal.SIGTERM)
    r = p.wait()
    equal((r.status, r.lines[-1]), (7, "quit"), r.err)


@test("an image's device nodes are data: none opens a device", steps=STEPS)
def _(s):
    path = image(TMP + "/image", [busybox_layer().node("zero", "c", 1, 5, mode=0o666)])
    r = run(s.given(path, "/bin/sh", "-c", "ls -l /zero | cut -c1; head -c1 /zero; head -c1 /dev/zero | wc -c"), env=here())
    equal(r.lines, ["c", "1"], r.err)
    contains(r.err, "Permission denied")


# ---- what a container changes --------------------------------------------------------------------


@test("--diff says what was added, changed and deleted, and the next run knows nothing of it", steps=STEPS)
def _(s):
    script = "echo new > /etc/motd; rm -r /srv/keep /srv/dir; mkdir /x; touch /x/y; ln -s y /x/z"
    r = run(argv(s, "--diff", cmd=["/bin/sh", "-c", script]))
    wanted = ["C /etc", "C /etc/motd", "C /srv", "D /srv/dir", "D /srv/keep", "A /x", "A /x/y", "A /x/z"]
    equal([line for line in r.err.splitlines() if line[:2] in ("A ", "C ", "D ")], wanted)
    r = run(argv(s, cmd=["/bin/sh", "-c", "cat /etc/motd; ls /x"]))
    equal(r.out, "from the third layer\n")
    # srv/dir/a is of the first layer, but the third has an opaque srv/dir without it
    r = run(argv(s, "--diff", cmd=["/bin/sh", "-c", "echo x > /srv/dir/a; echo x > /srv/dir/c"]))
    equal([line for line in r.err.splitlines() if "/srv/dir/" in line], ["A /srv/dir/a", "C /srv/dir/c"])


@test("--diff writes names as they can be shown: none ends the line or steers the terminal", steps=STEPS)
def _(s):
    script = "cd /srv; printf x > \"$(printf 'a\\nA forged')\"; printf x > \"$(printf 'b\\033[2J')\"; printf x > \"$(printf 'c\\377')\"; printf x > 'd \N{LATIN SMALL LETTER E WITH ACUTE}'"
    r = run(argv(s, "--diff", cmd=["/bin/sh", "-c", script]))
    wanted = ["C /srv", r"A /srv/a\nA forged", r"A /srv/b\33[2J", r"A /srv/c\377", "A /srv/d \N{LATIN SMALL LETTER E WITH ACUTE}"]
    equal([line for line in r.err.splitlines() if line[:2] in ("A ", "C ", "D ")], wanted)


@test("--keep keeps the changes and says where", steps=STEPS)
def _(s):
    r = run(argv(s, "--keep", cmd=["/bin/sh", "-c", "echo new > /etc/motd"]), env=here())
    matches(r.err, r"the changes are in " + TMP)
    place = r.err.rsplit(" ", 1)[1].strip()
    equal(read(place + "/etc/motd"), "new\n")
    equal(run(argv(s, cmd=["cat", "/etc/motd"]), env=here()).out, "from the third layer\n")
    equal(read(place + "/etc/motd"), "new\n", "the next run leaves it alone")


@test("changes that cannot be kept are not removed as well: it is said where they are", steps=STEPS)
def _(s):
    os.mkdir(TMP + "/store")
    open(TMP + "/store/kept", "w").close()
    r = run(argv(s, "--keep", cmd=["/bin/sh", "-c", "echo new > /etc/motd"]), env=here())
    equal(r.status, 125)
    contains(r.err, "ENOTDIR")
    place = re.search(r"the changes are in (\S+) until the next run", r.err)
    equal(read(place[1] + "/etc/motd"), "new\n")
    equal(run(argv(s, cmd=["cat", "/etc/motd"]), env=here()).out, "from the third layer\n")
    check(not os.path.exists(place[1]), "the next run clears up")


@test("--lower and --upper are the bare overlay: what is written stays in the upper directory", steps=STEPS)
def _(s):
    for name in ("upper", "over"):
        os.mkdir(f"{TMP}/{name}")
    with open(TMP + "/over/word", "w") as file:
        file.write("on top\n")
    network = ["--network", "none"] if s.n >= 6 else []
    base = [s.path, *network, "--lower", f"{TMP}/over:{ROOTFS}", "--upper", TMP + "/upper"]
    equal(run([*base, "--", "/bin/sh", "-c", "cat /word; echo changed > /word; rm /etc/motd"]).out, "on top\n")
    equal(read(TMP + "/over/word"), "on top\n", "the lower one")
    equal(read(TMP + "/upper/word"), "changed\n")
    check(stat_is_whiteout(TMP + "/upper/etc/motd"), "a whiteout")
    r = run([*base, "--diff", "--", "/bin/sh", "-c", "cat /word; ls /etc/motd"])
    equal(r.out, "changed\n", "again, with the same upper one")
    contains(r.err, "D /etc/motd")
    check(not os.path.exists(TMP + "/upper.work"), "the work directory is gone")


def stat_is_whiteout(path):
    st = os.lstat(path)
    return (st.st_mode & 0o170000, st.st_rdev) == (0o020000, 0)


@test("an upper directory that is in use is not given to a second run", steps=STEPS)
def _(s):
    os.mkdir(TMP + "/upper")
    base = s.given("--lower", ROOTFS, "--upper", TMP + "/upper", "--")
    p = start([*base, "/bin/probe", "catch", "1"])
    p.read_until("ready")
    bad("the upper directory of another run", [*base, "/bin/true"], call="EBUSY", names=TMP + "/upper")
    p.send(signal.SIGTERM)
    equal(p.wait().status, 0, "the first one is not disturbed")


@test("a DIR.work of the user's is neither emptied nor removed: it is refused; an empty one is taken", steps=STEPS)
def _(s):
    base = s.given("--lower", ROOTFS, "--upper", TMP + "/upper", "--", "/bin/true")
    for made in ("upper.work/notes/one", "upper.work/work/one", "upper.work/index/one"):
        os.makedirs(f"{TMP}/{os.path.dirname(made)}")
        os.makedirs(TMP + "/upper", exist_ok=True)
        with open(f"{TMP}/{made}", "w") as file:
            file.write("the user's\n")
        bad(f"{made} is there", base, names=(TMP + "/upper.work", "move it away"))
        equal(read(f"{TMP}/{made}"), "the user's\n", made)
        shutil.rmtree(TMP + "/upper.work")
    os.mkdir(TMP + "/upper.work")
    equal(run(base).status, 0, "an empty one")
    os.mkdir(TMP + "/elsewhere")
    os.symlink(TMP + "/elsewhere", TMP + "/upper.work")
    bad("a link in its place", base, call="mkdir(", names=TMP + "/upper.work")


@test("what is put into DIR.work during a run stays, and is told", steps=STEPS)
def _(s):
    os.mkdir(TMP + "/upper")
    p = start(s.given("--lower", ROOTFS, "--upper", TMP + "/upper", "--", "/bin/probe", "catch", "1"))
    p.read_until("ready")
    open(TMP + "/upper.work/note", "w").close()
    p.send(signal.SIGTERM)
    r = p.wait()
    equal(r.status, 125)
    contains(r.err, f'rmdir("{TMP}/upper.work"): ENOTEMPTY')
    equal(os.listdir(TMP + "/upper.work"), ["note"])


@test("the work directory that kill -9 left is taken by the next run with that upper directory", steps=STEPS)
def _(s):
    os.mkdir(TMP + "/upper")
    base = s.given("--lower", ROOTFS, "--upper", TMP + "/upper", "--", "/bin/sh", "-c")
    p = start([*base, "rm /etc/motd; echo ready; sleep 100"])
    p.read_until("ready")
    p.send(signal.SIGKILL)
    p.wait()
    equal(os.listdir(TMP + "/upper.work"), ["work"], "what it left")
    group = f"{cgroup2_mount()}/boxstep-run-{p.pid}-*"
    wait_for(lambda: run([*base, "ls /etc/motd"]).status == 1 and not glob.glob(group), "its end")
    check(not os.path.exists(TMP + "/upper.work"), "the work directory is gone")


# ---- the store -----------------------------------------------------------------------------------


@test("four at once unpack each layer once, and all four run", steps=STEPS, timeout=180)
def _(s):
    words = s.given(IMAGE, "cat", "/etc/motd")
    several = [start(words, env=here()) for _ in range(4)]
    for p in several:
        r = p.wait(120)
        equal((r.status, r.out), (0, "from the third layer\n"), r.err)
    equal(len(os.listdir(folder("layers"))), 3)
    equal(os.listdir(folder("aside")) + os.listdir(folder("scratch")), [])


@test("kill -9 in the middle of an unpack leaves a store that is right", steps=STEPS, timeout=180)
def _(s):
    big = Layer()
    for n in range(300):
        big.file(f"big/{n}", os.urandom(20000))
    path = image(TMP + "/image", [busybox_layer(), big, Layer().file("last", "whole\n")])
    for milliseconds in (5, 20, 40, 60, 90, 130):
        p = start([program("boxstep-unpack"), path], env=here())
        time.sleep(milliseconds / 1000)
        p.send(signal.SIGKILL)
        p.wait()
        for name in os.listdir(folder("layers")) if os.path.isdir(folder("layers")) else []:
            check(os.path.exists(folder(f"layers/{name}/layer.json")), "a layer that has its name is whole")
    r = run(s.given(path, "/bin/sh", "-c", "ls /big | wc -l; cat /last"), env=here())
    equal(r.out, "300\nwhole\n", r.err)
    equal(os.listdir(folder("aside")), [])


@test("kill -9 of a run leaves nothing that the next run does not remove", steps=STEPS)
def _(s):
    p = start(s.given(IMAGE, "/bin/sh", "-c", "echo x > /x; echo ready; sleep 100"), env=here())
    p.read_until("ready")
    p.send(signal.SIGKILL)
    p.wait()
    equal(len(os.listdir(folder("scratch"))), 1, "what it left")
    wait_for(lambda: run(s.given(IMAGE, "/bin/true"), env=here()).status == 0 and os.listdir(folder("scratch")) == [], "the sweep")


@test("kill -9 between the write of a record and its rename leaves what the next start removes", needs="root cmd:strace")
def _():
    unpack = [program("boxstep-unpack"), IMAGE]
    equal(run(unpack, env=here()).status, 0)

    def left():
        return [name for name in os.listdir(TMP + "/store") if name.endswith(".images.json")]

    trap = ["strace", "-f", "-o", "/dev/null", "-e", "trace=renameat", "-e", "inject=renameat:error=EIO:signal=SIGKILL"]
    run([*trap, unpack[0], "--name", "x", IMAGE], env=here())
    equal(len(left()), 1, "what it left")
    equal(run(unpack, env=here()).status, 0)
    equal(left(), [])
    with open(TMP + "/store/.1.images.json", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        equal(run(unpack, env=here()).status, 0)
        equal(left(), [".1.images.json"], "somebody writes it just now")


@test("a full disk is said, and the store is right when there is room again", steps=STEPS)
def _(s):
    os.mkdir(TMP + "/small")
    check(subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "small", TMP + "/small"]).returncode == 0)
    try:
        env = {"BOXSTEP_ROOT": TMP + "/small/store"}
        r = run(s.given(IMAGE, "cat", "/etc/motd"), env=env)
        equal((r.status, r.out), (125, ""))
        contains(r.err, "ENOSPC")
        equal(os.listdir(TMP + "/small/store/layers") + os.listdir(TMP + "/small/store/aside"), [])
        subprocess.run(["mount", "-o", "remount,size=64m", TMP + "/small"], check=True)
        r = run(s.given(IMAGE, "cat", "/etc/motd"), env=env)
        equal((r.status, r.out), (0, "from the third layer\n"), r.err)
    finally:
        subprocess.run(["umount", TMP + "/small"], check=True)


@test("a name of the store is an image, and one that was given to another image moves", steps=STEPS)
def _(s):
    unpack = program("boxstep-unpack")
    equal(run([unpack, "--name", "demo:1", IMAGE], env=here()).status, 0)
    equal(run(s.given("demo:1", "cat", "/etc/motd"), env=here()).out, "from the third layer\n")
    equal(run([unpack, "--name", "demo:1", IMAGE_DIR + ":app"], env=here()).status, 0)
    equal(run(s.given("docker.io/library/demo:1"), env=here()).out, "hello, world\napp\n")
    with open(folder("images.json")) as file:
        equal([record["names"] for record in json.load(file)["images"]], [[], ["docker.io/library/demo:1"]])


# ---- user namespaces -----------------------------------------------------------------------------


@test("an ordinary user runs an image; owners that cannot be kept are said once", needs="user", steps=STEPS)
def _(s):
    words = argv(s, "--user", "--map-root", "--diff", cmd=["/bin/sh", "-c", "id -u; ls /srv /srv/dir; echo x > /etc/motd; rm /srv/keep"])
    env = {"BOXSTEP_ROOT": TMP + "/store"}
    os.mkdir(TMP + "/store")
    os.chown(TMP + "/store", USER_ID, USER_ID)
    os.chmod(TMP, 0o755)
    r = run_as_user(words, env=env)
    equal((r.status, r.out), (0, "0\n/srv:\ndir\nkeep\nlink\n\n/srv/dir:\nc\n"), r.err)
    equal(r.err.count("owners"), 1)
    for line in ("C /etc/motd", "D /srv/keep"):
        contains(r.err, line)
    r = run_as_user(words, env=env)
    equal(r.err.count("owners"), 0, "the second time")
    equal(os.listdir(TMP + "/store/scratch"), [])


@test("with a range of ids an ordinary user keeps every owner, and what it made can be removed", needs="user", steps=STEPS)
def _(s):
    os.mkdir(TMP + "/store")
    os.chown(TMP + "/store", USER_ID, USER_ID)
    os.chmod(TMP, 0o755)
    env = {"BOXSTEP_ROOT": TMP + "/store"}
    script = "stat -c %u:%g /opt/one; id -u; touch /data/x; mkdir -m 700 /data/d; touch /data/d/y; echo ok"
    words = argv(s, "--user", "--map-auto", "--entrypoint", "/bin/sh", image=IMAGE_DIR + ":app", cmd=["-c", script])
    for _ in range(2):
        r = run_as_user(words, env=env)
        equal((r.status, r.out), (0, "1000:1000\n1000\nok\n"), r.err)
        absent(r.err, "owners")
        equal(os.listdir(TMP + "/store/scratch"), [])


@test("root's layers serve a user namespace by an id-mapped mount: 0 on disk is 0 inside", steps=STEPS)
def _(s):
    script = "cat /proc/self/uid_map | tr -s ' '; stat -c %u /etc/motd /opt/one; ls /srv/dir; echo x > /etc/motd; echo x > /srv/n"
    r = run(argv(s, "--user", "--map-auto", "--keep", cmd=["/bin/sh", "-c", script]), env=here())
    equal(r.lines[1:], ["0", "1000", "c"], r.err)
    place = re.search(r"the changes are in (\S+)", r.err).group(1)
    differs(os.stat(place + "/srv/n").st_uid, 0, "the owner on the host")
    equal(os.stat(place + "/srv/n").st_uid, os.stat(place + "/etc/motd").st_uid)


# ---- bad use -------------------------------------------------------------------------------------


def broken(change):
    """An image of one layer to which CHANGE(layout, manifest) does something."""
    layout = Layout(TMP + "/image")
    layer = layout.layer(busybox_layer().bytes(), "")
    manifest = layout.manifest([layer])
    layout.tag(manifest).write()
    change(layout, layer[0])
    return [step(5), layout.path, "/bin/true"]


def blob_path(layout, blob):
    return f"{layout.path}/blobs/sha256/{blob['digest'][7:]}"


def flip(layout, blob):
    with open(blob_path(layout, blob), "r+b") as file:
        file.seek(700)
        file.write(b"!")


def cut(layout, blob):
    os.truncate(blob_path(layout, blob), 5000)


def spoil_manifest(layout, _):
    path = blob_path(layout, layout.entries[0])
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace("linux", "Linux", 1)[:-1] + " ")


def own_upper():
    """A directory of the user's, in one that is not."""
    os.makedirs(TMP + "/upper")
    os.chown(TMP + "/upper", USER_ID, USER_ID)
    return TMP + "/upper"


bad("an upper directory beside which no other can be made", lambda: [step(5), "--user", "--map-root", "--lower", ROOTFS, "--upper", own_upper(), "true"],
    call="mkdir(", names=('upper.work"', "writable for uid"), needs="user root", user=True)
bad("an image that is not there", lambda: [step(5), "nosuch:1", "true"], names="nosuch:1")
bad("a directory that is no layout", lambda: [step(5), TMP, "true"], call="open(", names="index.json")
bad("a file that is no archive", lambda: [step(5), ROOTFS + "/etc/passwd", "true"], names="archive")
bad("a tag that is not there", lambda: [step(5), IMAGE_DIR + ":nosuch", "true"], names="nosuch")
bad("no image at all", lambda: [step(5)], names="IMAGE")
bad("no command with --lower", lambda: [step(5), "--lower", ROOTFS], names="IMAGE")
bad("a lower directory that is not there", lambda: [step(5), "--lower", f"{ROOTFS}:/nosuch", "true"], call="--lower", names="/nosuch")
bad("a lower directory inside another", lambda: [step(5), "--lower", f"{ROOTFS}:{ROOTFS}/bin", "true"], call="fsconfig(", names="one lies inside another")
bad("an upper directory that is not there", lambda: [step(5), "--lower", ROOTFS, "--upper", "/nosuch", "true"], call="--upper", names="/nosuch")
bad("a store that cannot be made", lambda: [step(5), "--root", "/proc/nosuch", IMAGE, "true"], names="/proc/nosuch")
bad("a blob that is missing", lambda: broken(lambda l, b: os.unlink(blob_path(l, b))), names="blob sha256:")
bad("a blob that was changed", lambda: broken(flip), call="EBADMSG", names="its digest is")
bad("a blob that is too short", lambda: broken(cut), names="its size is not")
bad("a manifest that was changed", lambda: broken(spoil_manifest), names="sha256:")
bad("a user that the image does not know", lambda: [step(5), "--run-as", "nosuch", IMAGE, "true"], names="nosuch")
bad("a user above 2147483647", lambda: [step(5), "--run-as", "4294967296", IMAGE, "true"], names="4294967296")
bad("a platform that is none", lambda: [step(5), "--platform", "linux", IMAGE_DIR, "true"], names="linux")


@test("an upper directory on overlayfs is refused with the way out")
def _():
    for name in ("a", "b", "u", "w", "m"):
        os.mkdir(f"{TMP}/{name}")
    options = f"lowerdir={TMP}/a:{TMP}/b,upperdir={TMP}/u,workdir={TMP}/w"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, TMP + "/m"], check=True)
    try:
        r = run([step(5), IMAGE, "/bin/true"], env={"BOXSTEP_ROOT": TMP + "/m/store"})
        equal(r.status, 125)
        contains(r.err, "is itself on overlayfs")
        contains(r.err, "set --root to a directory on ext4, xfs or tmpfs")
        os.mkdir(TMP + "/m/upper")
        bad("upper on overlayfs", [step(5), "--lower", ROOTFS, "--upper", TMP + "/m/upper", "true"], call="fsconfig(", names="EINVAL")
    finally:
        subprocess.run(["umount", TMP + "/m"], check=True)


@test("refused in a chroot, whose way out would be left in the container's namespace", steps=STEPS)
def _(s):
    root, network = TMP + "/root", "--network none" if s.n >= 6 else ""
    subprocess.run(["cp", "-a", ROOTFS, root], check=True)
    for name in "proc sys tmp a b/bin b/proc b/sys b/dev b/etc".split():
        os.makedirs(f"{root}/{name}", exist_ok=True)
    shutil.copy(s.path, root + "/bin/")
    shutil.copy(root + "/bin/busybox", root + "/b/bin/")
    command = f"/bin/{s.name} --root /tmp/store {network} --lower /a:/b -- /bin/busybox true"
    make = f"mount --bind {root} {root}; mount -t proc proc {root}/proc; mount --rbind /sys {root}/sys"
    bad("a chroot", ["unshare", "-m", "sh", "-ec", f"{make}; exec chroot {root} {command}"], names=root)
    enter = f"cd {root}; mkdir old; pivot_root . old; umount -l /old; exec {command}"
    equal(run(["unshare", "-m", "sh", "-ec", f"{make}; {enter}"]).status, 0, "the same as a root of its own")


@test("without boxstep-unpack beside the program, it is named")
def _():
    os.mkdir(TMP + "/bin")
    shutil.copy(step(5), TMP + "/bin/step05")
    bad("no boxstep-unpack", [TMP + "/bin/step05", IMAGE, "true"], names="boxstep-unpack", env=here())
