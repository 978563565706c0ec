"""boxstep-pull against registries: one that misbehaves on demand, and Debian's docker-registry."""

import glob
import hashlib
import http.client
import random
import sys

from fakeregistry import *
from harness import *

sys.path.append(ROOT + "/tests/demo")
from push import push  # noqa: E402

BIG = 3 << 20


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def store(name="pulled"):
    return f"{TMP}/{name}"


def pull(reference, *options, into=None, ok=True, **more):
    """Runs boxstep-pull with a store of the test's own; gives the Result."""
    r = run([program("boxstep-pull"), "--root", into or store(), *options, reference], **more)
    if ok:
        equal(r.status, 0, "status")
    return r


def refused(reference, *texts, options=(), **more):
    """A pull that must fail: status 125, nothing on stdout but progress, no name in the store."""
    r = pull(reference, *options, ok=False, **more)
    equal(r.status, 125, "status")
    absent(r.out, "Status:")
    matches(r.err, r"^boxstep-pull: ")
    equal(r.err.count("\n"), 1, "lines of the message")
    for text in texts:
        contains(r.err, text)
    store_is_right()
    return r


def store_is_right(into=None):
    """Each blob is what its name says, and nothing half-done has one."""
    for path in glob.glob((into or store()) + "/blobs/sha256/*"):
        with open(path, "rb") as file:
            equal(hashlib.sha256(file.read()).hexdigest(), os.path.basename(path), "a blob's digest")


def blob_path(name, into=None):
    return f"{into or store()}/blobs/sha256/{name.removeprefix('sha256:')}"


def partial_path(name):
    return f"{store()}/partial/{name.removeprefix('sha256:')}"


def small(registry, **more):
    return registry.image("latest", [{"a": b"one"}, {"b": b"two"}, {"c": b"three"}], **more)


def big(registry):
    """Two layers of BIG bytes that do not compress."""
    return registry.image("latest", [{"a": noise(BIG, 1)}, {"b": noise(BIG, 2)}])


def authfile(registry, user="me", password="secret"):
    path = TMP + "/auth.json"
    with open(path, "w") as file:
        auth = basic(user, password).removeprefix("Basic ")
        json.dump({"auths": {registry.host: {"auth": auth}}}, file)
    return path


# ---- the plain way -------------------------------------------------------------------------------


@test("an image is pulled once: the second pull asks for its name only")
def _():
    with Registry() as registry:
        image = small(registry)
        r = pull(f"{registry.host}/team/app")
        equal(r.lines[-1], f"{registry.host}/team/app:latest")
        contains(r.out, f"Digest: {image['digest']}\nStatus: Downloaded newer image")
        equal(len(registry.paths("/blobs/")), 4, "blobs that were got")
        store_is_right()
        r = pull(f"{registry.host}/team/app:latest")
        contains(r.out, "Status: Image is up to date")
        equal(len(registry.paths("/blobs/")), 4, "blobs after the second pull")
        r = pull(f"{registry.host}/team/app@{image['digest']}", "--quiet")
        equal(r.out, f"{registry.host}/team/app@{image['digest']}\n")


@test("the engine pulls through boxstep-pull: quietly if told so, on stderr before a run, its end is the engine's")
def _():
    env = {"BOXSTEP_ROOT": store()}
    with Registry() as registry:
        small(registry)
        name, none = f"{registry.host}/team/app:latest", f"{registry.host}/team/app:nosuch"
        r = run([program("boxstep"), "pull", "--quiet", name], env=env)
        equal((r.status, r.out, r.err), (0, name + "\n", ""))
        # an image that does not say when it was made
        matches(run([program("boxstep"), "images"], env=env).out, r"/team/app +latest +[0-9a-f]{12} +N/A  ")
        r = run([program("boxstep"), "pull", none], env=env)
        equal((r.status, r.out), (125, ""))
        contains(r.err, "404")
        r = run([program("boxstep"), "run", "--rm", "--network", "none", none, "true"], env=env)
        equal((r.status, r.out), (125, ""))
        contains(r.err, "404")
        contains(r.err, f"the image {none} could not be pulled (boxstep-pull ended with 125)")


