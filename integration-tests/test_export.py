"""`daybook export`: what other tools find in the files is what stands in the log and in the read models, whatever killed
it on the way. The files are read by fastavro, DuckDB and Python's json, none of the program's own code."""

import json
import random
import re
import signal
import subprocess
import time
from collections import Counter

import duckdb
import fastavro
import psycopg
import pyarrow.parquet
import pytest
from harness.daybook import BINARY, Daybook
from harness.event_log import Log
from harness.processes import clean_environment, memory_mib
from harness.schemas import ID_OF_VERSION, decode
from harness.shop import Shop
from harness.stack import ROOT
from harness.waiting import wait_until

BUSY = {"catalog", "stock", "carts", "orders", "payments"}
FAMILIES = (*sorted(BUSY), "identities", "customers", "keys")
TABLES = {
    "products": ("products", "variants"),
    "stock": ("stock", "movements"),
    "carts": ("carts",),
    "orders": ("orders", "order_lines", "order_history"),
    "payments": ("payments",),
}
EMAIL = "somebody@example.org"


@pytest.fixture(scope="module")
def shop(daybook):
    """An installation in which a few things were sold."""
    with daybook.client() as client:
        shop = Shop(client)
        product = shop.product(("tea", 500), ("pot", 2500), title="Tea \u2615 \"Earl Grey\"")
        for sku in ("tea", "pot"):
            shop.stock(sku, 1000)
        shop.available("pot")
        client.expect(200, client.patch(f"/v1/products/{product}", {"tags": ["black", "bergamot"], "vendor": "Leaf"}))
        for number in range(1, 8):
            client.expect(201, shop.check_out(shop.cart(("tea", number), ("pot", 1))["id"], email=EMAIL))
        client.expect(402, shop.check_out(shop.cart(("tea", 1))["id"], "decline"))
        wait_until(daybook.views_have_seen_all, "the views to see all")
        yield shop


def log_of(daybook):
    """What another client finds in the log: (type, event, record) by topic, of those that hold any."""

    def read(family):
        return [(*decode(record.value()), record) for record in daybook.kafka.records(daybook.topic(family))]

    found = {family: events for family in FAMILIES if (events := read(family))}
    assert found.keys() >= BUSY
    return found


def lines(folder):
    return [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]


