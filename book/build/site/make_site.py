#!/usr/bin/env python3
"""make_site.py: the book as a site, an EPUB and a PDF, from its Markdown and the sources.

Usage: make_site.py [--only=site|epub|pdf] [DIR]        default build/book

Every page works from a file:// path and asks nothing of any network. pandoc turns a chapter into
HTML (filter.lua links its words), csource.py colours C and links it; Graphviz draws what includes what.
"""
import concurrent.futures
import difflib
import html
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import csource  # noqa: E402
from chapter import BOOK, ROOT, Fault, chapters  # noqa: E402
from places import (Contents, explained, functions_of, plain, purpose, sections, slug,  # noqa: E402
                    sources, spoken_of)

TITLE = "boxstep: containers in seven steps"
READER = "gfm+attributes+raw_attribute"


# ---- what there is -------------------------------------------------------------------------------


def page_of(name):
    """The page of a chapter (book/…) or of any other file of the project, from the site's top."""
    if name == "book/README.md":
        return "index.html"
    if name.startswith("book/") and name.endswith(".md"):
        return name[5:-3] + ".html"
    return f"src/{name}.html"


def up_from(page):
    return "../" * page.count("/")


# ---- the frame of a page -------------------------------------------------------------------------


def place_links(places, contents, up, most=4):
    links = [f'<a href="{up}{page_of(name)}#{mark}">{html.escape(contents.title(name))}'
             f'{": " + html.escape(plain(heading)) if heading else ""}</a>' for name, heading, mark in places]
    return ", ".join(links[:most]) or "no chapter yet"


def contents_list(contents, page, up):
    rows = []
    for depth, title, name in contents.entries:
        here = ' aria-current="page"' if page_of(name) == page else ""
        rows.append(f'<li class="depth{depth}"><a href="{up}{page_of(name)}"{here}>{html.escape(title)}</a></li>')
    for title, at in (("Files", "files.html"), ("Functions", "functions.html"), ("From step to step", "steps.html")):
        here = ' aria-current="page"' if at == page else ""
        rows.append(f'<li><a href="{up}{at}"{here}>{title}</a></li>')
    return "<ul>" + "".join(rows) + "</ul>"


def framed(contents, page, title, body, kind="chapter", foot=""):
    up = up_from(page)
    frame = (HERE / "page.html").read_text(encoding="utf-8")
    values = {"title": html.escape(title), "up": up, "body": body, "kind": kind, "foot": foot,
              "contents": contents_list(contents, page, up)}
    return re.sub(r"\$(\w+)\$", lambda m: values[m[1]], frame)


def write(top, page, text):
    path = top / page
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# ---- chapters ------------------------------------------------------------------------------------


def transcript(fence):
    where = "in the virtual machine" if "vm" in fence.tags else \
        "as an ordinary user" if "user" in fence.tags else "as root"
    lines, typed = [], False
    for line in fence.body:
        typed = line.startswith("$ ") or typed and line.startswith("> ")
        shown = html.escape(line, quote=False)
        lines.append(f"<kbd>{shown}</kbd>" if typed else shown)
    return (f'<figure class="transcript"><figcaption>a shell, {where}</figcaption>'
            f'<pre tabindex="0" aria-label="transcript">' + "\n".join(lines) + "</pre></figure>")


def listing(fence, names, up):
    file, old = fence.settings.get("file") or fence.settings.get("to"), fence.settings.get("from")
    body = "\n".join(fence.body)
    if fence.language == "diff":
        shown = csource.diff(fence.body)
    else:
        shown = csource.coloured(body, names, up)
    links = [f'<a href="{up}{page_of(f)}"><code>{f}</code></a>' for f in (old, file) if f]
    caption = f"<figcaption>{' → '.join(links)}</figcaption>" if links else ""
    return (f'<figure class="listing">{caption}<pre tabindex="0" aria-label="listing">{shown}</pre></figure>')


def for_site(chapter, names, up):
    """The Markdown of a chapter with its fences already HTML."""
    out = []
    for kind, opening, part in chapter.parts:
        if kind == "prose":
            out += part
            continue
        if part.language == "console":
            block = transcript(part)
        elif part.language in ("c", "diff"):
            block = listing(part, names, up)
        else:
            block = f'<pre tabindex="0" aria-label="text">{html.escape(chr(10).join(part.body), quote=False)}</pre>'
        out += ["`````{=html}", block, "`````"]
    return "\n".join(out)