@test("a boxstep-pull that is not there is named, one that is killed ends the pull as a shell would say it")
def _():
    alone = TMP + "/alone"
    os.makedirs(alone)
    shutil.copy(program("boxstep"), alone)
    env = {"BOXSTEP_ROOT": store(), "BOXSTEP_LIBEXEC": ""}
    for argv in (["pull", "app"], ["run", "--rm", "--network", "none", "app", "true"]):
        r = run([alone + "/boxstep", *argv], env=env)
        equal((r.status, r.out), (125, ""))
        contains(r.err, "the program boxstep-pull: ENOENT")
        contains(r.err, "$BOXSTEP_LIBEXEC")
    with open(alone + "/boxstep-pull", "w") as file:
        file.write("#!/bin/sh\nkill -9 $$\n")
    os.chmod(alone + "/boxstep-pull", 0o755)
    equal(run([alone + "/boxstep", "pull", "app"], env=env).status, 137)


@test("boxstep-pull ends with the boxstep that started it, of a pull as of a run")
def _():
    for number in (signal.SIGTERM, signal.SIGKILL):
        for words in (["pull"], ["run", "--rm", "--network", "none"]):
            with Registry() as registry:
                small(registry)
                registry.fault("/manifests/", hang=60)
                p = start([program("boxstep"), *words, f"{registry.host}/app"], env={"BOXSTEP_ROOT": store()})
                wait_for(lambda: registry.paths("/manifests/"), "the question for the manifest")
                child = int(read(f"/proc/{p.pid}/task/{p.pid}/children"))
                p.send(number)
                gone = lambda: not os.path.exists(f"/proc/{child}") or "State:\tZ" in read(f"/proc/{child}/status")
                wait_for(gone, "the end of boxstep-pull")
                equal(p.wait().status, 128 + number)


@test("an image is pulled and unpacked by an ordinary user", needs="user")
def _():
    with Registry() as registry:
        small(registry)
        r = run_as_user([program("boxstep-pull"), f"{registry.host}/app"])
        equal(r.status, 0)


@test("from an index the platform's manifest is chosen, this machine's or the one asked for")
def _():
    with Registry() as registry:
        entries = []
        for architecture in ("amd64", "arm64", "riscv64"):
            image = registry.image(architecture, [{architecture: b"x"}], architecture)
            entries.append({**image, "platform": {"os": "linux", "architecture": architecture}})
        value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        index = registry.manifest("latest", value, INDEX)
        r = pull(f"{registry.host}/app", "--platform", "linux/riscv64")
        contains(r.out, f"Digest: {index['digest']}")
        check(os.path.exists(blob_path(registry.layers("riscv64")[0])), "the layer of riscv64 came")
        pull(f"{registry.host}/app", into=store("here"))
        here = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
        check(os.path.exists(blob_path(registry.layers(here)[0], store("here"))), "and this machine's")
        check(not os.path.exists(blob_path(registry.layers("riscv64")[0], store("here"))), "and no other")
        refused(f"{registry.host}/app", "s390x", options=["--platform", "linux/s390x"])


@test("an index in an index is followed, but not for ever")
def _():
    with Registry() as registry:
        entry = small(registry)
        for depth in range(1, 5):
            entry["platform"] = {"os": "linux", "architecture": os.uname().machine.replace("x86_64", "amd64")}
            value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
            entry = registry.manifest(f"depth{depth}", value, INDEX)
        pull(f"{registry.host}/app:depth2")
        refused(f"{registry.host}/app:depth4", "an index in an index")


@test("docker's media types are read as the OCI's are")
def _():
    with Registry() as registry:
        small(registry)
        value = json.loads(registry.manifests["latest"][1])
        value["mediaType"] = DOCKER + "v2+json"
        value["config"]["mediaType"] = "application/vnd.docker.container.image.v1+json"
        for layer in value["layers"]:
            layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
        image = registry.manifest("latest", value, DOCKER + "v2+json")
        image["platform"] = {"os": "linux", "architecture": os.uname().machine.replace("x86_64", "amd64")}
        value = {"schemaVersion": 2, "mediaType": DOCKER + "list.v2+json", "manifests": [image]}
        registry.manifest("list", value, DOCKER.replace("manifest.", "manifest.list.") + "v2+json")
        pull(f"{registry.host}/app")


