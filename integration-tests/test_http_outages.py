"""Kafka or PostgreSQL away: an honest 503 with Retry-After, no crash, and everything goes on when they are back."""

import uuid

import httpx
import pytest
from harness.authority import NOBODY
from harness.daybook import Daybook
from harness.shop import Shop, euros
from harness.waiting import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def installation(mortal_stack):
    made = Daybook(mortal_stack, name="outage", command_wait_ms=3000)
    try:
        yield made.install().start()
    finally:
        made.discard()


def ready(installation):
    answer = httpx.get(f"{installation.url}/health/ready", timeout=5, verify=NOBODY)
    return answer.status_code, answer.json()


def test_without_the_database_queries_are_refused_and_stock_is_still_taken_in(installation, mortal_stack):
    with installation.client() as client:
        shop = Shop(client)
        shop.sells("A", 100, 10)
        mortal_stack.stop_postgres()
        wait_until(lambda: ready(installation)[0] == 503, "readiness to notice")
        assert "database" in ready(installation)[1]["waiting_for"]
        refused = client.http.get("/v1/orders")
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        # What needs no view goes on ...
        client.expect(200, client.post("/v1/stock/A/receipts", {"location": "main", "quantity": 5}))
        client.expect(201, client.post("/v1/carts", {"currency": "EUR"}))
        # ... what needs a view or a new key is refused, and nothing is written.
        key = str(uuid.uuid4())
        body = {"currency": "EUR", "lines": [{"sku": "NEVER-SEEN", "quantity": 1}]}
        assert client.post("/v1/carts", body, key=key).json()["code"] == "database_unavailable"
        mortal_stack.start_postgres()
        wait_until(lambda: ready(installation)[0] == 200, "readiness", 60)
        assert client.post("/v1/carts", body, key=key).json()["code"] == "sku_not_on_sale"
        wait_until(lambda: shop.available("A") == 15, "the view to catch up", 60)
        assert shop.buy(("A", 1))["total"] == euros(100)
    assert installation.service.is_running()


def test_without_the_log_commands_are_refused_and_queries_answered(installation, mortal_stack):
    with installation.client() as client:
        shop = Shop(client)
        shop.sells("A", 100, 10)
        assert shop.available("A") == 10
        mortal_stack.stop_kafka()
        wait_until(lambda: ready(installation)[0] == 503, "readiness to notice", 60)
        key = str(uuid.uuid4())
        body = {"location": "main", "quantity": 5}

        def refused():
            answer = client.post("/v1/stock/A/receipts", body, key=key)
            return answer.status_code == 503 and answer.json()["code"] == "log_unavailable" and answer

        answer = wait_until(refused, "an honest refusal", 60)
        assert int(answer.headers["Retry-After"]) > 0
        assert client.http.get("/v1/stock/A").json()["available"] == 10
        mortal_stack.start_kafka()
        wait_until(lambda: ready(installation)[0] == 200, "readiness", 90)
        wait_until(lambda: client.post("/v1/stock/A/receipts", body, key=key).status_code == 200, "the retry", 60)
        wait_until(lambda: shop.available("A") == 15, "the one receipt", 60)
    assert installation.service.is_running()


def test_servers_that_are_absent_at_start_are_waited_for(mortal_stack):
    made = Daybook(mortal_stack, name="absent")
    try:
        made.install()
        mortal_stack.down()
        made.service.start()
        wait_until(lambda: ready(made)[0] == 503, "the front to answer")
        assert {"log", "database"} <= set(ready(made)[1]["waiting_for"])
        assert httpx.get(f"{made.url}/health/live").status_code == 200
        says = made.service.says
        for line in (
            "the database does not answer; queries are refused until it does",
            "the log does not answer; commands are refused until it does",
        ):
            wait_until(lambda: says("gateway", line, level="warn"), f"the line: {line}")
        mortal_stack.up()
        wait_until(lambda: ready(made)[0] == 200, "readiness", 90)
        assert says("gateway", "the database answers") and says("gateway", "the log answers")
        with made.client() as client:
            client.expect(201, client.post("/v1/carts", {"currency": "EUR"}))
    finally:
        mortal_stack.up()
        made.discard()


def test_a_stop_answers_what_is_in_hand(installation):
    with installation.client() as client:
        shop = Shop(client)
        shop.sells("A", 100, 10)
        cart = shop.cart(("A", 1))["id"]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(shop.check_out, cart, "slow")
            wait_until(lambda: "daybook_gateway_waiting_commands 1" in httpx.get(f"{installation.url}/metrics").text, "it")
            assert installation.stop() == 0
            answer = slow.result(30)
        assert answer.status_code in (201, 202), answer.text
