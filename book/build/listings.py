"""Listings: the code in the book is the code as it stands.

A fence ```` ```c file=PATH anchor=NAME ```` gets the lines between `ANCHOR: NAME` and
`ANCHOR_END: NAME` of that file; without anchor= the whole file; ```` ```diff from=A to=B ```` gets
what changed from one file to the other.
"""
import difflib
import re
import textwrap

from chapter import ROOT, Fault

LONGEST = 40
MARK = re.compile(r"^\s*(?:/\*|//|#|<!--)\s*ANCHOR(_END)?:\s*([\w-]+)\s*(?:\*/|-->)?\s*$")


def anchors(path):
    """{name: lines} of the anchors of a file. They may nest; marks are no part of a listing."""
    found, open_ = {}, {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        mark = MARK.match(line)
        if not mark:
            for lines in open_.values():
                lines.append(line)
        elif not mark[1]:
            if mark[2] in found or mark[2] in open_:
                raise Fault(f"{path.relative_to(ROOT)}: two anchors are called {mark[2]}")
            open_[mark[2]] = []
        elif mark[2] in open_:
            found[mark[2]] = open_.pop(mark[2])
        else:
            raise Fault(f"{path.relative_to(ROOT)}: anchor {mark[2]} ends but does not begin")
    if open_:
        raise Fault(f"{path.relative_to(ROOT)}: anchor {next(iter(open_))} does not end")
    return found


def excerpt(place, name, anchor):
    path = ROOT / name
    if not path.is_file():
        raise Fault(f"{place}: there is no file {name}")
    if anchor is None:
        lines = [x for x in path.read_text(encoding="utf-8").rstrip("\n").split("\n")
                 if not MARK.match(x)]
    else:
        known = anchors(path)
        if anchor not in known:
            raise Fault(f"{place}: {name} has no anchor {anchor}")
        lines = known[anchor]
    return textwrap.dedent("\n".join(lines)).strip("\n").split("\n")


def is_listing(fence):
    return "file" in fence.settings or "from" in fence.settings


def listing(fence):
    """What the body of a listing's fence must be."""
    get = fence.settings.get
    if "from" in fence.settings:
        old, new = (excerpt(fence.place, get(side), get("anchor")) for side in ("from", "to"))
        lines = [x.rstrip() for x in difflib.unified_diff(old, new, lineterm="", n=1)][2:]
    else:
        lines = excerpt(fence.place, get("file"), get("anchor"))
    if len(lines) > LONGEST:
        raise Fault(f"{fence.place}: a listing of {len(lines)} lines; at most {LONGEST} are read")
    return lines
