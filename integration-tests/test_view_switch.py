"""Read models that are made anew, switched and taken back, under shoppers and readers who notice nothing of it."""

import random
import threading
import time
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from harness.access import KEY
from harness.daybook import VIEWS
from harness.event_log import assert_as_the_log_says, position, projector, wait_caught_up
from harness.shop import Shop
from harness.shoppers import Habits, Shoppers
from harness.waiting import wait_until

SWITCHED = ("carts", "orders", "products", "stock", "payments")


class Readers:
    """Threads that read documents and lists until the block ends; every answer must be 200."""

    def __init__(self, url, paths, threads=4):
        self.url, self.paths = url, paths
        self.complaints, self.read, self.slowest_s = [], 0, 0.0
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number):
        rng = random.Random(number)
        with httpx.Client(base_url=self.url, timeout=30, auth=KEY) as http:
            while not self._stop.is_set():
                path = rng.choice(self.paths)
                began = time.monotonic()
                try:
                    answer = http.get(path)
                    complaint = None if answer.status_code == 200 else f"{path}: {answer.status_code} {answer.text}"
                except httpx.HTTPError as error:
                    complaint = f"{path}: {error!r}"
                with self._lock:
                    self.read += 1
                    self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                    if complaint:
                        self.complaints.append(complaint)


@contextmanager
def analyst(daybook, question):
    """A transaction that has read and stays open, as somebody's report does."""
    with psycopg.connect(daybook.sql.connection_string) as connection:
        connection.execute(question).fetchall()
        yield connection


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_shoppers_and_readers_notice_nothing_of_a_switch_and_of_its_taking_back(new_daybook):
    daybook = new_daybook()
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells("TEA", 199, 100000)
        order = shop.buy(("TEA", 1))
        cart = shop.cart(("TEA", 1))["id"]
    paths = [f"/v1/orders/{order['id']}", f"/v1/orders/{order['id']}/history", f"/v1/carts/{cart}", "/v1/products",
             "/v1/orders", "/v1/stock/TEA", "/v1/variants/TEA"]
    habits = Habits(threads=3, cancels=0.1, receipts=0.0, methods=("approve",))
    with Readers(daybook.url, paths) as readers, Shoppers(daybook.url, ["TEA"], daybook.directory / "journal", 7, habits) as shoppers:
        shoppers.wait_for(10)
        with analyst(daybook, "SELECT count(*) FROM orders.orders"):
            for view in SWITCHED:
                daybook.run("projection", "rebuild", view)
                assert f"{view}_rebuild" in daybook.run("projection", "compare", view)
                daybook.run("projection", "switch", view)
                shoppers.wait_for(5)
            # What is being read is not dropped, and nobody waits behind the attempt.
            assert "lock timeout" in daybook.refusal("projection", "drop", "orders_old", code=1)
        for view in SWITCHED:
            daybook.run("projection", "switch", view, "--back")
            shoppers.wait_for(5)
            daybook.run("projection", "switch", view)
            daybook.run("projection", "drop", f"{view}_old")
        shoppers.wait_for(10)
        assert readers.read > 200
    print(f"{readers.read} answers, the slowest after {readers.slowest_s:.2f} s")
    assert not readers.complaints, readers.complaints[:5]
    # A position that is not reached within two seconds would be answered so; nobody was.
    assert shoppers.answers[503, "view_behind"] == 0
    wait_until(daybook.views_have_seen_all, "the views to have seen all", 60)
    assert_as_the_log_says(daybook, *VIEWS)


