"""A registry that misbehaves on demand, for tests/system/registry.py.

It speaks as much of the OCI distribution API as a pull needs, on a free port of 127.0.0.1, writes
down every request, and fails as it is told to: fault("blobs/sha256:ab", status=500) holds for the
next request whose path has that text, fault(…, times=3) for three of them.
"""

import base64
import gzip
import hashlib
import http.server
import io
import json
import socket
import ssl
import tarfile
import threading
import time
import urllib.parse

OCI = "application/vnd.oci.image."
MANIFEST, INDEX, CONFIG = OCI + "manifest.v1+json", OCI + "index.v1+json", OCI + "config.v1+json"
DOCKER = "application/vnd.docker.distribution.manifest."
SCHEMA1 = DOCKER + "v1+prettyjws"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer_tar(files):
    """A layer: a plain tarball of {name: bytes}."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1700000000
            tar.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Request:
    def __init__(self, method, path, headers):
        self.method, self.path, self.headers = method, path, headers
        self.authorization = headers.get("Authorization", "")
        self.range = headers.get("Range", "")

    def __repr__(self):
        return f"{self.method} {self.path} {self.range} {self.authorization}".strip()


class Registry:
    """auth: None, "basic" or "token"; user, password: who may pull (None: anybody gets a token);
    ranges: whether Range is understood; tls: (certificate, key); port: 0 for a free one."""

    def __init__(self, auth=None, user=None, password=None, ranges=True, tls=None, address="127.0.0.1", port=0):
        self.auth, self.user, self.password, self.ranges = auth, user, password, ranges
        self.blobs, self.manifests = {}, {}
        self.requests, self.faults = [], []
        self.tokens, self.realm, self.challenge = set(), None, None
        self.running = self.most = 0  # blob transfers at the same time
        self.lock = threading.Lock()
        self.pace = 0.0  # seconds before each blob's body
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.answer(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

            def handle_error(self, *_):
                pass  # a client that hung up

        self.server = Server((address, port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        name = f"[{address}]" if ":" in address else address
        self.host = f"{name}:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    # ---- what it has ----

    def blob(self, data):
        self.blobs[digest(data)] = data
        return {"digest": digest(data), "size": len(data)}

    def manifest(self, tag, value, media=MANIFEST):
        """Puts a manifest or index there, under its digest and TAG; gives its descriptor."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        for name in (digest(data), tag):
            self.manifests[name] = (media, data)
        return {"mediaType": media, "digest": digest(data), "size": len(data)}

    def image(self, tag, layers, architecture="amd64", **more):
        """An image of LAYERS, each {name: bytes}; gives the manifest's descriptor."""
        tars = [layer_tar(files) for files in layers]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/x"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        }
        value = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, **self.blob(json.dumps(config).encode())},
            "layers": [
                {"mediaType": OCI + "layer.v1.tar+gzip", **self.blob(gzip.compress(tar, 1, mtime=0))} for tar in tars
            ],
            **more,
        }
        return self.manifest(tag, value)

    def layers(self, tag="latest"):
        return [layer["digest"] for layer in json.loads(self.manifests[tag][1])["layers"]]

    # ---- how it behaves ----

    def fault(self, path, times=1, **what):
        """What happens to the next TIMES requests whose path has PATH: status, headers (of the
        answer), cut (bytes after which the connection breaks), body (sent instead), redirect (a
        URL), hang (seconds before the answer), stream (an iterator of the pieces of a body whose
        length is not said)."""
        self.faults += [(path, what)] * times

    def take_fault(self, path):
        with self.lock:
            for i, (part, what) in enumerate(self.faults):
                if part in path:
                    del self.faults[i]
                    return what
        return {}

    def paths(self, part=""):
        return [r.path for r in self.requests if part in r.path]

    def answer(self, handler):
        request = Request(handler.command, handler.path, handler.headers)
        with self.lock:
            self.requests.append(request)
        fault = self.take_fault(request.path)
        time.sleep(fault.get("hang", 0))
        if "stream" in fault:
            location = {"Location": fault["redirect"]} if "redirect" in fault else {}
            return self.send_stream(handler, fault["status"], fault["stream"], {**fault.get("headers", {}), **location})
        if "redirect" in fault:
            return self.send(handler, fault.get("status", 307), b"", {"Location": fault["redirect"]})
        if "status" in fault:
            body = fault.get("body", b'{"errors":[{"code":"X","message":"told to fail"}]}')
            return self.send(handler, fault["status"], body, fault.get("headers", {}))
        if request.path.startswith("/token"):
            return self.send_token(handler, request)
        if not self.allowed(request):
            headers = {"WWW-Authenticate": self.challenge or self.ask(request)}
            body = b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
            return self.send(handler, 401, body, headers)
        self.send_content(handler, request, fault)

    def ask(self, request):
        if self.auth == "basic":
            return 'Basic realm="fake"'
        name = request.path.split("/v2/")[-1].rsplit("/", 2)[0]
        scope = f',scope="repository:{name}:pull"' if name else ""
        return f'Bearer realm="{self.realm or self.url + "/token"}",service="fake"{scope}'

    def allowed(self, request):
        if self.auth == "basic":
            return request.authorization == basic(self.user, self.password)
        if self.auth == "token":
            return request.authorization.removeprefix("Bearer ") in self.tokens
        return True

    def send_token(self, handler, request):
        if self.user and request.authorization != basic(self.user, self.password):
            return self.send(handler, 401, b"{}", {"WWW-Authenticate": 'Basic realm="token"'})
        token = f"token-{len(self.tokens)}"
        self.tokens.add(token)
        self.send(handler, 200, json.dumps({"token": token}).encode(), {"Content-Type": "application/json"})

    def send_content(self, handler, request, fault):
        kind, _, name = request.path.partition("?")[0].rpartition("/")
        if request.path == "/v2/":
            self.send(handler, 200, b"{}", {})
        elif kind.endswith("/manifests") and name in self.manifests:
            media, data = self.manifests[name]
            headers = {"Content-Type": media, "Docker-Content-Digest": digest(data), **fault.get("headers", {})}
            self.send(handler, 200, fault.get("body", data), headers, fault.get("cut"))
        elif kind.endswith("/blobs") and name in self.blobs:
            self.send_blob(handler, request, fault, self.blobs[name])
        else:
            body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
            self.send(handler, 404, body, {})

    def send_blob(self, handler, request, fault, data):
        data = fault.get("body", data)
        headers = {"Content-Type": "application/octet-stream"}
        status = 200
        if request.range and self.ranges:
            first = int(request.range.removeprefix("bytes=").rstrip("-"))
            if first >= len(data):
                return self.send(handler, 416, b"", {})
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            status, data = 206, data[first:]
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            time.sleep(self.pace)
            self.send(handler, status, data, headers, fault.get("cut"))
        finally:
            with self.lock:
                self.running -= 1

    def send(self, handler, status, body, headers, cut=None):
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            handler.wfile.flush()
            handler.close_connection = True


    def send_stream(self, handler, status, pieces, headers):
        handler.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(piece)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def quote(text):
    return urllib.parse.quote(text, safe="")
