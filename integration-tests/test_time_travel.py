"""How things stood: products, stock and orders as of a version or a time are what was told of them then."""

import fcntl
import itertools
import json
import random
import subprocess
import sys
import termios
from datetime import datetime, timedelta

import pytest
from harness.daybook import BINARY
from harness.processes import clean_environment, memory_mib
from harness.shop import euros
from harness.waiting import wait_until
from test_http_conventions import assert_problem

STEP = 32  # HISTORY_STEP: so many events are folded at most
PIPE_BYTES = 4096
numbers = itertools.count(1)


def stood(client, path, as_of):
    """The document as of then, and what it is said to show."""
    answer = client.get(path, params={"as_of": as_of})
    document = client.expect(200, answer)
    assert answer.headers["ETag"] == f'"{document["version"]}"'
    shown = document.pop("as_of")
    assert shown["version"] == document["version"]
    return document, shown["occurred_at"]


def moved(time, **by):
    return (datetime.fromisoformat(time) + timedelta(**by)).isoformat()


# ---- products -------------------------------------------------------------------------------------------------------


def test_a_product_is_shown_as_every_answer_told_it(client, sku):
    body = {"title": "Tea 0", "variants": [{"sku": sku, "price": euros(100)}, {"sku": f"{sku}-pot", "price": euros(900)}]}
    told = [client.expect(201, client.post("/v1/products", body))]
    path = f"/v1/products/{told[0]['id']}"
    told.append(client.expect(200, client.post(f"{path}/publish")))
    # Longer than two steps, so that no fold goes back to the beginning.
    for number in range(2 * STEP):
        told.append(client.expect(200, client.patch(path, {"title": f"Tea {number + 1}", "description": "x" * 2000})))
        if number % 3 == 0:
            told.append(client.expect(200, client.patch(f"{path}/variants/{sku}", {"price": euros(101 + number)})))
    told.append(client.expect(200, client.delete(f"{path}/variants/{sku}-pot")))
    told.append(client.expect(200, client.post(f"{path}/archive")))
    assert told[-1]["version"] > 2 * STEP
    for document in told:
        by_version, occurred_at = stood(client, path, document["version"])
        assert by_version == document
        assert occurred_at == document["changed_at"]
        by_time, _ = stood(client, path, occurred_at)
        if by_time["version"] == document["version"]:  # else the next event has the same time
            assert by_time == document
        assert by_time["changed_at"] == document["changed_at"]
    newest = client.expect(200, client.get(path))
    assert newest == told[-1]


def test_what_is_later_than_the_newest_event_is_answered_with_that(client, shop, sku):
    product = shop.product((sku, 100))
    newest = client.expect(200, client.get(f"/v1/products/{product}"))
    for later in (newest["version"] + 1, 2**62, moved(newest["changed_at"], days=400)):
        assert stood(client, f"/v1/products/{product}", later) == (newest, newest["changed_at"])


# ---- stock ----------------------------------------------------------------------------------------------------------


def ledger_at(daybook, sku, version):
    """What each location holds, by the ledger."""
    rows = daybook.sql.rows(
        "SELECT location, sum(on_hand_delta)::int AS on_hand, sum(reserved_delta)::int AS reserved FROM stock.movements"
        " WHERE sku = %s AND version <= %s GROUP BY location ORDER BY location",
        (sku, version),
    )
    return [(row["location"], row["on_hand"], row["reserved"]) for row in rows]


def test_stock_is_shown_as_the_ledger_sums_up_at_every_version(daybook, client, shop, sku):
    shop.sells(sku, 100, 500)
    told = [client.expect(200, client.get(f"/v1/stock/{sku}"))]
    for number in range(STEP):
        told.append(shop.stock(sku, number + 1, location=("main", "shop", "cellar")[number % 3]))
        if number % 4 == 0:
            shop.buy((sku, number + 1))
            told.append(client.expect(200, client.get(f"/v1/stock/{sku}")))
    adjusted = {"location": "shop", "delta": -3, "reason": "broken"}
    told.append(client.expect(200, client.post(f"/v1/stock/{sku}/adjustments", adjusted)))
    transfer = {"from": "main", "to": "cellar", "quantity": 7}
    told.append(client.expect(200, client.post(f"/v1/stock/{sku}/transfers", transfer)))
    by_version = {document["version"]: document for document in told}
    newest = wait_until(
        lambda: (found := client.expect(200, client.get(f"/v1/stock/{sku}")))["version"] >= max(by_version) and found,
        "the view to see all",
    )
    times = []
    for version in range(1, newest["version"] + 1):
        document, occurred_at = stood(client, f"/v1/stock/{sku}", version)
        times.append((occurred_at, version))
        assert document["version"] == version
        assert document == by_version.get(version, document)
        levels = sorted((level["location"], level["on_hand"], level["reserved"]) for level in document["locations"])
        assert levels == ledger_at(daybook, sku, version)
        assert document["available"] == sum(on_hand - reserved for _, on_hand, reserved in levels)
    assert times == sorted(times)
    # By time: the last event that is not later, and just before it the one before.
    for occurred_at, _ in times:
        last = max(version for time, version in times if time <= occurred_at)
        assert stood(client, f"/v1/stock/{sku}", occurred_at)[0]["version"] == last
        before = [version for time, version in times if time < occurred_at]
        if before:
            just_before = moved(occurred_at, microseconds=-1)
            assert stood(client, f"/v1/stock/{sku}", just_before)[0]["version"] == max(before)


