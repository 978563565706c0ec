"""Layers, archives and manifests that want to reach the host, or to be two things at once."""

import tarfile

import roots

from harness import *
from layouts import *
from roots import victim


def env():
    return {"BOXSTEP_ROOT": TMP + "/store"}


def untouched(path):
    roots.untouched(path)
    for name in ("evil", "etc/evil"):
        check(not os.path.lexists("/" + name), f"/{name} on the host")


def unpack(*layers, options=()):
    """Unpacks an image of LAYERS; gives the Result and the directory of the topmost layer, or None."""
    path = image(f"{TMP}/image", list(layers))
    r = run([program("boxstep-unpack"), *options, path], env=env())
    try:
        with open(TMP + "/store/images.json") as file:
            chain = json.load(file)["images"][-1]["layers"][-1]
    except FileNotFoundError:
        return r, None
    return r, f"{TMP}/store/layers/{chain[7:]}/diff"


def refused(*layers, says, options=()):
    host = victim()
    r, made = unpack(*layers, options=options)
    equal(r.status, 125, says)
    contains(r.err, says)
    equal(made, None, "the image's record")
    equal(os.listdir(TMP + "/store/aside") + os.listdir(TMP + "/store/scratch"), [], "half a layer")
    untouched(host)
    shutil.rmtree(TMP + "/image")


@test("a name with .. is refused, wherever in it the dots are")
def _():
    for name in ("../evil", "a/../../evil", "..", "a/..", "../../../../../../../../evil", "./../evil"):
        refused(Layer().file(name, "x"), says="`..`")
    refused(Layer().file("f", "x").hard("evil", "../../../../../../../etc/passwd"), says="`..`")


@test("an absolute name stays below the layer's own root")
def _():
    host = victim()
    r, made = unpack(Layer().file("/etc/evil", "x").folder("//a///b/").file("/./c", "x"))
    equal(r.status, 0)
    check(os.path.isfile(made + "/etc/evil") and os.path.isdir(made + "/a/b") and os.path.isfile(made + "/c"))
    untouched(host)


@test("nothing is made through a link, absolute or relative, to a directory or to itself")
def _():
    host = victim()
    for target in (host, "../../../../../../../.." + host, "/", ".", "link", "/proc/self/cwd", "/proc/self/root"):
        refused(Layer().link("link", target).file("link/evil", "x"), says="which is a link")
        refused(Layer().folder("d").link("d/link", target).file("d/link/deep/evil", "x"), says="which is a link")
        refused(Layer().link("link", target).folder("link/evil"), says="which is a link")
        refused(Layer().link("link", target).file("link/.wh.secret"), says="which is a link")
        refused(Layer().link("link", target).file("link/.wh..wh..opq"), says="which is a link")


@test("an entry takes the place of a link with its name, and does not go where it points")
def _():
    host = victim()
    target = host + "/secret"
    layer = Layer().link("a", target).file("a", "mine").link("b", host).folder("b").file("b/f", "x").link("c", target).link("c", "x")
    r, made = unpack(layer)
    equal(r.status, 0)
    equal((read(made + "/a"), os.listdir(made + "/b"), os.readlink(made + "/c")), ("mine", ["f"], "x"))
    untouched(host)


@test("a hard link to what is outside, or through a link, or to a link's target is not made")
def _():
    host = victim()
    refused(Layer().hard("evil", host + "/secret"), says="hard link to")
    refused(Layer().link("link", host).hard("evil", "link/secret"), says="link")
    r, made = unpack(Layer().link("link", host + "/secret").hard("evil", "link"))
    equal(r.status, 0)
    check(os.path.islink(made + "/evil"), "a name for the link itself")
    untouched(host)


@test("a hard link through a directory of a lower layer that is a link is not followed")
def _():
    host = victim()
    refused(Layer().link("dir", host), Layer().hard("evil", "dir/secret"), says="hard link to")


@test("a whiteout names one thing in its own directory")
def _():
    for name in (".wh.", ".wh..", ".wh...", "d/.wh..."):
        refused(Layer().folder("d").file(name), says="whiteout of nothing")


@test("a device node is made in the layer only, and opens nothing in a container")
def _():
    layer = Layer().rootfs(ROOTFS).node("disk", "b", 254, 0, mode=0o666).node("mem", "c", 1, 1, mode=0o666)
    r, made = unpack(layer)
    equal(r.status, 0)
    r = run([step(5), TMP + "/image", "/bin/sh", "-c", "head -c1 /disk; head -c1 /mem; echo done"], env=env())
    equal(r.out, "done\n")
    equal(r.err.count("Permission denied"), 2, r.err)


