"""Where roles need a second factor (staff_second_factor = required): who has a role and no authenticator is a customer, who can get
one, and comes in by it as what he is."""

import pytest
from harness.daybook import Daybook
from harness.house import House, code_of, next_code, people
from harness.person import PASSWORD, refresh
from harness.waiting import wait_until

ANOTHER = "another sentence of mine"


@pytest.fixture(scope="module")
def house(stack):
    daybook = Daybook(stack, name="second_factor", access="closed", staff_second_factor="required")
    try:
        yield House(daybook.install().start())
    finally:
        daybook.discard()


@pytest.fixture
def me(house):
    person = house.someone()
    yield person
    person.close()


def assert_lacks_factor(answer):
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required"), answer.text


def becomes(house, person, *roles):
    """His sessions end with it."""
    house.admin.expect(200, house.admin.put(f"/v1/customers/{person.id}/roles", {"roles": list(roles)}))


def comes_in(person, **more):
    person.session = person.client.expect(201, person.log_in(**more))
    person.client.http.headers["Authorization"] = f"Bearer {person.session['access_token']}"
    return person.session


def gets_an_authenticator(person):
    """Its secret, a code that was used, and recovery codes."""
    secret = person.client.expect(200, person.client.post("/v1/me/totp", {"password": person.password}))["secret"]
    used = code_of(secret)
    return secret, used, person.client.expect(200, person.client.put("/v1/me/totp", {"code": used}))["recovery_codes"]


def test_a_role_counts_once_an_authenticator_is_there_and_a_code_was_given(house, me):
    assert me.session["second_factor_required"] is False  # he has no role
    assert me.client.get("/v1/customers").json()["code"] == "forbidden"
    becomes(house, me, {"role": "support"})
    assert comes_in(me)["second_factor_required"] is True
    assert_lacks_factor(me.client.get("/v1/customers"))
    assert me.client.get("/v1/api-keys").json()["code"] == "forbidden"  # that is not for his role either
    me.client.expect(200, me.client.get("/v1/me"))
    assert me.client.get(f"/v1/customers/{'cus_' + '0' * 26}").json()["code"] == "unknown_customer"  # he sees himself alone
    secret, used, codes = gets_an_authenticator(me)
    assert_lacks_factor(me.client.get("/v1/customers"))
    renewed = me.client.expect(200, refresh(me.doors, me.session))
    assert renewed["second_factor_required"] is True  # the session was opened without
    assert comes_in(me, code=next_code(secret, [used]))["second_factor_required"] is False
    me.client.expect(200, me.client.get("/v1/customers"))
    # So it is after a refresh, and with a recovery code, and no more without the authenticator.
    session = me.client.expect(200, refresh(me.doors, me.session))
    assert session["second_factor_required"] is False
    me.client.http.headers["Authorization"] = f"Bearer {session['access_token']}"
    me.client.expect(200, me.client.get("/v1/customers"))
    assert comes_in(me, code=codes[0])["second_factor_required"] is False
    me.client.expect(200, me.client.get("/v1/customers"))
    me.client.expect(200, me.client.command("DELETE", "/v1/me/totp", {"password": PASSWORD, "code": codes[1]}))
    assert me.client.expect(200, refresh(me.doors, me.session))["second_factor_required"] is True


def test_a_vendor_without_one_touches_no_goods(house, me):
    becomes(house, me, {"role": "vendor", "vendor": "Leaf"})
    comes_in(me)
    draft = {"title": "A draft", "variants": [{"sku": f"draft-{me.id[-8:]}", "price": {"amount": 100, "currency": "EUR"}}]}
    assert_lacks_factor(me.client.post("/v1/products", draft))
    _, _, codes = gets_an_authenticator(me)
    comes_in(me, code=codes[0])
    me.client.expect(201, me.client.post("/v1/products", draft))


def test_the_first_admin_sets_a_password_gets_an_authenticator_and_is_one(house, me):
    me.email, me.password = "ada@example.org", people(house.daybook, "admin", "ada@example.org")
    session = wait_until(lambda: (answer := me.log_in()).status_code == 201 and answer.json(), "a login")
    assert session["password_change_required"] is True
    once = {"Authorization": f"Bearer {session['access_token']}"}
    changed = me.client.put("/v1/me/password", {"current": me.password, "password": ANOTHER}, headers=once)
    me.client.expect(200, changed)
    me.password = ANOTHER
    assert comes_in(me)["second_factor_required"] is True
    assert_lacks_factor(me.client.get("/v1/api-keys"))
    _, _, codes = gets_an_authenticator(me)
    comes_in(me, code=codes[0])
    me.client.expect(200, me.client.get("/v1/api-keys"))


def test_keys_are_no_sessions(house):
    house.admin.expect(200, house.admin.get("/v1/customers"))
