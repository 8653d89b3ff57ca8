"""One's own things over HTTP: what somebody says of himself, how he proves to be himself, what he takes along, and his end."""

import json
import uuid

import httpx
import pytest
from harness.client import Client
from harness.daybook import Daybook
from harness.house import House, code_of, next_code, people
from harness.person import PASSWORD, Person, bearer, mail_token, refresh
from harness.shop import Shop
from harness.waiting import wait_until

ADDRESS = {"recipient": "Ada", "street": ["At the mill 1"], "postcode": "34117", "city": "Kassel", "country": "DE"}
ANOTHER = "another sentence of mine"


@pytest.fixture(scope="module")
def house(stack):
    daybook = Daybook(stack, name="me", access="closed")
    try:
        yield House(daybook.install().start())
    finally:
        daybook.discard()


@pytest.fixture
def me(house):
    person = house.someone()
    yield person
    person.close()


def assert_problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code, answer.text
    return answer


def mine(person):
    return person.client.expect(200, person.client.get("/v1/me"))


# ---- what somebody says of himself ----------------------------------------------------------------------------------


def test_a_person_sees_and_changes_himself_and_nobody_changes_what_he_has_not_read(me):
    answer = me.client.get("/v1/me")
    seen = me.client.expect(200, answer)
    assert (seen["id"], seen["email"], seen["name"], seen["addresses"]) == (me.id, me.email, "Ada", [])
    assert answer.headers["Cache-Control"] == "no-store"
    etag = answer.headers["ETag"]
    assert etag == f'"{seen["version"]}"'
    changed = me.client.patch("/v1/me", {"name": "Ada L."}, headers={"If-Match": etag})
    assert me.client.expect(200, changed)["name"] == "Ada L."
    assert changed.json()["email"] == me.email  # the whole document, opened
    assert_problem(me.client.patch("/v1/me", {"name": "Eve"}, headers={"If-Match": etag}), 412, "version_mismatch")
    assert mine(me)["name"] == "Ada L."
    assert_problem(me.client.patch("/v1/me", {}), 422, "nothing_to_change")
    again = me.client.get("/v1/me", headers={"If-None-Match": changed.headers["ETag"]})
    assert again.status_code == 304


