"""Exercises of step 6: where a packet dies, a cable with a route, a published port, somebody else's name
server. The tasks: book/exercises/06.md"""

import contextlib
import os
import re
import signal
import socket
import struct

import harness
from exercise import Exercise

NEEDS = "root nft cmd:ip cmd:nsenter"
PORT = 80


def descendants(pid):
    found = []
    for child in harness.read(f"/proc/{pid}/task/{pid}/children").split():
        found += [int(child), *descendants(child)]
    return found


def net_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:  # it has just ended
        return net_of("self")


def said(p):
    p.pump(0)
    return p.out


@contextlib.contextmanager
def ended(p):
    """However the body ends, the program ends properly, and takes what it made with it."""
    try:
        yield
    finally:
        if p.alive():
            p.send(signal.SIGTERM)
            p.wait(30)


@contextlib.contextmanager
def container(g, *options, words=("listen", "tcp", "0.0.0.0", str(PORT), "box"), ready="listen = 0", program=None):
    """A container on the bridge that answers: the program, and the first process inside."""
    network = [] if any(o.startswith("--network") for o in options) else ["--network=bridge"]
    p = harness.start([program or g.program(), *network, *options, "--rootfs", harness.ROOTFS, "--", "/bin/probe", *words])
    with ended(p):
        harness.wait_for(lambda: ready in said(p) or not p.alive(), "the server", timeout=30)
        g.must(p.alive(), p.err)
        yield p, next(pid for pid in descendants(p.pid) if net_of(pid) != net_of("self"))


def inside(pid, *words):
    return harness.run(["nsenter", "-t", str(pid), "-n", *words])


def connect(address, port, enter=()):
    """What came of it: `answer TEXT`, or `connect = -1 ERRNO`."""
    r = harness.run([*enter, harness.PROBE, "connect", "tcp", address, str(port), "ping"])
    return r.out.strip()


def address_of(pid):
    shown = inside(pid, "ip", "-o", "-4", "address", "show", "dev", "eth0").out
    found = re.search(r"inet ([0-9.]+)/", shown)
    return found[1] if found else None


def neighbour():
    """A machine beside the host, at the other end of a cable: the words that run a command there."""
    there = harness.start(["unshare", "-n", "sleep", "600"])
    harness.wait_for(lambda: net_of(there.pid) != net_of("self"), "a namespace")
    enter = ["nsenter", "-t", str(there.pid), "-n"]
    for words in (f"ip link add world type veth peer name eth0 netns {there.pid}", "ip address add 192.0.2.1/24 dev world",
                  "ip link set world up"):
        harness.check(harness.run(words.split()).status == 0, words)
    for words in ("ip link set lo up", "ip address add 192.0.2.2/24 dev eth0", "ip link set eth0 up"):
        harness.check(harness.run([*enter, *words.split()]).status == 0, words)
    return enter


# ---- 6.1 -----------------------------------------------------------------------------------------

DIES = """# On the host somebody listens on 127.0.0.1, TCP port @A@, and in a container
#     step06 --publish @B@:@B@ --rootfs build/rootfs -- …
# somebody listens on the container's 127.0.0.1, port @B@. Three packets are sent:
#     none        by a container with --network none, to 198.51.100.1
#     own         by the container above, to 127.0.0.1 port @A@
#     published   by the host, to 127.0.0.1 port @B@
# Which error does the sender get: ENETUNREACH, ECONNREFUSED or ETIMEDOUT?
none =
own =
published =
# And which of the first packets is seen on the bridge boxstep0, yes or no?
own_on_bridge =
published_on_bridge =
"""


class Dies(Exercise):
    def ports(self):
        first, second = self.random().sample(range(8100, 8900), 2)
        return first, second

    def fill(self, text):
        first, second = self.ports()
        return text.replace("@A@", str(first)).replace("@B@", str(second))

    def right(self):
        text = self.starter()
        for name, answer in (("none", "ENETUNREACH"), ("own", "ECONNREFUSED"), ("published", "ECONNREFUSED"),
                             ("own_on_bridge", "no"), ("published_on_bridge", "yes")):
            text = text.replace(f"\n{name} =", f"\n{name} = {answer}")
        return text


dies = Dies(
    "6.1", "Where the packet dies", "step06", kind="observe", file="answers.txt", template=DIES, needs=NEEDS,
    hints={
        "route": "Before anything is sent the kernel looks for a route; it says at once when there is none.",
        "lo": "Each network namespace has a lo of its own, and what is sent there stays there.",
        "dnat": "The rule of the published port has changed the packet's destination before it is routed; where does it "
                "go then, and on which address does anybody listen there?",
    },
    wrong={"route": [("none = ENETUNREACH", "none = ETIMEDOUT")], "lo": [("own_on_bridge = no", "own_on_bridge = yes")],
           "dnat": [("published_on_bridge = yes", "published_on_bridge = no")]},
)


def error(text):
    found = re.search(r"= -1 (\w+)", text)
    return found[1] if found else "nothing"


