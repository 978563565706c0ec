"""Step 6: the network. Every packet of these tests stays in namespaces that the tests made."""

import socket

from harness import *

STEPS = for_steps(6, 7)
NEEDS = "root nft cmd:ip cmd:nsenter cmd:unshare"
BRIDGE = "boxstep0"
HOST4, HOST6 = "192.0.2.1", "fd99::1"  # of the host, on the cable to the world outside
OUT4, OUT6 = "192.0.2.2", "fd99::2"  # of a machine there


# ---- the world outside, and questions to it ------------------------------------------------------


class Namespace:
    """A network namespace with a process that keeps it."""

    def __init__(self):
        self.process = start(["unshare", "-n", "sleep", "600"])
        self.pid = self.process.pid
        own = os.readlink("/proc/self/ns/net")
        wait_for(lambda: os.readlink(f"/proc/{self.pid}/ns/net") != own, "a namespace")

    def argv(self, *argv):
        return ["nsenter", "-t", str(self.pid), "-n", *argv]

    def run(self, *argv, **options):
        return run(self.argv(*argv), **options)

    def ip(self, text):
        equal(self.run("ip", *text.split()).status, 0, "ip " + text)


def ip(text):
    equal(run(["ip", *text.split()]).status, 0, "ip " + text)


def outside():
    """A machine beside the host: another namespace, at the other end of a cable."""
    there = Namespace()
    ip(f"link add world type veth peer name eth0 netns {there.pid}")
    ip(f"address add {HOST4}/24 dev world")
    ip(f"address add {HOST6}/64 dev world nodad")
    ip("link set world up")
    there.ip("link set lo up")
    there.ip(f"address add {OUT4}/24 dev eth0")
    there.ip(f"address add {OUT6}/64 dev eth0 nodad")
    there.ip("link set eth0 up")
    return there


def ask(protocol, address, port, inside=None):
    """What a server there answers; None when nobody does."""
    argv = [PROBE, "connect", protocol, address, str(port), "ping"]
    r = run(inside.argv(*argv) if inside else argv, timeout=30)
    found = re.search(r"^answer (.*)$", r.out, re.M)
    return found and found[1]


def nobody(questions):
    """None of the (protocol, address, port, inside) is answered. All at once: a drop takes a time-out."""
    asked = []
    for protocol, address, port, inside in questions:
        argv = [PROBE, "connect", protocol, address, str(port), "ping"]
        asked.append((start(inside.argv(*argv) if inside else argv), f"{protocol} {address}:{port}"))
    for one, what in asked:
        absent(one.wait().out, "answer", what)


class Container(Namespace):
    """A container that serves both protocols on port 80, IPv4 and IPv6, and says who came."""

    def __init__(self, s, *options, name="box"):
        script = f"probe listen tcp :: 80 {name} & probe listen udp :: 80 {name} & wait"
        self.process = start(s.argv("--network=bridge", *options, cmd=["/bin/sh", "-c", script], privileged=True))
        wait_for(lambda: self.said().count("listen = 0") == 2 or not self.process.alive(), "two servers")
        check(self.process.alive(), self.process.err)
        inside = [p for p in children(self.process.pid) if ns_of(p) != ns_of("self")]
        self.pid = inside[0]

    def said(self):
        self.process.pump(0)
        return self.process.out

    def address(self, family="inet"):
        r = self.run("ip", "-o", "-f", family, "address", "show", "dev", "eth0", "scope", "global")
        return re.search(r"inet6? ([0-9a-f.:]+)/", r.out)[1]

    def stop(self):
        self.process.send(signal.SIGTERM)
        return self.process.wait()


def ns_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ns_of("self")


