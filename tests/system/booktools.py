"""The tools that keep the book true: what they let pass, and what they catch."""

import types

from harness import *

sys.path.append(ROOT + "/book/build")
import chapter  # noqa: E402
import check as book_check  # noqa: E402
import figures  # noqa: E402
import generated  # noqa: E402
import listings  # noqa: E402
import places  # noqa: E402
import sequence  # noqa: E402
import transcripts  # noqa: E402

PIDS = (4000, 4100)  # of the run that is compared


def text(name, content):
    path = f"{TMP}/{name}"
    with open(path, "w") as file:
        file.write(content)
    chapter.ROOT = chapter.pathlib.Path(TMP)
    return chapter.Chapter(path)


@test("a transcript may differ in pids, ids, times and addresses", needs="")
def _():
    for old, new in (
        ("pid 731 is gone", "pid 4003 is gone"),
        ("NSpid:\t731\t1", "NSpid:\t4003\t1"),
        ("pid:[4026532178]", "pid:[4026533000]"),
        ("took 0.120 s, 3 ms", "took 1.4 s, 12 ms"),
        ("-rw-r--r-- 1 0 0 0 Nov 24 19:53 f", "-rw-r--r-- 1 0 0 0 Dec  1 08:00 f"),
        ("2026-11-24T19:53:00Z", "2027-01-01T00:00:00.5Z"),
        ("inet 10.88.0.2/16", "inet 10.88.0.17/16"),
        ("link 5e:00:11:22:33:44", "link ae:31:11:22:33:99"),
        ("container 0123456789ab", "container fedcba987654"),
        ("container 91647b8ca038", "container 442723493695"),
        ("312 300 0:57 / / rw shared:4 - overlay", "99 90 0:61 / / rw shared:71 - overlay"),
        ("PID   COMMAND", "PID COMMAND"),
    ):
        check(transcripts.same(old, new, PIDS), f"{old!r} and {new!r} should compare equal")


@test("a transcript may not differ in anything else", needs="")
def _():
    for old, new in (
        ("memory.max 67108864", "memory.max 33554432"),
        ("pid 4003", "pid 1"),
        ("status 137", "status 0"),
        ("0 1000 1", "0 100000 1"),
        ("127.0.0.1", "127.0.0.2"),
        ("port 8080:80", "port 8081:80"),
        ("memory.max 137438953472", "memory.max 274877906944"),
        ("container 91647b8ca038", "container 4427"),
        ("Name: sleep", "Name: sh"),
        ("pid:[4026532178]", "pid:[17]"),
        ("one word", "one word more"),
        ("", "something"),
    ):
        check(not transcripts.same(old, new, PIDS), f"{old!r} and {new!r} should differ")


@test("a listing is the anchored part of its source, without nested marks and indentation", needs="")
def _():
    source = "int a;\n/* ANCHOR: x */\n\tint b;\n/* ANCHOR: y */\n\tint c;\n/* ANCHOR_END: y */\n/* ANCHOR_END: x */\n"
    path = chapter.pathlib.Path(TMP) / "a.c"
    path.write_text(source)
    equal(listings.anchors(path), {"x": ["\tint b;", "\tint c;"], "y": ["\tint c;"]})
    listings.ROOT = chapter.pathlib.Path(TMP)
    equal(listings.excerpt("here", "a.c", "x"), ["int b;", "int c;"])
    for content, word in (("/* ANCHOR: x */\n", "does not end"), ("/* ANCHOR_END: x */\n", "does not begin")):
        path.write_text(content)
        try:
            listings.anchors(path)
        except chapter.Fault as fault:
            contains(str(fault), word)
        else:
            check(False, f"{content!r} was accepted")
    try:
        listings.excerpt("here", "nosuch.c", "x")
    except chapter.Fault as fault:
        contains(str(fault), "nosuch.c")
    else:
        check(False, "a listing of a file that is not there was accepted")


@test("a block of more than 40 lines is told, whether it is code or a transcript", needs="")
def _():
    for language in ("c", "diff", "console", "sh"):
        for lines, faults in ((40, 0), (41, 1)):
            one = text("t.md", f"```{language}\n" + "$ true\n" * lines + "```\n")
            equal(len(list(book_check.check_listings([one], False))), faults, f"faults of {lines} lines of {language}")


@test("two sentences on a line and a sentence over two lines are told", needs="")
def _():
    for content, faults in (
        ("One sentence.\nAnother one, with `a. B` in code (and 4.5 s).\n", 0),
        ("One sentence. Another one.\n", 1),
        ("A sentence that goes on\nover two lines.\n", 1),
        ("- An item.\n- Another.\n\n| a. B | c |\n", 0),
    ):
        found = list(book_check.check_sentences([text("t.md", content)], False))
        equal(len(found), faults, f"faults in {content!r}")


