"""The log as anybody may read it: each stream's events, with what must hold of any history checked on the way."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass

from .schemas import decode


@dataclass
class Told:
    """One event and where it stands."""

    name: str
    event: dict
    topic: str
    partition: int
    offset: int
    trace: str  # the trace id of the request that led to it; "" when there was none

    @property
    def meta(self):
        return self.event["meta"]


def shard_key(stream):
    key = stream.split("_", 1)[1]
    return key if stream.startswith("sku_") else key.split(".")[0]


def trace_of(record):
    for name, value in record.headers() or ():
        if name == "traceparent":
            return value.decode().split("-")[1]
    return ""


def streams(kafka, *topics):
    """The events of each stream that read_committed shows; asserts keys, versions, the chain of hashes, and times."""
    found = defaultdict(list)
    for topic in topics:
        hashes = {}
        for record in kafka.records(topic):
            name, event = decode(record.value())
            meta = event["meta"]
            stream = meta["stream"]
            place = f"{stream} at {topic}[{record.partition()}] {record.offset()}"
            assert record.key().decode() == shard_key(stream), f"{place}: its key is another stream's"
            assert meta["version"] == len(found[stream]) + 1, f"{place}: a gap or a duplicate, version {meta['version']}"
            assert meta["prev_hash"] == hashes.get(stream, bytes(32)), f"{place}: the chain is broken"
            before = found[stream][-1] if found[stream] else None
            assert not before or before.partition == record.partition(), f"{place}: it moved to another partition"
            assert not before or meta["occurred_at"] >= before.meta["occurred_at"], f"{place}: time runs backwards"
            hashes[stream] = hashlib.blake2b(record.value(), digest_size=32).digest()
            found[stream].append(Told(name, event, topic, record.partition(), record.offset(), trace_of(record)))
    return found


def final_outcomes(kafka, topic):
    """All outcomes in the log that are no mere "pending", by their command."""
    found = defaultdict(list)
    for record in kafka.each_record(topic):
        if record.value():
            name, outcome = decode(record.value())
            assert name == "Outcome"
            if outcome["status"] != "pending":
                found[outcome["command_id"]].append(outcome)
    return found