@test("layers come side by side, as many as --parallel says")
def _():
    with Registry() as registry:
        registry.image("latest", [{f"f{i}": noise(2000, i)} for i in range(9)])
        registry.pace = 0.2
        pull(f"{registry.host}/app", "--parallel", "3")
        equal(registry.most, 3, "blobs at the same time")


@test("a layer that an image has twice is got once")
def _():
    with Registry() as registry:
        registry.image("latest", [{"a": b"same"}, {"b": b"other"}, {"a": b"same"}])
        pull(f"{registry.host}/app")
        equal(len(registry.paths("/blobs/")), 3)


@test("two pulls at once share the work, and both succeed")
def _():
    with Registry() as registry:
        big(registry)
        registry.pace = 0.5
        argv = [program("boxstep-pull"), "--root", store(), f"{registry.host}/app"]
        both = [start(argv), start(argv)]
        equal([p.wait().status for p in both], [0, 0])
        equal(len(registry.paths("/blobs/")), 3, "blobs that were got")
        store_is_right()


# ---- who is asking -------------------------------------------------------------------------------


@test("a token is got for a public image without any password")
def _():
    with Registry(auth="token") as registry:
        small(registry)
        pull(f"{registry.host}/team/app", env={"REGISTRY_AUTH_FILE": "", "HOME": TMP})
        asked = registry.paths("/token")
        equal(len(asked), 1, "tokens")
        contains(asked[0], "service=fake")
        contains(asked[0].lower(), quote("repository:team/app:pull").lower())


@test("user and password of the configuration file go to the token server, the token to the registry")
def _():
    with Registry(auth="token", user="me", password="secret") as registry:
        small(registry)
        pull(f"{registry.host}/app", env={"REGISTRY_AUTH_FILE": authfile(registry)})
        for request in registry.requests:
            if request.path.startswith("/v2/"):
                absent(request.authorization, "Basic")


@test("basic authentication works, and the file is found below $HOME")
def _():
    with Registry(auth="basic", user="me", password="secret") as registry:
        small(registry)
        os.makedirs(TMP + "/.docker")
        os.rename(authfile(registry), TMP + "/.docker/config.json")
        pull(f"{registry.host}/app", env={"HOME": TMP})


@test("a token that expires in the middle of a pull is renewed")
def _():
    with Registry(auth="token") as registry:
        registry.image("latest", [{f"f{i}": noise(2000, i)} for i in range(6)])
        registry.pace = 0.1
        late = registry.layers()[4]
        registry.fault(late, status=401, headers={"WWW-Authenticate": f'Bearer realm="{registry.url}/token"'})
        pull(f"{registry.host}/app", "--parallel", "2")
        equal(len(registry.paths("/token")), 2, "tokens")


@test("refused: a wrong password, and none where one is wanted")
def _():
    for kind in ("basic", "token"):
        with Registry(auth=kind, user="me", password="secret") as registry:
            small(registry)
            wrong = authfile(registry, password="guess")
            refused(f"{registry.host}/app", "EACCES", "401", options=["--authfile", wrong])
            refused(f"{registry.host}/app", "EACCES", env={"HOME": TMP})
            refused(f"{registry.host}/app", "ENOENT", "/nowhere", options=["--authfile", "/nowhere"])


@test("refused: a login that boxstep does not know; where to put a password is said only if one is missing")
def _():
    with Registry(auth="basic", user="me", password="secret") as registry:
        small(registry)
        contains(refused(f"{registry.host}/app", "wants a user and a password").err, "--authfile")
        registry.challenge = "Negotiate"
        absent(refused(f"{registry.host}/app", "EOPNOTSUPP", "does not know").err, "config.json")
    with Registry(auth="token", user="me", password="secret") as registry:
        small(registry)
        contains(refused(f"{registry.host}/app", "/token", "401").err, "config.json")
        registry.user = None
        registry.fault("/token", status=200, body=b"no token")
        absent(refused(f"{registry.host}/app", "EPROTO").err, "config.json")


