"""The judge of the fault tests is judged: it accepts a history without faults and finds each lie about it."""

from dataclasses import replace

import pytest
from harness import journal
from harness.judge import effects, history_of, judge, orders, outcomes, paid, settled, shelves
from harness.shop import Shop
from harness.shoppers import Shoppers
from harness.waiting import wait_until

pytestmark = pytest.mark.quick
DECLINED = "payment_declined"


@pytest.fixture(scope="module")
def entries(daybook):
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("plenty", 500, 100_000)
        shop.sells("few", 700, 5)
    path = daybook.directory / "journal.jsonl"
    with Shoppers(daybook.url, ("plenty", "few"), path) as shoppers:
        shoppers.wait_for(80)
        # Whom a test lies about must be among them, and chance may leave him out of the first eighty.
        wait_until(lambda: has_all(shoppers.acknowledged()), "each kind of purchase that a test is about", 60, pause=0.2)
    settled(daybook)
    return journal.read(path)


@pytest.fixture(scope="module")
def history(daybook, entries):
    return history_of(daybook)


def has_all(entries):
    orders = [entry for entry in entries if entry.op == "reserve"]
    return (
        {entry.op for entry in entries} == {"command", "reserve", "release", "receive"}
        and any(entry.code == DECLINED for entry in orders)
        and any(not entry.code and not is_released(entries, entry.order) for entry in orders)
    )


def one(entries, op):
    """The place of the first that was done."""
    return next(at for at, entry in enumerate(entries) if (entry.op, entry.outcome, entry.code) == (op, journal.OK, ""))


def without(entries, at, *instead):
    return [*entries[:at], *instead, *entries[at + 1 :]]


def test_what_happened_is_accepted(daybook, entries):
    counts = judge(daybook, entries)
    assert {op for op, _ in counts} == {"command", "reserve", "release", "receive"}


@pytest.mark.parametrize("op", ["command", "reserve", "release", "receive"])
def test_what_was_refused_but_happened_and_what_was_acknowledged_but_lost_are_found(history, entries, op):
    at = one(entries, op)
    (found,) = effects(history, without(entries, at, replace(entries[at], outcome=journal.FAIL, code="log_unavailable")))
    assert "has 1 effects" in found
    (found,) = effects(history, [*entries, replace(entries[at], key="never sent")])
    assert "has 0 effects" in found


def test_what_nobody_asked_for_is_found(daybook, history, entries):
    (found,) = effects(history, without(entries, one(entries, "reserve")))
    assert "nobody in the journal asked for CartCheckedOut" in found
    (found,) = shelves(daybook, history, without(entries, one(entries, "receive")))
    assert "deliveries in the log" in found


def test_another_quantity_and_another_answer_are_found(daybook, history, entries):
    at = one(entries, "reserve")
    for wrong in (replace(entries[at], quantity=9), replace(entries[at], order="ord_X.1")):
        (found,) = effects(history, without(entries, at, wrong))
        assert "became CartCheckedOut" in found
    (found,) = outcomes(daybook, history, without(entries, at, replace(entries[at], code=DECLINED)))
    assert "the log's outcome is accepted" in found


def test_a_free_order_and_one_that_is_not_what_it_should_be_are_found(daybook, history, entries):
    at = next(at for at, entry in enumerate(entries) if entry.code == DECLINED)
    (found,) = paid(daybook, without(entries, at, replace(entries[at], code="")))
    assert "the provider's ledger has" in found
    released = next(entry for entry in entries if entry.op == "reserve" and not is_released(entries, entry.order))
    (found,) = orders(daybook, history, [*entries, replace(released, op="release")])
    assert "the order is" in found


def is_released(entries, order):
    return not order or any(entry.op == "release" and entry.order == order for entry in entries)
