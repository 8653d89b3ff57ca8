"""A disk that is full: under the log, the read models and the vault, Daybook's own stores, and what it prints.

Each lies on a tmpfs of a bounded size, of which the test takes what is left and gives it back.
"""

import shutil
import subprocess

import pytest
from harness.daybook import BINARY, Daybook
from harness.event_log import Log
from harness.judge import lost
from harness.processes import clean_environment
from harness.shop import EUR
from harness.shopped import shopped
from harness.stack import Stack
from harness.volumes import SmallDisk
from harness.waiting import wait_until
from test_export import contents
from test_export import run as export

pytestmark = pytest.mark.timeout(600)

EMPTY_CART = {"currency": EUR}


class Servers:
    """Kafka's and PostgreSQL's data on a small disk each."""

    def __init__(self):
        self.stack = Stack().up()
        self.stack.down()
        self.disks = {}
        for server in ("kafka", "postgres"):
            self.disks[server] = SmallDisk(self.stack.directory / f"{server}-disk")
            self.disks[server].hold(self.stack.directory / server / "data")
        self.stack.up()
        self.daybook = Daybook(self.stack, name="full", provider_timeout_ms=2000).install().start()

    def begin_anew(self):
        """What the servers made of it themselves is their matter: they are killed, and started where there is room."""
        self.stack.kill()
        self.stack.up()
        wait_until(self.daybook.is_ready, "readiness", 120)

    def discard(self):
        for disk in self.disks.values():
            disk.empty()
        try:
            self.daybook.service.kill()
            self.daybook.provider.stop()
            self.stack.kill()
        finally:
            for disk in self.disks.values():
                disk.discard()
            self.stack.discard()


@pytest.fixture
def servers():
    made = []
    try:
        made.append(Servers())
        yield made[0]
    finally:
        for one in made:
            one.discard()


def test_full_disks_of_the_servers_refuse_honestly_and_lose_nothing(servers):
    with shopped(servers.daybook, 120, threads=2, methods=("approve",)) as shoppers:
        shoppers.wait_for(10, 90, "reserve")
        # The database: its write-ahead log is made beforehand, so that it takes a while to be refused.
        servers.disks["postgres"].fill()

        def refused():
            """Rows of the test's own use up what PostgreSQL still has."""
            servers.daybook.sql.run("CREATE TABLE IF NOT EXISTS ballast (rows text)")
            servers.daybook.sql.run(
                "INSERT INTO ballast SELECT md5(n::text) || repeat('x', 500) FROM generate_series(1, 100000) n"
            )

        with pytest.raises(Exception, match="No space left|terminating|closed|refused|recovery"):
            for _ in range(100):
                refused()
        _, cart = shoppers.ask_beside("command", "/v1/carts", EMPTY_CART)
        assert cart.status_code == 201, cart.text  # what needs no database goes on
        servers.disks["postgres"].empty()
        servers.begin_anew()
        servers.daybook.sql.run("DROP TABLE IF EXISTS ballast")
        shoppers.wait_for(10, 90, "reserve")
        # The log: the broker ends, and whoever comes is refused, or told that nothing is known yet.
        servers.disks["kafka"].fill()
        wait_until(lambda: not servers.stack.kafka_runs(), "the end of the broker", 90)
        told = shoppers.acknowledged()
        _, answer = shoppers.ask_beside("command", "/v1/carts", EMPTY_CART)
        assert answer.status_code in (202, 503), answer.text
        servers.disks["kafka"].empty()
        servers.begin_anew()
        assert not lost(servers.daybook, told)
        shoppers.wait_for(10, 90, "reserve")
    assert servers.daybook.service.is_running()


@pytest.fixture
def small_disk(tmp_path):
    disk = SmallDisk(tmp_path / "small", megabytes=64)
    yield disk
    disk.discard()


def test_a_handler_without_room_for_its_stores_goes_on_as_soon_as_there_is_some(stack, small_disk):
    daybook = Daybook(stack, name="room", data_dir=small_disk.directory / "data")
    try:
        daybook.install().start()
        with shopped(daybook, 120, threads=2, methods=("approve",)) as shoppers:
            shoppers.wait_for(10, 90, "reserve")
            small_disk.fill()
            says = daybook.service.says
            wait_until(
                lambda: says("handler", "a store did not take committed batches; its shard is taken over again")
                or not daybook.service.is_running(),
                "the store being refused",
                60,
            )
            assert daybook.service.is_running(), daybook.service.log_end()
            small_disk.empty()
            shoppers.wait_for(10, 90, "reserve")
            # Begun on a full disk it takes nothing over, says why, and waits.
            small_disk.fill()
            daybook.kill()
            daybook.service.start()
            wait_until(lambda: "No space left" in daybook.service.log(), "the reason in its log", 60)
            assert daybook.service.is_running(), daybook.service.log_end()
            small_disk.empty()
            wait_until(daybook.is_ready, "readiness", 60)
            shoppers.wait_for(10, 90, "reserve")
    finally:
        small_disk.empty()
        daybook.discard()