@test("refused: credentials that a helper keeps, with the helper's name")
def _():
    with Registry(auth="token", user="me", password="secret") as registry:
        small(registry)
        with open(TMP + "/config.json", "w") as file:
            json.dump({"credHelpers": {registry.host: "osxkeychain"}}, file)
        refused(f"{registry.host}/app", "docker-credential-osxkeychain", env={"DOCKER_CONFIG": TMP})


@test("a redirect to another host gets neither the password nor the token")
def _():
    with Registry(auth="token", user="me", password="secret") as registry, Registry() as elsewhere:
        small(registry)
        elsewhere.blobs = registry.blobs
        for name in registry.layers():
            registry.fault(f"/blobs/{name}", redirect=f"{elsewhere.url}/v2/x/blobs/{name}?signature=1")
        pull(f"{registry.host}/app", "--authfile", authfile(registry))
        equal(len(elsewhere.requests), 3, "redirected requests")
        for request in elsewhere.requests:
            equal(request.authorization, "", "authorization sent elsewhere")


@test("a redirect within the registry keeps the token")
def _():
    with Registry(auth="token") as registry:
        small(registry)
        name = registry.layers()[0]
        registry.fault(f"/app/blobs/{name}", redirect=f"/v2/mirror/blobs/{name}")
        pull(f"{registry.host}/app")
        check(registry.paths("/v2/mirror/"), "the redirect was followed")


@test("refused: another host that asks for a password after a redirect (CVE-2020-15157)")
def _():
    with Registry(auth="token", user="me", password="secret") as registry, Registry() as thief:
        small(registry)
        thief.auth, thief.user, thief.password = "basic", "x", "y"
        registry.fault("/blobs/", redirect=f"{thief.url}/v2/app/blobs/x", times=9)
        refused(f"{registry.host}/app", "401", options=["--authfile", authfile(registry)])
        check(thief.requests, "the redirect was followed")
        equal({r.authorization for r in thief.requests}, {""}, "what the thief was given")


@test("addresses that a manifest names for its layers are not used")
def _():
    with Registry() as registry, Registry() as thief:
        small(registry)
        value = json.loads(registry.manifests["latest"][1])
        for layer in value["layers"]:
            layer["urls"] = [f"{thief.url}/layer"]
        registry.manifest("latest", value)
        pull(f"{registry.host}/app")
        equal(thief.requests, [])


@test("refused: a redirect or a token server that is plain http on another machine")
def _():
    with Registry() as registry:
        small(registry)
        registry.fault("/blobs/", redirect="http://192.0.2.1/blob", times=9)
        refused(f"{registry.host}/app", "http://192.0.2.1:80", "plain http")
    with Registry(auth="token") as registry:
        small(registry)
        for realm in ("http://192.0.2.1/token", "file:///etc/passwd", "https://me:pw@192.0.2.1/"):
            registry.realm = realm
            absent(refused(f"{registry.host}/app", "EPROTO").err, "config.json")


@test("a layer that is cut off at a redirect's end is asked for at its beginning again")
def _():
    with Registry(auth="token") as registry, Registry() as elsewhere:
        big(registry)
        elsewhere.blobs = registry.blobs
        name = registry.layers()[0]
        registry.fault(name, redirect=f"{elsewhere.url}/v2/x/blobs/{name}?good=once", times=9)
        elsewhere.fault(name, cut=1000000)
        elsewhere.fault(name, cut=1000000)
        pull(f"{registry.host}/app")
        equal(len(registry.paths(name)), 3, "times that the registry was asked")
        equal([r.range for r in elsewhere.requests], ["", "bytes=1000000-", "bytes=2000000-"])


@test("a registry that redirects for ever is left")
def _():
    with Registry() as registry:
        small(registry)
        registry.fault("/blobs/", redirect=f"{registry.url}/v2/app/blobs/sha256:0", times=99)
        refused(f"{registry.host}/app", "ELOOP")


# ---- what breaks on the way ----------------------------------------------------------------------


@test("a layer that is cut off goes on where it stopped")
def _():
    with Registry() as registry:
        big(registry)
        name = registry.layers()[0]
        registry.fault(name, cut=1000000)
        registry.fault(name, cut=700000)
        pull(f"{registry.host}/app")
        ranges = [r.range for r in registry.requests if name in r.path]
        equal(ranges, ["", "bytes=1000000-", "bytes=1700000-"])
        store_is_right()


