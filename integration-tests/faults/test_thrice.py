"""Every command, reply and webhook three times, and webhooks in any order: the same state as from one of each."""

import random
import threading
from collections import Counter, defaultdict
from itertools import count

import pytest
from confluent_kafka import Consumer, Producer
from harness import money
from harness.daybook import BINARY, Daybook
from harness.processes import Process
from harness.schemas import decode
from harness.shop import Shop
from harness.shopped import judged, shoppers_of
from harness.waiting import wait_until
from harness.webhooks import tell

pytestmark = pytest.mark.timeout(300)


class Repeater:
    """Copies each record of a topic into it twice more, some later: by the bytes, as a retrying or replaying producer would."""

    def __init__(self, daybook, family, rng):
        self.topic = daybook.topic(family)
        self.copied = 0
        self._rng = rng
        self._seen = {}
        self._brokers = {"bootstrap.servers": daybook.stack.brokers, "log_level": 2}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.failure = None

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join(30)
        assert self.failure is None, self.failure

    def _run(self):
        try:
            self._repeat()
        except Exception as failure:  # told by __exit__, in the test's own thread
            self.failure = failure

    def _repeat(self):
        consumer = Consumer(
            self._brokers
            | {"group.id": f"{self.topic}-repeater", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        )
        consumer.subscribe([self.topic])
        producer = Producer(self._brokers | {"linger.ms": 0})
        waiting = []
        try:
            while not self._ending.is_set() or waiting:
                record = consumer.poll(0.05)
                if record is not None and record.error() is None and self._is_original(record):
                    waiting += [record, record]
                self._rng.shuffle(waiting)
                while waiting and (record is None or self._rng.random() < 0.5):
                    copy = waiting.pop()
                    producer.produce(self.topic, copy.value(), copy.key(), copy.partition(), headers=copy.headers())
                    self.copied += 1
                producer.poll(0)
            assert producer.flush(30) == 0
        finally:
            consumer.close()

    def _is_original(self, record):
        """Not one of our own copies, and not a probe without a value."""
        if record.value() is None:
            return False
        place = (record.key(), record.value())
        self._seen[place] = self._seen.get(place, 0) + 1
        return self._seen[place] == 1


@pytest.mark.quick
def test_every_command_three_times_is_one_purchase_each(new_daybook):
    daybook = new_daybook()
    # The shop's opening is repeated as well.
    with Repeater(daybook, "commands", random.Random(1)) as repeater:
        with shoppers_of(daybook, threads=2, methods=("approve", "twice", "authorize")) as shoppers:
            shoppers.wait_for(30, 90, "reserve")
        wait_until(lambda: repeater.copied >= 2 * 2 * shoppers.successes("reserve"), "the copies", 60)
    judged(daybook, shoppers)
    # One outcome for each command that has one: the copies were told what the first was.
    kinds = {}
    for record in daybook.kafka.each_record(daybook.topic("outcomes")):
        outcome = decode(record.value())[1]
        if outcome["status"] != "pending":
            kinds.setdefault(outcome["command_id"], []).append(outcome["status"])
    assert kinds and all(len(told) == 1 for told in kinds.values())


def test_every_reply_three_times_is_one_answer_each(stack):
    """The handlers are in a process of their own, so that replies travel through the log."""
    daybook = Daybook(stack, name="replies")
    daybook.service.command += ["--role", "gateway,projector,connector"]
    handler = Process(
        "handler",
        [BINARY, "serve", "--role", "handler"],
        daybook.directory / "handler.log",
        daybook.environment() | {"DAYBOOK_HANDLER_NAME": daybook.name + "_alone"},
    )
    try:
        daybook.install()
        handler.start()
        daybook.start()
        with Repeater(daybook, "replies", random.Random(2)) as repeater:
            with shoppers_of(daybook, threads=2, methods=("approve",)) as shoppers:
                shoppers.wait_for(30, 90, "reserve")
                wait_until(lambda: repeater.copied >= 2 * 2 * 30, "the copies", 60)
        judged(daybook, shoppers)
    finally:
        handler.stop()
        daybook.discard()


def asked_to_capture(daybook, payment):
    decoded = (decode(record.value()) for record in daybook.kafka.records(daybook.topic("payments")))
    return any(name == "PaymentAuthorized" and event["meta"]["stream"] == payment for name, event in decoded)


def told_of(daybook):
    """How often each payment's events happened, by their names."""
    found = defaultdict(Counter)
    for record in daybook.kafka.each_record(daybook.topic("payments")):
        name, event = decode(record.value())
        found[event["meta"]["stream"]][name] += 1
    return found


@pytest.mark.parametrize("again", ["the same words", "the same in other words"])
def test_webhooks_in_any_order_and_three_times_end_alike(new_daybook, again):
    """The provider is played: it tells of the charge again while, and after, it tells of the capture, and that the shopper
    must act when he has long done so. The same words are the same command, which the window knows; with other references
    they are commands of their own, and the payment itself must know better."""
    daybook = new_daybook()
    rng = random.Random(3)
    references = ("played" if again == "the same words" else f"played {number}" for number in count())
    played = set()
    ends = set()
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("TEA", 100, 100)
        daybook.provider.stop()
        for _ in range(12):
            cart = shop.cart(("TEA", 1))["id"]
            key = cart.removeprefix("cart_")
            shop.check_out_without_waiting(cart, "action")
            payment = f"pay_{key}.1.1"
            wait_until(lambda: client.get(f"/v1/payments/{payment}").status_code == 200, "the payment")
            played.add(payment)
            # The provider cannot tell of a capture before it was asked for one. Its older words may come at any time.
            for _ in range(3):
                tell(client, payment, "charge", "authorized", 100, reference=next(references))
            wait_until(lambda: asked_to_capture(daybook, payment), "the capture being asked for")
            words = [("charge", "action_required"), ("charge", "authorized"), ("capture.1", "captured")] * 3
            rng.shuffle(words)
            for intent, result in words:
                tell(client, payment, intent, result, 100, reference=next(references))
            order = f"ord_{key}.1"
            wait_until(lambda: shop.order(order)["status"] == "confirmed", f"order {order} being paid", 30)

            def at_rest():
                document = client.expect(200, client.get(f"/v1/payments/{payment}"))
                return document["status"] == "captured" and document

            document = wait_until(at_rest, f"payment {payment} being captured", 30)
            ends.add((document["status"], document["captured"]["amount"]))
        daybook.start_provider()
        assert ends == {("captured", 100)}
        assert shop.available("TEA") == 88
    events = money.paid_by_events(daybook.kafka, daybook.topic("payments"))
    assert {payment: (told["captures"], told["captured"]) for payment, told in events.items()} == {
        payment: (1, 100) for payment in played
    }
    once = ("PaymentRequested", "PaymentAuthorized", "PaymentCaptureRequested", "PaymentCaptured")
    assert {payment: dict(names) for payment, names in told_of(daybook).items()} == {
        payment: dict.fromkeys(once, 1) for payment in played
    }
    daybook.run("verify")
    daybook.compare_views()