# ---- orders ---------------------------------------------------------------------------------------------------------


def test_an_orders_history_says_what_it_shows(client, shop, sku):
    shop.sells(sku, 100, 10)
    order = shop.buy((sku, 1))["id"]
    path = f"/v1/orders/{order}/history"
    whole = client.expect(200, client.get(path))
    assert "as_of" not in whole
    for event in whole["items"]:
        for as_of in (event["version"], event["occurred_at"]):
            past = client.expect(200, client.get(path, params={"as_of": as_of}))
            last = past["items"][-1]
            assert past["as_of"] == {"version": last["version"], "occurred_at": last["occurred_at"]}
            assert past["order"]["version"] == last["version"] >= event["version"]
            assert past["order"]["changed_at"] == last["occurred_at"]


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.fixture
def paths(shop, sku):
    """What can be asked how it stood, and its code when there is none."""
    product = shop.sells(sku, 100, 10)
    order = shop.buy((sku, 1))["id"]
    return {
        f"/v1/products/{product}": ("unknown_product", f"/v1/products/prod_{'0' * 26}"),
        f"/v1/stock/{sku}": ("unknown_sku", "/v1/stock/no-such-sku"),
        f"/v1/orders/{order}/history": ("unknown_order", f"/v1/orders/ord_{'0' * 26}.1/history"),
    }


def test_before_its_first_event_a_thing_did_not_exist(client, paths):
    for path, (code, elsewhere) in paths.items():
        first = client.expect(200, client.get(path, params={"as_of": 1}))["as_of"]["occurred_at"]
        assert client.get(path, params={"as_of": first}).status_code == 200
        problem = assert_problem(
            client.get(path, params={"as_of": moved(first, microseconds=-1)}), 404, "before_beginning"
        )
        assert first in problem["detail"]
        for as_of in (1, first, "2020-01-01T00:00:00Z"):
            assert_problem(client.get(elsewhere, params={"as_of": as_of}), 404, code)


def test_in_the_future_each_thing_stands_as_it_does_now(client, paths):
    for path in paths:
        now = client.expect(200, client.get(path))
        for later in (2**62, "9999-12-31T23:59:59Z"):
            then = client.expect(200, client.get(path, params={"as_of": later}))
            newest = now["items"][-1]["version"] if "items" in now else now["version"]
            assert then.pop("as_of")["version"] == newest
            assert {name: then[name] for name in now} == now


@pytest.mark.parametrize("as_of", ["", "0", "-1", "01", "x", "1.5", "2026-11-23", "99999999999999999999", "1\n"])
def test_what_is_neither_a_version_nor_a_time_is_refused(client, paths, as_of):
    for path in paths:
        problem = assert_problem(client.get(path, params={"as_of": as_of}), 400, "invalid_parameter")
        assert problem["parameter"] == "as_of"


def test_only_what_has_a_past_is_asked_for_it(client, shop, sku):
    shop.sells(sku, 100, 10)
    for path in (f"/v1/variants/{sku}", f"/v1/carts/{shop.cart((sku, 1))['id']}", "/v1/products"):
        assert_problem(client.get(path, params={"as_of": 1}), 400, "unknown_parameter")


# ---- beside the rest ------------------------------------------------------------------------------------------------


def test_whoever_has_that_version_is_told_so(client, shop, sku):
    path = f"/v1/products/{shop.product((sku, 100))}"
    etag = client.get(path, params={"as_of": 1}).headers["ETag"]
    assert etag == '"1"'
    assert client.get(path, params={"as_of": 1}, headers={"If-None-Match": etag}).status_code == 304
    assert client.get(path, params={"as_of": 2}, headers={"If-None-Match": etag}).status_code == 200


def test_the_past_of_what_was_written_just_now_is_read(client, shop, sku):
    product = shop.product((sku, 100), publish=False)
    for number in range(20):
        told = client.expect(200, client.patch(f"/v1/products/{product}", {"title": f"Tea {number}"}))
        # The client sends the position that it was told: no waiting here.
        assert stood(client, f"/v1/products/{product}", told["version"])[0] == told


def test_rebuilt_the_past_is_the_same_row_for_row(daybook, client, shop, sku):
    rng = random.Random(7)
    shop.sells(sku, 100, 1000)
    for _ in range(10):
        shop.buy((sku, rng.randint(1, 5)))
    wait_until(daybook.views_have_seen_all, "the views to see all")
    assert daybook.sql.value("SELECT count(*) FROM stock.history WHERE stream = %s", (f"sku_{sku}",)) >= 20
    for view in ("products", "stock"):
        daybook.run("projection", "compare", view)


