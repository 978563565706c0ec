"""Exercises of step 5: whiteouts, order and digests. The tasks: book/exercises/05.md"""

import os
import json
import tempfile

import harness
from exercise import Exercise
from layouts import Layer, image


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
