"""Sessions over several fronts: one refresh is good, thieves end the family, and what ended lets in nobody anywhere."""

import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from harness.client import Client
from harness.house import people
from harness.person import Person, bearer, refresh
from harness.roles import installed_apart
from harness.waiting import wait_until

FRONTS = ("gateway", "second", "third")
AT_ONCE = 50
KNOWN_EVERYWHERE_S = 1.0


@pytest.fixture(scope="module")
def split(stack):
    with installed_apart(stack, "sessions", gateways=FRONTS, access="closed") as roles:
        yield roles.start()


@pytest.fixture
def fronts(split):
    clients = [Client(split[name].url) for name in FRONTS]
    yield clients
    for client in clients:
        client.close()


@pytest.fixture
def person(split, fronts):
    return Person(split.daybook, fronts[0]).verified()


@pytest.fixture
def admin(split):
    """By a key, at the first front."""
    key = people(split.daybook, "key", "admin of tests", "--role", "admin")
    with Client(split[FRONTS[0]].url) as client:
        client.http.headers["Authorization"] = f"Bearer {key}"
        wait_until(lambda: client.get("/v1/api-keys").status_code == 200, "the key being known", 20)
        yield client


def lets_in(client, session):
    """A public page: whoever brings a good token gets it, and whoever brings a bad one is told so."""
    answer = client.http.get("/v1/products", headers=bearer(session))
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def assert_ended(fronts, session):
    wait_until(lambda: not any(lets_in(front, session) for front in fronts), "all fronts to know", KNOWN_EVERYWHERE_S)


def code_of(answer):
    return answer.json().get("code")


# ---- refreshing -----------------------------------------------------------------------------------------------------


def test_a_session_goes_on_from_token_to_token(fronts, person):
    session = person.logged_in()
    for number in range(6):
        renewed = fronts[number % 3].expect(200, refresh(fronts[number % 3], session))
        assert renewed["session"] == session["session"]
        assert renewed["refresh_token"] != session["refresh_token"]
        session = renewed
    assert all(lets_in(front, session) for front in fronts)


def test_of_fifty_refreshes_with_one_token_one_succeeds_and_the_family_ends(fronts, person):
    session = person.logged_in()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda number: refresh(fronts[number % 3], session), range(AT_ONCE)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == 1, statuses
    assert statuses.count(401) == AT_ONCE - 1
    assert {code_of(answer) for answer in answers if answer.status_code == 401} == {"session_ended"}
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert_ended(fronts, session)
    assert_ended(fronts, winner)
    assert refresh(fronts[0], winner).status_code == 401


def test_a_lost_answer_is_had_again_under_its_key(fronts, person):
    session = person.logged_in()
    key = str(uuid.uuid4())
    first, again = refresh(fronts[0], session, key), refresh(fronts[1], session, key)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    successor = first.json()
    assert refresh(fronts[2], successor).status_code == 200
    # The key is not the token: another generation under it is another command.
    assert refresh(fronts[0], successor, key).status_code == 401


# ---- logging in -----------------------------------------------------------------------------------------------------


def test_a_login_that_is_sent_again_is_the_same_session_byte_for_byte(fronts, person):
    key = str(uuid.uuid4())
    first, again = (person.log_in(key=key, client=front) for front in fronts[:2])
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"


def test_somebody_elses_key_logs_nobody_in(split, fronts, person):
    key = str(uuid.uuid4())
    assert person.log_in(key=key).status_code == 201
    stolen = person.log_in(key=key, password="a guess of mine")
    assert (stolen.status_code, code_of(stolen)) == (401, "invalid_credentials")
    nobody = Person(split.daybook, fronts[0]).log_in(key=key)
    assert (nobody.status_code, code_of(nobody)) == (401, "invalid_credentials")


def test_ten_failures_lock_whichever_fronts_were_asked(fronts, person):
    session = person.logged_in()
    with ThreadPoolExecutor(10) as pool:
        guesses = list(
            pool.map(lambda number: person.log_in(password=f"guess {number} of mine", client=fronts[number % 3]), range(12))
        )
    assert {answer.status_code for answer in guesses} == {401}
    locked = person.log_in()
    assert (locked.status_code, code_of(locked)) == (401, "invalid_credentials")
    # Whoever was in stays in.
    assert all(lets_in(front, session) for front in fronts)
    assert refresh(fronts[0], session).status_code == 200


def test_more_logins_than_can_wait_are_told_to_come_again(split, fronts, person):
    before = split["second"].memory_mib()

    def log_in(number):
        with Client(split["second"].url) as apart:  # else they share a jar of cookies, and each ends the one before
            return person.log_in(client=apart)

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(log_in, range(200)))
    statuses = Counter(answer.status_code for answer in answers)
    # 202: whose session is opened later than answers wait.
    assert set(statuses) <= {201, 202, 429}, statuses
    assert statuses[201] + statuses[202] >= 64 and statuses[429] > 0, statuses
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert (code_of(refused), refused.headers["Retry-After"]) == ("rate_limited", "1")
    assert split["second"].memory_mib() - before < 64


# ---- ending ---------------------------------------------------------------------------------------------------------


