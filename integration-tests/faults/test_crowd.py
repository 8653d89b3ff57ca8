"""CHECKS 19: a crowd of buyers for a few units. The journals of its clients and the provider's ledger say what happened.

Each buyer has a cart of his own, made before, and checks it out under a key of his own; all are on their connections at
once. `daybook load` is the crowd, because ten thousand clients in Python would be slower than what they buy from.
"""

import json
import os
import subprocess
import time
from collections import Counter

import pytest
from harness import histories, money
from harness.bounds import within
from harness.daybook import BINARY
from harness.processes import clean_environment
from harness.shop import Shop
from harness.waiting import wait_until

UNITS = 100
PRICE = 500
SKU = "CROWD"
BUYERS = 10_000
WITHIN_S = within(10)


def load(daybook, kind, file, closed, journal, *more):
    """Sends the file; what the load says of it."""
    report = journal.with_suffix(".report.json")
    subprocess.run(
        [
            BINARY, "load", file, "--kind", kind, "--url", daybook.url, "--closed", str(closed),
            "--journal", journal, "--report", report, *daybook.load_access(), *more,
        ],
        env=clean_environment(daybook.environment()), check=True, stdout=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    return json.loads(report.read_text())


def carts_made(daybook, folder, name, buyers, method_of):
    """The journal of so many carts with one unit in each; `method_of(i)` is how its buyer is going to pay."""
    file, journal = folder / f"{name}.jsonl", folder / f"{name}.carts.jsonl"
    with file.open("w") as out:
        for i in range(buyers):
            line = {"reference": f"{name} {i}", "currency": "EUR", "lines": [{"sku": SKU, "quantity": 1}]}
            out.write(json.dumps(line | {"payment": {"provider": "test", "method": method_of(i)}}) + "\n")
    report = load(daybook, "carts", file, 256, journal)
    assert report["outcomes"] == {"done": buyers}, report
    return journal


def stocked(client, units):
    """The units are on sale. What the client did, as a line of the history."""
    Shop(client).sells(SKU, PRICE, units)
    # That it was the first of all is enough for a checker.
    return {
        "process": -1, "op": "receive", "sku": SKU, "quantity": units, "invoke_us": 0, "return_us": 1, "outcome": "ok",
    }  # fmt: skip


def cancelled(client, entry):
    """Cancels the order of a load's entry; what the client did, as a line of the history."""
    line = {"process": -1, "op": "release", "sku": SKU, "quantity": 1, "order": entry["order"], "outcome": "ok"}
    line["invoke_us"] = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000  # the load's clock
    client.expect(200, client.post(f"/v1/orders/{entry['order']}/cancel", {"reason": "cannot pay"}))
    return line


def captured(daybook):
    """By the provider's ledger: how often each sum was taken, over all payments that it heard of."""
    return Counter((book["captured"], book["charges"]) for book in money.books(daybook.provider_url).values())


def assert_at_rest(daybook):
    wait_until(lambda: daybook.metrics()["daybook_connector_open_intents"] == 0, "the provider's last answer", 60)
    wait_until(daybook.views_have_seen_all, "the views to see all", 120)
    money.assert_ledger_is_the_events(daybook)
    daybook.run("verify", seconds=120)


@pytest.mark.quick
@pytest.mark.timeout(400)
def test_ten_thousand_buyers_of_a_hundred_units(new_daybook, tmp_path):
    daybook = new_daybook()
    with daybook.client(timeout=60) as client:
        receipt = stocked(client, UNITS)
        carts = carts_made(daybook, tmp_path, "crowd", BUYERS, lambda _: "approve")
        wait_until(daybook.views_have_seen_all, "the views to see the carts", 120)
        journal = tmp_path / "orders.jsonl"
        report = load(daybook, "checkouts", carts, BUYERS, journal)
        told = Counter(entry["outcome"] for entry in histories.entries_of(journal))
        assert told == {"confirmed": UNITS, "refused:out_of_stock": BUYERS - UNITS}, told
        assert report["finished"] == BUYERS, report
        # The provider heard of those alone who got one, and took from each once.
        assert_at_rest(daybook)
        assert captured(daybook) == {(PRICE, 1): UNITS}
        assert Shop(client).available(SKU) == 0
    history = histories.write(tmp_path / "history.jsonl", [journal], [receipt])
    print(histories.assert_linearizable(history))
    latency = report["latency_ms"]["checkout"]
    print(
        f"{BUYERS} checkouts answered in {report['duration_s']:.1f} s (asked for: {WITHIN_S:g}), p50 {latency['p50']:.0f} ms,"
        f" p99 {latency['p99']:.0f} ms; told to come again: {report['errors']}; load average {os.getloadavg()[0]:.1f}"
    )
    assert report["duration_s"] < WITHIN_S


@pytest.mark.timeout(400)
def test_who_cannot_pay_is_not_charged_and_what_he_held_is_sold_once(new_daybook, tmp_path):
    """Half of the buyers cannot pay; those of them who hold a unit cancel, and others come for what is free again."""
    daybook = new_daybook(provider_arguments=("--late-ms", "300"), provider_timeout_ms=1000)
    methods = ("approve", "decline", "authorize", "decline", "twice", "decline", "late", "decline", "hang", "decline")
    with daybook.client(timeout=60) as client:
        shop = Shop(client)
        receipt = stocked(client, UNITS)
        carts = carts_made(daybook, tmp_path, "first", 2000, lambda i: methods[i % len(methods)])
        orders = tmp_path / "first.orders.jsonl"
        load(daybook, "checkouts", carts, 500, orders)
        first = histories.entries_of(orders)
        told = Counter(entry["outcome"] for entry in first)
        assert told["confirmed"] + told["refused:payment_declined"] == UNITS, told
        assert told.total() == 2000 and told["refused:out_of_stock"] == 2000 - UNITS, told
        declined = [entry for entry in first if entry["outcome"] == "refused:payment_declined"]
        assert declined, "nobody who could not pay got a unit"
        releases = [cancelled(client, entry) for entry in declined]
        wait_until(lambda: shop.available(SKU) == len(declined), "the units of who could not pay to be free", 60)
        again = tmp_path / "second.orders.jsonl"
        load(daybook, "checkouts", carts_made(daybook, tmp_path, "second", 500, lambda _: "approve"), 500, again)
        told = Counter(entry["outcome"] for entry in histories.entries_of(again))
        assert told == {"confirmed": len(declined), "refused:out_of_stock": 500 - len(declined)}, told
        assert_at_rest(daybook)
        assert shop.available(SKU) == 0
    assert captured(daybook) == {(PRICE, 1): UNITS, (0, 0): len(declined)}
    books = money.books(daybook.provider_url)
    for entry in declined:
        (book,) = (book for name, book in books.items() if name.startswith(entry["order"].replace("ord_", "pay_", 1) + "."))
        assert (book["captured"], book["charges"]) == (0, 0), book
    histories.assert_linearizable(histories.write(tmp_path / "history.jsonl", [orders, again], [receipt, *releases]))
