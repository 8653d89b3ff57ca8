"""The read models: whatever happens to projectors and servers, they are what the log says, row for row.

Most tests write events past the program, so that a great many come at once and some are as they never should be.
"""

import random
import struct
import time

from harness.daybook import BINARY, VIEWS, Daybook
from harness.event_log import Log, assert_as_the_log_says, position, projector, wait_caught_up
from harness.processes import Process
from harness.shop import Shop
from harness.waiting import wait_until


def test_a_projector_killed_at_random_moments_loses_nothing_and_repeats_nothing(installed, log):
    chance = random.Random(20260101)
    with projector(installed, start=False) as process:
        for turn in range(12):
            log.carts(turn * 500, 500)
            log.deliveries(turn * 400, 400)
            process.start()
            before = position(installed, "carts")
            if chance.random() < 0.5:  # in the middle of its work, else while it gets ready
                wait_until(lambda: position(installed, "carts") > before, "progress")
            wait_until(lambda: chance.random() < 0.1, "a random moment", pause=0.005)
            process.kill()
        process.start()
        wait_caught_up(installed, "carts", "stock")
    assert installed.sql.value("SELECT count(*) FROM carts.carts WHERE version = 5 AND total_minor = 400") == 6000
    assert installed.sql.value("SELECT count(*) FROM stock.movements") == 12 * 400 * 3
    assert installed.sql.value("SELECT count(*) FROM stock.stock WHERE available = 15") == 12 * 400
    assert installed.sql.value("SELECT count(*) FROM carts.parked") == 0
    assert_as_the_log_says(installed, "carts", "stock")


def test_of_two_projectors_on_one_view_each_batch_is_written_by_one(installed, log):
    with projector(installed, "first") as first, projector(installed, "second") as second:
        for turn in range(15):
            log.carts(turn * 300, 300)
            log.deliveries(turn * 300, 300)
        wait_caught_up(installed, "carts", "stock", seconds=120)
        assert "another projector" in first.log() + second.log()
    assert installed.sql.value("SELECT count(*) FROM carts.carts WHERE version = 5") == 4500
    # What the slower one met were the other's rows, not refused data.
    assert installed.sql.value("SELECT count(*) FROM stock.parked") == 0
    assert_as_the_log_says(installed, "carts", "stock")


def test_the_second_projector_goes_on_when_the_first_is_killed(installed, log):
    with projector(installed, "first") as first, projector(installed, "second"):
        log.carts(0, 100)
        wait_caught_up(installed, "carts")
        first.kill()
        log.carts(100, 100)
        wait_caught_up(installed, "carts")
    assert_as_the_log_says(installed, "carts")


def test_a_gap_parks_its_stream_and_no_other(installed, log):
    log.append("carts", log.cart_opened("cart_A"), log.cart_updated("cart_A", 1), log.cart_opened("cart_B"))
    log.append("carts", log.cart_updated("cart_A", 3, version=4), log.cart_updated("cart_A", 4, version=5))
    log.append("carts", log.cart_updated("cart_B", 7))
    with projector(installed):
        wait_caught_up(installed, "carts")
    versions = installed.sql.rows("SELECT id, version FROM carts.carts ORDER BY id")
    assert versions == [{"id": "cart_A", "version": 2}, {"id": "cart_B", "version": 2}]
    parked = installed.sql.rows("SELECT stream, version, log_offset, reason FROM carts.parked ORDER BY log_offset")
    assert [(row["stream"], row["version"], row["log_offset"]) for row in parked] == [("cart_A", 4, 3), ("cart_A", 5, 4)]
    assert "events are missing" in parked[0]["reason"]
    assert "waits behind" in parked[1]["reason"]
    assert_as_the_log_says(installed, "carts")