def test_a_handler_begun_where_there_is_hardly_any_room_waits_and_does_not_die(stack, small_disk):
    """Files that are mapped and have no pages yet would end it by SIGBUS: each of its first steps runs out of room once."""
    daybook = Daybook(stack, name="scarce", data_dir=small_disk.directory / "data")
    try:
        daybook.install()
        for pages in range(10):
            shutil.rmtree(small_disk.directory / "data", ignore_errors=True)
            small_disk.fill(leave_bytes=pages * 4096)
            daybook.service.log_path = daybook.directory / f"serve.{pages}.log"
            daybook.service.start()
            wait_until(
                lambda: not daybook.service.is_running() or "No space left" in daybook.service.log(),
                f"the reason in its log, with {pages} pages",
                60,
            )
            # With no room for the witness it is refused its start; with less than it needs later it waits.
            if not daybook.service.is_running():
                assert daybook.service.wait() == 1, f"with {pages} pages:\n{daybook.service.log_end()}"
                assert "No space left" in daybook.service.log()
            small_disk.empty()
            daybook.stop()
        daybook.start()
    finally:
        small_disk.empty()
        daybook.discard()


def test_a_service_whose_log_file_cannot_grow_serves_on(stack, small_disk):
    daybook = Daybook(stack, name="logs")
    daybook.service.log_path = small_disk.directory / "serve.log"
    try:
        daybook.install().start()
        small_disk.fill()
        with shopped(daybook, 120, threads=2, methods=("approve",)) as shoppers:
            shoppers.wait_for(20, 90, "reserve")
            before = daybook.service.log()
            daybook.restart()  # with much to say, and nowhere to say it
            assert daybook.service.log()[: len(before)] == before
            shoppers.wait_for(20, 90, "reserve")
            small_disk.empty()
    finally:
        small_disk.empty()
        daybook.discard()


def test_an_export_that_finds_the_disk_full_says_so_and_goes_on_where_there_is_room(stack, small_disk, tmp_path):
    daybook = Daybook(stack, name="exported")
    try:
        daybook.install()
        Log(daybook).carts(1, 12_000)
        daybook.run("export", tmp_path / "whole", "--topic", "carts")
        whole = contents(tmp_path / "whole")
        size = sum(map(len, whole.values()))
        for room in (0, 4096, size // 3, size // 2, size - 4096):
            small_disk.empty()
            shutil.rmtree(small_disk.directory / "export", ignore_errors=True)
            small_disk.fill(leave_bytes=room)
            ended = export(daybook, small_disk.directory / "export", "--topic", "carts", expect=1)
            assert "No space left on device" in ended.stderr
            # What has its name is whole, and nothing is left aside.
            there = contents(small_disk.directory / "export")
            assert there.items() <= whole.items()
            assert not (small_disk.directory / "export" / ".staging").exists()
        small_disk.empty()
        daybook.run("export", small_disk.directory / "export", "--topic", "carts")
        assert contents(small_disk.directory / "export") == whole
    finally:
        small_disk.empty()
        daybook.discard()


@pytest.mark.quick
@pytest.mark.parametrize(
    "arguments", (["--help"], ["config"], ["migrate"], ["shards"], ["verify"], ["replay", "ORDER"], ["why", "ORDER"])
)
def test_a_subcommand_that_cannot_print_its_result_fails(daybook, arguments):
    """Whoever reads the exit code alone must not take half a result for a whole one."""
    with daybook.client() as client:
        cart = client.expect(201, client.post("/v1/carts", {"currency": "EUR"}))["id"]
    command = [BINARY, *(cart if word == "ORDER" else word for word in arguments)]
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            command, env=clean_environment(daybook.environment()), stdout=full, stderr=subprocess.PIPE, timeout=60
        )
    assert ended.returncode == 1, ended.stderr
    assert b"standard output" in ended.stderr
