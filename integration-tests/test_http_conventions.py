"""What every path of the front has in common: keys, positions, ETags, pages, problems, health, the registry."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from harness.authority import NOBODY
from harness.positions import ahead_of
from harness.shop import euros
from harness.waiting import wait_until
from harness.webhooks import signed


def assert_problem(answer, status, code, pointer=None):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code, problem
    assert problem["type"] == f"urn:daybook:problem:{code}"
    assert problem["status"] == status
    assert len(problem["trace_id"]) == 32
    if pointer is not None:
        assert problem.get("pointer", "") == pointer, problem
    return problem


# ---- keys -----------------------------------------------------------------------------------------------------------


def test_a_refusal_is_repeated_byte_for_byte(shop, sku):
    shop.sells(sku, 100, 1)
    cart = shop.cart((sku, 2))["id"]
    key = str(uuid.uuid4())
    first = shop.check_out(cart, key=key)
    assert_problem(first, 409, "out_of_stock")
    shop.stock(sku, 100)
    again = shop.check_out(cart, key=key)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert shop.check_out(cart).status_code == 201


def test_a_created_cart_is_created_once(client):
    key = str(uuid.uuid4())
    first = client.post("/v1/carts", {"currency": "EUR"}, key=key)
    again = client.post("/v1/carts", {"currency": "EUR"}, key=key)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.headers["Location"] == f"/v1/carts/{first.json()['id']}"
    other = client.post("/v1/carts", {"currency": "USD"}, key=key)
    assert_problem(other, 422, "idempotency_key_reused")


@pytest.mark.open_access
def test_a_weak_key_needs_a_cart_token(client):
    assert_problem(client.post("/v1/carts", {"currency": "EUR"}, key="short"), 400, "idempotency_key_too_weak")
    token = client.expect(201, client.post("/v1/carts", {"currency": "EUR"}))["token"]
    headers = {"Daybook-Cart-Token": token}
    mine = client.post("/v1/carts", {"currency": "EUR"}, key="short", headers=headers)
    assert mine.status_code == 201
    theirs = client.expect(201, client.post("/v1/carts", {"currency": "EUR"}))["token"]
    other = client.post("/v1/carts", {"currency": "EUR"}, key="short", headers={"Daybook-Cart-Token": theirs})
    assert other.json()["id"] != mine.json()["id"]


def test_where_stock_moves_a_key_is_needed(client):
    answer = client.http.post("/v1/stock/A/receipts", json={"location": "main", "quantity": 1})
    assert_problem(answer, 400, "idempotency_key_required")


def test_the_secret_and_the_token_stay_out_of_the_log(client, daybook):
    token = client.expect(201, client.post("/v1/carts", {"currency": "EUR"}))["token"]
    client.expect(201, client.post("/v1/carts", {"currency": "EUR"}, headers={"Daybook-Cart-Token": token}))
    for record in daybook.kafka.records(daybook.topic("carts")):
        assert token.encode() not in record.value()


def test_a_person_has_one_key_and_his_address_is_only_sealed(shop, sku, daybook):
    shop.sells(sku, 100, 10)
    before = daybook.sql.value("SELECT count(*) FROM vault.keys")
    for email in ("one@example.com", "One@Example.com", "two@example.com"):
        answer = shop.check_out(shop.cart((sku, 1))["id"], email=email)
        assert answer.status_code == 201
        assert email not in answer.text
    assert daybook.sql.value("SELECT count(*) FROM vault.keys") == before + 2


# ---- waiting and asking ---------------------------------------------------------------------------------------------


def test_an_asynchronous_command_is_asked_for_later(client):
    answer = client.post("/v1/carts", {"currency": "EUR"}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    location = answer.headers["Location"]
    assert answer.json() == {"command": location.rpartition("/")[2], "status": "pending"}
    found = wait_until(lambda: (asked := client.get(location)).status_code == 200 and asked, "the outcome")
    assert found.json()["status"] == "open"
    assert found.headers["Content-Location"] == f"/v1/carts/{found.json()['id']}"


def test_what_the_front_has_seen_is_not_asked_of_the_log(client):
    def asks():
        lines = client.http.get("/metrics").text.splitlines()
        return next(line for line in lines if line.startswith("daybook_gateway_outcome_asks_total "))

    answer = client.post("/v1/carts", {"currency": "EUR"}, headers={"Prefer": "respond-async"})
    location = answer.headers["Location"]
    first = wait_until(lambda: (asked := client.get(location)).status_code == 200 and asked, "the outcome")
    before = asks()
    for _ in range(50):
        again = client.get(location)
        assert (again.status_code, again.content) == (200, first.content)
    assert asks() == before


def test_many_questions_at_once_are_answered_or_shed(daybook):
    """Nobody sent these commands, and each question is a record in the log: there are few at a time."""
    asked = [f"{daybook.url}/v1/commands/cmd_01ARZ3NDEKTSV4RRFFQ69G{number:04d}.0" for number in range(400)]
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda url: httpx.get(url, timeout=30, verify=NOBODY), asked))
    for answer in answers:
        assert answer.status_code in (404, 503), answer.text
        if answer.status_code == 503:
            assert answer.json()["code"] == "overloaded"
            assert answer.headers["Retry-After"]
    assert any(answer.status_code == 404 for answer in answers)


def test_a_refusal_is_asked_for_later_as_well(client, sku):
    body = {"currency": "EUR", "lines": [{"sku": sku, "quantity": 1}]}
    answer = client.post("/v1/carts", body, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert_problem(outcome_at(client, answer.headers["Location"]), 422, "sku_not_on_sale", "/lines/0/sku")


def outcome_at(client, location):
    return wait_until(lambda: (asked := client.get(location)).status_code != 202 and asked, "the outcome")


def test_a_wait_of_nothing_is_no_promise_not_to_know(client, sku):
    """RFC 7240, 4.3: `wait` bounds the waiting from above. What is known at the bound is answered, by either way."""
    body = {"currency": "EUR", "lines": [{"sku": sku, "quantity": 1}]}
    for _ in range(10):
        answer = client.post("/v1/carts", body, headers={"Prefer": "wait=0"})
        assert answer.headers["Preference-Applied"] == "wait=0"
        if answer.status_code == 202:
            answer = outcome_at(client, answer.headers["Location"])
        assert_problem(answer, 422, "sku_not_on_sale", "/lines/0/sku")


def test_no_longer_is_waited_than_was_asked_for(shop, sku):
    shop.sells(sku, 100, 10)
    # Its provider never answers, so that for 10 s (provider_timeout_ms) there is no outcome to be told.
    body = {"payment": {"provider": "test", "method": "hang"}}
    for seconds in (0, 1):
        cart = shop.cart((sku, 1))["id"]
        began = time.monotonic()
        answer = shop.client.post(f"/v1/carts/{cart}/checkout", body, headers={"Prefer": f"wait={seconds}"})
        assert answer.status_code == 202
        assert seconds <= time.monotonic() - began < 5
        asked = shop.client.get(answer.headers["Location"])
        assert (asked.status_code, asked.json()["status"]) == (202, "pending")


def test_a_command_nobody_sent_is_unknown(client):
    assert_problem(client.get("/v1/commands/cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV.0"), 404, "unknown_command")
    assert_problem(client.get("/v1/commands/cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV.99"), 404, "malformed_id")
    assert_problem(client.get("/v1/commands/cmd_01ARZ3NDEKTSV4RRFFQ69G5FAV"), 404, "malformed_id")


def test_a_position_that_nobody_was_given_is_refused(client):
    cart = client.expect(201, client.post("/v1/carts", {"currency": "EUR"}))["id"]
    forged = ahead_of(client.position, b"a guess")
    assert_problem(client.get(f"/v1/carts/{cart}", headers={"Daybook-Position": forged}), 400, "invalid_position")


def test_a_position_ahead_of_the_view_is_told_to_come_back(new_daybook):
    installation = new_daybook(view_wait_ms=100)
    with installation.client() as client:
        cart = client.expect(201, client.post("/v1/carts", {"currency": "EUR"}))["id"]
        path = f"/v1/carts/{cart}"
        client.expect(200, client.get(path))
        ahead = ahead_of(client.position, (installation.directory / "secret").read_bytes())
        answer = client.get(path, headers={"Daybook-Position": ahead})
        assert_problem(answer, 503, "view_behind")
        assert answer.headers["Retry-After"] == "1"
        # Other views do not read carts, and have nothing to wait for.
        client.expect(200, client.get("/v1/products", headers={"Daybook-Position": ahead}))


# ---- ETags ----------------------------------------------------------------------------------------------------------


def test_an_unchanged_thing_is_not_sent_again(shop, sku):
    product = shop.product((sku, 100))
    answer = shop.client.get(f"/v1/products/{product}")
    etag = answer.headers["ETag"]
    again = shop.client.get(f"/v1/products/{product}", headers={"If-None-Match": f'"0", W/{etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == etag
    changed = shop.client.patch(f"/v1/products/{product}", {"title": "Other"})
    assert changed.headers["ETag"] != etag
    assert shop.client.get(f"/v1/products/{product}", headers={"If-None-Match": etag}).status_code == 200


def test_what_was_read_a_moment_ago_needs_no_database_until_it_changes(daybook, shop, sku):
    """The same document again and again, by people who bring no position; then it changes."""
    path = f"/v1/products/{shop.product((sku, 100))}"
    shop.client.get(path)  # with the position of what was made: the view has it now
    # The first reads may meet the view's notification of the product itself.
    found = "daybook_gateway_pages_found_total"
    before = daybook.metrics()[found]

    def read():
        return httpx.get(f"{daybook.url}{path}", timeout=5, verify=NOBODY)

    wait_until(lambda: read() and daybook.metrics()[found] > before, "a page found in the cache")
    waited = 0
    for number in range(20):
        title = f"Title {number}"
        shop.client.patch(path, {"title": title})
        # Everybody else sees it when the view has told of it, which takes no second: that is how long a page is kept.
        began = time.monotonic()
        wait_until(lambda title=title: read().json()["title"] == title, "the new title", 5)
        waited += time.monotonic() - began
        shop.client.patch(path, {"title": f"{title} again"})
        # Who made the change reads it at once, though the page is kept.
        assert shop.client.get(path).json()["title"] == f"{title} again"
    assert waited < 5


def test_an_edit_of_what_changed_meanwhile_is_refused(shop, sku):
    product = shop.product((sku, 100))
    path = f"/v1/products/{product}"
    etag = shop.client.get(path).headers["ETag"]
    assert shop.client.patch(path, {"title": "First"}, headers={"If-Match": etag}).status_code == 200
    late = shop.client.patch(path, {"title": "Second"}, headers={"If-Match": etag})
    assert_problem(late, 412, "version_mismatch")
    assert shop.client.get(path).json()["title"] == "First"


def test_the_answer_of_a_command_and_the_query_say_the_same(shop, sku):
    shop.sells(sku, 150, 10)
    cart = shop.client.post("/v1/carts", {"currency": "EUR", "lines": [{"sku": sku, "quantity": 2}]})
    told = cart.json()
    told.pop("token")
    asked = shop.client.get(f"/v1/carts/{told['id']}")
    assert asked.json() == told
    assert asked.headers["ETag"] == cart.headers["ETag"]
    order = shop.check_out(told["id"])
    assert order.headers["Location"] == f"/v1/orders/{order.json()['id']}"
    assert shop.client.get(order.headers["Location"]).json() == order.json()


def test_head_is_get_without_a_body(shop, sku):
    product = shop.product((sku, 100))
    shop.client.get(f"/v1/products/{product}")
    answer = shop.client.http.head(f"/v1/products/{product}")
    assert (answer.status_code, answer.content) == (200, b"")


# ---- lists ----------------------------------------------------------------------------------------------------------


def test_pages_hold_everything_once(shop, sku):
    shop.sells(sku, 100, 100)
    reference = str(uuid.uuid4())
    bought = []
    for _ in range(5):
        cart = shop.cart((sku, 1), reference=reference)["id"]
        bought.append(shop.client.expect(201, shop.check_out(cart))["id"])
    seen, cursor = [], None
    while True:
        query = {"reference": reference, "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = shop.client.expect(200, shop.client.get("/v1/orders", params=query))
        assert len(page["items"]) <= 2
        seen += [order["id"] for order in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == bought[::-1]


def test_a_page_of_large_documents_is_shorter_and_whole(shop, sku):
    attributes = {f"attribute-{number}": "x" * 250 for number in range(60)}
    made = []
    for product in range(45):
        variants = [
            {"sku": f"{sku}-{product}-{number}", "attributes": attributes, "price": euros(100)} for number in range(7)
        ]
        body = {"title": "Wide", "categories": ["wide"], "variants": variants}
        made.append(shop.client.expect(201, shop.client.post("/v1/products", body))["id"])
        shop.client.expect(200, shop.client.post(f"/v1/products/{made[-1]}/publish"))
        shop.client.expect(200, shop.client.get(f"/v1/products/{made[-1]}"))
    first = shop.client.expect(200, shop.client.get("/v1/products", params={"category": "wide", "limit": 200}))
    assert len(first["items"]) < len(made)
    query = {"category": "wide", "limit": 200, "cursor": first["next_cursor"]}
    second = shop.client.expect(200, shop.client.get("/v1/products", params=query))
    assert second["next_cursor"] is None
    assert [product["id"] for product in first["items"] + second["items"]] == made[::-1]


@pytest.mark.parametrize(
    "query, code",
    [
        ("limit=0", "invalid_parameter"),
        ("limit=201", "invalid_parameter"),
        ("limit=x", "invalid_parameter"),
        ("limit=1&limit=2", "invalid_parameter"),
        ("cursor=b3JkX1guMQ", "invalid_parameter"),
        ("cursor=", "invalid_parameter"),
        ("from=yesterday", "invalid_parameter"),
        ("reference=%00", "invalid_parameter"),
        ("reference=%ff", "invalid_parameter"),
        ("colour=red", "unknown_parameter"),
        ("customer=cus_1", "invalid_parameter"),
        ("customer=ord_01ARZ3NDEKTSV4RRFFQ69G5FAV.1", "invalid_parameter"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(client, query, code):
    assert_problem(client.http.get(f"/v1/orders?{query}"), 400, code)


def test_lists_filter(shop, sku):
    product = shop.sells(sku, 100, 10)
    declined = shop.check_out(shop.cart((sku, 1))["id"], "decline").json()["order"]
    waiting = shop.client.get("/v1/orders", params={"sku": sku, "status": "awaiting_payment"}).json()["items"]
    assert [order["id"] for order in waiting] == [declined]
    assert shop.client.get("/v1/orders", params={"sku": sku, "status": "confirmed"}).json()["items"] == []
    assert shop.client.get("/v1/orders", params={"sku": sku, "to": "2020-01-01T00:00:00Z"}).json()["items"] == []
    titles = shop.client.get("/v1/products", params={"limit": 200}).json()["items"]
    assert product in [item["id"] for item in titles]


def test_a_history_ends_where_it_is_asked_to(shop, sku):
    shop.sells(sku, 100, 10)
    order = shop.buy((sku, 1))["id"]
    events = shop.client.expect(200, shop.client.get(f"/v1/orders/{order}/history"))["items"]
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "OrderPlaced"
    assert '" : ' not in shop.client.get(f"/v1/orders/{order}/history").text
    assert {"actor", "command_id", "causation_id", "hash", "event"} <= events[0].keys()
    for following, before in zip(events[1:], events):
        assert following["event"]["meta"]["prev_hash"] == before["hash"]
    first = shop.client.expect(200, shop.client.get(f"/v1/orders/{order}/history", params={"as_of": 1}))
    assert first["items"] == events[:1]
    assert (first["order"]["status"], first["order"]["version"]) == ("placed", 1)
    moment = events[-1]["occurred_at"]
    whole = shop.client.expect(200, shop.client.get(f"/v1/orders/{order}/history", params={"as_of": moment}))
    assert whole["items"] == events
    assert whole["order"] == shop.order(order)
    for bad in ("0", "x", "-1"):
        assert_problem(shop.client.get(f"/v1/orders/{order}/history", params={"as_of": bad}), 400, "invalid_parameter")


def test_a_variant_is_found_by_its_barcode(shop, sku):
    variant = {"sku": sku, "barcode": f"4 00/{sku}", "price": euros(100)}
    product = shop.client.expect(201, shop.client.post("/v1/products", {"title": "Scanned", "variants": [variant]}))["id"]
    shop.client.expect(200, shop.client.post(f"/v1/products/{product}/publish"))
    shop.stock(sku, 3)
    found = shop.client.expect(200, shop.client.get(f"/v1/barcodes/4%2000%2F{sku}"))
    assert (found["sku"], found["product"], found["available"]) == (sku, product, 3)
    assert found == shop.client.expect(200, shop.client.get(f"/v1/variants/{sku}"))


def test_the_ledger_of_a_sku_names_cause_and_actor(shop, sku):
    shop.sells(sku, 100, 10)
    order = shop.buy((sku, 3))["id"]
    items = shop.client.expect(200, shop.client.get(f"/v1/stock/{sku}/movements"))["items"]
    by_type = {item["type"]: item for item in items}
    assert by_type["StockReceived"]["on_hand_delta"] == 10
    assert by_type["StockReserved"]["owner"] == order
    assert all(item["actor"] and item["causation_id"] for item in items)


# ---- routes and problems --------------------------------------------------------------------------------------------


def test_methods_and_paths_that_are_not_there(client):
    wrong = client.http.delete("/v1/carts")
    assert_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["Allow"] == "POST"
    assert client.http.options("/v1/orders").headers["Allow"] == "GET, HEAD"
    for path in ("/", "/v1", "/v1/carts/", "/v2/carts", "/v1/nothing"):
        assert_problem(client.http.get(path), 404, "unknown_path")
    assert_problem(client.http.get("/v1/stock/%zz"), 400, "malformed_path")


def test_what_is_not_there_is_named_by_kind(client):
    ulid = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    for path, code in (
        (f"/v1/products/prod_{ulid}", "unknown_product"),
        (f"/v1/carts/cart_{ulid}", "unknown_cart"),
        (f"/v1/orders/ord_{ulid}.1", "unknown_order"),
        (f"/v1/orders/ord_{ulid}.1/history", "unknown_order"),
        (f"/v1/payments/pay_{ulid}.1.1", "unknown_payment"),
        ("/v1/stock/NO-SUCH-SKU", "unknown_sku"),
        ("/v1/variants/NO-SUCH-SKU", "unknown_sku"),
        ("/v1/barcodes/NO%20SUCH%20CODE", "unknown_barcode"),
    ):
        assert_problem(client.get(path), 404, code)
    for method, path, body, code in (
        ("POST", f"/v1/carts/cart_{ulid}/checkout", {"payment": {"provider": "test", "method": "m"}}, "unknown_cart"),
        ("POST", f"/v1/orders/ord_{ulid}.1/cancel", {"reason": "x"}, "unknown_order"),
        ("POST", f"/v1/orders/ord_{ulid}.1/confirmation", {}, "unknown_order"),
        ("POST", f"/v1/payments/pay_{ulid}.1.1/void", {}, "unknown_payment"),
        ("PATCH", f"/v1/products/prod_{ulid}", {"title": "x"}, "unknown_product"),
    ):
        assert_problem(client.command(method, path, body), 404, code)


def test_a_trace_is_continued_and_told(client):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = client.http.get("/v1/nothing", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert answer.json()["trace_id"] == trace
    assert answer.headers["traceparent"].split("-")[1] == trace


def test_the_trace_reaches_the_log(client, daybook):
    trace = uuid.uuid4().hex
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    client.expect(201, client.post("/v1/carts", {"currency": "EUR"}, headers=headers))
    for topic in ("commands", "carts"):
        traces = [dict(record.headers() or []).get("traceparent", b"") for record in daybook.kafka.records(daybook.topic(topic))]
        assert any(trace.encode() in found for found in traces), topic


def test_the_trace_of_a_checkout_reaches_all_events_of_its_order_and_its_payment(shop, sku, daybook):
    shop.sells(sku, 100, 5)
    trace = uuid.uuid4().hex
    answer = shop.client.post(
        f"/v1/carts/{shop.cart((sku, 1))['id']}/checkout",
        {"payment": {"provider": "test", "method": "authorize"}},
        headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
    )
    order = shop.client.expect(201, answer)
    assert order["status"] == "confirmed"
    for topic, stream, last in (
        ("orders", order["id"], "OrderConfirmed"),
        ("payments", order["payments"][0]["id"], "PaymentCaptured"),
    ):
        found = [dict(record.headers()) for record in daybook.kafka.records(daybook.topic(topic))]
        events = [headers for headers in found if headers["ce_subject"] == stream.encode()]
        assert events[-1]["ce_type"].endswith(last.encode())
        untraced = [headers["ce_type"] for headers in events if trace.encode() not in headers.get("traceparent", b"")]
        assert not untraced, topic


# ---- webhooks -------------------------------------------------------------------------------------------------------


def test_webhooks_that_are_forged_or_stale_are_refused(client):
    body = b'{"intent":"x"}'
    post = client.http.post
    assert_problem(post("/v1/webhooks/test", content=body), 401, "invalid_signature")
    assert_problem(post("/v1/webhooks/test", content=body, headers=signed(body, "guess")), 401, "invalid_signature")
    assert_problem(post("/v1/webhooks/test", content=body + b" ", headers=signed(body)), 401, "invalid_signature")
    old = signed(body, moment=time.time() - 301)
    assert_problem(post("/v1/webhooks/test", content=body, headers=old), 401, "stale_signature")
    assert_problem(post("/v1/webhooks/test", content=body, headers=signed(body)), 400, "missing_field", "/payment")
    assert_problem(post("/v1/webhooks/stripe", content=body, headers=signed(body)), 404, "unknown_provider")


def test_a_webhook_told_again_has_no_further_effect(shop, sku, daybook):
    shop.sells(sku, 100, 10)
    order = shop.buy((sku, 1))["id"]
    events = shop.client.get(f"/v1/orders/{order}/history").json()["items"]
    payment = next(event["event"]["payment"] for event in events if event["type"] == "OrderPaymentStarted")
    # Of this purchase alone: refunds of other tests' orders may still be coming.
    key = payment.removeprefix("pay_").split(".")[0].encode()

    def stored():
        return sum(record.key() == key for record in daybook.kafka.records(daybook.topic("payments")))

    count = stored()
    assert count > 0
    body = json.dumps(
        {"intent": payment, "payment": payment, "result": "captured", "amount": 100, "currency": "EUR", "provider_ref": "r"}
    ).encode()
    for _ in range(3):
        answer = shop.client.http.post("/v1/webhooks/test", content=body, headers=signed(body))
        assert answer.status_code < 500, answer.text
    assert stored() == count
    assert shop.order(order)["status"] == "confirmed"


def test_an_outcome_that_contradicts_is_recorded_once_asked_for_no_more_and_can_be_corrected(shop, sku, daybook):
    def metric(name):
        lines = shop.client.http.get("/metrics").text.splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    shop.sells(sku, 100, 10)
    cart = shop.cart((sku, 1))["id"]
    shop.client.expect(202, shop.check_out_without_waiting(cart, "overcharge"))
    order, payment = f"ord_{cart[5:]}.1", f"pay_{cart[5:]}.1.1"
    refused = wait_until(lambda: metric("daybook_connector_outcomes_refused_total"), "the contradiction being told")
    wait_until(lambda: metric("daybook_connector_open_intents") == 0, "nothing being owed any more")

    def shown():
        found = shop.client.expect(200, shop.client.get(f"/v1/payments/{payment}"))
        return "failure_code" in found and found

    found = wait_until(shown, "the contradiction being shown")
    assert found["failure_code"] == "outcome_refused.charge.amount_too_large"
    assert found["captured"]["amount"] == 0

    def tell(amount):
        body = {"intent": f"{payment}.charge", "payment": payment, "result": "captured", "currency": "EUR"}
        text = json.dumps(body | {"amount": amount, "provider_ref": "r"}).encode()
        answer = shop.client.http.post("/v1/webhooks/test", content=text, headers=signed(text))
        assert answer.status_code == 200, answer.text

    tell(101)
    # It waits for a person, and its deadline counts.
    wait_until(lambda: shop.order(order)["status"] == "awaiting_payment", "the order being told")
    tell(100)
    wait_until(lambda: shop.order(order)["status"] == "confirmed", "the corrected payment")
    assert metric("daybook_connector_outcomes_refused_total") == refused == 1


# ---- the other pages ------------------------------------------------------------------------------------------------


def test_the_registry_answers_as_confluents_does(client):
    subjects = client.expect(200, client.http.get("/registry/subjects"))
    subject = next(name for name in subjects if name.endswith("daybook.carts.CartOpened"))
    newest = client.expect(200, client.http.get(f"/registry/subjects/{subject}/versions/latest"))
    assert newest["subject"] == subject
    by_id = client.http.get(f"/registry/schemas/ids/{newest['id']}")
    assert by_id.headers["content-type"] == "application/vnd.schemaregistry.v1+json"
    assert by_id.json()["schema"] == newest["schema"]
    assert json.loads(newest["schema"])["name"] == "CartOpened"
    for path, status, code in (
        ("/registry/subjects/none/versions", 404, 40401),
        (f"/registry/subjects/{subject}/versions/99", 404, 40402),
        (f"/registry/subjects/{subject}/versions/x", 422, 42202),
        ("/registry/schemas/ids/999999", 404, 40403),
        ("/registry/schemas/ids/x", 404, 40403),
    ):
        answer = client.http.get(path)
        assert (answer.status_code, answer.json()["error_code"]) == (status, code)


def test_health_and_metrics(client):
    assert client.http.get("/health/live").json() == {"live": True}
    assert client.http.get("/health/ready").json() == {"ready": True}
    client.http.get("/v1/orders")
    page = client.http.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'daybook_http_requests_total{method="GET",route="/v1/orders",status="200"}' in page.text
    assert "daybook_gateway_log_up 1" in page.text
    for line in page.text.splitlines():
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2, line


def test_a_checkout_that_the_view_has_not_seen_yet_succeeds(shop, sku, daybook):
    """The front knows what it put into a cart, or fetches what is missing in a second try."""
    shop.sells(sku, 100, 1000)
    other = sku + "-b"
    shop.sells(other, 50, 1000)
    for _ in range(20):
        cart = shop.cart((sku, 1))["id"]
        shop.client.expect(200, shop.client.put(f"/v1/carts/{cart}/lines/{other}", {"quantity": 2}))
        order = shop.client.expect(201, shop.check_out(cart))
        assert order["total"] == euros(200)


def test_the_api_describes_itself(client):
    document = client.expect(200, client.http.get("/openapi.json"))
    assert document["openapi"] == "3.1.0"
    checkout = document["paths"]["/v1/carts/{cart}/checkout"]["post"]
    key = next(parameter for parameter in checkout["parameters"] if parameter["name"] == "Idempotency-Key")
    assert key["required"]
    page = client.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "/v1/carts/{cart}/checkout" in page.text