@test("a set-user-id program of an image cannot be reached by a user of the host")
def _():
    r, made = unpack(Layer().rootfs(ROOTFS).file("bin/evil", "#!/bin/sh\nid\n", mode=0o4755))
    equal(oct(os.stat(made + "/bin/evil").st_mode), "0o104755", "in the container it works")
    os.chmod(TMP, 0o755)
    r = run_as_user(["ls", made + "/bin/evil"])
    differs(r.status, 0)
    contains(r.err, "ermission denied")


@test("a layer that is too large is stopped before it fills the disk")
def _():
    refused(Layer().file("zeros", b"\0" * (20 << 20)), says="too large", options=["--limit-bytes", "8m"])
    bomb = Layout(TMP + "/image")
    part = gzip.compress(b"\0" * (64 << 20), 9)
    data = Layer().file("zeros", b"").bytes(closed=False)
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 40
    packed = gzip.compress(info.tobuf(), 9) + part * 12
    blob = bomb.blob(packed, OCI + "layer.v1.tar+gzip")
    bomb.tag(bomb.manifest([(blob, digest(data))])).write()
    r = run([program("boxstep-unpack"), bomb.path], env=env())
    equal(r.status, 125)
    contains(r.err, "too large")
    equal(os.listdir(TMP + "/store/aside"), [])


@test("an archive that grows without end is stopped, and what it had become is removed")
def _():
    info = tarfile.TarInfo("blobs/sha256/bomb")
    info.size = 1 << 40
    with open(TMP + "/bomb.tar.gz", "wb") as file:
        file.write(gzip.compress(info.tobuf(), 9) + gzip.compress(b"\0" * (64 << 20), 9) * 12)
    r = run([program("boxstep-unpack"), TMP + "/bomb.tar.gz"], env=env())
    equal(r.status, 125)
    contains(r.err, "grows without end")
    equal(os.listdir(TMP + "/store/scratch"), [])


@test("what hard links bring from the layers below counts in the limit, before it is copied")
def _():
    layers = [Layer().file(f"zeros{n}", b"\0" * (3 << 20)) for n in range(3)]
    links = [Layer(), Layer()]
    for n in range(3):
        links[0].hard(f"link{n}", f"zeros{n}")
        links[1].hard(f"link{n}", "zeros0")
    refused(*layers, links[0], says="the layer is too large", options=["--limit-bytes", "8m"])
    r, made = unpack(*layers, links[1], options=["--limit-bytes", "8m"])
    equal(r.status, 0, "one that was brought in once")
    equal(os.stat(made + "/link2").st_nlink, 4)


@test("an entry of a negative size is refused: it would raise the limit for those behind it")
def _():
    for size in (-1, -(20 << 20), -(1 << 62)):
        less = bytearray(tarfile.TarInfo("less").tobuf(tarfile.GNU_FORMAT))
        less[483:495] = size.to_bytes(12, "big", signed=True)  # GNU's realsize, of a sparse file
        less[148:156] = b" " * 8
        less[148:155] = b"%06o\0" % sum(less)
        data = bytes(less) + Layer().file("zeros", b"\0" * (12 << 20)).bytes()
        hostile = Layout(TMP + "/image")
        hostile.tag(hostile.manifest([(hostile.blob(data, OCI + "layer.v1.tar"), digest(data))])).write()
        r = run([program("boxstep-unpack"), "--limit-bytes", "8m", hostile.path], env=env())
        equal(r.status, 125)
        contains(r.err, 'layer entry "less": its size is negative')
        equal(os.listdir(TMP + "/store/aside"), [])
        shutil.rmtree(TMP + "/image")


@test("too many entries, too deep a path and too long a name are refused")
def _():
    many = Layer()
    for n in range(60):
        many.file(f"f{n}")
    refused(many, says="more than 50 entries", options=["--limit-entries", "50"])
    refused(Layer().file("d/" * 200 + "f"), says="too deep")
    refused(Layer().file("n" * 300), says="ENAMETOOLONG")