def test_a_program_follows_the_tables_of_its_format_and_a_comparison_names_what_only_one_has(installed, log):
    """The live tables are made to be those of a program of before."""
    log.carts(0, 100)
    with projector(installed) as process:
        wait_caught_up(installed, "carts")
        installed.sql.run("ALTER TABLE carts.carts ADD COLUMN note text")
        installed.sql.run("UPDATE carts.about SET format = 0, epoch = gen_random_uuid()")
        log.carts(100, 10)
        wait_until(lambda: "was made for another format" in process.log(), "the projector to leave them alone")
        assert position(installed, "carts") == 500
        assert "carts      has format 0, this version makes 2: left as it is" in installed.run("migrate")
        installed.run("projection", "rebuild", "carts")
        log.carts(110, 10)
        wait_until(lambda: position(installed, "carts_rebuild") == 600, "the projector to follow the new ones")
        assert position(installed, "carts") == 500
        # The two cannot come to the same place any more: nobody follows the live ones.
        assert "do not come together" in installed.refusal("projection", "compare", "carts", code=1)
        installed.run("projection", "switch", "carts")
        log.carts(120, 10)
        wait_until(lambda: position(installed, "carts") == 650, "the projector to follow what is live")
        lines = {line.split()[0]: line.split()[1:] for line in installed.run("projection", "list").splitlines()}
        assert lines["carts"][3] == "2" and lines["carts_old"][3] == "0"
    assert_as_the_log_says(installed, "carts")


def test_a_column_that_only_one_has_is_named_and_the_other_rows_are_compared(installed, log):
    log.carts(0, 20)
    with projector(installed):
        wait_caught_up(installed, "carts")
        installed.run("projection", "rebuild", "carts")
        installed.sql.run("ALTER TABLE carts.carts ADD COLUMN note text")
        installed.sql.run("ALTER TABLE carts_rebuild.carts ADD COLUMN remark text")
        installed.sql.run("CREATE TABLE carts_rebuild.extra (id text PRIMARY KEY)")
        installed.sql.run("UPDATE carts.carts SET currency = 'USD', total_minor = 1 WHERE version = 5 AND id < %s", [f"cart_{3:026d}"])
        said = installed.run("projection", "compare", "carts", expect=3)
    assert "carts.note: only live, a column\n" in said
    assert "carts.remark: only rebuilt, a column\n" in said
    assert "extra: only rebuilt, a table\n" in said
    assert f"carts (cart_{2:026d}): differs in total_minor, currency\n" in said
    assert "carts and carts_rebuild: 40 rows compared, 6 differences\n" in said


def test_many_differences_are_counted_and_fifty_are_shown(installed, log):
    log.carts(0, 200)
    with projector(installed):
        wait_caught_up(installed, "carts")
        installed.sql.run("UPDATE carts.carts SET total_minor = 1")
        said = installed.run("projection", "compare", "carts", expect=3)
    assert said.count("differs in total_minor") == 50
    assert "... and 150 more\n" in said
    assert "400 rows compared, 200 differences" in said


def test_what_stands_in_the_way_is_told_and_changes_nothing(installed, log):
    log.carts(0, 10)
    assert "there is no schema carts_rebuild" in installed.refusal("projection", "switch", "carts")
    assert "there is no schema carts_old" in installed.refusal("projection", "switch", "carts", "--back")
    installed.run("projection", "rebuild", "carts", "--switch")
    assert "carts_old is still there" in installed.refusal("projection", "rebuild", "carts", "--switch")
    assert installed.sql.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'carts_rebuild'") == 0
    for wrong in (
        ["projection"],
        ["projection", "switch"],
        ["projection", "switch", "carts", "--forward"],
        ["projection", "switch", "nothing"],
        ["projection", "drop", "carts"],
        ["projection", "drop", "vault"],
        ["projection", "rebuild", "carts", "--quickly"],
        ["projection", "compare", "carts", "--all"],
    ):
        installed.refusal(*wrong, code=2)
    installed.run("projection", "switch", "carts", "--back")
    installed.run("projection", "drop", "carts_rebuild")
    assert "there is no schema carts_rebuild" in installed.refusal("projection", "drop", "carts_rebuild")


