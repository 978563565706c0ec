"""The interface through which a kubelet speaks to containerd, with neither: gRPC is HTTP/2, which curl
speaks, and protocol buffers need twenty lines. Follows the messages of runtime.v1 in cri-api by number."""

from callers import LIMIT
from harness import *

POD, CONTAINER, NODE = 0, 1, 2  # NamespaceMode
CREATED, RUNNING, EXITED = 0, 1, 2  # ContainerState


def number(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def message(fields):
    """The bytes of a message: field number → number, text, bytes, a message's fields, or a list of these."""
    out = b""
    for key, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int):
                out += number(key << 3) + number(one)
                continue
            data = message(one) if isinstance(one, dict) else one.encode() if isinstance(one, str) else one
            out += number(key << 3 | 2) + number(len(data)) + data
    return out


def take(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields_of(data):
    """The fields of a message: field number → list of numbers and bytes."""
    found, at = {}, 0
    while at < len(data):
        key, at = take(data, at)
        value, at = take(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    return found


def ask(socket, method, fields):
    """Calls METHOD of the RuntimeService with a message; gives the fields of the answer."""
    data, sent, headers = message(fields), TMP + "/request", TMP + "/headers"
    with open(sent, "wb") as file:
        file.write(b"\0" + len(data).to_bytes(4, "big") + data)
    argv = ["curl", "-s", "--http2-prior-knowledge", "--unix-socket", socket, "-D", headers, "-o", TMP + "/answer"]
    argv += ["-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", "@" + sent]
    r = run([*argv, "http://containerd/runtime.v1.RuntimeService/" + method], timeout=LIMIT)
    check(r.status == 0 and "grpc-status: 0" in read(headers).lower(), f"{method}: {r} {read(headers)}")
    with open(TMP + "/answer", "rb") as file:
        return fields_of(file.read()[5:])
