"""CHECKS 26: what is forged, worn or meant for something else lets in nobody at any front, and nothing is done by it.

core/vault/token_test.c has each token's verdict, test_sessions.py a refresh token that comes back fifty times at once, test_keys.py
when a key is none any more.
"""

import base64
import re
import time
import uuid

import pytest
from harness import vault
from harness.client import Client
from harness.events import streams
from harness.person import PASSWORD, Person, bearer, mail_token, refresh
from harness.roles import installed_apart
from harness.schemas import decode
from harness.shop import Shop
from harness.tokens import SigningKey, bad_tokens, claims_of
from harness.waiting import wait_until
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

FRONTS = ("gateway", "second")
KNOWN_EVERYWHERE_S = 1.0
URL, AUDIENCE = "https://shop.example", "daybook-tests"
PUBLIC, PROTECTED = "/v1/products", "/v1/me"
ANOTHER = "another sentence of mine"


class House:
    """A closed installation with two fronts, a client of each that is nobody, and an admin's at the first."""

    def __init__(self, split):
        self.split, self.daybook = split, split.daybook
        self.fronts = [Client(split[name].url) for name in FRONTS]
        self.admin = Client(split[FRONTS[0]].url)
        key = self.daybook.run("people", "key", "admin of tests", "--role", "admin").strip()
        self.admin.http.headers["Authorization"] = f"Bearer {key}"
        wait_until(lambda: self.admin.get("/v1/api-keys").status_code == 200, "the key being known")

    def key(self, **more):
        body = {"name": "of a test", "roles": [{"role": "service"}]} | more
        made = self.admin.expect(201, self.admin.post("/v1/api-keys", body))
        wait_until(lambda: self.statuses(made["secret"]) == [200, 200], "both fronts knowing the key")
        return made

    def statuses(self, token, path=PUBLIC):
        return [front.http.get(path, headers={"Authorization": f"Bearer {token}"}).status_code for front in self.fronts]

    def commands(self, *names):
        """How many of them stand in the log."""
        return sum(
            decode(record.value())[0] in names for record in self.daybook.kafka.each_record(self.daybook.topic("commands"))
        )

    def events(self, stream):
        return [(told.name, told.event) for told in streams(self.daybook.kafka, self.daybook.topic("customers"))[stream]]

    def close(self):
        for client in (*self.fronts, self.admin):
            client.close()


@pytest.fixture(scope="module")
def house(stack):
    names = {"public_url": URL, "token_audience": AUDIENCE}
    with installed_apart(stack, "tokens", gateways=FRONTS, access="closed", **names) as split:
        made = House(split.start())
        yield made
        made.close()


@pytest.fixture
def person(house):
    return Person(house.daybook, house.fronts[0]).verified()


def assert_problem(answer, status, code, what=""):
    assert (answer.status_code, answer.json().get("code")) == (status, code), f"{what}: {answer.status_code} {answer.text}"
    return answer


def signing_keys(daybook):
    """What signs now, and what would if somebody else had a ring."""
    (master,) = vault.ring(daybook.settings["master_key_file"]).values()
    return SigningKey(master, time.time()), SigningKey(bytes(32), time.time())


# ---- access tokens --------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # for "Ed25519", by RFC 9864: RFC 8037's name is ours
def test_a_library_with_the_key_set_verifies_what_fronts_write_and_nothing_else(house, person):
    sets = [front.expect(200, front.get("/.well-known/jwks.json")) for front in house.fronts]
    assert sets[0] == sets[1]
    keys = KeySet.import_key_set(sets[0])
    token = person.logged_in()["access_token"]
    read = jwt.decode(token, keys, algorithms=["EdDSA"])
    assert (read.header["alg"], read.header["typ"]) == ("EdDSA", "at+jwt")
    exact = {
        name: {"essential": True, "value": value} for name, value in {"iss": URL, "aud": AUDIENCE, "sub": person.id}.items()
    }
    jwt.JWTClaimsRegistry(**exact, exp={"essential": True}).validate(read.claims)
    assert read.claims["exp"] - read.claims["iat"] == 600
    assert read.claims["roles"] == []
    _, others = signing_keys(house.daybook)
    header, payload, signature = token.split(".")
    changed = f"{header}.{payload}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    for forged in (
        changed,
        others.signed(claims_of(token)),
        others.signed(claims_of(token), {"alg": "EdDSA", "kid": read.header["kid"]}),
    ):
        with pytest.raises((JoseError, ValueError)):
            jwt.decode(forged, keys, algorithms=["EdDSA"])


