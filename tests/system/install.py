"""make install: what it puts where, and that the installed programs work from there and only from there."""

import shlex

from harness import *

PLACE = "/opt/boxstep"


def install(*words):
    """make install from a copy of what was built, with the flags it was built with."""
    subprocess.run(["cp", "-a", BUILD, TMP + "/build"], check=True)
    given = os.environ.get("MAKEFLAGS", "").partition(" -- ")[2]  # before it are the job server's descriptors
    flags = [word for word in shlex.split(given) if not word.startswith(("O=", "PREFIX=", "DESTDIR="))]
    r = run(["make", "-s", "-C", ROOT, *flags, f"O={TMP}/build", f"DESTDIR={TMP}/dest", *words, "install"], timeout=300)
    equal(r.status, 0, "make install")
    found = {}
    for folder, _, names in os.walk(TMP + "/dest"):
        for name in names:
            path = f"{folder}/{name}"
            found[path.removeprefix(TMP + "/dest")] = oct(os.stat(path).st_mode & 0o7777)
    return found


def placed(*argv):
    """ARGV where what was installed is where it belongs."""
    return ["unshare", "-m", "sh", "-ec", f'mount -t tmpfs x /opt; mkdir {PLACE}; mount --bind {TMP}/dest{PLACE} {PLACE}; exec "$@"', "-", *argv]


@test("make install with PREFIX and DESTDIR: two commands in bin, what they need in libexec, all of it works there", timeout=400)
def _():
    found = install("PREFIX=" + PLACE)
    steps = [f"libexec/boxstep/{name}" for name in ("step01 step02 step03 step04 step05 step06 step07 boxstep-scope boxstep-unpack boxstep-pull").split()]
    equal(found, {f"{PLACE}/{name}": "0o755" for name in ["bin/boxstep", "bin/boxstep-oci", *steps]})
    env = {"PATH": PLACE + "/bin:/usr/bin:/bin:/usr/sbin:/sbin", "BOXSTEP_ROOT": TMP + "/store"}
    r = run(placed("boxstep", "run", "--rm", "--network", "none", IMAGE_DIR, "/bin/echo", "it works"), env=env, timeout=60)
    equal((r.status, r.out), (0, "it works\n"))
    r = run(placed(f"{PLACE}/libexec/boxstep/step05", "--root", TMP + "/other", IMAGE_DIR, "/bin/echo", "so does this"), env=env, timeout=60)
    equal((r.status, r.out), (0, "so does this\n"))
    # before it is moved to its place nothing is in libexec: said, and not taken from elsewhere
    bad("boxstep where it does not belong", [f"{TMP}/dest{PLACE}/bin/boxstep", "run", "--network", "none", IMAGE_DIR, "true"],
        names="the program boxstep-unpack", env={**env, "BOXSTEP_ROOT": TMP + "/third"})


@test("make install into directories of one's own choice: BINDIR and LIBEXECDIR", timeout=400)
def _():
    found = install("BINDIR=/a", "LIBEXECDIR=/b")
    equal({os.path.dirname(path) for path in found}, {"/a", "/b"})
    equal(sorted(os.path.basename(path) for path in found if path.startswith("/a/")), ["boxstep", "boxstep-oci"])