def neighbours(contents, name, up):
    listed = [n for _, _, n in contents.entries]
    if name not in listed:
        return ""
    at, links = listed.index(name), []
    for step, word in ((-1, "before"), (1, "next")):
        if 0 <= at + step < len(listed):
            other = listed[at + step]
            links.append(f'<a class="{word}" href="{up}{page_of(other)}">{html.escape(contents.title(other))}</a>')
    return f'<nav class="turn" aria-label="chapters before and after">{"".join(links)}</nav>'


def chapter_page(contents, name, names, tables):
    page = page_of(name)
    up, step = up_from(page), re.match(r"book/(\d\d)", name)
    folder = next((d.name for d in ROOT.glob(f"step{step[1]}-*")), "") if step else ""
    markdown = for_site(contents.by_name[name], names, up)
    words = {"tables": tables, "up": up, "step": folder, "folder": posixpath.dirname(name) + "/"}
    command = ["pandoc", "-f", READER, "-t", "html5", "-L", HERE / "filter.lua", "--wrap=preserve"]
    for key, value in words.items():
        command += ["-M", f"{key}={value}"]
    body = subprocess.run(command, input=markdown, capture_output=True, text=True, check=True).stdout
    body = re.sub(r"<table>(.*?)</table>", r'<div class="wide" tabindex="0" role="region" aria-label="table">'
                  r"<table>\1</table></div>", body, flags=re.S)
    return page, framed(contents, page, contents.title(name), body, foot=neighbours(contents, name, up))