def test_of_forged_and_worn_tokens_none_lets_in_and_nothing_is_done(house, person):
    token = person.logged_in()["access_token"]
    key, others = signing_keys(house.daybook)
    assert key.signed(claims_of(token)) == token, "the forger does not know the form: what follows would say nothing"

    def asked(front, headers):
        """Of a route for everybody and of one that is not: read, and done."""
        send = front.http.request
        yield send("GET", PUBLIC, headers=headers)
        yield send("GET", PROTECTED, headers=headers)
        yield send("POST", "/v1/carts", json={"currency": "EUR", "lines": []}, headers=headers)
        yield send("PATCH", "/v1/me", json={"name": "Eve"}, headers=headers)
        yield send("POST", "/v1/api-keys", json={"name": "eve", "roles": [{"role": "admin"}]}, headers=headers)

    effects = ("OpenCart", "ChangeProfile", "CreateApiKey")
    before = house.commands(*effects)
    seen = {}
    for name, code, bad in bad_tokens(key, others, token, int(time.time())):
        told = {
            (answer.status_code, answer.json().get("code"), answer.headers.get("WWW-Authenticate"))
            for front in house.fronts
            for answer in asked(front, {"Authorization": f"Bearer {bad}"})
        }
        if not re.search(r"[ \t;]", bad):
            for front in house.fronts:
                answer = front.http.get(PUBLIC, headers={"Cookie": f"__Host-daybook={bad}"})
                told.add((answer.status_code, answer.json().get("code"), answer.headers.get("WWW-Authenticate")))
                told |= set() if "Max-Age=0" in answer.headers.get("Set-Cookie", "") else {"the cookie is not taken back"}
        if told != {(401, code, 'Bearer error="invalid_token"')}:
            seen[name] = told
    assert not seen
    assert house.commands(*effects) == before
    # And it is by the token: with the true one the same is done, but for what is for others.
    statuses = [answer.status_code for answer in asked(house.fronts[0], {"Authorization": f"Bearer {token}"})]
    assert statuses == [200, 200, 201, 200, 403]
    assert house.commands(*effects) == before + 2


def test_what_is_no_access_token_is_none_whatever_else_it_is_good_for(house, person):
    session = person.logged_in()
    cookies = house.fronts[0].expect(201, person.log_in(cookie=True))
    cart = house.fronts[0].expect(201, house.fronts[0].post("/v1/carts", {"currency": "EUR", "lines": []}))
    good_elsewhere = {
        "a refresh token": session["refresh_token"],
        "a session's csrf token": cookies["csrf_token"],
        "a mail's token": mail_token(house.daybook, "verify", person.id, 1),
        "a cart's token": cart["token"],
        "an id": person.id,
    }
    for what, token in good_elsewhere.items():
        for front in house.fronts:
            answer = front.http.get(PROTECTED, headers={"Authorization": f"Bearer {token}"})
            assert_problem(answer, 401, "invalid_token", what)
    # Nor is an access token anything else.
    for token in (session["access_token"], session["access_token"].partition(".")[0]):
        answer = house.fronts[1].post("/v1/sessions/refresh", {"refresh_token": token})
        assert_problem(answer, *((400, "too_long") if len(token) > 128 else (401, "session_ended")))
    for scheme in ("Basic", "Digest", "DPoP"):
        answer = house.fronts[1].http.get(PUBLIC, headers={"Authorization": f"{scheme} {session['access_token']}"})
        assert_problem(answer, 401, "invalid_token", scheme)


# ---- refresh tokens -------------------------------------------------------------------------------------------------


def bits_of(token):
    """A refresh token's bytes: the customer's 16, session, generation, 24 of a MAC."""
    return bytearray(base64.urlsafe_b64decode(token.removeprefix("drt_")))


def token_of(bits):
    return f"drt_{base64.urlsafe_b64encode(bits).decode()}"


