"""The keys of persons: wrapped under the ring of master keys, which changes while shoppers buy, and those of before there was a ring."""

import itertools
import shutil
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import vault
from harness.client import Client
from harness.daybook import BINARY, Daybook
from harness.events import streams
from harness.ports import free_port
from harness.processes import Process
from harness.roles import SplitRoles
from harness.shop import EUR, Shop
from harness.shopped import judged, shoppers_of
from harness.sql import Sql
from harness.waiting import wait_until
from psycopg import sql as composed

_numbers = itertools.count(1)

KEYS = "SELECT key_id, key, wrapped, master, erased_at FROM vault.keys"
CLEAR = "SELECT count(*) FROM vault.keys WHERE key IS NOT NULL"

# As the first release made them.
TABLES_OF_BEFORE = """
DROP SCHEMA vault CASCADE;
CREATE SCHEMA vault;
CREATE TABLE vault.keys (key_id text PRIMARY KEY, key bytea NOT NULL CHECK (length(key) = 32),
  created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE vault.installation (only_row bool PRIMARY KEY DEFAULT true CHECK (only_row), secret_fingerprint text NOT NULL);
"""


@pytest.fixture
def new_installation(stack):
    """Makes installations of which nothing runs."""
    made = []

    def make(**settings):
        made.append(Daybook(stack, name="vault", **settings))
        return made[-1].install()

    yield make
    for installation in reversed(made):
        installation.discard()


def as_before(installation, keys):
    """The vault is what an older release left: keys in the clear, by their ids, and no ring."""
    fingerprint = installation.sql.value("SELECT secret_fingerprint FROM vault.installation")
    installation.sql.run(TABLES_OF_BEFORE)
    installation.sql.run("INSERT INTO vault.installation (secret_fingerprint) VALUES (%s)", [fingerprint])
    for name, key in keys.items():
        installation.sql.run("INSERT INTO vault.keys (key_id, key) VALUES (%s, %s)", [name, key])
    Path(installation.settings["master_key_file"]).unlink()


def keys_of(installation):
    """All keys, opened by today's ring."""
    masters = vault.ring(installation.settings["master_key_file"])
    return {row["key_id"]: vault.unwrapped(masters, row) for row in installation.sql.rows(KEYS)}


def sealed_addresses(installation):
    """What checkouts brought, as it stands in the log."""
    told = streams(installation.kafka, installation.topic("carts"))
    events = [one.event for events in told.values() for one in events if one.name == "CartCheckedOut"]
    return [event["email"] for event in events if event["email"] is not None]


def addresses_in_the_log(installation):
    keys = keys_of(installation)
    return sorted(vault.unsealed(keys[sealed["key_id"]], sealed) for sealed in sealed_addresses(installation))


def check_out(client, sku, email):
    shop = Shop(client)
    return shop.check_out(shop.cart((sku, 1))["id"], email=email)


def buy(installation, *emails):
    """A new thing is sold to each; its SKU."""
    sku = f"VAULT-{next(_numbers)}"
    with installation.client() as client:
        Shop(client).sells(sku, 100, 100)
        for email in emails:
            client.expect(201, check_out(client, sku, email))
    return sku


def id_of(installation, email):
    return vault.key_id_of_email(Path(installation.settings["secret_file"]).read_bytes(), email)


@contextmanager
def another_front(installation, **settings):
    """A client of it; `front` is its process."""
    port = free_port()
    front = Process("another front", [BINARY, "serve", "--role", "gateway"], installation.directory / f"front.{port}.log")
    front.environment = installation.environment({"http_port": port} | settings)
    installation.add_front(port)
    front.start()
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            front.wait_ready(lambda: client.get("/health/ready").status_code == 200)
            client.front = front
            yield client
    finally:
        assert front.stop() == 0


# ---- as it is made ---------------------------------------------------------------------------------------------------


def test_a_key_stands_in_the_database_wrapped_and_opens_what_the_log_holds(daybook):
    buy(daybook, "one@example.com", "Two@Example.com", "one@example.com")
    rows = daybook.sql.rows(KEYS)
    assert len(rows) == 2 and all(row["key"] is None for row in rows)
    (master,) = vault.ring(daybook.settings["master_key_file"])
    assert {row["master"] for row in rows} == {master}
    assert addresses_in_the_log(daybook) == ["Two@Example.com", "one@example.com", "one@example.com"]
    assert Path(daybook.settings["master_key_file"]).stat().st_mode & 0o777 == 0o600
    said = daybook.run("vault", "status")
    assert master in said and "2 keys  wraps" in said and "0 keys in the clear" in said