def lua(value):
    """A Python value as Lua writes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"[{lua(k)}]={lua(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def relative_pages(contents, others):
    """{path as a link of a chapter has it, from its folder: page}, for every folder of the book."""
    pages = {}
    for folder in {posixpath.dirname(n) for n in contents.by_name}:
        for name in [*contents.by_name, *others]:
            pages[folder + "/" + posixpath.relpath(name, folder)] = page_of(name)
    return pages


def linked_files(contents):
    """Files of the project outside the book and the steps that a chapter links to."""
    found = set()
    for chapter in contents.by_name.values():
        for _, line in chapter.prose():
            for target in re.findall(r"\]\(([^)#\s]+)", line):
                path = (chapter.path.parent / target).resolve()
                if path.is_file() and path.suffix not in (".md", ".svg") or path.name == "LICENSE":
                    found.add(str(path.relative_to(ROOT)))
    return found


# ---- sources -------------------------------------------------------------------------------------


def source_page(contents, name, names, places):
    page = page_of(name)
    up, text = up_from(page), (ROOT / name).read_text(encoding="utf-8")
    lines = csource.coloured(text.rstrip("\n"), names, up).split("\n") if name.endswith((".c", ".h")) \
        else html.escape(text.rstrip("\n"), quote=False).split("\n")
    rows = "\n".join(f'<span class="line" id="L{n}"><a class="number" href="#L{n}" tabindex="-1" '
                     f'aria-hidden="true">{n}</a>{line}</span>' for n, line in enumerate(lines, 1))
    where = f'<p>Explained in {place_links(places, contents, up)}.</p>' if places is not None else ""
    other = name[:-1] + ("h" if name.endswith(".c") else "c")
    if name.endswith((".c", ".h")) and (ROOT / other).exists():
        where += f'<p>Its {"header" if other.endswith("h") else "code"}: <a href="{up}{page_of(other)}"><code>{other}</code></a>.</p>'
    body = f'<h1><code>{name}</code></h1>{where}<pre class="source" tabindex="0" aria-label="{name}">{rows}</pre>'
    return page, framed(contents, page, name, body, "source")


def drawing(step, files):
    """The modules of a step and which includes which, drawn by Graphviz."""
    modules = {f[:-2] for f in files}
    edges = set()
    for file in files:
        for used in re.findall(r'#include "(step[^"]+)\.h"', (ROOT / file).read_text(encoding="utf-8")):
            if used in modules and used != file[:-2]:
                edges.add((file[:-2], used))
    def label(module):
        return json.dumps(module.partition("/")[2])
    dot = ["digraph {", 'rankdir=LR; bgcolor="transparent"; node [shape=box, fontname="monospace", fontsize=11];']
    dot += [f"{label(m)};" for m in sorted(modules)] + [f"{label(a)} -> {label(b)};" for a, b in sorted(edges)]
    done = subprocess.run(["dot", "-Tsvg"], input="\n".join([*dot, "}"]), capture_output=True, text=True, check=True)
    svg = done.stdout[done.stdout.index("<svg"):]
    svg = re.sub(r'(<svg) width="[^"]*" height="[^"]*"', r'\1 role="img"', svg, count=1)
    svg = re.sub(r"<title>[^<]*</title>", "", svg)
    svg = svg.replace(">", f"><title>Which file of {step} includes which; the table says what each is for.</title>", 1)
    return re.sub(r'(stroke|fill)="black"', r'\1="currentColor"', svg).replace("<text ", '<text fill="currentColor" ')


def files_page(contents, files, found):
    steps = {}
    for file in files:
        steps.setdefault(file.split("/")[0], []).append(file)
    body = ["<h1>Files</h1><p>Every source file, what it is for, and where the book explains it.</p>"]
    for step, members in steps.items():
        rows = "".join(f'<tr><td><a href="{page_of(f)}"><code>{f.partition("/")[2]}</code></a></td>'
                       f"<td>{html.escape(purpose(f))}</td><td>{place_links(found[f], contents, '', 1)}</td></tr>"
                       for f in members)
        body.append(f'<h2 id="{step}">{step}</h2><details><summary>Which file includes which</summary>'
                    f'<div class="wide" tabindex="0" role="region" aria-label="drawing of {step}">{drawing(step, members)}</div></details>'
                    f'<div class="wide" tabindex="0" role="region" aria-label="files of {step}">'
                    f"<table><thead><tr><th>file</th><th>what it is for</th><th>explained in</th></tr></thead><tbody>{rows}</tbody></table></div>")
    return "files.html", framed(contents, "files.html", "Files", "".join(body), "index")


def functions_page(contents, functions, spoken):
    rows = "".join(f'<tr id="{name}"><td><a href="{page_of(file)}#L{line}"><code>{name}</code></a></td>'
                   f"<td>{file}</td><td>{place_links(spoken.get(name, []), contents, '', 3)}</td></tr>"
                   for name, (file, line) in sorted(functions.items()))
    body = ("<h1>Functions</h1><p>Every function that a file gives to others, where it stands, and the sections that speak of it.</p>"
            '<div class="wide" tabindex="0" role="region" aria-label="functions"><table><thead><tr><th>function</th><th>file</th>'
            f"<th>in the book</th></tr></thead><tbody>{rows}</tbody></table></div>")
    return "functions.html", framed(contents, "functions.html", "Functions", body, "index")


def step_pages(contents, names):
    """One page for each step's difference from the step before, and one that lists them."""
    programs = [next(f for f in sources() if f.endswith(f"/step{n:02}.c")) for n in range(1, 8)]
    listed = []
    for old, new in zip(programs, programs[1:]):
        a, b = (pathlib.PurePath(f).stem for f in (old, new))
        page = f"diff/{a}-{b}.html"
        before, after = ((ROOT / f).read_text(encoding="utf-8").split("\n") for f in (old, new))
        lines = list(difflib.unified_diff(before, after, old, new, lineterm="", n=3))
        up = up_from(page)
        body = (f'<h1>From {a} to {b}</h1><p>What changes from <a href="{up}{page_of(old)}"><code>{old}</code></a> to '
                f'<a href="{up}{page_of(new)}"><code>{new}</code></a>: the lesson of {b}.</p>'
                f'<pre class="source" tabindex="0" aria-label="difference">{csource.diff(lines)}</pre>')
        yield page, framed(contents, page, f"From {a} to {b}", body, "source")
        added = sum(1 for x in lines[2:] if x.startswith("+"))
        gone = sum(1 for x in lines[2:] if x.startswith("-"))
        listed.append(f'<li><a href="{page}">{a} to {b}</a>: {added} lines more, {gone} fewer</li>')
    body = ("<h1>From step to step</h1><p>A program holds the order of events and nothing else, so the difference "
            f"between two of them is what the step adds.</p><ol>{''.join(listed)}</ol>")
    yield "steps.html", framed(contents, "steps.html", "From step to step", body, "index")


# ---- search --------------------------------------------------------------------------------------


def search_index(contents, functions):
    rows = []
    for name in contents.order:
        for heading, mark, text, _ in sections(contents.by_name[name]):
            words = re.sub(r"\s+", " ", plain(text)).strip()
            rows.append([contents.title(name), plain(heading), f"{page_of(name)}#{mark}", words])
    rows += [[name, file, f"{page_of(file)}#L{line}", ""] for name, (file, line) in sorted(functions.items())]
    rows += [[file, "", page_of(file), purpose(file)] for file in sources()]
    return "const INDEX = " + json.dumps(rows, ensure_ascii=False, separators=(",", ":")) + ";\n"


