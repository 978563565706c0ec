#!/usr/bin/env python3
"""push.py LAYOUT[:TAG] HOST:PORT/REPOSITORY:TAG: uploads an image to a registry on this machine.

The other half of a pull, as small as it can be: what is not there yet is sent, blobs before the
manifest that names them. Follows the OCI distribution specification ("Push"). LAYOUT is an OCI
image layout, or any directory with blobs/sha256/, when TAG is the digest of a manifest in it.
"""

import http.client
import json
import os
import sys
import urllib.parse


class Push:
    def __init__(self, layout, host, repository):
        self.layout, self.repository = layout, repository
        self.connection = http.client.HTTPConnection(host, timeout=30)

    def path(self, digest):
        algorithm, _, value = digest.partition(":")
        return f"{self.layout}/blobs/{algorithm}/{value}"

    def read(self, digest):
        with open(self.path(digest), "rb") as file:
            return file.read()

    def ask(self, method, path, body=None, headers=None, wanted=()):
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        text = answer.read()
        if wanted and answer.status not in wanted:
            sys.exit(f"push.py: {method} {path}: {answer.status} {text[:300]!r}")
        return answer

    def blob(self, digest):
        if self.ask("HEAD", f"/v2/{self.repository}/blobs/{digest}").status == 200:
            return
        place = self.ask("POST", f"/v2/{self.repository}/blobs/uploads/", b"", wanted=(202,))
        where = urllib.parse.urlsplit(place.headers["Location"])
        query = f"{where.query}&" if where.query else ""
        target = f"{where.path}?{query}digest={urllib.parse.quote(digest)}"
        size = os.path.getsize(self.path(digest))
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with open(self.path(digest), "rb") as file:
            self.ask("PUT", target, file, headers, wanted=(201,))

    def manifest(self, descriptor, name):
        """A manifest after its blobs; an index after its manifests, or the one that is here for it."""
        data = self.read(descriptor["digest"])
        value = json.loads(data)
        children = value.get("manifests", [])
        here = [child for child in children if os.path.exists(self.path(child["digest"]))]
        if len(here) < len(children):
            return self.manifest(here[0], name)
        for child in children:
            self.manifest(child, child["digest"])
        for child in [value["config"], *value["layers"]] if "layers" in value else []:
            self.blob(child["digest"])
        media = descriptor.get("mediaType") or value["mediaType"]
        headers = {"Content-Type": media, "Content-Length": str(len(data))}
        self.ask("PUT", f"/v2/{self.repository}/manifests/{name}", data, headers, wanted=(201,))


def chosen(layout, tag):
    if tag.startswith("sha256:"):
        return {"digest": tag}
    with open(layout + "/index.json") as file:
        for manifest in json.load(file)["manifests"]:
            if manifest.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag:
                return manifest
    sys.exit(f"push.py: {layout} has no image {tag}")


def push(layout, tag, reference):
    host, _, rest = reference.partition("/")
    repository, _, name = rest.rpartition(":")
    Push(layout, host, repository).manifest(chosen(layout, tag), name)


if __name__ == "__main__":
    directory, _, image_tag = sys.argv[1].partition(":")
    push(directory, image_tag or "latest", sys.argv[2])
