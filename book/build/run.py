#!/usr/bin/env python3
"""book-run: runs the transcripts of the book and writes what they printed.

Usage: run.py [CHAPTER.md…]

A block whose output is the same but for pids, ids, times and addresses stays as it is.
"""
import sys

import transcripts
from chapter import Fault, chapters


def main(names):
    list_ = chapters(names)
    sessions, norun = transcripts.sessions(list_)
    skipped, ready = transcripts.run_all(sessions)
    faults = 0
    for session in ready:
        if session.fault:
            print(session.fault, file=sys.stderr)
            faults += 1
            continue
        if session.differences():
            session.fill()
        for command, status in zip(session.commands, session.statuses):
            if status:
                print(f"{session.fence.place}: status {status}: {command[0]}")
    for session, what in skipped:
        print(f"{session.fence.place}: not run, needs {what}")
    for fence in norun:
        print(f"{fence.place}: not run: {transcripts.not_run(fence)}")
    for chapter in list_:
        if chapter.write():
            print(f"{chapter.name}: changed")
    return 1 if faults else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Fault as error:
        sys.exit(str(error))
