"""Exercises of step 5: who owns a file, whiteouts, order and digests, a hostile layer. The tasks: book/exercises/05.md"""

import os
import json
import tempfile

import harness
from exercise import Exercise
from layouts import Layer, Layout, image


def env(g):
    return {"BOXSTEP_ROOT": g.store}


def unpack(g, layers=(), path=None):
    """The Result of unpacking an image of LAYERS, and the directories of its layers, lowest first."""
    folder = tempfile.mkdtemp(dir=g.tmp)
    os.chmod(folder, 0o755)
    g.store = folder + "/store"
    path = path or image(folder + "/image", list(layers))
    r = harness.run([g.program("boxstep-unpack"), path], env=env(g))
    if r.status or not os.path.exists(g.store + "/images.json"):
        return r, []
    with open(g.store + "/images.json", encoding="utf-8") as file:
        chains = json.load(file)["images"][-1]["layers"]
    return r, [f"{g.store}/layers/{chain[7:]}/diff" for chain in chains]


def attribute(path):
    try:
        return os.getxattr(path, "trusted.overlay.opaque")
    except OSError:
        return b""


# ---- 5.1 -----------------------------------------------------------------------------------------

OWNERS = """# Three directories and a fourth, each with files that say where they lie:
#     1/etc/one     1/etc/both     1/etc/gone     1/etc/late
#     2/etc/two     2/etc/both                    2/etc/late
# A container on them:  step05 --lower 2:1:build/rootfs --upper 3 -- sh   and in it, once:
#     cat /etc/one; chmod @MODE@ /etc/two; rm /etc/gone; echo more >>/etc/late
# In which of the directories does the file now lie that the container sees: 1, 2, 3 or none?
one =
two =
both =
gone =
late =
# And what lies at 3/etc/gone: nothing, a file, a link or a device?
whiteout =
"""


class Owners(Exercise):
    def fill(self, text):
        return text.replace("@MODE@", "0" + "".join(self.random().choice("0246") for _ in range(3)))

    def right(self):
        text = self.starter()
        for name, answer in (("one", "1"), ("two", "3"), ("both", "2"), ("gone", "none"), ("late", "3"),
                             ("whiteout", "a device")):
            text = text.replace(f"\n{name} =", f"\n{name} = {answer}")
        return text


owners = Owners(
    "5.1", "Which layer owns a file", "step05", kind="observe", file="answers.txt", template=OWNERS,
    hints={
        "order": "The list of lower directories begins with the one on top; what it has hides what is under it.",
        "copied": "A lower directory never changes: what is changed has to lie elsewhere first, and a mode is part of "
                  "what a file is.",
        "deleted": "In the lower directory the file is still there, so something has to say that it is to be hidden.",
    },
    wrong={"order": [("both = 2", "both = 1")], "copied": [("two = 3", "two = 2")],
           "deleted": [("whiteout = a device", "whiteout = nothing")]},
)


def stacked(g):
    """The directories of the task after its commands: name → the highest that has the file, and the upper one."""
    if "owner" in g.kept:
        return g.kept["owner"], g.kept["upper"]
    folder = tempfile.mkdtemp(dir=g.tmp)
    for number, names in ((1, "one both gone late"), (2, "two both late"), (3, "")):
        os.makedirs(f"{folder}/{number}" + ("/etc" if names else ""))
        for name in names.split():
            with open(f"{folder}/{number}/etc/{name}", "w", encoding="utf-8") as file:
                file.write(f"{number}\n")
    mode = next(line.split()[4] for line in g.exercise.starter().splitlines() if "chmod" in line)
    script = f"cat /etc/one; chmod {mode} /etc/two; rm /etc/gone; echo more >>/etc/late; ls /etc"
    r = harness.run([g.program(), "--lower", f"{folder}/2:{folder}/1:{harness.ROOTFS}", "--upper", f"{folder}/3", "--",
                     "/bin/sh", "-c", script])
    g.must(r.status == 0, r.err)
    owner = {}
    for name in "one two both gone late".split():
        have = [n for n in (3, 2, 1) if os.path.exists(f"{folder}/{n}/etc/{name}")]
        owner[name] = str(have[0]) if name in r.out.split() else "none"
    g.kept["owner"], g.kept["upper"] = owner, folder + "/3"
    return owner, folder + "/3"


@owners.check("what nobody has changed", 3)
def _(g):
    for name in ("one", "both"):
        g.predicted(name, stacked(g)[0][name], "order")


@owners.check("what was changed", 4)
def _(g):
    for name in ("two", "late"):
        g.predicted(name, stacked(g)[0][name], "copied")


