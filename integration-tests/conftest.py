"""Fixtures: one stack of servers for all tests, one installation of Daybook for each module that wants one."""

import itertools
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import access  # noqa: E402
from harness.daybook import Daybook  # noqa: E402  (found by the line above)
from harness.event_log import Log  # noqa: E402
from harness.shop import Shop  # noqa: E402
from harness.stack import Stack  # noqa: E402

_numbers = itertools.count(1)

# About, beside other files: what is not here takes less than half a minute, or half a minute for each test marked `slow`.
SLOW_TAKES_S = 30
FILE_TAKES_S = {
    "test_mails.py": 240,
    "test_sessions.py": 120,
    "test_erasure.py": 110,
    "test_streams.py": 100,
    "test_handler.py": 100,
    "test_retail.py": 90,
    "test_vault.py": 90,
    "test_run.py": 70,
    "test_projections.py": 65,
    "test_transport.py": 65,
    "test_view_switch.py": 60,
    "test_api_clients.py": 60,
    "test_http_outages.py": 55,
    "test_operation.py": 50,
    "test_time_travel.py": 45,
    "test_ownership.py": 45,
    "test_keys.py": 40,
    "test_view_parking.py": 40,
    "test_tls.py": 35,
    "test_every_route.py": 35,
    "test_api_as_each.py": 30,
    "test_tokens.py": 25,
    "test_stuffing.py": 25,
    "test_clients.py": 35,
    "test_purchase.py": 35,
    # of make faults
    "test_end_txn.py": 45,
    "test_kills.py": 40,
    "test_takeover.py": 40,
}

# A broker of the tests lives for minutes, of which Java's second compiler would take half a processor (docs/performance.md).
os.environ.setdefault("DAYBOOK_LOCAL_KAFKA_JAVA", "-XX:TieredStopAtLevel=1")


def pytest_configure(config):
    # Being told to end unwinds the fixtures like Ctrl-C, so that no server is left running.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def pytest_collection_modifyitems(items):
    """Files that take longest come first, so that of the processes that share all files none ends long before the others."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -FILE_TAKES_S.get(item.path.name, SLOW_TAKES_S * slow[item.path]))
    if access.IS_CLOSED:
        for item in items:
            if item.get_closest_marker("open_access"):
                item.add_marker(pytest.mark.skip(reason="all callers bring a key"))


@pytest.fixture(scope="session")
def stack():
    """Kafka and PostgreSQL. Tests that stop them or kill them take `mortal_stack`."""
    servers = Stack()
    try:
        servers.up()
        yield servers
    finally:
        servers.discard()


@pytest.fixture(scope="session")
def stack_of_outages():
    servers = Stack()
    try:
        yield servers
    finally:
        servers.discard()


@pytest.fixture
def mortal_stack(stack_of_outages):
    """Servers that a test may stop and kill. They run again for the next one that takes them."""
    return stack_of_outages.up()


@pytest.fixture
def own_stack():
    """Servers for one test alone, which may do what no later start would mend."""
    servers = Stack()
    try:
        servers.up()
        yield servers
    finally:
        servers.discard()


@pytest.fixture(scope="module")
def daybook(stack, request):
    """A running installation, shared by the tests of one module."""
    installation = Daybook(stack, name=request.module.__name__.removeprefix("test_"))
    try:
        yield installation.install().start()
    finally:
        installation.discard()


@pytest.fixture
def new_daybook(stack):
    """Makes installations for one test: `new_daybook(command_wait_ms=100)`, installed and started."""
    made = []

    def make(provider_arguments=(), on=stack, **settings):
        installation = Daybook(on, provider_arguments=provider_arguments, **settings)
        made.append(installation)
        return installation.install().start()

    yield make
    for installation in reversed(made):
        installation.discard()


@pytest.fixture
def client(daybook):
    with daybook.client() as opened:
        yield opened


@pytest.fixture
def shop(client):
    return Shop(client)


@pytest.fixture
def sku(request):
    """One that no other test uses."""
    return f"{request.module.__name__.removeprefix('test_').upper()}-{next(_numbers)}"


@pytest.fixture
def installed(stack, request):
    """An installation of which nothing runs."""
    installation = Daybook(stack, name=request.module.__name__.removeprefix("test_"))
    try:
        yield installation.install()
    finally:
        installation.discard()


@pytest.fixture
def log(installed):
    return Log(installed)
