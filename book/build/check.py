#!/usr/bin/env python3
"""book-check: is the book true, and in the form that it should have?

Usage: check.py [--no-run | --no-vm | --in-vm] [CHAPTER.md…]

--no-run: no transcripts; --no-vm: none that needs the VM lab; --in-vm: those alone, and no other check.

Prints a line for each check and each transcript: ok, FAIL with the places, or skip with the reason.
"""
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import figures
import generated
import listings
import places
import transcripts
from chapter import BOOK, ROOT, Fault, chapters

LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
RECORD = re.compile(r"^\| (CVE-\d+-\d+) \| [^|]+ \| [^|]*\]\(https://[^|]+ \| [^|]+ \|$", re.M)  # whose, where, mended in
NEAR = 40  # lines
ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|cf|No|Fig|St|Dr|Mr|Ms)\.$")


def code_removed(line):
    return re.sub(r"`[^`]*`", "`x`", line)


# ---- what each check finds: it yields sentences that begin with the place ----

def check_listings(list_, _whole):
    for chapter in list_:
        for fence in filter(listings.is_listing, chapter.fences):
            try:
                if fence.body != listings.listing(fence):
                    yield f"{fence.place}: the listing is not the code; run make book-sync"
            except Fault as fault:
                yield str(fault)
        for fence in chapter.fences:
            if len(fence.body) > listings.LONGEST:
                yield f"{fence.place}: {len(fence.body)} lines; at most {listings.LONGEST} are read"


def check_anchors(list_, whole):
    """Every mark in a source is used by a listing: a stale one misleads."""
    if not whole:
        return
    used = {(f.settings.get(k), f.settings.get("anchor"))
            for c in list_ for f in c.fences for k in ("file", "from", "to")}
    for path in sources():
        try:
            for name in listings.anchors(path):
                if (str(path.relative_to(ROOT)), name) not in used:
                    yield f"{path.relative_to(ROOT)}: no listing uses the anchor {name}"
        except Fault as fault:
            yield str(fault)


def sources():
    return sorted(p for step in ROOT.glob("step0*") for p in step.rglob("*.[ch]"))


def check_coverage(list_, whole):
    """Every source file is named: by its path anywhere, or by its name in its step's chapter."""
    if not whole:
        return
    texts = {c.name: c.text for c in list_ if c.name.startswith("book/") and c.name not in places.MADE}
    for path in sources():
        name, step = str(path.relative_to(ROOT)), path.relative_to(ROOT).parts[0][4:6]
        own = "".join(t for n, t in texts.items() if n.startswith(f"book/{step}"))
        bare = re.escape(path.name)
        if not any(name in t for t in texts.values()) and not re.search(rf"(?<![\w-]){bare}\b", own):
            yield f"{name}: no chapter names this file"


def check_spoken(list_, _whole):
    """A public function that a listing shows is spoken of in the prose around it."""
    public = places.functions_of(places.sources())
    for chapter in list_:
        prose = list(chapter.prose())
        for fence in filter(listings.is_listing, chapter.fences):
            first = int(fence.place.rpartition(":")[2])
            near = " ".join(text for number, text in prose
                            if first - NEAR <= number <= first + len(fence.body) + 1 + NEAR)
            for name in re.findall(r"^([a-z_]\w*)\(", "\n".join(fence.body), re.M):
                own = public.get(name, ("",))[0] == fence.settings.get("file")
                if own and not re.search(rf"\b{name}\b", near):
                    yield f"{fence.place}: no sentence near says what {name} is for"


def check_told(list_, whole):
    """A public function is named by a sentence where its own chapter explains its file: that it is
    in the index, in a listing or in a table tells nobody what it is for."""
    if not whole:
        return
    by_name = {c.name: c for c in list_ if c.name.startswith("book/") and c.name not in places.MADE}
    files = places.sources()
    explained = places.explained(SimpleNamespace(order=list(by_name), by_name=by_name), files)
    said = {name: places.told(chapter) for name, chapter in by_name.items()}
    for name, (file, number) in places.functions_of(files).items():
        texts = (said[c].get(heading, "") for c, heading, _ in explained[file] if places.at_home(file, c))
        if not any(re.search(rf"\b{name}\b", text) for text in texts):
            yield f"{file}:{number}: no sentence of its chapter says what {name} is for"


