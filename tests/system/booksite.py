"""The book's site in a real browser, from file:// paths: it says nothing wrong, finds what is asked, can be read."""

import http.client
import socket
import urllib.parse
import zipfile

from harness import *

ROOT_OF_TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
NEEDS = "cmd:pandoc cmd:dot cmd:chromium cmd:chromedriver"
PHONE, DESK = (360, 740), (1280, 900)


class Browser:
    """Chromium by its WebDriver: JSON over a loopback socket, as www.w3.org/TR/webdriver2 says."""

    def __init__(self, *flags):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.driver = start(["chromedriver", f"--port={self.port}"], env={"HOME": TMP, "TMPDIR": TMP})
        wait_for(self._up, "chromedriver")
        args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={TMP}/chromium", *flags]
        options = {"browserName": "chrome", "goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.path = "/session"
        self.path += "/" + self.ask("POST", "", {"capabilities": {"alwaysMatch": options}})["sessionId"]

    def _up(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def ask(self, verb, path, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120 * SLOW)
        link.request(verb, self.path + path, json.dumps(body) if body is not None else None)
        value = json.load(link.getresponse())["value"]
        if isinstance(value, dict) and "error" in value:
            raise Failure(f"{path}: {value['message']}")
        return value

    def go(self, page, size=DESK):
        self.ask("POST", "/window/rect", {"width": size[0], "height": size[1]})
        self.ask("POST", "/url", {"url": page if "://" in page else f"file://{SITE}/{page}"})
        return self

    def js(self, script, *args):
        return self.ask("POST", "/execute/sync", {"script": script, "args": args})

    def keys(self, text):
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": [
            {"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]}]})

    def devtools(self, command, **params):
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def complaints(self):
        """What the console got, but for the browser's own first page."""
        messages = [e["message"] for e in self.ask("POST", "/se/log", {"type": "browser"})]
        return [m for m in messages if not m.startswith("chrome:")]

    def requests(self):
        """Addresses that the pages asked for."""
        for entry in self.ask("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                yield message["params"]["request"]["url"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.ask("DELETE", "")
        finally:
            self.driver.send(signal.SIGTERM)
            self.driver.wait()


SITE = STAGE + "/book/site"


def build():
    """The site, made once for the run."""
    if not os.path.exists(SITE):
        r = run([ROOT_OF_TREE + "/book/build/site/make_site.py", "--only=site", STAGE + "/book"], timeout=240)
        equal(r.status, 0, r.err)


def pages():
    found = []
    for folder, _, names in os.walk(SITE):
        found += [os.path.relpath(os.path.join(folder, n), SITE) for n in names if n.endswith(".html")]
    return sorted(found)


@test("every link of the site leads to a page and a place in it, and nothing is asked of a network", needs=NEEDS)
def _():
    build()
    ids, links = {}, []
    for page in pages():
        text = read(f"{SITE}/{page}")
        ids[page] = set(re.findall(r'\bid="([^"]+)"', text))
        equal(re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?//[^"]*"', text), [], page)
        links += [(page, html) for html in re.findall(r'<a [^>]*href="([^"]+)"', text)]
        links += [(page, html) for html in re.findall(r'(?:src|action)="([^"]+)"', text)]
    check(len(ids) > 100 and len(links) > 2000, f"{len(ids)} pages, {len(links)} links")
    for page, link in set(links):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, mark = urllib.parse.unquote(link).partition("#")
        path = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
        check(os.path.exists(f"{SITE}/{path}"), f"{page}: {link} leads nowhere")
        check(not mark or mark in ids.get(path, ()), f"{page}: {path} has no #{mark}")


@test("every file of the steps and every function that others can call has its page and its line", needs=NEEDS)
def _():
    build()
    for step in sorted(os.listdir(ROOT_OF_TREE)):
        for folder, _, names in os.walk(f"{ROOT_OF_TREE}/{step}") if step.startswith("step0") else ():
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), ROOT_OF_TREE)
                if name.endswith((".c", ".h")):
                    text = read(f"{SITE}/src/{path}.html")
                    contains(text, "Explained in <a ")
                    equal(text.count('class="line"'), len(read(f"{ROOT_OF_TREE}/{path}").rstrip("\n").split("\n")), path)
    text = read(SITE + "/functions.html")
    place = re.search(r'href="src/step03-mounts/rootfs.c.html#L(\d+)"><code>rootfs_pivot</code>', text)
    equal(read(ROOT_OF_TREE + "/step03-mounts/rootfs.c").split("\n")[int(place[1]) - 1].startswith("rootfs_pivot("), True)


@test("a function that a page speaks of leads to its definition, and there is a page between each step and the next", needs=NEEDS)
def _():
    build()
    made = ("functions.html", "files.html", "steps.html", "search.html")
    places = {name: place for place, name in re.findall(r'href="(src/[^"]+)"><code>(\w+)</code>', read(SITE + "/functions.html"))}
    spoken = 0
    for page in pages():
        if page not in made and not page.startswith(("src/", "diff/")):
            for link, name in re.findall(r"(<a [^>]*>)?<code>(\w+)(?:\(\))?</code>", re.sub(r"\s+", " ", read(f"{SITE}/{page}"))):
                if name in places:
                    contains(link, places[name] + '"', f"{page}: {name}")
                    spoken += 1
    check(spoken > 1000, f"{spoken} functions spoken of")
    for n in range(1, 7):
        contains(read(f"{SITE}/diff/step{n:02}-step{n + 1:02}.html"), "<ins>+")


CONTRAST = """
const parse = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 && m[3] === 0 ? null : m.slice(0, 3); };
const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const back = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c) return c; } return [255, 255, 255]; };
const poor = new Set();
for (const e of document.querySelectorAll("body *")) {
  if (!e.checkVisibility() || e.closest("svg") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
  const a = light(parse(getComputedStyle(e).color)), b = light(back(e));
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) poor.add(e.tagName + "." + e.className + " " + ratio.toFixed(2));
}
return [...poor];
"""
HEADINGS = 'return [...document.querySelectorAll("main h1,main h2,main h3,main h4,main h5")].map((h) => +h.tagName[1])'
SEEN = ["index.html", "03-mounts.html", "search.html?q=pivot_root", "files.html", "functions.html", "steps.html",
        "src/step03-mounts/rootfs.c.html", "diff/step03-step04.html"]


@test("in the browser no page complains, headings go down by one, contrast is 4.5 in light and dark, a phone needs no sideways scrolling", needs=NEEDS, timeout=600)
def _():
    build()
    chapters = [p for p in pages() if "/" not in p and p[0].isdigit()]
    check(len(chapters) >= 9, "chapters")
    with Browser() as b:
        for page in dict.fromkeys([*SEEN, *chapters]):
            b.go(page)
            shades = set()
            for scheme in ("light", "dark"):
                b.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
                shades.add(b.js("return getComputedStyle(document.body).backgroundColor"))
                equal(b.js(CONTRAST), [], f"{page} {scheme}: contrast")
            equal(len(shades), 2, f"{page}: backgrounds of light and dark")
            levels = b.js(HEADINGS)
            equal(levels.count(1), 1, f"{page}: first headings")
            check(all(after <= before + 1 for before, after in zip(levels, levels[1:])), f"{page}: {levels}")
            b.devtools("Emulation.setDeviceMetricsOverride", width=PHONE[0], height=PHONE[1], deviceScaleFactor=1, mobile=True)
            equal(b.js("return document.documentElement.scrollWidth"), PHONE[0], f"{page}: width on a phone")
            b.devtools("Emulation.clearDeviceMetricsOverride")
        equal(b.complaints(), [])
        equal([u for u in b.requests() if not u.startswith(("file:", "data:", "chrome"))], [])


@test("the search finds a section from a file:// page, and its answer leads there", needs=NEEDS, timeout=300)
def _():
    build()
    with Browser() as b:
        b.go("index.html")
        b.js('const f = document.querySelector("header input"); f.value = "pivot_root old root"; f.form.submit();')
        wait_for(lambda: b.js('return document.querySelectorAll("#found li").length') > 0, "answers")
        contains(b.js("return location.href"), "search.html?q=pivot_root")
        first = b.js('return document.querySelector("#found a").getAttribute("href")')
        matches(first, r"^0[03]-")
        b.js('const w = document.getElementById("words"); w.value = "overlay_mount"; w.dispatchEvent(new Event("input"));')
        contains(b.js('return [...document.querySelectorAll("#found a")].map((a) => a.getAttribute("href")).join(" ")'), "src/step05-overlay/overlay.c.html#L")
        b.js('const w = document.getElementById("words"); w.value = "xyzzy plugh"; w.dispatchEvent(new Event("input"));')
        equal(b.js('return document.getElementById("count").textContent'), "0 places")
        equal(b.complaints(), [])


@test("with the keyboard alone: first past the contents, then home, search, theme, chapters, in the order of the page", needs=NEEDS, timeout=300)
def _():
    build()
    with Browser() as b:
        b.go("03-mounts.html")
        order = []
        for _ in range(6):
            b.keys("\ue004")
            order.append(b.js("const e = document.activeElement; return e.className || e.name || e.id || e.tagName"))
        equal(order[:4], ["skip", "home", "q", "theme"])
        before = b.js('return getComputedStyle(document.body).backgroundColor')
        b.go("03-mounts.html")
        for _ in range(4):
            b.keys("\ue004")
        b.keys("\ue007")
        differs(b.js('return getComputedStyle(document.body).backgroundColor'), before, "the other theme")


@test("the EPUB and the PDF hold every chapter of the contents", needs=NEEDS + " cmd:weasyprint cmd:pdftotext", timeout=300)
def _():
    r = run([ROOT_OF_TREE + "/book/build/site/make_site.py", "--only=epub", "--only=pdf", TMP + "/book"], timeout=240)
    equal(r.status, 0, r.err)
    with zipfile.ZipFile(TMP + "/book/boxstep.epub") as book:
        epub = " ".join(book.read(n).decode() for n in book.namelist() if n.endswith("html"))
    r = run(["pdftotext", "-layout", TMP + "/book/boxstep.pdf", "-"])
    pdf = re.sub(r"\s+", " ", r.out)
    for name in os.listdir(ROOT_OF_TREE + "/book"):
        heading = re.search(r"^# (.*)$", read(f"{ROOT_OF_TREE}/book/{name}"), re.M) if name.endswith(".md") else None
        if heading and name != "SUMMARY.md":
            contains(re.sub(r"<[^>]+>", "", epub), heading[1].replace("`", ""), "the EPUB")
            contains(pdf, heading[1].replace("`", ""), "the PDF")
