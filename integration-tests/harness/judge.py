"""What the shoppers' journal says against what stands in the log, in the views, and in the provider's own ledger.

`judge` is the oracle after every fault (CHECKS (a) to (f)): it reads the raw log with a Kafka client of its own and believes
the journal. It must be called when the system is at rest: `settled` waits for that.
"""

import contextlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from .events import final_outcomes, streams
from .journal import FAIL, OK, trace_id
from .money import assert_ledger_is_the_events, books
from .waiting import Overdue, wait_until

FAMILIES = ("stock", "carts", "orders", "payments")
# The event that is an operation's effect.
EFFECT = {"command": "CartOpened", "reserve": "CartCheckedOut", "release": "OrderCancelled", "receive": "StockReceived"}
# What an order can be at rest, with its units held or not.
HOLDING = {"confirmed", "awaiting_payment"}
LISTED_AT_ONCE = 200


def settled(daybook, seconds=30.0):
    """Waits until nothing is under way: views at the log's end, the provider's answers in, orders at rest."""

    def at_rest():
        figures = daybook.metrics()
        return figures["daybook_connector_open_intents"] == 0 and daybook.views_have_seen_all()

    def orders_at_rest():
        unsettled = daybook.sql.value("SELECT count(*) FROM orders.orders WHERE status IN ('placed', 'paying')")
        return unsettled == 0 and at_rest()

    wait_until(orders_at_rest, "lag 0 and nothing under way", seconds, pause=0.1)


@dataclass
class Stock:
    """One SKU, folded from its events."""

    sku: str
    on_hand: Counter = field(default_factory=Counter)
    reserved: Counter = field(default_factory=Counter)
    held: dict = field(default_factory=dict)  # owner -> units, 0 once they are free

    def take(self, told):
        """Asserts after each event that no more is promised than is there."""
        event, place = told.event, f"{told.name} version {told.meta['version']} of {self.sku}"
        if told.name == "StockReceived":
            self.on_hand[event["location"]] += event["quantity"]
            assert self.on_hand[event["location"]] == event["on_hand"], f"{place}: says {event['on_hand']} on hand"
        elif told.name == "StockAdjusted":
            self.on_hand[event["location"]] += event["delta"]
            assert self.on_hand[event["location"]] == event["on_hand"], f"{place}: says {event['on_hand']} on hand"
        elif told.name == "StockReserved":
            assert event["owner"] not in self.held, f"{place}: {event['owner']} holds or held already"
            self.held[event["owner"]] = event["quantity"]
            self._move(event, 1)
        elif told.name == "ReservationReleased":
            assert self.held.get(event["owner"], 0) == event["quantity"], f"{place}: {event['owner']} holds otherwise"
            self.held[event["owner"]] = 0
            self._move(event, -1)
        for location, units in self.reserved.items():
            assert 0 <= units <= self.on_hand[location], f"{place}: {units} of {self.on_hand[location]} are held"

    def _move(self, event, sign):
        for allocation in event["allocations"]:
            self.reserved[allocation["location"]] += sign * allocation["quantity"]
        assert self.available() == event["available"], f"{self.sku}: says {event['available']}, it is {self.available()}"

    def available(self):
        return sum(self.on_hand.values()) - sum(self.reserved.values())


def judge(daybook, entries, views=True):
    """Asserts all; the number of operations by (op, outcome). `views`: also build each view anew beside the live one."""
    history = history_of(daybook)
    complaints = [*effects(history, entries), *outcomes(daybook, history, entries)]
    complaints += [*orders(daybook, history, entries), *shelves(daybook, history, entries), *paid(daybook, entries)]
    assert not complaints, f"{len(complaints)} complaints:\n" + "\n".join(complaints[:40])
    assert_ledger_is_the_events(daybook)
    assert daybook.run("verify", seconds=120).endswith("sound: 0 violations\n")
    for entry in [entry for entry in entries if entry.op == "reserve" and entry.outcome == OK][:3]:
        assert entry.order in daybook.run("replay", entry.order)
    if views:
        daybook.compare_views()
    return Counter((entry.op, entry.outcome) for entry in entries)


