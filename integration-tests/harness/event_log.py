"""Events written past the program, so that a great many come at once and some are as they never should be; and who projects them."""

import io
import json
import struct
from contextlib import contextmanager

import fastavro
from confluent_kafka import Producer

from .daybook import BINARY
from .processes import Process
from .stack import ROOT
from .waiting import wait_until


class Log:
    """Writes well-formed events of carts and SKUs, or what it is told to."""

    def __init__(self, daybook):
        self.daybook = daybook
        self.versions = {}
        # Idempotent, because else a retry may come behind what was sent after it.
        settings = {"bootstrap.servers": daybook.stack.brokers, "linger.ms": 5, "enable.idempotence": True}
        self.producer = Producer(settings | {"log_level": 2})
        self.ids = {}
        for line in (ROOT / "schemas" / "registry.tsv").read_text().splitlines()[1:]:
            number, subject, version, _ = line.split("\t")
            self.ids[subject.rsplit(".", 1)[-1], int(version)] = int(number)
        self.schemas = {}

    def event(self, family, name, stream, body, version=None, at_us=None):
        """The framed record of the stream's next event, or of the version given; of that time, else of one soon after the year 2026 began."""
        if version is None:
            version = self.versions[stream] = self.versions.get(stream, 0) + 1
        if name not in self.schemas:
            text = (ROOT / "schemas" / family / name / "1.avsc").read_text()
            self.schemas[name] = fastavro.parse_schema(json.loads(text))
        meta = {
            "event_id": f"evt_{stream}_{version}",
            "stream": stream,
            "version": version,
            "occurred_at": 1767225600000000 + version if at_us is None else at_us,
            "command_id": "cmd_1",
            "correlation_id": "cmd_1",
            "causation_id": "cmd_1",
            "actor": "test",
            "prev_hash": bytes(32),
        }
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self.schemas[name], {"meta": meta} | body)
        return struct.pack(">bI", 0, self.ids[name, 1]) + out.getvalue()

    def cart_opened(self, cart, currency="EUR", version=None):
        body = {"currency": currency, "lines": [], "total": euros(0)}
        return self.event("carts", "CartOpened", cart, body, version)

    def cart_updated(self, cart, quantity, version=None, title="Tea"):
        line = {
            "sku": "TEA",
            "product": "prod_1",
            "title": title,
            "quantity": quantity,
            "unit_price": euros(100),
            "total": euros(100 * quantity),
        }
        body = {"sku": "TEA", "before_quantity": 0, "quantity": quantity, "line": line, "total": line["total"]}
        return self.event("carts", "CartUpdated", cart, body, version)

    def received(self, sku, quantity, on_hand):
        body = {"location": "main", "quantity": quantity, "on_hand": on_hand}
        return self.event("stock", "StockReceived", f"sku_{sku}", body)

    def customer(self, customer, name, /, **body):
        return self.event("customers", name, customer, body)

    def registered(self, customer, identity):
        return self.customer(
            customer,
            "CustomerRegistered",
            identity=identity,
            key_id=f"per_{customer}",
            email_key=f"per_{identity}",
            email=sealed(customer, "email"),
            name=sealed(customer, "name"),
            password=sealed(customer, "verifier"),
            password_number=1,
            roles=[],
            once_until=0,
        )

    def verified(self, customer, identity):
        """An address is proved, and is his: two events."""
        return [
            self.customer(customer, "CustomerVerificationProved", identity=identity),
            self.customer(customer, "CustomerVerified", identity=identity),
        ]

    def session_opened(self, customer, session, expires_at):
        return self.customer(
            customer,
            "SessionOpened",
            session=session,
            expires_at=expires_at,
            method="password",
            totp_step=0,
            recovery=0,
            client=sealed(customer, "client"),
        )

    def append(self, family, *values, shard=0):
        for value in values:
            self.producer.produce(self.daybook.topic(family), value, partition=shard, on_delivery=self._delivered)
            self.producer.poll(0)
        assert self.producer.flush(30) == 0

    @staticmethod
    def _delivered(error, _):
        assert error is None, error

    def carts(self, first, count, updates=4, title="Tea"):
        """`count` carts with `updates` changes each, over all shards, interleaved."""
        names = [f"cart_{number:026d}" for number in range(first, first + count)]
        for change in range(updates + 1):
            for number, name in enumerate(names):
                value = self.cart_updated(name, change, title=title) if change else self.cart_opened(name)
                self.producer.produce(self.daybook.topic("carts"), value, partition=number % 4)
            self.producer.poll(0)
        assert self.producer.flush(60) == 0

    def deliveries(self, first, count, times=3):
        for time in range(1, times + 1):
            for number in range(first, first + count):
                value = self.received(f"S-{number}", 5, 5 * time)
                self.producer.produce(self.daybook.topic("stock"), value, partition=number % 4)
            self.producer.poll(0)
        assert self.producer.flush(60) == 0


def sealed(person, what):
    """As if it were: the ciphertext says what it is of, so that it is found wherever it stands."""
    return {"key_id": f"per_{person}", "nonce": bytes(24), "ciphertext": f"sealed {what} of {person}".encode()}


def euros(amount):
    return {"amount": amount, "currency": "EUR"}


@contextmanager
def projector(daybook, name="projector", start=True):
    process = Process(name, [BINARY, "serve", "--role", "projector"], daybook.directory / name, daybook.environment())
    try:
        yield process.start() if start else process
    finally:
        process.stop()


def position(daybook, view):
    return int(daybook.sql.value(f"SELECT coalesce(sum(next_offset), 0) FROM {view}.position"))


def has_caught_up(daybook, *names):
    """Events written past the program have no transaction markers behind them: positions reach the ends."""
    return all(position(daybook, view) == sum(daybook.kafka.end_offsets(daybook.topic(view))) for view in names)


def wait_caught_up(daybook, *names, seconds=60):
    wait_until(lambda: has_caught_up(daybook, *names), f"{names} to catch up", seconds)


def assert_as_the_log_says(daybook, *names):
    for view in names:
        daybook.run("projection", "compare", view)
