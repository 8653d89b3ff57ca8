"""Well-formed requests that the business refuses: a 4xx problem with its code and pointer, and no event."""

import uuid

import psycopg
import pytest
from harness.daybook import Daybook
from harness.shop import Shop, euros
from harness.waiting import wait_until

FAMILIES = ("catalog", "stock", "carts", "orders", "payments")
LINES_MAX = 500
VARIANTS_MAX = 100


@pytest.fixture(scope="module")
def daybook(stack):
    installation = Daybook(stack, name="refusals")
    try:
        yield installation.install().start()
    finally:
        installation.discard()


@pytest.fixture(scope="module")
def shop(daybook):
    """Sells TEA for euros and GUM for dollars."""
    with daybook.client() as client:
        made = Shop(client)
        made.sells("TEA", 790, 100)
        body = {"title": "Gum", "variants": [{"sku": "GUM", "price": {"amount": 99, "currency": "USD"}}]}
        gum = client.expect(201, client.post("/v1/products", body))["id"]
        client.expect(200, client.post(f"/v1/products/{gum}/publish"))
        client.expect(200, client.get(f"/v1/products/{gum}"))
        yield made


@pytest.fixture
def refused(daybook, shop):
    """Sends what must be refused, and sees that no stream of events has grown by it."""

    def events():
        return {family: daybook.kafka.end_offsets(daybook.topic(family)) for family in FAMILIES}

    def send(method, path, body, status, code, pointer):
        before = events()
        answer = shop.client.command(method, path, body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["code"], problem.get("pointer", "")) == (code, pointer), problem
        assert events() == before
        return problem

    return send


def cart_body(currency, *skus):
    return {"currency": currency, "lines": [{"sku": sku, "quantity": 1} for sku in skus]}


def test_a_cart_in_another_currency_than_its_goods_is_not_opened(refused):
    refused("POST", "/v1/carts", cart_body("USD", "TEA"), 422, "currency_mismatch", "/currency")
    refused("POST", "/v1/carts", cart_body("EUR", "TEA", "GUM"), 422, "currency_mismatch", "/currency")


def test_goods_in_another_currency_are_not_put_into_a_cart(refused, shop):
    cart = shop.cart(("TEA", 1))["id"]
    refused("PUT", f"/v1/carts/{cart}/lines/GUM", {"quantity": 1}, 422, "currency_mismatch", "")


def test_a_sku_that_nobody_sells_is_refused_where_it_stands(refused, shop):
    refused("POST", "/v1/carts", cart_body("EUR", "TEA", "NEVER-SEEN"), 422, "sku_not_on_sale", "/lines/1/sku")
    cart = shop.cart(("TEA", 1))["id"]
    refused("PUT", f"/v1/carts/{cart}/lines/NEVER-SEEN", {"quantity": 1}, 422, "sku_not_on_sale", "")


@pytest.fixture(scope="module")
def skus(shop):
    """More of them than a cart has lines, all on sale, none in stock."""
    made = [f"MANY-{number}" for number in range(LINES_MAX + 1)]
    for first in range(0, len(made), VARIANTS_MAX):
        shop.product(*((sku, 100) for sku in made[first : first + VARIANTS_MAX]))
    return made


def test_line_501_is_refused(refused, shop, skus):
    cart = shop.cart(*((sku, 1) for sku in skus[:LINES_MAX]))["id"]
    path = f"/v1/carts/{cart}/lines"
    refused("PUT", f"{path}/{skus[LINES_MAX]}", {"quantity": 1}, 422, "too_many_lines", "")
    # A line that is there may change, and one that goes makes room.
    shop.client.expect(200, shop.client.put(f"{path}/{skus[0]}", {"quantity": 2}))
    shop.client.expect(200, shop.client.put(f"{path}/{skus[0]}", {"quantity": 0}))
    shop.client.expect(200, shop.client.put(f"{path}/{skus[LINES_MAX]}", {"quantity": 1}))


def test_a_total_that_is_not_the_expected_one_is_not_charged(refused, shop):
    cart = shop.cart(("TEA", 2))["id"]
    payment = {"provider": "test", "method": "approve"}
    for expected in (euros(1579), euros(1581), {"amount": 1580, "currency": "USD"}):
        body = {"payment": payment, "expected_total": expected}
        refused("POST", f"/v1/carts/{cart}/checkout", body, 409, "price_changed", "/expected_total")
    order = shop.client.expect(201, shop.check_out(cart, expected_total=euros(1580)))
    assert order["total"] == euros(1580)


def test_an_empty_cart_is_not_checked_out(refused, shop):
    cart = shop.cart()["id"]
    refused("POST", f"/v1/carts/{cart}/checkout", {"payment": {"provider": "test", "method": "approve"}}, 409, "cart_empty", "")


def test_a_refund_names_the_payments_currency_and_no_more_than_is_left(refused, shop):
    payment = shop.buy(("TEA", 1))["payments"][0]["id"]
    path = f"/v1/payments/{payment}/refunds"
    refused("POST", path, {"amount": {"amount": 1, "currency": "USD"}}, 422, "currency_mismatch", "/amount/currency")
    refused("POST", path, {"amount": euros(791)}, 422, "amount_too_large", "/amount/amount")
    refused("POST", path, {"amount": euros(0)}, 422, "nothing_to_change", "/amount/amount")


def test_stock_that_is_not_there_is_neither_moved_nor_written_off(refused, shop):
    shop.sells("POT", 2500, 100)  # none of it held for an order
    transfer = {"from": "main", "to": "shop", "quantity": 101}
    refused("POST", "/v1/stock/POT/transfers", transfer, 409, "stock_insufficient", "/quantity")
    refused("POST", "/v1/stock/POT/transfers", transfer | {"to": "main"}, 422, "same_location", "/to")
    loss = {"location": "main", "delta": -101, "reason": "lost"}
    refused("POST", "/v1/stock/POT/adjustments", loss, 409, "stock_insufficient", "/delta")


def test_a_checkout_that_the_front_tried_twice_has_one_outcome_under_its_first_name(daybook, shop, skus):
    """A large cart that its view has not seen yet: the front lacks its prices, is told which, and tries again. Whoever asks
    for the outcome by the name that he was given first, as after a front's death, must hear of the second try."""
    key = str(uuid.uuid4())
    with psycopg.connect(daybook.sql.connection_string) as view:
        view.execute("LOCK TABLE carts.carts IN EXCLUSIVE MODE")  # reads go on
        cart = shop.cart(*((sku, 1) for sku in skus[:300]))["id"]
        path = f"/v1/carts/{cart}/checkout"
        body = {"payment": {"provider": "test", "method": "approve"}}
        later = shop.client.post(path, body, key=key, headers={"Prefer": "respond-async"})
        assert later.status_code == 202
        location = later.headers["Location"]
        asked = wait_until(lambda: (found := shop.client.get(location)).status_code != 202 and found, "the outcome")
        assert (asked.status_code, asked.json()["code"]) == (409, "cart_changed"), asked.text
        told = shop.client.post(path, body, key=key)
        assert (told.status_code, told.json()["code"]) == (409, "out_of_stock"), told.text
        assert shop.client.get(location).json()["code"] == "out_of_stock"