def ended(pid):
    """A zombie has ended too."""
    try:
        return read(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in read(f"/proc/{pid}/task/{task}/children").split():
            found += [int(child), *children(int(child))]
    return found


def links():
    return run(["ip", "-o", "link"]).out


def table():
    r = run(["nft", "list", "table", "inet", BRIDGE])
    return r.out if r.status == 0 else ""


def every_way(host, address4, address6, port, answer, inside=None):
    for protocol in ("tcp", "udp"):
        for address in (address4, address6):
            equal(ask(protocol, address, port, inside), answer, f"{protocol} {address}:{port} {host}")


# ---- a network of its own ------------------------------------------------------------------------


@test("without a network there is lo, up, and nothing else", steps=STEPS)
def _(s):
    r = run(s.argv("--network", "none", cmd=["/bin/sh", "-c", "ip -o address; ip route; hostname; cat /etc/hosts"]))
    equal(r.status, 0)
    contains(r.out, "127.0.0.1/8")
    contains(r.out, "::1/128")
    absent(r.out, "eth0")
    contains(r.out, f"127.0.1.1\t{os.uname().nodename}")


@test("--network host is the host's own", steps=STEPS)
def _(s):
    r = run(s.argv("--network", "host", cmd=["/bin/sh", "-c", "readlink /proc/self/ns/net"]))
    equal(r.out.strip(), ns_of("self"))


@test("on a bridge there is eth0 with an address of each family, routes, and the host as gateway", needs=NEEDS, steps=STEPS)
def _(s):
    show = "ip -o address; ip route; ip -6 route; cat /sys/class/net/eth0/mtu; cat /proc/sys/net/ipv6/conf/eth0/accept_ra"
    r = run(s.argv("--network", "bridge", cmd=["/bin/sh", "-c", show + "; ping -c 1 -w 5 $(ip route | awk '/default/ { print $3 }')"]))
    equal(r.status, 0)
    matches(r.out, r"eth0 +inet 10\.\d+\.\d+\.\d+/22")
    matches(r.out, r"eth0 +inet6 fd62:6f78:7374:[0-9a-f:]+/64")
    matches(r.out, r"^default via 10\.\d+\.\d+\.1 dev eth0")
    matches(r.out, r"^default via fd62:[0-9a-f:]+::1 dev eth0")
    matches(r.out, r"^1500$")
    matches(r.out, r"^0$")
    contains(r.out, "1 packets received")


@test("afterwards no bridge, no cable, no rule, no lease is left, and forwarding is as before", needs=NEEDS, steps=STEPS)
def _(s):
    before = read("/proc/sys/net/ipv4/ip_forward")
    r = run(s.argv("--network", "bridge", "--publish", "8080:80", cmd=["/bin/true"]))
    equal(r.status, 0)
    absent(links(), BRIDGE)
    absent(links(), "bx")
    equal(table(), "")
    equal(read("/proc/sys/net/ipv4/ip_forward"), before)
    check(not os.path.exists(STAGE + "/home/run/net"), "leases are left")


@test("the container's packets go out under the host's address", needs=NEEDS, steps=STEPS)
def _(s):
    there = outside()
    server = start(there.argv(PROBE, "listen", "tcp", "::", "7", "echo"))
    server.read_until("listen = 0")
    for address, seen in ((OUT4, f"::ffff:{HOST4}"), (OUT6, HOST6)):
        r = run(s.argv("--network", "bridge", cmd=["/bin/probe", "connect", "tcp", address, "7", "to-" + address]))
        contains(r.out, "answer echo")
        server.read_until(f"from {seen} to-{address}")


@test("a container's packets are as large as the host's way out lets through", needs=NEEDS, steps=STEPS)
def _(s):
    outside()
    ip("link set world mtu 1400")
    ip(f"route add default via {OUT4}")
    r = run(s.argv("--network", "bridge", cmd=["/bin/cat", "/sys/class/net/eth0/mtu"]))
    equal(r.out.strip(), "1400")


@test("a network that the host has a route to is not taken", needs=NEEDS, steps=STEPS)
def _(s):
    outside()
    ip(f"route add 10.212.2.0/24 via {OUT4}")
    ip(f"route add fd62:6f78:7374:1::/80 via {OUT6}")
    r = run(s.argv("--network", "bridge", cmd=["/bin/sh", "-c", "ip -o address"]))
    matches(r.out, r"eth0 +inet 10\.212\.(8|9|10|11)\.")
    matches(r.out, r"eth0 +inet6 fd62:6f78:7374:2:")


# ---- published ports -----------------------------------------------------------------------------


@test("a published port is reached from the host, by every address it has", needs=NEEDS, steps=STEPS)
def _(s):
    outside()
    Container(s, "-p", "8080:80", "-p", "8080:80/udp")
    every_way("from the host", HOST4, HOST6, 8080, "box")
    every_way("from the host", "127.0.0.1", "::1", 8080, "box")
    every_way("from the host", "127.1.2.3", HOST6, 8080, "box")


@test("a published port is reached from another machine, which is seen as itself", needs=NEEDS, steps=STEPS)
def _(s):
    there = outside()
    box = Container(s, "-p", "8080:80", "-p", "8080:80/udp")
    every_way("from outside", HOST4, HOST6, 8080, "box", there)
    contains(box.said(), f"from ::ffff:{OUT4} ping")
    contains(box.said(), f"from {OUT6} ping")


@test("a published port is reached from the container itself and from its neighbour", needs=NEEDS, steps=STEPS)
def _(s):
    outside()
    box = Container(s, "-p", "8080:80", "-p", "8080:80/udp")
    neighbour = Container(s, name="neighbour")
    every_way("from itself", HOST4, HOST6, 8080, "box", box)
    every_way("from its neighbour", HOST4, HOST6, 8080, "box", neighbour)
    every_way("directly", box.address(), box.address("inet6"), 80, "box", neighbour)


@test("a server that listens on IPv4 only is reached by [::1] too", needs=NEEDS, steps=STEPS)
def _(s):
    box = start(s.argv("--network=bridge", "-p", "8080:80", "-p", "8080:80/udp", privileged=True,
                       cmd=["/bin/sh", "-c", "probe listen tcp 0.0.0.0 80 four & probe listen udp 0.0.0.0 80 four & wait"]))
    wait_for(lambda: box.pump(0) or box.out.count("listen = 0") == 2, "two servers")
    equal(ask("tcp", "::1", 8080), "four")
    wait_for(lambda: ask("udp", "::1", 8080) == "four", "the second try of a datagram")


@test("much goes through the relay of [::1], both ways, and its end is passed on", needs=NEEDS + " cmd:curl", steps=STEPS)
def _(s):
    script = "mkdir -p /tmp/www; cd /tmp/www; dd if=/dev/urandom of=big bs=64k count=80 2>&-; sha256sum big; echo ready; exec httpd -f -p 80 -h /tmp/www"
    box = start(s.argv("--network=bridge", "-p", "8080:80", "--tmpfs", "/tmp", cmd=["/bin/sh", "-c", script], privileged=True))
    digest = box.read_until("ready").split()[0]
    wait_for(lambda: run(["curl", "-gsf", "-o", TMP + "/big", "http://[::1]:8080/big"]).status == 0, "the server")
    equal(run(["sha256sum", TMP + "/big"]).out.split()[0], digest)
    many = [start(["curl", "-gsf", "-o", f"{TMP}/big{i}", "http://[::1]:8080/big"]) for i in range(8)]
    for i, one in enumerate(many):
        equal(one.wait().status, 0)
        equal(run(["sha256sum", f"{TMP}/big{i}"]).out.split()[0], digest)


@test("a range of ports is a port each, of both protocols if both are asked for", needs=NEEDS, steps=STEPS)
def _(s):
    Container(s, "--publish", "9000-9002:79-81", "--publish", "9001:80/udp")
    equal(ask("tcp", "127.0.0.1", 9001), "box")
    equal(ask("udp", "127.0.0.1", 9001), "box")
    equal(ask("tcp", "127.0.0.1", 9000), None)  # nobody listens on 79
    equal(table().count("comment"), 8)


@test("a port without a number of the host's gets a free one", needs=NEEDS, steps=STEPS)
def _(s):
    Container(s, "-p", "80", "-p", "127.0.0.1::80/udp")
    tcp = re.findall(r"tcp \. (\d+) comment", table())
    udp = re.findall(r"udp \. 127\.0\.0\.1 \. (\d+) comment", table())
    equal([len(tcp), len(set(tcp)), len(udp)], [2, 1, 1])
    every_port = [ask("tcp", "127.0.0.1", tcp[0]), ask("tcp", "::1", tcp[0]), ask("udp", "127.0.0.1", udp[0])]
    equal(every_port, ["box"] * 3)


def relayed(s, limit):
    """A container with a relay that may have LIMIT descriptors, and the pid of the relay."""
    few = ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh"]
    script = "probe listen tcp :: 80 box & probe listen udp :: 80 box & wait"
    box = start([*few, *s.argv("--network=bridge", "-p", "8080:80", "-p", "8080:80/udp", cmd=["/bin/sh", "-c", script])])
    box.read_until("listen = 0")
    wait_for(lambda: "answer" in run([PROBE, "connect", "tcp", "::1", "8080", "x", "connect", "udp", "::1", "8080", "x"]).out, "servers")
    (pid,) = (p for p in children(box.pid) if read(f"/proc/{p}/comm") == "boxstep-relay\n")
    return box, pid


def ticks(pid):
    return sum(map(int, read(f"/proc/{pid}/stat").rpartition(")")[2].split()[11:13]))


@test("a relay without a descriptor for who comes sleeps until there is one", needs=NEEDS, steps=STEPS)
def _(s):
    box, relay = relayed(s, 1000)
    count = len(os.listdir(f"/proc/{relay}/fd"))
    first = socket.create_connection(("::1", 8080))
    wait_for(lambda: len(os.listdir(f"/proc/{relay}/fd")) == count + 2, "a connection")
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    equal(run([*nobody, "prlimit", "--pid", str(relay), f"--nofile={count + 2}:{count + 2}"]).status, 0)
    second = socket.create_connection(("::1", 8080))
    before = ticks(relay)
    time.sleep(1)
    check(ticks(relay) - before < 50, f"{ticks(relay) - before} hundredths of a second used in one")
    first.close()
    second.sendall(b"ping")
    equal(second.recv(100), b"box")
    second.close()
    check(box.alive(), box.err)


@test("a relay with few descriptors drops the connection unused for longest", needs=NEEDS, steps=STEPS)
def _(s):
    box, relay = relayed(s, 40)
    clients = [socket.create_connection(("::1", 8080)) for _ in range(30)]
    clients[-1].sendall(b"ping")
    equal(clients[0].recv(100), b"")
    for client in clients[:-1]:  # the server serves one at a time
        client.close()
    equal(clients[-1].recv(100), b"box")
    clients[-1].close()
    check(os.path.exists(f"/proc/{relay}") and box.alive(), box.err)


@test("more flows of UDP than poll takes do not end the relay", needs=NEEDS, steps=STEPS)
def _(s):
    box, relay = relayed(s, 40)
    flows = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(40)]
    for flow in flows:
        flow.settimeout(10)
        flow.sendto(b"ping", ("::1", 8080))
        equal(flow.recv(100), b"box")
    for flow in flows:
        flow.close()
    check(os.path.exists(f"/proc/{relay}") and box.alive(), box.err)


