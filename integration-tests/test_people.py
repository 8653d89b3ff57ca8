"""People come in: they register, prove their mailbox, log in, set another password. Who has an address is told to nobody."""

import re
import uuid

import httpx
import pytest
from harness.daybook import Daybook
from harness.person import PASSWORD, Person, bearer, mail_token, refresh
from harness.waiting import wait_until

CSRF = "Daybook-CSRF"


@pytest.fixture(scope="module", params=["closed", "open"])
def front(stack, request):
    installation = Daybook(stack, name=f"people_{request.param}", access=request.param)
    try:
        yield installation.install().start()
    finally:
        installation.discard()


@pytest.fixture
def client(front):
    with front.client() as one:
        yield one


@pytest.fixture
def person(front, client):
    return Person(front, client).verified()


def assert_problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code
    return answer


def without_trace(answer):
    return {name: value for name, value in answer.json().items() if name != "trace_id"}


# ---- registering ----------------------------------------------------------------------------------------------------


def test_who_proves_his_mailbox_with_his_password_is_a_customer(front, client):
    person = Person(front, client).registered()
    assert_problem(person.log_in(), 401, "invalid_credentials")
    assert_problem(person.verify(password="another sentence"), 401, "invalid_credentials")
    assert_problem(person.verify(number=2), 401, "invalid_token")
    assert client.expect(200, person.verify())["status"] == "active"
    assert_problem(person.verify(), 401, "invalid_token")
    session = person.logged_in()
    assert session["customer"] == person.id
    assert session["token_type"] == "Bearer"
    assert session["password_change_required"] is False


def test_registering_tells_nobody_that_an_address_is_taken(front, client, person):
    rival = Person(front, client, person.email).registered()
    stranger = Person(front, client).registered()
    assert rival.id != person.id
    assert_problem(rival.verify(), 409, "email_taken")
    assert client.expect(200, stranger.verify())["status"] == "active"
    assert person.logged_in()["customer"] == person.id  # and he is still himself


def test_registering_twice_under_one_key_is_one_customer_and_says_no_more_to_the_second(front, client):
    key = str(uuid.uuid4())
    body = {"email": "twice@example.org", "password": PASSWORD}
    first = client.post("/v1/customers", body, key=key)
    again = client.post("/v1/customers", body | {"password": "another sentence"}, key=key)
    assert first.status_code == 201
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "twice@example.org" not in first.text
    assert_problem(client.post("/v1/customers", body | {"email": "other@example.org"}, key=key), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    "email,password,status,code",
    [
        ("ada@example.org", "short", 422, "password_too_short"),
        ("ada.lovelace@example.org", "ada.lovelace", 422, "password_known"),
        ("ada@example.org", "DAYBOOK-2026", 422, "password_known"),
        ("no address", PASSWORD, 400, "invalid_format"),
        ("ada@example.org", "x" * 1025, 400, "too_long"),
    ],
)
def test_what_cannot_be_taken_is_refused(client, email, password, status, code):
    assert_problem(client.post("/v1/customers", {"email": email, "password": password}), status, code)


def test_nobody_gives_himself_a_role(client):
    body = {"email": "ada@example.org", "password": PASSWORD}
    for more in ({"roles": [{"role": "admin"}]}, {"verified": True}, {"once_until": 0}, {"identity": "idn_x"}):
        assert_problem(client.post("/v1/customers", body | more), 400, "unknown_field")


# ---- who has an address is told to nobody ---------------------------------------------------------------------------


def test_a_wrong_password_and_an_unknown_address_are_told_alike(front, client, person):
    known = person.log_in(password="another sentence")
    unknown = Person(front, client).log_in()
    assert_problem(known, 401, "invalid_credentials")
    assert without_trace(known) == without_trace(unknown)
    assert sorted(known.headers) == sorted(unknown.headers)
    for answer in (known, unknown):
        assert "Daybook-Position" not in answer.headers
        assert answer.elapsed.total_seconds() >= 0.25


def test_asking_for_a_reset_is_told_alike(front, client, person):
    answers = [client.post("/v1/customers/password-resets", {"email": email}) for email in (person.email, "nobody@example.org")]
    for answer in answers:
        assert answer.status_code == 202
        assert answer.json() == {"status": "accepted"}
        assert answer.elapsed.total_seconds() >= 0.25
    assert sorted(answers[0].headers) == sorted(answers[1].headers)
    assert "Daybook-Position" not in answers[0].headers


