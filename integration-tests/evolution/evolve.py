"""The schemas of a release that is yet to come: evolve.py CODEGEN FOLDER RELEASE. `make evolved` builds programs of them.

Release 1 is this program. Release 2 adds a field to an event of each kind that is read in another way: by handlers, views,
auditors and connectors. Release 3 retires that field and adds another. As on the day that it is done: a new version's
file, and `--register`, which only adds to the registry.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

EVENTS = ("carts/CartOpened", "orders/OrderPlaced", "payments/PaymentRequested", "stock/StockReceived")
CHANNEL = {"name": "channel", "type": "string", "default": "web", "doc": "Where it was done; it was the web before."}
CAMPAIGN = {"name": "campaign", "type": ["null", "string"], "default": None, "doc": "What led to it."}
SCHEMAS = Path("schemas")


def change(schema, release):
    if release == 2:
        schema["fields"].append(CHANNEL)
    else:
        schema["fields"] = [field for field in schema["fields"] if field["name"] != "channel"] + [CAMPAIGN]


def evolve(folder, release):
    for event in EVENTS:
        versions = len(list((folder / event).glob("*.avsc")))
        schema = json.loads((folder / event / f"{versions}.avsc").read_text())
        change(schema, release)
        (folder / event / f"{versions + 1}.avsc").write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


def main(codegen, folder, release):
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(SCHEMAS, folder, ignore=shutil.ignore_patterns("codegen", "golden"))
    for step in range(2, int(release) + 1):
        evolve(folder, step)
        subprocess.run([codegen, "--schemas", folder, "--register"], check=True, stdout=subprocess.DEVNULL)


main(*sys.argv[1:])
