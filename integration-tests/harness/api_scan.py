"""schemathesis: a program that reads /openapi.json, asks whatever that does not forbid, and looks for what it does not say."""

import json
import re
import subprocess
import sys
from pathlib import Path

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# Not of headers: what is taken off around a field's value makes good what was not.
ACCEPTS_NOTHING_ELSE = "negative_data_rejection"
SEED = 20261127
HOOKS = Path(__file__).parents[1] / "clients" / "schemathesis_hooks.py"


def without_headers(document):
    """For whoever makes up no header: most that could be made up are refused before it is looked at what is asked for. The
    Idempotency-Key comes from schemathesis_hooks.py, another one each time."""
    for item in document["paths"].values():
        for operation in item.values():
            operation["parameters"] = [one for one in operation["parameters"] if one["in"] != "header"]
    return document


def sent(headers):
    """The arguments by which all requests have these fields."""
    return [argument for name, value in headers.items() for argument in ("--header", f"{name}: {value}")]


# These answers never end: test_streams.py.
STREAMS = "/stream$"


def schemathesis(folder, document, things, checks, *arguments, hooks=None, but=STREAMS):
    """Asks for at most 15 s of all paths `but` those, and fails by what it found. `things` are what paths can name."""
    settings = [f'hooks = "{hooks}"'] if hooks else []
    settings += [f"seed = {SEED}", "[parameters]", *(f'"path.{name}" = "{value}"' for name, value in things.items())]
    # 414 among them: a cursor that is longer than it may be can make the whole target too long.
    refusals = ["400", "401", "403", "404", "405", "406", "409", "414", "415", "422", "428", "429", "5xx"]
    settings += ["[checks.negative_data_rejection]", f"expected-statuses = {json.dumps(refusals)}"]
    (folder / "schemathesis.toml").write_text("\n".join(settings) + "\n")
    ended = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file", folder / "schemathesis.toml",
            "run", document, *arguments,
            "--checks", ",".join(checks),
            "--phases", "examples,coverage,fuzzing",
            "--max-examples", "10",
            "--max-time", "15",
            "--rate-limit", "150/s",
            "--exclude-path-regex", but,
            "--no-shrink",
            "--continue-on-failure",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )  # fmt: skip
    told = ended.stdout
    assert ended.returncode == 0, f"schemathesis ended with {ended.returncode}:\n{told}{ended.stderr}"
    print(told)
    assert int(re.search(r"(\d+) generated, \d+ passed", told).group(1)) > 100, "next to nothing was asked"
