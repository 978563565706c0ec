"""What goes wrong between two calls: a disk that fills up, a file that is not what it was, a program
that its own user may write. Each is said, and a second try finds everything as it should be."""

import ctypes
import errno
import struct

from oci import OCI

from harness import *


def small(size):
    """A file system of SIZE bytes at TMP/small; gives its path."""
    path = TMP + "/small"
    os.makedirs(path)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], check=True)
    return path


def fill(path):
    fd = os.open(path + "/filler", os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(fd, b"x" * 4096)
    except OSError:
        os.close(fd)


def answered(call, error):
    """For `prepare`: from now on the system call of that number is not made, and gives ERROR."""

    def install():
        filter = [
            (0x20, 0, 0, 0),  # its number
            (0x15, 0, 1, call),
            (0x06, 0, 0, 0x00050000 | error),  # SECCOMP_RET_ERRNO
            (0x06, 0, 0, 0x7FFF0000),  # SECCOMP_RET_ALLOW
        ]
        text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in filter))
        program = struct.pack("HxxxxxxP", len(filter), ctypes.addressof(text))
        if ctypes.CDLL(None, use_errno=True).prctl(22, 2, program, 0, 0) < 0:  # PR_SET_SECCOMP
            os._exit(99)

    return install


KEYCTL = {"x86_64": 250, "aarch64": 219}[os.uname().machine]


@test("a kernel without keyrings runs a container, one that refuses a keyring is named, with the option that helps")
def _():
    for answer, status in ((errno.ENOSYS, 7), (errno.EPERM, 1), (errno.EDQUOT, 1)):
        box = OCI("/bin/sh", "-c", "exit 7")
        r = box.run(prepare=answered(KEYCTL, answer))
        equal((r.status, r.out), (status, ""))
        if status == 7:
            equal(r.err, "")
            continue
        contains(r.err, 'keyctl(KEYCTL_JOIN_SESSION_KEYRING, "boxstep.box"): ' + errno.errorcode[answer])
        contains(r.err, "--no-new-keyring")
        equal(box.run("--no-new-keyring", prepare=answered(KEYCTL, answer)).status, 7)


@test("a disk that is full when an image is brought in is told, and the next try brings it in")
def _():
    path = small("8m")
    try:
        store = path + "/store"
        unpack = [program("boxstep-unpack"), "--root", store, IMAGE]
        equal(run([program("boxstep"), "images"], env={"BOXSTEP_ROOT": store}).status, 0)
        fill(path)
        r = run(unpack)
        equal((r.status, r.out), (125, ""))
        contains(r.err, "ENOSPC")
        equal(os.listdir(store + "/partial") + os.listdir(store + "/aside"), [])
        os.unlink(path + "/filler")
        equal(run(unpack).status, 0)
    finally:
        subprocess.run(["umount", path], check=True)


@test("a disk that fills up while a container runs ends neither the container nor its record")
def _():
    path = small("24m")
    env = {"BOXSTEP_ROOT": path + "/store"}
    box = [program("boxstep")]
    try:
        script = "echo before; while [ ! -e /go ]; do sleep 0.05; done; echo more; echo more >&2; exit 3"
        r = run([*box, "run", "-d", "--name", "web", "--network", "none", IMAGE, "/bin/sh", "-c", script], env=env)
        equal(r.status, 0)
        wait_for(lambda: "before" in run([*box, "logs", "web"], env=env).out, "the command")
        equal(run([*box, "exec", "web", "touch", "/go-soon"], env=env).status, 0)
        fill(path)
        r = run([*box, "run", "--rm", "--network", "none", IMAGE, "true"], env=env)
        equal((r.status, r.out), (125, ""))
        contains(r.err, "ENOSPC")
        run([*box, "exec", "web", "mv", "/go-soon", "/go"], env=env)
        wait_for(lambda: run([*box, "ps", "-q"], env=env).out == "", "the end")
        os.unlink(path + "/filler")
        record = json.loads(run([*box, "inspect", "web"], env=env).out)[0]
        equal(record["status"], "exited")
        equal(run([*box, "rm", "web"], env=env).status, 0)
        equal(run([*box, "ps", "-aq"], env=env).out, "")
    finally:
        run([*box, "rm", "-f", "web"], env=env)
        subprocess.run(["umount", path], check=True)


