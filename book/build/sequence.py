#!/usr/bin/env python3
"""sequence.py [--why] <EXPLAIN.json: draws what a run did as a sequence: a column a process, a row a stage.

The input is what --explain=json tells. A row has the system calls of one stage of one process, in their
order, each name once; --why: instead, the sentence that the programs say about each stage.
"""
import json
import os
import re
import sys
from itertools import groupby

WIDE = 10  # of a column
LONGEST = 60


def called(events):
    """The names of the calls, each once."""
    return ", ".join(dict.fromkeys(re.match(r"\w+", e["call"])[0] for e in events))


def names_of(events):
    """{number: name} of the processes: the program that one becomes, else what it is for the others."""
    order = list(dict.fromkeys(e["who"] for e in events))
    names = {}
    for who in order:
        execs = [re.match(r'execve\("([^"]*)"', e["call"]) for e in events if e["who"] == who]
        became = [os.path.basename(m[1]).replace("boxstep-", "") for m in execs if m]
        names[who] = became[-1] if became else "boxstep" if who == order[0] else "monitor"
    return names


def rows(events):
    for (who, stage), group in groupby(events, key=lambda e: (e["who"], e["stage"])):
        yield who, stage, called(group)


def chart(names, told):
    """Lines of text: the columns NAMES, and a row for each (name, what it did) of TOLD."""
    yield "".join(f"{name:^{WIDE}}" for name in names).rstrip()
    for who, text in told:
        lanes = "".join(f"{'●' if name == who else '│':^{WIDE}}" for name in names)
        stage, _, calls = text.partition(": ")
        yield f"{lanes} {stage}: {calls if len(calls) <= LONGEST else calls[: LONGEST - 1] + '…'}"


def main(why):
    events = [json.loads(line) for line in sys.stdin]
    if why:
        for stage, sentence in {e["stage"]: e["why"] for e in events if "why" in e}.items():
            print(f"{stage}: {sentence}")
        return
    names = names_of(events)
    print("\n".join(chart(list(names.values()), [(names[who], f"{stage}: {calls}") for who, stage, calls in rows(events)])))


if __name__ == "__main__":
    main("--why" in sys.argv)
