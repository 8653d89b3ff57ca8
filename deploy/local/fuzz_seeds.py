#!/usr/bin/env python3
"""fuzz_seeds.py FOLDER: inputs that fuzzers begin with, and words of their languages, of what is in the tree already.

Inputs, a folder a program, are the golden bytes of every schema, the examples of commands, and the cases of request
smuggling; words, PROGRAM.dict, the names of fields and of settings: so what comes there is known here as well. What a
program's first bytes mean its header says.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "integration-tests" / "attacks"))


def write(folder, program, name, content):
    seeds = folder / program
    seeds.mkdir(parents=True, exist_ok=True)
    (seeds / re.sub(r"[^A-Za-z0-9._-]+", "_", name)).write_bytes(content)


def golden_records():
    """(id, name, Avro) of each record that was kept when its schema was registered."""
    for line in (ROOT / "schemas" / "registry.tsv").read_text().splitlines()[1:]:
        schema_id, subject, version, _ = line.split("\t")
        name = f"{subject.rsplit('.', 1)[-1]}.{version}"
        for path in (ROOT / "schemas" / "golden").glob(f"*/{name}.hex"):
            for number, record in enumerate(path.read_text().split()):
                yield int(schema_id), f"{name}-{number}", bytes.fromhex(record)


def command_types():
    """The number of each command's type, by its name: in the order in which the generator has them."""
    text = (ROOT / "build" / "gen" / "commands.h").read_text()
    return {name.replace("_", ""): int(number) for name, number in re.findall(r"\bCOMMAND_([A-Z_]+) = (\d+),", text)}


def write_words(folder, program, words):
    (folder / f"{program}.dict").write_text("".join(f'"{word}"\n' for word in sorted(words)))


def main():
    import smuggling

    folder = Path(sys.argv[1])
    for schema_id, name, avro in golden_records():
        write(folder, "codec_fuzz", name, (schema_id - 1).to_bytes(2, "big") + avro)
        write(folder, "record_fuzz", name, b"\0" + schema_id.to_bytes(4, "big") + avro)
    types = command_types()
    for name, example in json.loads((ROOT / "core" / "gateway" / "openapi_examples.json").read_text()).items():
        if name.upper() in types:
            content = bytes([types[name.upper()] - 1]) + json.dumps(example, ensure_ascii=False).encode()
            write(folder, "json_read_fuzz", name, content)
    schemas = "".join(path.read_text() for path in (ROOT / "schemas").glob("*/*/*.avsc"))
    fields = set(re.findall(r'"name": *"([a-z_]+)"', schemas))
    write_words(folder, "json_read_fuzz", [rf"\"{name}\":" for name in fields])
    settings = re.findall(r"^CONFIG_[A-Z]+\((\w+),", (ROOT / "core" / "base" / "config.def").read_text(), re.MULTILINE)
    marks = ["true", "false", "(set)", "://", "@", "password="]
    write_words(folder, "config_fuzz", marks + [f"{name} = " for name in settings])
    for case in smuggling.CASES:
        write(folder, "http_fuzz", case.name, b"\x06" + case.sent)
    for program in ("codec_fuzz", "record_fuzz", "json_read_fuzz", "http_fuzz"):
        if not any((folder / program).iterdir()):
            sys.exit(f"there are no seeds for {program}")


if __name__ == "__main__":
    main()
