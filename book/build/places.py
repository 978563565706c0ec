"""Where the book speaks of what: the chapters in their order, the sections of each, and for each source
file and each public function the sections that explain it. The site, the index and the glossary ask here.
"""
import posixpath
import re

from chapter import BOOK, ROOT, chapters

MADE = ("book/A4-glossary.md", "book/A6-index.md")  # from what is found here: nothing is explained there
TERM = re.compile(r"\*\*([^*]+[^*.])\*\*")  # with a full stop inside it is a heading within the text


def sources():
    return sorted(str(p.relative_to(ROOT)) for s in ROOT.glob("step0*") for p in s.rglob("*.[ch]"))


def functions_of(files):
    """{name: (file, line)} of the functions that other files can call: a definition begins its line
    with the name, and the line above, its type, has no `static`."""
    found = {}
    for file in files:
        if not file.endswith(".c"):
            continue
        lines = (ROOT / file).read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines[1:], 2):
            mark = re.match(r"([a-z_]\w*)\(", line)
            above = lines[number - 2]
            if mark and re.match(r"[A-Za-z]", above) and "static" not in above and mark[1] != "main":
                found.setdefault(mark[1], (file, number))
    return found


def plain(markdown):
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")


def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


class Contents:
    """The chapters in the order of SUMMARY.md, with their titles; then what it does not list."""

    def __init__(self):
        summary = (BOOK / "SUMMARY.md").read_text(encoding="utf-8")
        listed = re.findall(r"^( *)- \[([^\]]+)\]\(([^)]+)\)", summary, re.M)
        self.entries = [(len(indent) // 4, plain(title), "book/" + name) for indent, title, name in listed]
        known = {name for _, _, name in self.entries}
        self.by_name = {c.name: c for c in chapters() if c.name.startswith("book/")}
        self.order = [name for _, _, name in self.entries if name in self.by_name]
        self.order += [n for n in self.by_name if n not in known]

    def title(self, name):
        for _, title, listed in self.entries:
            if listed == name:
                return title
        heading = re.search(r"^# (.*)$", self.by_name[name].text, re.M)
        return plain(heading[1]) if heading else name


def elsewhere(names):
    return [name for name in names if name not in MADE]


def sections(chapter):
    """Yields (heading, slug, text of the prose, listed files) of each part of a chapter."""
    heading, lines, listed = "", [], []
    for kind, _, part in chapter.parts:
        if kind == "fence":
            lines += part.body
            listed += [v for k, v in part.settings.items() if k in ("file", "from", "to")]
            continue
        for line in part:
            mark = re.match(r"#{1,6} (.*)$", line)
            if mark:
                if lines or heading:
                    yield heading, slug(heading), "\n".join(lines), listed
                heading, lines, listed = mark[1], [], []
            else:
                lines.append(line)
    yield heading, slug(heading), "\n".join(lines), listed


def explained(contents, files):
    """{file: [(chapter, heading, slug)]}: sections that list a file, then those that name it."""
    found = {name: [] for name in files}
    for weight in (True, False):
        for name in elsewhere(contents.order):
            step = re.match(r"book/(\d\d)", name)
            for heading, mark, text, listed in sections(contents.by_name[name]):
                for file in files:
                    own = step and file.startswith(f"step{step[1]}")
                    said = file in listed if weight else (
                        file in text or own and re.search(rf"(?<![\w-]){re.escape(posixpath.basename(file))}\b", text))
                    place = (name, heading, mark)
                    if said and place not in found[file]:
                        found[file].append(place)
    return found


def told(chapter):
    """{heading: what is said below it}: the sentences, and not what a listing or a table shows."""
    said, heading = {}, ""
    for _, line in chapter.prose():
        mark = re.match(r"#{1,6} (.*)$", line)
        if mark:
            heading = mark[1]
        elif not line.startswith("|"):
            said[heading] = said.get(heading, "") + line + "\n"
    return said


def terms(chapter):
    """Yields (term, line, sentence, heading) of each term that a chapter defines: it is in bold there."""
    heading = ""
    for number, line in chapter.prose() if chapter.name not in (*MADE, "README.md") else ():
        mark = re.match(r"#{1,6} (.*)$", line)
        heading = mark[1] if mark else heading
        for term in TERM.findall(re.sub(r"`[^`]*`", "", line)):
            yield term, number, re.sub(r"^\s*(?:>\s?|[-*]\s)*", "", TERM.sub(r"\1", line)), heading


def at_home(file, chapter):
    """Whether a chapter is one of the file's step, or the one that the head of the file names."""
    head = (ROOT / file).read_text(encoding="utf-8").partition("*/")[0]
    return chapter.startswith(f"book/{file[4:6]}") or chapter in head


def spoken_of(contents, functions):
    """{function: [(chapter, heading, slug)]}: sections whose prose or listing has the word."""
    found = {}
    for name in elsewhere(contents.order):
        for heading, mark, text, _ in sections(contents.by_name[name]):
            for word in set(re.findall(r"\b[a-z]\w+", text)) & functions.keys():
                found.setdefault(word, []).append((name, heading, mark))
    return found


def purpose(name):
    """What the comment at the head of a file says it is for."""
    head = re.match(r"\s*/\*(.*?)\*/", (ROOT / name).read_text(encoding="utf-8"), re.S)
    words = re.sub(r"\s*\n\s*\*\s?", " ", head[1]).strip() if head else ""
    return re.split(r"(?<=[.:;])\s", words.partition(": ")[2] or words)[0].rstrip(".;:")
