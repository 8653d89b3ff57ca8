"""An event that a view does not survive: it ends the process, or never comes to an end. A library stands for the view's bug."""

from contextlib import contextmanager

import pytest
from harness.daybook import BINARY, Daybook
from harness.event_log import Log, assert_as_the_log_says, wait_caught_up
from harness.preload import Preloaded
from harness.processes import Process
from harness.schemas import IDS, decode, encode
from harness.shop import Shop
from harness.waiting import wait_until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def placed(stack):
    """A real OrderPlaced, to make others of."""
    daybook = Daybook(stack, name="poisonous")
    try:
        daybook.install().start()
        with daybook.client() as client:
            shop = Shop(client)
            shop.sells("TEA", 199, 10)
            shop.buy(("TEA", 1))
        records = [record.value() for record in daybook.kafka.records(daybook.topic("orders")) if record.value()]
        named = {decode(value)[0]: decode(value)[1] for value in records if int.from_bytes(value[1:5], "big") in IDS.values()}
        yield named["OrderPlaced"]
    finally:
        daybook.discard()


def order(placed, number, reference):
    stream = f"ord_{number:026d}.1"
    meta = placed["meta"] | {"stream": stream, "version": 1, "event_id": f"evt_{stream}"}
    return stream, encode("OrderPlaced", placed | {"meta": meta, "reference": reference})


@contextmanager
def poisoned_projector(daybook):
    library = Preloaded("view_faults", daybook.directory)
    environment = daybook.environment() | {"LD_PRELOAD": str(library.library)}
    process = Process("projector", [BINARY, "serve", "--role", "projector"], daybook.directory / "projector.log", environment)
    try:
        yield process
    finally:
        process.kill()


@pytest.mark.quick
def test_an_event_that_ends_the_projector_is_parked_at_the_third_start(installed, placed):
    log = Log(installed)
    poison, value = order(placed, 1, "POISON-ABORT")
    innocent, other = order(placed, 2, "fine")
    log.append("orders", other, value)
    log.carts(0, 10)
    with poisoned_projector(installed) as process:
        for _ in range(2):
            process.start()
            assert process.wait(60) == -6
        process.start()
        wait_caught_up(installed, "orders", "carts")
        assert process.is_running()
        said = installed.run("projection", "parked", "orders")
        assert f"{poison} version 1  20" in said and "2 processes ended while they projected it" in said
        assert installed.sql.value("SELECT count(*) FROM orders.orders WHERE id = %s", [innocent]) == 1
        # Once its cause is mended (the subcommand has not the library) it is projected.
        installed.run("projection", "retry", "orders", poison)
        assert installed.sql.value("SELECT count(*) FROM orders.orders WHERE id = %s", [poison]) == 1
    assert_as_the_log_says(installed, "orders", "carts")


def test_an_event_that_never_ends_is_told_and_holds_no_other_view_up(installed, placed):
    log = Log(installed)
    poison, value = order(placed, 1, "POISON-LOOP")
    log.append("orders", value)
    place = f"{installed.topic('orders')}/0/0"
    with poisoned_projector(installed) as process:
        for turn in range(2):
            process.start()
            log.carts(100 * turn, 100)
            wait_caught_up(installed, "carts")
            wait_until(
                lambda: process.log().count(f'"thread":"projects","event":"{place}"') == turn + 1, "the watchdog", 90
            )
            process.kill()  # as whoever asks for its readiness would
        process.start()
        wait_caught_up(installed, "orders")
        assert f"{poison} version 1  20" in installed.run("projection", "parked", "orders")


@pytest.mark.quick
def test_a_projector_killed_again_and_again_condemns_no_event(installed, placed):
    log = Log(installed)
    with poisoned_projector(installed) as process:
        for turn in range(6):
            log.append("orders", *[order(placed, 1000 * turn + number, "fine")[1] for number in range(1000)])
            process.start()
            wait_until(lambda: installed.sql.value("SELECT count(*) FROM orders.orders") > 1000 * turn, "progress")
            process.kill()
        process.start()
        wait_caught_up(installed, "orders")
    assert installed.sql.value("SELECT count(*) FROM orders.parked") == 0
    assert installed.sql.value("SELECT count(*) FROM orders.orders") == 6000
