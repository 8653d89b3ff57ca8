"""Answers to people, and about them and keys, are as /openapi.json says: every answer of walks through the life of a person and
of a key is held against the schema of its route, and every example of a command is sent."""

import pytest
from harness.client import Client
from harness.daybook import Daybook
from harness.described import Described
from harness.house import House, Me, code_of
from harness.person import PASSWORD, bearer, mail_token, refresh
from harness.waiting import wait_until

ADDRESS = {"recipient": "Ada", "street": ["At the mill 1"], "postcode": "34117", "city": "Kassel", "country": "DE"}
ANOTHER = "another sentence of mine"
NOBODY = "cus_01KB3Q6ZK8M2V9T4R7X5N1C0HD"


@pytest.fixture(scope="module")
def house(stack):
    daybook = Daybook(stack, name="openapi_people", access="closed")
    try:
        yield House(daybook.install().start())
    finally:
        daybook.discard()


@pytest.fixture
def described(house):
    return Described(house.admin.expect(200, house.admin.http.get("/openapi.json")))


@pytest.fixture
def admin(house, described):
    with Client(house.daybook.url) as client:
        client.http.headers.update(house.admin.http.headers)
        described.watch(client)
        yield client


@pytest.fixture
def someone(house, described):
    """Makes people of whom every answer is looked at; they are nobody yet."""
    made = []

    def make(**more):
        person = Me(house.daybook, **more)
        described.watch(person.client)
        described.watch(person.doors)
        made.append(person)
        return person

    yield make
    for person in made:
        person.close()


# ---- every answer ---------------------------------------------------------------------------------------------------


def walk_in(me):
    """He registers, proves his mailbox, and comes in by every door."""
    me.doors.expect(400, me.doors.post("/v1/customers", {"email": "no address", "password": PASSWORD}))
    me.doors.expect(422, me.doors.post("/v1/customers", {"email": me.email, "password": "short"}))
    me.registered()
    me.doors.expect(401, me.verify(number=2))
    me.doors.expect(200, me.verify())
    me.doors.expect(401, me.log_in(password="not my sentence"))
    me.doors.expect(201, me.log_in(cookie=True))
    me.comes_in()
    other = me.logged_in()
    me.doors.expect(400, me.doors.http.post("/v1/sessions/refresh", json={"refresh_token": other["refresh_token"]}))
    renewed = me.doors.expect(200, refresh(me.doors, other))
    me.doors.expect(401, refresh(me.doors, other))  # a token that comes back
    me.doors.expect(401, refresh(me.doors, renewed))
    last = me.logged_in()
    me.doors.expect(200, me.doors.delete("/v1/sessions/current", headers=bearer(last)))
    me.doors.expect(401, me.doors.delete("/v1/sessions/current", headers=bearer(last)))
    me.client.position = me.doors.position


def walk_things(me, cookie):
    """What he says of himself, where he is logged in, and what he takes along."""
    client = me.client
    me.doors.expect(401, me.doors.get("/v1/me"))
    me.doors.expect(401, me.doors.get("/v1/me", headers={"Cookie": f"{cookie}=none"}))
    seen = client.get("/v1/me")
    client.expect(200, seen)
    client.expect(200, client.patch("/v1/me", {"name": "Ada L."}, headers={"If-Match": seen.headers["ETag"]}))
    client.expect(412, client.patch("/v1/me", {"name": "Eve"}, headers={"If-Match": seen.headers["ETag"]}))
    client.expect(422, client.patch("/v1/me", {}))
    pending = client.patch("/v1/me", {"name": "Ada"}, headers={"Prefer": "respond-async"})
    client.expect(202, pending)
    wait_until(lambda: client.get(pending.headers["Location"]).status_code == 200, "the outcome")

    kept = client.post("/v1/me/addresses", {"address": ADDRESS})
    client.expect(201, kept)
    path = kept.headers["Location"]
    client.expect(200, client.put(path, {"address": ADDRESS | {"label": "home"}}))
    client.expect(200, client.get("/v1/me/addresses"))
    client.expect(400, client.post("/v1/me/addresses", {"address": ADDRESS | {"street": []}}))
    client.expect(200, client.put("/v1/me/consents/newsletter", {"granted": True}))
    client.expect(200, client.get("/v1/me"))
    client.expect(200, client.get("/v1/me/export"))
    client.expect(200, client.delete(path))
    client.expect(404, client.delete(path))

    other = me.logged_in()
    client.expect(200, client.get("/v1/me/sessions"))
    client.expect(200, client.delete(f"/v1/me/sessions/{other['session']}"))
    client.expect(404, client.delete("/v1/me/sessions/99"))
    client.expect(200, client.delete("/v1/me/sessions"))
    client.expect(200, client.get(f"/v1/customers/{me.id}"))
    client.expect(404, client.get(f"/v1/customers/{NOBODY}"))
    client.expect(403, client.get("/v1/customers"))


