"""Keys of services, and the first admin: who comes in by what, at every front, and where nothing of it stands."""

import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from harness.authority import NOBODY
from harness.client import Client
from harness.daybook import BINARY, Daybook, metrics_of
from harness.events import streams
from harness.processes import clean_environment
from harness.roles import installed_apart
from harness.schemas import decode
from harness.shop import Shop
from harness.waiting import wait_until

FRONTS = ("gateway", "other")
KNOWN_WITHIN_S = 1.0


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def people(daybook, *arguments, text=None):
    """`daybook people`, with what it is told on standard input: exit code, standard output, standard error."""
    ended = subprocess.run(
        [BINARY, "people", *arguments],
        env=clean_environment(daybook.environment()),
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return ended.returncode, ended.stdout, ended.stderr


def made_key(daybook, name, *arguments):
    code, out, said = people(daybook, "key", name, *arguments)
    assert code == 0, said
    assert out.startswith("dbk_") and out.endswith("\n") and out.count("\n") == 1, "standard output is the key alone"
    assert out.strip() not in said
    return out.strip()


class Fronts:
    """Two fronts of one installation that is closed, and an admin's key."""

    def __init__(self, split):
        self.split = split
        self.daybook = split.daybook
        self.urls = [split[name].url for name in FRONTS]
        self.admin = made_key(self.daybook, "admin of tests", "--role", "admin")
        self.wait_known(self.admin, "/v1/api-keys")
        self.client = Client(self.urls[0])
        self.client.http.headers.update(bearer(self.admin))

    def statuses(self, secret, path="/v1/products"):
        return [
            httpx.get(f"{url}{path}", headers=bearer(secret), timeout=10, verify=NOBODY).status_code
            for url in self.urls
        ]

    def taken_for(self, secret, since):
        """Seconds from `since` until the last request was sent that a front still took the key of."""
        last = 0.0
        taking = list(self.urls)
        with httpx.Client(headers=bearer(secret), timeout=10, verify=NOBODY) as client:
            while taking:
                sent = time.monotonic() - since
                assert sent < 10, "the key lives on"
                if client.get(f"{taking[0]}/v1/products").status_code == 200:
                    last = sent
                    time.sleep(0.005)
                else:
                    taking.pop(0)
        return last

    def wait_known(self, secret, path="/v1/products", seconds=20.0):
        wait_until(lambda: self.statuses(secret, path) == [200, 200], "both fronts knowing the key", seconds)

    def key(self, *roles, **more):
        """A new one, as its answer has it, that both fronts know."""
        body = {"name": "of a test", "roles": [{"role": role} for role in roles]} | more
        made = self.client.expect(201, self.client.post("/v1/api-keys", body))
        self.wait_known(made["secret"])
        return made

    def events(self, key):
        return streams(self.daybook.kafka, self.daybook.topic("keys"))[key]

    def uses_told(self, key):
        """How often a front has told the log that the key was used, an event or not."""
        commands = [decode(record.value()) for record in self.daybook.kafka.records(self.daybook.topic("commands"))]
        return sum(name == "NoteApiKeyUse" and command["meta"]["stream"] == key for name, command in commands)

    def failures(self):
        """How often each front could not read which keys there are."""
        return [metrics_of(url)["daybook_gateway_api_keys_failures_total"] for url in self.urls]


@pytest.fixture(scope="module")
def fronts(stack):
    with installed_apart(stack, "keys", gateways=FRONTS, access="closed") as split:
        yield Fronts(split.start())


# ---- what a key may ----


def test_a_key_may_what_its_roles_may_and_no_more(fronts):
    shop = Client(fronts.urls[0])
    shop.http.headers.update(bearer(fronts.admin))
    Shop(shop).sells("tea", 500, 10)
    service = fronts.key("service")["secret"]
    with Client(fronts.urls[1]) as client:
        client.http.headers.update(bearer(service))
        receipt = client.post("/v1/stock/tea/receipts", {"location": "main", "quantity": 5})
        client.expect(200, receipt)
        for method, path in (
            ("GET", "/v1/api-keys"),
            ("GET", "/v1/orders"),
            ("POST", "/v1/products"),
            ("GET", "/v1/customers"),
        ):
            answer = client.http.request(method, path, json={} if method == "POST" else None)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
        shop.position = client.position
    movements = shop.expect(200, shop.get("/v1/stock/tea/movements"))["items"]
    assert movements[0]["actor"].startswith("service:key_")
    assert movements[1]["actor"].startswith("admin:key_")


def test_a_vendor_s_key_acts_for_its_vendor(fronts):
    made = fronts.client.expect(
        201,
        fronts.client.post("/v1/api-keys", {"name": "feed", "roles": [{"role": "vendor", "vendor": "Teekontor"}]}),
    )
    assert made["roles"] == [{"role": "vendor", "vendor": "Teekontor"}]
    for roles, pointer in (([{"role": "vendor"}], "/roles"), ([{"role": "king"}], "/roles")):
        answer = fronts.client.post("/v1/api-keys", {"name": "feed", "roles": roles})
        assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (422, "unknown_role", pointer)
    answer = fronts.client.post("/v1/api-keys", {"name": "feed", "roles": []})
    assert (answer.status_code, answer.json()["code"]) == (400, "too_few_items")


@pytest.mark.parametrize("text", ["dbk_", "dbk_01ARZ3NDEKTSV4RRFFQ69G5FAV_" + "A" * 43, "dbk_" + "0" * 200])
def test_what_is_no_key_is_401_also_where_everybody_may_come(fronts, text):
    for url in fronts.urls:
        answer = httpx.get(f"{url}/v1/products", headers=bearer(text), timeout=10)
        assert answer.status_code == 401
        assert "www-authenticate" in answer.headers


# ---- its life ----


def test_a_request_that_is_sent_again_is_given_the_same_secret(fronts):
    key = str(uuid.uuid4())
    body = {"name": "sent twice", "roles": [{"role": "service"}]}
    first = fronts.client.post("/v1/api-keys", body, key=key)
    made = fronts.client.expect(201, first)
    assert first.headers["location"] == f"/v1/api-keys/{made['id']}"
    with Client(fronts.urls[1]) as other:
        other.http.headers.update(bearer(fronts.admin))
        again = other.post("/v1/api-keys", body, key=key)
        assert again.content == first.content
        assert again.headers["idempotent-replayed"] == "true"
        rotations = [other.post(f"/v1/api-keys/{made['id']}/rotate", {"grace_s": 60}, key=key + "r") for _ in range(2)]
        assert rotations[0].content == rotations[1].content
        assert rotations[0].json()["secret"] != made["secret"]
        # Of the first request the answer stays the first, wherever the key stands by now.
        assert other.post("/v1/api-keys", body, key=key).content == first.content
        seen = other.expect(200, other.get(f"/v1/api-keys/{made['id']}"))
    assert "secret" not in seen and seen["generation"] == 2
    assert len(fronts.events(made["id"])) == 2


def test_after_a_rotation_the_secret_before_is_good_for_its_grace(fronts):
    made = fronts.key("service")
    path = f"/v1/api-keys/{made['id']}/rotate"
    second = fronts.client.expect(200, fronts.client.post(path, {"grace_s": 3600}))["secret"]
    fronts.wait_known(second, seconds=KNOWN_WITHIN_S + 5)
    assert fronts.statuses(made["secret"]) == [200, 200]
    third = fronts.client.expect(200, fronts.client.post(path, {}))["secret"]
    fronts.wait_known(third, seconds=KNOWN_WITHIN_S + 5)
    assert fronts.statuses(made["secret"]) == [401, 401]  # the one before the one before
    assert fronts.statuses(second) == [401, 401]  # without grace
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: fronts.client.http.post(path, json={}), range(8)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    made = [answer.json()["secret"] for answer in answers if answer.status_code == 200]
    assert made and len(set(made)) == len(made)
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"key_rotated"}
    answer = fronts.client.post(path, {"grace_s": 604801})
    assert (answer.status_code, answer.json()["code"]) == (400, "out_of_range")


