"""The programs of integration-tests/clients/validators, which say whether a document is a good one of its kind."""

import os
import subprocess

from harness.stack import ROOT

SOURCES = ROOT / "integration-tests" / "clients" / "validators"
MODULES = ROOT / "build" / "clients" / "validators" / "node_modules"
WITHIN_S = 60


def complaints(validator: str, document: str) -> list[str]:
    """What `openapi` or `asyncapi` has against the text of a document."""
    ended = subprocess.run(
        ["node", SOURCES / f"{validator}.js"],
        input=document,
        env=os.environ | {"NODE_PATH": str(MODULES)},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()
