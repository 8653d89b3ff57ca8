"""Clients that are made from /openapi.json, and a program that looks for what it does not say."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness.shop import Shop, open_shop
from harness.stack import ROOT

SOURCES = ROOT / "integration-tests" / "clients" / "typescript"
BUILT = ROOT / "build" / "clients" / "typescript"


def run(command, **options):
    ended = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, **options)
    assert ended.returncode == 0, f"{command[0]} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def test_a_generated_typescript_client_compiles_strictly_and_places_an_order(daybook, client, tmp_path):
    document = tmp_path / "openapi.json"
    document.write_text(client.http.get("/openapi.json").text)
    for name in ("package.json", "tsconfig.json", "place_order.ts"):
        shutil.copy(SOURCES / name, tmp_path / name)
    (tmp_path / "node_modules").symlink_to(BUILT / "node_modules")
    modules = tmp_path / "node_modules" / ".bin"
    run([modules / "openapi-typescript", document, "--output", tmp_path / "daybook.d.ts"])
    run([modules / "tsc", "--project", tmp_path])
    environment = os.environ | ({"API_KEY": daybook.key()} if daybook.has_key else {})
    order = json.loads(run(["node", tmp_path / "out" / "place_order.js", daybook.url, "typed"], env=environment))
    assert order["status"] == "confirmed"
    assert order["total"] == {"amount": 2500, "currency": "EUR"}
    assert client.expect(200, client.get(f"/v1/orders/{order['id']}")) == order


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
HOOKS = Path(__file__).parent / "clients" / "schemathesis_hooks.py"


@pytest.fixture(scope="module")
def things(daybook):
    """What each path can name."""
    plenty, _ = open_shop(daybook)
    with daybook.client() as client:
        shop = Shop(client)
        order = shop.buy((plenty, 1))
        product = client.expect(200, client.get(f"/v1/variants/{plenty}"))["product"]
        return {
            "product": product,
            "sku": plenty,
            "cart": shop.cart((plenty, 1))["id"],
            "order": order["id"],
            "payment": order["payments"][0]["id"],
            "subject": daybook.topic("orders-daybook.orders.OrderPlaced"),
        }


def without_headers(document):
    """For whoever makes up no header: most that could be made up are refused before it is looked at what is asked for. The
    Idempotency-Key comes from schemathesis_hooks.py, another one each time."""
    for item in document["paths"].values():
        for operation in item.values():
            operation["parameters"] = [one for one in operation["parameters"] if one["in"] != "header"]
    return document


def test_schemathesis_finds_nothing_undocumented_whatever_is_asked(daybook, things, tmp_path):
    """Whatever is sent to wherever: most of it is refused."""
    schemathesis(tmp_path, f"{daybook.url}/openapi.json", {}, CHECKS, *known(daybook))


def test_schemathesis_finds_nothing_undocumented_of_things_that_are_there(daybook, client, things, tmp_path):
    document = without_headers(client.http.get("/openapi.json").json())
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    checks = (*CHECKS, ACCEPTS_NOTHING_ELSE)
    schemathesis(tmp_path, tmp_path / "openapi.json", things, checks, "--url", daybook.url, *known(daybook), hooks=HOOKS)


def known(daybook):
    return [argument for name, value in daybook.headers().items() for argument in ("--header", f"{name}: {value}")]


def schemathesis(folder, document, things, checks, *arguments, hooks=None):
    settings = [f'hooks = "{hooks}"'] if hooks else []
    settings += [f"seed = {SEED}", "[parameters]", *(f'"path.{name}" = "{value}"' for name, value in things.items())]
    # 414 among them: a cursor that is longer than it may be can make the whole target too long.
    refusals = ["400", "401", "403", "404", "405", "406", "409", "414", "415", "422", "428", "429", "5xx"]
    settings += ["[checks.negative_data_rejection]", f"expected-statuses = {json.dumps(refusals)}"]
    (folder / "schemathesis.toml").write_text("\n".join(settings) + "\n")
    told = run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file", folder / "schemathesis.toml",
            "run", document, *arguments,
            "--checks", ",".join(checks),
            "--phases", "examples,coverage,fuzzing",
            "--max-examples", "10",
            "--max-time", "15",
            "--rate-limit", "150/s",
            "--exclude-path-regex", "/stream$",  # these answers never end: test_streams.py
            "--no-shrink",
            "--continue-on-failure",
        ],
        cwd=folder,
    )  # fmt: skip
    print(told)
    assert int(re.search(r"(\d+) generated, \d+ passed", told).group(1)) > 100, "next to nothing was asked"