def test_a_refresh_token_that_was_changed_anywhere_is_none_and_ends_nothing(house, person):
    session = person.logged_in()
    other = Person(house.daybook, house.fronts[1]).verified().logged_in()
    mine, theirs = bits_of(session["refresh_token"]), bits_of(other["refresh_token"])
    bad = {}
    for place in (0, 15, 16, 19, 20, 23, 24, 47):  # both ends of each part
        bad[f"a bit of byte {place}"] = bytearray(mine)
        bad[f"a bit of byte {place}"][place] ^= 1
    bad["another customer's name"] = theirs[:16] + mine[16:]
    bad["another customer's MAC"] = mine[:24] + theirs[24:]
    bad["the next generation"] = mine[:20] + (2).to_bytes(4, "big") + mine[24:]
    bad["another session"] = mine[:16] + (2).to_bytes(4, "big") + mine[20:]
    bad["no session"] = mine[:16] + bytes(8) + mine[24:]
    texts = {what: token_of(bits) for what, bits in bad.items()} | {
        "shorter": session["refresh_token"][:-1],
        "without its name": session["refresh_token"][4:],
        "another name": "drx_" + session["refresh_token"][4:],
        "and more": session["refresh_token"] + "A",
    }
    before = house.commands("RefreshSession")
    for what, token in texts.items():
        for front in house.fronts:
            assert_problem(front.post("/v1/sessions/refresh", {"refresh_token": token}), 401, "session_ended", what)
    assert house.commands("RefreshSession") == before
    for one in (session, other):
        assert house.statuses(one["access_token"]) == [200, 200]
        house.fronts[0].expect(200, refresh(house.fronts[0], one))


def test_a_token_that_comes_back_ends_its_family_at_every_front_and_no_other(house, person):
    first, beside = person.logged_in(), person.logged_in()
    second = house.fronts[0].expect(200, refresh(house.fronts[0], first))
    third = house.fronts[1].expect(200, refresh(house.fronts[1], second))
    assert_problem(refresh(house.fronts[0], first), 401, "session_ended")
    for one in (third, second, first):
        assert_problem(house.fronts[0].get(PROTECTED, headers=bearer(one)), 401, "invalid_token")
        assert_out_everywhere(house, one)
    assert_problem(refresh(house.fronts[0], third), 401, "session_ended")
    ended = [event for name, event in house.events(person.id) if name == "SessionEnded"]
    assert [(one["session"], one["reason"]) for one in ended] == [(first["session"], "reused")]
    house.fronts[1].expect(200, refresh(house.fronts[1], beside))


# ---- tokens of mails ------------------------------------------------------------------------------------------------


def test_of_all_tokens_of_mails_one_opens_a_door(house):
    """Each door is tried with the tokens of each use, person and number; its own is the last."""
    front = house.fronts[0]
    verifies = Person(house.daybook, front).registered()
    resets, moves = (Person(house.daybook, front).verified() for _ in range(2))
    session = moves.logged_in()
    body = {"email": f"next.{uuid.uuid4().hex[:8]}@example.org", "password": PASSWORD}
    front.expect(200, front.put("/v1/me/email", body, headers=bearer(session)))
    front.expect(202, front.post("/v1/customers/password-resets", {"email": resets.email}))
    # Nobody is told a position of what was asked for.
    wait_until(lambda: "CustomerPasswordResetRequested" in [name for name, _ in house.events(resets.id)], "the reset")
    wait_until(house.daybook.views_have_seen_all, "the views")
    path = f"/v1/customers/{verifies.id}/verification", f"/v1/customers/{resets.id}/password"
    doors = {
        ("verify", verifies): lambda token: front.post(path[0], {"token": token, "password": PASSWORD}),
        ("reset", resets): lambda token: front.put(path[1], {"token": token, "password": ANOTHER}),
        ("email", moves): lambda token: front.post("/v1/me/email-verification", {"token": token}, headers=bearer(session)),
    }
    for (own_use, own), ask in doors.items():
        for use in ("verify", "reset", "email", "csrf"):
            for one in (verifies, resets, moves):
                for number in (0, 1, 2, 2**31 - 1):
                    if (use, one, number) != (own_use, own, 1):
                        what = f"the door of {own_use} by {use} {number} of {'him' if one is own else 'another'}"
                        assert_problem(ask(mail_token(house.daybook, use, one.id, number)), 401, "invalid_token", what)
        token = mail_token(house.daybook, own_use, own.id, 1)
        assert front.expect(200, ask(token))["id"] == own.id
        assert_problem(ask(token), 401, "invalid_token", f"{own_use} a second time")


