#!/usr/bin/env python3
"""seeds.py: writes tests/fuzz/corpus/NAME, the inputs that the fuzzer starts from, one a file.

They are small, each shows the parser something that the others do not, and they are committed; this
program makes them anew when a format has grown."""

import io
import json
import os
import struct
import tarfile

CORPUS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "corpus")
HEX = "0123456789abcdef" * 4

PROCESS = {
    "terminal": True,
    "consoleSize": {"height": 24, "width": 80},
    "user": {"uid": 1000, "gid": 1000, "umask": 63, "additionalGids": [5, 10]},
    "args": ["sh", "-c", "true"],
    "env": ["PATH=/bin", "A="],
    "cwd": "/",
    "noNewPrivileges": True,
    "capabilities": {s: ["CAP_KILL", "CAP_CHOWN"] for s in ("bounding", "effective", "permitted", "inheritable", "ambient")},
    "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 18446744073709551615}],
    "oomScoreAdj": -5,
    "apparmorProfile": "unconfined",
    "selinuxLabel": "a:b:c",
    "scheduler": {"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3, "flags": ["SCHED_FLAG_RECLAIM"]},
    "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
    "execCPUAffinity": {"initial": "0", "final": "0-1,3"},
}
SECCOMP = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 1,
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "syscalls": [
        {"names": ["read", "write", "nosuch"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["socket"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "value": 16, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]},
        {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "includes": {"caps": ["CAP_SYS_ADMIN"], "minKernel": "4.8"}},
    ],
}
LINUX = {
    "namespaces": [{"type": t} for t in ("pid", "mount", "ipc", "uts", "cgroup", "user", "time")] + [{"type": "network", "path": "/proc/1/ns/net"}],
    "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
    "gidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
    "timeOffsets": {"monotonic": {"secs": 5, "nanosecs": 0}, "boottime": {"secs": -5}},
    "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438, "uid": 0, "gid": 0}],
    "cgroupsPath": "/a/b",
    "resources": {
        "devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "r"}],
        "memory": {"limit": 1 << 26, "swap": -1, "reservation": 1, "swappiness": 0, "disableOOMKiller": False, "checkBeforeUpdate": True},
        "cpu": {"shares": 1024, "quota": 50000, "period": 100000, "burst": 1, "idle": 1, "cpus": "0-1", "mems": "0"},
        "pids": {"limit": 100},
        "blockIO": {"weight": 100, "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}]},
        "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
        "unified": {"memory.high": "1000"},
    },
    "rootfsPropagation": "rslave",
    "seccomp": SECCOMP,
    "sysctl": {"net.ipv4.ip_forward": "1", "kernel/shmmax": "2"},
    "maskedPaths": ["/proc/kcore"],
    "readonlyPaths": ["/proc/sys"],
    "personality": {"domain": "LINUX32"},
    "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
    "netDevices": {"eth9": {"name": "eth0"}},
}
CONFIG = {
    "ociVersion": "1.2.0",
    "process": PROCESS,
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "h",
    "domainname": "d",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/data", "type": "bind", "source": "/tmp", "options": ["rbind", "ro", "rslave", "idmap=uids=0-1-2"],
         "uidMappings": [{"containerID": 0, "hostID": 1, "size": 2}], "gidMappings": [{"containerID": 0, "hostID": 1, "size": 2}]},
        {"destination": "/t", "type": "tmpfs", "options": ["size=1m", "tmpcopyup", "rro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"},
    ],
    "linux": LINUX,
    "hooks": {k: [{"path": "/bin/true", "args": ["a"], "env": ["B=c"], "timeout": 1}] for k in ("createRuntime", "poststop")},
    "annotations": {"boxstep.init": "true", "boxstep.user": "app:grp", "x": "y"},
}
MINIMAL = {"ociVersion": "1.2.0", "process": {"args": ["a"], "cwd": "/"}, "root": {"path": "r"}, "linux": {"namespaces": [{"type": "mount"}]}}


def descriptor(kind, size=7):
    return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + HEX, "size": size}


