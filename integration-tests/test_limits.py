"""What one address may take of a front, and that the others notice nothing of it.

Each test comes from addresses of its own: all of 127.0.0.0/8 is this machine.
"""

import contextlib
import socket
import subprocess
import time
import uuid

import httpx
import pytest
from harness.daybook import BINARY, Daybook
from harness.ports import free_port
from harness.processes import clean_environment
from harness.shop import Shop
from harness.waiting import wait_until
from harness.webhooks import signed

PROXY = "127.0.0.100"
CONNECTIONS, CONNECTIONS_PER_ADDRESS, STREAMS_PER_ADDRESS = 60, 20, 4

# So slow that a test is within its burst on a busy machine, too; what tests do not try is generous.
LIMITS = "read=100/s:1000 search=20/m:5 write=100/s:1000 checkout=10/m:3 mail=1/h:2 auth=20/m:3"
SEARCH, SEARCH_BURST = "/v1/orders", 5

PAYMENT = {"payment": {"provider": "test", "method": "approve"}}


@pytest.fixture(scope="module")
def limited(stack):
    installation = Daybook(
        stack,
        name="limits",
        access="open",  # requests are counted here, those of who makes a key as well
        limits=LIMITS,
        trusted_proxies=f"{PROXY} 10.0.0.0/8",
        http_connections_max=CONNECTIONS,
        http_connections_per_address=CONNECTIONS_PER_ADDRESS,
        http_event_streams_per_address=STREAMS_PER_ADDRESS,
    )
    try:
        with installation.install().start().client() as client:
            Shop(client).sells("A", 100, 1000)
            wait_until(lambda: httpx.get(f"{installation.url}/v1/stock/A").status_code == 200, "the view to have seen it")
            yield installation
    finally:
        installation.discard()


@contextlib.contextmanager
def client_at(daybook, source):
    transport = httpx.HTTPTransport(local_address=source)
    with httpx.Client(base_url=daybook.url, transport=transport, timeout=30) as client:
        yield client


def passing(client, count, headers=None):
    """The statuses of so many searches at once, and the last answer."""
    answers = [client.get(SEARCH, headers=headers) for _ in range(count)]
    return [answer.status_code for answer in answers], answers[-1]


def assert_limited(answer, code="rate_limited"):
    assert answer.status_code == 429, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == code
    return int(answer.headers["Retry-After"])


# ---- rates ----------------------------------------------------------------------------------------------------------


def test_a_burst_passes_and_after_retry_after_one_more(limited):
    with client_at(limited, "127.0.0.2") as hog, client_at(limited, "127.0.0.3") as other:
        statuses, refused = passing(hog, SEARCH_BURST + 1)
        assert statuses == [200] * SEARCH_BURST + [429]
        wait_s = assert_limited(refused)
        assert 2 <= wait_s <= 3
        assert refused.headers["RateLimit-Policy"] == f'"search";q={SEARCH_BURST};w=15'
        assert refused.headers["RateLimit"] in ('"search";r=0;t=15', '"search";r=0;t=14')
        # Neither another address nor what is of another class.
        answer = other.get(SEARCH)
        assert answer.status_code == 200
        assert answer.headers["RateLimit"] == f'"search";r={SEARCH_BURST - 1};t=3'
        assert hog.get("/v1/stock/A").status_code == 200
        assert hog.get("/health/ready").status_code == 200
        assert "RateLimit" not in hog.get("/metrics").headers
        time.sleep(wait_s / 4)  # refused all the while, and that puts nothing off
        assert_limited(hog.get(SEARCH))
        time.sleep(wait_s * 3 / 4)
        assert hog.get(SEARCH).status_code == 200
        assert_limited(hog.get(SEARCH))


def test_a_checkout_that_was_refused_is_done_later_under_its_key(limited):
    with client_at(limited, "127.0.0.4") as client:
        carts = [
            client.post("/v1/carts", json={"currency": "EUR", "lines": [{"sku": "A", "quantity": 1}]}).json()["id"]
            for _ in range(4)
        ]
        keys = [str(uuid.uuid4()) for _ in carts]

        def check_out(number):
            headers = {"Idempotency-Key": keys[number]}
            return client.post(f"/v1/carts/{carts[number]}/checkout", json=PAYMENT, headers=headers)

        assert [check_out(number).status_code for number in range(3)] == [201] * 3
        refused = check_out(3)
        wait_s = assert_limited(refused)
        assert client.get(f"/v1/carts/{carts[3]}").json()["status"] == "open"
        time.sleep(wait_s)
        done = check_out(3)
        assert done.status_code == 201
        assert "Idempotent-Replayed" not in done.headers