@test("a blob of the store that is gone, no file or too large is named, and pulled in anew")
def _():
    store = TMP + "/store"
    unpack = [program("boxstep-unpack"), "--root", store, "--name", "demo", IMAGE]
    equal(run(unpack).status, 0)
    with open(IMAGE_DIR + "/index.json") as file:
        tagged = json.load(file)["manifests"]
    manifest = next(m["digest"] for m in tagged if m["annotations"]["org.opencontainers.image.ref.name"] == "latest")
    with open(f"{IMAGE_DIR}/blobs/sha256/{manifest[7:]}") as file:
        config = json.load(file)["config"]["digest"]
    blob = f"{store}/blobs/sha256/{config[7:]}"
    argv = [program("boxstep"), "run", "--rm", "--network", "none", "--pull", "never", "demo", "true"]
    for damage in (lambda: None, lambda: os.mkdir(blob), lambda: os.truncate(os.open(blob, os.O_CREAT | os.O_WRONLY), 1 << 33)):
        os.unlink(blob)
        damage()
        r = run(argv, env={"BOXSTEP_ROOT": store})
        equal((r.status, r.out), (125, ""))
        contains(r.err, "blob")
        shutil.rmtree(blob, ignore_errors=True)
        equal(run(unpack).status, 0)
        equal(run(argv, env={"BOXSTEP_ROOT": store}).status, 0)


@test("a command that goes away between create and start: start gives its error, the container is stopped")
def _():
    root = TMP + "/root"
    subprocess.run(["cp", "-a", ROOTFS, root], check=True)
    shutil.copy(PROBE, root + "/once")
    box = OCI("/once", "ids", rootfs=root).created()
    os.unlink(root + "/once")
    r = box.call("start")
    differs(r.status, 0)
    contains(r.err, "/once")
    wait_for(lambda: box.state()["status"] == "stopped", "the end")
    differs(box.call("start").status, 0)
    box.ok("delete")


@test("a runtime that its user may write becomes a sealed copy before it enters a container", needs="user root")
def _():
    own = STAGE + "/user/boxstep-oci"
    shutil.copy(program("boxstep-oci"), own)
    os.chown(own, USER_ID, USER_ID)
    box = OCI("/bin/sh", "-c", "exit 7").namespace("user")
    box.linux["uidMappings"] = [{"containerID": 0, "hostID": USER_ID, "size": 1}]
    box.linux["gidMappings"] = [{"containerID": 0, "hostID": USER_ID, "size": 1}]
    box.root = STAGE + "/user/oci"
    for path in (TMP, box.bundle):
        os.chmod(path, 0o777)
    box.write()

    def call(verb, *words):
        r = run_as_user([own, "--root", box.root, verb, *words, box.id], stdin=subprocess.DEVNULL)
        equal((r.status, r.err), (0, ""), verb)

    p = start([own, "--root", box.root, "create", "--bundle", box.bundle, "--pid-file", box.bundle + "/pid", box.id], user=True)
    wait_for(lambda: (p.pump(0.05), p.popen.poll() is not None)[1], "create")
    equal((p.popen.returncode, p.err), (0, ""))
    pid = int(read(box.bundle + "/pid"))
    contains(os.readlink(f"/proc/{pid}/exe"), "memfd:boxstep-oci")
    with open(own, "ab"):  # nothing runs from it
        pass
    call("start")
    p.close()
    wait_for(lambda: not os.path.exists(f"/proc/{pid}") or "State:\tZ" in read(f"/proc/{pid}/status"), "the end")
    call("delete")


SENDMSG = {"x86_64": 46, "aarch64": 211}[os.uname().machine]


@test("a message that cannot be sent to a child that waits for it is an error, not a wait for its answer")
def _():
    box = OCI("/bin/true")
    r = box.run(prepare=answered(SENDMSG, errno.ENOBUFS))
    equal((r.status, r.out), (1, ""))
    contains(r.err, "sendmsg in the handshake: ENOBUFS")
    equal(os.listdir(box.root), [])