def attribute(kind, value):
    data = struct.pack("=HH", 4 + len(value), kind) + value
    return data + b"\0" * (-len(data) % 4)


def tar(*entries, format=tarfile.PAX_FORMAT):
    """A layer: entries are (name, type, and what else a header has); `data` is the file's content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for name, kind, more in entries:
            info, data = tarfile.TarInfo(name), more.pop("data", b"")
            info.type, info.mode, info.size = kind, 0o755, len(data)
            for key, value in more.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue().rstrip(b"\0") + b"\0" * 1024


def but(whole, **parts):
    return {**whole, **parts}


def edges(whole):
    """What a JSON reader meets besides good objects."""
    return [b"", b"{", b"{}", b"[" * 40, b'{"a":"\xff"}', b'{"a":"\\u0000"}', b'{"a":1e400}', b'{"a":-9223372036854775809}',
            b'{"a":1,"a":{}}', json.dumps(whole).encode() + b" {}"]


SEEDS = {
    "config": [MINIMAL, CONFIG, but(MINIMAL, linux=but(LINUX, namespaces=[{"type": "mount"}], uidMappings=[], gidMappings=[])),
               but(MINIMAL, linux={"namespaces": [{"type": "mount"}, {"type": "user"}], "gidMappings": [],
                                   "uidMappings": [{"containerID": 9223372036854775807, "hostID": 0, "size": 9223372036854775807}]}),
               *edges(MINIMAL)],
    "process": [MINIMAL["process"], PROCESS, but(PROCESS, user={"uid": 4294967296}), but(PROCESS, args=[None, 1, {}]), *edges(PROCESS)],
    "seccomp": [SECCOMP, {"defaultAction": "SCMP_ACT_ALLOW"},
                {"defaultAction": "SCMP_ACT_TRACE", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X32"]}],
                 "listenerPath": "/s", "listenerMetadata": "m", "syscalls": [{"name": "open", "action": "SCMP_ACT_NOTIFY"}]}, *edges(SECCOMP)],
    "image": [
        {"schemaVersion": 2, "manifests": [but(descriptor("manifest.v1+json"), platform={"os": "linux", "architecture": "amd64", "variant": "v8"},
                                               annotations={"org.opencontainers.image.ref.name": "latest"})]},
        {"schemaVersion": 2, "config": descriptor("config.v1+json"), "layers": [descriptor("layer.v1.tar+gzip")]},
        {"schemaVersion": 2, "config": {}, "layers": [], "manifests": []},
        {"os": "linux", "architecture": "amd64", "created": "2024-01-01T00:00:00Z", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + HEX]},
         "config": {"Env": ["A=b"], "Entrypoint": ["/a"], "Cmd": ["b"], "Volumes": {"/v": {}}, "ExposedPorts": {"80/tcp": {}},
                    "WorkingDir": "/", "User": "1:2", "StopSignal": "SIGRTMIN+3"}},
        *edges({"schemaVersion": 2})],
    "reference": [b"nginx", b"localhost:5000/a/b:tag", b"docker.io/library/nginx:1@sha256:" + HEX.encode(), b"[::1]:80/x", b"a//b", b"A", b"a:b:c", b"a.b/" + b"c" * 251],
    "mount": [b"/data\nbind\n/tmp\nrbind,ro,rslave", b"proc\nproc\nproc\n", b"/t\ntmpfs\ntmpfs\nsize=1m,\"a,b\",mode=755,,norelatime",
              b"/o\noverlay\noverlay\nlowerdir=a\\:b,rro,rnosuid,idmap=uids=0-1-2;gids=0-1-2,ridmap", b"../\nbind\n\nbind",
              b"/m\nbind\n/s\nbind,ro,idmap=uids=0-1-2#5-6-7;gids=@4294967295-1-2"],
    "netlink": [attribute(1, b"eth0\0") + attribute(2, struct.pack("=I", 7)), attribute(0x8003, attribute(1, b"x") + attribute(2, b"")),
                struct.pack("=HH", 0, 1), struct.pack("=HH", 65535, 1), struct.pack("=HH", 3, 1), attribute(1, b"a")[:-2]],
    "auth": [b'Bearer realm="https://a/t",service="s",scope="repository:x:pull"', b"Basic realm=x, Bearer realm=\"y\\\"z\"", b"Negotiate",
             b'Bearer realm="' + b"a" * 1100 + b'"', b'{"token":"t","expires_in":60}', b'{"access_token":"\\n"}', b'Bearer realm="'],
    "ports": [b"80", b"8080:80/udp", b"127.0.0.1:8000-8010:80-90", b"[::1]::80", b"[::1", b"1:65536", b"::", b"0-65535:0-65535", b"80/sctp"],
    "resolv": [b"dns 192.0.2.1\nnameserver 127.0.0.53\nsearch a.example b.example\noptions ndots:1\n--\n127.0.0.1 localhost\n",
               b"add-host db:host-gateway\nnameserver ::1\nnameserver 192.0.2.53 \nnameserver\t2001:db8::1\ndomain x\n; a comment\n",
               b"dns-search .\nnameserver fe80::1%eth0\nsortlist 1.2.3.4\n", b"dns-option edns0\n\n\nnameserver\n--\n", b"add-host a=::ffff:1.2.3.4\n--\n--\n"],
    "layer": [
        tar(("d", tarfile.DIRTYPE, {}), ("d/f", tarfile.REGTYPE, {"data": b"above", "uid": 1000}), ("d/.wh.f", tarfile.REGTYPE, {})),
        tar(("d/.wh..wh..opq", tarfile.REGTYPE, {}), ("d/l", tarfile.SYMTYPE, {"linkname": "/"}), ("d/l/x", tarfile.REGTYPE, {"data": b"out"})),
        tar(("h", tarfile.LNKTYPE, {"linkname": "d/f"}), ("../x", tarfile.REGTYPE, {}), ("h", tarfile.DIRTYPE, {})),
        tar(("l", tarfile.SYMTYPE, {"linkname": "../lower"}), ("l", tarfile.LNKTYPE, {"linkname": "l/d/f"}), (".wh.l", tarfile.REGTYPE, {})),
        tar(("l", tarfile.SYMTYPE, {"linkname": "../lower"}), ("l/d/f", tarfile.REGTYPE, {"data": b"changed"}), ("l/.wh.d", tarfile.REGTYPE, {})),
        tar(("l", tarfile.SYMTYPE, {"linkname": ".."}), ("l/x", tarfile.REGTYPE, {}), ("l/d/", tarfile.DIRTYPE, {"mode": 0o777})),
        tar(("n", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3}), ("p", tarfile.FIFOTYPE, {}), ("n/x", tarfile.REGTYPE, {})),
        tar(("x", tarfile.REGTYPE, {"data": b"x", "pax_headers": {"SCHILY.xattr.user.a": "b", "SCHILY.xattr.trusted.overlay.opaque": "y"}})),
        tar(("a/" * 40 + "f", tarfile.REGTYPE, {}), format=tarfile.GNU_FORMAT),
        tarfile.TarInfo("less").tobuf(tarfile.GNU_FORMAT)[:483] + b"\xff" * 12 + b"\0" * 1041,  # a negative real size
        tar((".wh..", tarfile.REGTYPE, {}), (".wh.", tarfile.REGTYPE, {}), (".", tarfile.DIRTYPE, {"mode": 0}), ("/abs", tarfile.REGTYPE, {})),
        b"\0" * 1024, b"not a tarball"],
    "user": [b"app:grp\nroot:x:0:0::/root:/bin/sh\napp:x:1:2::/home:/x\n--\ngrp:x:9:app,root\n", b"1000\n", b"-1\n", b"4294967296\na:b\n", b":\n:::::\n--\n:::,,,\n"],
}


def main():
    for name, seeds in SEEDS.items():
        os.makedirs(f"{CORPUS}/{name}", exist_ok=True)
        for number, seed in enumerate(seeds):
            with open(f"{CORPUS}/{name}/{number:02d}", "wb") as file:
                file.write(seed if isinstance(seed, bytes) else json.dumps(seed, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
