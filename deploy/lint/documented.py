#!/usr/bin/env python3
"""documented.py: what others build on is described: every route, parameter, body, answer and event, in a sentence at least.

- each record, enum and field of schemas/ has a `doc`: an event's is /asyncapi.json's, a command's is /openapi.json's
- each query of routes.def has a meaning, each parameter of a path or query a row in openapi_parameters.c
- each command that comes from outside has an example in openapi_examples.json, and no other has
- each refusal of rejection.def is `of` the folders of core/domain whose code says it
- each schema of an answer (document.json, openapi_common.json) and each of its members has a description
- each class of limits stands in the table of docs/http.md, with the rate and the burst that config.def gives it

What /openapi.json makes of them core/gateway/openapi_test.c looks at; that it is so, integration-tests/test_openapi.py.

usage: documented.py [ROOT]; exit code 1 when something is missing. Run by `make lint`.
"""

import json
import re
import sys
from pathlib import Path

COMMAND_ROUTE = re.compile(r'COMMAND_ROUTE\(\w+,\s*"([^"]+)",\s*"\w+",\s*\w+,\s*(\w+),')
QUERY_ROUTE = re.compile(r'(?:QUERY_ROUTE\(\w+,\s*|STREAM_ROUTE\()"([^"]+)",(.*?)\)\n', re.DOTALL)
QUERY_PARTS = re.compile(r'\s*"\w+",\s*\w+,\s*\w+,\s*(?:"([^"]*)"|ANY),\s*(?:"\w+"|AS\([^)]*\)),\s*"([^"]*)"\s*$')
COMMAND = re.compile(r'COMMAND\((\w+),\s*"(\w+)"')
REJECTION = re.compile(r'REJECTION\((\w+),\s*"\w+",\s*\d+,\s*"([^"]*)"')
LIMIT_CLASS = re.compile(r'^    ROW\(\w+, "(\w+)"\)', re.MULTILINE)
LIMIT_ROW = re.compile(r"^\| `(\w+)` \|[^|]*\| (\d+ \| \d+ an? \w+) \|$", re.MULTILINE)
UNITS = {"s": "a second", "m": "a minute", "h": "an hour"}
SAYS_SOMETHING = 3


def is_said(text):
    return isinstance(text, str) and len(text.strip()) >= SAYS_SOMETHING


def undocumented(type_, where):
    """What has no `doc` within an Avro type."""
    if isinstance(type_, list):
        for one in type_:
            yield from undocumented(one, where)
    elif isinstance(type_, dict):
        if type_.get("type") in ("record", "enum", "fixed"):
            where = f"{where}: {type_['name']}"
            if not is_said(type_.get("doc")):
                yield f"{where} has no doc"
            for field in type_.get("fields", []):
                if not is_said(field.get("doc")):
                    yield f"{where}.{field['name']} has no doc"
                yield from undocumented(field["type"], f"{where}.{field['name']}")
        else:
            for inner in ("items", "values", "type"):
                yield from undocumented(type_.get(inner), where)


def complaints_of_schemas(root):
    for path in sorted(root.glob("schemas/*/*/*.avsc")):
        if "codegen" not in path.parts:
            yield from undocumented(json.loads(path.read_text()), path.relative_to(root))


def undescribed(schema, where):
    """Which members have no description, within a schema of JSON."""
    for name, member in schema.get("properties", {}).items():
        if not is_said(member.get("description")) and "$ref" not in member:
            yield f"{where}.{name} has no description"
        yield from undescribed(member, f"{where}.{name}")
    if "items" in schema:
        yield from undescribed(schema["items"], f"{where}[]")


def complaints_of_answers(root):
    for path in [root / "core/gateway/openapi_common.json", *sorted(root.glob("projections/*/document.json"))]:
        for name, schema in json.loads(path.read_text()).items():
            where = f"{path.relative_to(root)}: {name}"
            if not is_said(schema.get("description")):
                yield f"{where} has no description"
            yield from undescribed(schema, where)


def complaints_of_routes(root):
    table = (root / "core/gateway/routes.def").read_text()
    rows = (root / "core/gateway/openapi_parameters.c").read_text()
    queries = QUERY_ROUTE.findall(table)
    assert len(queries) == len(re.findall(r"^(?:QUERY|STREAM)_ROUTE\(", table, re.MULTILINE)) > 20, "mend this check"
    wanted = {name for path in re.findall(r'"(/[^"]*)"', table) for name in re.findall(r"\{(\w+)\}", path)}
    for path, rest in queries:
        parts = QUERY_PARTS.match(rest)
        if parts is None or not is_said(parts.group(2)):
            yield f"core/gateway/routes.def: {path} has no meaning"
        else:
            wanted |= set((parts.group(1) or "").split())
    for name in sorted(wanted):
        if f'{{"{name}", ' not in rows:
            yield f"core/gateway/openapi_parameters.c: the parameter {name} is not described"


def complaints_of_limits(root):
    """The table in docs/http.md, against the classes and their defaults."""
    classes = LIMIT_CLASS.findall((root / "core/gateway/limits.h").read_text())
    default = re.search(r'CONFIG_TEXT\(limits, "([^"]+)"', (root / "core/base/config.def").read_text()).group(1)
    rates = dict(word.split("=") for word in default.split())
    section = (root / "docs/http.md").read_text().split("\n## Limits", 1)[1].split("\n## ", 1)[0]
    told = dict(LIMIT_ROW.findall(section.replace(",", "")))
    assert len(classes) > 3, "mend this check"
    for name in classes:
        burst, rate, unit = re.match(r"(\d+)/(\w):(\d+)", rates.get(name, "0/s:0")).group(3, 1, 2)
        expected = f"{burst} | {rate} {UNITS[unit]}"
        if told.get(name) != expected:
            yield f"docs/http.md: the limit of {name} is not told as {expected}"


def complaints_of_examples(root):
    names = dict(COMMAND.findall((root / "core/domain/commands.def").read_text()))
    table = (root / "core/gateway/routes.def").read_text()
    commands = COMMAND_ROUTE.findall(table)
    assert len(commands) == len(re.findall(r"^COMMAND_ROUTE\(", table, re.MULTILINE)) > 10, "mend this check"
    examples = json.loads((root / "core/gateway/openapi_examples.json").read_text()).keys()
    routed = {names[command] for _, command in commands}
    for name in sorted(routed - examples):
        yield f"core/gateway/openapi_examples.json: the command {name} has no example"
    for name in sorted(examples - routed):
        yield f"core/gateway/openapi_examples.json: no route takes the command {name}"


def complaints_of_rejections(root):
    said = {}
    for path in sorted(root.glob("core/domain/*/*.c")):
        if not path.stem.endswith("_test"):
            for name in re.findall(r"\bREJECT_(\w+)", path.read_text()):
                said.setdefault(name, set()).add(path.parent.name)
    rows = REJECTION.findall((root / "core/domain/rejection.def").read_text())
    assert len(rows) > 30, "mend this check"
    for name, of in rows:
        if of and set(of.split()) != said.get(name, set()):
            yield f"core/domain/rejection.def: {name} is of {' '.join(sorted(said.get(name, set())))}"


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    complaints = [
        *complaints_of_schemas(root),
        *complaints_of_routes(root),
        *complaints_of_limits(root),
        *complaints_of_examples(root),
        *complaints_of_rejections(root),
        *complaints_of_answers(root),
    ]
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
