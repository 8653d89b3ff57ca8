#!/usr/bin/env python3
"""house.py: the rules of our own that no compiler knows.

- functions that read or write without a bound, and those that hide failures, are not used (git's banned.h)
- a header begins with what it is, and has `#pragma once`
- a .c file that has a header of its own includes it first
- a file above 600 lines says at its top (in the header, when it has one) why: a sentence with "long because"
- no tabs, no line above 120 characters, no TODO

usage: house.py [ROOT]; exit code 1 when something is found. Run by `make lint`.
"""

import re
import sys
from pathlib import Path

BANNED = {
    "strcpy": "str_of, buf_str",
    "strcat": "buf_str",
    "strncpy": "arena_str_copy",
    "strncat": "buf_str",
    "sprintf": "buf_printf, arena_printf, snprintf",
    "vsprintf": "vsnprintf",
    "strtok": "str_find",
    "gets": "fread",
    "scanf": "int64_read",
    "sscanf": "int64_read",
    "atoi": "int64_read",
    "atol": "int64_read",
    "atoll": "int64_read",
    "atof": "a whole number",
    "alloca": "arena_alloc",
    "gmtime": "timestamp_write",
    "localtime": "timestamp_write",
    "tmpnam": "mkstemp",
    "system": "a library",
    "usleep": "a signal to wait for",
}
# What a test may do: be a slow client on purpose, run a program, read a number that it wrote itself.
FINE_IN_TESTS = {"atoi", "system", "usleep"}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
FOLDERS = ["core", "projections", "cmd", "schemas/codegen"]
LINES_MAX = 600
LINE_MAX = 120


def without_comments_and_texts(text):
    """The code alone, line for line."""
    return COMMENT_OR_TEXT.sub(lambda match: "\n" * match.group().count("\n") or '""', text)


def complaints_of(path, root):
    name = path.relative_to(root)
    text = path.read_text()
    lines = text.splitlines()
    is_test = path.stem.endswith(("_test", "_fuzz")) or (path.suffix == ".h" and path.stem.startswith("test_"))
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_MAX:
            yield f"{name}:{number}: {len(line)} characters, more than {LINE_MAX}"
        if "\t" in line:
            yield f"{name}:{number}: a tab"
        if re.search(r"\b(TODO|FIXME|XXX)\b(?!\")", line):
            yield f"{name}:{number}: something is left to do"
    for number, line in enumerate(without_comments_and_texts(text).splitlines(), 1):
        for call in CALL.findall(line):
            if is_test and call in FINE_IN_TESTS:
                continue
            yield f"{name}:{number}: {call} is banned; there is {BANNED[call]}"
    if path.suffix == ".h":
        if not text.startswith(f"/* {path.name}:"):
            yield f"{name}:1: a header begins with '/* {path.name}: what it is'"
        if "\n#pragma once\n" not in text:
            yield f"{name}:1: #pragma once is missing"
    elif path.with_suffix(".h").exists():
        first = re.search(r'^#include (["<][^">]+[">])', text, re.MULTILINE)
        if first and first.group(1) != f'"{name.with_suffix(".h")}"':
            yield f"{name}:1: its own header is not its first include"
    own_header = path.with_suffix(".h")
    top = (own_header if own_header.exists() else path).read_text()[:4000]
    if len(lines) > LINES_MAX and not is_test and "long because" not in top:
        yield f"{name}:1: {len(lines)} lines, and no 'long because' at its top"


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    complaints = [
        complaint
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*.[ch]"))
        for complaint in complaints_of(path, root)
    ]
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