@test("a layer that is cut off is got again from a server that knows no ranges")
def _():
    with Registry(ranges=False) as registry:
        big(registry)
        registry.fault(registry.layers()[0], cut=1000000)
        pull(f"{registry.host}/app")
        store_is_right()


@test("refused: a layer that is always cut off at the same place")
def _():
    with Registry(ranges=False) as registry:
        big(registry)
        registry.fault(registry.layers()[0], cut=100000, times=50)
        refused(f"{registry.host}/app", registry.layers()[0])
        check(len(registry.paths(registry.layers()[0])) < 10, "it gave up in time")


@test("a pull that is killed leaves a right store, and the next one takes up what had come")
def _():
    for number in (signal.SIGKILL, signal.SIGINT):
        with Registry() as registry:
            shutil.rmtree(store(), ignore_errors=True)
            big(registry)
            first = registry.layers()[0]
            registry.fault(first, cut=1500000)
            registry.fault(first, hang=30)
            p = start([program("boxstep-pull"), "--root", store(), f"{registry.host}/app"])
            wait_for(lambda: len(registry.paths(first)) == 2, "the second try")
            p.send(number)
            equal(p.wait().status, 128 + number)
            store_is_right()
            registry.faults.clear()
            pull(f"{registry.host}/app")
            store_is_right()
            equal([r.range for r in registry.requests if first in r.path][-1], "bytes=1500000-")


@test("a partial layer that somebody damaged is thrown away and got again")
def _():
    with Registry() as registry:
        big(registry)
        os.makedirs(store() + "/partial")
        for i, size in enumerate((1000, BIG * 2)):
            with open(partial_path(registry.layers()[i]), "wb") as file:
                file.write(noise(size, 99))
        pull(f"{registry.host}/app")
        store_is_right()


