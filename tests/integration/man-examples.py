#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""man-examples.py PAGE: run the EXAMPLES, or RUNBOOKS, of a man page, in order, in the working directory.

An example is a line of a literal display (.Bd -literal, or .Dl) that begins with "$ ". It goes on over lines that follow
a line ending in |, && or a backslash, and to the end of its here-document. Lines below it, up to the next example or the
end of the display, are what it prints: all of standard output, of standard error, or of both; "..." stands for anything,
and on a line of its own for any lines. It must exit 0, or 3, the answer no, where the page shows what it prints; a part of
a pipe may be cut short by its reader. A display that begins with "import" or "from" is a Python program, run with $PYTHON
on ratings.rec. Any other display is only shown: it needs data or time that a test does not have.

Prints what does not hold, as page:line: what, and exits 1.
"""
import os
import re
import subprocess
import sys

ESCAPES = {"\\e": "\\", "\\(rs": "\\", "\\(aq": "'", "\\(dq": '"', "\\(ga": "`", "\\(ha": "^", "\\(ti": "~", "\\-": "-", "\\&": ""}


def plain(text):
    return re.sub("|".join(map(re.escape, ESCAPES)), lambda m: ESCAPES[m[0]], text)


def examples(page):
    """(line number, command or list of arguments, printed lines or []) for each example."""
    found, section, display, going_on, program = [], None, False, None, None
    for number, line in enumerate(open(page, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        going_on_now, going_on = going_on, None
        if line.startswith(".Sh "):
            section, display = line[4:], False
        elif section not in ("EXAMPLES", "RUNBOOKS"):
            continue
        elif line.startswith(".Bd ") and "-literal" in line:
            display, first = True, True
        elif line.startswith(".Ed"):
            if program is not None:
                found.append([number, [os.environ.get("PYTHON", sys.executable), "-c", program, "ratings.rec"], []])
            display, program = False, None
        elif line.startswith(".Dl $ "):
            found.append([number, plain(line[6:]), []])
        elif display:
            text = plain(line)
            if program is not None or (first and re.match(r"(import|from) ", text)):
                program = (program or "") + text + "\n"
            begins, first = first, False
            if program is not None:
                continue
            if going_on_now:
                found[-1][1] += "\n" + text
                going_on = going_on_now if going_on_now != text and going_on_now != "|" else None
            elif text.startswith("$ "):
                found.append([number, text[2:], []])
            elif begins:
                display = False  # only shown
                continue
            else:
                found[-1][2].append(text)
                continue
            here = re.search(r"<<-?'?(\w+)'?", text)
            if going_on is None and here and going_on_now is None:
                going_on = here[1]
            elif going_on is None and re.search(r"(\||&&|\\)$", text):
                going_on = "|"
    return found


def pattern(lines):
    whole = "".join(
        "(?:.*\n)*?" if line.strip() == "..." else ".*".join(map(re.escape, line.split("..."))) + "\n" for line in lines
    )
    return re.compile(whole)


def main(page):
    bad = 0
    try:
        found = examples(page)
    except OSError as e:
        raise SystemExit(f"{page}:1: {e.strerror}") from None
    if not found:
        print(f"{page}:1: no example in EXAMPLES")
        bad = 1
    for number, command, printed in found:
        try:
            run = subprocess.run(
                command if isinstance(command, list) else ["bash", "-o", "pipefail", "-c", command],
                stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", timeout=120,
            )
            command = command if isinstance(command, str) else "Python program"
        except subprocess.TimeoutExpired:
            print(f"{page}:{number}: did not end in 120 s: {command}")
            return 1
        heard = (run.stdout, run.stderr, run.stderr + run.stdout, run.stdout + run.stderr)
        if run.returncode not in (0, 141) and not (run.returncode == 3 and printed):
            print(f"{page}:{number}: exit {run.returncode}: {command}\n{run.stderr}", end="")
            bad = 1
        elif printed and not any(pattern(printed).fullmatch(text) for text in heard):
            print(f"{page}:{number}: does not print what the page says: {command}\n{run.stderr}{run.stdout}", end="")
            bad = 1
    return bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