def walk_proofs(house, me):
    """He gets an authenticator and is rid of it, another address, another password, and one by mail."""
    client = me.client
    client.expect(401, client.post("/v1/me/totp", {"password": "not my sentence"}))
    secret = client.expect(200, client.post("/v1/me/totp", {"password": PASSWORD}))["secret"]
    used = code_of(secret)
    codes = client.expect(200, client.put("/v1/me/totp", {"code": used}))["recovery_codes"]
    client.expect(409, client.put("/v1/me/totp", {"code": used}))
    client.expect(200, client.get("/v1/me"))
    me.doors.expect(401, me.log_in())
    client.expect(200, client.command("DELETE", "/v1/me/totp", {"password": PASSWORD, "code": codes[0]}))

    me.email = f"new.{me.email}"
    client.expect(200, client.put("/v1/me/email", {"email": me.email, "password": PASSWORD}))
    client.expect(200, client.get("/v1/me"))
    client.expect(401, client.post("/v1/me/email-verification", {"token": mail_token(house.daybook, "email", NOBODY, 1)}))
    token = mail_token(house.daybook, "email", me.id, 1)
    client.expect(200, client.post("/v1/me/email-verification", {"token": token}))

    client.expect(422, client.put("/v1/me/password", {"current": PASSWORD, "password": "short"}))
    client.expect(200, client.put("/v1/me/password", {"current": PASSWORD, "password": ANOTHER}))
    me.doors.expect(202, me.doors.post("/v1/customers/password-resets", {"email": me.email}))
    wait_until(house.daybook.views_have_seen_all, "the view having seen it")  # nobody is told its position
    path = f"/v1/customers/{me.id}/password"
    me.doors.expect(401, me.doors.put(path, {"token": token, "password": PASSWORD}))
    token = mail_token(house.daybook, "reset", me.id, 1)
    me.doors.expect(200, me.doors.put(path, {"token": token, "password": PASSWORD}))
    client.position = me.doors.position
    me.comes_in()


def walk_house(admin, me):
    """Who helps finds him, gives him a role, and lets him in again."""
    path = f"/v1/customers/{me.id}"
    secret = me.client.expect(200, me.client.post("/v1/me/totp", {"password": PASSWORD}))["secret"]
    me.client.expect(200, me.client.put("/v1/me/totp", {"code": code_of(secret)}))
    admin.position = me.client.position
    admin.expect(200, admin.get("/v1/customers?limit=1"))
    admin.expect(400, admin.get("/v1/customers?limit=0"))
    assert len(admin.expect(200, admin.post("/v1/customers/lookup", {"email": me.email}))["items"]) == 1
    assert admin.expect(200, admin.post("/v1/customers/lookup", {"email": "eve@example.org"}))["items"] == []
    admin.expect(400, admin.post("/v1/customers/lookup", {"email": "eve"}))
    read = admin.get(path)
    admin.expect(200, read)
    assert admin.get(path, headers={"If-None-Match": read.headers["ETag"]}).status_code == 304
    admin.expect(404, admin.get(f"/v1/customers/{NOBODY}"))
    admin.expect(200, admin.get(f"{path}/export"))
    admin.expect(404, admin.get(f"/v1/customers/{NOBODY}/export"))
    admin.expect(200, admin.put(f"{path}/roles", {"roles": [{"role": "vendor", "vendor": "Leaf"}, {"role": "support"}]}))
    admin.expect(422, admin.put(f"{path}/roles", {"roles": [{"role": "king"}]}))
    me.doors.expect(401, me.log_in(password="not my sentence"))
    admin.expect(200, admin.post(f"{path}/unlock"))
    admin.expect(404, admin.post(f"/v1/customers/{NOBODY}/unlock"))
    admin.expect(200, admin.delete(f"{path}/totp"))
    admin.expect(409, admin.delete(f"{path}/totp"))
    admin.expect(200, admin.delete(f"{path}/sessions"))
    admin.expect(404, admin.delete(f"/v1/customers/{NOBODY}/sessions"))
    admin.expect(400, admin.post(f"{path}/suspend", {"reason": "He was robbed."}))
    assert admin.expect(200, admin.post(f"{path}/suspend", {"reason": "robbed"}))["suspended_for"] == "robbed"
    me.doors.expect(401, me.log_in())
    admin.expect(409, admin.delete(f"{path}/totp"))
    assert admin.expect(200, admin.get(path))["status"] == "suspended"
    assert [one["id"] for one in admin.expect(200, admin.get("/v1/customers?status=suspended"))["items"]] == [me.id]
    admin.expect(200, admin.post(f"{path}/reinstate"))
    admin.expect(404, admin.post(f"/v1/customers/{NOBODY}/reinstate"))
    admin.expect(403, admin.get("/v1/me"))
    admin.expect(200, admin.get(path))


