"""CHECKS 21: one Idempotency-Key fifty times at once: one effect, one answer byte for byte, wherever its shard has gone."""

import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from harness import money
from harness.access import KEY
from harness.roles import RoleProcess
from harness.shop import Shop
from harness.waiting import wait_until

AT_ONCE = 50
PRICE = 300


def pay_by(method):
    return {"payment": {"provider": "test", "method": method}}


class Requests:
    """The same request, or a few of them in turn, on fifty connections at once."""

    def __init__(self, url):
        self.url = url

    def send(self, path, key, *bodies):
        """The answers, in the order of the bodies. Those who were told to come again, or to ask later, do so."""
        together = threading.Barrier(AT_ONCE)

        def one(number):
            body = bodies[number % len(bodies)]
            together.wait(30)
            return wait_until(lambda: self._answered(http, path, key, body), "an answer", 60, pause=0.2)

        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        with httpx.Client(base_url=self.url, timeout=60, limits=limits, auth=KEY) as http, ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(one, range(AT_ONCE)))

    @staticmethod
    def _answered(http, path, key, body):
        answer = http.post(path, json=body, headers={"Idempotency-Key": key})
        assert answer.status_code in (200, 201, 202, 402, 409, 422, 503), answer.text
        return answer if answer.status_code not in (202, 503) else None


def the_one(answers, status):
    """All answers are the same bytes, with this status; the bytes."""
    told = Counter((answer.status_code, answer.content) for answer in answers)
    assert len(told) == 1, f"{len(told)} different answers: {told}"
    ((found, content),) = told
    assert found == status, content
    return content


class Purchases:
    """A purchase, one refused for want of goods, one that cannot be paid: each with its key and its first answer."""

    def __init__(self, daybook):
        self.daybook = daybook
        self.requests = Requests(daybook.url)
        self.first = {}
        with daybook.client(timeout=60) as client:
            shop = Shop(client)
            shop.sells("KEY", PRICE, 10)
            self.carts = {
                "bought": shop.cart(("KEY", 2))["id"],
                "missing": shop.cart(("KEY", 11))["id"],
                "declined": shop.cart(("KEY", 3))["id"],
            }
        self.keys = {name: str(uuid.uuid4()) for name in (*self.carts, "receipt")}

    def send(self):
        """What is told now, of all four."""
        told = {
            name: the_one(self._check_out(name, pay_by("decline" if name == "declined" else "approve")), status)
            for name, status in (("missing", 409), ("bought", 201), ("declined", 402))
        }
        receipt = self.requests.send("/v1/stock/KEY/receipts", self.keys["receipt"], {"location": "main", "quantity": 5})
        return told | {"receipt": the_one(receipt, 200)}

    def _check_out(self, name, *bodies):
        return self.requests.send(f"/v1/carts/{self.carts[name]}/checkout", self.keys[name], *bodies)

    def assert_told_the_same(self):
        told = self.send()
        self.first = self.first or told
        assert told == self.first
        for answer in self._check_out("bought", pay_by("twice")):
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
        for answer in self._check_out("missing", pay_by("twice")):
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    def assert_one_effect(self):
        daybook = self.daybook
        wait_until(daybook.views_have_seen_all, "the views to see all", 60)
        with daybook.client(timeout=60) as client:
            assert Shop(client).available("KEY") == 10 - 2 - 3 + 5
            orders = client.expect(200, client.get("/v1/orders?sku=KEY"))["items"]
        assert Counter(order["status"] for order in orders) == {"confirmed": 1, "awaiting_payment": 1, "rejected": 1}, orders
        books = money.books(daybook.provider_url)
        assert sorted((book["captured"], book["charges"]) for book in books.values()) == [(0, 0), (2 * PRICE, 1)]
        money.assert_ledger_is_the_events(daybook)
        daybook.run("verify")


@pytest.mark.quick
def test_fifty_at_once_have_one_effect_and_one_answer(new_daybook):
    purchases = Purchases(new_daybook())
    purchases.assert_told_the_same()
    purchases.assert_one_effect()


def test_two_bodies_under_one_key_at_once_one_of_which_is_done(new_daybook):
    daybook = new_daybook()
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("BODIES", PRICE, 10)
        cart = shop.cart(("BODIES", 1))["id"]
        bodies = pay_by("approve"), pay_by("twice")
        answers = Requests(daybook.url).send(f"/v1/carts/{cart}/checkout", str(uuid.uuid4()), *bodies)
        of_each = answers[0::2], answers[1::2]
        done, refused = sorted(of_each, key=lambda answers: answers[0].status_code)
        the_one(done, 201)
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(422, "idempotency_key_reused")}
        (book,) = money.books(daybook.provider_url).values()
        assert (book["captured"], book["charges"]) == (PRICE, 1)
        assert shop.available("BODIES") == 9


@pytest.mark.timeout(300)
def test_it_is_the_first_answer_wherever_the_shard_goes_and_whatever_is_lost(new_daybook):
    daybook = new_daybook()
    daybook.stop()
    front = RoleProcess(daybook, "gateway,projector,connector", "front")
    handlers = [RoleProcess(daybook, "handler", f"handler-{i}") for i in range(3)]
    try:
        handlers[0].start_ready()
        front.start_ready()
        purchases = Purchases(daybook)
        purchases.assert_told_the_same()
        # Another process takes the shards over; it has nothing but the log.
        handlers[0].kill()
        handlers[0].lose_store()
        handlers[1].start_ready()
        purchases.assert_told_the_same()
        # The front has forgotten as well, and the first process comes back without its store.
        front.kill()
        handlers[1].kill()
        handlers[1].lose_store()
        handlers[0].start_ready()
        front.start_ready()
        purchases.assert_told_the_same()
        # A shard moves while it is asked.
        handlers[2].start()
        purchases.assert_told_the_same()
        purchases.assert_one_effect()
    finally:
        for process in (front, *handlers):
            process.stop()
