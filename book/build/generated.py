"""Parts of a text that a script makes: between `<!-- generated: NAME -->` and `<!-- end -->`.

`lines` counts the code of the steps into the column "lines of code" of the table it encloses;
`rights` is the table that tests/system/rights.py made of what each option did in three situations;
`podman`, `containerd` and `dockerd` list what the tests of that caller show, by their names;
`norun` lists the transcripts that make test does not run, each with its reason;
`glossary` has the sentence that defines each term, and the section where it stands;
`index01` to `index07` say of each file and function of a step where the book explains it.
"""
import functools
import re

import places
from chapter import ROOT, Fault, chapters

PART = re.compile(r"(<!-- generated: (\w+) -->\n)(.*?)(<!-- end -->)", re.S)


# The folders whose code a row of the table counts; a room of step 7 is not counted with it.
ROWS = {f"step{n:02}": (f"step{n:02}-*", "step07-runtime/security") if n == 7 else (f"step{n:02}-*",)
        for n in range(1, 8)}
ROWS |= {"boxstep-oci": ("step07-runtime/oci",), "boxstep": ("step07-runtime/engine",),
         "boxstep-pull": ("step07-runtime/registry",)}


def code_lines(folder):
    """Lines of the C files in a folder that are neither empty nor comment."""
    count = 0
    for path in folder.glob("*.[ch]"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        text = re.sub(r"^\s*//.*$", "", text, flags=re.M)
        count += sum(1 for line in text.split("\n") if line.strip())
    return count


def lines(body):
    rows = body.strip("\n").split("\n")
    column = [c.strip() for c in rows[0].split("|")].index("lines of code")
    for i, row in enumerate(rows):
        name = re.match(r"\| \[?`?([\w-]+)", row)
        if name and name[1] in ROWS:
            folders = (f for pattern in ROWS[name[1]] for f in ROOT.glob(pattern))
            cells = row.split("|")
            cells[column] = f" {sum(map(code_lines, folders)):,} "
            rows[i] = "|".join(cells)
    return "\n".join(rows) + "\n"


def rights(body):
    """What a run in the machine found to be different from BODY; taken once, or it would come back when
    it is old."""
    made = ROOT / "build/rights.md"
    if made.exists():
        body = made.read_text(encoding="utf-8")
        made.unlink()
    return body


def caller(name):
    def tests(_body):
        text = (ROOT / f"tests/oci/{name}.py").read_text(encoding="utf-8")
        return "".join(f"- {found}\n" for found in re.findall(r'^@test\("([^"]*)"', text, re.M))

    return tests


def norun(_body):
    count, rows, heading = 0, [], ""
    for chapter in chapters():
        for kind, _, part in chapter.parts:
            if kind == "prose":
                heading = (re.findall(r"^#+ (.*)$", "\n".join(part), re.M) or [heading])[-1]
            elif part.language == "console":
                count += 1
                why = part.settings.get("norun")
                if why is not None:
                    rows.append(f"- [{places.plain(heading)}]({chapter.name[5:]}#{places.slug(heading)}): {why}.\n")
    if not rows:
        return f"`make test` runs all {count} such blocks.\n"
    return f"Of {count} such blocks `make test` leaves out {len(rows)}.\n\n" + "".join(rows)


@functools.cache
def where():
    """The chapters; then for each file and each public function the sections that explain it."""
    contents, files = places.Contents(), places.sources()
    functions = places.functions_of(files)
    return contents, functions, places.explained(contents, files), places.spoken_of(contents, functions)


def link(contents, found, most):
    shown = []
    for name, heading, mark in found[:most]:
        number, part = contents.title(name).partition(" · ")[0], places.plain(heading)
        words = [number] * (part != number and not part.startswith(f"{number} · ")) + [part] * bool(part)
        shown.append(f"[{' · '.join(words)}]({name[5:]}#{mark})".replace("|", "or"))
    return ", ".join(shown)


def glossary(_body):
    contents = where()[0]
    found = {term: (sentence, (name, heading, places.slug(heading)))
             for name in contents.order for term, _, sentence, heading in places.terms(contents.by_name[name])}
    return "".join(f"- **{term}**, {link(contents, [place], 1)}: {sentence}\n"
                   for term, (sentence, place) in sorted(found.items(), key=lambda entry: entry[0].lower()))


def index(step):
    def tables(_body):
        contents, functions, explained, spoken = where()
        files = [file for file in explained if file.startswith(f"step{step}")]
        rows = ["| file | what it is for | explained in |", "|---|---|---|"]
        rows += [f"| [`{file.partition('/')[2]}`](../{file}) | {places.purpose(file).replace('|', 'or')} | "
                 f"{link(contents, explained[file], 1)} |" for file in files]
        rows += ["", "| function | file | explained in |", "|---|---|---|"]
        for name, (file, _) in sorted(functions.items()):
            if file in files:
                found = spoken.get(name) or explained[file] or explained.get(file[:-1] + "h")
                if not found:
                    raise Fault(f"{file}: no chapter explains {name}")
                rows.append(f"| `{name}` | `{file.partition('/')[2]}` | {link(contents, found, 2)} |")
        return "\n".join(rows) + "\n"

    return tables


MAKERS = {"lines": lines, "rights": rights, "norun": norun, "glossary": glossary}
MAKERS |= {f"index{step:02}": index(f"{step:02}") for step in range(1, 8)}
MAKERS |= {name: caller(name) for name in ("podman", "containerd", "dockerd")}


def _made(chapter, mark):
    if mark[2] not in MAKERS:
        raise Fault(f"{chapter.name}: nothing generates `{mark[2]}`")
    return MAKERS[mark[2]](mark[3])


def differences(chapter):
    for mark in PART.finditer(chapter.text):
        if mark[2] == "rights":  # tests/system/rights.py compares it with what it saw
            continue
        if _made(chapter, mark) != mark[3]:
            yield f"{chapter.name}: the generated part `{mark[2]}` is out of date; run make book-sync"


def fill(chapter):
    """Makes the generated parts anew, in the prose of the chapter."""
    for i, (kind, first, part) in enumerate(chapter.parts):
        if kind == "prose":
            text = PART.sub(lambda m: m[1] + _made(chapter, m) + m[4], "\n".join(part))
            chapter.parts[i] = (kind, first, text.split("\n"))