def walk_end(admin, me, other):
    """One has himself erased, the other is."""
    me.comes_in()
    me.client.expect(400, me.client.command("DELETE", "/v1/me"))
    me.client.expect(401, me.client.command("DELETE", "/v1/me", {"password": "not my sentence"}))
    me.client.expect(200, me.client.command("DELETE", "/v1/me", {"password": PASSWORD}, headers={"Prefer": "wait=60"}))
    path = f"/v1/customers/{other.id}"
    admin.expect(200, admin.delete(path, headers={"Prefer": "wait=60"}))
    gone = wait_until(lambda: (seen := admin.get(path).json())["status"] == "erased" and seen, "the view having seen it")
    assert "email" not in gone


def walk_key(admin):
    """It is made, found, rotated and revoked."""
    made = admin.expect(201, admin.post("/v1/api-keys", {"name": "importer", "roles": [{"role": "service"}]}))
    path = f"/v1/api-keys/{made['id']}"
    admin.expect(400, admin.post("/v1/api-keys", {"name": "importer", "roles": []}))
    admin.expect(422, admin.post("/v1/api-keys", {"name": "importer", "roles": [{"role": "king"}]}))
    admin.expect(200, admin.get(path))
    admin.expect(404, admin.get(f"/v1/api-keys/key_{'0' * 26}"))
    admin.expect(200, admin.get("/v1/api-keys?limit=1"))
    admin.expect(200, admin.post(f"{path}/rotate", {"grace_s": 60}))
    admin.expect(200, admin.delete(path))
    admin.expect(409, admin.post(f"{path}/rotate", {}))
    admin.expect(200, admin.get(path))


def test_every_answer_is_as_it_is_described(house, described, admin, someone):
    me, other = someone(), someone()
    walk_in(me)
    walk_things(me, described.document["components"]["securitySchemes"]["cookie"]["name"])
    walk_proofs(house, me)
    walk_house(admin, me)
    other.verified()
    walk_end(admin, me, other)
    walk_key(admin)
    admin.expect(200, admin.get("/.well-known/jwks.json"))
    assert described.operations(of_people=True) - described.walked() == set()


# ---- every example --------------------------------------------------------------------------------------------------


class Examples:
    """Sends them, and knows which were sent."""

    def __init__(self, described):
        self.described = described
        self.sent = set()

    def of(self, operation):
        return self.described.example(operation)[2]

    def send(self, client, operation, status, path=None, headers=None, **known):
        """`path` has what its parameters are. What only the run can know comes from it, and only tokens and codes do: `known`
        takes the place of what the example has made up, which must be there; all else is sent as the example has it."""
        method, pattern, body = self.described.example(operation)
        assert known.keys() <= body.keys() & {"token", "code", "refresh_token"}
        self.sent.add(operation)
        return client.expect(status, client.command(method, pattern.format(**(path or {})), body | known, headers=headers))


