"""What one caller must not be able to do to the others."""

import itertools
import threading
import time

import psycopg
import pytest
from harness.shop import Shop, euros

_numbers = itertools.count(1)


@pytest.fixture
def shop(client):
    return Shop(client)


@pytest.fixture
def sku():
    """One that no other test uses."""
    return f"ATTACK-{next(_numbers)}"


def assert_problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code


def test_a_list_that_takes_too_long_is_refused_and_holds_up_nobody(daybook, shop, sku):
    product = shop.sells(sku, 100, 10)
    answers = []
    with daybook.client() as slow, psycopg.connect(daybook.sql.connection_string) as lock:
        # No list of orders gets to see the table as long as this transaction lasts.
        lock.execute("LOCK TABLE orders.orders IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        thread = threading.Thread(target=lambda: answers.append(slow.http.get("/v1/orders")))
        thread.start()
        time.sleep(0.3)  # the attack itself: the list is on its way
        shop.client.position = None
        cart = shop.cart((sku, 1))["id"]
        order = shop.client.expect(201, shop.check_out(cart))
        assert order["total"] == euros(100)
        shop.client.expect(200, shop.client.http.get(f"/v1/products/{product}"))
        assert time.monotonic() - begun < 1.5
        thread.join()
        assert time.monotonic() - begun > 1.5
        lock.rollback()
    (answer,) = answers
    assert_problem(answer, 503, "query_timeout")
    assert int(answer.headers["Retry-After"]) > 0
    shop.client.expect(200, shop.client.get("/v1/orders"))