def first_packets(wire):
    """The TCP ports to which somebody on the bridge began to talk."""
    ports = set()
    wire.setblocking(False)
    try:
        while True:
            packet = wire.recv(2048)
            if packet[12:14] == b"\x08\x00" and packet[23] == socket.IPPROTO_TCP:
                tcp = packet[14 + 4 * (packet[14] & 15):]
                if tcp[13] & 0x12 == 0x02:  # SYN without ACK
                    ports.add(struct.unpack("!H", tcp[2:4])[0])
    except BlockingIOError:
        return ports


@dies.check("what needs a route", 3)
def _(g):
    with container(g, "--network=none", words=("catch", "1"), ready="ready") as (_, pid):
        got = inside(pid, harness.PROBE, "connect", "tcp", "198.51.100.1", "80", "ping").out
    g.predicted("none", error(got), "route")


@dies.check("what lo has to do with it, and a published port", 7)
def _(g):
    first, second = g.exercise.ports()
    harness.start([harness.PROBE, "listen", "tcp", "127.0.0.1", str(first), "host"]).read_until("listen = 0")
    with container(g, "--publish", f"{second}:{second}", words=("listen", "tcp", "127.0.0.1", str(second), "box")) as (_, pid), \
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:  # ETH_P_ALL
        wire.bind(("boxstep0", 0))
        own = connect("127.0.0.1", first, ["nsenter", "-t", str(pid), "-n"])
        published = connect("127.0.0.1", second)
        seen = first_packets(wire)
    g.predicted("own", error(own), "lo")
    g.predicted("own_on_bridge", "yes" if first in seen else "no", "lo")
    g.predicted("published", error(published), "dnat")
    g.predicted("published_on_bridge", "yes" if second in seen else "no", "dnat")


# ---- 6.2 -----------------------------------------------------------------------------------------

cable = Exercise(
    "6.2", "An address, interfaces that are up, a way out", "step06", refill="step06-net/network.c",
    cut=["configure", "network_in_child"], stub="return 0;", needs=NEEDS,
    hints={
        "lo": "127.0.0.1 does not answer inside: lo is there from the beginning, and it is down.",
        "address": "eth0 inside has no address, or another one than the lease says.",
        "down": "eth0 has an address and carries nothing: it was made, and nobody said that it is up.",
        "route": "The container has an address and answers its neighbours, and knows no way to anybody else.",
    },
    wrong={
        "lo": [("return link_lo_up();", "return 0;")],
        "address": [("link_add_address(rtnl, PEER, &network->v4, network->prefix4) == 0",
                     "link_add_address(rtnl, PEER, &network->gateway4, network->prefix4) == 0")],
        "down": [("link_up(rtnl, PEER) == 0 && link_add_default(rtnl, &network->gateway4) == 0", "rtnl >= 0"),
                 ("link_add_default(rtnl, &network->gateway6) == 0", "rtnl >= 0")],
        "route": [("link_add_default(rtnl, &network->gateway4) == 0", "rtnl >= 0"),
                  ("link_add_default(rtnl, &network->gateway6) == 0", "rtnl >= 0")],
    },
)


@cable.check("lo is up, eth0 has the address of the lease and is up, and the host reaches it", 6)
def _(g):
    with container(g) as (_, pid):
        got = connect("127.0.0.1", PORT, ["nsenter", "-t", str(pid), "-n"])
        g.must("answer box" in got, f"127.0.0.1: {got}", "lo")
        bridge = re.search(r"inet ([0-9.]+)/", harness.run(["ip", "-o", "-4", "address", "show", "dev", "boxstep0"]).out)
        address = address_of(pid)
        g.must(address and bridge and address != bridge[1], f"eth0 has {address}", "address")
        link = inside(pid, "ip", "-o", "link", "show", "dev", "eth0").out
        g.must("state UP" in link, link, "down")
        got = connect(address, PORT)
        g.must("answer box" in got, f"{address}: {got}", "address")


@cable.check("everything else goes by way of the bridge", 4)
def _(g):
    enter = neighbour()
    server = harness.start([*enter, harness.PROBE, "listen", "tcp", "0.0.0.0", "7", "far"])
    server.read_until("listen = 0")
    with container(g) as (_, pid):
        got = connect("192.0.2.2", 7, ["nsenter", "-t", str(pid), "-n"])
        g.must("answer far" in got, got, "route")


# ---- 6.3 -----------------------------------------------------------------------------------------

