#!/usr/bin/env python3
"""layers.py: refuses an #include that the layers do not allow (ARCHITECTURE.md). The table is layers.txt.

usage: layers.py [ROOT]; exit code 1 when something is refused. Run by `make lint`.
"""

import re
import sys
from fnmatch import fnmatch
from pathlib import Path

LIBRARIES = {
    "kafka": ["librdkafka/*"],
    "postgres": ["libpq-fe.h", "libpq/*"],
    "uv": ["uv.h"],
    "jansson": ["jansson.h"],
    "avro": ["avro.h", "avro/*"],
    "lmdb": ["lmdb.h"],
    "sodium": ["sodium.h", "sodium/*"],
    "curl": ["curl/*"],
    "openssl": ["openssl/*"],
    "llhttp": ["llhttp.h"],
    "zlib": ["zlib.h"],
    "cmocka": ["cmocka.h"],
    "threads": ["pthread.h", "stdatomic.h", "threads.h"],
    "clock": ["time.h", "sys/time.h", "sys/timerfd.h"],
}
PURE = {"assert.h", "inttypes.h", "limits.h", "stdalign.h", "stdbool.h", "stddef.h", "stdint.h", "stdlib.h", "string.h"}
FOR_TESTS = ["core/testing", "cmocka", "jansson", "avro"]
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def read_table(path):
    table = {}
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            folder, _, allowed = line.partition(":")
            table[folder] = allowed.split()
    return table


def is_allowed_own(name, folder, allowed):
    """`name` is a header of ours, from the root."""
    if name.startswith("gen/"):
        return any(fnmatch(name, one + ".h") for one in allowed if one.startswith("gen/"))
    return any(name.startswith(one + "/") for one in [folder, *allowed])


def is_allowed_foreign(name, allowed, is_test):
    for library, headers in LIBRARIES.items():
        if any(fnmatch(name, header) for header in headers):
            return library in allowed
    return "pure" not in allowed or is_test or name in PURE


def refused(root, table):
    for folder, allowed in table.items():
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in {".c", ".h", ".def"} or "testdata" in path.parts:
                continue
            is_test = path.stem.endswith(("_test", "_fuzz")) or (
                path.stem.startswith("test_") and (folder != "cmd" or path.suffix == ".h")  # cmd/test_provider.c is no test
            )
            here = allowed + FOR_TESTS if is_test else allowed
            for number, line in enumerate(path.read_text().splitlines(), 1):
                include = INCLUDE.match(line)
                if not include:
                    continue
                quote, name = include.groups()
                fine = (
                    is_allowed_own(name, folder, here) if quote == '"' else is_allowed_foreign(name, here, is_test)
                )
                if not fine:
                    yield f"{path.relative_to(root)}:{number}: {folder} may not use {name}"


def unlisted(root, table):
    """Folders of C files that the table does not know."""
    for path in sorted([*root.glob("core/*/"), *root.glob("projections/"), *root.glob("cmd/"), *root.glob("schemas/*/")]):
        folder = str(path.relative_to(root))
        if folder not in table and any(path.rglob("*.c")):
            yield f"{folder}: not in deploy/lint/layers.txt"


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    table = read_table(Path(__file__).with_name("layers.txt"))
    complaints = [*unlisted(root, table), *refused(root, table)]
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
