#!/usr/bin/env python3
"""image.py FILES LAYOUT: makes LAYOUT, an OCI image of nginx in three layers, tag latest.

FILES has Debian's packages taken apart (packages.sh). Layers, lowest first: busybox with the
libraries that nginx asks for; nginx as Debian ships it; the configuration and a page, over what the
layer below had. The same packages give the same digests. Follows the OCI image specification.
"""

import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True
from images import Layout, entry, folder, tarfile  # noqa: E402

NGINX = "usr/sbin/nginx"
LIBRARY_DIRS = ("lib", "usr/lib")

CONFIG = """\
# The master opens port 80 and the logs as root, the workers are www-data.
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 256; }
http {
    include mime.types;
    default_type application/octet-stream;
    access_log /dev/stdout;
    server {
        listen 80;
        root /usr/share/nginx/html;
    }
}
"""
PAGE = """\
<!DOCTYPE html>
<title>Welcome to nginx!</title>
<h1>Welcome to nginx!</h1>
<p>This page lies in the third of three layers.</p>
"""


def elf(path, option, pattern):
    text = subprocess.run(["readelf", "-W", option, path], capture_output=True, text=True, check=True).stdout
    return re.findall(pattern, text)


def library(files, name):
    """The file that FILES has for the library NAME, behind its links."""
    for top in LIBRARY_DIRS:
        for where, _, names in os.walk(f"{files}/{top}"):
            if name in names:
                return os.path.realpath(f"{where}/{name}")
    sys.exit(f"image.py: nginx asks for {name}, which none of its packages has")


def libraries(files):
    """What nginx needs, and what that needs: {name in the image: file}."""
    found, wanted = {}, [f"{files}/{NGINX}"]
    (loader,) = elf(wanted[0], "-l", r"interpreter: (/[^\]]+)")
    found[loader.lstrip("/")] = library(files, os.path.basename(loader))
    while wanted:
        for name in elf(wanted.pop(), "-d", r"NEEDED\).*\[(.+)\]"):
            file = library(files, name)
            if file not in found.values():
                found[f"usr/lib/{name}"] = file
                wanted.append(file)
    return found


def put(tar, name, path, mode):
    with open(path, "rb") as file:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = os.path.getsize(path), mode, 1700000000
        tar.addfile(info, file)


def parents(tar, names):
    for name in sorted({name[: m.start()] for name in names for m in re.finditer("/", name)}):
        folder(tar, name)


def base(tar, files):
    """busybox and the libraries."""
    busybox = f"{files}/bin/busybox"
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    wanted = libraries(files)
    parents(tar, [*wanted, "bin/x", "etc/x", "dev/x", "proc/x", "sys/x", "run/x", "root/x", "var/x"])
    folder(tar, "tmp", mode=0o1777)
    put(tar, "bin/busybox", busybox, 0o755)
    for applet in sorted(applets):
        if applet != "busybox":
            entry(tar, f"bin/{applet}", kind=tarfile.SYMTYPE, link="busybox", mode=0o777)
    for name, file in sorted(wanted.items()):
        put(tar, name, file, 0o755)
    entry(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\n")
    entry(tar, "etc/group", "root:x:0:\nwww-data:x:33:\n")


def nginx(tar, files):
    """As it comes: binary, types, a configuration and a page that the next layer replaces."""
    names = ["etc/nginx/mime.types", "etc/nginx/nginx.conf", "etc/nginx/sites-available/default"]
    names += ["usr/share/nginx/html/index.html"]
    parents(tar, [*names, NGINX, "var/lib/nginx/x", "var/log/nginx/x"])
    put(tar, NGINX, f"{files}/{NGINX}", 0o755)
    for name in names:
        put(tar, name, f"{files}/{name}", 0o644)


def ours(tar, _):
    """What is changed, and what is taken away."""
    parents(tar, ["etc/nginx/x", "usr/share/nginx/html/x"])
    entry(tar, "etc/nginx/nginx.conf", CONFIG)
    entry(tar, "etc/nginx/.wh.sites-available")
    entry(tar, "usr/share/nginx/html/index.html", PAGE)


def main(files, target):
    files = os.path.realpath(files)
    new = f"{target}.new.{os.getpid()}"
    layout = Layout(new)
    config = {
        "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": ["nginx", "-g", "daemon off;"],
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGQUIT",
        "WorkingDir": "/",
    }
    layers = [layout.layer(fill, files, True) for fill in (base, nginx, ours)]
    layout.index({"latest": layout.image(layers, config)})
    shutil.rmtree(target, ignore_errors=True)
    os.rename(new, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