def lost(daybook, entries, seconds=30.0):
    """Those acknowledged whose effect the log, as it stands now, does not have just once. Nothing need be at rest.

    A commit stands once its coordinator has written that it is one; a broker that comes back writes what says so to readers.
    That is waited for, but what is decided once more from now on does not count.
    """
    kafka, topics = daybook.kafka, [daybook.topic(family) for family in FAMILIES]

    def high_watermarks():
        return {topic: kafka.end_offsets(topic, "read_uncommitted") for topic in topics}

    # A broker that has just come back does not lead everything yet.
    ends = wait_until(high_watermarks, "the log answering for all partitions", seconds)

    def are_decided():
        return all(now >= end for topic in topics for now, end in zip(kafka.end_offsets(topic), ends[topic], strict=True))

    with contextlib.suppress(Overdue):  # then nobody reads what stands there
        wait_until(are_decided, "the transactions of now being over", seconds, pause=0.1)
    history = {
        stream: [told for told in events if told.offset < ends[told.topic][told.partition]]
        for stream, events in history_of(daybook).items()
    }
    happened = effects_by_trace(history)

    def stands(entry):
        once = len(happened[trace_id(entry.key), EFFECT[entry.op]]) == 1
        return once and (not is_paid(entry) or is_confirmed(history, entry))

    return [entry for entry in entries if entry.outcome == OK and not stands(entry)]


def is_paid(entry):
    """Whether the shopper was told that his order is confirmed."""
    return (entry.op, entry.outcome, entry.code) == ("reserve", OK, "")


def is_confirmed(history, entry):
    return [told.name for told in history.get(entry.order, ())].count("OrderConfirmed") == 1


def history_of(daybook):
    return streams(daybook.kafka, *(daybook.topic(family) for family in FAMILIES))


def effects_by_trace(history):
    found = defaultdict(list)
    for told in (told for events in history.values() for told in events):
        if told.name in EFFECT.values():
            found[told.trace, told.name].append(told)
    return found


def effects(history, entries):
    """What was acknowledged happened once, what was refused did not, what is unknown at most once; nothing else did."""
    found = effects_by_trace(history)
    for entry in entries:
        happened = found.pop((trace_id(entry.key), EFFECT[entry.op]), [])
        # An order that finds no stock has been placed all the same, and its cart is open again.
        is_placed_anyway = entry.op == "reserve" and entry.code == "out_of_stock"
        least = 1 if entry.outcome == OK or is_placed_anyway else 0
        most = 0 if entry.outcome == FAIL and not is_placed_anyway else 1
        if not least <= len(happened) <= most:
            yield f"{entry} has {len(happened)} effects: {[told.meta for told in happened]}"
        for told in happened:
            yield from _is_what_was_asked(entry, told)
    strangers = [told for (_, name), all_ in found.items() if name in ("CartOpened", "CartCheckedOut") for told in all_]
    yield from (f"nobody in the journal asked for {told.name} {told.meta}" for told in strangers)


def _is_what_was_asked(entry, told):
    event = told.event
    lines = event.get("lines", [])
    if lines and [(line["sku"], line["quantity"]) for line in lines] != [(entry.sku, entry.quantity)]:
        yield f"{entry} became {told.name} of {lines}"
    if entry.op == "receive" and (told.meta["stream"], event["quantity"]) != (f"sku_{entry.sku}", entry.quantity):
        yield f"{entry} became {event['quantity']} units of {told.meta['stream']}"
    names = {"command": told.meta["stream"], "reserve": event.get("order"), "release": told.meta["stream"]}
    if entry.outcome == OK and entry.op in names and names[entry.op] != entry.order:
        yield f"{entry} became {told.name} of {names[entry.op]}"