def test_who_does_not_want_to_wait_is_told_no_sooner(front, client, person):
    for email in (person.email, "nobody@example.org"):
        body = {"email": email, "password": "another sentence"}
        for path in ("/v1/sessions", "/v1/customers/password-resets"):
            sent = body if path == "/v1/sessions" else {"email": email}
            answer = client.post(path, sent, headers={"Prefer": "wait=0, respond-async"})
            assert answer.status_code in (401, 202)
            assert answer.elapsed.total_seconds() >= 0.25
            assert "Location" not in answer.headers and "Preference-Applied" not in answer.headers


def test_while_it_is_locked_a_right_password_looks_like_a_wrong_one(front, client, person):
    for number in range(10):
        assert_problem(person.log_in(password=f"guess {number} of mine"), 401, "invalid_credentials")
    key = str(uuid.uuid4())
    right = [person.log_in(key=key), person.log_in(key=key), person.log_in(key=key, cookie=True), person.log_in(key=key, cookie=False)]
    wrong = [person.log_in(key=key, password="another sentence") for _ in range(2)]
    for answer in right + wrong:
        assert_problem(answer, 401, "invalid_credentials")
        assert sorted(answer.headers) == sorted(wrong[0].headers)
        assert "Idempotent-Replayed" not in answer.headers
    for told in ([one.json()["trace_id"] for one in right + wrong], [one.headers["traceparent"][3:35] for one in right + wrong]):
        assert len(set(told)) == len(told)


# ---- another password -----------------------------------------------------------------------------------------------


def test_a_reset_sets_another_password_and_ends_all_sessions(front, client, person):
    session = person.logged_in()
    client.expect(202, client.post("/v1/customers/password-resets", {"email": person.email}))
    path = f"/v1/customers/{person.id}/password"
    body = {"token": mail_token(front, "reset", person.id, 1), "password": "a second sentence"}

    def set_password():
        answer = client.put(path, body)
        return answer if answer.status_code != 401 else None

    # The view has to see what was asked for, and nobody is told its position.
    answer = wait_until(set_password, "the token to be good")
    assert client.expect(200, answer)["status"] == "active"
    assert_problem(client.put(path, body), 401, "invalid_token")
    assert_problem(person.log_in(), 401, "invalid_credentials")
    assert client.expect(201, person.log_in(password="a second sentence"))["session"] > session["session"]
    assert_problem(refresh(client, session), 401, "session_ended")
    wait_until(lambda: client.get("/v1/products", headers=bearer(session)).status_code == 401, "the end of its token", 2)


def test_a_token_of_a_mail_is_good_for_its_own_use_and_person_alone(front, client, person):
    other = Person(front, client).registered()
    bad = [mail_token(front, "reset", person.id, 1), mail_token(front, "verify", person.id, 1), "x" * 32]
    for token in bad:
        body = {"token": token, "password": PASSWORD}
        assert_problem(client.post(f"/v1/customers/{other.id}/verification", body), 401, "invalid_token")
        assert_problem(client.put(f"/v1/customers/{other.id}/password", body), 401, "invalid_token")
    session = person.logged_in()
    answer = client.post("/v1/me/email-verification", {"token": bad[2]}, headers=bearer(session))
    assert_problem(answer, 401, "invalid_token")
    nobody = "cus_01KB3Q6ZK8M2V9T4R7X5N1C0HD"
    body = {"token": bad[0], "password": PASSWORD}
    assert_problem(client.put(f"/v1/customers/{nobody}/password", body), 401, "invalid_token")
    assert_problem(client.put("/v1/customers/x/password", body), 404, "malformed_id")


# ---- who asks -------------------------------------------------------------------------------------------------------


def test_a_bad_credential_is_refused_wherever_it_is_brought(front, client, person):
    session = person.logged_in()
    token = session["access_token"]
    for bad in ("x", token[:-1], token + "A", "dbk_x"):
        for path in ("/v1/products", "/v1/carts/cart_01KB3Q6ZK8M2V9T4R7X5N1C0HD", "/openapi.json"):
            answer = client.get(path, headers={"Authorization": f"Bearer {bad}"})
            assert_problem(answer, 401, "invalid_token")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.get("/v1/products", headers=bearer(session)).status_code == 200
    assert client.get("/health/live", headers={"Authorization": "Bearer x"}).status_code == 200


def test_a_customer_is_no_staff(front, client, person):
    session = person.logged_in()
    answer = client.post("/v1/stock/tea/receipts", {"location": "main", "quantity": 1}, headers=bearer(session))
    assert_problem(answer, 403, "forbidden")