class Life:
    """Of somebody who does by the examples what he does. They are all of one address, which is the next one's once he is gone."""

    def __init__(self, house, examples, person):
        self.house, self.examples = house, examples
        self.me = person
        self.me.password = examples.of("RegisterCustomer")["password"]

    def send(self, operation, status, path=None, **known):
        return self.examples.send(self.me.client, operation, status, path, **known)

    def token(self, use):
        return mail_token(self.house.daybook, use, self.me.id, 1)

    def comes_in(self):
        session = self.examples.send(self.me.doors, "OpenSession", 201)
        self.me.client.http.headers.update(bearer(session))
        return session

    def begins(self):
        self.me.id = self.send("RegisterCustomer", 201)["id"]
        assert self.send("VerifyCustomer", 200, {"customer": self.me.id}, token=self.token("verify"))["status"] == "active"
        self.comes_in()
        return self

    def authenticator(self):
        """Codes that are good in the place of its own."""
        secret = self.send("BeginTotp", 200)["secret"]
        return self.send("ConfirmTotp", 200, code=code_of(secret))["recovery_codes"]


def live_with_things(life):
    life.send("ChangeProfile", 200)
    kept = life.send("PutAddress", 201)["addresses"][0]["id"]
    life.send("ReplaceAddress", 200, {"address": kept})
    assert life.send("RemoveAddress", 200, {"address": kept})["addresses"] == []
    life.send("SetConsent", 200, {"purpose": "newsletter"})
    other = life.examples.send(life.me.doors, "OpenSession", 201)
    other = life.examples.send(life.me.doors, "RefreshSession", 200, refresh_token=other["refresh_token"])
    life.examples.send(life.me.doors, "EndSession", 200, headers=bearer(other))
    other = life.examples.send(life.me.doors, "OpenSession", 201)
    life.send("EndOneSession", 200, {"session": other["session"]})
    life.send("EndMySessions", 200)


def live_with_the_house(life, admin):
    customer = {"customer": life.me.id}
    life.send("EndTotp", 200, code=life.authenticator()[0])
    life.authenticator()
    admin.position = life.me.client.position
    found = life.examples.send(admin, "query_customer_lookup", 200)["items"]
    assert [one["id"] for one in found] == [life.me.id]
    assert life.examples.send(admin, "RemoveTotp", 200, customer)["totp"] == "off"
    roles = life.examples.send(admin, "SetRoles", 200, customer)["roles"]
    assert roles == life.examples.of("SetRoles")["roles"]
    life.me.doors.expect(401, life.me.log_in(password="not my sentence"))
    life.examples.send(admin, "UnlockCustomer", 200, customer)
    assert life.examples.send(admin, "SuspendCustomer", 200, customer)["status"] == "suspended"
    assert life.examples.send(admin, "ReinstateCustomer", 200, customer)["status"] == "active"
    life.examples.send(admin, "EndSessions", 200, customer)
    life.comes_in()  # with other roles the session before has ended


def live_elsewhere(life):
    """The address is free then."""
    life.send("ChangeEmail", 200)
    life.send("ConfirmEmail", 200, token=life.token("email"))
    life.send("ChangePassword", 200)
    assert life.me.client.expect(200, life.me.client.get("/v1/me"))["email"] == life.examples.of("ChangeEmail")["email"]


def live_of_a_key(examples, admin):
    made = examples.send(admin, "CreateApiKey", 201)
    key = {"key": made["id"]}
    assert examples.send(admin, "RotateApiKey", 200, key)["secret"] != made["secret"]
    assert examples.send(admin, "RevokeApiKey", 200, key)["status"] == "revoked"


def test_every_example_is_accepted(house, described, admin, someone):
    examples = Examples(described)

    def life():
        return Life(house, examples, someone(email=examples.of("RegisterCustomer")["email"])).begins()

    first = life()
    live_with_things(first)
    live_with_the_house(first, admin)
    live_elsewhere(first)

    second = life()
    assert second.send("EraseMyself", 200)["status"] == "erased"

    third = life()
    third.send("RequestPasswordReset", 202)
    wait_until(house.daybook.views_have_seen_all, "the view having seen it")  # nobody is told its position
    third.send("ResetPassword", 200, {"customer": third.me.id}, token=third.token("reset"))
    third.me.doors.expect(201, third.me.log_in(password=examples.of("ResetPassword")["password"]))

    live_of_a_key(examples, admin)
    assert examples.sent == described.examples(of_people=True)
