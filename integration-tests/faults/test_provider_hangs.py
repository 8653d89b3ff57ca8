"""CHECKS 20: the provider charges and never says so, and whoever asked it dies: one key, one charge, and all come to rest.

The provider is the double with a ledger of its own. What it says there, and the events in the log, must be the same.
"""

import uuid

import httpx
import pytest
from harness import money
from harness.daybook import Daybook
from harness.ports import free_port
from harness.roles import RoleProcess
from harness.schemas import decode
from harness.shop import Shop, euros
from harness.waiting import wait_until
from harness.webhooks import tell

PRICE = 700
ORDERS = 20


def payment_of(cart):
    return f"pay_{cart.removeprefix('cart_')}.1.1"


def events_of_payments(daybook):
    """The names of each payment's events."""
    found = {}
    for record in daybook.kafka.records(daybook.topic("payments")):
        name, event = decode(record.value())
        found.setdefault(event["meta"]["stream"], []).append(name)
    return found


def check_out_later(client, cart, method, key=None):
    body = {"payment": {"provider": "test", "method": method}}
    client.expect(
        202, client.post(f"/v1/carts/{cart}/checkout", body, key=key, headers={"Prefer": "respond-async"})
    )


def order_becomes(shop, order, status, seconds=60):
    return wait_until(
        lambda: (found := shop.order(order))["status"] == status and found, f"order {order} to become {status}", seconds
    )


@pytest.mark.quick
@pytest.mark.timeout(300)
def test_a_connector_killed_while_the_provider_hangs_asks_again_under_the_same_keys(new_daybook):
    # No call ends by itself while the test runs: whoever made it dies with it.
    daybook = new_daybook(provider_timeout_ms=120_000)
    daybook.stop()
    others = RoleProcess(daybook, "gateway,handler,projector", "others")
    connectors = [RoleProcess(daybook, "connector", f"connector-{i}") for i in range(2)]
    try:
        others.start_ready()
        connectors[0].start_ready()
        with daybook.client(timeout=60) as client:
            shop = Shop(client)
            shop.sells("HANGS", PRICE, ORDERS)
            keys = {shop.cart(("HANGS", 1))["id"]: str(uuid.uuid4()) for _ in range(ORDERS)}
            payments = {payment_of(cart) for cart in keys}
            for cart, key in keys.items():
                check_out_later(client, cart, "hang", key)
            wait_until(lambda: money.books(daybook.provider_url).keys() == payments, "every charge", 60)
            connectors[0].kill()
            # Charged, and nobody here knows of it.
            assert events_of_payments(daybook) == {payment: ["PaymentRequested"] for payment in payments}
            connectors[1].start_ready()
            for cart in keys:
                order_becomes(shop, f"ord_{cart.removeprefix('cart_')}.1", "confirmed")
            # And so is everybody told who asks again.
            for cart, key in keys.items():
                answer = client.post(
                    f"/v1/carts/{cart}/checkout", {"payment": {"provider": "test", "method": "hang"}}, key=key
                )
                assert client.expect(201, answer)["status"] == "confirmed"
            assert shop.available("HANGS") == 0
            events = events_of_payments(daybook)
            assert events == {payment: ["PaymentRequested", "PaymentCaptured"] for payment in payments}
            books = money.books(daybook.provider_url)
            assert {(book["charges"], book["captured"]) for book in books.values()} == {(1, PRICE)}
            money.assert_ledger_is_the_events(daybook)
            daybook.run("verify")
    finally:
        for process in (others, *connectors):
            process.stop()


@pytest.fixture
def expiring(stack):
    """Orders expire after some seconds, and the provider's webhooks reach nobody: the tests tell what it says."""
    nobody = f"http://127.0.0.1:{free_port()}/webhooks"
    daybook = Daybook(
        stack, name="expiring", provider_arguments=("--webhook-url", nobody), provider_timeout_ms=1000, payment_deadline_s=4
    )
    try:
        yield daybook.install().start()
    finally:
        daybook.discard()


def awaits_its_shopper(shop, sku):
    """An order that waits for the shopper's step at the provider: itself, its payment, where he would take it."""
    shop.sells(sku, PRICE, 2)
    order = shop.client.expect(201, shop.check_out(shop.cart((sku, 2))["id"], "action"))
    return order["id"], order["payments"][0]["id"], order["payments"][0]["action_url"]


def given_back(daybook, payment):
    book = money.books(daybook.provider_url)[payment]
    return (book["charges"], book["captured"], book["refunded"]) == (1, 2 * PRICE, 2 * PRICE)


def assert_expired_and_given_back(daybook, shop, sku, order, payment):
    """Cancelled, its units free, its money back: once, whatever the provider tells after that."""
    wait_until(lambda: given_back(daybook, payment), "the money to be given back", 60)
    wait_until(lambda: daybook.metrics()["daybook_connector_open_intents"] == 0, "the provider's last answer", 60)
    before = events_of_payments(daybook)[payment]
    for _ in range(2):
        tell(shop.client, payment, "charge", "captured", 2 * PRICE)
    assert events_of_payments(daybook)[payment] == before
    assert given_back(daybook, payment)
    assert shop.order(order)["status"] == "cancelled"
    assert shop.available(sku) == 2
    assert shop.client.expect(200, shop.client.get(f"/v1/payments/{payment}"))["refunded"] == euros(2 * PRICE)
    history = shop.client.expect(200, shop.client.get(f"/v1/orders/{order}/history"))["items"]
    assert [event["type"] for event in history].count("OrderPaymentReturned") == 1
    money.assert_ledger_is_the_events(daybook)
    daybook.run("verify")


def test_an_order_that_expires_lets_go_of_its_payment(expiring):
    with expiring.client() as client:
        shop = Shop(client)
        order, payment, url = awaits_its_shopper(shop, "VOID")
        order_becomes(shop, order, "cancelled")
        wait_until(lambda: money.books(expiring.provider_url)[payment]["voided"], "the void")
        assert httpx.post(url).status_code == 409
        assert money.books(expiring.provider_url)[payment]["captured"] == 0
        wait_until(lambda: shop.available("VOID") == 2, "the units to be free")
        expiring.run("verify")


def test_a_payment_that_was_made_before_the_expiry_and_told_after_it_is_given_back(expiring):
    with expiring.client() as client:
        shop = Shop(client)
        order, payment, url = awaits_its_shopper(shop, "PAID")
        # Paid in time, but nobody was told: the order expires, and the void is refused.
        assert httpx.post(url).status_code == 200
        order_becomes(shop, order, "cancelled")
        assert_expired_and_given_back(expiring, shop, "PAID", order, payment)


def test_the_webhook_says_captured_while_the_void_of_an_expired_order_is_under_way(expiring):
    """The provider is away when the order expires: the void is not answered when the webhook says that it was paid."""
    with expiring.client() as client:
        shop = Shop(client)
        order, payment, url = awaits_its_shopper(shop, "CROSSED")
        assert httpx.post(url).status_code == 200
        expiring.provider.stop()
        try:
            order_becomes(shop, order, "cancelled")
            assert "PaymentVoided" not in events_of_payments(expiring)[payment]
            tell(client, payment, "charge", "captured", 2 * PRICE)
            wait_until(lambda: "PaymentCaptured" in events_of_payments(expiring)[payment], "the capture in the log")
        finally:
            expiring.start_provider()
        assert_expired_and_given_back(expiring, shop, "CROSSED", order, payment)