@test("a hard link chain and a directory in place of a file do not confuse it")
def _():
    host = victim()
    layer = Layer().file("f", "x").hard("g", "f").folder("f").file("f/in", "y").hard("h", "g").folder("d").file("d/x").file("d", "now a file")
    refused(Layer().hard("a", "b").hard("b", "a"), says="hard link to")
    refused(Layer().hard("a", "a"), says="hard link to itself")
    r, made = unpack(layer)
    equal(r.status, 0)
    equal((read(made + "/g"), read(made + "/h"), read(made + "/f/in"), read(made + "/d")), ("x", "x", "y", "now a file"))
    untouched(host)


@test("a manifest that is also an index is refused, and so is one that is called an index")
def _():
    layout = Layout(TMP + "/image")
    layer = layout.layer(Layer().rootfs(ROOTFS).bytes())
    both = layout.manifest([layer], manifests=[])
    for descriptor, says in (
        (both, "also an index"),
        ({**layout.manifest([layer]), "mediaType": OCI + "index.v1+json"}, "mediaType is"),
        (layout.manifest([layer], mediaType=OCI + "index.v1+json"), "mediaType is"),
        (layout.manifest([layer], schemaVersion=1), "schema version 1"),
    ):
        layout.entries = []
        layout.tag(descriptor).write()
        r = run([step(5), layout.path, "/bin/true"], env=env())
        equal(r.status, 125)
        contains(r.err, says)


@test("a digest is sha256 and 64 hex digits, and nothing that a path could be made of")
def _():
    layout = Layout(TMP + "/image")
    good = layout.manifest([Layer().rootfs(ROOTFS)])
    hexes = good["digest"][7:]
    for wrong in ("sha256:" + hexes.upper(), "sha256:" + hexes[:-1], "sha256:" + hexes + "0", "sha512:" + hexes,
                  "sha256:../../../../etc/passwd", hexes, "", "sha256:" + hexes[:-1] + "/"):
        layout.entries = []
        layout.tag({**good, "digest": wrong}).write()
        r = run([step(5), layout.path, "/bin/true"], env=env())
        equal(r.status, 125, wrong)
        contains(r.err, "is no digest")


@test("a layer whose diff id is another's is refused, though its blob is right")
def _():
    layout = Layout(TMP + "/image")
    blob, _ = layout.layer(Layer().rootfs(ROOTFS).bytes())
    layout.tag(layout.manifest([(blob, digest(b"another"))])).write()
    r = run([step(5), layout.path, "/bin/true"], env=env())
    equal(r.status, 125)
    contains(r.err, "not the config's")
    equal(os.listdir(TMP + "/store/layers"), [])


@test("JSON that is too deep, too large, cut off or of the wrong types is refused")
def _():
    layout = Layout(TMP + "/image")
    layout.tag(layout.manifest([Layer().rootfs(ROOTFS)])).write()
    for text in ("[" * 5000, '{"a":' * 5000, "{", "", "null", "[]", '{"schemaVersion":2,"manifests":{}}',
                 '{"schemaVersion":2,"manifests":[1]}', '{"schemaVersion":2,"manifests":[]}',
                 '{"schemaVersion":2,"manifests":[]} x', '{"a":"' + "x" * (5 << 20) + '"}'):
        with open(layout.path + "/index.json", "w") as file:
            file.write(text)
        r = run([step(5), layout.path, "/bin/true"], env=env())
        equal(r.status, 125, text[:40])
        matches(r.err, r"^step05: .")


@test("a config with thousands of volumes, ports or words is refused before anything is made of them")
def _():
    many = {"Env": [f"N{n}=x" for n in range(2049)], "Cmd": ["x"] * 2049, "Entrypoint": ["x"] * 2049,
            "Volumes": {f"/v{n}": {} for n in range(2049)}, "ExposedPorts": {f"{n}/tcp": {} for n in range(2049)}}
    for name, value in many.items():
        path = image(TMP + "/image", [Layer().file("f")], {name: value})
        r = run([step(5), path, "/bin/true"], env=env())
        equal(r.status, 125)
        contains(r.err, f"more than 2048 entries in {name}")
        equal(os.listdir(TMP + "/store/layers") + os.listdir(TMP + "/store/scratch"), [])
        shutil.rmtree(path)
    path = image(TMP + "/image", [Layer().rootfs(ROOTFS)], {"Env": many["Env"][1:]})
    equal(run([step(5), path, "/bin/sh", "-c", "echo $N1 $N2048"], env=env()).out, "x x\n")