# ---- cookies --------------------------------------------------------------------------------------------------------


def test_a_cookie_does_nothing_for_another_session_or_another_page(house, person):
    def opened(one):
        answer = one.log_in(cookie=True)
        csrf = house.fronts[0].expect(201, answer)["csrf_token"]
        pairs = [re.match("[^;]*", cookie)[0] for cookie in answer.headers.get_list("Set-Cookie")]
        return {"Cookie": "; ".join(pairs)}, csrf

    cookies, csrf = opened(person)
    _, of_other_session = opened(person)
    _, of_other = opened(Person(house.daybook, house.fronts[0]).verified())
    assert len({csrf, of_other_session, of_other}) == 3
    strange = {
        "nothing": {},
        "empty": {"Daybook-CSRF": ""},
        "his other session": {"Daybook-CSRF": of_other_session},
        "another customer": {"Daybook-CSRF": of_other},
        "another character": {"Daybook-CSRF": csrf[:-1] + ("B" if csrf[-1] == "A" else "A")},
        "another page": {"Daybook-CSRF": csrf, "Origin": "https://evil.example"},
        "no page": {"Daybook-CSRF": csrf, "Origin": "null"},
        "our page without TLS": {"Daybook-CSRF": csrf, "Origin": URL.replace("https", "http")},
        "a page whose name begins like ours": {"Daybook-CSRF": csrf, "Origin": f"{URL}.evil.example"},
        "a page of our site": {"Daybook-CSRF": csrf, "Origin": "https://blog.shop.example", "Sec-Fetch-Site": "same-site"},
    }
    effects = ("ChangeProfile", "EndSession", "EndSessions", "RefreshSession")
    before = house.commands(*effects)
    requests = [
        ("PATCH", "/v1/me", {"name": "Eve"}),
        ("DELETE", "/v1/sessions/current", None),
        ("DELETE", "/v1/me/sessions", None),
    ]
    requests += [("POST", "/v1/sessions/refresh", None)]
    for what, fields in strange.items():
        for front in house.fronts:
            for method, path, body in requests:
                sent = cookies | fields | {"Idempotency-Key": str(uuid.uuid4())}
                answer = front.http.request(method, path, json=body, headers=sent)
                assert_problem(answer, 403, "csrf_failed", f"{method} {path} by {what}")
    assert house.commands(*effects) == before
    for origin in ({}, {"Origin": URL}):
        answer = house.fronts[1].patch("/v1/me", {"name": "Ada L."}, headers=cookies | origin | {"Daybook-CSRF": csrf})
        assert house.fronts[1].expect(200, answer)["name"] == "Ada L."
    assert house.commands(*effects) == before + 2


# ---- what has ended -------------------------------------------------------------------------------------------------


def assert_out_everywhere(house, session):
    """Within a second, and then for good."""
    token = session["access_token"]
    wait_until(lambda: house.statuses(token) == [401, 401], "all fronts to know", KNOWN_EVERYWHERE_S)
    for path in (PUBLIC, PROTECTED):
        assert house.statuses(token, path) == [401, 401]


def by_roles(house, person, _):
    return house.admin.put(f"/v1/customers/{person.id}/roles", {"roles": [{"role": "support"}]})


def by_his_password(house, person, last):
    return house.fronts[0].put("/v1/me/password", {"current": PASSWORD, "password": ANOTHER}, headers=bearer(last))


def by_a_reset(house, person, _):
    front = house.fronts[0]
    front.expect(202, front.post("/v1/customers/password-resets", {"email": person.email}))
    body = {"token": mail_token(house.daybook, "reset", person.id, 1), "password": ANOTHER}
    path = f"/v1/customers/{person.id}/password"
    # The view has to see what was asked for, and nobody is told its position.
    return wait_until(lambda: (answer := front.put(path, body)).status_code != 401 and answer, "the token being good")


