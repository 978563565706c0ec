#!/usr/bin/env python3
"""coverage.py: which lines of the steps the tests reach: unit, system and VM tests in one report.

The counters of a `make COV=1` build live in a file that is mapped shared, so that a process counts
until its exec or its death, whatever root and namespaces it has by then. Writes BUILD/coverage/
(lcov HTML), prints the share of each file, and fails below TOTAL or EACH per cent.
    coverage.py [ARGUMENTS OF run.py]        coverage.py --report: what has been counted already
"""

import glob
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(HERE)
BUILD = os.environ.get("BUILD") or ROOT + "/build/cov"
PROFILES = BUILD + "/profiles"
REPORT = BUILD + "/coverage"
TOTAL, EACH = 85.0, 80.0


def groups():
    """The tests that run programs. The rules of the house count nothing, and the transcripts of the
    book, whose programs see one variable more here, are no tests of this; podman, containerd and
    dockerd choose themselves what their runtime sees of the variables."""
    files = [path for folder in ("system", "hostile", "oci", "fuzz") for path in glob.glob(f"{HERE}/{folder}/*.py")]
    names = {os.path.splitext(os.path.basename(path))[0] for path in files}
    return ["unit", *sorted(names - {"podman", "containerd", "dockerd"})]


def run_tests(arguments):
    shutil.rmtree(PROFILES, ignore_errors=True)
    os.makedirs(PROFILES)
    os.chmod(PROFILES, 0o1777)  # the tests' ordinary user writes here too
    env = {**os.environ, "BUILD": BUILD, "LLVM_PROFILE_FILE": PROFILES + "/%m%c.profraw"}
    named = [] if any(not word.startswith("-") for word in arguments) else groups()
    return subprocess.run([HERE + "/run.py", *arguments, *named], env=env, cwd=ROOT, check=False).returncode


def tool(name, *arguments, output=None):
    found = shutil.which(name + "-14") or shutil.which(name)
    if not found:
        sys.exit(f"coverage.py: {name} is missing: tests/install.sh coverage")
    return subprocess.run([found, *arguments], check=True, stdout=output, cwd=ROOT)


def report():
    programs = [p for p in glob.glob(BUILD + "/*") + glob.glob(BUILD + "/unit/test_*") if os.path.isfile(p)]
    programs = [p for p in programs if os.access(p, os.X_OK) and os.path.basename(p) != "probe"]
    raw = glob.glob(PROFILES + "/*.profraw")
    if not raw:
        sys.exit("coverage.py: nothing has been counted")
    tool("llvm-profdata", "merge", "-failure-mode=all", "-o", BUILD + "/merged.profdata", *raw)
    objects = [word for p in programs[1:] for word in ("-object", p)]
    with open(BUILD + "/all.info", "w") as out:
        tool("llvm-cov", "export", "-format=lcov", "-instr-profile", BUILD + "/merged.profdata", programs[0], *objects, output=out)
    files = lines_of(BUILD + "/all.info")
    with open(BUILD + "/coverage.info", "w") as out:
        for name, record in sorted(files.items()):
            out.write(f"SF:{ROOT}/{name}\n")
            out.writelines(f"DA:{line},{count}\n" for line, count in sorted(record.items()))
            out.write("end_of_record\n")
    shutil.rmtree(REPORT, ignore_errors=True)
    tool("genhtml", "-q", "-o", REPORT, "-p", ROOT, BUILD + "/coverage.info")
    return files


def lines_of(path):
    """{file of a step: {line: times}}; a line of several programs counts in all of them."""
    files, lines = {}, None
    with open(path) as info:
        for text in info:
            if text.startswith("SF:"):
                name = os.path.relpath(os.path.join(ROOT, text[3:].strip()), ROOT)
                lines = files.setdefault(name, {}) if name.startswith("step0") else None
            elif text.startswith("DA:") and lines is not None:
                line, count = text[3:].strip().split(",")[:2]
                lines[int(line)] = lines.get(int(line), 0) + int(count)
    return {name: lines for name, lines in files.items() if lines}


def judge(files):
    """Prints the table; gives the number of faults."""
    faults, hit_all, all_lines = 0, 0, 0
    for name, lines in sorted(files.items()):
        hit = sum(1 for count in lines.values() if count)
        share = 100.0 * hit / len(lines)
        low = share < EACH
        faults += low
        hit_all, all_lines = hit_all + hit, all_lines + len(lines)
        print(f"{share:6.1f} %  {hit:5} of {len(lines):5}  {name}{'   below ' + str(EACH) if low else ''}")
    for path in sorted(glob.glob(ROOT + "/step0*/**/*.c", recursive=True)):
        name = os.path.relpath(path, ROOT)
        if name not in files:
            faults += 1
            print(f"   0.0 %                 {name}   in no program")
    share = 100.0 * hit_all / max(all_lines, 1)
    print(f"{share:6.1f} %  {hit_all:5} of {all_lines:5}  in all; see {os.path.relpath(REPORT, ROOT)}/index.html")
    return faults + (share < TOTAL)


def main(arguments):
    failed = 0
    if "--report" not in arguments:
        failed = run_tests(arguments)
    return 1 if judge(report()) or failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
