"""GET .../stream: a document and its changes as Server-Sent Events."""

import contextlib
import itertools
import json
import socket
import time

import httpx
import pytest
from harness.bounds import within
from harness.daybook import Daybook
from harness.event_crowd import follow
from harness.event_stream import EventStream
from harness.shop import Shop
from harness.waiting import wait_until


def open_streams(daybook):
    return daybook.metrics()["daybook_gateway_event_streams"]


def declined(shop, sku):
    """An order that waits for another payment."""
    shop.sells(sku, 500, 100)
    return shop.client.expect(402, shop.check_out(shop.cart((sku, 1))["id"], "decline"))["order"]


def pay(shop, order):
    shop.client.expect(201, shop.client.post(f"/v1/orders/{order}/payments", {"provider": "test", "method": "approve"}))


def cancel(shop, order):
    shop.client.expect(200, shop.client.post(f"/v1/orders/{order}/cancel", {"reason": "changed my mind"}))


def assert_refused(stream, status, code):
    assert stream.refused is not None
    assert (stream.refused.status_code, stream.refused.json()["code"]) == (status, code)


# ---- what is told ---------------------------------------------------------------------------------------------------


def test_a_shopper_sees_his_order_change(daybook, shop, sku):
    order = declined(shop, sku)
    with EventStream(daybook.url, f"/v1/orders/{order}/stream", position=shop.client.position) as stream:
        assert stream.response.headers["Content-Type"] == "text/event-stream"
        assert stream.response.headers["Cache-Control"] == "no-store"
        seen = [stream.next()]
        assert 1000 <= stream.retry_ms <= 4000
        pay(shop, order)
        seen += stream.until(lambda document: document["status"] == "confirmed")
        cancel(shop, order)
        seen += stream.until(lambda document: document["status"] == "cancelled")
    statuses = [status for status, _ in itertools.groupby(event.json()["status"] for event in seen)]
    assert [status for status in statuses if status in ("awaiting_payment", "confirmed", "cancelled")] == [
        "awaiting_payment",
        "confirmed",
        "cancelled",
    ]
    versions = [event.id for event in seen]
    assert versions == sorted(set(versions))
    assert all(event.json()["version"] == event.id for event in seen)


def test_an_event_is_what_get_answers_byte_for_byte(daybook, shop, sku):
    order = declined(shop, sku)
    for path in (f"/v1/orders/{order}", f"/v1/stock/{sku}"):
        with EventStream(daybook.url, f"{path}/stream", position=shop.client.position) as stream:
            event = stream.next()
        answer = shop.client.get(path)
        assert answer.headers["ETag"] == f'"{event.id}"'
        assert event.data.encode() == answer.content


def test_the_stock_of_a_sku_is_followed(daybook, shop, sku):
    shop.sells(sku, 500, 10)
    with EventStream(daybook.url, f"/v1/stock/{sku}/stream") as stream:
        assert stream.next().json()["available"] == 10
        shop.stock(sku, 5)
        assert stream.until(lambda document: document["available"] == 15)
        shop.buy((sku, 2))
        assert stream.until(lambda document: document["available"] == 13)


def test_who_comes_again_is_told_the_newest_and_no_version_twice(daybook, shop, sku):
    order = declined(shop, sku)
    path = f"/v1/orders/{order}/stream"
    with EventStream(daybook.url, path, position=shop.client.position) as stream:
        first = stream.next()
    pay(shop, order)
    with EventStream(daybook.url, path, last_id=first.id, position=shop.client.position) as stream:
        missed = stream.until(lambda document: document["status"] == "confirmed")
    assert missed[0].id > first.id
    # What was not seen in between is in the history.
    newest = shop.order(order)["version"]
    steps = shop.client.get(f"/v1/orders/{order}/history").json()["items"]
    assert [step["version"] for step in steps] == list(range(1, newest + 1))
    with EventStream(daybook.url, path, last_id=newest) as stream:
        cancel(shop, order)
        assert stream.next().id > newest


def test_a_stream_opened_with_the_answers_position_shows_what_was_written(daybook, shop, sku):
    shop.sells(sku, 500, 100)
    for _ in range(10):
        order = shop.buy((sku, 1))
        for position in ({"position": shop.client.position}, {}):
            query = "" if position else f"?position={shop.client.position}"  # as a browser's EventSource has to
            with EventStream(daybook.url, f"/v1/orders/{order['id']}/stream{query}", **position) as stream:
                assert stream.next().json()["status"] == "confirmed"


def test_a_silent_stream_lives(daybook, shop, sku):
    shop.sells(sku, 500, 10)
    with EventStream(daybook.url, f"/v1/stock/{sku}/stream") as stream:
        stream.next()
        begun = time.monotonic()
        assert stream.next_comment() == ""
        assert 10 < time.monotonic() - begun < within(20)


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_what_cannot_be_followed_is_a_problem(daybook, shop, sku):
    order = declined(shop, sku)
    unknown = order[:-1] + str(int(order[-1]) + 1)
    with EventStream(daybook.url, f"/v1/orders/{unknown}/stream") as stream:
        assert_refused(stream, 404, "unknown_order")
    with EventStream(daybook.url, "/v1/stock/NEVER-SEEN/stream") as stream:
        assert_refused(stream, 404, "unknown_sku")
    with EventStream(daybook.url, "/v1/orders/12/stream") as stream:
        assert_refused(stream, 404, "malformed_id")
    with EventStream(daybook.url, f"/v1/orders/{order}/stream", last_id="one") as stream:
        assert_refused(stream, 400, "invalid_last_event_id")
    with EventStream(daybook.url, f"/v1/orders/{order}/stream?position=made-up") as stream:
        assert_refused(stream, 400, "invalid_position")