def test_a_grace_ends_by_itself(fronts):
    made = fronts.key("service")
    until = time.monotonic() + 3
    fronts.client.expect(200, fronts.client.post(f"/v1/api-keys/{made['id']}/rotate", {"grace_s": 3}))
    assert fronts.statuses(made["secret"]) == [200, 200]
    wait_until(lambda: fronts.statuses(made["secret"]) == [401, 401], "the end of the grace", 10)
    assert time.monotonic() >= until


def test_a_revoked_key_is_401_at_every_front_within_a_second(fronts):
    made = fronts.key("service")
    revoked = fronts.client.expect(200, fronts.client.delete(f"/v1/api-keys/{made['id']}"))
    since = time.monotonic()
    assert revoked["status"] == "revoked"
    assert fronts.taken_for(made["secret"], since) < KNOWN_WITHIN_S
    assert fronts.statuses(made["secret"]) == [401, 401]
    answer = fronts.client.post(f"/v1/api-keys/{made['id']}/rotate", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "key_revoked")
    fronts.client.expect(200, fronts.client.delete(f"/v1/api-keys/{made['id']}"))
    assert [told.name for told in fronts.events(made["id"])] in (
        ["ApiKeyCreated", "ApiKeyUsed", "ApiKeyRevoked"],
        ["ApiKeyCreated", "ApiKeyRevoked"],
    )