@test("refused: a layer whose bytes are others than its name says; the right ones are taken later")
def _():
    with Registry() as registry:
        big(registry)
        name = registry.layers()[1]
        wrong = bytearray(registry.blobs[name])
        wrong[len(wrong) // 2] ^= 1
        registry.fault(name, body=bytes(wrong))
        refused(f"{registry.host}/app", "digest mismatch", name)
        check(not os.path.exists(blob_path(name)), "the wrong blob has no name")
        check(not os.path.exists(partial_path(name)), "and is not kept")
        pull(f"{registry.host}/app")
        store_is_right()


@test("refused: a layer that is longer or shorter than its manifest says")
def _():
    with Registry() as registry:
        small(registry)
        name = registry.layers()[0]
        registry.fault(name, body=registry.blobs[name] + b"x")
        refused(f"{registry.host}/app", "longer than", name)
        registry.fault(name, body=registry.blobs[name][:-1], times=50)
        refused(f"{registry.host}/app", name)


@test("a busy or broken server is asked again, when it says or after a while")
def _():
    with Registry() as registry:
        small(registry)
        registry.fault("/v2/", status=503)
        registry.fault("/manifests/", status=429, headers={"Retry-After": "1"})
        for name, status in zip(registry.layers(), (500, 502, 504)):
            registry.fault(name, status=status)
        r = pull(f"{registry.host}/app")
        check(r.seconds >= 1, f"Retry-After was kept ({r.seconds:.2f} s)")


@test("refused: a server that is always broken, or wants to be left alone for an hour")
def _():
    with Registry() as registry:
        small(registry)
        registry.fault("/manifests/", status=500, times=99)
        refused(f"{registry.host}/app", "500", "told to fail")
        tries = len(registry.paths("/manifests/"))
        check(2 <= tries <= 6, f"{tries} tries")
        registry.faults.clear()
        registry.fault("/manifests/", status=429, headers={"Retry-After": "3600"}, times=99)
        r = refused(f"{registry.host}/app", "429", "3600 s")
        check(r.seconds < 10, "and said at once")


@test("a server's words are shown without what would drive the terminal")
def _():
    with Registry() as registry:
        small(registry)
        body = json.dumps({"errors": [{"message": "\x1b]0;owned\x07\x1b[2J" + "ü" * 500}]}).encode()
        registry.fault("/manifests/", status=403, body=body)
        r = refused(f"{registry.host}/app", "owned")
        absent(r.err, "\x1b")
        check(len(r.err) < 1000, "and not all of them")


class Stream:
    """A body of COUNT times PIECE, one each PAUSE seconds; .whole when somebody took all of it."""

    def __init__(self, piece, count, pause=0.0):
        self.piece, self.count, self.pause, self.whole = piece, count, pause, False

    def __iter__(self):
        for _ in range(self.count):
            time.sleep(self.pause)
            yield self.piece
        self.whole = True


@test("a refusal or a redirect whose body has no end is taken by its status, and the rest left")
def _():
    with Registry(auth="token") as registry:
        small(registry)
        refusals = ((404, "ENOENT", 1), (403, "EACCES", 1), (500, "EPROTO", 9))
        for piece, count, pause in ((b"x" * 65536, 1000, 0), (b"x", 120, 0.5)):
            for status, name, times in refusals if not pause else refusals[:1]:
                streams = [Stream(piece, count, pause) for _ in range(times)]
                for stream in streams:
                    registry.fault("/manifests/", status=status, stream=stream)
                refused(f"{registry.host}/app", name, str(status))
                registry.faults.clear()
                check(not any(stream.whole for stream in streams), f"all of the body of a {status} was taken")
        asks, away = Stream(b"x" * 65536, 1000), Stream(b"x" * 65536, 1000)
        challenge = f'Bearer realm="{registry.url}/token"'
        name = registry.layers()[0]
        registry.fault("/manifests/", status=401, stream=asks, headers={"WWW-Authenticate": challenge})
        registry.fault(f"/app/blobs/{name}", status=302, stream=away, redirect=f"/v2/mirror/blobs/{name}")
        pull(f"{registry.host}/app")
        check(registry.paths("/v2/mirror/"), "the redirect was followed")
        check(not asks.whole and not away.whole, "all of the body was taken")


# ---- manifests that are none ---------------------------------------------------------------------


@test("refused: a tag that is not there")
def _():
    with Registry() as registry:
        small(registry)
        refused(f"{registry.host}/app:nosuch", "404", "manifest unknown", "/v2/app/manifests/nosuch")


@test("refused: schema 1, with a sentence")
def _():
    with Registry() as registry:
        registry.manifest("latest", {"schemaVersion": 1, "name": "x", "fsLayers": []}, SCHEMA1)
        refused(f"{registry.host}/app", "schema")


@test("refused: a manifest that is an index too (CVE-2021-41190)")
def _():
    with Registry() as registry:
        small(registry)
        value = json.loads(registry.manifests["latest"][1])
        value["manifests"] = []
        registry.manifest("latest", value)
        refused(f"{registry.host}/app")
        registry.manifest("latest", value, INDEX)
        refused(f"{registry.host}/app")


@test("refused: a manifest whose header and text name different media types")
def _():
    with Registry() as registry:
        small(registry)
        registry.manifests["latest"] = (DOCKER + "v2+json", registry.manifests["latest"][1])
        refused(f"{registry.host}/app")


@test("refused: a manifest that is announced as nothing is said to be so, also by a header without a value")
def _():
    with Registry() as registry:
        image = small(registry)
        value = json.loads(registry.manifests["latest"][1])
        for media in ("", " "):
            registry.manifest("latest", value, media)
            refused(f"{registry.host}/app", 'announced as ""')
        registry.manifest("latest", value, MANIFEST + " ; charset=utf-8")
        contains(pull(f"{registry.host}/app").out, image["digest"])


@test("refused: a manifest above 4 MiB, said before all of it has come")
def _():
    with Registry() as registry:
        registry.manifest("latest", b" " * (5 << 20))
        refused(f"{registry.host}/app", "EFBIG", str(4 << 20))


@test("refused: a manifest that is not the one its digest names, whatever the header claims")
def _():
    with Registry() as registry:
        image = small(registry)
        other = registry.image("other", [{"x": b"evil"}])
        registry.manifests[image["digest"]] = registry.manifests["other"]
        registry.fault(image["digest"], headers={"Docker-Content-Digest": image["digest"]})
        refused(f"{registry.host}/app@{image['digest']}", "digest mismatch", image["digest"], other["digest"])


@test("refused: texts that are no manifest")
def _():
    good = {"schemaVersion": 2, "config": {"mediaType": CONFIG, "digest": "sha256:" + "0" * 64, "size": 2}}
    texts = [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"schemaVersion":2}',
        b"[" * 100000,
        json.dumps({**good, "layers": [{"digest": "sha256:../../../etc/passwd", "size": 1}]}).encode(),
        json.dumps({**good, "layers": [{"digest": "sha256:" + "0" * 64, "size": -1}]}).encode(),
        json.dumps({**good, "layers": 7}).encode(),
    ]
    with Registry() as registry:
        for text in texts:
            registry.manifest("latest", text)
            refused(f"{registry.host}/app")


