"""A little of everything on a binary that watches its own memory: no access outside what was allocated, no leak.

`make test` builds it (build/asan/daybook); `make MODE=asan build` does by hand.
"""

import os
from pathlib import Path

import pytest
from harness.daybook import Daybook
from harness.shop import Shop
from harness.stack import ROOT
from test_http_bad_input import BAD_CARTS
from test_purchase import kill_while_the_provider_hangs

NAMED = os.environ.get("DAYBOOK_TEST_ASAN_BINARY")
BINARY = Path(NAMED or ROOT / "build" / "asan" / "daybook")
FOUND_SOMETHING = 99

# Where it was named it must be there: `make test` never skips this.
pytestmark = pytest.mark.skipif(not NAMED and not BINARY.exists(), reason="make MODE=asan build makes the binary")


@pytest.fixture(scope="module")
def daybook(stack):
    installation = Daybook(stack, name="asan", binary=BINARY, provider_timeout_ms=60000)
    installation.service.environment["ASAN_OPTIONS"] = f"detect_leaks=1:exitcode={FOUND_SOMETHING}"
    try:
        yield installation.install().start()
    finally:
        installation.discard()


def test_a_purchase_and_its_queries(client):
    shop = Shop(client)
    product = shop.sells("ASAN", 100, 10)
    order = shop.buy(("ASAN", 2))
    payment = order["payments"][0]["id"]
    client.expect(200, client.post(f"/v1/payments/{payment}/refunds", {"amount": {"amount": 50, "currency": "EUR"}}))
    declined = shop.check_out(shop.cart(("ASAN", 1))["id"], "decline", email="shopper@example.com")
    client.expect(200, client.post(f"/v1/orders/{declined.json()['order']}/cancel", {"reason": "no"}))
    assert shop.check_out(shop.cart(("ASAN", 100))["id"]).status_code == 409
    for path in (
        "products", f"products/{product}", "variants/ASAN", "stock/ASAN", "stock/ASAN/movements", "orders?sku=ASAN",
        f"orders/{order['id']}", f"orders/{order['id']}/history?as_of=2", f"carts/{order['cart']}", f"payments/{payment}",
        f"products/{product}?as_of=1", f"products/{product}?as_of=2100-01-01T00:00:00Z", "stock/ASAN?as_of=2",
    ):  # fmt: skip
        client.expect(200, client.get(f"/v1/{path}"))
    for path in ("/openapi.json", "/metrics", "/registry/subjects"):
        assert client.get(path).status_code == 200


def test_bad_input(client):
    for content, code, _ in BAD_CARTS:
        headers = {"Content-Type": "application/json", "Idempotency-Key": "x" * 30}
        answer = client.http.post("/v1/carts", content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_kill_and_a_takeover(daybook):
    kill_while_the_provider_hangs(daybook)


def test_an_orderly_stop_leaves_nothing_behind(daybook):
    code = daybook.stop()
    reports = [line for line in daybook.service.log().splitlines() if "Sanitizer" in line]
    assert (code, reports) == (0, []), daybook.service.log_end(100)