def outcomes(daybook, history, entries):
    """Each command has one outcome; that of an acknowledged one stands in the log."""
    told_outcomes = final_outcomes(daybook.kafka, daybook.topic("outcomes"))
    yield from (f"{command} has {len(all_)} outcomes" for command, all_ in told_outcomes.items() if len(all_) != 1)
    found = effects_by_trace(history)
    for entry in (entry for entry in entries if entry.outcome == OK):
        for told in found[trace_id(entry.key), EFFECT[entry.op]]:
            outcome = told_outcomes.get(told.meta["command_id"], [{"status": "absent", "rejection": ""}])[0]
            expected = ("rejected", entry.code) if entry.code else ("accepted", "")
            if (outcome["status"], outcome["rejection"]) != expected:
                yield f"{entry}: the log's outcome is {outcome['status']} {outcome['rejection']}"


def _stock(history):
    found = {}
    for stream, events in history.items():
        if stream.startswith("sku_"):
            found[stream] = Stock(stream)
            for told in events:
                found[stream].take(told)
    return found


def orders(daybook, history, entries):
    """The list of orders, page after page: each acknowledged one is there, is what it was, and none is there twice."""
    listed = {}
    with daybook.client() as client:
        cursor = {}
        while cursor is not None:
            page = client.expect(200, client.get("/v1/orders", params={"limit": LISTED_AT_ONCE} | cursor))
            for order in page["items"]:
                if order["id"] in listed:
                    yield f"{order['id']} is listed twice"
                listed[order["id"]] = order
            cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    placed = {stream for stream in history if stream.startswith("ord_")}
    yield from (f"{order} is listed but not in the log, or the other way round" for order in placed ^ listed.keys())
    released = {entry.order for entry in entries if entry.op == "release" and entry.outcome == OK}
    for entry in (entry for entry in entries if entry.op == "reserve" and entry.outcome == OK):
        status = listed.get(entry.order, {}).get("status")
        names = [told.name for told in history[entry.order]]
        if entry.order in released:
            allowed = {"cancelled"}
        else:
            allowed = HOLDING | ({"cancelled"} if "OrderCancelled" in names else set())
        if status not in allowed or is_paid(entry) != is_confirmed(history, entry):
            yield f"{entry}: the order is {status}, its events are {names}"


def shelves(daybook, history, entries):
    """What lies there is what was brought, what is held is what orders hold, and the front says the same."""
    stock = _stock(history)
    happened = effects_by_trace(history)
    shops = {entry.sku for entry in entries}
    with daybook.client() as client:
        for sku in sorted(shops):
            fold = stock[f"sku_{sku}"]
            for owner, units in fold.held.items():
                names = [told.name for told in history[owner]]
                holds = "OrderCancelled" not in names and "OrderRejected" not in names
                if holds != (units > 0):
                    yield f"{sku}: {owner} holds {units} units, its events are {names}"
            said = client.expect(200, client.get(f"/v1/stock/{sku}"))["available"]
            if said != fold.available():
                yield f"{sku}: the front says {said} available, the log {fold.available()}"
            brought = [told for told in history[f"sku_{sku}"] if told.name == "StockReceived"]
            journaled = [e for e in entries if e.op == "receive" and e.sku == sku and happened[trace_id(e.key), "StockReceived"]]
            # The first was the shop's own, before the shoppers came.
            if len(brought) != len(journaled) + 1:
                yield f"{sku}: {len(brought)} deliveries in the log, the journal knows {len(journaled)} and the first"


def paid(daybook, entries):
    """Each order that was acknowledged as paid is paid for by one charge in the provider's ledger."""
    ledger = books(daybook.provider_url)
    by_order = defaultdict(list)
    for payment, book in ledger.items():
        by_order["ord_" + payment.removeprefix("pay_").rpartition(".")[0]].append(book)
    for entry in entries:
        if is_paid(entry):
            taken = [book for book in by_order[entry.order] if book["captured"] > 0]
            if len(taken) != 1 or taken[0]["charges"] != 1:
                yield f"{entry}: the provider's ledger has {by_order[entry.order]}"