@test("many published ports raise no limit of the container's", needs=NEEDS, steps=STEPS)
def _(s):
    show = "ulimit -Sn; ulimit -Hn; probe listen tcp :: 7000 many"
    few = ["sh", "-c", 'ulimit -Hn 20000; ulimit -Sn 200; exec "$@"', "sh"]
    box = start([*few, *s.argv("--network=bridge", "-p", "7000-7199:7000-7199", cmd=["/bin/sh", "-c", show])])
    box.read_until("listen = 0")
    equal(box.out.split()[:2], ["200", "20000"], box.err)
    for address in ("127.0.0.1", "::1"):
        equal(ask("tcp", address, 7000), "many", address)


@test("a port published on 127.0.0.1 or [::1] is reached from there only", needs=NEEDS, steps=STEPS)
def _(s):
    there = outside()
    box = Container(s, *(word for kind in ("", "/udp") for word in ("-p", "127.0.0.1:8080:80" + kind, "-p", "[::1]:8080:80" + kind)))
    neighbour = Container(s, name="neighbour")
    every_way("from the host", "127.0.0.1", "::1", 8080, "box")
    everybody = (None, there, box, neighbour)
    nobody([(kind, address, 8080, who) for kind in ("tcp", "udp") for address in (HOST4, HOST6) for who in everybody])
    # as somebody on the same wire may try it: a packet to 127.0.0.1, sent to us
    there.run("sh", "-c", f"echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; ip address del 127.0.0.1/8 dev lo; ip route add 127.0.0.0/8 via {HOST4}")
    nobody([("tcp", "127.0.0.1", 8080, there), ("udp", "127.0.0.1", 8080, there)])


