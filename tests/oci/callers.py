"""What the tests of podman, containerd and dockerd have in common: they are those of Debian, unchanged,
in the VM lab, told to run every container by boxstep-oci. Nothing here waits for a time to pass: what
has to happen is asked for until it is so, with a limit that an emulated machine under load keeps."""

import os
import shutil
import signal
import subprocess

import harness

LIMIT = 30  # seconds for one command or one thing to happen; SLOW times as long in the VM
# Eats more memory than there is when it is told to: who looks for that has come by then.
EAT = "dd if=/dev/zero of=/dev/null bs=128M count=1"
EATER = ["sh", "-c", f"until test -e /go; do sleep 0.1; done; exec {EAT}"]
OWN = "unshare --mount --net --propagation private".split()


def say(argv, **options):
    """Runs a client; its output without the last newline. It has to succeed."""
    r = harness.run(argv, timeout=LIMIT, **options)
    harness.equal(r.status, 0, "status")
    return r.out.strip()


def until(condition, what):
    return harness.wait_for(condition, what, timeout=LIMIT)


def ask(argv, wanted):
    """Until the client ARGV says WANTED."""
    said = []

    def same():
        said[:] = [harness.run(argv, timeout=LIMIT).out.strip()]
        return said == [wanted]

    until(same, f"{argv[-1]!r} to be {wanted!r}")


def cgroup_file(pid, name):
    """The text of a control file of the process's cgroup, as the host has it."""
    path = harness.read(f"/proc/{pid}/cgroup").strip().partition("::")[2]
    return harness.read(f"{harness.cgroup2_mount()}{path}/{name}").strip()


def namespace(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


class Daemon:
    """A daemon in a mount and a network namespace of its own, which end with it: its bridge, its
    rules and its mounts are no change of the host."""

    def __init__(self, argv, log, **environment):
        self.log = log
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(
                [*OWN, "sh", "-c", 'ip link set lo up; exec "$@"', "sh", *argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**harness.environment(), **environment},
                start_new_session=True,
            )

    def wait_for(self, client):
        """Until the daemon answers CLIENT."""

        def answers():
            if self.popen.poll() is not None:
                raise RuntimeError(f"{self.popen.args} ended:\n{harness.read(self.log)[-3000:]}")
            return subprocess.run(client, capture_output=True, check=False).returncode == 0

        until(answers, f"an answer to {client}")

    def stop(self):
        self.popen.terminate()
        try:
            self.popen.wait(LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()


class Cgroup:
    """A cgroup that a caller makes for all its containers and leaves: made here, and removed."""

    def __init__(self, *names):
        self.paths = [f"{harness.cgroup2_mount()}/{name}" for name in names]
        for path in self.paths:
            os.makedirs(path, exist_ok=True)

    def remove(self):
        for path in self.paths:
            for folder, _, _ in os.walk(path, topdown=False):
                os.rmdir(folder)


def empty(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path