def test_a_record_that_cannot_be_read_is_set_aside_by_its_coordinates(installed, log):
    unknown_schema = struct.pack(">bI", 0, 987654) + b"whatever"
    cut_short = log.cart_opened("cart_A")[:-9]
    log.append("carts", b"poison", b"", unknown_schema, cut_short, log.received("TEA", 1, 1), log.cart_opened("cart_B"))
    with projector(installed):
        wait_caught_up(installed, "carts")
    assert [row["id"] for row in installed.sql.rows("SELECT id FROM carts.carts")] == ["cart_B"]
    parked = installed.sql.rows("SELECT topic, shard, log_offset, stream FROM carts.parked ORDER BY log_offset")
    assert [row["log_offset"] for row in parked] == [0, 1, 2, 3, 4]
    assert {(row["topic"], row["shard"], row["stream"]) for row in parked} == {(installed.topic("carts"), 0, None)}
    assert_as_the_log_says(installed, "carts")


def test_an_event_whose_data_postgresql_refuses_parks_its_stream_and_no_other(installed, log):
    values = []
    for number in range(300):
        values.append(log.cart_opened(f"cart_{number}", currency="E\0R" if number in (7, 200) else "EUR"))
    values += [log.cart_updated("cart_7", 1), log.cart_updated("cart_8", 1)]
    log.append("carts", *values)
    with projector(installed):
        wait_caught_up(installed, "carts")
    assert installed.sql.value("SELECT count(*) FROM carts.carts") == 298
    assert installed.sql.value("SELECT version FROM carts.carts WHERE id = 'cart_8'") == 2
    parked = installed.sql.rows("SELECT stream, version, reason FROM carts.parked ORDER BY log_offset")
    assert [(row["stream"], row["version"]) for row in parked] == [("cart_7", 1), ("cart_200", 1), ("cart_7", 2)]
    assert "0x00" in parked[0]["reason"]
    assert_as_the_log_says(installed, "carts")


def test_an_event_that_comes_twice_is_projected_once(installed, log):
    delivery = log.received("TEA", 5, 5)
    log.append("stock", delivery, delivery, log.received("TEA", 5, 10), delivery)
    with projector(installed):
        wait_caught_up(installed, "stock")
    assert installed.sql.value("SELECT sum(on_hand_delta)::bigint FROM stock.movements") == 10
    assert installed.sql.value("SELECT on_hand FROM stock.stock") == 10
    # And by a projector that remembers nothing, which takes a stream whose first event it is shown for a new one.
    log.append("stock", delivery, log.received("COFFEE", 7, 7), delivery)
    with projector(installed):
        wait_caught_up(installed, "stock")
    assert installed.sql.value("SELECT sum(on_hand_delta)::bigint FROM stock.movements") == 17
    assert installed.sql.value("SELECT on_hand FROM stock.stock WHERE sku = 'COFFEE'") == 7
    assert installed.sql.value("SELECT count(*) FROM stock.parked") == 0
    assert_as_the_log_says(installed, "stock")


def test_compare_names_the_rows_that_differ_and_a_rebuild_mends_them_under_a_running_projector(installed, log):
    log.carts(0, 50)
    log.deliveries(0, 50)
    with projector(installed):
        wait_caught_up(installed, "carts", "stock")
        installed.sql.run("UPDATE carts.carts SET total_minor = 1 WHERE id = %s", [f"cart_{7:026d}"])
        installed.sql.run("DELETE FROM stock.movements WHERE sku = 'S-3' AND version = 2")
        installed.sql.run("INSERT INTO stock.stock VALUES ('ghost', NULL, 1, 0, 1, '{}', 1, 0)")
        said = installed.run("projection", "compare", "carts", expect=3)
        assert f"carts (cart_{7:026d}): differs in total_minor\n" in said
        assert ", 1 differences" in said
        said = installed.run("projection", "compare", "stock", expect=3)
        assert "movements (S-3,2,main): only rebuilt" in said
        assert "stock (ghost): only live" in said
        log.carts(50, 50)
        for view in ("carts", "stock"):
            installed.run("projection", "rebuild", view, "--switch")
        log.carts(100, 50)
        wait_caught_up(installed, "carts", "stock")
    assert installed.sql.value("SELECT count(*) FROM carts.carts WHERE total_minor = 400") == 150
    assert_as_the_log_says(installed, "carts", "stock")