def test_past_the_bound_a_stream_is_refused_until_another_ends(new_daybook):
    daybook = new_daybook(http_event_streams_max=2)
    with daybook.client() as client:
        Shop(client).sells("A", 100, 10)
    path = "/v1/stock/A/stream"
    with EventStream(daybook.url, path) as first, EventStream(daybook.url, path) as second:
        assert first.next() and second.next()
        with EventStream(daybook.url, path) as third:
            assert_refused(third, 503, "overloaded")
            assert int(third.refused.headers["Retry-After"]) > 0
        # Everything else is served.
        assert httpx.get(f"{daybook.url}/v1/stock/A").status_code == 200
        second.close()
        wait_until(lambda: open_streams(daybook) == 1, "the end of the second stream")
        with EventStream(daybook.url, path) as third:
            assert third.next().json()["available"] == 10


# ---- readers that do not read, servers that go away -----------------------------------------------------------------


def test_streams_leave_connections_to_others_whatever_is_configured(new_daybook):
    daybook = new_daybook(http_connections_max=20, http_event_streams_max=1000)
    with daybook.client() as client:
        Shop(client).sells("A", 100, 10)
    with contextlib.ExitStack() as opened:
        streams = [opened.enter_context(EventStream(daybook.url, "/v1/stock/A/stream")) for _ in range(25)]
        for stream in streams[:10]:
            assert stream.next()
        for stream in streams[10:]:
            assert_refused(stream, 503, "overloaded")
        assert httpx.get(f"{daybook.url}/v1/stock/A").status_code == 200


def stopped_reader(daybook, path):
    """A client that asks, and does not read a byte."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", daybook.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{daybook.header_lines()}\r\n".encode())
    return connection


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_reader_that_stops_delays_nobody_costs_little_and_is_cut_off(daybook, shop, sku):
    shop.sells(sku, 100, 10)
    for number in range(40):  # a document of some size
        shop.stock(sku, 1, location=f"warehouse-{number}-of-the-north")
    path = f"/v1/stock/{sku}/stream"
    stopped = [stopped_reader(daybook, path) for _ in range(50)]
    try:
        with EventStream(daybook.url, path, position=shop.client.position) as stream:
            wait_until(lambda: open_streams(daybook) == 51, "all streams")
            before_mib = daybook.service.memory_mib()
            version = stream.next().id
            for _ in range(100):
                changed = shop.stock(sku, 1)["version"]
                begun = time.monotonic()
                while version < changed:
                    version = stream.next().id
                assert time.monotonic() - begun < within(2)
            # 50 readers to whom 100 documents of 4 KiB were to be sent would be 20 MiB.
            assert daybook.service.memory_mib() - before_mib < 8
            wait_until(lambda: open_streams(daybook) == 1, "the end of those who do not read", within(90), pause=1)
            assert daybook.metrics()["daybook_gateway_event_streams_unread_total"] >= 50
            changed = shop.stock(sku, 1)["version"]
            while version < changed:
                version = stream.next().id
    finally:
        for connection in stopped:
            connection.close()


def test_a_stop_ends_streams_with_a_word_and_they_go_on_at_the_next_start(new_daybook):
    daybook = new_daybook()
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("A", 100, 10)
        stopped = stopped_reader(daybook, "/v1/stock/A/stream")
        with EventStream(daybook.url, "/v1/stock/A/stream") as stream:
            last = stream.next()
            begun = time.monotonic()
            assert daybook.stop() == 0
            assert time.monotonic() - begun < within(8)  # nobody's open stream holds it up
            assert stream.next() is None  # the answer is whole
            assert stream.comments[-1] == "this front stops, come again"
        stopped.close()
        daybook.start()
        with EventStream(daybook.url, "/v1/stock/A/stream", last_id=last.id) as stream:
            shop.stock("A", 5)
            assert stream.next().json()["available"] == 15


@pytest.mark.timeout(300)
def test_a_stream_outlives_the_database(mortal_stack):
    daybook = Daybook(mortal_stack, name="streams_outage")
    try:
        daybook.install().start()
        with daybook.client() as client:
            shop = Shop(client)
            shop.sells("A", 100, 10)
            with EventStream(daybook.url, "/v1/stock/A/stream") as stream:
                stream.next()
                mortal_stack.stop_postgres()

                def refused():
                    with EventStream(daybook.url, "/v1/stock/A/stream") as other:
                        return other.refused is not None and other.refused.json()["code"] == "database_unavailable"

                wait_until(refused, "the front to notice")
                shop.stock("A", 5)  # needs no view
                mortal_stack.start_postgres()
                assert stream.until(lambda document: document["available"] == 15)
    finally:
        daybook.discard()


# ---- a crowd --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", (1, 500), ids=("all follow one", "500 documents"))
def test_five_thousand_clients_hear_of_a_change_within_a_second(daybook, shop, sku, tmp_path, count):
    skus = [f"{sku}.{number}" for number in range(count)]
    for first in range(0, count, 50):
        shop.product(*((sku, 100) for sku in skus[first : first + 50]))
    receipts = tmp_path / "stock.jsonl"
    receipts.write_text("".join(json.dumps({"sku": sku, "location": "main", "quantity": 10}) + "\n" for sku in skus))
    daybook.run("load", receipts, "--kind", "stock", "--url", daybook.url, "--closed", 64, *daybook.load_access())
    wait_until(daybook.views_have_seen_all, "the views to see all")
    # As many as there are places for: nobody of a crowd before may hold one still.
    wait_until(lambda: open_streams(daybook) == 0, "the end of all streams")
    seen = follow(daybook, shop, skus, clients=5000, seconds=10, per_second=2 if count == 1 else 20)
    print(seen)
    assert seen["lost"] == seen["missed"] == 0
    assert seen["asked_p99"] < within(1)
