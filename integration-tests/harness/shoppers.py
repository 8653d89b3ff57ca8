"""Shoppers under fault: threads that buy, cancel and take stock in, ask again until they are answered, and keep a journal."""

import random
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from .access import KEY
from .authority import NOBODY
from .journal import FAIL, OK, UNKNOWN, Entry, Journal, headers_of, now_us, read
from .shop import EUR
from .waiting import wait_until

# How an order is paid: most at once; some are told several times or later, some not at all, and these are cancelled.
METHODS = ("approve", "approve", "approve", "twice", "late", "decline")
# The answers that are honest when something is broken: "ask again".
TRY_AGAIN = {202, 503}
RETRY_PAUSE_S = 0.1
CARTS = "/v1/carts"
ASKED_AGAIN_WITHIN_S = 120.0


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

    `answers` counts (status, code) of all attempts, with (0, kind) for connections that broke. Each order brings an
    e-mail address of its own, whose key the vault must never lose.
    """

    def __init__(self, url, skus, path, seed=None, habits=None):
        self.habits = habits or Habits()
        self.url, self.skus, self.path = url, list(skus), path
        self.seed = seed if seed is not None else random.randrange(1 << 32)
        self.answers = Counter()
        self.done = Counter()  # (op, outcome)
        self.complaints = []
        self.besides = []  # entries of whoever asked for something beside them, for the judge
        self._told = []  # (path, body, key, the answer that ended it)
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
            self.assert_content()
        elif self.complaints:  # another failure is on its way, of which this may be the reason
            print("\n".join(map(str, self.complaints)))

    def acknowledged(self):
        """The entries of all that was done up to now."""
        return [entry for entry in read(self.path) if entry.outcome == OK]

    def successes(self, op=None):
        """How many operations were done, or those of this kind: a "reserve" is an order."""
        with self._lock:
            return sum(count for (kind, outcome), count in self.done.items() if outcome == OK and op in (None, kind))

    def wait_for(self, more, seconds=60.0, op=None):
        """Returns when so many more operations have been done, or of this kind: things go on."""
        goal = self.successes(op) + more
        what = f"{more} more of {op or 'any operation'} ({dict(self.answers.copy())} so far)"
        wait_until(lambda: self.successes(op) >= goal or self.complaints, what, seconds, pause=0.05)
        self.assert_content()

    def assert_content(self):
        assert not self.complaints, "\n".join(map(str, self.complaints))

    def ask_beside(self, op, path, body, headers=None, http=httpx, url=None):
        """One request of the test's own (of one unit of "plenty", if of any), of which the judge then knows: its entry, and the
        answer as it is. `url`: of another front."""
        entry = Entry(-1, op, str(uuid.uuid4()), "plenty", 1, now_us())
        sent = headers_of(entry.key) | (headers or {})
        answer = http.post((url or self.url) + path, json=body, headers=sent, timeout=30, auth=KEY)
        if answer.status_code in (200, 201):
            entry.ended(OK, "", "" if op == "receive" else answer.json()["id"])
        elif answer.status_code == 503:
            entry.ended(FAIL, answer.json()["code"])
        with self._lock:
            self.besides.append(entry)
        return entry, answer

    def asked_again(self, *statuses):
        """How many attempts were answered so; by default, all that say "ask again" or nothing at all."""
        wanted = statuses or (0, *TRY_AGAIN)
        return sum(count for (status, _), count in self.answers.copy().items() if status in wanted)

    def come_back(self):
        """After the end: each asks once more under his keys, and is told the same, byte for byte; his carts are there."""
        with (
            httpx.Client(base_url=self.url, timeout=30, verify=NOBODY, auth=KEY) as http,
            ThreadPoolExecutor(self.habits.threads) as pool,
        ):
            for complaint in pool.map(lambda told: _told_otherwise(http, *told), self._told):
                assert not complaint, complaint

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

    def was_told(self, *told):
        with self._lock:
            self._told.append(told)

    def _ended(self, entry):
        self.journal.write(entry)
        with self._lock:
            self.done[entry.op, entry.outcome] += 1


def _told_otherwise(http, path, body, key, first):
    """None when it is not."""

    def answered():
        answer = http.post(path, json=body, headers=headers_of(key))
        return answer.status_code not in TRY_AGAIN and answer

    again = wait_until(answered, f"an answer to {path}", ASKED_AGAIN_WITHIN_S, pause=RETRY_PAUSE_S)
    if (again.status_code, again.content) != (first.status_code, first.content):
        return f"{path} was told {first.status_code} {first.text}, and now {again.status_code} {again.text}"
    if path == CARTS and first.status_code == 201:
        cart = http.get(f"{CARTS}/{first.json()['id']}")
        return cart.text if cart.status_code != 200 else None
    return None


class _Shopper:
    def __init__(self, shoppers, number):
        self.all = shoppers
        self.process = number
        self.rng = random.Random(shoppers.seed * 1000 + number)
        self.http = httpx.Client(base_url=shoppers.url, timeout=shoppers.habits.attempt_s, verify=NOBODY, auth=KEY)

    def round(self):
        sku, quantity = self.rng.choice(self.all.skus), self.rng.randint(1, 3)
        if self.rng.random() < self.all.habits.receipts:
            self.operation("receive", sku, quantity, f"/v1/stock/{sku}/receipts", {"location": "main", "quantity": quantity})
            return
        lines = [{"sku": sku, "quantity": quantity}]
        cart = self.operation("command", sku, quantity, CARTS, {"currency": EUR, "lines": lines})
        if cart.outcome != OK:
            return
        method = self.rng.choice(self.all.habits.methods)
        payment = {"payment": {"provider": "test", "method": method}, "email": f"{cart.order}@example.com"}
        order = self.operation("reserve", sku, quantity, f"{CARTS}/{cart.order}/checkout", payment)
        # One that was not paid for is cancelled, so that its units come free again.
        if order.outcome == OK and (order.code or self.rng.random() < self.all.habits.cancels):
            self.operation("release", sku, quantity, f"/v1/orders/{order.order}/cancel", {"reason": "changed my mind"})

    def operation(self, op, sku, quantity, path, body):
        """Asks until it is answered or everybody goes home; the journal's entry."""
        entry = Entry(self.process, op, str(uuid.uuid4()), sku, quantity, now_us())
        self.only_refused = ""
        while not self._attempt(entry, path, body):
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

    def _attempt(self, entry, path, body):
        """Whether the entry has ended with it."""
        try:
            answer = self.http.post(path, json=body, headers=headers_of(entry.key))
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
        self.all.was_told(path, body, entry.key, answer)
        return True