def indexes(installed):
    rows = installed.sql.rows("SELECT schemaname, indexname, indexdef FROM pg_indexes WHERE schemaname = ANY (%s)", [list(VIEWS)])
    return {(row["schemaname"], row["indexname"], row["indexdef"]) for row in rows}


def test_a_rebuilt_view_has_the_indexes_that_a_new_one_has(installed, log):
    before = indexes(installed)
    log.carts(0, 5)
    for view in VIEWS:
        installed.run("projection", "rebuild", view, "--switch")
    assert len(before) > 30
    assert indexes(installed) == before


def test_what_is_read_ahead_holds_up_no_rebuild(installed, log):
    """40 MB, of which 2 MiB are read ahead: librdkafka by itself looks once a second whether there is room for more."""
    log.carts(0, 1000, updates=10, title="Tea " * 1000)
    began = time.monotonic()
    installed.run("projection", "rebuild", "carts", "--switch")
    assert time.monotonic() - began < 5
    assert installed.sql.value("SELECT count(*) FROM carts.carts") == 1000


def test_projection_list_tells_where_each_view_stands(installed, log):
    log.append("carts", log.cart_opened("cart_A"), b"poison")
    with projector(installed):
        wait_caught_up(installed, "carts")
    lines = {line.split()[0]: line.split()[1:] for line in installed.run("projection", "list").splitlines()}
    assert lines["carts"] == ["2", "2", "1", "2", "carts", "1"]
    assert set(VIEWS) < set(lines)
    installed.run("projection", "rebuild", "carts", "--switch")
    lines = {line.split()[0]: line.split()[1:] for line in installed.run("projection", "list").splitlines()}
    assert lines["carts_old"] == ["2", "2", "1", "2"]


def test_migrate_may_be_run_again_and_by_many_at_once(installed):
    processes = [
        Process("migrate", [BINARY, "migrate"], installed.directory / f"migrate{number}", installed.environment())
        for number in range(5)
    ]
    installed.sql.run("DROP SCHEMA carts CASCADE")
    for process in processes:
        process.start()
    assert [process.wait() for process in processes] == [0] * 5
    assert installed.sql.value("SELECT count(*) FROM carts.migrations") == 3
    assert installed.sql.value("SELECT count(*) FROM carts.about") == 1


def test_a_projector_waits_for_its_servers_and_goes_on_when_they_are_back(mortal_stack):
    installation = Daybook(mortal_stack, name="projections")
    try:
        log = Log(installation.install())
        log.carts(0, 500)
        mortal_stack.kill_postgres()
        with projector(installation) as process:
            wait_until(lambda: "a view was interrupted" in process.log(), "the projector to notice")
            mortal_stack.start_postgres()
            wait_caught_up(installation, "carts")
            log.carts(500, 500)
            mortal_stack.kill_postgres()
            mortal_stack.start_postgres()
            wait_caught_up(installation, "carts")
            mortal_stack.kill_kafka()
            wait_until(lambda: mortal_stack.start_kafka() or True, "the broker to start again")
            log.carts(1000, 500)
            wait_caught_up(installation, "carts")
            assert process.is_running()
        assert installation.sql.value("SELECT count(*) FROM carts.carts WHERE version = 5") == 1500
        assert_as_the_log_says(installation, "carts")
    finally:
        installation.discard()


def test_after_real_purchases_every_view_is_what_the_log_says(new_daybook):
    daybook = new_daybook()
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("TEA", 199, 5)
        shop.sells("COFFEE", 999, 100)
        for _ in range(3):
            shop.buy(("TEA", 1), ("COFFEE", 2))
        shop.check_out(shop.cart(("TEA", 9))["id"])  # out of stock
        shop.check_out(shop.cart(("COFFEE", 1))["id"], "decline")
        assert shop.available("TEA") == 2
    assert_as_the_log_says(daybook, *VIEWS)
    assert daybook.sql.value("SELECT count(*) FROM orders.order_lines WHERE sku = 'TEA'") == 4
    levels = "SELECT sum(on_hand_delta - reserved_delta)::bigint FROM stock.movements WHERE sku = 'TEA'"
    assert daybook.sql.value(levels) == 2