def test_cookies_change_nothing_without_the_sessions_own_token(front, client, person):
    answer = person.log_in(cookie=True)
    session = client.expect(201, answer)
    assert "access_token" not in session and "refresh_token" not in session
    set_cookies = answer.headers.get_list("Set-Cookie")
    assert len(set_cookies) == 2
    for cookie in set_cookies:
        assert {"Secure", "HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    sent = {"Cookie": "; ".join(re.match("[^;]*", cookie)[0] for cookie in set_cookies)}
    with httpx.Client(base_url=front.url) as browser:  # which would send no Secure cookie by itself over plain HTTP
        assert browser.get("/v1/products", headers=sent).status_code == 200
        assert_problem(browser.delete("/v1/sessions/current", headers=sent), 403, "csrf_failed")
        key = {"Idempotency-Key": str(uuid.uuid4())}
        assert_problem(browser.post("/v1/sessions/refresh", headers=sent | key), 403, "csrf_failed")
        proof = sent | key | {CSRF: session["csrf_token"]}
        unsafe = {name: value for name, value in proof.items() if name not in key}
        assert_problem(browser.post("/v1/sessions/refresh", headers=unsafe), 400, "idempotency_key_required")
        assert_problem(
            browser.post("/v1/sessions/refresh", headers=proof | {"Sec-Fetch-Site": "cross-site"}), 403, "csrf_failed"
        )
        renewed = browser.post("/v1/sessions/refresh", headers=proof)
        assert renewed.status_code == 200, renewed.text
        assert renewed.json()["csrf_token"] == session["csrf_token"]
        ended = browser.delete("/v1/sessions/current", headers=proof)
        assert ended.status_code == 200, ended.text
        assert all("Max-Age=0" in cookie for cookie in ended.headers.get_list("Set-Cookie"))
        refused = assert_problem(browser.get("/v1/products", headers=sent), 401, "invalid_token")
        assert "Max-Age=0" in refused.headers["Set-Cookie"]


def test_a_login_ends_the_session_that_it_brings_along(front, client, person):
    first = person.log_in(cookie=True)
    cookies = "; ".join(re.match("[^;]*", cookie)[0] for cookie in first.headers.get_list("Set-Cookie"))
    other = person.logged_in()
    body = {"email": person.email, "password": person.password, "cookie": True}
    with httpx.Client(base_url=front.url) as browser:
        assert browser.get("/v1/products", headers={"Cookie": cookies}).status_code == 200
        again = browser.post("/v1/sessions", json=body, headers={"Cookie": cookies})
        assert again.status_code == 201, again.text
        assert again.json()["session"] > other["session"] > first.json()["session"]
        assert_problem(browser.get("/v1/products", headers={"Cookie": cookies}), 401, "invalid_token")
        proof = {"Cookie": cookies, "Idempotency-Key": str(uuid.uuid4()), CSRF: first.json()["csrf_token"]}
        assert_problem(browser.post("/v1/sessions/refresh", headers=proof), 401, "session_ended")
        assert browser.get("/v1/products", headers=bearer(other)).status_code == 200
        # And so by its access token.
        last = browser.post("/v1/sessions", json=body | {"cookie": False}, headers=bearer(other))
        assert last.status_code == 201, last.text
        assert_problem(browser.get("/v1/products", headers=bearer(other)), 401, "invalid_token")
        assert browser.get("/v1/products", headers=bearer(last.json())).status_code == 200


def test_others_can_check_a_token(client, person):
    keys = client.expect(200, client.get("/.well-known/jwks.json"))["keys"]
    assert keys and all(key["crv"] == "Ed25519" and key["use"] == "sig" and "d" not in key for key in keys)


# ---- what is secret -------------------------------------------------------------------------------------------------


def test_no_password_token_or_address_is_in_the_log_or_the_views(front, client):
    person = Person(front, client, email="canary.of.people@example.org").verified()
    person.password = PASSWORD
    session = person.logged_in()
    renewed = client.expect(200, refresh(client, session))
    wait_until(front.views_have_seen_all, "the views")
    tokens = [one[name] for one in (session, renewed) for name in ("access_token", "refresh_token")]
    secrets = [person.email, PASSWORD, *tokens, mail_token(front, "verify", person.id, 1)]
    for family in ("commands", "customers", "identities", "outcomes", "replies"):
        for record in front.kafka.records(front.topic(family)):
            held = [secret for secret in secrets if secret.encode() in (record.value() or b"")]
            assert not held, (family, held)
    log = front.service.log()
    assert not [secret for secret in secrets if secret in log]
