"""A front that is closed: a guest buys by his cart's token, and is nobody to everybody else's things."""

import uuid

import httpx
import pytest
from harness.daybook import Daybook
from harness.shop import Shop
from harness.waiting import wait_until

TOKEN = "Daybook-Cart-Token"


@pytest.fixture(scope="module")
def closed(stack):
    """Stocked while it was open: nobody can be told to be staff yet."""
    daybook = Daybook(stack, name="access")
    try:
        daybook.install().start()
        with daybook.client() as client:
            Shop(client).sells("tea", 500, 100)
        daybook.stop()
        daybook.settings["access"] = "closed"
        daybook.service.environment = daybook.environment()
        yield daybook.start()
    finally:
        daybook.discard()


def opened_cart(client):
    """A cart with one line, and the field that speaks for it."""
    answer = client.post("/v1/carts", {"currency": "EUR", "lines": [{"sku": "tea", "quantity": 1}]})
    cart = client.expect(201, answer)
    return cart["id"], {TOKEN: cart["token"]}


def check_out(client, cart, headers, key=None):
    body = {"payment": {"provider": "test", "method": "approve"}, "email": "guest@example.com"}
    return client.post(f"/v1/carts/{cart}/checkout", body, key=key, headers=headers)


def without_trace(answer):
    return {name: value for name, value in answer.json().items() if name != "trace_id"}


def test_a_guest_buys_and_sees_what_he_bought(closed):
    with closed.client() as client:
        cart, mine = opened_cart(client)
        client.expect(200, client.put(f"/v1/carts/{cart}/lines/tea", {"quantity": 2}, headers=mine))
        assert client.expect(200, client.get(f"/v1/carts/{cart}", headers=mine))["lines"][0]["quantity"] == 2
        order = client.expect(201, check_out(client, cart, mine))
        seen = client.expect(200, client.get(f"/v1/orders/{order['id']}", headers=mine))
        assert seen["status"] == "confirmed"
        history = client.expect(200, client.get(f"/v1/orders/{order['id']}/history", headers=mine))
        assert history["items"][0]["actor"].startswith("guest:")
        assert mine[TOKEN] not in str(history)


def test_to_others_a_purchase_is_not_there(closed):
    with closed.client() as client:
        cart, mine = opened_cart(client)
        _, foreign = opened_cart(client)
        order = client.expect(201, check_out(client, cart, mine))["id"]
        absent = f"{order.rpartition('.')[0]}.9"
        for path, code in ((f"/v1/carts/{cart}", "unknown_cart"), (f"/v1/orders/{order}", "unknown_order")):
            for headers in (foreign, {}):
                answer = client.get(path, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (404, code)
                assert {"etag", "daybook-position", "location"}.isdisjoint(answer.headers)
        hidden = client.get(f"/v1/orders/{order}", headers=foreign)
        assert without_trace(hidden) == without_trace(client.get(f"/v1/orders/{absent}", headers=foreign))
        assert without_trace(hidden) == without_trace(client.get(f"/v1/orders/{absent}", headers=mine))
        assert client.get(f"/v1/orders/{order}/stream", headers=foreign).status_code == 404


def test_others_change_nothing_of_it(closed):
    with closed.client() as client:
        cart, mine = opened_cart(client)
        _, foreign = opened_cart(client)
        for headers in (foreign, {}):
            assert client.put(f"/v1/carts/{cart}/lines/tea", {"quantity": 9}, headers=headers).status_code == 404
            assert check_out(client, cart, headers).status_code == 404
        before = client.expect(200, client.get(f"/v1/carts/{cart}", headers=mine))
        assert (before["status"], before["version"], before["lines"][0]["quantity"]) == ("open", 1, 1)
        order = client.expect(201, check_out(client, cart, mine))["id"]
        for headers in (foreign, {}):
            assert client.post(f"/v1/orders/{order}/cancel", {}, headers=headers).status_code == 404
            assert client.post(f"/v1/orders/{order}/payments", {"provider": "test"}, headers=headers).status_code == 404
        assert client.expect(200, client.get(f"/v1/orders/{order}", headers=mine))["status"] == "confirmed"


def test_a_key_counts_for_the_one_who_used_it(closed):
    with closed.client() as client:
        cart, mine = opened_cart(client)
        key = str(uuid.uuid4())
        first = check_out(client, cart, mine, key)
        again = check_out(client, cart, mine, key)
        assert first.status_code == again.status_code == 201
        assert first.content == again.content
        assert again.headers["Idempotent-Replayed"] == "true"
        assert check_out(client, cart, {}, key).status_code == 404


def test_what_became_of_a_command_is_for_the_one_who_sent_it(closed):
    with closed.client() as client:
        cart, mine = opened_cart(client)
        _, foreign = opened_cart(client)
        command = check_out(client, cart, {**mine, "Prefer": "respond-async"}).headers["Location"]

        def decided():
            answer = client.get(command, headers=mine)
            return answer if answer.status_code == 200 else None

        assert wait_until(decided, "the order").json()["status"] == "confirmed"
        told = client.get(command, headers=foreign)
        assert told.json() == {"command": command.rpartition("/")[2], "status": "decided"}
        assert {"etag", "daybook-position", "content-location"}.isdisjoint(told.headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/products"),
        ("POST", "/v1/stock/tea/receipts"),
        ("GET", "/v1/stock/tea/movements"),
        ("GET", "/v1/orders"),
        ("GET", "/v1/payments/pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.1"),
        ("POST", "/v1/payments/pay_01ARZ3NDEKTSV4RRFFQ69G5FAV.1.1/refunds"),
    ],
)
def test_what_is_for_staff_asks_who_one_is(closed, method, path):
    with closed.client() as client:
        answer = client.http.request(method, path, json={} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_what_is_public_stays_so(closed):
    with closed.client() as client:
        for path in ("/v1/products", "/v1/stock/tea", "/openapi.json", "/docs", "/health/ready", "/registry/subjects"):
            assert client.get(path).status_code == 200, path


def test_metrics_are_not_for_whom_a_proxy_brings(closed):
    assert httpx.get(f"{closed.url}/metrics").status_code == 200
    assert httpx.get(f"{closed.url}/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401