@test("a registry that answers with random bytes is refused, in whatever place")
def _():
    chance = random.Random(7)
    with Registry() as registry:
        small(registry)
        for place in ("/v2/", "/manifests/", "/blobs/"):
            for _ in range(4):
                registry.fault(place, body=chance.randbytes(chance.randrange(2000)), times=2)
                r = pull(f"{registry.host}/app", ok=False)
                check(r.status in (0, 125), f"status {r.status}")
                registry.faults.clear()
                store_is_right()
                shutil.rmtree(store())


# ---- nobody there, no room -----------------------------------------------------------------------


@test("refused: nobody listens, no such host, no network, no registry")
def _():
    refused(f"127.0.0.1:{free_port()}/app", "ECONNREFUSED")
    refused("registry.invalid/app", "registry.invalid", "https://")
    refused("192.0.2.1:5000/app", "ENETUNREACH", "https://192.0.2.1:5000")
    with Registry() as registry:
        registry.fault("/v2/", status=404, times=9)
        refused(f"{registry.host}/app", "not a registry")


@test("a registry that nobody answers for is asked once", needs="cmd:strace")
def _():
    port, trace = free_port(), TMP + "/trace"
    r = run(["strace", "-f", "-e", "trace=connect", "-o", trace, program("boxstep-pull"), "--root", store(), f"127.0.0.1:{port}/app"])
    equal(r.status, 125)
    equal(len(re.findall(rf"htons\({port}\)", read(trace))), 1)


@test("refused: names that are none, before anything is opened")
def _():
    for name in ("Nginx", "a//b", "x:", "x@sha256:12", "http://localhost/x", "-x/y", ""):
        r = run([program("boxstep-pull"), "--root", store(), "--", name])
        equal(r.status, 125)
        check(not os.path.exists(store()), "no store was made")
    bad("no name", [program("boxstep-pull")], names="IMAGE")
    bad("two names", [program("boxstep-pull"), "a", "b"], names="name")
    bad("an unknown option", [program("boxstep-pull"), "--nosuch", "a"], names="--nosuch")
    bad("no connection at all", [program("boxstep-pull"), "--parallel", "0", "a"], names="parallel")


@test("refused: a disk without room is said before the first byte, or when it is full")
def _():
    os.mkdir(store())
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", store()], check=True)
    try:
        with Registry() as registry:
            big(registry)
            refused(f"{registry.host}/app", "ENOSPC", store())
            equal(registry.paths("/blobs/"), [])
    finally:
        subprocess.run(["umount", store()], check=True)


# ---- what is seen --------------------------------------------------------------------------------


@test("progress: bars on a terminal; neither bars nor colour in a pipe or with NO_COLOR")
def _():
    with Registry() as registry:
        big(registry)
        registry.fault(registry.layers()[0], cut=1500000)  # so that it takes a moment
        argv = [program("boxstep-pull"), "--root", store("tty"), f"{registry.host}/app"]
        out = start(argv, pty=True, env={"TERM": "xterm"}).wait().out
        contains(out, "downloading")
        contains(out, "=>")
        contains(out, "\x1b[32m")
        for kind in ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}):
            argv[2] = store("plain" + str(len(kind)))
            out = start(argv, pty=True, env=kind).wait().out
            absent(out, "\x1b")
            contains(out, f"{registry.layers()[0][7:19]}: downloaded, 3.1MB")
        r = pull(f"{registry.host}/app", env={"TERM": "xterm"})
        absent(r.out, "\x1b")
        equal(r.err, "")


