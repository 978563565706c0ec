"""A chapter as the tools see it: its fences, its prose, its headings and links.

Only the Markdown that the book uses is understood: fenced blocks that begin at the margin,
headings with #, lists, tables, block quotes, inline links and images.
"""
import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"

FENCE = re.compile(r"^(`{3,})(.*)$")


class Fault(Exception):
    """Something in a chapter that the reader of the message has to mend."""


class Fence:
    """One fenced block: its language, its tags (`vm`) and settings (`file=…`), its lines."""

    def __init__(self, chapter, line, info):
        self.chapter, self.line, self.body = chapter, line, []
        words = shlex.split(info)
        self.language = words[0] if words else ""
        self.tags = {w for w in words[1:] if "=" not in w}
        self.settings = dict(w.split("=", 1) for w in words[1:] if "=" in w)

    @property
    def place(self):
        return f"{self.chapter.name}:{self.line}"


class Chapter:
    def __init__(self, path):
        self.path = pathlib.Path(path).resolve()
        self.name = str(self.path.relative_to(ROOT))
        self.text = self.path.read_text(encoding="utf-8")
        self.parts = []  # ("prose", first line number, [lines]) or ("fence", opening line, Fence)
        self._split()

    def _split(self):
        lines, number, prose = self.text.split("\n"), 0, []
        while number < len(lines):
            mark = FENCE.match(lines[number])
            if not mark:
                prose.append(lines[number])
                number += 1
                continue
            self._add_prose(prose, number)
            prose = []
            fence = Fence(self, number + 1, mark[2])
            opening = lines[number]
            number += 1
            while number < len(lines) and lines[number] != mark[1]:
                fence.body.append(lines[number])
                number += 1
            if number == len(lines):
                raise Fault(f"{fence.place}: the fence is not closed")
            self.parts.append(("fence", opening, fence))
            number += 1
        self._add_prose(prose, number)

    def _add_prose(self, lines, end):
        if lines:
            self.parts.append(("prose", end - len(lines) + 1, lines))

    @property
    def fences(self):
        return [part for kind, _, part in self.parts if kind == "fence"]

    def prose(self):
        """Yields (line number, line) of everything outside fences."""
        for kind, first, lines in self.parts:
            if kind == "prose":
                yield from enumerate(lines, first)

    def write(self):
        """Puts the chapter together again, with the bodies that its fences have now."""
        lines = []
        for kind, opening, part in self.parts:
            if kind == "prose":
                lines += part
            else:
                lines += [opening, *part.body, FENCE.match(opening)[1]]
        text = "\n".join(lines)
        if text == self.text:
            return False
        self.path.write_text(text, encoding="utf-8")
        self.text = text
        return True


def chapters(names=()):
    """The chapters named, or all: the book's and the README."""
    paths = [pathlib.Path(n) for n in names] or [ROOT / "README.md", *sorted(BOOK.rglob("*.md"))]
    return [Chapter(p) for p in paths if p.exists() or names]