# ---- why they stand so ----------------------------------------------------------------------------------------------


def why(daybook, stream):
    """The lines, and the last one."""
    *lines, last = [json.loads(line) for line in daybook.run("why", stream, "--json").splitlines()]
    return lines, last


def test_an_order_is_traced_back_to_the_checkout_over_all_shards(daybook, client, shop, sku):
    skus = [f"{sku}-{number}" for number in range(5)]
    for each in skus:
        shop.sells(each, 100, 10)
    order = shop.buy(*((each, 1) for each in skus))
    lines, last = why(daybook, order["id"])
    assert (last["stream"], last["state"]["status"]) == (order["id"], "confirmed")
    assert last["commands"] in (1, 2)  # the checkout, and the provider's webhook when that was first
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    events = {line["event"]["meta"]["event_id"]: line for line in lines}
    for line in lines:
        meta = line["event"]["meta"]
        cause = events.get(meta["causation_id"])
        assert (line["because_of"] or 0) == (cause["number"] if cause else 0) < line["number"]
        assert cause or meta["causation_id"] == meta["command_id"]
    assert lines[0]["type"] == "CartCheckedOut"
    assert lines[-1]["type"] == "OrderConfirmed"
    streams = {line["event"]["meta"]["stream"] for line in lines}
    payment = order["payments"][0]["id"]
    assert streams == {order["cart"], order["id"], payment, *(f"sku_{each}" for each in skus)}
    assert why(daybook, payment)[1]["state"]["captured"] == 500
    assert [line["type"] for line in why(daybook, order["cart"])[0]] == ["CartOpened", "CartCheckedOut"]


def test_a_product_is_traced_back_over_the_claims_of_its_skus(daybook, shop, sku):
    product = shop.product((sku, 100), (f"{sku}-pot", 200))
    lines, last = why(daybook, product)
    assert last["state"]["status"] == "published"
    assert [line["type"] for line in lines].count("SkuClaimed") == 2
    claimed = next(line for line in lines if line["type"] == "SkuClaimed")
    added = next(line for line in lines if line["because_of"] == claimed["number"])
    assert added["type"] == "VariantAdded"


def test_a_story_that_nobody_reads_waits_in_little_memory_and_holds_nobody_up(daybook, shop, sku):
    shop.sells(sku, 100, 10)
    for _ in range(50):
        shop.stock(sku, 1)
    command = [BINARY, "why", f"sku_{sku}", "--json"]
    environment = clean_environment(daybook.environment())
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, pipesize=PIPE_BYTES) as unread:
        wait_until(lambda: in_pipe(unread.stdout) >= PIPE_BYTES // 2, "a full pipe")
        shop.buy((sku, 1))
        shop.available(sku)
        assert unread.poll() is None
        assert memory_mib(unread.pid, "VmHWM") < 256
        # Read after all, it is whole.
        told = unread.stdout.read().splitlines()
        assert json.loads(told[-1])["stream"] == f"sku_{sku}"
        assert unread.wait(10) == 0
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "pipesize": PIPE_BYTES}
    with subprocess.Popen(command, env=environment, **pipes) as left:
        wait_until(lambda: in_pipe(left.stdout) >= PIPE_BYTES // 2, "a full pipe")
        left.stdout.close()
        assert left.wait(10) != 0


def in_pipe(pipe):
    """How many bytes wait in it."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_a_skus_figures_are_accounted_for(daybook, client, shop, sku):
    shop.sells(sku, 100, 100)
    shop.stock(sku, 5, location="shop")
    bought = shop.buy((sku, 3))
    declined = client.expect(402, shop.check_out(shop.cart((sku, 2))["id"], "decline"))["order"]
    client.expect(200, client.post(f"/v1/orders/{declined}/cancel", {"reason": "changed my mind"}))
    client.expect(200, client.post(f"/v1/stock/{sku}/adjustments", {"location": "shop", "delta": -1, "reason": "broken"}))
    now = wait_until(
        lambda: (found := client.expect(200, client.get(f"/v1/stock/{sku}")))["available"] == 101 and found, "the release"
    )
    lines, last = why(daybook, f"sku_{sku}")
    assert (last["on_hand"], last["reserved"], last["available"]) == (104, 3, now["available"])
    for location in now["locations"]:
        of_it = [line for line in lines if line["location"] == location["location"]]
        for figure in ("on_hand", "reserved"):
            assert sum(line[f"{figure}_delta"] for line in of_it) == of_it[-1][figure] == location[figure]
    told = [(line["type"], line.get("order"), line.get("cart"), line.get("reason")) for line in lines]
    assert ("StockReserved", bought["id"], bought["cart"], None) in told
    assert ("StockAdjusted", None, None, "broken") in told
    assert any(type == "ReservationReleased" and order == declined for type, order, *_ in told)
    assert "main: on hand 100 (+100), reserved 0; available in all 100" in daybook.run("why", f"sku_{sku}")
