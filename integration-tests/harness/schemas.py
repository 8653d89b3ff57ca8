"""Records as the published schemas describe them: written and read by fastavro, none of the program's own code."""

import io
import json

import fastavro

from .stack import ROOT

SCHEMAS = ROOT / "schemas"


def _registry():
    by_id, ids, versions = {}, {}, {}
    for line in (SCHEMAS / "registry.tsv").read_text().splitlines()[1:]:
        number, subject, version, _ = line.split("\t")
        name = subject.rsplit(".", 1)[1]
        path = next(SCHEMAS.glob(f"*/{name}/{version}.avsc"))
        by_id[int(number)] = (name, fastavro.parse_schema(json.loads(path.read_text())))
        ids[name] = int(number)
        versions[name, int(version)] = int(number)
    return by_id, ids, versions


# The records of each id; of each name the newest id; of each name and version the id.
BY_ID, IDS, ID_OF_VERSION = _registry()


def encode(name, record):
    out = io.BytesIO()
    out.write(b"\0" + IDS[name].to_bytes(4, "big"))
    fastavro.schemaless_writer(out, BY_ID[IDS[name]][1], record)
    return out.getvalue()


def decode(value):
    """The record's name, and the record."""
    name, schema = BY_ID[int.from_bytes(value[1:5], "big")]
    return name, fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)