def test_a_front_with_another_ring_is_refused_and_says_what_it_lacks(daybook):
    (master,) = vault.ring(daybook.settings["master_key_file"])
    more = {"http_port": free_port(), "master_key_file": daybook.directory / "another-master"}
    ended = daybook.ended(["serve", "--role", "gateway"], 60, more=more)
    assert ended.returncode == 2 and f"lacks {master}" in ended.stderr, ended.stderr
    ended = daybook.ended(["vault", "rewrap"], 60, more=more)
    assert ended.returncode == 2 and f"lacks {master}" in ended.stderr, ended.stderr
    assert daybook.ended(["vault", "status"], 60, more=more).returncode == 3
    # The same name, and another key.
    more["master_key_file"].write_text(f"{master} {'A' * 43}\n")
    ended = daybook.ended(["serve", "--role", "gateway"], 60, more=more)
    assert ended.returncode == 2 and "is not the one of this installation" in ended.stderr, ended.stderr
    more["master_key_file"].write_text("no ring\n")
    ended = daybook.ended(["serve", "--role", "gateway"], 60, more=more)
    assert ended.returncode == 2 and "master key 1" in ended.stderr, ended.stderr
    assert daybook.sql.value("SELECT count(*) FROM vault.masters") == 1


def test_a_ring_may_stand_in_the_settings(daybook):
    text = Path(daybook.settings["master_key_file"]).read_text().replace("\n", ",")
    own = {"master_key_file": "/nonexistent/master", "master_keys_secret": text}
    sku = buy(daybook)
    with another_front(daybook, **own) as client:
        client.expect(201, check_out(client, sku, "settings@example.com"))
        assert text.split(" ")[1].rstrip(",").encode() not in Path(f"/proc/{client.front.pid}/environ").read_bytes()
    assert "settings@example.com" in addresses_in_the_log(daybook)
    said = daybook.ended(["vault", "add-master"], 60, more=own)
    assert said.returncode == 0 and len(said.stdout.split()[1]) == 43
    assert daybook.ended(["vault", "use-master", "x"], 60, more=own).returncode == 2


# ---- keys of before --------------------------------------------------------------------------------------------------


def test_an_installation_of_before_is_migrated_and_what_was_sealed_still_opens(new_installation):
    installation = new_installation().start()
    buy(installation, "old@example.com")
    installation.stop()
    # The same keys as an older release would have kept them.
    keys = keys_of(installation)
    name = id_of(installation, "old@example.com")
    assert list(keys) == [name]
    as_before(installation, keys)

    said = installation.run("migrate")
    assert "1 keys were wrapped" in said and "the ring of master keys was made" in said, said
    assert installation.sql.value(CLEAR) == 0
    assert keys_of(installation) == keys
    assert addresses_in_the_log(installation) == ["old@example.com"]
    assert "wrapped" not in installation.run("migrate")
    installation.start()
    buy(installation, "old@example.com", "new@example.com")
    installation.stop()
    assert keys_of(installation)[name] == keys[name]
    assert addresses_in_the_log(installation) == ["new@example.com", "old@example.com", "old@example.com"]
    installation.run("vault", "status")


def test_a_key_in_the_clear_is_used_until_it_is_wrapped(new_installation):
    """As an older front makes it that still runs after the migration."""
    installation = new_installation().start()
    name = id_of(installation, "old@example.com")
    installation.sql.run("INSERT INTO vault.keys (key_id, key) VALUES (%s, %s)", [name, bytes(range(32))])
    buy(installation, "old@example.com")
    (sealed,) = sealed_addresses(installation)
    assert vault.unsealed(bytes(range(32)), sealed) == "old@example.com"
    assert "1 keys in the clear" in installation.run("vault", "status", expect=3)
    installation.run("vault", "rewrap")
    assert installation.sql.value(CLEAR) == 0
    assert keys_of(installation)[name] == bytes(range(32))
    assert "old forms" in installation.run("vault", "status", expect=3)
    installation.run("vault", "vacuum")
    assert "nothing was left" in installation.run("vault", "vacuum")
    installation.run("vault", "status")


