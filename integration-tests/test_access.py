"""A front that is closed: a guest buys by his cart's token, and is nobody to everybody else's things."""

import json
import uuid

import httpx
import pytest
from harness.daybook import BINARY, Daybook
from harness.ports import free_port
from harness.processes import Process
from harness.shop import Shop, euros
from harness.waiting import wait_until

TOKEN = "Daybook-Cart-Token"


@pytest.fixture(scope="module")
def closed(stack):
    """Stocked by staff. A test's own client brings nothing."""
    daybook = Daybook(stack, name="access", access="closed")
    try:
        key = daybook.install().start().run("people", "key", "staff", "--role", "admin").strip()
        (daybook.directory / "staff.key").write_text(key)
        with daybook.client() as client:
            client.http.headers["Authorization"] = f"Bearer {key}"
            wait_until(lambda: client.get("/v1/api-keys").status_code == 200, "the front knowing the key")
            Shop(client).sells("tea", 500, 1000)
        yield daybook
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
        assert history["items"][0]["actor"] == "guest"
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


def test_who_is_refused_stands_in_the_log_and_what_he_sent_does_not(closed):
    canary = "canary-of-who-is-refused"
    with closed.client() as client:
        cart, _ = opened_cart(client)
        assert client.post("/v1/products", {"title": canary}).status_code == 401
        assert client.get(f"/v1/carts/{cart}").status_code == 404
        assert client.get(f"/v1/stock/{canary}", headers={"Authorization": f"Bearer {canary}"}).status_code == 401
    nobody = {"who": "anonymous", "level": "info"}
    assert closed.service.says("gateway", "refused", kind="rights", code="unauthenticated", route="/v1/products", **nobody)
    assert closed.service.says("gateway", "refused", kind="rights", code="unknown_cart", route="/v1/carts/{cart}", **nobody)
    assert closed.service.says("gateway", "refused", kind="credentials", code="invalid_token", **nobody)
    assert canary not in closed.service.log() and cart not in closed.service.log()


# ---- the default -----------------------------------------------------------------------------------------------------


def test_a_front_of_which_nothing_is_said_asks_who_comes(closed):
    port = free_port()
    settings = {name: value for name, value in closed.settings.items() if name != "access"} | {"http_port": port}
    front = Process("front", [BINARY, "serve", "--role", "gateway"], closed.directory / "front.log")
    front.environment = {f"DAYBOOK_{name.upper()}": str(value) for name, value in settings.items()}
    front.start()
    try:
        url = f"http://127.0.0.1:{port}"
        front.wait_ready(lambda: httpx.get(f"{url}/health/ready").status_code == 200)
        assert httpx.post(f"{url}/v1/products", json={}).json()["code"] == "unauthenticated"
        assert httpx.post(f"{url}/v1/api-keys", json={}).json()["code"] == "unauthenticated"
        assert httpx.get(f"{url}/v1/stock/tea").status_code == 200
    finally:
        assert front.stop() == 0


@pytest.mark.parametrize("command", [["serve"], ["serve", "--role", "handler"], ["config"]], ids=" ".join)
def test_an_open_front_is_a_developers_alone(closed, command):
    ended = closed.ended(command, 60, more={"access": "open", "development": "false", "http_port": free_port()})
    assert ended.returncode == 2
    assert "access = open" in ended.stderr and "needs development = true" in ended.stderr, ended.stderr


# ---- load ------------------------------------------------------------------------------------------------------------


def test_load_stocks_by_a_key_and_buys_as_guests(closed, tmp_path):
    products, stock, baskets, journal, report = (
        tmp_path / name for name in ("products", "stock", "baskets", "journal", "report")
    )
    skus = [f"loaded-{number}" for number in range(10)]

    def write(file, lines):
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def loaded(kind, file, *more):
        closed.run("load", file, "--kind", kind, "--url", closed.url, "--report", report, *more)
        return json.loads(report.read_text())["outcomes"]

    write(products, [{"title": sku, "publish": True, "variants": [{"sku": sku, "price": euros(100)}]} for sku in skus])
    write(stock, [{"sku": sku, "location": "main", "quantity": 1000} for sku in skus])
    write(baskets, [{"reference": sku, "currency": "EUR", "lines": [{"sku": sku, "quantity": 2}]} for sku in skus])
    assert loaded("products", products) == {"refused:unauthenticated": 10}
    known = ("--bearer-file", closed.directory / "staff.key")
    assert loaded("products", products, *known, "--salt", "known") == {"done": 10}
    assert loaded("stock", stock, *known) == {"done": 10}
    with closed.client() as client:
        for sku in skus:
            wait_until(lambda: client.get(f"/v1/variants/{sku}").status_code == 200, f"{sku} to be seen")
    assert loaded("baskets", baskets, "--journal", journal) == {"confirmed": 10}
    wait_until(closed.views_have_seen_all, "the views")
    assert loaded("reads", journal, "--max", 20) == {"done": 20}
    write(tmp_path / "without", [{"order": json.loads(line)["order"]} for line in journal.read_text().splitlines()])
    assert loaded("reads", tmp_path / "without", "--max", 10) == {"refused:unknown_order": 10}
    assert loaded("cart-updates", baskets, "--max", 40, "--closed", 4) == {"done": 40}
