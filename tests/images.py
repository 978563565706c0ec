#!/usr/bin/env python3
"""images.py DIR ROOTFS: DIR/demo, an OCI image layout of three layers, made without network.

Follows the OCI image specification (image-layout, manifest, config, layer). Tags:
    latest   WorkingDir /srv, Cmd ["/bin/sh"], Env GREETING=hello
    app      User app, Entrypoint ["/bin/greet"], Cmd ["world"], Volumes /data, StopSignal SIGQUIT
Layers, lowest first: the busybox root (gzip); files added (gzip); files deleted, changed, made opaque (plain tar).
The same input gives the same digests.
"""

import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tarfile

WHEN = 1700000000  # every time stamp
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
OCI = "application/vnd.oci.image."


def entry(tar, name, text=None, kind=tarfile.REGTYPE, mode=0o644, link="", uid=0, gid=0):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.mtime, info.uid, info.gid = kind, mode, link, WHEN, uid, gid
    data = (text or "").encode()
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def folder(tar, name, mode=0o755, **owner):
    entry(tar, name, kind=tarfile.DIRTYPE, mode=mode, **owner)


def base(tar, rootfs):
    """The root as it is, owned by root."""

    def owned(info):
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = WHEN
        return info

    for name in sorted(os.listdir(rootfs)):
        tar.add(f"{rootfs}/{name}", "./" + name, filter=owned)


def added(tar, _):
    entry(tar, "etc/motd", "from the second layer\n")
    folder(tar, "srv")
    entry(tar, "srv/keep", "kept\n")
    entry(tar, "srv/gone", "deleted in the third layer\n")
    entry(tar, "srv/secret", "deleted, and still in the image\n", mode=0o600)
    folder(tar, "srv/dir")
    entry(tar, "srv/dir/a", "a\n")
    entry(tar, "srv/dir/b", "b\n")
    folder(tar, "opt")
    entry(tar, "opt/one", "two names, one file\n", uid=1000, gid=1000)
    entry(tar, "opt/two", kind=tarfile.LNKTYPE, link="opt/one")
    entry(tar, "bin/greet", '#!/bin/sh\necho "$GREETING, $*"\nid -un\n', mode=0o755)
    folder(tar, "data", uid=1000, gid=1000)


def changed(tar, _):
    entry(tar, "etc/motd", "from the third layer\n")
    entry(tar, "srv/.wh.gone")
    entry(tar, "srv/.wh.secret")
    folder(tar, "srv/dir", mode=0o750)
    entry(tar, "srv/dir/.wh..wh..opq")
    entry(tar, "srv/dir/c", "c\n")
    entry(tar, "srv/link", kind=tarfile.SYMTYPE, link="keep", mode=0o777)


class Layout:
    def __init__(self, path):
        self.path = path
        os.makedirs(path + "/blobs/sha256")

    def blob(self, data, media):
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{self.path}/blobs/sha256/{digest}", "wb") as file:
            file.write(data)
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    def document(self, value, media):
        return self.blob(json.dumps(value, separators=(",", ":")).encode(), media)

    def layer(self, fill, rootfs, packed):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
            fill(tar, rootfs)
        data = raw.getvalue()
        media = OCI + "layer.v1.tar" + ("+gzip" if packed else "")
        blob = self.blob(gzip.compress(data, mtime=0) if packed else data, media)
        return blob, "sha256:" + hashlib.sha256(data).hexdigest()

    def image(self, layers, config):
        document = {
            "created": "2023-11-14T22:13:20Z",
            "architecture": ARCHITECTURE,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
            "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "tests/images.py"} for _ in layers],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": self.document(document, OCI + "config.v1+json"),
            "layers": [blob for blob, _ in layers],
        }
        return self.document(manifest, OCI + "manifest.v1+json")

    def index(self, tagged):
        manifests = []
        for tag, manifest in tagged.items():
            manifests.append(
                {
                    **manifest,
                    "platform": {"architecture": ARCHITECTURE, "os": "linux"},
                    "annotations": {"org.opencontainers.image.ref.name": tag},
                }
            )
        media = OCI + "index.v1+json"
        self.write("index.json", {"schemaVersion": 2, "mediaType": media, "manifests": manifests})
        self.write("oci-layout", {"imageLayoutVersion": "1.0.0"})

    def write(self, name, value):
        with open(f"{self.path}/{name}", "w") as file:
            json.dump(value, file)


def main(target, rootfs):
    os.umask(0o022)
    new = f"{target}.new.{os.getpid()}"
    shutil.rmtree(new, ignore_errors=True)
    layout = Layout(new + "/demo")
    layers = [layout.layer(base, rootfs, True), layout.layer(added, rootfs, True), layout.layer(changed, rootfs, False)]
    env = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GREETING=hello"]
    latest = layout.image(layers, {"Env": env, "WorkingDir": "/srv", "Cmd": ["/bin/sh"]})
    app = {"User": "app", "Env": env, "Entrypoint": ["/bin/greet"], "Cmd": ["world"]}
    app |= {"Volumes": {"/data": {}}, "StopSignal": "SIGQUIT", "WorkingDir": "/srv"}
    layout.index({"latest": latest, "app": layout.image(layers, app)})
    shutil.rmtree(target, ignore_errors=True)
    os.rename(new, target)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), sys.argv[2])