@test("a port published on one address of the host is not on the others", needs=NEEDS, steps=STEPS)
def _(s):
    there = outside()
    Container(s, "-p", f"{HOST4}:8080:80", "-p", f"[{HOST6}]:8081:80")
    equal(ask("tcp", HOST4, 8080, there), "box")
    equal(ask("tcp", HOST6, 8081, there), "box")
    nobody([("tcp", "127.0.0.1", 8080, None), ("tcp", HOST6, 8080, there), ("tcp", HOST4, 8081, there), ("tcp", "::1", 8081, None)])


@test("a port that is not published is not reached, not even by a direct route", needs=NEEDS, steps=STEPS)
def _(s):
    there = outside()
    box = Container(s, "-p", "8080:81")
    there.ip(f"route add 10.212.0.0/16 via {HOST4}")
    there.ip(f"route add fd62:6f78:7374::/48 via {HOST6}")
    addresses = box.address(), box.address("inet6")
    every_way("from the host, whose container it is", *addresses, 80, "box")
    nobody([(kind, address, 80, there) for kind in ("tcp", "udp") for address in (*addresses, HOST4, HOST6)])


@test("what listens on the host's 127.0.0.1 is not reached from a container", needs=NEEDS, steps=STEPS)
def _(s):
    outside()
    servers = [start([PROBE, "listen", kind, address, "9999", "secret"]) for kind in ("tcp", "udp") for address in ("127.0.0.1", "::1")]
    for server in servers:
        server.read_until("listen = 0")
    box = Container(s, "-p", "127.0.0.1:8080:80")
    gateway = re.search(r"via ([0-9.]+)", box.run("ip", "route").out)[1]
    equal(ask("tcp", "127.0.0.1", 9999), "secret")
    nobody([(kind, address, 9999, box) for kind in ("tcp", "udp") for address in ("127.0.0.1", "::1", gateway, HOST4, HOST6)])
    # with all rights inside: packets to 127.0.0.1 are sent out by eth0
    box.run("sh", "-c", f"echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet; ip address del 127.0.0.1/8 dev lo; ip route add 127.0.0.0/8 via {gateway}")
    nobody([(kind, "127.0.0.1", port, box) for kind in ("tcp", "udp") for port in (9999, 8080)])
    absent("".join(server.out for server in servers), "from 10.")


@test("a port in use is refused, named, and whoever has it keeps it", needs=NEEDS, steps=STEPS)
def _(s):
    Container(s, "-p", "8080:80", name="first")
    server = start([PROBE, "listen", "tcp", "127.0.0.1", "9090", "server"])
    server.read_until("listen = 0")
    for port, names in (("8080:80", "8080"), ("127.0.0.1:8080:81", "8080"), ("9090:80", "9090")):
        bad("port in use", s.argv("--network=bridge", "-p", port, cmd=["/bin/true"]), call="bind(", names=f"port {names}/tcp")
    equal(ask("tcp", "127.0.0.1", 8080), "first")
    equal(ask("tcp", "127.0.0.1", 9090), "server")


@test("a server cannot take a published port", needs=NEEDS, steps=STEPS)
def _(s):
    Container(s, "-p", "8080:80", "-p", "8080:80/udp")
    for protocol in ("tcp", "udp"):
        contains(run([PROBE, "listen", protocol, "0.0.0.0", "8080", "thief"]).out, "listen = -1 EADDRINUSE")


