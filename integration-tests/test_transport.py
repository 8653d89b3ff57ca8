"""Nobody speaks to Kafka or PostgreSQL in the clear, each role has a login of its own, and none has more than it needs."""

import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from harness.daybook import Daybook
from harness.kafka import Kafka
from harness.roles import SplitRoles
from harness.secure_stack import PREFIX, SecureStack
from harness.shop import Shop
from harness.sql import Sql
from harness.stack import SCRIPTS
from harness.waiting import wait_until

NOWHERE = "host=127.0.0.1 port=1 user=nobody dbname=nothing"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def secure():
    servers = SecureStack()
    try:
        yield servers.up()
    finally:
        servers.discard()


@pytest.fixture(scope="module")
def installed(secure):
    daybook = Daybook(secure, name="transport", topic_prefix=PREFIX, **secure.kafka_as("daybook"))
    try:
        yield daybook.install()
    finally:
        daybook.discard()


@pytest.fixture(scope="module")
def split(secure, installed):
    """Each role in a process of its own, with what it needs and nothing else. The projector's passwords are its own."""
    passwords = installed.directory / "pgpass"
    passwords.write_text(secure.passwords.read_text())
    passwords.chmod(0o600)
    database = installed.name
    roles = SplitRoles(
        installed,
        settings={
            "gateway": secure.kafka_as("front") | {"postgres": secure.postgres(database, user="daybook_front")},
            "handler": secure.kafka_as("handler") | {"postgres": NOWHERE},
            "projector": secure.kafka_as("projector")
            | {"postgres": secure.postgres(database, user="daybook_projector", passwords=passwords)},
            "connector": secure.kafka_as("connector")
            | {"postgres": NOWHERE, "vault_postgres": secure.postgres(database, user="daybook_connector")},
        },
    )
    roles.passwords = passwords
    try:
        yield roles.start()
    finally:
        roles.stop()


@pytest.fixture(scope="module")
def other_ca(installed):
    """An authority that signed none of the servers' certificates."""
    folder = installed.directory / "other"
    subprocess.run([SCRIPTS / "tls.sh", folder, "nobody"], check=True, capture_output=True)
    return folder / "ca.pem"


def buys(daybook, sku):
    """A whole purchase, seen in the views; its address is sealed with a key of the vault."""
    with daybook.client() as client:
        shop = Shop(client)
        shop.sells(sku, 100, 10)
        bought = shop.check_out(shop.cart((sku, 2))["id"], email=f"{sku}@example.com")
        order = client.expect(201, bought)
        assert shop.order(order["id"])["status"] == "confirmed"
        wait_until(lambda: shop.available(sku) == 8, "the view of stock")


# ---- what is let through -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_purchase_goes_over_tls_with_a_login_for_each_role(split, installed):
    buys(installed, "transport-split")


def test_scram_is_refused_before_a_broker_would(installed):
    """Debian's librdkafka cannot: core/log/client_security.c says why."""
    refusal = installed.ended(["verify"], 60, more={"kafka_mechanism": "SCRAM-SHA-512"})
    assert refusal.returncode == 2 and "set it to PLAIN" in refusal.stderr, refusal


def test_an_auditor_reads_the_whole_log(split, secure, installed):
    ended = installed.ended(["verify"], 60, more=secure.kafka_as("reader") | {"postgres": NOWHERE})
    assert ended.returncode == 0 and "sound: 0 violations" in ended.stdout, ended


def test_the_owner_rebuilds_a_view_and_its_new_tables_serve_front_and_projector(split, installed):
    installed.run("projection", "rebuild", "orders", "--switch", seconds=120)
    buys(installed, "transport-rebuilt")


# ---- what is refused, and how it is told ---------------------------------------------------------------------------------


def test_who_is_refused_is_told_why(split, secure, installed, other_ca):
    database = installed.name
    reader = secure.kafka_as("reader")
    wrong_password = installed.directory / "wrong"
    wrong_password.write_text("wrong\n")
    in_the_clear = {"kafka_security": "plaintext", "kafka_ca_file": "", "kafka_username": "", "kafka_password": ""}
    owner = secure.postgres(database)
    cases = [
        ("verify", reader | {"kafka_password": f"file:{wrong_password}"}, "SASL authentication error"),
        ("verify", reader | {"kafka_username": "stranger"}, "SASL authentication error"),
        ("verify", reader | {"kafka_ca_file": other_ca}, "certificate verify failed"),
        ("verify", in_the_clear, "connecting to a SSL listener?"),
        ("projection list", {"postgres": f"{owner} password=wrong"}, "password authentication failed"),
        ("projection list", {"postgres": secure.postgres(database, ca=other_ca)}, "certificate verify failed"),
        ("projection list", {"postgres": owner.replace("verify-full", "disable")}, "no encryption"),
    ]

    def refusal(case):
        command, settings, _ = case
        return installed.ended(command.split(), 60, more=settings)

    with ThreadPoolExecutor(2) as pool:
        for (command, _, expected), ended in zip(cases, pool.map(refusal, cases), strict=True):
            assert ended.returncode == 1 and expected in ended.stderr, (command, expected, ended)