publish = Exercise(
    "6.3", "Publish a port", "step06", refill="step06-net/nat.c", cut=["add_inward", "nat_remove"],
    stub={"add_inward": "return;", "nat_remove": "return 0;"}, needs=NEEDS,
    hints={
        "outside": "A neighbour of the host does not reach the port: its packets come in and are not sent on.",
        "output": "Others reach the port, the host itself does not: its own packets do not come in anywhere, so they "
                  "never pass where the others are rewritten.",
        "table": "The table of rules is still there when the last container has gone.",
    },
    wrong={
        "outside": [('nft_add_chain(b, name, "prerouting", "nat", NF_INET_PRE_ROUTING, -100);',
                     'nft_add_chain(b, name, "prerouting", NULL, 0, 0);')],
        "output": [('nft_add_chain(b, name, "output", "nat", NF_INET_LOCAL_OUT, -100);',
                    'nft_add_chain(b, name, "output", NULL, 0, 0);')],
        "table": [("be an error */\n\tnft_delete_table(&b, name);\n", "be an error */\n")],
    },
)


def stop_relay(p):
    """Beside the rules a process of the program waits for what they do not send on; stopped, it answers nobody."""
    def relay():
        return [pid for pid in descendants(p.pid) if harness.read(f"/proc/{pid}/comm").strip() == "boxstep-relay"]

    os.kill(harness.wait_for(relay, "the relay")[0], signal.SIGSTOP)


def waiting(port):
    """Connections that nobody has accepted, on the host's own socket of that port: proc_pid_net(5), tcp."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in harness.read(f"/proc/net/{name}").splitlines()[1:]]
    return sum(int(row[4].partition(":")[2], 16) for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}"))


def by_rule(address, port, enter=()):
    """What comes of it when the host's own socket of the port, behind which nobody is, counts as an end."""
    before = waiting(port)
    p = harness.start([*enter, harness.PROBE, "connect", "tcp", address, str(port), "ping"])
    harness.wait_for(lambda: "answer" in said(p) or waiting(port) > before or not p.alive(), "the connection", timeout=30)
    return said(p).strip()


@publish.check("a neighbour of the host reaches it, and the host itself, by rules alone", 7)
def _(g):
    enter = neighbour()
    with container(g, "--publish", f"8080:{PORT}") as (p, _):
        stop_relay(p)
        got = by_rule("192.0.2.1", 8080, enter)
        g.must("answer box" in got, f"the neighbour: {got}", "outside")
        for address in ("192.0.2.1", "127.0.0.1"):
            got = by_rule(address, 8080)
            g.must("answer box" in got, f"the host, {address}: {got}", "output")


@publish.check("no rule is left when nobody is", 3)
def _(g):
    with container(g, "--publish", f"8080:{PORT}"):
        pass
    left = harness.run(["nft", "list", "tables"]).out
    g.must_not("boxstep0" in left, left, "table")


# ---- 6.4 -----------------------------------------------------------------------------------------

resolver = Exercise(
    "6.4", "Somebody else's name server", "step06", kind="break", file="answer.py", needs=NEEDS,
    weak={"step06": ("step06-net/resolv.c", [("\treturn !address_loopback(&address) && (address.family == AF_INET || "
                                              "facts->v6.family);", "\treturn true;")])},
    hints={
        "elsewhere": "The container asked, and nobody heard: look at the name server in its resolv.conf, and whose "
                     "address that is inside.",
        "silent": "Nobody listens; the script has ended, or waits for another kind of packet.",
        "other": "It was answered, but not with the address that was asked for.",
    },
    wrong={
        "elsewhere": [('("127.0.0.53", 53)', '("127.0.0.1", 53)')],
        "silent": [('server.bind(("127.0.0.53", 53))', "sys.exit(0)")],
        "other": [("socket.inet_aton(sys.argv[1])", "bytes(4)")],
    },
)


@contextlib.contextmanager
def resolv_conf(g, text):
    """TEXT as the host's, while the body runs."""
    here = g.tmp + "/resolv.conf"
    with open(here, "w", encoding="utf-8") as file:
        file.write(text)
    harness.check(harness.run(["mount", "--bind", here, "/etc/resolv.conf"]).status == 0, "a resolv.conf to copy")
    try:
        yield
    finally:
        harness.run(["umount", "/etc/resolv.conf"])


def listens(pid, script):
    """It listens on port 53 (0035), on whatever address of the namespace; or it has ended."""
    return ":0035 " in harness.read(f"/proc/{pid}/net/udp") or not script.alive()


@resolver.check("a name is what the script says, for whoever asks inside", 10)
def _(g):
    wanted = f"192.0.2.{g.random.randint(10, 250)}"
    with resolv_conf(g, "nameserver 127.0.0.53\n"), container(g, "--network=none", words=("catch", "1"), ready="ready") as (_, pid):
        script = harness.start(["nsenter", "-t", str(pid), "-n", "python3", g.submission, wanted])
        harness.wait_for(lambda: listens(pid, script), "the script", timeout=20)
        g.must(script.alive(), script.err or "it has ended", "silent")
        r = harness.run(["nsenter", "-t", str(pid), "-n", "-m", "/bin/busybox", "nslookup", "-timeout=8", "-retry=1", "-type=a",
                         g.exercise.fill("@NAME@.test")])
    g.must(wanted in r.out or "Name:" not in r.out, r.out, "other")
    g.must(wanted in r.out, r.out + r.err, "elsewhere")