@owners.check("what was deleted", 3)
def _(g):
    owner, upper = stacked(g)
    g.predicted("gone", owner["gone"], "deleted")
    kinds = {0o100000: "a file", 0o120000: "a link", 0o020000: "a device"}
    there = os.path.lexists(upper + "/etc/gone")
    g.predicted("whiteout", kinds[os.lstat(upper + "/etc/gone").st_mode & 0o170000] if there else "nothing", "deleted")


# ---- 5.2 -----------------------------------------------------------------------------------------

whiteout = Exercise(
    "5.2", "Whiteouts and opaque directories", "boxstep-unpack", refill="step05-overlay/layer.c", cut=["apply_whiteout"],
    stub='return fail(ENOSYS, "layer entry \\"%.200s\\": %s in %d", now->path, last, parent);',
    hints={
        "literal": "A file whose name begins with .wh. is in the layer; such an entry is an instruction, not a file.",
        "own": "What this same layer brought into the directory is gone: opaque is about the layers below.",
        "opaque": "Files of a lower layer still show in a directory that was made opaque: overlayfs knows one by an "
                  "extended attribute of the directory.",
        "strangers": "A whiteout of nothing, or of a directory itself, has to be refused: a name is missing in it.",
    },
    wrong={
        "literal": [("\tif (strcmp(last, \".wh..wh..opq\") == 0)\n",
                     "\tif (name[0])\n\t\treturn make_file(now, parent, last);\n\tif (strcmp(last, \".wh..wh..opq\") == 0)\n")],
        "own": [("\t\treturn below_opaque(&now->below, parent);\n",
                 "\t\treturn below_remove(parent, \"own\") < 0 ? -1 : below_opaque(&now->below, parent);\n")],
        "opaque": [("\t\treturn below_opaque(&now->below, parent);\n", "\t\treturn 0;\n")],
        "strangers": [("name[0] == '\\0' || strcmp(name, \".\") == 0 || strcmp(name, \"..\") == 0", "name[0] == '?'")],
    },
)


@whiteout.check("a whiteout deletes what is below", 4)
def _(g):
    r, made = unpack(g, [Layer().folder("d").file("d/old", "x"), Layer().folder("d").file("d/.wh.old")])
    g.must(made, r.err)
    g.must_not(os.path.lexists(made[-1] + "/d/.wh.old"), os.listdir(made[-1] + "/d"), "literal")
    status = os.lstat(made[-1] + "/d/old")
    g.must(status.st_rdev == 0 and status.st_mode & 0o170000 == 0o020000, oct(status.st_mode))


@whiteout.check("an opaque directory hides the layers below, and keeps what its own layer brings", 4)
def _(g):
    for early in (True, False):
        top = Layer().folder("d")
        if early:
            top.file("d/own", "mine")
        top.file("d/.wh..wh..opq")
        if not early:
            top.file("d/own", "mine")
        r, made = unpack(g, [Layer().folder("d").file("d/old", "x"), top])
        g.must(made, r.err)
        g.must(os.path.exists(made[-1] + "/d/own"), os.listdir(made[-1] + "/d"), "own")
        g.must(attribute(made[-1] + "/d") == b"y", "the attribute is not there", "opaque")


@whiteout.check("an instruction without a name is refused", 2)
def _(g):
    for name in (".wh.", ".wh..", ".wh..."):
        r, _ = unpack(g, [Layer().file("f", "x"), Layer().file(name)])
        g.must(r.status == 125, f"{name} was taken", "strangers")


# ---- 5.3 -----------------------------------------------------------------------------------------

digests = Exercise(
    "5.3", "The order of layers, and two digests", "boxstep-unpack", refill="step05-overlay/unpack.c",
    cut=["verify", "bring_layers"], stub='return fail(ENOSYS, "layers");',
    hints={
        "reversed": "Each layer was compared with the diff id of another: config and manifest list them in the same "
                    "order, and the lowest is the first.",
        "diff_id": "A compressed layer was refused: the manifest's digest is of the bytes as they came, the config's diff "
                   "id of the tarball inside.",
        "unchecked": "An image was taken whose bytes are not those that its manifest names.",
    },
    wrong={
        "reversed": [("digest_chain(i ? now->record.chain[i - 1] : NULL, now->config.diff_id[i], chain);",
                      "digest_chain(i ? now->record.chain[i - 1] : NULL, now->config.diff_id[i], chain);\n\t\t"
                      "if (i == 0)\n\t\t\tfor (size_t k = 0; k < count / 2; k++) {\n\t\t\t\tchar *other = now->config.diff_id[k];\n"
                      "\t\t\t\tnow->config.diff_id[k] = now->config.diff_id[count - 1 - k];\n"
                      "\t\t\t\tnow->config.diff_id[count - 1 - k] = other;\n\t\t\t}")],
        "diff_id": [("if (strcmp(got.digest, blob->digest) != 0) {", "if (strcmp(got.digest, now->config.diff_id[index]) != 0) {")],
        "unchecked": [("if (strcmp(got.digest, blob->digest) != 0) {", "if (!got.digest[0]) {")],
    },
)


