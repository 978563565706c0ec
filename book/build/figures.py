#!/usr/bin/env python3
"""Figures: draws what is in book/figures as NAME.svg: NAME.seq, a sequence as sequence.py prints it, and NAME.dot,
by Graphviz.

What Graphviz draws has the digest of its source in it, so that a stale one is known without Graphviz, and
does not depend on its version. Run without arguments it draws what is stale: make figures.

Text stays text, so that it can be searched and read aloud; lines and boxes become shapes. Colours
follow the reader's light or dark theme, and carry no meaning.
"""
import hashlib
import html
import re
import subprocess
import sys

import sequence
from chapter import BOOK

WIDE, HIGH, MARGIN = 9, 20, 12
LANE = 92  # of a process in a sequence
ARROWS = {"▶": "-4,-4 -4,4 4,0", "◀": "4,-4 4,4 -4,0"}
STYLE = ("text{font:14px ui-monospace,monospace;fill:#222}path{stroke:#222;fill:none}"
         "polygon{fill:#222}"
         "@media(prefers-color-scheme:dark){text{fill:#ddd}path{stroke:#ddd}polygon{fill:#ddd}}")
SEQUENCE = ("path.life{stroke-dasharray:2 4;opacity:.6}circle{fill:#222}.stage{font-weight:bold}"
            "@media(prefers-color-scheme:dark){circle{fill:#ddd}}")
THEME = "svg{color:#222}@media(prefers-color-scheme:dark){svg{color:#ddd}}"


def draw_sequence(name, text):
    """A line down for each process, a dot for each stage in the line of who did it, and an arrow where another goes on."""
    head, *rows = text.rstrip("\n").split("\n")
    names = head.split()
    of = {lane: MARGIN + (lane + 0.5) * LANE for lane in range(len(names))}
    told, high = MARGIN + len(names) * LANE, HIGH + 2
    width = told + WIDE * max(len(row) - len(names) * LANE // WIDE for row in rows) + MARGIN
    height = 2 * MARGIN + high * (len(rows) + 1)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           f'width="{width}" height="{height}" role="img"><title>{name}</title>', f"<style>{STYLE}{SEQUENCE}</style>"]
    for lane, who in enumerate(names):
        out.append(f'<text text-anchor="middle" x="{of[lane]:g}" y="{MARGIN + 14}">{html.escape(who)}</text>')
        out.append(f'<path class="life" d="M{of[lane]:g} {MARGIN + high}V{height - MARGIN}"/>')
    before = None
    for row, line in enumerate(rows, 1):
        lane, y = line.index("●") // sequence.WIDE, MARGIN + high * (row + 0.5)
        if before not in (None, lane):
            back = 5 if before < lane else -5
            out.append(f'<path d="M{of[before]:g} {y - high:g}V{y:g}H{of[lane] - 2 * back:g}"/>')
            out.append(f'<polygon transform="translate({of[lane] - 2 * back:g},{y:g})" '
                       f'points="{ARROWS["▶" if back > 0 else "◀"]}"/>')
        elif before is not None:
            out.append(f'<path d="M{of[lane]:g} {y - high:g}V{y:g}"/>')
        out.append(f'<circle cx="{of[lane]:g}" cy="{y:g}" r="5"/>')
        stage, calls = line[sequence.WIDE * len(names):].strip().split(": ", 1)
        out.append(f'<text x="{told}" y="{y + 5:g}"><tspan class="stage">{stage}</tspan> {html.escape(calls)}</text>')
        before = lane
    return "\n".join([*out, "</svg>", ""])


def mark_of(source):
    return f"<!-- {source.name} {hashlib.sha256(source.read_bytes()).hexdigest()} -->"


def by_graphviz(source):
    drawn = subprocess.run(["dot", "-Tsvg", source], capture_output=True, text=True, check=True).stdout
    svg = re.sub(r'(stroke|fill)="black"', r'\1="currentColor"', drawn[drawn.index("<svg"):].rstrip())
    svg = svg.replace("<text ", '<text fill="currentColor" ')
    return svg.replace(">", f"><style>{THEME}</style>", 1) + "\n" + mark_of(source) + "\n"


def stale():
    """(path, how to draw it) of the figures that are not what their source says."""
    for source in sorted((BOOK / "figures").glob("*.seq")):
        path, svg = source.with_suffix(".svg"), draw_sequence(source.stem, source.read_text(encoding="utf-8"))
        if not path.exists() or path.read_text(encoding="utf-8") != svg:
            yield path, lambda svg=svg: svg
    for source in sorted((BOOK / "figures").glob("*.dot")):
        path = source.with_suffix(".svg")
        if not path.exists() or mark_of(source) not in path.read_text(encoding="utf-8"):
            yield path, lambda source=source: by_graphviz(source)


if __name__ == "__main__":
    for to, how in list(stale()):
        to.write_text(how(), encoding="utf-8")
        print(to)