def test_a_key_expires(fronts):
    at = time.time() + 3
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at + 1))
    made = fronts.key("service", expires_at=text)
    wait_until(lambda: fronts.statuses(made["secret"]) == [401, 401], "the key's time", 15)
    assert time.time() >= at


def test_its_use_is_one_event_an_hour_over_all_fronts(fronts):
    made = fronts.key("service")
    for _ in range(50):
        assert fronts.statuses(made["secret"]) == [200, 200]

    wait_until(lambda: fronts.uses_told(made["id"]) >= len(FRONTS), "both fronts having told of its use")
    # Decided behind them, on the same shard.
    fronts.client.expect(200, fronts.client.delete(f"/v1/api-keys/{made['id']}"))
    uses = [told.event["hour"] for told in fronts.events(made["id"]) if told.name == "ApiKeyUsed"]
    assert 1 <= len(uses) == len(set(uses)) <= 2  # two when the hour has just turned
    assert fronts.uses_told(made["id"]) <= len(uses) * len(FRONTS)
    seen = fronts.client.expect(200, fronts.client.get(f"/v1/api-keys/{made['id']}"))["used_at"]
    assert seen[13:] in (":00:00Z", ":00:00.000000Z")


def test_the_secret_stands_nowhere_but_in_its_answer(fronts):
    made = fronts.key("service")
    daybook = fronts.daybook
    canary = made["secret"].rpartition("_")[2]
    for topic in daybook.kafka.topics(f"{daybook.name}."):
        for record in daybook.kafka.each_record(topic, isolation="read_uncommitted"):
            assert canary.encode() not in (record.value() or b""), topic
    for row in daybook.sql.rows(
        "SELECT table_schema AS s, table_name AS t FROM information_schema.tables"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    ):
        for line in daybook.sql.rows(f'SELECT x::text FROM "{row["s"]}"."{row["t"]}" AS x'):
            assert canary not in line["x"], row
    for name in FRONTS:
        assert canary not in fronts.split[name].log()
    assert canary not in fronts.client.get("/v1/api-keys").text


def test_keys_are_listed_by_what_they_are(fronts):
    made = fronts.key("auditor")
    revoked = fronts.key("auditor")
    fronts.client.expect(200, fronts.client.delete(f"/v1/api-keys/{revoked['id']}"))
    listed = fronts.client.expect(200, fronts.client.get("/v1/api-keys?role=auditor&status=active"))["items"]
    assert [one["id"] for one in listed] == [made["id"]]
    page = fronts.client.expect(200, fronts.client.get("/v1/api-keys?limit=1"))
    assert len(page["items"]) == 1 and page["next_cursor"]
    assert fronts.client.get("/v1/api-keys?status=lost").json()["code"] == "invalid_parameter"
    answer = fronts.client.get(f"/v1/api-keys/key_{'0' * 26}")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_key")


