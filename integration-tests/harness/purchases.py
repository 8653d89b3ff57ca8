"""Shoppers who buy while servers fail, and their journal: what each sent and was told, which is what a test judges by."""

import threading
import time
import uuid
from collections import Counter

import httpx

from . import money
from .schemas import decode
from .shop import Shop
from .waiting import wait_until

SKU = "TEA"


class Purchase:
    """One check-out of one cart with one unit, and every answer to it."""

    def __init__(self, cart, method):
        self.cart = cart
        self.method = method
        self.key = str(uuid.uuid4())
        self.email = f"{self.key}@example.com"
        self.sent_at = time.monotonic()
        self.answers = []

    @property
    def order(self):
        return f"ord_{self.cart.removeprefix('cart_')}.1"

    def try_once(self, shop):
        """The same request each time. Whoever is not answered has learnt nothing."""
        try:
            answer = shop.check_out(self.cart, self.method, key=self.key, email=self.email)
        except httpx.TransportError:
            return None
        self.answers.append((time.monotonic(), answer))
        return answer

    @property
    def success(self):
        """The answer that confirmed it, with its moment; None: there was none."""
        return next((told for told in self.answers if told[1].status_code == 201), None)

    @property
    def acknowledged(self):
        return self.success is not None


class Shoppers:
    """`with Shoppers(daybook):` they buy in a loop until the end of the block; `purchases` is their journal,
    with `carts` that were opened for certain, and `told`: how many answers there were of each status."""

    def __init__(self, daybook, count=8, methods=("approve",), units=100_000):
        self.daybook = daybook
        self.units = units
        self.methods = methods
        self.count = count
        self.purchases = []
        self.carts = []
        self.told = Counter()
        self._threads = []
        self._ending = threading.Event()
        with daybook.client() as client:
            Shop(client).sells(SKU, 100, units)

    def __enter__(self):
        self._ending.clear()
        self._threads = [threading.Thread(target=self._shop, args=(number,)) for number in range(self.count)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive(), "a request was neither answered nor refused within 90 s"

    def _shop(self, number):
        with self.daybook.client() as client:
            shop = Shop(client)
            while not self._ending.is_set():
                self._buy(shop, number)

    def _buy(self, shop, number):
        # One that was refused a cart tries again a little later, as people do.
        try:
            answer = shop.client.post("/v1/carts", {"currency": "EUR", "lines": [{"sku": SKU, "quantity": 1}]})
        except httpx.TransportError:
            self._ending.wait(0.2)
            return
        self.told[answer.status_code] += 1
        if answer.status_code != 201:
            self._ending.wait(0.2)
            return
        self.carts.append(answer.json()["id"])
        method = self.methods[(number + len(self.purchases)) % len(self.methods)]
        purchase = Purchase(answer.json()["id"], method)
        self.purchases.append(purchase)
        told = purchase.try_once(shop)
        self.told[told.status_code if told else "nothing"] += 1
        if told is None or told.status_code != 201:
            self._ending.wait(0.2)

    @property
    def acknowledged(self):
        return [purchase for purchase in self.purchases if purchase.acknowledged]

    def wait_for_acknowledged(self, more, seconds=90.0):
        """Until so many more purchases than now were confirmed."""
        goal = len(self.acknowledged) + more
        wait_until(lambda: len(self.acknowledged) >= goal, f"{more} purchases ({dict(self.told)} so far)", seconds)

    # ---- what must follow, whatever has failed ----

    def lost(self):
        """Acknowledged purchases whose order the log, as anybody reads it, does not confirm."""
        confirmed = Counter()
        for record in self.daybook.kafka.each_record(self.daybook.topic("orders")):
            name, event = decode(record.value())
            confirmed[event["meta"]["stream"]] += name == "OrderConfirmed"
        return [purchase for purchase in self.acknowledged if confirmed[purchase.order] != 1]

    def _settle(self, purchase, shop):
        """Asks again, with the same key, until it is told: as a shopper's browser does."""

        def told():
            answer = purchase.try_once(shop)
            assert answer is not None and answer.status_code == 201, answer and answer.text
            return True

        wait_until(told, f"an answer to {purchase.order}", 120, pause=0.2)

    def check(self, seconds=120.0):
        """All is healed: every answer stands, every open one comes to its end, and the books agree."""
        before = {purchase.key: purchase.success[1] for purchase in self.acknowledged}
        with self.daybook.client() as client:
            shop = Shop(client)
            for purchase in self.purchases:
                self._settle(purchase, shop)
                answer = purchase.answers[-1][1]
                first = before.get(purchase.key)
                assert first is None or answer.content == first.content, f"{purchase.order} is told otherwise now"
            wait_until(self.daybook.views_have_seen_all, "the views to see all", seconds)
            assert not self.lost()
            for cart in self.carts:
                client.expect(200, client.get(f"/v1/carts/{cart}"))
            assert shop.available(SKU) == self.units - len(self.purchases)
        figures = self.daybook.metrics
        wait_until(lambda: figures()["daybook_connector_open_intents"] == 0, "the provider's last answer", seconds)
        money.assert_ledger_is_the_events(self.daybook)
        captured = [book for book in money.books(self.daybook.provider_url).values() if book["captured"]]
        assert len(captured) == len(self.purchases)
        self.daybook.run("verify", seconds=seconds)
        self.daybook.compare_views()