@pytest.mark.parametrize("user", ["front", "projector", "connector", "reader"])
def test_nobody_writes_events_but_the_handler(split, secure, installed, user):
    kafka = Kafka(secure.brokers, secure.client_settings(user))
    before = Kafka(secure.brokers, secure.client_settings()).end_offsets(f"{PREFIX}.orders")
    with pytest.raises(AssertionError, match="TOPIC_AUTHORIZATION_FAILED"):
        kafka.produce(f"{PREFIX}.orders", [b"forged"])
    assert Kafka(secure.brokers, secure.client_settings()).end_offsets(f"{PREFIX}.orders") == before


@pytest.mark.parametrize(
    ("login", "statement"),
    [
        ("daybook_projector", "SELECT FROM vault.keys"),
        ("daybook_projector", "SELECT FROM vault.installation"),
        ("daybook_connector", "SELECT FROM orders.orders"),
        ("daybook_connector", "DELETE FROM vault.keys"),
        ("daybook_projector", "ALTER SCHEMA orders RENAME TO mine"),
        ("daybook_front", "UPDATE orders.orders SET status = 'confirmed'"),
        ("daybook_front", "DELETE FROM vault.keys"),
        ("daybook_front", "UPDATE vault.installation SET secret_fingerprint = ''"),
    ],
)
def test_a_login_may_do_what_its_role_needs_and_no_more(split, secure, installed, login, statement):
    own = Sql(secure.postgres(installed.name, user=login))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        own.run(statement)


# ---- what is mended while a process runs ---------------------------------------------------------------------------------


def test_a_handler_whose_password_is_refused_says_so_and_serves_when_it_is_taken(split, secure, installed):
    handler = split["handler"]
    handler.stop()
    later = secrets.token_urlsafe()
    own = installed.directory / "handler.password"
    own.write_text(f"{later}\n")
    handler.environment["DAYBOOK_KAFKA_PASSWORD"] = f"file:{own}"
    handler.start()
    wait_until(lambda: "SASL authentication error" in handler.log(), "the reason in the log")
    assert handler.is_running() and later not in handler.log()
    # What it has does not change: the broker is told to take it.
    secure.set_kafka_password("handler", later)
    handler.wait_ready(handler.is_ready, 60)
    for other in ("gateway", "projector", "connector"):
        split[other].wait_ready(split[other].is_ready, 60)
    buys(installed, "transport-mended")


def test_a_projector_whose_password_is_refused_says_so_and_goes_on_when_it_is_taken(split, installed):
    projector = split["projector"]
    projector.stop()
    right = split.passwords.read_text()
    split.passwords.write_text(right.replace(":daybook_projector:", ":daybook_projector:not-"))
    projector.start()
    wait_until(lambda: "password authentication failed" in projector.log(), "the reason in the log")
    assert projector.is_running()
    split.passwords.write_text(right)
    projector.wait_ready(projector.is_ready)
    buys(installed, "transport-read-again")


def test_a_connector_without_its_rights_says_so_and_is_not_ready(split, secure):
    connector = split["connector"]
    connector.stop()
    right = dict(connector.environment)
    wrong = secure.kafka_as("projector")  # it may read all topics, and join no group
    connector.environment |= {f"DAYBOOK_{name.upper()}": str(value) for name, value in wrong.items()}
    try:
        connector.start()
        wait_until(lambda: "the log cannot be read" in connector.log(), "the reason in the log")
        assert "uthorization" in connector.log() and not connector.is_ready()
    finally:
        connector.stop()
        connector.environment = right
        connector.start()
    connector.wait_ready(connector.is_ready, 60)


def test_all_roles_in_one_process_have_one_login(split, secure, installed):
    split.stop()
    installed.service.environment = installed.environment({"postgres": secure.postgres(installed.name, user="daybook_serve")})
    installed.pages = [installed.url]
    installed.start()
    buys(installed, "transport-together")
    installed.stop()