@test("a chapter of a step without one of its parts is told", needs="")
def _():
    os.makedirs(f"{TMP}/book", exist_ok=True)
    parts = ["# 2\n\nWhat is it?\n\n## Try\n", "```console\n$ true\n```\n",
             "## From step 1 to step 2\n\n```console\n$ diff -u step01-a/a.c step02-b/b.c\n```\n", "## What real engines do differently\n",
             "## A box\n\n> **Common shorthand, and what the kernel does.**\n\n", "```console\n$ true\n```\n", "## What goes wrong\n",
             "## Exercises\n\n[Here](exercises/02.md).\n"]
    for name, content, faults in (
        ("book/02-t.md", parts, 0),
        ("book/01-t.md", parts[:2] + parts[3:], 0),
        ("book/08-t.md", ["# 8\n"], 0),
        ("book/02-t.md", [parts[0], "```c\nint a;\n```\n", *parts[1:]], 1),
        *(("book/02-t.md", parts[:i] + parts[i + 1:], 1) for i in range(2, len(parts))),
        ("book/02-t.md", [parts[0].replace("?", "."), *parts[1:]], 1),
    ):
        found = list(book_check.check_parts([text(name, "\n".join(content))], False))
        equal(len(found), faults, f"{name}: {found}")


@test("a public function that no sentence names, where its file is explained, is told", needs="")
def _():
    for folder in ("book", "step01-unshare"):
        os.makedirs(f"{TMP}/{folder}", exist_ok=True)
    source = "/* a.c: Explained in book/04-own.md. */\nint\na_make(void)\n{\n}\n\nstatic int\nb(void)\n{\n}\n"
    with open(f"{TMP}/step01-unshare/a.c", "w") as file:
        file.write(source)
    places.ROOT = chapter.pathlib.Path(TMP)
    here, head = "step01-unshare/a.c", "# One\n\n"
    for name, content, faults in (
        ("01-t.md", head + f"`a_make` of `{here}` makes it.\n", 0),
        ("01-t.md", head + "`a_make` of `a.c` makes it.\n", 0),
        ("01-t.md", head + f"`a_make` makes it.\n\n```c file={here}\nint\n```\n", 0),
        ("04-own.md", head + f"`a_make` of `{here}` makes it.\n", 0),
        ("04-other.md", head + f"`a_make` of `{here}` makes it.\n", 1),
        ("01-t.md", head + f"`{here}` is a file.\n\n# Two\n\n`a_make` makes it.\n", 1),
        ("01-t.md", head + f"`a_makes` of `{here}`.\n", 1),
        ("01-t.md", head + f"| `{here}` | `a_make` |\n", 1),
        ("01-t.md", head + f"Code:\n\n```c file={here}\na_make(void)\n```\n", 1),
        ("A6-index.md", head + f"`a_make` of `{here}` makes it.\n", 1),
    ):
        found = list(book_check.check_told([text("book/" + name, content)], True))
        equal(len(found), faults, f"faults in {name} {content!r}: {found}")
        check(not faults or "a.c:3" in found[0] and "a_make" in found[0], f"{found} names the place")


@test("a public function whose listing has no sentence about it within 40 lines is told", needs="")
def _():
    os.makedirs(f"{TMP}/step01-unshare", exist_ok=True)
    with open(f"{TMP}/step01-unshare/a.c", "w") as file:
        file.write("int\na_make(void)\n{\n}\n\nstatic int\nb(void)\n{\n}\n")
    places.ROOT = chapter.pathlib.Path(TMP)
    listing = "```c file=step01-unshare/a.c\nint\na_make(void)\n{\n}\nstatic int\nb(void)\n{\n}\n```\n"
    for before, after, faults in (
        ("`a_make` makes it.\n", "", 0),
        ("`a_make` makes it.\n" + "\n" * 39, "", 0),
        ("`a_make` makes it.\n" + "\n" * 40, "", 1),
        ("", "\n" * 39 + "`a_make` makes it.\n", 0),
        ("", "\n" * 40 + "`a_make` makes it.\n", 1),
        ("`a_makes` makes it.\n", "", 1),
    ):
        found = list(book_check.check_spoken([text("t.md", before + listing + after)], False))
        equal(len(found), faults, f"faults of {before!r} and {after!r}: {found}")


@test("a test that a table names and that is not there is told", needs="")
def _():
    here, file = "a test that a table names and that is not there is told", "tests/system/booktools.py"
    for cell, faults in ((f"`{file}`: {here}", 0), (f"`{file}`: {here[:-3]}", 1), (f"`tests/no.py`: {here}", 1), (file, 0)):
        found = list(book_check.check_tests([text("t.md", f"# T\n\n| a | b |\n|---|---|\n| x | {cell} |\n")], True))
        equal(len(found), faults, f"faults of {cell}: {found}")


