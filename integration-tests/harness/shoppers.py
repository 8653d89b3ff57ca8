"""Shoppers under fault: threads that buy, cancel and take stock in, ask again until they are answered, and keep a journal."""

import random
import threading
import uuid
from collections import Counter
from dataclasses import dataclass

import httpx

from .journal import FAIL, OK, UNKNOWN, Entry, Journal, now_us, trace_id
from .shop import EUR
from .waiting import wait_until

# How an order is paid: most at once; some are told several times or later, some not at all, and these are cancelled.
METHODS = ("approve", "approve", "approve", "twice", "late", "decline")
# The answers that are honest when something is broken: "ask again".
TRY_AGAIN = {202, 503}
RETRY_PAUSE_S = 0.1


class DishonestAnswer(AssertionError):
    """An answer that nothing excuses."""


@dataclass
class Habits:
    threads: int = 6
    patience_s: float = 90.0  # how long one operation is asked for again, after all are told to end
    attempt_s: float = 8.0  # how long one attempt may take
    cancels: float = 0.2  # of the orders
    receipts: float = 0.1  # of the rounds
    methods: tuple = METHODS


class Shoppers:
    """`with Shoppers(url, skus, path) as shoppers:` they shop until the block ends, and then finish what they are about.

    `answers` counts (status, code) of all attempts, with (0, kind) for connections that broke.
    """

    def __init__(self, url, skus, path, seed=None, habits=None):
        self.habits = habits or Habits()
        self.url, self.skus, self.path = url, list(skus), path
        self.seed = seed if seed is not None else random.randrange(1 << 32)
        self.answers = Counter()
        self.done = Counter()  # (op, outcome)
        self.complaints = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._give_up_at_us = None
        self._threads = [threading.Thread(target=self._shop, args=(number,)) for number in range(self.habits.threads)]

    def __enter__(self):
        print(f"shoppers' seed: {self.seed}")
        self.journal = Journal(self.path)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        self.finish(0.0 if kind else self.habits.patience_s)

    def finish(self, patience_s):
        """No new operations; those under way have so long to be answered."""
        self._give_up_at_us = now_us() + int(patience_s * 1e6)
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.journal.close()
        if patience_s > 0:
            assert not self.complaints, "\n".join(map(str, self.complaints))

    def successes(self):
        with self._lock:
            return sum(count for (_, outcome), count in self.done.items() if outcome == OK)

    def wait_for(self, more, seconds=60.0):
        """Returns when so many more operations have been done: things go on."""
        goal = self.successes() + more
        wait_until(lambda: self.successes() >= goal or self.complaints, f"{more} more operations", seconds, pause=0.05)
        assert not self.complaints, "\n".join(map(str, self.complaints))

    # ---- one thread --------------------------------------------------------------------------------------------------

    def _shop(self, number):
        shopper = _Shopper(self, number)
        try:
            while not self._stop.is_set():
                shopper.round()
        except Exception as error:  # told by whoever waits for the shoppers
            self.complaints.append(error)
        finally:
            shopper.http.close()

    def _is_time_to_give_up(self):
        return self._give_up_at_us is not None and now_us() >= self._give_up_at_us

    def _count(self, status, code):
        with self._lock:
            self.answers[status, code] += 1

    def _ended(self, entry):
        self.journal.write(entry)
        with self._lock:
            self.done[entry.op, entry.outcome] += 1


class _Shopper:
    def __init__(self, shoppers, number):
        self.all = shoppers
        self.process = number
        self.rng = random.Random(shoppers.seed * 1000 + number)
        self.http = httpx.Client(base_url=shoppers.url, timeout=shoppers.habits.attempt_s)

    def round(self):
        sku, quantity = self.rng.choice(self.all.skus), self.rng.randint(1, 3)
        if self.rng.random() < self.all.habits.receipts:
            self.operation("receive", sku, quantity, f"/v1/stock/{sku}/receipts", {"location": "main", "quantity": quantity})
            return
        lines = [{"sku": sku, "quantity": quantity}]
        cart = self.operation("command", sku, quantity, "/v1/carts", {"currency": EUR, "lines": lines})
        if cart.outcome != OK:
            return
        method = self.rng.choice(self.all.habits.methods)
        payment = {"payment": {"provider": "test", "method": method}}
        order = self.operation("reserve", sku, quantity, f"/v1/carts/{cart.order}/checkout", payment)
        # One that was not paid for is cancelled, so that its units come free again.
        if order.outcome == OK and (order.code or self.rng.random() < self.all.habits.cancels):
            self.operation("release", sku, quantity, f"/v1/orders/{order.order}/cancel", {"reason": "changed my mind"})

    def operation(self, op, sku, quantity, path, body):
        """Asks until it is answered or everybody goes home; the journal's entry."""
        entry = Entry(self.process, op, str(uuid.uuid4()), sku, quantity, now_us())
        self.only_refused = ""
        headers = {"Idempotency-Key": entry.key, "traceparent": f"00-{trace_id(entry.key)}-{'1' * 16}-01"}
        while not self._attempt(entry, path, body, headers):
            if self.all._is_time_to_give_up():
                self._give_up(entry)
                break
            # A pause between attempts, shorter than any fault.
            threading.Event().wait(RETRY_PAUSE_S)
        self.all._ended(entry)
        return entry

    def _give_up(self, entry):
        """503 means that nothing was done: who heard nothing else, ever, knows how it ended."""
        if self.only_refused:
            entry.ended(FAIL, self.only_refused)
        else:
            entry.ended(UNKNOWN)
            self.process += len(self.all._threads)

    def _attempt(self, entry, path, body, headers):
        """Whether the entry has ended with it."""
        try:
            answer = self.http.post(path, json=body, headers=headers)
        except httpx.HTTPError as error:
            self.all._count(0, type(error).__name__)
            self.only_refused = None
            return False
        told = answer.json() if answer.content else {}
        code = told.get("code", "")
        self.all._count(answer.status_code, code)
        if answer.status_code in TRY_AGAIN:
            # None once anything else was heard; a 202 may still take effect.
            if answer.status_code != 503:
                self.only_refused = None
            elif self.only_refused is not None:
                self.only_refused = code
            return False
        if answer.status_code in (200, 201):
            entry.ended(OK, "", "" if entry.op == "receive" else told["id"])
        elif code == "payment_declined":
            entry.ended(OK, code, told["order"])
        elif code == "out_of_stock":
            entry.ended(FAIL, code)
        else:
            # Nothing else can be refused here: the goods are on sale, the cart is the shopper's own and open.
            self.all._ended(entry)
            raise DishonestAnswer(f"{entry} was answered {answer.status_code} {answer.text}")
        return True
