"""People, put into the log as a front puts them: what is personal is sealed, and the key lies wrapped in the vault."""

import os
import re
import time
from pathlib import Path

from confluent_kafka import Producer

from . import vault
from .events import shard_key, streams
from .schemas import encode


def _id(prefix):
    """A new id. Ids of commands have their first bit clear: else an event caused them."""
    return f"{prefix}_{vault.ulid(int.from_bytes(os.urandom(16), 'big') >> 1)}"


class People:
    """Customers of an installation that has run once: the ring is there by then."""

    def __init__(self, daybook):
        self.daybook = daybook
        self.secret = Path(daybook.settings["secret_file"]).read_bytes()
        self.masters = vault.ring(daybook.settings["master_key_file"])
        settings = {"bootstrap.servers": daybook.stack.brokers, "partitioner": "murmur2_random", "acks": "all", "log_level": 2}
        self.producer = Producer(settings)

    def _key(self, key_id):
        """Makes the key."""
        key = os.urandom(32)
        master, bytes_of_it = vault.wrapped(self.masters, key_id, key)
        self.daybook.sql.run(
            "INSERT INTO vault.keys (key_id, wrapped, master) VALUES (%s, %s, %s)", [key_id, bytes_of_it, master]
        )
        return key

    def check_out(self, email):
        """A guest gives that address: its key, which is made."""
        key_id = vault.key_id_of_email(self.secret, email)
        self._key(key_id)
        return key_id

    def send(self, name, stream, actor="anonymous", /, **fields):
        """A command; returns when it stands in the log."""
        command = _id("cmd")
        meta = {
            "command_id": command,
            "stream": stream,
            "correlation_id": command,
            "causation_id": command,
            "actor": actor,
            "issued_at": int(time.time() * 1_000_000),
            "client_key": False,
            "request_hash": b"",
            "expected_version": None,
            "reply_partition": -1,
            "reply_instance": "",
        }
        value = encode(name, {"meta": meta} | fields)
        self.producer.produce(self.daybook.topic("commands"), value, shard_key(stream))
        assert self.producer.flush(30) == 0

    def register(self, email, verified=False):
        """Somebody registers, and is sent a mail; unless the operator vouches for his mailbox."""
        customer, key_id = _id("cus"), _id("per")
        key = self._key(key_id)
        self.send(
            "RegisterCustomer",
            customer,
            email=vault.sealed(key_id, key, email),
            password=vault.sealed(key_id, key, "$argon2id$made-up"),
            name=None,
            identity=_id("idn"),
            key_id=key_id,
            email_key=vault.key_id_of_email(self.secret, email),
            roles=[],
            verified=verified,
            once_until=0,
        )
        return customer

    def begin_totp(self, customer, proved=True):
        """Within a session he asks for an authenticator; where `proved` is false with a wrong password."""
        self.send("BeginTotp", customer, f"customer:{customer}", password="", password_number=1, proved=proved)

    def confirm_totp(self, customer):
        """It has the secret, the first one."""
        self.send("ConfirmTotp", customer, f"customer:{customer}", code="", totp_number=1, step=1)

    def guess(self, customer):
        """Somebody tries to log in."""
        self.send(
            "OpenSession",
            customer,
            email="",
            password="",
            code=None,
            cookie=False,
            password_number=1,
            proved=False,
            totp_number=0,
            totp_step=0,
            recovery=0,
            client=None,
            rehashed=None,
        )

    def erase(self, customer):
        """The house has him erased."""
        self.send("EraseCustomer", customer, "system", password=None, password_number=0, proved=False)

    def told(self):
        """The events of each customer."""
        return streams(self.daybook.kafka, self.daybook.topic("customers"))

    def events(self, name):
        """All of that name, as (customer, event)."""
        return [(stream, one.event) for stream, told in self.told().items() for one in told if one.name == name]

    def mailed(self, customer):
        """What became of his mails."""
        return [event for stream, event in self.events("CustomerMailed") if stream == customer]

    def key_of(self, customer):
        (registered,) = (event for stream, event in self.events("CustomerRegistered") if stream == customer)
        return registered["key_id"]


def link_of(mail):
    """Where the link of a mail leads: (page, customer, token)."""
    text = next(mail.iter_parts()).get_content()
    return re.search(r"(https?://\S+)#customer=(cus_\w+)&token=([\w-]+)", text).groups()
