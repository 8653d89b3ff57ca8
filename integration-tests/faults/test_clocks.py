"""A wall clock that is an hour ahead or behind, and one that is stepped while orders wait for their payment.

The processes run with a library of ours before libc's (clock_faults.c), which a test steers while they run.
"""

import time

import pytest
from harness.daybook import Daybook
from harness.person import Person, bearer
from harness.preload import Preloaded
from harness.shop import Shop
from harness.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

HOUR = 3600
DEADLINE_S = 40


@pytest.fixture
def clocked(stack, tmp_path):
    """An installation whose service has a clock of its own; orders are paid within forty seconds, or cancelled."""
    clock = Preloaded("clock_faults", tmp_path)
    made = Daybook(stack, name="clock", payment_deadline_s=DEADLINE_S)
    made.service.environment |= clock.environment
    try:
        yield made.install(), clock
    finally:
        made.discard()


def stopped_shards(daybook):
    return daybook.metrics()["daybook_handler_timers_stopped"]


def is_unharmed(daybook, shop, order, available):
    """What happened to it would be shown: the views have seen the whole log."""
    wait_until(daybook.views_have_seen_all, "the views at the log's end", 30)
    assert shop.order(order)["status"] == "awaiting_payment"
    assert shop.available("TEA") == available


def unpaid(shop):
    return shop.check_out(shop.cart(("TEA", 1))["id"], "decline").json()["order"]


@pytest.mark.parametrize("step", (HOUR, -HOUR), ids=("ahead", "behind"))
def test_a_stepped_clock_stops_the_timers_and_no_live_order_loses_its_stock(clocked, step):
    daybook, clock = clocked
    daybook.start()
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("TEA", 100, 10)
        order = unpaid(shop)
        begun = time.monotonic()
        clock.number = step
        wait_until(lambda: stopped_shards(daybook) == 4, "the timers of all shards standing", 30)
        assert daybook.service.says("handler", "clocks disagree: timers stand still", level="error")
        # Its deadline passes, and nothing happens to it. Others buy as ever.
        wait_until(lambda: time.monotonic() > begun + DEADLINE_S + 5, "the deadline", DEADLINE_S + 20)
        is_unharmed(daybook, shop, order, 9)
        assert shop.buy(("TEA", 1))["status"] == "confirmed"
        assert shop.available("TEA") == 8
        # The clock is right again: timers go on by themselves, and the order that is overdue is cancelled.
        clock.number = 0
        wait_until(lambda: stopped_shards(daybook) == 0, "the timers going on", 30)
        wait_until(lambda: shop.order(order)["status"] == "cancelled", "the order being cancelled", 30)
        wait_until(lambda: shop.available("TEA") == 9, "its stock")
    daybook.run("verify")


@pytest.mark.parametrize("step", (HOUR, -HOUR), ids=("ahead", "behind"))
def test_begun_with_a_wrong_clock_it_sells_and_no_timer_fires_until_the_clock_is_right(clocked, step):
    daybook, clock = clocked
    daybook.start()
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("TEA", 100, 10)
        order = unpaid(shop)
        begun = time.monotonic()
        daybook.stop()
        clock.number = step
        daybook.start()
        # A clock behind is seen at once, one ahead when the broker has told its time.
        wait_until(lambda: stopped_shards(daybook) == 4, "the timers of all shards standing", 60)
        # Nothing fired before that was seen, and nothing does as its deadline passes.
        is_unharmed(daybook, shop, order, 9)
        wait_until(lambda: time.monotonic() > begun + DEADLINE_S + 5, "the deadline", DEADLINE_S + 20)
        is_unharmed(daybook, shop, order, 9)
        assert shop.buy(("TEA", 1))["status"] == "confirmed"
        clock.number = 0
        wait_until(lambda: stopped_shards(daybook) == 0, "the timers going on", 60)
        wait_until(lambda: shop.order(order)["status"] == "cancelled", "the order being cancelled", DEADLINE_S + 30)
        assert shop.buy(("TEA", 1))["status"] == "confirmed"
    daybook.run("verify")


@pytest.mark.parametrize("step", (HOUR, -HOUR), ids=("ahead", "behind"))
def test_an_access_token_dies_in_its_time_whatever_the_clock_does(stack, tmp_path, step):
    clock = Preloaded("clock_faults", tmp_path)
    made = Daybook(stack, name="clocktokens", access_token_s=60)
    made.service.environment |= clock.environment
    try:
        made.install().start()
        with made.client() as client:
            begun = time.monotonic()
            session = Person(made, client).verified().logged_in()
            clock.number = step
            assert client.http.get("/v1/products", headers=bearer(session)).status_code == 200
            refused = wait_until(lambda: expired(client, session), "its end", 70, pause=0.5)
            assert refused.json()["code"] == "token_expired"
            assert time.monotonic() - begun >= 58  # whole seconds stand in a token
            clock.number = 0
            assert expired(client, session)
    finally:
        made.discard()


def expired(client, session):
    answer = client.http.get("/v1/products", headers=bearer(session))
    return answer if answer.status_code == 401 else None