# ---- more than one -------------------------------------------------------------------------------


@test("ten at once get ten addresses, and the last one leaves nothing", needs=NEEDS, steps=STEPS, timeout=240)
def _(s):
    show = "ip -o -4 address show dev eth0; ip -o -6 address show dev eth0 scope global; sleep 1"
    many = [start(s.argv("--network=bridge", "-p", f"{7000 + i}:80", cmd=["/bin/sh", "-c", show])) for i in range(10)]
    seen = []
    for one in many:
        r = one.wait()
        equal([r.status, len(r.lines)], [0, 2])
        seen += [line.split()[3] for line in r.lines]
    equal(len(set(seen)), 20)
    absent(links(), BRIDGE)


@test("one container's end takes its own ports and nobody else's", needs=NEEDS, steps=STEPS)
def _(s):
    one, two = Container(s, "-p", "7001:80", name="one"), Container(s, "-p", "7002:80", name="two")
    equal([ask("tcp", "127.0.0.1", 7001), ask("tcp", "::1", 7002)], ["one", "two"])
    one.stop()
    equal([ask("tcp", "127.0.0.1", 7001), ask("tcp", "::1", 7002), ask("tcp", HOST4, 7001)], [None, "two", None])
    equal(table().count("comment"), 2)
    three = Container(s, "-p", "7001:80", name="three")
    equal(ask("tcp", "127.0.0.1", 7001), "three")
    three.stop()
    two.stop()
    absent(links(), BRIDGE)


@test("what a killed run leaves is cleared away by the next, the living untouched", needs=NEEDS, steps=STEPS)
def _(s):
    living = Container(s, "-p", "7001:80", name="living")
    dead = Container(s, "-p", "7002:80", "-p", "7002:80/udp", name="dead")
    dead.process.send(signal.SIGKILL)
    dead.process.wait()
    contains(table(), "7002")
    r = run(s.argv("--network=bridge", "-p", "7002:80", cmd=["/bin/true"]))
    equal(r.status, 0)
    absent(table(), "7002")
    equal(table().count("comment"), 2)
    equal(ask("tcp", "127.0.0.1", 7001), "living")
    living.stop()
    equal(table(), "")


def killed_run(s, clear):
    """CLEAR() takes away all that a killed run has left on the host."""
    before = read("/proc/sys/net/ipv4/ip_forward")
    dead = Container(s, "-p", "7002:80")
    dead.process.send(signal.SIGKILL)
    dead.process.wait()
    contains(links(), BRIDGE)
    contains(table(), "7002")
    equal(clear().status, 0)
    absent(links(), BRIDGE)
    equal(table(), "")
    equal(read("/proc/sys/net/ipv4/ip_forward"), before)


@test("a run that was killed alone is cleared away by the next, even one without a network", needs=NEEDS, steps=STEPS)
def _(s):
    killed_run(s, lambda: run(s.argv("--network=none", cmd=["/bin/true"])))


@test("what a killed run leaves is cleared away by make reset too", needs=NEEDS + " vm", steps=STEPS)
def _(s):
    killed_run(s, lambda: run([ROOT + "/tests/reset.sh"], env={"BUILD": STAGE + "/bin"}))
    check(not os.path.exists(STAGE + "/home/run"), "the state of the run is left")


@test("a neighbour's network is joined by the number of a process, and by a path", needs=NEEDS, steps=STEPS)
def _(s):
    box = Container(s)
    for mode in (f"container:{box.pid}", f"ns:/proc/{box.pid}/ns/net"):
        r = run(s.argv("--network", mode, cmd=["/bin/sh", "-c", "readlink /proc/self/ns/net; probe connect tcp 127.0.0.1 80 hello"]))
        equal(r.lines, [ns_of(box.pid), "connect = 0", "answer box"])
    equal(ask("tcp", "127.0.0.1", 80, box), "box", "the neighbour's network stays")


@test("a client that keeps sending by UDP is not sent to a container that is gone", needs=NEEDS, steps=STEPS)
def _(s):
    there = outside()
    client = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
for line in sys.stdin:
    s.sendto(b"ping", ("%s", 8080))
    try:
        print(s.recv(100).decode(), flush=True)
    except (TimeoutError, ConnectionRefusedError):
        print("nobody", flush=True)
