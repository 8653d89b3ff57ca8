"""What a view sets aside: shown, tried again, skipped; and a rebuild that then comes out the same."""

import random
import string
import struct
from contextlib import contextmanager

import pytest
from harness.daybook import metrics_of
from harness.event_log import assert_as_the_log_says, projector, wait_caught_up
from harness.ports import free_port
from harness.waiting import wait_until


def cart(number):
    return f"cart_{number:026d}"


@contextmanager
def refused(daybook, stream):
    """A trigger that will not have this cart's rows, as a constraint that somebody made would not."""
    daybook.sql.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.id = '{stream}' THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '23514'; END IF; RETURN NEW; END $$"
    )
    daybook.sql.run("CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON carts.carts FOR EACH ROW EXECUTE FUNCTION refuse()")
    yield
    daybook.sql.run("DROP FUNCTION refuse CASCADE")


def test_a_stream_is_shown_and_goes_on_once_its_cause_is_mended(installed, log):
    log.carts(0, 20)
    with projector(installed) as process:
        wait_caught_up(installed, "carts")
        with refused(installed, cart(7)):
            log.append("carts", log.cart_updated(cart(7), 8), log.cart_updated(cart(11), 8), shard=3)
            log.append("carts", log.cart_updated(cart(7), 9), log.cart_updated(cart(7), 10), shard=3)
            wait_caught_up(installed, "carts")
            said = installed.run("projection", "parked", "carts")
            assert f"{cart(7)} version 6  20" in said
            assert f"from {installed.topic('carts')}[3] at " in said
            assert ", 2 behind: " in said and "not this one" in said
            assert "carts: 1 streams parked, 0 events skipped\n" in said
            said = installed.run("projection", "retry", "carts", cart(7), expect=3)
            assert "0 events projected, 0 streams go on, 3 events are still parked" in said and "not this one" in said
        said = installed.run("projection", "retry", "carts", "--all")
        assert "3 events projected, 1 streams go on, 0 events are still parked" in said
        assert installed.sql.value("SELECT version FROM carts.carts WHERE id = %s", [cart(7)]) == 8
        log.append("carts", log.cart_updated(cart(7), 11), shard=3)
        wait_caught_up(installed, "carts")
        assert installed.sql.value("SELECT version FROM carts.carts WHERE id = %s", [cart(7)]) == 9
        assert process.says("projector", "the view's tables were switched or changed: it begins anew", view="carts")
    assert_as_the_log_says(installed, "carts")


def test_a_long_queue_is_projected_while_it_grows(installed, log):
    with projector(installed):
        with refused(installed, cart(1)):
            log.append("carts", *[log.cart_opened(cart(1))], *[log.cart_updated(cart(1), n) for n in range(6000)])
            wait_caught_up(installed, "carts")
        log.carts(100, 200)
        installed.run("projection", "retry", "carts", cart(1))
        log.append("carts", *[log.cart_updated(cart(1), n) for n in range(100)])
        wait_caught_up(installed, "carts")
        installed.run("projection", "retry", "carts", "--all")
    assert installed.sql.value("SELECT version FROM carts.carts WHERE id = %s", [cart(1)]) == 6101
    assert installed.sql.value("SELECT count(*) FROM carts.parked") == 0
    assert_as_the_log_says(installed, "carts")


def test_a_text_that_no_index_can_hold_parks_its_stream_alone(installed, log):
    """PostgreSQL says program_limit_exceeded, which is of the data and of no server."""
    installed.sql.run("CREATE INDEX ON carts.carts (currency)")
    noise = "".join(random.Random(1).choices(string.printable, k=5000))
    log.append("carts", log.cart_opened(cart(1)), log.cart_opened(cart(2), currency=noise), log.cart_opened(cart(3)))
    with projector(installed):
        wait_caught_up(installed, "carts")
        assert installed.sql.value("SELECT count(*) FROM carts.carts") == 2
        assert "exceeds btree version" in installed.run("projection", "parked", "carts")


