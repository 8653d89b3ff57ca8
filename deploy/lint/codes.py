#!/usr/bin/env python3
"""codes.py: two tables of problem codes name every code that the front can answer, and no other: the one in docs/http.md,
and core/gateway/problem_codes.def, from which /openapi.json says what each means.

Business refusals are in neither: their table is core/domain/rejection.def. What the server refuses by itself stands in
core/http/refusal.h, with its meaning, and in docs/http.md.

usage: codes.py [ROOT]; exit code 1 when something is found. Run by `make lint`.
"""

import re
import sys
from pathlib import Path

# Where the code of a problem stands as text.
SAID = [
    re.compile(r'json_fail\(\s*\w+,\s*&?\w+,\s*"([a-z_0-9]+)"'),
    re.compile(r'struct json_text_problem\)\{"([a-z_0-9]+)"'),
    re.compile(r'\brefuse\(\s*ret_problem,\s*\d+,\s*"([a-z_0-9]+)"'),
    re.compile(r'\brefuse\(\s*arena,\s*"([a-z_0-9]+)"'),
    re.compile(r'\brequest_refuse\(\s*[\w>-]+,\s*\d+,\s*"([a-z_0-9]+)"'),
    re.compile(r'\brefuse_for_now\(\s*\w+,\s*"([a-z_0-9]+)"'),
    re.compile(r'\bcode = "([a-z_0-9]+)"'),
    re.compile(r'"(unknown_[a-z]+)"'),
    re.compile(r'ROW\(\w+,\s*\d+,\s*"([a-z_0-9]+)"'),
]
FOLDERS = ["core/gateway", "core/schema", "core/http"]
PROBLEM_CODE = re.compile(r'PROBLEM_CODE\(\d+,\s*"([a-z_0-9]+)",\s*"[^"]*",\s*"[^"]+"\)')
REJECTION = re.compile(r'REJECTION\(\w+,\s*"([a-z_]+)"')


def codes_said(root):
    """Each code, with the file that says it."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.[ch]")):
            if path.stem.endswith(("_test", "_fuzz")) or path.stem.startswith("test_"):
                continue
            text = path.read_text()
            for pattern in SAID:
                for code in pattern.findall(text):
                    found.setdefault(code, path.relative_to(root))
    return found


def codes_documented(root):
    """Those in the last column of the table under "## Problems"."""
    section = (root / "docs/http.md").read_text().split("\n## Problems", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return {code for row in rows for code in re.findall(r"`([a-z_0-9]+)`", row.split("|")[2])}


def codes_of_the_server(root):
    """Those of core/http/refusal.h."""
    return set(re.findall(r'ROW\(\w+,\s*\d+,\s*"([a-z_0-9]+)"', (root / "core/http/refusal.h").read_text()))


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(".")
    said, documented = codes_said(root), codes_documented(root)
    rejections = set(REJECTION.findall((root / "core/domain/rejection.def").read_text()))
    assert len(said) > 30 and len(rejections) > 30, "the code is written in another form now: mend this check"
    complaints = [
        f"{path}: the code {code} is missing in the table of docs/http.md"
        for code, path in sorted(said.items())
        if code not in documented | rejections
    ]
    complaints += [
        f"docs/http.md: nothing answers the code {code}" for code in sorted(documented - said.keys() - rejections)
    ]
    explained = set(PROBLEM_CODE.findall((root / "core/gateway/problem_codes.def").read_text()))
    server = codes_of_the_server(root)
    complaints += [
        f"{path}: the code {code} has no meaning in core/gateway/problem_codes.def"
        for code, path in sorted(said.items())
        if code not in explained | rejections | server
    ]
    complaints += [
        f"core/gateway/problem_codes.def: nothing answers the code {code}" for code in sorted(explained - said.keys())
    ]
    print("\n".join(complaints), end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