def test_keys_are_not_wrapped_under_a_ring_that_is_made_where_no_front_is(new_installation, tmp_path):
    installation = new_installation().start()
    buy(installation, "old@example.com")
    installation.stop()
    as_before(installation, keys_of(installation))
    more = {"secret_file": tmp_path / "secret", "master_key_file": tmp_path / "master"}
    ended = installation.ended(["migrate"], 60, more=more)
    assert ended.returncode == 2 and "run it where a front runs" in ended.stderr, ended.stderr
    (tmp_path / "secret").write_bytes(bytes(32))
    ended = installation.ended(["migrate"], 60, more=more)
    assert ended.returncode == 2 and "run it where a front runs" in ended.stderr, ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert installation.sql.value(CLEAR) == 1
    installation.run("migrate")
    assert addresses_in_the_log(installation) == ["old@example.com"]


def test_a_migration_that_is_killed_goes_on(new_installation):
    installation = new_installation().start()
    buy(installation, "old@example.com")
    installation.stop()
    as_before(installation, keys_of(installation))
    installation.sql.run(
        "INSERT INTO vault.keys (key_id, key) SELECT 'per_' || lpad(i::text, 26, '0'),"
        " decode(repeat(lpad(to_hex(i), 8, '0'), 8), 'hex') FROM generate_series(1, 40000) AS i"
    )
    before = {row["key_id"]: row["key"] for row in installation.sql.rows("SELECT key_id, key FROM vault.keys")}
    with installation.running("migrate") as migration:
        wait_until(lambda: wrapped(installation) > 0, "the first keys that are wrapped", 60, pause=0.002)
        migration.kill()
    done = wrapped(installation)
    assert 0 < done < len(before), "it was not killed in the middle"
    assert "in the clear" in installation.run("vault", "status", expect=3)
    installation.start()  # meanwhile fronts go on
    buy(installation, "old@example.com", "new@example.com")
    installation.run("migrate", seconds=120)
    assert wrapped(installation) == len(before) + 1
    assert installation.sql.value(CLEAR) == 0
    assert not installation.sql.value("SELECT changes > removed FROM vault.remains")
    masters = vault.ring(installation.settings["master_key_file"])
    some = installation.sql.rows(f"{KEYS} WHERE key_id = ANY(%s)", [sorted(before)[::150]])
    assert len(some) > 200
    for row in some:
        assert vault.unwrapped(masters, row) == before[row["key_id"]]
    assert addresses_in_the_log(installation) == ["new@example.com", "old@example.com", "old@example.com"]


def wrapped(installation):
    has_column = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'vault.keys'::regclass AND attname = 'wrapped'"
    if installation.sql.value(has_column) == 0:
        return 0
    return installation.sql.value("SELECT count(*) FROM vault.keys WHERE wrapped IS NOT NULL AND key IS NULL")


# ---- a new master key ------------------------------------------------------------------------------------------------


def restart(front):
    front.stop()
    front.start_ready()


@pytest.mark.slow
def test_the_master_key_is_changed_while_shoppers_buy(new_installation):
    """As docs/operations.md says, with two fronts on one ring."""
    installation = new_installation()
    roles = SplitRoles(installation, gateways=("gateway", "second"))
    fronts = [roles["gateway"], roles["second"]]
    roles.start()
    try:
        (old,) = vault.ring(installation.settings["master_key_file"])
        with shoppers_of(installation, threads=4) as shoppers:
            shoppers.wait_for(10, op="reserve")
            new = installation.run("vault", "add-master").split()[0]
            for front in fronts:
                restart(front)
            installation.run("vault", "use-master", new)
            restart(fronts[0])
            shoppers.wait_for(10, op="reserve")  # one wraps under the new one, the other not yet
            assert installation.sql.value("SELECT count(*) FROM vault.keys WHERE master = %s", [new]) > 0
            refused = installation.refusal("vault", "drop-master", old)
            assert "rewrap" in refused
            buy_beside(shoppers, fronts[1], address_under(installation, new))  # and the other opens what is under it
            restart(fronts[1])
            installation.run("vault", "rewrap")
            installation.run("vault", "vacuum")
            installation.run("vault", "drop-master", old)
            assert list(vault.ring(installation.settings["master_key_file"])) == [new]
            for front in fronts:
                restart(front)
            shoppers.wait_for(10, op="reserve")
        judged(installation, shoppers)
        assert installation.sql.rows("SELECT DISTINCT master FROM vault.keys") == [{"master": new}]
        assert all("@" in address for address in addresses_in_the_log(installation))
        installation.run("vault", "status")
        figures = installation.metrics()
        assert figures["daybook_gateway_keys_unopened_total"] == 0
    finally:
        roles.stop()