def by_all_others(house, person, last):
    return house.fronts[0].delete("/v1/me/sessions", headers=bearer(last))


def by_himself(house, person, last):
    headers = bearer(last) | {"Prefer": "wait=60"}
    return house.fronts[0].command("DELETE", "/v1/me", {"password": PASSWORD}, headers=headers)


def by_the_house(house, person, _):
    return house.admin.delete(f"/v1/customers/{person.id}", headers={"Prefer": "wait=60"})


@pytest.mark.parametrize(
    ("end", "goes_on"),
    [
        (by_roles, False),
        (by_his_password, True),
        (by_a_reset, False),
        (by_all_others, True),
        (by_himself, False),
        (by_the_house, False),
    ],
)
def test_what_ends_sessions_ends_their_tokens_at_every_front(house, person, end, goes_on):
    sessions = [person.logged_in() for _ in range(3)]
    renewed = house.fronts[1].expect(200, refresh(house.fronts[1], sessions[0]))
    last = sessions[-1]
    tokens = [renewed, sessions[0], sessions[1], last]
    for one in tokens:
        assert house.statuses(one["access_token"], PROTECTED) == [200, 200]
    house.admin.position = house.fronts[0].position
    answer = end(house, person, last)
    assert answer.status_code == 200, answer.text
    for one in tokens[:-1] if goes_on else tokens:
        assert_out_everywhere(house, one)
    for one in (renewed, sessions[1]) if goes_on else (renewed, sessions[1], last):
        for front in house.fronts:
            assert_problem(refresh(front, one), 401, "session_ended")
    if goes_on:
        assert house.statuses(last["access_token"], PROTECTED) == [200, 200]
        house.fronts[1].expect(200, refresh(house.fronts[1], last))


# ---- keys -----------------------------------------------------------------------------------------------------------


def test_a_key_that_is_none_any_more_does_nothing(house):
    shop = Shop(house.admin)
    sku = f"TOKENS-{uuid.uuid4().hex[:6]}"
    shop.sells(sku, 500, 3)
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4))
    expired = house.key(expires_at=until)["secret"]
    revoked, rotated, good = house.key(), house.key(), house.key()["secret"]
    house.admin.expect(200, house.admin.delete(f"/v1/api-keys/{revoked['id']}"))
    path = f"/v1/api-keys/{rotated['id']}/rotate"
    second = house.admin.expect(200, house.admin.post(path, {"grace_s": 1}))["secret"]
    number = (3).to_bytes(4, "big")  # the generation that a further rotation would give
    unborn = vault.keyed_hash(
        house.daybook.directory.joinpath("secret").read_bytes(), b"api key", b"", rotated["id"].encode(), number
    )
    bad = {
        "revoked": revoked["secret"],
        "rotated": rotated["secret"],
        "expired": expired,
        "not yet made": f"{second[:31]}{base64.urlsafe_b64encode(unborn).rstrip(b'=').decode()}",
        "another key's secret": good[:31] + second[31:],
        "a character changed": good[:40] + ("B" if good[40] == "A" else "A") + good[41:],
        "in another case": good.lower() if good != good.lower() else good.upper(),
        "as if it were a session's": good.replace("dbk_", "drt_"),
    }
    wait_until(lambda: all(house.statuses(key) == [401, 401] for key in bad.values()), "the end of all", 10)
    before = house.commands("ReceiveStock")
    receipt = {"location": "main", "quantity": 1}

    def asked(front, key):
        headers = {"Authorization": f"Bearer {key}"}
        yield front.http.get(f"/v1/stock/{sku}", headers=headers)
        yield front.http.get(f"/v1/stock/{sku}/movements", headers=headers)
        sent = headers | {"Idempotency-Key": str(uuid.uuid4())}
        yield front.http.post(f"/v1/stock/{sku}/receipts", json=receipt, headers=sent)

    for what, key in bad.items():
        for front in house.fronts:
            for answer in asked(front, key):
                assert_problem(answer, 401, "invalid_token", what)
    assert house.commands("ReceiveStock") == before
    for front in house.fronts:
        for key in (good, second):
            assert [answer.status_code for answer in asked(front, key)] == [200] * 3
    assert house.commands("ReceiveStock") == before + 4