def check_tests(list_, _whole):
    """A test that a table names, `FILE`: its sentence, is in that file, by that sentence."""
    for chapter in list_:
        for number, line in chapter.prose():
            for file, name in re.findall(r"\| `(tests/[\w/]+\.py)`: ([^|]+?) \|", line):
                path = ROOT / file
                text = path.read_text(encoding="utf-8") if path.exists() else ""
                sentence = re.escape(name.replace("`", ""))
                if not re.search(rf'"{sentence}(?: \(CVE-[\d-]+\))?"', text):
                    yield f"{chapter.name}:{number}: {file} has no test “{name}”"


def check_records(list_, whole):
    """An attack that a chapter names by its CVE number has a row that says where it is on record."""
    recorded = {number for chapter in list_ for number in RECORD.findall(chapter.text)}
    for chapter in list_ if whole else []:
        for line, text in chapter.prose():
            for number in sorted(set(re.findall(r"CVE-\d+-\d+", text)) - recorded):
                yield f"{chapter.name}:{line}: no table says where {number} is on record"


def check_terms(list_, _whole):
    """A term of the field is defined once: one sentence of the book has it in bold."""
    defined = {}
    for chapter in list_:
        for term, number, _, _ in places.terms(chapter):
            place = f"{chapter.name}:{number}"
            if term.lower() in defined:
                yield f"{place}: {term} is defined by {defined[term.lower()]} already"
            defined.setdefault(term.lower(), place)


def check_links(list_, _whole):
    headings = {}

    def has(path, fragment):
        if path not in headings:
            text = path.read_text(encoding="utf-8")
            headings[path] = {places.slug(x) for x in re.findall(r"^#+ (.*)$", text, re.M)}
        return fragment in headings[path]

    for chapter in list_:
        for number, line in chapter.prose():
            for image, text, target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
                place = f"{chapter.name}:{number}"
                if image and not text.strip():
                    yield f"{place}: the figure {target} has no text alternative"
                if re.match(r"(https?|mailto):", target):
                    continue
                file, _, fragment = target.partition("#")
                path = (chapter.path.parent / file).resolve() if file else chapter.path
                if not path.exists():
                    yield f"{place}: the link {target} leads nowhere"
                elif fragment and not has(path, fragment):
                    yield f"{place}: {file or chapter.name} has no heading #{fragment}"


def check_contents(_list, whole):
    """SUMMARY.md lists every chapter."""
    if not whole:
        return
    summary = (BOOK / "SUMMARY.md").read_text(encoding="utf-8")
    for path in sorted(BOOK.glob("*.md")):
        if path.name not in ("SUMMARY.md", "README.md") and f"({path.name})" not in summary:
            yield f"book/SUMMARY.md: {path.name} is missing"


PARTS = {"a box of the shorthand": r"Common shorthand, and what the kernel does",
         "what real engines do differently": r"^## What real engines do differently$",
         "what goes wrong": r"^## What goes wrong$",
         "the exercises": r"^## Exercises$.*\(exercises/0\d\.md\)"}


def check_parts(list_, _whole):
    """A chapter of a step has the parts that a reader looks for in each, and the difference from the step before."""
    for chapter in list_:
        step = re.match(r"book/0([1-7])-", chapter.name)
        if not step:
            continue
        for part, mark in PARTS.items():
            if not re.search(mark, chapter.text, re.M | re.S):
                yield f"{chapter.name}: it does not have {part}"
        head, *sections = re.split("^## ", chapter.text, flags=re.M)
        if not re.search(r"\?$", head, re.M):
            yield f"{chapter.name}: it does not begin with the question that it answers"
        if [fence.language for fence in chapter.fences][:1] != ["console"]:
            yield f"{chapter.name}: it does not begin with a transcript to try"
        if not all("\n```console" in text for text in sections if "Common shorthand, and" in text):
            yield f"{chapter.name}: its box of the shorthand has no transcript as evidence"
        before = int(step[1]) - 1
        if before and not re.search(rf"^## From step {before} to step {step[1]}$.*^\$ diff -u step0{before}-", chapter.text, re.M | re.S):
            yield f"{chapter.name}: it does not show the difference from step {before}"