def two_layers(g):
    return unpack(g, [Layer().file("f", "below").file("low", "x"), Layer().file("f", "above")])


@digests.check("the layers lie in the order of the manifest", 5)
def _(g):
    r, made = two_layers(g)
    g.must_not("unpacked it is" in r.err, r.err, "reversed")
    g.must_not("its digest is" in r.err, r.err, "diff_id")
    g.must(len(made) == 2, r.err)
    g.must(harness.read(made[-1] + "/f") == "above" and os.path.exists(made[0] + "/low"), str(made), "reversed")


@digests.check("changed bytes are refused", 5)
def _(g):
    folder = tempfile.mkdtemp(dir=g.tmp)
    os.chmod(folder, 0o755)
    path = image(folder + "/image", [Layer().file("f", "text" * 100)])
    blobs = path.rpartition(":")[0] if ":" in os.path.basename(path) else path
    blobs += "/blobs/sha256"
    largest = max((f"{blobs}/{n}" for n in os.listdir(blobs)),
                  key=lambda p: (harness.subprocess.run(["gzip", "-t", p], capture_output=True, check=False).returncode == 0,
                                 os.path.getsize(p)))
    with open(largest, "r+b") as file:  # a byte of gzip's head that changes nothing of what is inside
        file.seek(4)
        file.write(b"\x01")
    r, _ = unpack(g, path=path)
    g.must(r.status == 125, "it was unpacked", "unchecked")


# ---- 5.4 -----------------------------------------------------------------------------------------

hostile = Exercise(
    "5.4", "A layer that writes beside the image", "boxstep-unpack", kind="break", file="layer.sh",
    weak={"boxstep-unpack": ("step05-overlay/below.c", [
        ("RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | mounts", "mounts & 0"), ("flags | O_NOFOLLOW | O_CLOEXEC", "flags | O_CLOEXEC")])},
    hints={
        "nothing": "The layer was unpacked and the directory of the host is as it was: what in it leads out?",
        "refused": "The layer was refused: names with .. in them are looked for, and this fault is not about names.",
        "order": "A file and a link of one name cannot both be there; which of them is in the tarball first?",
        "tar": "The script made no tarball.",
    },
    wrong={
        "nothing": [('ln -s "$2" way', "ln -s . way")],
        "refused": [('tar -cf "$1" way', 'ln -s .. up; tar -cf "$1" --transform "s,^up,../up," up')],
        "order": [('tar -cf "$1" way\n', ":\n"), ('tar -rf "$1" way/owned\n',
                  'tar -cf "$1" way/owned\nrm -r way\nln -s "$2" way\ntar -rf "$1" way\n')],
        "tar": [('tar -cf "$1" way', "exit 1")],
    },
)


def unpacked(g, program):
    """The Result of unpacking the student's layer with PROGRAM, its names, and what is in the host's directory then."""
    folder = tempfile.mkdtemp(dir=g.tmp)
    os.mkdir(folder + "/host")
    os.mkdir(folder + "/work")
    made = harness.run(["/bin/sh", g.submission, folder + "/layer.tar", folder + "/host"], cwd=folder + "/work")
    g.must(made.status == 0 and os.path.exists(folder + "/layer.tar"), made.err, "tar")
    with open(folder + "/layer.tar", "rb") as file:
        data = file.read()
    names = harness.run(["tar", "-tf", folder + "/layer.tar"]).lines
    layout = Layout(folder + "/image")
    layout.tag(layout.manifest([Layer().folder("d"), layout.layer(data)])).write()
    g.must(not os.listdir(folder + "/host"), "the script itself wrote there", "nothing")
    r = harness.run([program, layout.path], env={"BOXSTEP_ROOT": folder + "/store"})
    return r, names, os.listdir(folder + "/host")


@hostile.check("a file of the layer is in the directory of the host", 10)
def _(g):
    r, names, there = unpacked(g, g.program())
    g.must_not(r.status and "`..`" in r.err, r.err, "refused")
    last = [name.rstrip("/") for name in names][-1:]
    g.must(there or not any(name.startswith(f"{last[0]}/") for name in names[:-1]), str(names), "order")
    g.must(there, f"{r.err}\nnothing is there; in the layer: {names}", "nothing")


@hostile.check("and nothing of it when the program is as it should be", 0)
def _(g):
    g.must(not unpacked(g, harness.program("boxstep-unpack"))[2], "it came out of the real one")
