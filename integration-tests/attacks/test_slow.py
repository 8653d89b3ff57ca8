"""CHECKS 24: slow headers, slow bodies, slow readers and connections that only stand there: the others are served as before."""

import csv
import resource
import subprocess
import threading
import time
from contextlib import contextmanager

import httpx
import pytest
from harness.bounds import within
from harness.shop import Shop
from harness.waiting import wait_until
from raw import connect

REQUESTS = 400
ROUNDS = 3
MEMORY_MIB = 64
# A 99th percentile below this is noise of the machine, whatever it is a multiple of.
NOISE_S = 0.01


@pytest.fixture(scope="module")
def front(daybook):
    with daybook.client() as client:
        Shop(client).sells("SLOW", 100, 7)
    return daybook


def p99(daybook):
    """Of one client's requests, one after the other, in seconds; the best of some rounds, as others use the machine."""
    best = []
    with httpx.Client(base_url=daybook.url, timeout=30) as client:
        for _ in range(ROUNDS):
            times = []
            for _ in range(REQUESTS):
                begun = time.monotonic()
                assert client.get("/v1/stock/SLOW").status_code == 200
                times.append(time.monotonic() - begun)
            best.append(sorted(times)[REQUESTS * 99 // 100])
    return min(best)


@contextmanager
def assert_others_are_served(daybook):
    """While the block's attack goes on: it gets a function to call meanwhile."""
    alone = p99(daybook)
    memory = daybook.service.memory_mib()
    crowded = []
    yield lambda: crowded.append((p99(daybook), daybook.service.memory_mib() - memory))
    assert crowded, "nothing was looked at"
    for seconds, grown in crowded:
        print(f"p99 {alone * 1000:.1f} ms alone, {seconds * 1000:.1f} ms under attack; {grown} MiB more")
    assert min(seconds for seconds, _ in crowded) <= max(2 * alone, within(NOISE_S))
    assert max(grown for _, grown in crowded) <= MEMORY_MIB


def room_for(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 200:
        pytest.skip(f"this machine allows a process no {count} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 200), hard))


def stand_there(daybook, count):
    """Half of them say nothing, half have begun a request."""
    room_for(count)
    crowd = [connect(daybook.port, 30) for _ in range(count)]
    for connection in crowd[::2]:
        connection.sendall(b"GET /v1/stock/SLOW HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    return crowd


def assert_a_crowd_may_stand_there(daybook, count):
    with assert_others_are_served(daybook) as look:
        crowd = stand_there(daybook, count)
        look()
        for connection in crowd:
            connection.close()


def test_two_thousand_connections_may_stand_there(front):
    assert_a_crowd_may_stand_there(front, 2000)


@pytest.mark.attack
def test_ten_thousand_connections_may_stand_there(front):
    assert_a_crowd_may_stand_there(front, 9900)


@pytest.mark.attack
def test_more_than_may_be_open_take_each_others_places(new_daybook):
    daybook = new_daybook(http_connections_max=1000)
    with daybook.client() as client:
        Shop(client).sells("SLOW", 100, 7)
    assert_a_crowd_may_stand_there(daybook, 5000)
    assert daybook.metrics()["daybook_http_connections"] <= 1000


@pytest.mark.attack
@pytest.mark.timeout(180)
def test_half_a_request_is_told_408_and_its_rest_is_not_read(front):
    """A length that nobody keeps, then silence: the front ends it, and what comes late is no request."""
    halves = {
        10: b"GET /health/live HTTP/1.1\r\nHost: a\r\nX: ",
        30: b"POST /health/live HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf",
    }
    for seconds, half in halves.items():
        with connect(front.port, within(seconds + 10)) as connection:
            begun = time.monotonic()
            connection.sendall(half)
            answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 408 "), answer
            assert seconds - 1 < time.monotonic() - begun < within(seconds + 5)
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"HTTP/1.1 200" not in answer + read_rest(connection)


def read_rest(connection):
    rest = b""
    try:
        while piece := connection.recv(65536):
            rest += piece
    except ConnectionResetError:
        pass
    return rest


# slowhttptest's arguments, and after how many seconds the front must have let go of the first connections.
SLOW_TESTS = {
    # A header block has 10 s in all, however often a byte of it comes.
    "headers": (["-H", "-i", "5", "-x", "24"], "/v1/stock/SLOW", 10),
    # A body has 30 s.
    "bodies": (["-B", "-i", "5", "-s", "8192", "-x", "10", "-t", "POST"], "/v1/carts", 30),
    # What the kernel holds for a reader the front has sent: to it he is one who asks nothing, and has 60 s. slowhttptest, which reads
    # a few bytes at a time, does not come to the end.
    "readers": (["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "8"], "/openapi.json", 60),
}


@pytest.mark.attack
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", SLOW_TESTS)
def test_slow_clients_are_let_go_and_hold_up_nobody(front, kind, tmp_path):
    arguments, path, seconds = SLOW_TESTS[kind]
    lasts = seconds + 20
    command = [
        "slowhttptest", *arguments, "-c", "1000", "-r", "200", "-l", str(lasts), "-p", "5", "-g", "-o", str(tmp_path / "slow"),
        "-u", front.url + path,
    ]  # fmt: skip
    with assert_others_are_served(front) as look:
        with open(tmp_path / "slow.log", "wb") as out:
            attack = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            thread = threading.Timer(0, attack.wait)
            thread.start()
            time.sleep(6)  # the attack itself: 200 connections a second
            opened = front.metrics()["daybook_http_connections"]
            look()
            # It has opened no new ones for a long time then; ours are the client's that looks.
            wait_until(lambda: front.metrics()["daybook_http_connections"] < opened / 10, "the front to let go", within(lasts), 0.5)
            assert attack.poll() is None, "the attackers went by themselves"
            attack.wait(timeout=within(lasts + 60))
        finally:
            attack.kill()
            thread.join()
    assert opened > 500, f"{opened} connections at once are no attack"
    with open(tmp_path / "slow.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    print(rows[-1])
    assert all(int(row["Service Available"]) > 0 for row in rows), rows