def check_sentences(list_, _whole):
    """One sentence a line, so that a change and its translation can be read line by line."""
    for chapter in list_:
        if chapter.name == "book/SUMMARY.md":
            continue
        before = ""
        for number, line in chapter.prose():
            text = re.sub(r"^\s*(?:>\s?)*(?:(?:[-*]|\d+\.)\s+)?", "", line)
            text = re.sub(r"\]\([^)]*\)", "]", code_removed(text))
            if not text or re.match(r"\s*(#|\||<|!\[)", text):
                before = ""
                continue
            for part in re.finditer(r"[.!?][)\"'”*_]*\s+(?=[\"'“(*_`\[]*[A-Z`])", text):
                if not ABBREVIATION.search(text[:part.start() + 1]):
                    yield f"{chapter.name}:{number}: more than one sentence on the line"
                    break
            item = re.match(r"\s*(?:>\s?)*(?:[-*]|\d+\.)\s", line)
            if before and not item and not re.search(r"[.!?:][)\"'”*_`\]]*(\[\^\w+\])?$", before):
                yield f"{chapter.name}:{number}: the sentence began on the line above"
            before = text.rstrip()


def check_spelling(list_, _whole):
    if not shutil.which("codespell"):
        if os.environ.get("MUST_WORK") == "1":
            yield "codespell is not installed"
        return
    done = subprocess.run(["codespell", "-I", BOOK / "build/words", *(c.path for c in list_)],
                          capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        yield line.replace(f"{ROOT}/", "")


def check_generated(list_, _whole):
    for chapter in list_:
        yield from generated.differences(chapter)


def check_figures(_list, whole):
    if whole:
        for path, _ in figures.stale():
            yield f"{path.relative_to(ROOT)}: not what its source says; run make figures"


def check_norun(list_, whole):
    """At most one transcript of the book in ten is not run, and each of them says why."""
    sessions, norun = transcripts.sessions(list_)
    for fence in norun:
        if not transcripts.not_run(fence).strip():
            yield f"{fence.place}: norun without a reason"
    if whole and len(norun) * 10 > len(norun) + len(sessions):
        yield f"{len(norun)} of {len(norun) + len(sessions)} transcripts are not run: one in ten may be"


CHECKS = (check_listings, check_anchors, check_coverage, check_spoken, check_told, check_tests, check_records, check_terms,
          check_links, check_contents, check_parts, check_sentences, check_spelling, check_generated, check_figures, check_norun)


# ---- results: `ok NAME`, `FAIL NAME: why` (more lines of it are indented), `skip NAME: why` ----

failed = []


def result(name, faults):
    if faults:
        failed.append(name)
        print(f"FAIL {name}: " + "\n    ".join(faults), flush=True)
    else:
        print(f"ok {name}", flush=True)


def said_otherwise(session):
    """What a transcript of the book has otherwise than the programs now, in words."""
    if session.fault:
        return [session.fault]
    found = session.differences()
    lines = [f"the book says {said!r}, now it is {got!r}" for said, got in found[:5]]
    return lines + ([f"and {len(found) - 5} lines more"] if len(found) > 5 else [])


def run_transcripts(list_, where):
    sessions, norun = transcripts.sessions(list_)
    sessions = [session for session in sessions if session.where in where]
    for fence in norun if "native" in where else []:
        print(f"# {fence.place} is not run: {transcripts.not_run(fence)}")
    skipped, ready = transcripts.run_all(sessions)
    for session, what in skipped:
        print(f"skip transcript {session.fence.place}: needs {what}")
    for session in ready:
        result(f"transcript {session.fence.place}", said_otherwise(session))


def main(arguments):
    names = [a for a in arguments if not a.startswith("--")]
    list_ = chapters(names)
    for check in CHECKS if "--in-vm" not in arguments else []:
        result(check.__name__[6:], list(check(list_, not names)))
    if "--no-run" not in arguments:
        run_transcripts(list_, [where for where, not_it in (("native", "--in-vm"), ("vm", "--no-vm")) if not_it not in arguments])
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Fault as error:
        print(f"FAIL book: {error}")
        sys.exit(1)