def test_without_the_database_a_front_goes_on_with_what_it_knows(mortal_stack):
    with installed_apart(mortal_stack, "keys", gateways=FRONTS, access="closed") as split:
        fronts = Fronts(split.start())
        path = "/openapi.json"  # asks no database
        before = fronts.failures()
        mortal_stack.stop_postgres()
        wait_until(
            lambda: all(now > then for now, then in zip(fronts.failures(), before, strict=True)),
            "both fronts having tried in vain to read the keys anew",
        )
        assert fronts.statuses(fronts.admin, path) == [200, 200]
        assert fronts.statuses("dbk_" + "0" * 26 + "_" + "A" * 43, path) == [401, 401]
        mortal_stack.start_postgres()
        fronts.wait_known(fronts.admin, "/v1/api-keys", seconds=30)
        fronts.key("service")  # what is made from now on is heard of again


# ---- the first admin ----


@pytest.fixture
def empty(stack):
    daybook = Daybook(stack, name="admin", access="closed")
    try:
        yield daybook.install().start()
    finally:
        daybook.discard()


def logged_in(daybook, email, password):
    return httpx.post(f"{daybook.url}/v1/sessions", json={"email": email, "password": password}, timeout=10)


def test_there_is_one_first_admin_however_often_and_at_once_he_is_asked_for(empty):
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: people(empty, "admin", "ada@example.org"), range(2)))
    assert sorted(code for code, _, _ in results) == [0, 3], results
    (password,) = [out for code, out, _ in results if code == 0]
    assert len(password.strip()) == 20 and password.count("\n") == 1
    (said,) = [said for code, _, said in results if code == 3]
    assert "there is a first admin already" in said.lower()
    code, out, said = people(empty, "admin", "bob@example.org")
    assert (code, out) == (3, "")
    assert "ada@example.org" not in said
    events = streams(empty.kafka, empty.topic("customers"))
    assert len(events) == 1
    ((customer, told),) = events.items()
    assert [one.name for one in told] == ["CustomerRegistered", "CustomerVerificationProved", "CustomerVerified"]
    assert told[0].event["roles"] == [{"role": "admin", "vendor": None}]
    assert all(one.meta["actor"] == "system" for one in told)
    # His password opens nothing but its own change.
    session = wait_until(
        lambda: (answer := logged_in(empty, "ada@example.org", password.strip())).status_code == 201 and answer.json(),
        "the admin's login",
    )
    answer = httpx.get(f"{empty.url}/v1/api-keys", headers=bearer(session["access_token"]), timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (403, "password_change_required")
    code, out, said = people(empty, "admin", "--again")
    assert code == 0, said
    assert out != password
    assert logged_in(empty, "ada@example.org", password.strip()).status_code == 401
    assert wait_until(lambda: logged_in(empty, "ada@example.org", out.strip()).status_code == 201, "the new password")
    assert customer in said


def test_an_address_comes_on_standard_input_and_no_secret_in_an_argument(empty):
    code, out, said = people(empty, "admin", "-", text="carol@example.org\n")
    assert code == 0, said
    assert "carol" not in said
    log = empty.service.log()
    assert "carol@example.org" not in log and out.strip() not in log


def test_who_only_waits_for_an_address_keeps_no_admin_from_it(empty):
    with empty.client() as client:
        body = {"email": "dan@example.org", "password": "a long enough one"}
        dan = client.expect(201, client.post("/v1/customers", body))["id"]
    assert people(empty, "admin", "dan@example.org")[0] == 0
    code, _, said = people(empty, "roles", dan, "support")
    assert (code, "proved" in said) == (3, True), said


def test_before_there_is_an_admin_there_is_nobody_to_be_given_another_password(empty):
    code, out, said = people(empty, "admin", "--again")
    assert (code, out) == (3, "")
    assert "daybook people admin EMAIL" in said


def test_roles_and_lockouts_of_who_is_none_are_refused(empty):
    nobody = f"cus_{'0' * 26}"
    for arguments in (("roles", nobody, "support"), ("unlock", nobody), ("suspend", nobody, "robbed"), ("reinstate", nobody)):
        code, out, said = people(empty, *arguments)
        assert (code, out) == (3, "")
        assert "unknown_customer" in said
    for arguments in (
        ("roles", nobody, "king"),
        ("roles", "ada@example.org", "support"),
        ("suspend", nobody),
        ("suspend", nobody, "He was robbed"),
        ("key", "importer"),
        ("key", "importer", "--role", "customer"),
        ("admin", "ada"),
        ("admin",),
        ("nothing",),
    ):
        assert people(empty, *arguments)[0] == 2, arguments


def test_who_helps_reads_customers_and_an_admin_changes_them(empty):
    admin, support = made_key(empty, "a", "--role", "admin"), made_key(empty, "s", "--role", "support")
    code, password, said = people(empty, "admin", "Ada@example.org")
    assert code == 0, said
    with empty.client() as client:
        client.http.headers.update(bearer(support))
        wait_until(lambda: client.get("/v1/customers").status_code == 200, "the front knowing the key")
        (ada,) = wait_until(lambda: client.get("/v1/customers?role=admin").json()["items"], "the view")
        assert (ada["email"], ada["status"], ada["roles"]) == ("Ada@example.org", "active", [{"role": "admin"}])
        path = f"/v1/customers/{ada['id']}"
        read = client.get(path)
        assert client.expect(200, read)["email"] == "Ada@example.org"
        assert client.get(path, headers={"If-None-Match": read.headers["etag"]}).status_code == 304
        found = client.expect(200, client.http.post("/v1/customers/lookup", json={"email": "ADA@example.org"}))
        assert [one["id"] for one in found["items"]] == [ada["id"]]
        none = client.expect(200, client.http.post("/v1/customers/lookup", json={"email": "eve@example.org"}))
        assert none == {"items": [], "next_cursor": None}
        for body, code, pointer in (
            ({}, "missing_field", "/email"),
            ({"email": "ada"}, "invalid_format", "/email"),
            ({"email": "a@example.org", "name": "Ada"}, "unknown_field", "/name"),
        ):
            answer = client.http.post("/v1/customers/lookup", json=body)
            assert (answer.status_code, answer.json()["code"], answer.json()["pointer"]) == (400, code, pointer)
        assert client.put(f"{path}/roles", {"roles": []}).status_code == 403
        assert client.get(f"/v1/customers/cus_{'0' * 26}").json()["code"] == "unknown_customer"
    log = empty.service.log()
    assert '"a customer was read"' in log and ada["id"] in log
    assert "Ada@example.org" not in log and "ADA@example.org" not in log
    with empty.client() as client:
        client.http.headers.update(bearer(admin))
        wait_until(lambda: client.get("/v1/customers").status_code == 200, "the front knowing the key")
        changed = client.expect(200, client.put(f"{path}/roles", {"roles": [{"role": "admin"}, {"role": "support"}]}))
        assert [one["role"] for one in changed["roles"]] == ["admin", "support"]
        assert "email" not in changed
        answer = client.put(f"{path}/roles", {"roles": [{"role": "king"}]})
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_role")
        for _ in range(10):
            assert logged_in(empty, "ada@example.org", "not the password").status_code == 401
        assert logged_in(empty, "ada@example.org", password.strip()).status_code == 401  # locked out
        wait_until(lambda: "locked_until" in client.get(path).json(), "the lockout in the view")
        client.expect(200, client.post(f"{path}/unlock"))
        assert logged_in(empty, "ada@example.org", password.strip()).status_code == 201
