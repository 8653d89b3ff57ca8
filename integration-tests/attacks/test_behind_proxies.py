"""CHECKS 23 behind nginx and haproxy: the front reads as many requests as the proxy passed on, and answers go to who asked.

For each case of smuggling.py: the attacker sends it to the proxy; before his connection has ended two others ask for
something else and must get that, on the connection to the front which the attack went over. Then the front's count is
held against the proxy's log.
"""

import json
from collections import Counter

import pytest
from harness.bounds import within
from harness.shop import Shop
from harness.waiting import Overdue, wait_until
from proxies import Proxy
from raw import STATUS_LINE, Counts, answers_in, connect, read_to_end, send
from smuggling import CASES, NEXT, NEXT_STATUS

pytestmark = pytest.mark.attack

VICTIM = b"GET /v1/stock/VICTIM HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def front(daybook):
    with daybook.client() as client:
        Shop(client).sells("VICTIM", 100, 7)
    return daybook


@pytest.fixture(scope="module", params=[f"{name} {kind}" for name in ("nginx", "haproxy") for kind in ("plain", "lenient")])
def proxy(front, request, tmp_path_factory):
    name, kind = request.param.split()
    with Proxy(name, kind, front.port, tmp_path_factory.mktemp(name)) as running:
        yield running
NEXT_LINE = NEXT.partition(b"\r\n")[0].decode()


def of_victims(lines):
    return sum("/v1/stock/VICTIM" in line.request for line in lines)


def ask_as_a_victim(proxy):
    with connect(proxy.port, within(10)) as connection:
        connection.sendall(VICTIM)
        ((status, _, body),) = answers_in(read_to_end(connection))
    assert status == 200, (status, body)
    assert json.loads(body)["sku"] == "VICTIM", body


def attack(proxy, case):
    """How many answers the attacker got."""
    with connect(proxy.port, within(0.25)) as connection:
        send(connection, case.sent)
        try:
            answer = connection.recv(65536)
            for _ in range(2):
                ask_as_a_victim(proxy)
            connection.settimeout(within(10))
            answer += read_to_end(connection)
        except TimeoutError:  # the proxy waits for more; the victims do not
            answer = b""
            for _ in range(2):
                ask_as_a_victim(proxy)
            connection.settimeout(within(10))
            answer = read_to_end(connection)
        except ConnectionResetError:
            answer = b""
    return sum(int(status) >= 200 for status in STATUS_LINE.findall(answer))


def complaint_of(lines, seen):
    """What does not fit between the proxy's log and the front's count, if anything."""
    statuses, refused = seen
    count = statuses.total() + refused
    passed = sum(line.is_passed for line in lines)
    told = Counter(line.upstream for line in lines if line.upstream is not None)
    if not told.total() <= count <= passed:
        return f"the front read {count} messages, of {passed} that were passed on and {told.total()} that were answered"
    smuggled = {line.upstream for line in lines if line.request == NEXT_LINE and line.upstream is not None}
    if not smuggled <= {NEXT_STATUS}:
        return f"a good request was answered {smuggled}: something stood before it"
    missing = (told - statuses).total()
    return f"answers that the front did not give: {told - statuses}" if missing > refused else None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_front_reads_what_the_proxy_meant(front, proxy, case):
    counts = Counts(front.port)
    proxy.forget()
    answers = attack(proxy, case)
    ask_as_a_victim(proxy)
    wait_until(lambda: of_victims(proxy.passed()) >= 3, "the victims in the log")
    lines = proxy.passed()
    last = []
    try:
        wait_until(lambda: not last.append(complaint_of(lines, counts.since())) and not last[-1], "agreement", within(2))
    except Overdue:
        raise AssertionError(f"{last[-1]}: {lines}, {counts.since()}") from None
    assert answers <= max(len(lines) - of_victims(lines), 1), f"{answers} answers to what was {lines}"
    assert proxy.is_running() and front.service.is_running()
