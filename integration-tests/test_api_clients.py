"""Clients that are made from /openapi.json, and a program that looks for what it does not say."""

import json
import os
import shutil
import subprocess

import pytest
from harness.api_scan import ACCEPTS_NOTHING_ELSE, CHECKS, HOOKS, schemathesis, sent, without_headers
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


def test_schemathesis_finds_nothing_undocumented_whatever_is_asked(daybook, things, tmp_path):
    """Whatever is sent to wherever: most of it is refused."""
    schemathesis(tmp_path, f"{daybook.url}/openapi.json", {}, CHECKS, *sent(daybook.headers()))


def test_schemathesis_finds_nothing_undocumented_of_things_that_are_there(daybook, client, things, tmp_path):
    document = without_headers(client.http.get("/openapi.json").json())
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    checks = (*CHECKS, ACCEPTS_NOTHING_ELSE)
    schemathesis(tmp_path, tmp_path / "openapi.json", things, checks, "--url", daybook.url, *sent(daybook.headers()), hooks=HOOKS)