@test("an archive's names go nowhere: its files are known by their digests")
def _():
    host = victim()
    path = TMP + "/evil.tar"
    base = Layer().rootfs(ROOTFS).bytes()
    docker_archive(path, [base])
    with tarfile.open(path, "a") as tar:
        for name, kind, link in (("../../../../evil", tarfile.REGTYPE, ""), ("/evil", tarfile.REGTYPE, ""),
                                 ("blobs", tarfile.SYMTYPE, host), ("blobs/sha256", tarfile.SYMTYPE, host),
                                 ("member", tarfile.SYMTYPE, host + "/secret"), ("dev", tarfile.CHRTYPE, "")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            tar.addfile(info)
    r = run([step(5), path, "cat", "/etc/motd"], env=env())
    equal(r.status, 0, r.err)
    untouched(host)


@test("a blob that is a link or a FIFO is not read, and nothing hangs")
def _():
    layout = Layout(TMP + "/image")
    layer = layout.layer(Layer().rootfs(ROOTFS).bytes())
    layout.tag(layout.manifest([layer])).write()
    blob = f"{layout.path}/blobs/sha256/{layer[0]['digest'][7:]}"
    os.rename(blob, TMP + "/aside")
    for make in (lambda: os.symlink(TMP + "/aside", blob), lambda: os.mkfifo(blob)):
        make()
        r = run([step(5), layout.path, "/bin/true"], env=env(), timeout=20)
        equal(r.status, 125)
        contains(r.err, "blob sha256:")
        os.unlink(blob)


@test("an image's passwd that is a FIFO, a link out or huge neither hangs nor leads out")
def _():
    for name, layer in (
        ("fifo", Layer().add("etc/passwd", tarfile.FIFOTYPE)),
        ("huge", Layer().file("etc/passwd", "x" * (2 << 20))),
        ("device", Layer().node("etc/passwd", "c", 1, 5, mode=0o666)),
    ):
        path = image(f"{TMP}/{name}", [Layer().rootfs(ROOTFS), layer], {"User": "app"})
        r = run([step(5), path, "/bin/id"], env=env(), timeout=20)
        equal(r.status, 125, name)
        contains(r.err, "/etc/passwd")
    path = image(f"{TMP}/out", [Layer().rootfs(ROOTFS), Layer().link("etc/passwd", "../../../../../../etc/hostname")], {"User": "root:x:0"})
    equal(run([step(5), path, "/bin/id"], env=env(), timeout=20).status, 125)


@test("an image's group file that is a FIFO, a device or huge neither hangs nor fills the memory")
def _():
    for name, layer in (
        ("fifo", Layer().add("etc/group", tarfile.FIFOTYPE)),
        ("huge", Layer().file("etc/group", "app:x:1:" + "u," * (8 << 20))),
        ("device", Layer().node("etc/group", "c", 1, 5, mode=0o666)),
    ):
        path = image(f"{TMP}/{name}", [Layer().rootfs(ROOTFS), layer], {"User": "1000:app"})
        r = run([step(5), path, "/bin/id"], env=env(), timeout=20)
        equal(r.status, 125, name)
        contains(r.err, "/etc/group")


@test("an image's passwd that is a link reads the container's file of that name, never the host's")
def _():
    host = victim()
    with open(host + "/secret", "w") as file:
        file.write("app:x:0:0::/:/bin/sh\n")
    for target in (host + "/secret", "../../../../../../.." + host + "/secret", "/proc/self/root" + host + "/secret"):
        path = image(f"{TMP}/image", [Layer().rootfs(ROOTFS), Layer().link("etc/passwd", target)], {"User": "app"})
        r = run([step(5), path, "/bin/id"], env=env(), timeout=20)
        equal((r.status, r.out), (125, ""), target)
        contains(r.err, "/etc/passwd")
        shutil.rmtree(path)


@test("a working directory and a volume that are links stay in the root")
def _():
    host = victim()
    layer = Layer().rootfs(ROOTFS).link("away", host).link("vol", "../../../../../../.." + host)
    path = image(TMP + "/image", [layer], {"WorkingDir": "/away/made", "Volumes": {"/vol/v": {}}})
    r = run([step(5), path, "/bin/sh", "-c", "touch f; touch /vol/v/g; pwd"], env=env())
    equal((r.status, r.out), (0, host + "/made\n"), r.err)
    untouched(host)
