#!/usr/bin/env python3
"""book-sync: puts the code as it stands into the listings of the book, counts into
tables, and drawings into figures.

Usage: sync.py [CHAPTER.md…]
"""
import sys

import figures
import generated
import listings
from chapter import Fault, chapters


def main(names):
    faults = 0
    for chapter in chapters(names):
        for fence in filter(listings.is_listing, chapter.fences):
            try:
                fence.body = listings.listing(fence)
            except Fault as fault:
                print(fault, file=sys.stderr)
                faults += 1
        try:
            generated.fill(chapter)
        except Fault as fault:
            print(fault, file=sys.stderr)
            faults += 1
        if chapter.write():
            print(f"{chapter.name}: changed")
    for path, drawing in figures.stale():
        path.write_text(drawing(), encoding="utf-8")
        print(f"figures/{path.name}: drawn")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
