"""Images for tests, made by hand: OCI layouts whose layers hold whatever a test wants, valid or not."""

import gzip
import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
OCI = "application/vnd.oci.image."
WHEN = 1700000000


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layer:
    """A tarball, entry by entry."""

    def __init__(self):
        self.raw = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.raw, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, kind, data=b"", link="", mode=0o644, uid=0, gid=0, mtime=WHEN, device=(0, 0), xattrs=None):
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mode, info.uid, info.gid, info.mtime = kind, link, mode, uid, gid, mtime
        info.devmajor, info.devminor = device
        info.size = len(data)
        for key, value in (xattrs or {}).items():
            info.pax_headers["SCHILY.xattr." + key] = value
        self.tar.addfile(info, io.BytesIO(data))
        return self

    def file(self, name, text="", **more):
        return self.add(name, tarfile.REGTYPE, text if isinstance(text, bytes) else text.encode(), **more)

    def folder(self, name, mode=0o755, **more):
        return self.add(name, tarfile.DIRTYPE, mode=mode, **more)

    def link(self, name, target, **more):
        return self.add(name, tarfile.SYMTYPE, link=target, mode=0o777, **more)

    def hard(self, name, target):
        return self.add(name, tarfile.LNKTYPE, link=target)

    def node(self, name, kind, major, minor, **more):
        return self.add(name, tarfile.CHRTYPE if kind == "c" else tarfile.BLKTYPE, device=(major, minor), **more)

    def rootfs(self, path):
        def owned(info):
            info.uid = info.gid = 0
            info.mtime = WHEN
            return info

        for name in sorted(os.listdir(path)):
            self.tar.add(f"{path}/{name}", name, filter=owned)
        return self

    def bytes(self, closed=True):
        if not closed:  # as some tools leave it: without the two blocks of zeros
            return self.raw.getvalue()
        self.tar.close()
        return self.raw.getvalue()


class Layout:
    """An OCI layout directory."""

    def __init__(self, path):
        self.path = path
        os.makedirs(path + "/blobs/sha256", exist_ok=True)
        self.entries = []

    def blob(self, data, media="application/octet-stream"):
        with open(f"{self.path}/blobs/sha256/{digest(data)[7:]}", "wb") as file:
            file.write(data)
        return {"mediaType": media, "digest": digest(data), "size": len(data)}

    def document(self, value, media):
        return self.blob(json.dumps(value).encode(), media)

    def layer(self, data, packed="gzip"):
        """A layer's descriptor and its diff id."""
        blob = data
        if packed == "gzip":
            blob = gzip.compress(data, mtime=0)
        elif packed == "zstd":
            blob = subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
        media = OCI + "layer.v1.tar" + ("+" + packed if packed else "")
        return self.blob(blob, media), digest(data)

    def manifest(self, layers, config=None, **top):
        """LAYERS: what layer() gave, or Layer objects. Gives the manifest's descriptor."""
        layers = [self.layer(one.bytes()) if isinstance(one, Layer) else one for one in layers]
        document = {
            "architecture": ARCHITECTURE,
            "os": "linux",
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
        }
        value = {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": self.document(document, OCI + "config.v1+json"),
            "layers": [blob for blob, _ in layers],
        }
        return self.document({**value, **top}, OCI + "manifest.v1+json")

    def tag(self, descriptor, name=None, machine=None):
        entry = dict(descriptor)
        if name:
            entry["annotations"] = {"org.opencontainers.image.ref.name": name}
        if machine:
            entry["platform"] = {"os": "linux", "architecture": machine}
        self.entries.append(entry)
        return self

    def write(self, **more):
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": self.entries, **more}
        with open(self.path + "/index.json", "w") as file:
            json.dump(index, file)
        with open(self.path + "/oci-layout", "w") as file:
            json.dump({"imageLayoutVersion": "1.0.0"}, file)
        return self.path


def image(path, layers, config=None):
    """A layout of one image; gives its path."""
    layout = Layout(path)
    return layout.tag(layout.manifest(layers, config)).write()


def archive(layout, path, packed=""):
    """A layout as one file, as skopeo's oci-archive."""
    with tarfile.open(path, "w:" + packed) as tar:
        for name in ("oci-layout", "index.json", "blobs"):
            tar.add(f"{layout}/{name}", name)
    return path


def unclosed(path):
    """The archive PATH as some tools leave it: without the two blocks of zeros at its end."""
    with tarfile.open(path) as tar:
        end = max(member.offset_data + -(-member.size // 512) * 512 for member in tar)
    opened = gzip.open if path.endswith("gz") else open
    with opened(path, "rb") as file:
        data = file.read()[:end]
    with opened(path, "wb") as file:
        file.write(data)
    return path


def docker_archive(path, layers, config=None, names=("demo:1",), packed=""):
    """What `docker save` writes. LAYERS: plain tarballs."""
    document = json.dumps(
        {
            "architecture": ARCHITECTURE,
            "os": "linux",
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [digest(data) for data in layers]},
        }
    ).encode()
    files = [(f"{digest(data)[7:]}/layer.tar", data) for data in layers]
    files.append((digest(document)[7:] + ".json", document))
    listing = [{"Config": files[-1][0], "RepoTags": list(names), "Layers": [name for name, _ in files[:-1]]}]
    files.append(("manifest.json", json.dumps(listing).encode()))
    with tarfile.open(path, "w:" + packed) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