def test_a_rebuild_that_was_killed_leaves_nothing_that_is_followed(installed, log):
    log.carts(0, 3000)
    with projector(installed):
        wait_caught_up(installed, "carts")
        with installed.running("projection", "rebuild", "carts") as process:
            wait_until(lambda: _has_schema(installed, "carts_filling"), "the filling", pause=0.005)
            process.kill()
        assert not _has_schema(installed, "carts_rebuild")
        installed.run("projection", "rebuild", "carts", "--switch")
        assert not _has_schema(installed, "carts_filling")
        log.carts(3000, 100)
        wait_caught_up(installed, "carts")
    assert_as_the_log_says(installed, "carts")


def test_what_becomes_live_while_a_drop_waits_for_it_is_not_dropped(installed, log):
    """DROP SCHEMA finds the schema by its name, and then waits for tables whose schema another command renames."""
    log.carts(0, 50)
    installed.run("projection", "rebuild", "carts", "--switch")
    with psycopg.connect(installed.sql.connection_string) as switch:
        switch.execute("LOCK TABLE carts.position, carts_old.position IN EXCLUSIVE MODE")
        with installed.running("projection", "drop", "carts_old") as drop:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'daybook-projection'"
            wait_until(lambda: installed.sql.value(waiting) == 1, "the drop to wait", pause=0.01)
            switch.execute("ALTER SCHEMA carts RENAME TO carts_rebuild")
            switch.execute("ALTER SCHEMA carts_old RENAME TO carts")
            switch.commit()
            assert drop.wait() != 0
    assert _has_schema(installed, "carts") and _has_schema(installed, "carts_rebuild")


def test_a_second_rebuild_is_refused_while_one_is_at_work(installed, log):
    log.carts(0, 50)
    with psycopg.connect(installed.sql.connection_string) as first:
        first.execute("SELECT pg_advisory_lock(hashtextextended('carts_filling', 7235909471530182))")
        assert "another command is filling carts_filling" in installed.refusal("projection", "rebuild", "carts")
        assert not _has_schema(installed, "carts_filling")
        installed.run("projection", "compare", "carts")
    installed.run("projection", "rebuild", "carts")


def _has_schema(daybook, name):
    return daybook.sql.value("SELECT count(*) FROM pg_namespace WHERE nspname = %s", [name]) == 1


class Stillness:
    """How long the live view's position stood still, at the most."""

    def __init__(self, daybook, view):
        self.daybook, self.view = daybook, view
        self.last, self.since, self.longest_s = position(daybook, view), time.monotonic(), 0.0

    def look(self):
        time.sleep(0.02)
        now = position(self.daybook, self.view)
        if now != self.last:
            self.last, self.since = now, time.monotonic()
        self.longest_s = max(self.longest_s, time.monotonic() - self.since)


@pytest.mark.timeout(300)
def test_a_switch_under_load_is_caught_up_within_seconds(installed, log):
    """The live view moves on the whole time; it is never still for long, and nothing is lost."""
    stop = threading.Event()

    def keep_coming():
        number = 100000
        while not stop.wait(0.05):
            log.carts(number, 20)
            number += 20

    with projector(installed):
        log.carts(0, 2000)
        wait_caught_up(installed, "carts")
        load = threading.Thread(target=keep_coming)
        load.start()
        try:
            installed.run("projection", "rebuild", "carts")
            stillness = Stillness(installed, "carts")
            began = time.monotonic()
            with installed.running("projection", "switch", "carts") as switching:
                while switching.is_running():
                    stillness.look()
                    assert time.monotonic() - began < 60, switching.log()
                assert switching.wait() == 0, switching.log()
            took_s = time.monotonic() - began
            until = time.monotonic() + 3
            while time.monotonic() < until:
                stillness.look()
        finally:
            stop.set()
            load.join()
        wait_caught_up(installed, "carts")
    print(f"switched in {took_s:.1f} s; the live view stood still for {stillness.longest_s:.2f} s at most")
    assert stillness.longest_s < 5
    assert_as_the_log_says(installed, "carts")