@test("an attack that is named and that no table has a record of is told", needs="")
def _():
    row = "| CVE-2019-5736 | runc | [GHSA-x](https://github.com/advisories/GHSA-x) | 1.0 |"
    for content, faults in (
        (f"It was CVE-2019-5736.\n\n{row}\n", 0),
        (f"It was CVE-2019-5737.\n\n{row}\n", 1),
        ("It was CVE-2019-5736.\n\n| CVE-2019-5736 | runc | everybody knows | 1.0 |\n", 2),
        ("```c\n/* CVE-2019-5736 */\n```\n", 0),
    ):
        found = list(book_check.check_records([text("t.md", content)], True))
        equal(len(found), faults, f"faults of {content!r}: {found}")


@test("a transcript that is not run without a reason is told, and so are more than one in ten", needs="")
def _():
    block = "```console%s\n$ true\n```\n"
    for run_, marks, faults in ((9, [' norun="never"'], 0), (8, [' norun="never"'], 1), (9, [' norun=""'], 1)):
        one = text("t.md", "".join(block % mark for mark in [""] * run_ + marks))
        found = list(book_check.check_norun([one], True))
        equal(len(found), faults, f"{run_} that are run, {marks}: {found}")


@test("a term that two sentences define is told, and the glossary has the sentence of each, in order", needs="")
def _():
    os.makedirs(f"{TMP}/book", exist_ok=True)
    for content, faults in (
        ("A **pod** is one.\n\nThe **Pod** is another.\n", 1),
        ("A **pod** is one, and a pod it stays.\n\n**A heading.**\nIn code: `**pod**`.\n\n```c\n/* **pod** */\n```\n", 0),
    ):
        found = list(book_check.check_terms([text("book/t.md", content)], True))
        equal(len(found), faults, f"faults of {content!r}: {found}")
    one = text("book/t.md", "# Two\n\n- A **veth** is a cable, [lab](l.md).\n\n## Three\n\nThe **OCI** is an initiative.\n")
    contents = types.SimpleNamespace(order=["book/t.md"], by_name={"book/t.md": one}, title=lambda name: "6 · The net")
    generated.where = lambda: (contents,)
    equal(generated.glossary(""), "- **OCI**, [6 · Three](t.md#three): The OCI is an initiative.\n"
          "- **veth**, [6 · Two](t.md#two): A veth is a cable, [lab](l.md).\n")


@test("a transcript that is not run gives its reason and is listed", needs="")
def _():
    os.makedirs(f"{TMP}/book", exist_ok=True)
    block = "# A heading\n\n```console\n$ true\n```\n"
    for more, left_out, said in (
        ("", [], "`make test` runs all 1 such blocks.\n"),
        ('\n```console norun="never"\n$ false\n```\n', ["never"],
         "Of 2 such blocks `make test` leaves out 1.\n\n- [A heading](t.md#a-heading): never.\n"),
    ):
        one = text("book/t.md", block + more)
        run_, left = transcripts.sessions([one])
        equal((len(run_), [transcripts.not_run(fence) for fence in left]), (1, left_out))
        generated.chapters = lambda: [one]
        equal(generated.norun(""), said)


@test("a sequence is drawn from what --explain=json tells: a line for each process, a dot for each stage, an arrow between", needs="")
def _():
    told = [(1, "clone", "clone3(0)"), (1, "clone", "write(3)"), (2, "mounts", "mount(a)"), (2, "exec", 'execve("/bin/true", …)'), (1, "remove", "rmdir(b)")]
    events = [{"who": who, "stage": stage, "call": call} for who, stage, call in told]
    names = sequence.names_of(events)
    equal(names, {1: "boxstep", 2: "true"})
    chart = list(sequence.chart(list(names.values()), [(names[w], f"{stage}: {calls}") for w, stage, calls in sequence.rows(events)]))
    equal([line.split() for line in chart], [
        ["boxstep", "true"], ["●", "│", "clone:", "clone3,", "write"], ["│", "●", "mounts:", "mount"],
        ["│", "●", "exec:", "execve"], ["●", "│", "remove:", "rmdir"]])
    svg = figures.draw_sequence("name", "\n".join(chart))
    equal([svg.count(part) for part in ("<circle", 'class="life"', "<polygon", "<title>name")], [4, 2, 2, 1])
    contains(svg, '<tspan class="stage">clone</tspan> clone3, write</text>')


@test("a transcript is run, keeps its shell from line to line, and its output is written")
def _():
    one = text("t.md", "Text.\n\n```console\n$ a=5\n$ echo $a; false\n$ cat <<E\n> $?\n> E\n```\n")
    transcripts.WORK = chapter.pathlib.Path(TMP) / "work"
    sessions, _ = transcripts.sessions([one])
    transcripts.run_all(sessions)
    equal(sessions[0].statuses, [0, 1, 0])
    equal(sessions[0].printed, [[], ["5"], ["1"]])
    equal(sessions[0].differences(), [(None, "5"), (None, "1")])
    sessions[0].fill()
    one.write()
    contains(read(one.path), "$ echo $a; false\n5\n$ cat <<E\n> $?\n> E\n1\n```\n")