def test_a_logout_counts_at_once_where_it_was_asked_for_and_soon_everywhere(fronts, person):
    session, other = person.logged_in(), person.logged_in()
    assert all(lets_in(front, session) for front in fronts)
    ended = fronts[0].delete("/v1/sessions/current", headers=bearer(session))
    assert ended.status_code == 200, ended.text
    assert not lets_in(fronts[0], session)
    assert_ended(fronts, session)
    assert refresh(fronts[1], session).status_code == 401
    assert all(lets_in(front, other) for front in fronts)


def test_an_admin_ends_all_sessions_of_somebody(fronts, person, admin):
    sessions = [person.logged_in(), person.logged_in()]
    admin.expect(200, admin.delete(f"/v1/customers/{person.id}/sessions"))
    assert not any(lets_in(fronts[0], session) for session in sessions)
    for session in sessions:
        assert_ended(fronts, session)
        assert refresh(fronts[1], session).status_code == 401
    assert lets_in(fronts[0], person.logged_in())


def told(answer):
    """What a refusal says, but for what is another thing each time."""
    return answer.status_code, answer.json() | {"trace_id": ""}, sorted(answer.headers)


def test_who_is_suspended_is_let_in_nowhere_until_he_is_reinstated(split, fronts, person, admin):
    sessions = [person.logged_in(), person.logged_in()]
    wrong = told(person.log_in(password="not my sentence"))
    suspended = admin.expect(200, admin.post(f"/v1/customers/{person.id}/suspend", {"reason": "robbed"}))
    assert (suspended["status"], suspended["suspended_for"]) == ("suspended", "robbed")
    assert not any(lets_in(fronts[0], session) for session in sessions)
    for session in sessions:
        assert_ended(fronts, session)
        assert refresh(fronts[1], session).status_code == 401
    # A right password is told what a wrong one is.
    for front in fronts:
        assert told(person.log_in(client=front)) == wrong
    assert told(person.log_in(password="not my sentence")) == wrong
    person.client.expect(202, person.client.post("/v1/customers/password-resets", {"email": person.email}))
    # His address stays his, whoever waits for it.
    Person(split.daybook, fronts[0], email=person.email).registered()
    admin.position = fronts[0].position
    found = admin.expect(200, admin.post("/v1/customers/lookup", {"email": person.email}))["items"]
    assert [(one["id"], one["status"]) for one in found] == [(person.id, "suspended")]
    assert admin.expect(200, admin.post(f"/v1/customers/{person.id}/reinstate"))["status"] == "active"
    assert lets_in(fronts[0], person.logged_in())


def test_without_postgres_a_session_is_refreshed_and_nobody_logs_in(mortal_stack):
    with installed_apart(mortal_stack, "sessions_alone", access="closed") as split:
        split.start()
        with Client(split["gateway"].url) as client:
            person = Person(split.daybook, client).verified()
            session = person.logged_in()
            client.position = None
            mortal_stack.stop_postgres()
            try:
                time.sleep(0.5)
                assert refresh(client, session).status_code == 200
                answers = [person.log_in(), Person(split.daybook, client).log_in()]
                assert {(answer.status_code, code_of(answer)) for answer in answers} == {(503, "database_unavailable")}
            finally:
                mortal_stack.start_postgres()


def test_a_front_that_starts_without_postgres_believes_no_token_until_it_has_read_which_have_ended(mortal_stack):
    with installed_apart(mortal_stack, "sessions_begun", access="closed") as split:
        split.start()
        front, page = split["gateway"], "/openapi.json"
        with Client(front.url) as client:
            person = Person(split.daybook, client).verified()
            session, ended = person.logged_in(), person.logged_in()
            client.expect(200, client.delete("/v1/sessions/current", headers=bearer(ended)))
            wait_until(split.daybook.views_have_seen_all, "the views")
        front.stop()
        mortal_stack.stop_postgres()
        try:
            front.start()
            wait_until(lambda: front.get("/health/live").status_code == 200, "the front")
            for one in (session, ended):
                answer = httpx.get(f"{front.url}{page}", headers=bearer(one))
                assert (answer.status_code, code_of(answer)) == (503, "database_unavailable")
                assert int(answer.headers["Retry-After"]) > 0
            assert front.get(page).status_code == 200
            assert not front.is_ready()
        finally:
            mortal_stack.start_postgres()
        front.wait_ready(front.is_ready, 60)
        assert httpx.get(f"{front.url}{page}", headers=bearer(session)).status_code == 200
        assert httpx.get(f"{front.url}{page}", headers=bearer(ended)).status_code == 401


# ---- time (slow) ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_time_of_a_refusal_tells_nothing(split, fronts):
    """Wrong passwords of somebody and of nobody in turn: the medians are within 20 ms, which is less than a verifier takes; closer
    than that the machine must do nothing else (make attack)."""
    people = [Person(split.daybook, fronts[0]).verified() for _ in range(8)]
    times = {True: [], False: []}
    with httpx.Client(base_url=split["gateway"].url) as client:
        for number in range(40):
            for is_known in (True, False):
                email = people[number % 8].email if is_known else f"nobody{number % 8}@example.org"
                begun = time.monotonic()
                answer = client.post("/v1/sessions", json={"email": email, "password": f"guess {number} of mine"})
                times[is_known].append(time.monotonic() - begun)
                assert answer.status_code == 401
    medians = [sorted(of)[len(of) // 2] for of in times.values()]
    assert abs(medians[0] - medians[1]) < 0.020, medians
