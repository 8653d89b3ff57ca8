"""Purchases from end to end, on the real servers: what the shopper is told, what the log and the provider say."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from harness import money
from harness.daybook import Daybook
from harness.ports import free_port
from harness.schemas import decode
from harness.shop import Shop, euros
from harness.waiting import wait_until
from harness.webhooks import tell

# Payments whose provider was played by a test: the double's ledger knows nothing of them.
_played = set()


@pytest.fixture(scope="module")
def daybook(stack):
    installation = Daybook(stack, name="purchase", provider_arguments=("--late-ms", "500"), provider_timeout_ms=1000)
    try:
        yield installation.install().start()
    finally:
        installation.discard()


def ledger(daybook, payment):
    """What the provider itself says of a payment."""
    return money.books(daybook.provider_url)[payment]


def order_becomes(shop, order, status):
    return wait_until(
        lambda: (found := shop.order(order))["status"] == status and found, f"order {order} to become {status}"
    )


def test_a_purchase_takes_the_stock_and_the_money(shop, sku, daybook):
    shop.sells(sku, 1999, 10)
    order = shop.buy((sku, 3))
    assert order["total"] == euros(5997)
    assert shop.available(sku) == 7
    book = ledger(daybook, order["payments"][0]["id"])
    assert (book["captured"], book["charges"], book["refunded"]) == (5997, 1, 0)


def test_a_query_with_the_commands_position_sees_the_command(shop, sku):
    shop.sells(sku, 100, 1000)
    for quantity in range(1, 20):
        cart = shop.cart((sku, quantity))
        seen = shop.client.expect(200, shop.client.get(f"/v1/carts/{cart['id']}"))
        assert seen["lines"][0]["quantity"] == quantity


def test_a_retry_with_the_same_key_gets_the_first_answer_byte_for_byte(shop, sku):
    shop.sells(sku, 100, 10)
    cart = shop.cart((sku, 1))["id"]
    first = shop.check_out(cart, key="the-key-of-this-check-out")
    again = shop.check_out(cart, key="the-key-of-this-check-out")
    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert shop.available(sku) == 9


def test_one_key_fifty_times_at_once_is_one_effect_and_one_answer(shop, sku, daybook):
    shop.sells(sku, 100, 100)
    cart = shop.cart((sku, 1))["id"]

    def check_out(_):
        with daybook.client() as own:
            return Shop(own).check_out(cart, key="fifty-times-the-same-key")

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(check_out, range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert shop.available(sku) == 99


def test_the_same_key_with_another_body_is_refused(shop, sku):
    shop.sells(sku, 100, 10)
    cart = shop.cart((sku, 1))["id"]
    assert shop.check_out(cart, key="a-key-that-is-used-twice-here").status_code == 201
    other = shop.check_out(cart, method="slow", key="a-key-that-is-used-twice-here")
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"


def test_out_of_stock_names_what_is_missing_and_the_cart_is_open_again(shop, sku):
    shop.sells(sku, 100, 5)
    other = sku + "-other"
    shop.sells(other, 100, 1)
    cart = shop.cart((sku, 2), (other, 2))["id"]
    refused = shop.check_out(cart)
    assert refused.status_code == 409
    assert refused.json()["code"] == "out_of_stock"
    assert refused.json()["skus"] == [other]
    shop.client.expect(200, shop.client.put(f"/v1/carts/{cart}/lines/{other}", {"quantity": 1}))
    order = shop.client.expect(201, shop.check_out(cart))
    assert order["status"] == "confirmed"
    assert order["id"].endswith(".2")
    assert (shop.available(sku), shop.available(other)) == (3, 0)


def test_a_client_that_sends_its_last_position_back_reads_all_it_wrote(shop, sku):
    shop.sells(sku, 100, 50)
    for _ in range(10):
        cart = shop.cart((sku, 1))["id"]
        declined = shop.check_out(cart, "decline")
        assert declined.status_code == 402
        shop.client.expect(201, shop.client.post("/v1/carts", {"currency": "EUR"}))
        shop.client.expect(200, shop.client.get(f"/v1/carts/{cart}"))
        assert shop.order(declined.json()["order"])["status"] == "awaiting_payment"


def test_a_declined_payment_leaves_an_order_that_another_method_pays(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    declined = shop.check_out(shop.cart((sku, 2))["id"], "decline")
    assert declined.status_code == 402
    assert declined.json()["code"] == "payment_declined"
    order = declined.json()["order"]
    assert shop.order(order)["status"] == "awaiting_payment"
    # The SKU was told in the batch before, so the answer's position does not speak of it.
    wait_until(lambda: shop.available(sku) == 3, "the view of stock")
    paid = shop.client.post(f"/v1/orders/{order}/payments", {"provider": "test", "method": "approve"})
    assert shop.client.expect(201, paid)["status"] == "confirmed"
    assert ledger(daybook, shop.order(order)["payments"][1]["id"])["charges"] == 1


def test_cancelling_an_unpaid_order_frees_its_stock(shop, sku):
    shop.sells(sku, 100, 5)
    order = shop.check_out(shop.cart((sku, 2))["id"], "decline").json()["order"]
    cancelled = shop.client.post(f"/v1/orders/{order}/cancel", {"reason": "changed my mind"})
    assert shop.client.expect(200, cancelled)["status"] == "cancelled"
    wait_until(lambda: shop.available(sku) == 5, "the stock to be free")


def test_cancelling_a_paid_order_frees_its_stock_and_gives_the_money_back(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    order = shop.buy((sku, 2))
    cancelled = shop.client.post(f"/v1/orders/{order['id']}/cancel", {"reason": "changed my mind"})
    assert shop.client.expect(200, cancelled)["status"] == "cancelled"
    payment = order["payments"][0]["id"]
    wait_until(lambda: ledger(daybook, payment)["refunded"] == 200, "the refund")
    wait_until(lambda: shop.available(sku) == 5, "the stock to be free")


def test_a_provider_that_charges_and_hangs_charges_once(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    order = shop.client.expect(201, shop.check_out(shop.cart((sku, 1))["id"], "hang"))
    assert order["status"] == "confirmed"
    assert ledger(daybook, order["payments"][0]["id"])["charges"] == 1


def test_a_provider_that_answers_late_or_twice_confirms_once(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    for method in ("late", "twice", "slow"):
        order = shop.client.expect(201, shop.check_out(shop.cart((sku, 1))["id"], method))
        assert order["status"] == "confirmed", method
        book = ledger(daybook, order["payments"][0]["id"])
        assert (book["charges"], book["captured"]) == (1, 100), method
    assert shop.available(sku) == 2


def test_a_provider_that_only_authorizes_is_asked_to_capture(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    order = shop.buy((sku, 1), method="authorize")
    book = ledger(daybook, order["payments"][0]["id"])
    assert (book["authorized"], book["captured"]) == (100, 100)


def test_an_unknown_provider_is_refused_and_nothing_is_held(shop, sku):
    shop.sells(sku, 100, 5)
    cart = shop.cart((sku, 2))["id"]
    refused = shop.check_out(cart, payment={"provider": "stripe", "method": "card"})
    assert refused.status_code == 422
    assert (refused.json()["code"], refused.json()["pointer"]) == ("unknown_provider", "/payment/provider")
    assert shop.available(sku) == 5
    order = shop.check_out(cart, "decline").json()["order"]
    refused = shop.client.post(f"/v1/orders/{order}/payments", {"provider": "stripe", "method": "card"})
    assert refused.status_code == 422
    assert (refused.json()["code"], refused.json()["pointer"]) == ("unknown_provider", "/provider")


def test_cancelling_after_a_partial_refund_gives_the_rest_back(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    order = shop.buy((sku, 1))
    payment = order["payments"][0]["id"]
    shop.client.expect(200, shop.client.post(f"/v1/payments/{payment}/refunds", {"amount": euros(10)}))
    shop.client.expect(200, shop.client.post(f"/v1/orders/{order['id']}/cancel", {"reason": "changed my mind"}))
    wait_until(lambda: ledger(daybook, payment)["refunded"] == 100, "the refund of the rest")


def types_of_events(shop, order):
    history = shop.client.expect(200, shop.client.get(f"/v1/orders/{order}/history"))
    return [event["type"] for event in history["items"]]


def test_a_success_after_the_cancellation_is_refunded_visibly(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    order = shop.check_out(shop.cart((sku, 1))["id"], "late_success").json()["order"]
    shop.client.expect(200, shop.client.post(f"/v1/orders/{order}/cancel", {"reason": "too slow"}))
    payment = shop.order(order)["payments"][0]["id"]
    wait_until(lambda: ledger(daybook, payment)["refunded"] == 100, "the refund of the late success")
    wait_until(lambda: "OrderPaymentReturned" in types_of_events(shop, order), "the order telling of it")


def test_a_late_success_pays_an_order_that_still_waits(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    order = shop.check_out(shop.cart((sku, 1))["id"], "late_success").json()["order"]
    assert order_becomes(shop, order, "confirmed")
    assert ledger(daybook, shop.order(order)["payments"][0]["id"])["captured"] == 100


def test_a_payment_whose_webhook_is_lost_is_found_all_the_same(new_daybook):
    nobody = f"http://127.0.0.1:{free_port()}/webhooks"
    installation = new_daybook(provider_arguments=("--webhook-url", nobody))
    with installation.client() as client:
        shop = Shop(client)
        shop.sells("LOST", 100, 5)
        orders = [shop.client.expect(201, shop.check_out(shop.cart(("LOST", 1))["id"], "action")) for _ in range(2)]
        kept, given_up = (order["id"] for order in orders)
        for order in orders:
            assert order["status"] == "awaiting_payment"
            assert httpx.get(order["payments"][0]["action_url"]).status_code == 200  # the shopper pays
        # The provider does not let go of what it took: then it is asked what became of the charge.
        shop.client.expect(200, shop.client.post(f"/v1/orders/{given_up}/cancel", {"reason": "not paid in time"}))
        payment = shop.order(given_up)["payments"][0]["id"]
        wait_until(lambda: ledger(installation, payment)["refunded"] == 100, "the refund")
        wait_until(lambda: "OrderPaymentReturned" in types_of_events(shop, given_up), "the order telling of it")
        # One that still waits is paid for once the connector looks, after some ten seconds.
        order_becomes(shop, kept, "confirmed")


def payment_becomes(shop, payment, status):
    def found():
        document = shop.client.expect(200, shop.client.get(f"/v1/payments/{payment}"))
        return document["status"] == status and document

    return wait_until(found, f"payment {payment} to become {status}")


def contested(shop, payment, status):
    def found():
        document = shop.client.expect(200, shop.client.get(f"/v1/payments/{payment}"))
        return [dispute["status"] for dispute in document["disputes"]] == [status] and document

    return wait_until(found, f"the dispute of {payment} to be {status}")


def test_what_a_payer_wins_back_from_his_bank_is_not_refunded(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    payment = shop.buy((sku, 3), method="dispute_lost")["payments"][0]["id"]
    document = contested(shop, payment, "lost")
    assert (document["contested"], document["lost"], document["refunded"]) == (euros(0), euros(300), euros(0))
    assert (document["disputes"][0]["reason"], document["status"]) == ("fraudulent", "captured")
    assert_refused(shop.client.post(f"/v1/payments/{payment}/refunds", {}), 409, "payment_not_refundable")
    assert ledger(daybook, payment)["lost"] == 300


def test_what_a_cancelled_order_owes_waits_for_the_end_of_a_dispute(shop, sku, daybook):
    """The bank is played by the test, so that the dispute ends when it says so."""
    shop.sells(sku, 100, 5)
    order = shop.buy((sku, 3))
    payment = order["payments"][0]["id"]

    def told(result):
        more = {"code": "fraudulent", "respond_by": "2030-01-01T00:00:00Z"}
        tell(shop.client, payment, "charge", result, 300, reference="dp_of_a_test", **more)

    told("disputed")
    document = contested(shop, payment, "open")
    assert (document["contested"], document["lost"]) == (euros(300), euros(0))
    assert document["disputes"][0]["respond_by"] == "2030-01-01T00:00:00.000000Z"
    assert_refused(shop.client.post(f"/v1/payments/{payment}/refunds", {}), 409, "payment_disputed")
    shop.client.expect(200, shop.client.post(f"/v1/orders/{order['id']}/cancel", {"reason": "changed my mind"}))
    wait_until(lambda: shop.client.get(f"/v1/payments/{payment}").json().get("refund_owed"), "the debt")
    assert ledger(daybook, payment)["refunded"] == 0
    told("dispute_won")
    contested(shop, payment, "won")
    wait_until(lambda: ledger(daybook, payment)["refunded"] == 300, "the refund")


def assert_refused(answer, status, code, pointer=""):
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("pointer", "")) == (status, code, pointer), problem


def test_a_refund_in_parts_gives_back_all_that_was_taken_and_no_more(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    payment = shop.buy((sku, 3))["payments"][0]["id"]
    path = f"/v1/payments/{payment}/refunds"
    assert_refused(shop.client.post(path, {"amount": euros(301)}), 422, "amount_too_large", "/amount/amount")
    first = shop.client.expect(200, shop.client.post(path, {"amount": euros(100), "reason": "a cup was broken"}))
    assert (first["id"], first["captured"]) == (payment, euros(300))
    wait_until(lambda: ledger(daybook, payment)["refunded"] == 100, "the first refund")
    shop.client.expect(200, shop.client.post(path, {}))
    wait_until(lambda: ledger(daybook, payment)["refunded"] == 300, "the rest")
    wait_until(
        lambda: shop.client.get(f"/v1/payments/{payment}").json()["refunded"] == euros(300), "the view to show it"
    )
    assert_refused(shop.client.post(path, {}), 409, "payment_not_refundable")
    assert ledger(daybook, payment)["refunded"] == 300


def test_a_shopper_who_takes_the_providers_step_has_paid(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    order = shop.client.expect(201, shop.check_out(shop.cart((sku, 2))["id"], "action"))
    assert order["status"] == "awaiting_payment"
    payment = order["payments"][0]["id"]
    asked = payment_becomes(shop, payment, "action_required")
    assert ledger(daybook, payment)["charges"] == 0
    assert httpx.post(asked["action_url"]).status_code == 200
    assert order_becomes(shop, order["id"], "confirmed")
    assert (ledger(daybook, payment)["charges"], ledger(daybook, payment)["captured"]) == (1, 200)


def test_a_payment_that_was_voided_takes_no_money_and_another_one_pays(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    order = shop.client.expect(201, shop.check_out(shop.cart((sku, 2))["id"], "action"))
    payment = order["payments"][0]["id"]
    url = payment_becomes(shop, payment, "action_required")["action_url"]
    shop.client.expect(200, shop.client.post(f"/v1/payments/{payment}/void", {"reason": "another card"}))
    payment_becomes(shop, payment, "voided")
    assert httpx.post(url).status_code == 409
    assert (ledger(daybook, payment)["voided"], ledger(daybook, payment)["captured"]) == (True, 0)
    paid = shop.client.post(f"/v1/orders/{order['id']}/payments", {"provider": "test", "method": "approve"})
    assert shop.client.expect(201, paid)["status"] == "confirmed"
    assert_refused(shop.client.post(f"/v1/payments/{payment}/capture", {}), 409, "payment_not_capturable")


def test_a_void_that_comes_after_the_charge_is_refused_and_the_order_is_paid(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    cart = shop.cart((sku, 1))["id"]
    body = {"payment": {"provider": "test", "method": "hang"}}
    shop.client.post(f"/v1/carts/{cart}/checkout", body, headers={"Prefer": "respond-async"})
    payment = f"pay_{cart.removeprefix('cart_')}.1.1"
    # The provider has charged, and for a second (provider_timeout_ms) nobody here knows.
    wait_until(lambda: money.books(daybook.provider_url).get(payment), "the charge")
    shop.client.expect(200, shop.client.post(f"/v1/payments/{payment}/void", {}))
    assert payment_becomes(shop, payment, "captured")
    assert order_becomes(shop, f"ord_{cart.removeprefix('cart_')}.1", "confirmed")
    assert (ledger(daybook, payment)["charges"], ledger(daybook, payment)["voided"]) == (1, False)


def test_money_that_is_held_after_a_refused_void_is_captured_without_being_asked_by_hand(shop, sku, daybook):
    """A provider that refuses to void and then only authorizes: the double is no such one, so it is played here."""
    shop.sells(sku, 100, 5)
    order = shop.client.expect(201, shop.check_out(shop.cart((sku, 1))["id"], "action"))
    payment = order["payments"][0]["id"]
    _played.add(payment)
    daybook.provider.stop()
    try:
        shop.client.expect(200, shop.client.post(f"/v1/payments/{payment}/void", {}))
        tell(shop.client, payment, "void", "void_refused", 100)
        tell(shop.client, payment, "charge", "authorized", 100)
        payment_becomes(shop, payment, "authorized")
        # Whatever is held is captured by itself, at once: by hand it comes too late.
        assert_refused(shop.client.post(f"/v1/payments/{payment}/capture", {}), 409, "payment_not_capturable")
        tell(shop.client, payment, "capture.1", "captured", 100)
        assert order_becomes(shop, order["id"], "confirmed")
        assert payment_becomes(shop, payment, "captured")["captured"] == euros(100)
    finally:
        daybook.start_provider()


def events_of(daybook, payment):
    decoded = (decode(record.value()) for record in daybook.kafka.records(daybook.topic("payments")))
    return [name for name, event in decoded if event["meta"]["stream"] == payment]


def test_killed_between_the_charge_and_its_record_it_charges_once_and_brings_the_order_to_rest(new_daybook):
    # The provider charges and never answers: for a minute a killed service has called, and recorded nothing.
    installation = new_daybook(provider_timeout_ms=60000)
    kill_while_the_provider_hangs(installation)


def kill_while_the_provider_hangs(installation):
    key = str(uuid.uuid4())
    with installation.client() as client:
        shop = Shop(client)
        shop.sells("HANGS", 100, 5)
        cart = shop.cart(("HANGS", 2))["id"]
        body = {"payment": {"provider": "test", "method": "hang"}}
        client.post(f"/v1/carts/{cart}/checkout", body, key=key, headers={"Prefer": "respond-async"})
        payment = f"pay_{cart.removeprefix('cart_')}.1.1"
        wait_until(lambda: money.books(installation.provider_url).get(payment), "the charge")
        installation.kill()
        assert events_of(installation, payment) == ["PaymentRequested"]
        installation.start()
        # The same request, as a shopper's browser repeats it until it is told: the order is at rest, and paid for once.
        told = wait_until(
            lambda: (answer := shop.check_out(cart, "hang", key=key)).status_code != 202 and answer, "the order at rest", 60
        )
        order = client.expect(201, told)
        assert order["status"] == "confirmed"
        wait_until(lambda: shop.available("HANGS") == 3, "the view of stock")
    assert events_of(installation, payment) == ["PaymentRequested", "PaymentCaptured"]
    money.assert_ledger_is_the_events(installation)
    assert ledger(installation, payment)["charges"] == 1


def test_an_order_that_is_not_paid_by_its_deadline_is_cancelled(new_daybook):
    installation = new_daybook(payment_deadline_s=1)
    with installation.client() as client:
        shop = Shop(client)
        shop.sells("DEADLINE", 100, 5)
        order = shop.check_out(shop.cart(("DEADLINE", 2))["id"], "decline").json()["order"]
        cancelled = order_becomes(shop, order, "cancelled")
        assert cancelled["cancel_reason"]
        wait_until(lambda: shop.available("DEADLINE") == 5, "the stock to be free")


def test_many_buyers_of_few_units_get_exactly_those(shop, sku, daybook):
    shop.sells(sku, 100, 20)

    def buy(_):
        with daybook.client() as own:
            buyer = Shop(own)
            return buyer.check_out(buyer.cart((sku, 1))["id"]).status_code

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(buy, range(100)))
    assert answers.count(201) == 20
    assert answers.count(409) == 80
    wait_until(lambda: shop.available(sku) == 0, "the last unit")


def test_the_provider_took_and_gave_back_what_the_events_say(daybook):
    wait_until(lambda: daybook.metrics()["daybook_connector_open_intents"] == 0, "the provider's last answer", 60)
    money.assert_ledger_is_the_events(daybook, besides=_played)


def test_the_whole_log_verifies(daybook):
    daybook.run("verify")


def test_the_rebuilt_views_equal_the_live_ones(daybook):
    daybook.compare_views()