# ---- TLS, proxies --------------------------------------------------------------------------------


def certificate():
    """A certificate of the test's own for 127.0.0.1; gives (certificate, key)."""
    files = TMP + "/cert.pem", TMP + "/key.pem"
    words = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -out {files[0]} -keyout {files[1]}"
    subprocess.run([*words.split(), "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return files


@test("TLS: a registry is trusted by its certificate's authority, and not without it", needs="root cmd:openssl")
def _():
    files = certificate()
    with Registry(auth="token", tls=files) as registry:
        small(registry)
        pull(f"{registry.host}/app", env={"SSL_CERT_FILE": files[0]})
        refused(f"{registry.host}/app", "certificate", "SSL_CERT_FILE")


@test("TLS: a proxy for https is not used for this machine", needs="root cmd:openssl")
def _():
    files = certificate()
    with Registry(tls=files) as registry, Registry() as proxy:
        small(registry)
        pull(f"{registry.host}/app", env={"SSL_CERT_FILE": files[0], "https_proxy": proxy.url})
        equal(proxy.requests, [])


@test("TLS: a registry that speaks it cannot redirect to plain http, even on this machine", needs="root cmd:openssl")
def _():
    files = certificate()
    with Registry(tls=files) as registry, Registry() as plain:
        small(registry)
        registry.fault("/blobs/", redirect=f"{plain.url}/v2/app/blobs/x", times=9)
        refused(f"{registry.host}/app", "plain http", env={"SSL_CERT_FILE": files[0]})
        equal(plain.requests, [])


@test("proxies of the environment are for the world, never for this machine")
def _():
    with Registry() as registry, Registry() as proxy:
        small(registry)
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")
        proxies = {name: proxy.url for name in names}
        pull(f"{registry.host}/app", env=proxies)
        equal(proxy.requests, [], "what the proxy saw of this machine")
        with socket.create_server(("127.0.0.1", 0)) as door:
            address = f"http://127.0.0.1:{door.getsockname()[1]}"
            p = start(
                [program("boxstep-pull"), "--root", store("far"), "registry.invalid/app"],
                env={"https_proxy": address},
            )
            door.settimeout(10 * SLOW)
            line = door.accept()[0].recv(100)
            equal(line.split(b"\r")[0], b"CONNECT registry.invalid:443 HTTP/1.1")
            p.kill()


# ---- the real thing ------------------------------------------------------------------------------


def real_registry():
    """Debian's docker-registry on a free port, with a directory of the test's own; gives host:port."""
    port = free_port()
    with open(TMP + "/registry.yml", "w") as file:
        file.write(
            f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {TMP}/registry}}}}\n"
            f"http: {{addr: '127.0.0.1:{port}'}}\n"
        )
    start(["docker-registry", "serve", TMP + "/registry.yml"])

    def up():
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/v2/")
            return connection.getresponse().status == 200
        except OSError:
            return False

    wait_for(up, "docker-registry")
    return f"127.0.0.1:{port}"


@test("an image goes into Debian's docker-registry and comes out the same", needs="root cmd:docker-registry")
def _():
    host = real_registry()
    push(IMAGE_DIR, "latest", f"{host}/team/demo:1")
    r = pull(f"{host}/team/demo:1")
    with open(IMAGE_DIR + "/index.json") as file:
        contains(r.out, json.load(file)["manifests"][0]["digest"])
    for path in glob.glob(store() + "/blobs/sha256/*"):
        check(os.path.exists(f"{IMAGE_DIR}/blobs/sha256/{os.path.basename(path)}"), "a blob of the image")
    store_is_right()
    refused(f"{host}/team/demo:2", "404", "manifest unknown")
    refused(f"{host}/team/nosuch:1", "404")
    contains(pull(f"{host}/team/demo:1").out, "up to date")


@test("a pulled image runs by the name it was pulled by", needs="root cmd:docker-registry")
def _():
    host = real_registry()
    push(IMAGE_DIR, "app", f"{host}/demo:latest")
    pull(f"{host}/demo")
    r = run([step(5), "--root", store(), f"{host}/demo"])
    equal(r.status, 0)
    contains(r.out, "hello, world")