def buy_beside(shoppers, front, email):
    """At this front; the judge knows of it."""
    lines = [{"sku": "plenty", "quantity": 1}]
    cart, _ = shoppers.ask_beside("command", "/v1/carts", {"currency": EUR, "lines": lines}, url=front.url)
    body = {"payment": {"provider": "test", "method": "approve"}, "email": email}
    _, answer = shoppers.ask_beside("reserve", f"/v1/carts/{cart.order}/checkout", body, url=front.url)
    assert answer.status_code == 201, answer.text


def address_under(installation, master):
    """One that was sealed with a key that is wrapped under this master key."""

    def found():
        under = {row["key_id"] for row in installation.sql.rows(f"{KEYS} WHERE master = %s", [master])}
        return [sealed for sealed in sealed_addresses(installation) if sealed["key_id"] in under]

    sealed = wait_until(found, "a checkout whose key is under the new master key")[0]
    return vault.unsealed(keys_of(installation)[sealed["key_id"]], sealed)


def test_a_front_that_lacks_the_new_master_key_refuses_that_person_alone(new_installation):
    """One host was forgotten when the ring was changed."""
    installation = new_installation().start()
    sku = buy(installation, "one@example.com")
    ring = Path(installation.settings["master_key_file"])
    forgotten = shutil.copy(ring, installation.directory / "forgotten")
    new = installation.run("vault", "add-master").split()[0]
    installation.run("vault", "use-master", new)
    with another_front(installation) as newer:
        newer.expect(201, check_out(newer, sku, "two@example.com"))
    with installation.client() as client:
        answer = check_out(client, sku, "two@example.com")
        assert (answer.status_code, answer.json()["code"]) == (503, "vault_unavailable")
        assert answer.headers["Retry-After"]
        client.expect(201, check_out(client, sku, "one@example.com"))
    wait_until(lambda: "persons' keys cannot be opened" in installation.service.log(), "a line in the log")
    assert installation.metrics()["daybook_gateway_keys_unopened_total"] == 1
    more = {"http_port": free_port(), "master_key_file": forgotten}
    ended = installation.ended(["serve", "--role", "gateway"], 60, more=more)
    assert ended.returncode == 2 and f"lacks {new}" in ended.stderr, ended.stderr
    installation.restart()
    with installation.client() as client:
        client.expect(201, check_out(client, sku, "two@example.com"))


# ---- a place of its own ----------------------------------------------------------------------------------------------


@pytest.fixture
def vault_apart(stack):
    """An installation whose vault is another database, which is its `vault_database`."""
    installation = Daybook(stack, name="vault")
    name = f"{installation.name}_keys"
    installation.settings["vault_postgres"] = stack.postgres(name)
    installation.service.environment = installation.environment()
    installation.vault_database = composed.Identifier(name)
    everywhere = Sql(stack.postgres())
    everywhere.run(composed.SQL("CREATE DATABASE {}").format(installation.vault_database))
    try:
        yield installation.install().start()
    finally:
        installation.discard()
        installation.drop_database(name)


def test_the_vault_may_be_another_database(vault_apart):
    buy(vault_apart, "one@example.com")
    assert vault_apart.sql.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'vault'") == 0
    assert Sql(vault_apart.settings["vault_postgres"]).value("SELECT count(*) FROM vault.keys") == 1
    vault_apart.run("vault", "status")


def test_without_the_vault_s_database_a_key_is_used_for_a_minute_and_no_other_is_made(vault_apart, stack):
    sku = buy(vault_apart, "one@example.com")
    began = time.monotonic()
    everywhere = Sql(stack.postgres())
    allow = composed.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    everywhere.run(allow.format(vault_apart.vault_database, composed.SQL("false")))
    everywhere.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [f"{vault_apart.name}_keys"]
    )
    with vault_apart.client() as client:
        wait_until(lambda: client.get("/health/ready").status_code == 503, "the front without its vault")
        answer = check_out(client, sku, "two@example.com")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        answer = check_out(client, sku, "one@example.com")
        assert answer.status_code == 201 or time.monotonic() - began > 50, answer.text
        everywhere.run(allow.format(vault_apart.vault_database, composed.SQL("true")))
        vault_apart.service.wait_ready(vault_apart.is_ready)
        client.expect(201, check_out(client, sku, "two@example.com"))