def test_a_skipped_event_is_written_down_and_skipped_in_every_rebuild(installed, log):
    unknown = struct.pack(">bI", 0, 987654) + b"of a schema to come"
    log.append("carts", log.cart_opened(cart(1)), log.cart_updated(cart(1), 1), unknown)
    log.versions[cart(1)] += 1
    log.append("carts", log.cart_updated(cart(1), 3), log.cart_updated(cart(1), 4))
    why = ["--reason", "the storefront's bug 4711", "--actor", "ann@example.com"]
    with projector(installed):
        wait_caught_up(installed, "carts")
        place = f"{installed.topic('carts')}/0/2"
        said = installed.run("projection", "parked", "carts")
        assert f"{place}  20" in said and f"{cart(1)} version 4  20" in said
        # Only the next one can be skipped, and it is said which.
        told = installed.refusal("projection", "skip", "carts", cart(1), "--event", 4, *why)
        assert "stands before version 3" in told
        assert "is not parked" in installed.refusal("projection", "skip", "carts", cart(2), "--event", 1, *why)
        said = installed.run("projection", "skip", "carts", cart(1), "--event", 3, *why)
        assert "2 events projected, 1 streams go on, 0 events are still parked" in said
        assert installed.sql.value("SELECT version FROM carts.carts WHERE id = %s", [cart(1)]) == 5
        said = installed.run("projection", "parked", "carts")
        assert f"skipped: {cart(1)} version 3  20" in said
        assert "by ann@example.com: the storefront's bug 4711\n  it was parked for: version 4 came after version 2" in said
        # And the record itself, of which nobody knows the stream.
        installed.run("projection", "skip", "carts", place, *why)
        assert "carts: 0 streams parked, 2 events skipped\n" in installed.run("projection", "parked", "carts")
        assert_as_the_log_says(installed, "carts")
        installed.run("projection", "rebuild", "carts", "--switch")
        installed.run("projection", "drop", "carts_old")
        assert "2 events skipped" in installed.run("projection", "parked", "carts")
        log.append("carts", log.cart_updated(cart(1), 5))
        wait_caught_up(installed, "carts")
        assert installed.sql.value("SELECT version FROM carts.carts WHERE id = %s", [cart(1)]) == 6
        # One that tries them again is another view, and a comparison says so.
        assert "4 are parked" in installed.run("projection", "rebuild", "carts", "--forget-skips")
        said = installed.run("projection", "compare", "carts", expect=3)
        assert f"skipped ({cart(1)},3): only live\n" in said
        assert f"streams ({cart(1)}): differs in version, parked, state\n" in said


def test_what_cannot_be_asked_for_is_told(installed, log):
    log.carts(0, 1)
    with projector(installed):
        wait_caught_up(installed, "carts")
        assert "nothing of a stream cart_X is parked" in installed.refusal("projection", "retry", "carts", "cart_X")
        assert "0 events projected" in installed.run("projection", "retry", "carts", "--all")
        long = "x" * 2000
        why = ["--reason", "r", "--actor", "a"]
        assert "must be a text of 1 to 1000 bytes" in installed.refusal(
            "projection", "skip", "carts", "cart_X", "--event", 1, "--reason", long, "--actor", "a"
        )
        place = f"{installed.topic('carts')}/0/0"
        assert "retry carts --all" in installed.refusal("projection", "retry", "carts", place)
        assert "is not parked" in installed.refusal("projection", "skip", "carts", place, *why)
        for wrong in (
            ["parked"],
            ["parked", "carts", "--all"],
            ["retry", "carts"],
            ["skip", "carts", "cart_X", *why],
            ["skip", "carts", "cart_X", "--event", 0, *why],
            ["skip", "carts", "cart_X", "--event", "first", *why],
            ["skip", "carts", "cart_X", "--event", 1, "--reason", "r"],
            ["skip", "carts", place, "--event", 1, *why],
        ):
            assert installed.refusal("projection", *wrong).startswith("usage: daybook projection")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_view_that_waits_for_a_lock_says_so_and_the_others_go_on(installed, log):
    page = free_port()
    installed.settings["admin_port"] = page

    def metrics():
        return metrics_of(f"http://127.0.0.1:{page}")

    with projector(installed) as process:
        log.carts(0, 10)
        wait_caught_up(installed, "carts")
        with installed.sql.locked("carts.position"):
            log.carts(10, 10)
            log.deliveries(0, 10)
            wait_caught_up(installed, "stock")
            wait_until(lambda: metrics()['daybook_projection_stalled{view="carts"}'] == 1, "the watchdog", 60)
            assert metrics()['daybook_projection_stalled{view="stock"}'] == 0
            assert metrics()['daybook_projection_lag_events{view="carts"}'] == 50
            assert "canceling statement due to lock timeout" in process.log()
        wait_caught_up(installed, "carts")
        wait_until(lambda: metrics()['daybook_projection_stalled{view="carts"}'] == 0, "the watchdog's rest")
    assert_as_the_log_says(installed, "carts", "stock")