def test_a_change_that_is_sent_again_is_the_same_one(me):
    key = str(uuid.uuid4())
    first, second = (me.client.post("/v1/me/addresses", {"address": ADDRESS}, key=key) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(mine(me)["addresses"]) == 1


def test_addresses_are_kept_changed_and_removed(me):
    answer = me.client.post("/v1/me/addresses", {"address": ADDRESS})
    kept = me.client.expect(201, answer)["addresses"]
    assert kept == [{"id": kept[0]["id"], "address": ADDRESS}]
    path = f"/v1/me/addresses/{kept[0]['id']}"
    assert answer.headers["Location"] == path
    moved = ADDRESS | {"street": ["At the market 2"]}
    assert me.client.expect(200, me.client.put(path, {"address": moved}))["addresses"][0]["address"] == moved
    listed = me.client.expect(200, me.client.get("/v1/me/addresses"))
    assert listed == {"items": [{"id": kept[0]["id"], "address": moved}], "next_cursor": None}
    assert me.client.expect(200, me.client.delete(path))["addresses"] == []
    assert_problem(me.client.delete(path), 404, "unknown_address")
    assert_problem(me.client.put(path, {"address": moved}), 404, "unknown_address")
    assert_problem(me.client.delete("/v1/me/addresses/NO"), 404, "malformed_id")


@pytest.mark.parametrize(
    "change,code,pointer",
    [
        ({"planet": "Earth"}, "unknown_field", "/address/planet"),
        ({"street": []}, "too_few_items", "/address/street"),
        ({"country": "Germany"}, "too_long", "/address/country"),
        ({"phone": None}, "wrong_type", "/address/phone"),
    ],
)
def test_what_is_no_address_is_pointed_at(me, change, code, pointer):
    answer = assert_problem(me.client.post("/v1/me/addresses", {"address": ADDRESS | change}), 400, code)
    assert answer.json()["pointer"] == pointer
    assert mine(me)["addresses"] == []


def test_consents_are_given_and_taken_back(me):
    for granted in (True, False):
        said = me.client.expect(200, me.client.put("/v1/me/consents/newsletter", {"granted": granted}))["consents"]
        assert [(one["purpose"], one["granted"]) for one in said] == [("newsletter", granted)]


# ---- whose things are -----------------------------------------------------------------------------------------------


def test_of_others_a_person_hears_nothing_and_a_service_less(house, me):
    other = house.someone()
    client = other.client
    path = f"/v1/customers/{me.id}"
    nobody = client.get("/v1/customers/cus_01KB3Q6ZK8M2V9T4R7X5N1C0HD")
    told = client.get(path)
    assert_problem(told, 404, "unknown_customer")
    assert_problem(nobody, 404, "unknown_customer")
    assert told.json() | {"trace_id": ""} == nobody.json() | {"trace_id": ""}
    assert sorted(told.headers) == sorted(nobody.headers)
    assert client.expect(200, client.get(f"/v1/customers/{other.id}"))["email"] == other.email
    service = house.service()
    with httpx.Client(base_url=house.daybook.url, headers=service) as http:
        for at in (path, "/v1/me", "/v1/me/export", f"{path}/export"):
            assert_problem(http.get(at), 403, "forbidden")
        assert_problem(http.delete("/v1/me"), 403, "forbidden")
    assert_problem(client.get(f"{path}/export"), 403, "forbidden")
    other.close()
    with httpx.Client(base_url=house.daybook.url) as http:
        for at in ("/v1/me", "/v1/me/sessions", "/v1/me/addresses", "/v1/me/export"):
            assert_problem(http.get(at), 401, "unauthenticated")


def test_what_became_of_a_command_is_told_to_whose_it_is(house, me):
    answer = me.client.patch("/v1/me", {"name": "Later"}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    location = answer.headers["Location"]
    told = wait_until(lambda: (seen := me.client.get(location)).status_code == 200 and seen, "the outcome")
    assert told.json()["id"] == me.id
    assert "name" not in told.json()  # nothing is opened there
    other = house.someone()
    assert other.client.expect(200, other.client.get(location))["status"] == "decided"
    other.close()


def test_other_roles_end_what_let_in_before(house, me):
    assert_problem(me.client.get("/v1/customers"), 403, "forbidden")
    house.admin.expect(200, house.admin.put(f"/v1/customers/{me.id}/roles", {"roles": [{"role": "support"}]}))
    assert_problem(me.client.get("/v1/me"), 401, "invalid_token")  # at once, at the front that did it
    me.comes_in()
    assert me.client.get("/v1/customers").status_code == 200
    assert mine(me)["roles"] == [{"role": "support"}]


# ---- sessions -------------------------------------------------------------------------------------------------------


def test_a_person_sees_where_he_is_logged_in_and_ends_it(me):
    second = me.logged_in()
    listed = me.client.expect(200, me.client.get("/v1/me/sessions"))
    assert [(one["session"], one["current"]) for one in listed["items"]] == [
        (second["session"], False),
        (me.session["session"], True),
    ]
    assert all(one["client"].startswith("127.0.0.1") for one in listed["items"])
    me.client.expect(200, me.client.delete(f"/v1/me/sessions/{second['session']}"))
    assert me.doors.get("/v1/products", headers=bearer(second)).status_code == 401
    assert_problem(refresh(me.doors, second), 401, "session_ended")
    assert_problem(me.client.delete("/v1/me/sessions/99"), 404, "unknown_session")
    assert_problem(me.client.delete("/v1/me/sessions/x"), 404, "malformed_id")


def test_all_others_are_ended_and_the_one_that_asks_stays(me):
    others = [me.logged_in() for _ in range(3)]
    me.client.expect(200, me.client.delete("/v1/me/sessions"))
    for other in others:
        assert me.doors.get("/v1/products", headers=bearer(other)).status_code == 401
    listed = me.client.expect(200, me.client.get("/v1/me/sessions"))
    assert [one["session"] for one in listed["items"]] == [me.session["session"]]


# ---- proving to be oneself ------------------------------------------------------------------------------------------


def test_a_password_is_changed_by_the_one_before_and_the_session_that_asks_stays(me):
    other = me.logged_in()
    wrong = {"current": "not my sentence", "password": ANOTHER}
    assert_problem(me.client.put("/v1/me/password", wrong), 401, "invalid_credentials")
    for password, code in (("short", "password_too_short"), (me.email, "password_known")):
        assert_problem(me.client.put("/v1/me/password", {"current": PASSWORD, "password": password}), 422, code)
    key = str(uuid.uuid4())
    body = {"current": PASSWORD, "password": ANOTHER}
    first = me.client.put("/v1/me/password", body, key=key)
    assert me.client.expect(200, first)["status"] == "active"
    again = me.client.put("/v1/me/password", body, key=key)  # the answer may have got lost, and the old one is none by now
    assert first.content == again.content and again.headers["Idempotent-Replayed"] == "true"
    assert me.client.get("/v1/me").status_code == 200
    assert me.doors.get("/v1/products", headers=bearer(other)).status_code == 401
    assert_problem(me.log_in(), 401, "invalid_credentials")
    assert me.log_in(password=ANOTHER).status_code == 201


def test_an_address_is_changed_once_its_mailbox_is_proved(house, me):
    email = f"new.{uuid.uuid4().hex[:8]}@example.org"
    body = {"email": email, "password": PASSWORD}
    assert_problem(me.client.put("/v1/me/email", body | {"password": "not my sentence"}), 401, "invalid_credentials")
    me.client.expect(200, me.client.put("/v1/me/email", body))
    seen = mine(me)
    assert (seen["email"], seen["pending_email"]) == (me.email, email)
    token = mail_token(house.daybook, "email", me.id, 1)
    thief = house.someone()
    assert_problem(thief.client.post("/v1/me/email-verification", {"token": token}), 401, "invalid_token")
    thief.close()
    me.client.expect(200, me.client.post("/v1/me/email-verification", {"token": token}))
    seen = mine(me)
    assert seen["email"] == email and "pending_email" not in seen
    assert_problem(me.log_in(), 401, "invalid_credentials")
    me.email = email
    assert me.log_in().status_code == 201


def test_a_one_time_password_can_only_be_changed(stack):
    daybook = Daybook(stack, name="once", access="closed")
    try:
        daybook.install().start()
        once = people(daybook, "admin", "ada@example.org")
        with daybook.client() as client:
            body = {"email": "ada@example.org", "password": once}
            session = wait_until(lambda: (a := client.post("/v1/sessions", body)).status_code == 201 and a.json(), "a login")
            assert session["password_change_required"] is True
            headers = bearer(session)
            for at in ("/v1/me", "/v1/customers", "/v1/me/export", "/v1/products"):
                assert_problem(client.get(at, headers=headers), 403, "password_change_required")
            assert_problem(client.patch("/v1/me", {"name": "A"}, headers=headers), 403, "password_change_required")
            changed = client.put("/v1/me/password", {"current": once, "password": ANOTHER}, headers=headers)
            client.expect(200, changed)
            # The token still says what it said; the next one does not.
            assert_problem(client.get("/v1/me", headers=headers), 403, "password_change_required")
            renewed = client.expect(200, refresh(client, session))
            assert renewed["password_change_required"] is False
            seen = client.expect(200, client.get("/v1/me", headers=bearer(renewed)))
            assert seen["roles"] == [{"role": "admin"}]
            assert client.get("/v1/customers", headers=bearer(renewed)).status_code == 200
    finally:
        daybook.discard()


# ---- authenticators -------------------------------------------------------------------------------------------------


def test_an_authenticator_is_begun_confirmed_used_and_ended(me):
    assert_problem(me.client.post("/v1/me/totp", {"password": "not my sentence"}), 401, "invalid_credentials")
    key = str(uuid.uuid4())
    begun = me.client.post("/v1/me/totp", {"password": PASSWORD}, key=key)
    secret = me.client.expect(200, begun)["secret"]
    assert begun.json()["uri"].startswith("otpauth://totp/") and f"secret={secret}" in begun.json()["uri"]
    assert me.client.post("/v1/me/totp", {"password": PASSWORD}, key=key).content == begun.content
    assert me.log_in().status_code == 201  # nothing is asked for yet
    assert_problem(me.client.put("/v1/me/totp", {"code": "000000x"}), 401, "code_required")
    used = [code_of(secret)]
    key = str(uuid.uuid4())
    confirmed = me.client.put("/v1/me/totp", {"code": used[0]}, key=key)
    codes = me.client.expect(200, confirmed)["recovery_codes"]
    assert len(set(codes)) == 10
    assert me.client.put("/v1/me/totp", {"code": used[0]}, key=key).content == confirmed.content
    assert_problem(me.client.put("/v1/me/totp", {"code": used[0]}), 409, "totp_state")
    assert mine(me)["totp"] == "on"
    # From now on a login asks for a code, each of which is good once.
    assert_problem(me.log_in(), 401, "code_required")
    assert_problem(me.log_in(code=used[0]), 401, "invalid_credentials")
    used.append(next_code(secret, used))
    assert me.log_in(code=used[-1]).status_code == 201
    assert me.log_in(code=codes[0]).status_code == 201
    assert_problem(me.log_in(code=codes[0]), 401, "invalid_credentials")
    # And so is it ended: by password and a code, here a recovery code.
    path = "/v1/me/totp"
    wrong = {"password": PASSWORD, "code": codes[0]}
    assert_problem(me.client.command("DELETE", path, wrong), 401, "invalid_credentials")
    wrong = {"password": "not my sentence", "code": codes[1]}
    assert_problem(me.client.command("DELETE", path, wrong), 401, "invalid_credentials")
    me.client.expect(200, me.client.command("DELETE", path, {"password": PASSWORD, "code": codes[1]}))
    assert mine(me)["totp"] == "off"
    assert me.log_in().status_code == 201


def test_with_an_authenticator_password_and_address_are_changed_by_a_code_as_well(me):
    secret = me.client.expect(200, me.client.post("/v1/me/totp", {"password": PASSWORD}))["secret"]
    used = code_of(secret)
    codes = me.client.expect(200, me.client.put("/v1/me/totp", {"code": used}))["recovery_codes"]
    email = {"email": f"new.{uuid.uuid4().hex[:8]}@example.org", "password": PASSWORD}
    password = {"current": PASSWORD, "password": ANOTHER}
    for path, body in (("/v1/me/email", email), ("/v1/me/password", password)):
        refused = assert_problem(me.client.put(path, body), 401, "code_required")
        assert refused.json()["pointer"] == "/code"
        assert_problem(me.client.put(path, body | {"code": used}), 401, "invalid_credentials")
        assert_problem(me.client.put(path, body | {"code": "000000x"}), 401, "invalid_credentials")
    seen = mine(me)
    assert (seen["email"], "pending_email" in seen) == (me.email, False)
    me.client.expect(200, me.client.put("/v1/me/email", email | {"code": codes[0]}))
    assert_problem(me.client.put("/v1/me/password", password | {"code": codes[0]}), 401, "invalid_credentials")
    me.client.expect(200, me.client.put("/v1/me/password", password | {"code": next_code(secret, [used])}))
    assert me.log_in(password=ANOTHER, code=codes[1]).status_code == 201


def test_a_reset_leaves_the_authenticator_on(house, me):
    secret = me.client.expect(200, me.client.post("/v1/me/totp", {"password": PASSWORD}))["secret"]
    me.client.expect(200, me.client.put("/v1/me/totp", {"code": code_of(secret)}))
    me.client.expect(202, me.doors.post("/v1/customers/password-resets", {"email": me.email}))
    body = {"token": mail_token(house.daybook, "reset", me.id, 1), "password": ANOTHER}
    path = f"/v1/customers/{me.id}/password"
    # The view has to see what was asked for, and nobody is told its position.
    wait_until(lambda: me.doors.put(path, body).status_code == 200, "the token being good")
    me.client.position = me.doors.position
    assert_problem(me.log_in(password=ANOTHER), 401, "code_required")


# ---- taking it along ------------------------------------------------------------------------------------------------


def bought_by(person, sku):
    cart = person.client.expect(
        201, person.client.post("/v1/carts", {"currency": "EUR", "lines": [{"sku": sku, "quantity": 1}], "reference": sku})
    )
    body = {"payment": {"provider": "test", "method": "approve"}, "email": person.email}
    return cart["id"], person.client.expect(201, person.client.post(f"/v1/carts/{cart['id']}/checkout", body))["id"]


def exported(client, path="/v1/me/export"):
    answer = client.get(path)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="cus_')
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    return json.loads(answer.text)


def test_an_export_holds_all_that_was_put_in_and_nothing_of_others(house):
    shop = Shop(house.admin)
    found = {}
    for name in ("mine", "theirs"):
        sku = f"canary-{name}-sku"
        shop.sells(sku, 500, 10)
        person = house.someone(email=f"canary.{name}.{uuid.uuid4().hex[:6]}@example.org")
        client = person.client
        client.position = house.admin.position
        client.expect(200, client.patch("/v1/me", {"name": f"canary {name} name"}))
        client.expect(201, client.post("/v1/me/addresses", {"address": ADDRESS | {"recipient": f"canary {name} address"}}))
        client.expect(200, client.put(f"/v1/me/consents/canary-{name}-purpose", {"granted": True}))
        person.doors.http.headers["User-Agent"] = f"canary {name} agent"
        person.logged_in()
        cart, order = bought_by(person, sku)
        found[name] = (person, cart, order)
    person, cart, order = found["mine"]
    export = exported(person.client)
    assert export["complete"] is True
    text = json.dumps(export)
    for canary in (
        person.id,
        person.email,
        "canary mine name",
        "canary mine address",
        "canary-mine-purpose",
        "canary mine agent",
        "canary-mine-sku",
        cart,
        order,
    ):
        assert canary in text, canary
    assert "theirs" not in text and found["theirs"][0].id not in text
    assert "argon2id" not in text and PASSWORD not in text
    assert [one["id"] for one in export["orders"]] == [order]
    assert [one["id"] for one in export["carts"]] == [cart]
    assert len(export["sessions"]) == 2
    assert [one["type"] for one in export["history"]][:3] == [
        "CustomerRegistered",
        "CustomerVerificationRequested",
        "CustomerVerificationProved",
    ]
    # The house can take it along for him, and that is written down, without what it was.
    for_him = exported(house.admin, f"/v1/customers/{person.id}/export")
    assert for_him | {"exported_at": ""} == export | {"exported_at": ""}
    lines = [line for line in house.daybook.service.log().splitlines() if "a customer was exported" in line]
    assert len(lines) == 1 and person.id in lines[0] and "admin:key_" in lines[0]
    assert "canary" not in lines[0]
    for one, _, _ in found.values():
        one.close()


# ---- the end --------------------------------------------------------------------------------------------------------


def test_who_has_himself_erased_is_gone(house, me):
    me.client.expect(201, me.client.post("/v1/me/addresses", {"address": ADDRESS}))
    assert_problem(me.client.command("DELETE", "/v1/me"), 400, "missing_field")
    assert_problem(me.client.command("DELETE", "/v1/me", {"password": "not my sentence"}), 401, "invalid_credentials")
    answer = me.client.command("DELETE", "/v1/me", {"password": PASSWORD}, headers={"Prefer": "wait=60"})
    assert me.client.expect(200, answer)["status"] == "erased"
    assert_problem(me.client.get("/v1/me"), 401, "invalid_token")
    assert_problem(me.log_in(), 401, "invalid_credentials")
    assert_problem(refresh(me.doors, me.session), 401, "session_ended")
    seen = wait_until(
        lambda: (one := house.admin.expect(200, house.admin.get(f"/v1/customers/{me.id}")))["status"] == "erased" and one,
        "the view having seen it",
    )
    assert "email" not in seen and "addresses" not in seen
    # The address is anybody's again.
    client = Client(house.daybook.url)
    again = Person(house.daybook, client, email=me.email).verified()
    assert again.id != me.id
    client.close()