def test_a_hog_that_is_refused_costs_the_others_no_time(limited):
    with client_at(limited, "127.0.0.5") as hog, client_at(limited, "127.0.0.6") as other:
        passing(hog, SEARCH_BURST)
        other.get("/v1/stock/A")
        times = []
        for _ in range(50):
            statuses, _ = passing(hog, 10)
            assert 429 in statuses
            begun = time.monotonic()
            assert other.get("/v1/stock/A").status_code == 200
            times.append(time.monotonic() - begun)
        assert sorted(times)[len(times) // 2] < 0.05


def test_forged_webhooks_are_refused_before_they_are_looked_at_and_genuine_ones_taken(limited):
    path = "/v1/webhooks/test"
    with client_at(limited, "127.0.0.7") as forger:
        answers = [forger.post(path, headers={"Daybook-Test-Signature": "t=1,v1=00"}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert_limited(answers[-1])
    with client_at(limited, "127.0.0.8") as provider:
        for _ in range(20):
            answer = provider.post(path, content=b"{}", headers=signed(b"{}"))
            assert answer.status_code == 400  # it is genuine, and says nothing


def test_what_was_refused_is_counted_by_class(limited):
    name = 'daybook_gateway_limited_total{class="search"}'
    before = limited.metrics()[name]
    with client_at(limited, "127.0.0.9") as client:
        statuses, _ = passing(client, SEARCH_BURST + 3)
    assert limited.metrics()[name] == before + statuses.count(429) > before


# ---- who is known, and about whom one asks -------------------------------------------------------------------------


def test_who_is_known_has_no_more_from_many_addresses_than_from_one(limited):
    key = limited.run("people", "key", "much asked", "--role", "analyst").strip()
    headers = {"Authorization": f"Bearer {key}"}
    with client_at(limited, "127.0.0.60") as first, client_at(limited, "127.0.0.61") as second, client_at(limited, "127.0.0.62") as third:
        wait_until(lambda: first.get("/v1/stock/A", headers=headers).status_code == 200, "the front knowing the key")
        assert passing(first, SEARCH_BURST - 2, headers)[0] == [200] * (SEARCH_BURST - 2)
        statuses, last = passing(second, 2, headers)
        assert statuses == [200] * 2
        assert last.headers["RateLimit"] in ('"search";r=0;t=15', '"search";r=0;t=14')  # his; of the address's 3 are left
        refused = third.get(SEARCH, headers=headers)
        wait_s = assert_limited(refused)
        assert "credentials" in refused.json()["detail"]
        assert third.get(SEARCH).headers["RateLimit"].startswith(f'"search";r={SEARCH_BURST - 2};')
        time.sleep(wait_s)
        assert third.get(SEARCH, headers=headers).status_code == 200


def test_one_address_is_registered_so_often_whoever_asks(limited):
    def registered(source, email):
        with client_at(limited, source) as client:
            return client.post("/v1/customers", json={"email": email, "password": "a sentence of mine"})

    sources = [f"127.0.0.{number}" for number in range(70, 74)]
    answers = [registered(source, email) for source, email in zip(sources, ("Ada@example.org", "ada@example.org") * 2, strict=True)]
    assert [answer.status_code for answer in answers] == [201, 201, 429, 429]
    assert_limited(answers[-1])
    assert registered(sources[0], "eve@example.org").status_code == 201


# ---- proxies --------------------------------------------------------------------------------------------------------


def test_behind_a_trusted_proxy_the_client_counts(limited):
    with client_at(limited, PROXY) as proxy:

        def statuses_of(name, value):
            return passing(proxy, SEARCH_BURST + 1, {name: value})[0]

        assert statuses_of("X-Forwarded-For", "192.0.2.1") == [200] * SEARCH_BURST + [429]
        assert statuses_of("X-Forwarded-For", "192.0.2.2") == [200] * SEARCH_BURST + [429]
        # What the client wrote himself stands before what the proxy appended.
        assert_limited(proxy.get(SEARCH, headers={"X-Forwarded-For": "203.0.113.7, 192.0.2.1, 10.0.0.9"}))
        assert_limited(proxy.get(SEARCH, headers={"Forwarded": 'for=203.0.113.7, for="192.0.2.1:4711";proto=https'}))
        assert_limited(proxy.get(SEARCH, headers=[("X-Forwarded-For", "203.0.113.8"), ("X-Forwarded-For", "192.0.2.1")]))
        assert statuses_of("Forwarded", 'for="[2001:db8::1]"') == [200] * SEARCH_BURST + [429]
        assert_limited(proxy.get(SEARCH, headers={"Forwarded": 'for="[2001:db8::2:1]"'}))  # of the same /64


def test_from_anybody_else_such_fields_are_ignored_and_the_log_says_so_once(limited):
    with client_at(limited, "127.0.0.10") as client:
        answers = [client.get(SEARCH, headers={"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(100, 108)]
    assert [answer.status_code for answer in answers] == [200] * SEARCH_BURST + [429] * 3
    assert limited.service.log_path.read_text().count("name it in trusted_proxies") == 1


# ---- connections and streams ----------------------------------------------------------------------------------------


def open_connection(daybook, source):
    return socket.create_connection(("127.0.0.1", daybook.port), timeout=10, source_address=(source, 0))


def ask(connection, path):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    answer = connection.recv(65536)
    return int(answer.split()[1]) if answer else None


def test_whoever_opens_connections_without_end_displaces_his_own(limited):
    crowded = "daybook_http_connections_crowded_total"
    before = limited.metrics()[crowded]
    with contextlib.ExitStack() as opened:
        others = [opened.enter_context(open_connection(limited, f"127.0.0.{number}")) for number in range(20, 30)]
        assert [ask(other, "/v1/stock/A") for other in others] == [200] * 10
        hog = [opened.enter_context(open_connection(limited, "127.0.0.11")) for _ in range(5 * CONNECTIONS)]
        assert ask(hog[-1], "/v1/stock/A") == 200
        assert [ask(other, "/v1/stock/A") for other in others] == [200] * 10
        assert limited.metrics()["daybook_http_connections"] < CONNECTIONS
    wait_until(lambda: limited.metrics()[crowded] - before >= 4 * CONNECTIONS, "those that gave way to be counted")


def test_a_trusted_proxy_may_have_as_many_connections_as_there_are(limited):
    with contextlib.ExitStack() as opened:
        mine = [opened.enter_context(open_connection(limited, PROXY)) for _ in range(2 * CONNECTIONS_PER_ADDRESS)]
        assert [ask(connection, "/health/live") for connection in mine] == [200] * len(mine)
        assert [ask(connection, "/health/live") for connection in mine] == [200] * len(mine)


def test_whoever_follows_without_end_leaves_streams_to_others(limited):
    path = "/v1/stock/A/stream"

    def is_open(connection):
        return ask(connection, path) == 200

    with contextlib.ExitStack() as opened:
        hog = [opened.enter_context(open_connection(limited, "127.0.0.12")) for _ in range(STREAMS_PER_ADDRESS)]
        assert all(is_open(connection) for connection in hog)
        with client_at(limited, "127.0.0.12") as client:
            assert assert_limited(client.get(path), "too_many_streams") > 0
            assert client.get("/v1/stock/A").status_code == 200
        other = opened.enter_context(open_connection(limited, "127.0.0.13"))
        assert is_open(other)
        hog[0].close()

        def has_place_again():
            with open_connection(limited, "127.0.0.12") as again:
                return is_open(again)

        wait_until(has_place_again, "the place of the stream that ended")
    wait_until(lambda: limited.metrics()["daybook_gateway_event_streams_crowded_total"] >= 1, "the refusal's count")


def test_behind_a_proxy_each_client_has_his_own_streams(limited):
    def opened_for(address, count, opened):
        statuses = []
        for _ in range(count):
            connection = opened.enter_context(open_connection(limited, PROXY))
            connection.sendall(f"GET /v1/stock/A/stream HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {address}\r\n\r\n".encode())
            statuses.append(int(connection.recv(65536).split()[1]))
        return statuses

    with contextlib.ExitStack() as opened:
        assert opened_for("192.0.2.50", STREAMS_PER_ADDRESS + 1, opened) == [200] * STREAMS_PER_ADDRESS + [429]
        assert opened_for("192.0.2.51", 1, opened) == [200]


# ---- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("limits", "read=200", "read=200"),
        ("limits", "reads=1/s:1", "reads=1/s:1"),
        ("trusted_proxies", "10.0.0.1/8", "10.0.0.1/8"),
        ("trusted_proxies", "proxy.example", "proxy.example"),
    ],
)
def test_what_cannot_be_meant_ends_the_start(limited, setting, value, said):
    environment = clean_environment(limited.environment({setting: value, "http_port": free_port()}))
    ended = subprocess.run([BINARY, "serve", "--role", "gateway"], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert setting in ended.stdout + ended.stderr
    assert said in ended.stdout + ended.stderr