def make_site(contents, top):
    files, others = sources(), linked_files(contents)
    functions = functions_of(files)
    names = {name: f"{page_of(file)}#L{line}" for name, (file, line) in functions.items()}
    found = explained(contents, files)
    tables = top.parent / "tables.lua"
    tables.write_text("return " + lua({"names": names, "files": {f: page_of(f) for f in files},
                                       "pages": relative_pages(contents, [*files, *others])}), encoding="utf-8")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        jobs = [workers.submit(chapter_page, contents, name, names, tables) for name in contents.order]
        for name in [*files, *sorted(others - set(files))]:
            write(top, *source_page(contents, name, names, found.get(name)))
        write(top, *files_page(contents, files, found))
        write(top, *functions_page(contents, functions, spoken_of(contents, functions)))
        for page in step_pages(contents, names):
            write(top, *page)
        for job in jobs:
            write(top, *job.result())
    write(top, "search.html", framed(contents, "search.html", "Search", (HERE / "search.html").read_text(encoding="utf-8"), "index"))
    write(top, "search-index.js", search_index(contents, functions))
    for asset in ("style.css", "search.js", "theme.js"):
        shutil.copy(HERE / asset, top / asset)
    for figure in BOOK.rglob("*.svg"):
        where = top / figure.relative_to(BOOK)
        where.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(figure, where)
    tables.unlink()


# ---- one volume: EPUB and PDF --------------------------------------------------------------------


def label(name, mark=""):
    return "c-" + re.sub(r"\W", "-", name[5:-3]) + ("--" + mark if mark else "")


def one_volume(contents):
    """All chapters as one text: headings carry the name of their chapter, links lead to them."""
    def target(chapter, match):
        text, where, mark = match[1], match[2], match[3] or ""
        path = (chapter.path.parent / where).resolve() if where else chapter.path
        name = os.path.relpath(path, ROOT)
        if name in contents.by_name:
            return f"[{text}](#{label(name, mark)})"
        return text if path.exists() else match[0]

    out = []
    for name in contents.order:
        chapter, first = contents.by_name[name], True
        if name == "book/SUMMARY.md":
            continue
        for kind, _, part in chapter.parts:
            if kind == "fence":
                language = {"console": "", "c": "c", "diff": "diff"}.get(part.language, "")
                file = part.settings.get("file") or part.settings.get("to")
                out += ["", f"`{file}`:"] if file else [""]
                out += ["", "`````" + language, *part.body, "`````", ""]
                continue
            for line in part:
                mark = re.match(r"(#{1,6}) (.*)$", line)
                if mark:
                    anchor = label(name) if first else label(name, slug(mark[2]))
                    out.append(f"{mark[1]} {mark[2]} {{#{anchor}}}")
                    first = False
                    continue
                line = re.sub(r"(?<!!)\[([^\]]*)\]\(((?![a-z]+:)[^)#\s]*)(?:#([^)\s]*))?\)",
                              lambda m, c=chapter: target(c, m), line)
                out.append(re.sub(r"(!\[[^\]]*\])\(([^)]+)\)",
                                  lambda m, c=chapter: f"{m[1]}({(c.path.parent / m[2]).resolve()})", line))
        out.append("")
    return "\n".join(out)


def make_volume(contents, top, kind):
    text = one_volume(contents)
    common = ["-f", READER, "-M", f"title={TITLE}", "-M", "lang=en", "--toc", "--toc-depth=2"]
    if kind == "epub":
        command = ["pandoc", *common, "-t", "epub3", "--css", HERE / "print.css", "-o", top / "boxstep.epub"]
        subprocess.run(command, input=text, text=True, check=True)
        return
    page = top / "volume.html"
    command = ["pandoc", *common, "-t", "html5", "-s", "--css", HERE / "print.css", "--no-highlight", "-o", page]
    subprocess.run(command, input=text, text=True, check=True)
    subprocess.run(["weasyprint", "-q", page, top / "boxstep.pdf"], check=True)
    page.unlink()


def main(arguments):
    only = [a.partition("=")[2] for a in arguments if a.startswith("--only=")]
    folders = [a for a in arguments if not a.startswith("--")]
    top = pathlib.Path(folders[0] if folders else ROOT / "build/book").resolve()
    contents = Contents()
    top.mkdir(parents=True, exist_ok=True)
    new = top / "site.new"
    if not only or "site" in only:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        make_site(contents, new)
        shutil.rmtree(top / "site", ignore_errors=True)
        new.rename(top / "site")
    for kind in ("epub", "pdf"):
        if not only or kind in only:
            make_volume(contents, top, kind)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (Fault, subprocess.CalledProcessError, FileNotFoundError) as error:
        sys.exit(f"make_site.py: {error}")