""" % HOST4
    talk = start(there.argv(sys.executable, "-c", client), stdin=subprocess.PIPE)
    living = Container(s, name="living")
    for name in ("first", "second"):
        box = Container(s, "-p", "8080:80/udp", name=name)
        talk.write("again\n")
        talk.read_until(name)
        box.stop()
    talk.write("again\n")
    talk.read_until("nobody")
    living.stop()


@test("the root of a user namespace gets its network from the root outside", needs=NEEDS, steps=STEPS)
def _(s):
    show = "ip -o -4 address show dev eth0; cat /proc/self/uid_map; cat /etc/hosts; ip link set eth0 mtu 1300 && cat /sys/class/net/eth0/mtu"
    r = run(s.argv("--user", "--map-auto", "--network=bridge", "--hostname", "mapped", cmd=["/bin/sh", "-c", show], privileged=True))
    equal(r.status, 0)
    contains(r.out, "eth0")
    contains(r.out, "\tmapped")
    equal(r.lines[-1], "1300")


# ---- the host is left alone ----------------------------------------------------------------------


@test("tables and interfaces that are not ours are not touched", needs=NEEDS, steps=STEPS)
def _(s):
    run(["nft", "add table inet mine; add chain inet mine c { type filter hook forward priority 5; }; add rule inet mine c counter accept"])
    ip("link add mine0 type bridge")
    before = run(["nft", "-s", "list", "ruleset"]).out
    equal(run(s.argv("--network=bridge", "-p", "8080:80", cmd=["/bin/true"])).status, 0)
    equal(run(["nft", "-s", "list", "ruleset"]).out, before)
    contains(links(), "mine0")
    run(["nft", "delete table inet mine"])
    ip("link del mine0")


@test("an interface of our bridge's name that is not ours is refused, and kept", needs=NEEDS, steps=STEPS)
def _(s):
    ip(f"link add {BRIDGE} type bridge")
    bad("a foreign bridge", s.argv("--network=bridge", cmd=["/bin/true"]), call=BRIDGE, names="EEXIST")
    contains(links(), BRIDGE)
    ip(f"link del {BRIDGE}")


@test("somebody flushes all rules: the next container brings ours back", needs=NEEDS, steps=STEPS)
def _(s):
    Container(s, "-p", "7001:80", name="one")
    run(["nft", "flush", "ruleset"])
    Container(s, "-p", "7002:80", name="two")
    equal(ask("tcp", "127.0.0.1", 7002), "two")
    equal(ask("tcp", "127.0.0.1", 7001), "one", "by the relay")


@test("a port that somebody added to our map by hand is nobody's, and stays", needs=NEEDS, steps=STEPS)
def _(s):
    one = Container(s, "-p", "7001:80", name="one")
    run(["nft", f"add element inet {BRIDGE} at4 {{ udp . 127.0.0.1 . 9999 : 10.212.3.3 . 53 }}"])
    two = Container(s, "-p", "7002:80", name="two")
    equal(ask("tcp", "127.0.0.1", 7002), "two")
    two.stop()
    contains(table(), "127.0.0.1 . 9999 : 10.212.3.3 . 53")
    one.stop()


@test("forwarding that was on stays on, and an IPv6 route learned from a router is kept", needs=NEEDS, steps=STEPS)
def _(s):
    outside()
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("1")
    ip(f"-6 route add default via {OUT6} proto ra")
    accept = "/proc/sys/net/ipv6/conf/world/accept_ra"
    equal(read(accept).strip(), "1")
    box = Container(s)
    equal(read(accept).strip(), "2")
    box.stop()
    equal([read(accept).strip(), read("/proc/sys/net/ipv4/ip_forward").strip()], ["1", "1"])
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("0")


def switches():
    """The forwarding of every interface but ours, and of the default for new ones."""
    found = {}
    for family in ("ipv4", "ipv6"):
        conf = f"/proc/sys/net/{family}/conf"
        found |= {f"{family} {name}": read(f"{conf}/{name}/forwarding").strip() for name in os.listdir(conf) if not name.startswith((BRIDGE, "bx"))}
    return found


def forwarding_alone(count):
    for i in range(count):
        ip(f"link add alone{i} type veth peer name end-of-alone{i}")
        for family in ("ipv4", "ipv6"):
            with open(f"/proc/sys/net/{family}/conf/alone{i}/forwarding", "w") as file:
                file.write("1")
    return switches()


def delete_alone(count):
    for i in range(count):
        ip(f"link del alone{i}")


@test("interfaces that forwarded alone do so again afterwards, however many they are", needs=NEEDS, steps=STEPS)
def _(s):
    before = forwarding_alone(20)
    equal((before["ipv4 all"], before["ipv4 end-of-alone0"], before["ipv6 alone19"]), ("0", "0", "1"))
    box = Container(s)
    equal(switches()["ipv4 end-of-alone0"], "1")
    box.stop()
    equal(switches(), before)
    delete_alone(20)


@test("the switches are put back after a run that was killed, and when somebody has deleted its bridge", needs=NEEDS, steps=STEPS)
def _(s):
    before = forwarding_alone(2)
    for network, delete in (("none", False), ("bridge", True)):
        box = Container(s)
        box.process.send(signal.SIGKILL)
        box.process.wait()
        wait_for(lambda box=box: ended(box.pid), "the end of the container")
        if delete:
            ip("link del " + BRIDGE)
        equal(switches()["ipv4 all"], "1")
        equal(run(s.argv("--network=" + network, cmd=["/bin/true"])).status, 0)
        equal(switches(), before)
    delete_alone(2)


@test("an image gets a network like any other root", needs=NEEDS, steps=STEPS)
def _(s):
    r = run([s.path, "-p", "8080:80", "--hostname", "img", IMAGE, "/bin/sh", "-c", "ip -o -4 address show dev eth0; cat /etc/hostname; cat /etc/hosts"])
    equal(r.status, 0)
    contains(r.out, "eth0")
    matches(r.out, r"^img$")
    matches(r.out, r"^10\.[0-9.]+\timg$")


@test("what is told of the network are the calls that are made", needs=NEEDS + " cmd:strace", steps=STEPS)
def _(s):
    argv = [s.path, "-p", "8080:80", "--rootfs", ROOTFS, "--", "/bin/true"]
    r, told = explain(argv)
    equal(r.status, 0)
    calls = [re.sub(r"\b\d{5,}\b", "N", t["call"]) for t in told]
    for wanted in ('RTM_NEWLINK, "boxstep0")', 'RTM_NEWADDR, "10.212.0.1")', 'NFNL_MSG_BATCH_BEGIN, "boxstep0")', 'RTM_NEWLINK, "eth0")', 'RTM_NEWROUTE, "10.212.0.1")', 'RTM_NEWLINK, "lo")', 'RTM_DELLINK, "group N")'):
        check(any(call.startswith("sendto(") and call.endswith(wanted) for call in calls), f"{wanted} is not told: {calls}")
    check('write("/proc/sys/net/ipv4/ip_forward", "1")' in calls, "ip_forward")
    # of the netlink changes (they ask for an acknowledgement), each is told once, in its order; of a
    # socket in another namespace strace knows the numbers only
    number = {"RTM_NEWLINK": 16, "RTM_DELLINK": 17, "RTM_SETLINK": 19, "RTM_NEWADDR": 20, "RTM_NEWROUTE": 24, "NFNL_MSG_BATCH_BEGIN": 16}
    traced = run(["strace", "-f", "-qq", "-s", "9999", "-e", "trace=sendto", "-o", TMP + "/trace", *argv])
    equal(traced.status, 0)
    made = [re.search(r"sendto\((\d+), \[+{nlmsg_len=\d+, nlmsg_type=(\w+)", line) for line in read(TMP + "/trace").splitlines() if "NLM_F_ACK" in line]
    said = [re.match(r"sendto\((\d+), (\w+), ", call) for call in calls if call.startswith("sendto(")]
    equal([number.get(m[2]) or int(m[2], 0) for m in made], [number[m[2]] for m in said])


# ---- names ---------------------------------------------------------------------------------------


def with_resolver(text, argv):
    """ARGV where /etc/resolv.conf says TEXT."""
    with open(TMP + "/resolv", "w") as file:
        file.write(text)
    return ["unshare", "-m", "sh", "-c", f'mount --bind {TMP}/resolv /etc/resolv.conf && exec "$@"', "-", *argv]


@test("a resolver on the host's loopback is left out, the others stay", needs=NEEDS, steps=STEPS)
def _(s):
    text = "nameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\noptions edns0\nsearch example.org\n"
    r = run(with_resolver(text, s.argv("--network=bridge", cmd=["/bin/cat", "/etc/resolv.conf"])))
    equal(r.lines, ["nameserver 192.0.2.53", "options edns0", "search example.org"])
    r = run(with_resolver("nameserver 127.0.0.53\n", s.argv("--network=bridge", cmd=["/bin/cat", "/etc/resolv.conf"])))
    absent(r.out, "nameserver")
    contains(r.out, "--dns")
    r = run(with_resolver(text, s.argv("--network=host", cmd=["/bin/cat", "/etc/resolv.conf"])))
    contains(r.out, "nameserver 127.0.0.53")


@test("of a resolv.conf that is too long whole lines are taken", needs=NEEDS, steps=STEPS)
def _(s):
    text = "nameserver 192.0.2.53\n" + "#" * (65536 - 21 - 1 - 20 - 1) + "\n" + "nameserver 192.0.2.123\n"
    equal(text[:65536][-20:], "nameserver 192.0.2.1")
    r = run(with_resolver(text, s.argv("--network=bridge", cmd=["/bin/cat", "/etc/resolv.conf"])))
    equal([line for line in r.lines if not line.startswith("#")], ["nameserver 192.0.2.53"])


@test("a line added to the host's own hosts is a line, though that has no end of line", needs=NEEDS, steps=STEPS)
def _(s):
    with open(TMP + "/hosts", "w") as file:
        file.write("127.0.0.1 localhost")
    mounted = ["unshare", "-m", "sh", "-c", f'mount --bind {TMP}/hosts /etc/hosts && exec "$@"', "-"]
    r = run([*mounted, *s.argv("--network=host", "--add-host", "db:192.0.2.9", cmd=["/bin/cat", "/etc/hosts"])])
    equal(r.lines, ["127.0.0.1 localhost", "192.0.2.9\tdb"])


@test("--dns, --add-host and --hostname stand in the container's files", needs=NEEDS, steps=STEPS)
def _(s):
    options = "--network=bridge --dns 192.0.2.7 --dns fd00::7 --dns [2001:db8::1] --dns-search corp.example --add-host db:192.0.2.9 --add-host six=[fd00::9] --add-host gate:host-gateway --hostname box".split()
    r = run(s.argv(*options, cmd=["/bin/sh", "-c", "cat /etc/resolv.conf /etc/hosts /etc/hostname; hostname; ip -o -4 address show dev eth0"]))
    equal(r.status, 0)
    own = re.search(r"inet ([0-9.]+)/", r.out)[1]
    for line in ("nameserver 192.0.2.7", "nameserver fd00::7", "nameserver 2001:db8::1", "search corp.example", "192.0.2.9\tdb", "fd00::9\tsix", own + "\tbox", "127.0.0.1\tlocalhost"):
        check(line in r.lines, f"{line!r} in {r.out}")
    matches(r.out, r"^10\.\d+\.\d+\.1\tgate$")
    equal(r.lines.count("box"), 2)


@test("the files of names are the container's to write, and are not the image's", needs=NEEDS, steps=STEPS)
def _(s):
    r = run(s.argv("--network=bridge", cmd=["/bin/sh", "-c", "echo nameserver 192.0.2.1 > /etc/resolv.conf && cat /etc/resolv.conf"]))
    equal(r.lines, ["nameserver 192.0.2.1"])
    absent(read(ROOTFS + "/etc/resolv.conf") if os.path.exists(ROOTFS + "/etc/resolv.conf") else "", "192.0.2.1")


# ---- without root --------------------------------------------------------------------------------


@test("an ordinary user gets a network with lo, or the host's", needs="user", steps=STEPS)
def _(s):
    for mode, wanted in (("none", 1), ("host", 0)):
        argv = s.argv("--user", "--map-root", "--network", mode, cmd=["/bin/sh", "-c", "readlink /proc/self/ns/net; cat /sys/class/net/lo/operstate /etc/hosts"], privileged=True)
        r = run_as_user(argv)
        equal(r.status, 0)
        equal(r.lines[0] != ns_of("self"), bool(wanted))


@test("without --network an ordinary user gets one with lo only", needs="user", steps=STEPS)
def _(s):
    r = run_as_user([s.path, "--user", "--map-root", "--rootfs", ROOTFS, "--", "/bin/sh", "-c", "ip -o link | wc -l; ping -c 1 -w 5 127.0.0.1"])
    equal([r.status, r.lines[0]], [0, "1"])


@test("refused: an ordinary user's bridge, with what it needs", needs="user", steps=STEPS)
def _(s):
    r = run_as_user([s.path, "--user", "--map-root", "--network", "bridge", "--rootfs", ROOTFS, "--", "/bin/true"])
    equal(r.status, 125)
    contains(r.err, "--network bridge")
    contains(r.err, "CAP_NET_ADMIN")


# ---- bad use -------------------------------------------------------------------------------------

for what, options in {
    "a mode that does not exist": ["--network", "cloud"],
    "a process that is no number": ["--network", "container:x1"],
    "a port above 65535": ["--publish", "65536:80"],
    "a port 0": ["--publish", "8080:0"],
    "an IPv6 address without brackets": ["--publish", "::1:8080:80"],
    "a name in place of an address": ["--publish", "localhost:8080:80"],
    "a protocol that is not carried": ["--publish", "8080:80/sctp"],
    "ranges of different length": ["--publish", "8000-8002:80-81"],
    "a range that goes down": ["--publish", "8002-8000:80-82"],
    "an address with a zone": ["--publish", "[fe80::1%eth0]:80:80"],
    "a port with a sign": ["--publish", "+80:80"],
    "a port in hexadecimal": ["--publish", "0x50:80"],
    "ports of a container without a bridge": ["--network", "none", "--publish", "80:80"],
    "a resolver that is no address": ["--dns", "one.one.one.one"],
    "a host without address": ["--add-host", "db"],
    "a host with a line end in its name": ["--add-host", "a\nb:192.0.2.1"],
    "a search domain with a blank": ["--dns-search", "a b"],
    "a host name that would be a line of hosts": ["--hostname", "a\n192.0.2.6 bank.example"],
}.items():
    value = options[-1].split("\n")[0].split(" ")[0]
    bad(what, lambda options=options: [step(6), "--rootfs", ROOTFS, *options, "--", "/bin/true"], call=options[-2], names=value)

bad("an address that the host has not", lambda: [step(6), "--rootfs", ROOTFS, "-p", "198.51.100.1:8080:80", "--", "/bin/true"], call="bind(", names="198.51.100.1")
bad("a process that is not there", lambda: [step(6), "--rootfs", ROOTFS, "--network", "container:4194303", "--", "/bin/true"], call="pidfd_open(", names="4194303")
bad("a path that is no namespace", lambda: [step(6), "--rootfs", ROOTFS, "--network", "ns:/dev/null", "--", "/bin/true"], call="setns(", names="/dev/null")
bad("a path that is not there", lambda: [step(6), "--rootfs", ROOTFS, "--network", "ns:/nonexistent", "--", "/bin/true"], call="open(", names="/nonexistent")
bad("a command that is not there, on a bridge", lambda: [step(6), "--rootfs", ROOTFS, "-p", "8080:80", "--", "/nonexistent"], call="execve(", status=127)