def contents(folder):
    """The events' files, byte for byte."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob("events/*/*/*")}


# ---- what is in the files ---------------------------------------------------------------------------------------------


def test_each_event_is_a_line_of_its_type(daybook, shop, tmp_path):
    said = daybook.run("export", tmp_path / "export")
    log = log_of(daybook)
    folder = tmp_path / "export"
    assert {path.name for path in (folder / "events").iterdir()} == set(log)
    for family in log:
        found = {}
        for kind in (folder / "events" / family).iterdir():
            for line in lines(kind):
                assert line["type"] == kind.name
                assert found.setdefault((line["partition"], line["offset"]), line) is line
        assert len(found) == len(log[family])
        for name, event, record in log[family]:
            line = found[record.partition(), record.offset()]
            meta = line["event"]["meta"]
            assert line["type"] == name
            assert [meta[key] for key in ("event_id", "stream", "version", "causation_id", "actor")] == [
                event["meta"][key] for key in ("event_id", "stream", "version", "causation_id", "actor")
            ]
            assert meta["occurred_at"] == event["meta"]["occurred_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    total = sum(map(len, log.values()))
    assert f"{total} events and " in said
    # Nothing is left aside, and what everybody may know of a person is the id of a key.
    assert not (folder / ".staging").exists()
    assert all(EMAIL.encode() not in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    placed = lines(folder / "events" / "orders" / "OrderPlaced")
    assert any("key_id" in line["event"].get("email", {}) for line in placed)


@pytest.mark.parametrize("codec", ["deflate", "null"])
def test_container_files_hold_the_very_bytes_of_the_log(daybook, shop, tmp_path, codec):
    daybook.run("export", tmp_path, "--topic", "all", "--format", "avro", "--codec", codec)
    found = Counter()
    for path in tmp_path.glob("events/*/*/*.avro"):
        with open(path, "rb") as file:
            reader = fastavro.reader(file)
            assert reader.codec == codec
            # As it stands in the registry, with all that a reader may want to know.
            number = ID_OF_VERSION[path.parent.name, int(path.name[1])]
            text = next((ROOT / "schemas").glob(f"*/{path.parent.name}/{path.name[1]}.avsc")).read_text()
            assert json.loads(reader.metadata["avro.schema"]) == json.loads(text)
            for event in reader:
                found[number, json.dumps(event, default=str, sort_keys=True)] += 1
    expected = Counter(
        (int.from_bytes(record.value()[1:5], "big"), json.dumps(event, default=str, sort_keys=True))
        for events in log_of(daybook).values()
        for _, event, record in events
    )
    assert found == expected
    assert not (tmp_path / "views").exists()


def test_views_are_exported_as_they_stand(daybook, shop, tmp_path):
    daybook.run("export", tmp_path / "lines", "--view", "all")
    daybook.run("export", tmp_path / "avro", "--view", "all", "--format", "avro")
    assert not (tmp_path / "lines" / "events").exists()
    for view, tables in TABLES.items():
        assert {path.name for path in (tmp_path / "lines" / "views" / view).iterdir()} == {*tables, "position.json"}
        position = json.loads((tmp_path / "lines" / "views" / view / "position.json").read_text())
        there = daybook.sql.rows(f"SELECT topic, shard, next_offset FROM {view}.position ORDER BY topic, shard")
        assert [tuple(row.values()) for row in position["position"]] == [tuple(row.values()) for row in there]
        for table in tables:
            there = daybook.sql.value(
                f"SELECT coalesce(json_agg(to_jsonb(t) - 'search'), '[]') FROM {view}.{table} AS t"
            )
            rows = lines(tmp_path / "lines" / "views" / view / table)
            assert len(rows) == len(there) > 0
            assert set(rows[0]) == set(there[0])
            as_avro = []
            for path in (tmp_path / "avro" / "views" / view / table).glob("*.avro"):
                with open(path, "rb") as file:
                    as_avro += fastavro.reader(file)
            assert len(as_avro) == len(rows)
            for row, record in zip(rows, as_avro):
                assert set(row) == set(record)
                for name, value in row.items():
                    if isinstance(value, (int, bool)) or value is None:
                        assert record[name] == value
                    elif isinstance(value, dict):
                        assert json.loads(record[name]) == value
                    elif isinstance(record[name], str):
                        assert record[name] == value
    orders = lines(tmp_path / "lines" / "views" / "orders" / "orders")
    assert all(shop.order(order["id"]) == order["document"] for order in orders)
    (product,) = lines(tmp_path / "lines" / "views" / "products" / "products")
    assert (product["tags"], product["title"]) == (["black", "bergamot"], "Tea \u2615 \"Earl Grey\"")


def test_duckdb_answers_as_the_read_models_do_and_makes_parquet(daybook, shop, tmp_path, monkeypatch):
    """The statements of docs/audit.md, as they stand there."""
    daybook.run("export", tmp_path / "export")
    monkeypatch.chdir(tmp_path)
    statements = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "audit.md").read_text(), re.DOTALL)
    assert len(statements) == 5
    database = duckdb.connect()
    sold, p99, from_view = (database.sql(statement).fetchall() for statement in statements[:3])
    there = daybook.sql.rows(
        "SELECT sku, sum(quantity)::int AS units, sum(total_minor)::int AS minor_units FROM orders.order_lines"
        " GROUP BY sku ORDER BY units DESC, sku"
    )
    assert sold == [tuple(row.values()) for row in there]
    assert {sku for sku, *_ in sold} == {"tea", "pot"}
    assert p99[0][0] > 0
    assert from_view == [row[:2] for row in sold]
    for statement in statements[3:]:
        database.sql(statement)
    placed = pyarrow.parquet.read_table("OrderPlaced.parquet")
    assert sum(total["amount"] for total in placed["total"].to_pylist()) == sum(row["minor_units"] for row in there)
    movements = pyarrow.parquet.read_table("movements.parquet")
    assert sum(movements["on_hand_delta"].to_pylist()) == 2000


# ---- more of it later -------------------------------------------------------------------------------------------------


def test_a_second_run_adds_what_has_happened_since(daybook, shop, tmp_path):
    daybook.run("export", tmp_path, "--topic", "orders", "--view", "orders")
    before = contents(tmp_path)
    assert "0 events" in daybook.run("export", tmp_path, "--topic", "orders", "--view", "orders")
    assert contents(tmp_path) == before
    order = shop.buy(("tea", 1))
    wait_until(daybook.views_have_seen_all, "the views to see all")
    daybook.run("export", tmp_path, "--topic", "orders", "--view", "orders")
    after = contents(tmp_path)
    assert before.items() <= after.items()
    new = [json.loads(line) for path in after.keys() - before.keys() for line in after[path].splitlines()]
    assert {line["event"]["meta"]["stream"] for line in new} == {order["id"]}
    assert len(new) == order["version"]
    assert order["id"] in [row["id"] for row in lines(tmp_path / "views" / "orders" / "orders")]


def test_until_a_time_and_then_the_rest(daybook, shop, tmp_path):
    daybook.run("export", tmp_path / "whole", "--topic", "stock")
    offsets = {kind.name: lines(kind) for kind in (tmp_path / "whole" / "events" / "stock").iterdir()}
    whole = sorted((line["appended_at"], line["partition"], line["offset"]) for kind in offsets.values() for line in kind)
    until = whole[len(whole) // 2][0]
    daybook.run("export", tmp_path / "parts", "--topic", "stock", "--until", until)

    def found():
        folder = tmp_path / "parts" / "events" / "stock"
        return sorted((line["appended_at"], line["partition"], line["offset"]) for kind in folder.iterdir() for line in lines(kind))

    assert found() == [line for line in whole if line[0] <= until]
    daybook.run("export", tmp_path / "parts", "--topic", "stock")
    assert [line for line in found() if line in whole] == whole


# ---- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_view_that_is_switched_while_it_is_exported_is_not_half_of_each(daybook, shop, tmp_path):
    """A switch renames schemas, and each statement looks names up anew: tables of the rebuilt view, as it stood before it was
    brought up, beside those of the live one."""
    daybook.run("projection", "rebuild", "orders")
    shop.buy(("tea", 1))
    wait_until(daybook.views_have_seen_all, "the views to see all")
    with psycopg.connect(daybook.sql.connection_string) as holder:
        holder.execute("LOCK TABLE orders.order_lines IN ACCESS EXCLUSIVE MODE")
        export = subprocess.Popen(
            [BINARY, "export", tmp_path, "--view", "orders"],
            env=clean_environment(daybook.environment()),
            stderr=subprocess.PIPE,
            text=True,
        )
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'daybook-export' AND wait_event_type = 'Lock'"
        wait_until(lambda: daybook.sql.value(waiting) == 1, "the export to have read one table")
        daybook.run("projection", "switch", "orders")
        holder.rollback()
    _, told = export.communicate(timeout=60)
    assert export.returncode == 1
    assert "the view orders was switched while it was read" in told
    assert not (tmp_path / "views").exists()
    daybook.run("projection", "drop", "orders_old")
    run(daybook, tmp_path, "--view", "orders")
    for table in TABLES["orders"]:
        assert len(lines(tmp_path / "views" / "orders" / table)) == daybook.sql.value(f"SELECT count(*) FROM orders.{table}")


def test_wrong_words_are_told(daybook, shop, tmp_path):
    for arguments, said in (
        ((), "into which folder?"),
        ((tmp_path, tmp_path), "one folder at a time"),
        ((tmp_path, "--topic", "commands"), "--topic takes"),
        ((tmp_path, "--view", "history"), "--view takes"),
        ((tmp_path, "--format", "csv"), "--format takes"),
        ((tmp_path, "--format", "avro", "--codec", "snappy"), "--codec takes"),
        ((tmp_path, "--codec", "null"), "--codec is of"),
        ((tmp_path, "--until", "yesterday"), "--until takes"),
        ((tmp_path, "--until"), "a value is missing"),
    ):
        assert said in run(daybook, *arguments, expect=2).stderr
    assert list(tmp_path.iterdir()) == []


def test_another_export_or_other_files_are_left_alone(daybook, shop, tmp_path):
    daybook.run("export", tmp_path / "orders", "--topic", "orders")
    before = contents(tmp_path / "orders")
    for arguments, said in (
        (("--topic", "carts"), "of other topics"),
        (("--topic", "orders", "--view", "carts"), "of other views"),
        (("--topic", "orders", "--format", "avro"), "has the format jsonl, not avro"),
    ):
        assert said in run(daybook, tmp_path / "orders", *arguments, expect=2).stderr
    assert contents(tmp_path / "orders") == before
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("Dear")
    assert "holds no export" in run(daybook, tmp_path / "letters", expect=2).stderr
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["dear.txt"]


def run(daybook, *arguments, expect=0, timeout=60, **settings):
    ended = subprocess.run(
        [BINARY, "export", *map(str, arguments)],
        env=clean_environment(daybook.environment(settings)),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert ended.returncode == expect, ended.stdout + ended.stderr
    return ended


@pytest.fixture(scope="module")
def booked(stack):
    """An installation of which nothing runs, with a log that takes a moment to read."""
    installation = Daybook(stack, name="export")
    try:
        installation.install()
        Log(installation).carts(1, 12_000)
        yield installation
    finally:
        installation.discard()


def test_a_killed_export_goes_on_and_comes_to_the_same_files(booked, tmp_path):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    run(booked, tmp_path / "whole", "--topic", "carts")
    killed = 0
    for _ in range(12):
        export = subprocess.Popen(
            [BINARY, "export", tmp_path / "killed", "--topic", "carts"],
            env=clean_environment(booked.environment()),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        is_writing = (tmp_path / "killed" / ".staging").glob
        wait_until(lambda: list(is_writing("carts*")) or export.poll() is not None, "a file", pause=0.001)
        time.sleep(rng.uniform(0, 0.1))
        export.kill()
        if export.wait() == 0:
            break
        killed += 1
    run(booked, tmp_path / "killed", "--topic", "carts")
    assert killed > 0
    print(f"killed {killed} times")
    whole = contents(tmp_path / "whole")
    assert contents(tmp_path / "killed") == whole
    assert sum(len(content.splitlines()) for content in whole.values()) == 60_000


def test_two_at_once_in_one_folder_are_refused_and_memory_is_bounded(booked, tmp_path):
    command = [BINARY, "export", tmp_path / "export", "--topic", "carts", "--format", "avro"]
    with open(tmp_path / "said", "wb") as said:
        environment = clean_environment(booked.environment())
        export = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said)
    wait_until(lambda: (tmp_path / "export" / "export.json").exists(), "the export", pause=0.001)
    export.send_signal(signal.SIGSTOP)
    try:
        second = run(booked, tmp_path / "export", "--topic", "carts", "--format", "avro", expect=1)
        assert "another export is at work" in second.stderr
    finally:
        export.send_signal(signal.SIGCONT)
    # Not ru_maxrss: that counts what this process itself held before the program was started in its place.
    peak = 0
    while export.poll() is None:
        peak = max(peak, memory_mib(export.pid, "VmHWM"))
        time.sleep(0.001)
    assert export.returncode == 0
    assert "100 % of" in (tmp_path / "said").read_text()
    print(f"{peak} MiB")
    assert 8 < peak < 256


def test_an_export_that_stands_still_or_is_not_listened_to_holds_nobody_up(daybook, shop, booked, tmp_path):
    command = [BINARY, "export", tmp_path, "--topic", "carts"]
    environment = clean_environment(booked.environment())
    # What it says goes into pipes that nobody reads until it has ended.
    export = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: (tmp_path / "export.json").exists(), "the export", pause=0.001)
    export.send_signal(signal.SIGSTOP)
    try:
        for _ in range(5):
            order = shop.buy(("tea", 1))
            assert order["status"] == "confirmed"
        wait_until(daybook.views_have_seen_all, "the views to see all")
    finally:
        export.send_signal(signal.SIGCONT)
    assert export.wait(60) == 0
    assert "100 % of" in export.communicate()[1].decode()
    assert sum(len(content.splitlines()) for content in contents(tmp_path).values()) == 60_000


def test_what_cannot_be_read_is_left_out_and_told(booked, tmp_path):
    log = Log(booked)
    log.append("orders", b"poison", log.cart_opened("cart_01JD0000000000000000000002"), shard=2)
    for _ in range(2):  # a second run counts them no more than once
        ended = run(booked, tmp_path, "--topic", "orders", "--topic", "carts", expect=3)
        assert "NOT ALL: 2 events cannot be read" in ended.stdout
    first = run(booked, tmp_path / "first", "--topic", "orders", expect=3)
    assert f"{booked.topic('orders')}[2] at offset 0 is left out: a record without a schema frame" in first.stderr
    assert "offset 1 is left out: an event of another family: CartOpened" in first.stderr


def test_without_a_broker_or_a_database_nothing_is_begun(booked, tmp_path):
    nowhere = {"postgres": "host=127.0.0.1 port=9 user=daybook dbname=none"}
    assert "daybook export: " in run(booked, tmp_path / "views", "--view", "orders", expect=1, **nowhere).stderr
    assert not (tmp_path / "views" / "views").exists()
    nowhere = {"kafka_brokers": "127.0.0.1:9"}
    assert "daybook export: " in run(booked, tmp_path / "events", "--topic", "orders", expect=1, **nowhere).stderr
    assert not (tmp_path / "events").exists()


def test_it_goes_on_with_an_unfinished_export_alone_as_it_was_asked(booked, tmp_path):
    run(booked, tmp_path, "--topic", "carts")
    state = json.loads((tmp_path / "export.json").read_text())
    assert state["done"]
    state["partitions"][0]["next"] = 0
    (tmp_path / "export.json").write_text(json.dumps(state))
    whole = contents(tmp_path)
    later = run(booked, tmp_path, "--topic", "carts", "--until", "2026-01-01T00:00:00Z", expect=2)
    assert "has the until none, not 2026-01-01T00:00:00.000000Z" in later.stderr
    assert "going on with the export" in run(booked, tmp_path, "--topic", "carts").stderr
    assert contents(tmp_path) == whole
    state["partitions"][0]["next"] = -1
    (tmp_path / "export.json").write_text(json.dumps(state))
    assert "export.json" in run(booked, tmp_path, "--topic", "carts", expect=1).stderr
