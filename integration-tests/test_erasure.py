"""What people say of themselves stands nowhere in the clear, before they are erased and after it, and afterwards nobody can read it."""

import base64
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from harness import vault
from harness.client import Client
from harness.mail_sink import MailSink
from harness.people import People, link_of
from harness.person import Person, bearer, mail_token, refresh
from harness.schemas import decode
from harness.shop import Shop
from harness.waiting import wait_until

ADDRESS = "canary.of.an.address@example.com"

KEYS = "SELECT key_id, key, wrapped, master, erased_at FROM vault.keys"

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


def forms_of(text):
    """In which a word may lie somewhere. Base64 depends on what stands before it; what is cut off are bytes at both ends
    that its neighbours share."""
    plain = text.encode()
    yield from (plain, plain.hex().encode(), plain.hex().upper().encode(), text.encode("utf-16-le"), text.encode("utf-16-be"))
    for before in range(3):
        whole = base64.b64encode(b"x" * before + plain)
        yield whole[4 if before else 0 : -4]


def files_of(stack, daybook):
    """All that servers and service wrote."""
    location = stack.directory / "postgres.location"
    folders = [stack.directory, daybook.directory] + ([Path(location.read_text().strip())] if location.exists() else [])
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def assert_nowhere(stack, daybook, *words, as_they_are=()):
    """In no form; of those `as_they_are`, which are random, the text alone."""
    forms = {form: word for word in words for form in forms_of(word)} | {word.encode(): word for word in as_they_are}
    daybook.sql.run("CHECKPOINT")
    for path in files_of(stack, daybook):
        content = path.read_bytes()
        for form, word in forms.items():
            assert form not in content, f"{word} stands in {path} as {form}"
    for topic in daybook.kafka.topics(daybook.name):  # brokers keep batches compressed
        for record in daybook.kafka.each_record(topic):
            for form, word in forms.items():
                assert form not in (record.value() or b""), f"{word} stands in {topic} as {form}"
    with daybook.client() as client:
        for form, word in forms.items():
            assert form not in client.get("/metrics").content, word


def sealed_of(event):
    """All Sealed records in an event."""
    if isinstance(event, dict) and event.keys() == {"key_id", "nonce", "ciphertext"}:
        return [event]
    inner = event.values() if isinstance(event, dict) else event if isinstance(event, list) else ()
    return [sealed for part in inner for sealed in sealed_of(part)]


def opened(daybook, people):
    """What whoever has all topics, the vault of today and the ring can read of people."""
    masters = people.masters
    keys = {row["key_id"]: vault.unwrapped(masters, row) for row in daybook.sql.rows(KEYS) if row["erased_at"] is None}
    found = []
    for topic in ("customers", "commands"):
        for record in daybook.kafka.records(daybook.topic(topic)):
            for sealed in sealed_of(decode(record.value())[1]):
                if sealed["key_id"] in keys:
                    try:
                        found.append(vault.unsealed(keys[sealed["key_id"]], sealed))
                    except InvalidTag:
                        found.append("made anew")
    return found


def test_nothing_is_readable_but_by_who_has_the_keys_and_of_who_is_erased_by_nobody(own_stack, new_daybook, tmp_path):
    with MailSink(tmp_path) as sink:
        settings = {"smtp_url": f"smtp://127.0.0.1:{sink.port}", "mail_from": "shop@shop.example", "public_url": "https://shop.example"}
        daybook = new_daybook(on=own_stack, vault_vacuum_s=1, **settings)
        people = People(daybook)
        customer = people.register(ADDRESS)
        wait_until(lambda: people.mailed(customer), "what became of the mail")
        (mail,) = sink.mails()
        _, _, token = link_of(mail)
        ring = Path(daybook.settings["master_key_file"]).read_text().split()[1]
        assert_nowhere(own_stack, daybook, ADDRESS, token)
        assert ADDRESS in opened(daybook, people)
        key = next(vault.unwrapped(people.masters, row) for row in daybook.sql.rows(KEYS))

        people.erase(customer)
        wait_until(lambda: people.events("CustomerErased"), "the erasure")
        wait_until(lambda: daybook.sql.value("SELECT bool_and(removed = changes) FROM vault.remains"), "the vacuum")
        assert opened(daybook, people) == []
        assert_nowhere(own_stack, daybook, ADDRESS, token)
        for path in files_of(own_stack, daybook):  # neither does the key lie about, unwrapped
            assert key not in path.read_bytes(), path
        assert daybook.ended(["verify"], 60).returncode == 0
        assert ring not in daybook.service.log_path.read_text()
        # Who comes again is somebody else.
        again = people.register(ADDRESS)
        wait_until(lambda: people.mailed(again), "a mail to who came again")
        assert ADDRESS in opened(daybook, people)


def test_what_people_say_at_the_doors_and_what_lets_them_in_stands_nowhere(own_stack, new_daybook):
    """All that is personal has the same word in it; what lets people in is looked for as it is."""
    word = "QuiteACanaryOfThePerson"
    daybook = new_daybook(on=own_stack, access="closed", vault_vacuum_s=1)
    admin, front, guest = (Client(daybook.url) for _ in range(3))
    admin.http.headers["Authorization"] = f"Bearer {daybook.run('people', 'key', 'admin of tests', '--role', 'admin').strip()}"
    wait_until(lambda: admin.get("/v1/api-keys").status_code == 200, "the key being known")
    Shop(admin).sells("tea", 500, 10)

    person = Person(daybook, front, email=f"{word}@example.org")
    person.password = f"{word} is my password"
    front.http.headers["User-Agent"] = f"{word} of a browser"
    person.verified()
    session = person.logged_in()
    renewed = front.expect(200, refresh(front, session))
    cookies = person.log_in(cookie=True)
    assert person.log_in(password=f"{word} was my password").status_code == 401
    me = bearer(renewed)
    front.expect(200, front.patch("/v1/me", {"name": f"Ada {word}"}, headers=me))
    address = {"recipient": f"Ada {word}", "street": [f"{word} street 1"], "postcode": "34117", "city": f"{word}ville", "country": "DE"}
    front.expect(201, front.post("/v1/me/addresses", {"address": address}, headers=me))
    front.expect(200, front.put("/v1/me/email", {"email": f"new.{word}@example.org", "password": person.password}, headers=me))
    secret = front.expect(200, front.post("/v1/me/totp", {"password": person.password}, headers=me))["secret"]
    front.expect(202, front.post("/v1/customers/password-resets", {"email": person.email}))
    body = {"currency": "EUR", "lines": [{"sku": "tea", "quantity": 1}]}
    guest.position = admin.position
    cart = guest.expect(201, guest.post("/v1/carts", body))
    checkout = {"payment": {"provider": "test", "method": "approve"}, "email": f"guest.{word}@example.org"}
    guest.expect(201, guest.post(f"/v1/carts/{cart['id']}/checkout", checkout, headers={"Daybook-Cart-Token": cart["token"]}))
    key = admin.expect(201, admin.post("/v1/api-keys", {"name": "a service", "roles": [{"role": "service"}]}))["secret"]
    export = front.get("/v1/me/export", headers=me)
    assert export.status_code == 200 and export.text.count(word) > 5  # so it is kept, and can be opened
    wait_until(daybook.views_have_seen_all, "the views")

    secrets = [session["refresh_token"], renewed["refresh_token"], renewed["access_token"]]
    secrets += [cookies.json()["csrf_token"], secret, cart["token"], key, admin.http.headers["Authorization"].removeprefix("Bearer ")]
    secrets += [mail_token(daybook, use, person.id, 1) for use in ("verify", "email", "reset")]
    assert len(set(secrets)) == 11

    people = People(daybook)
    assert [text for text in opened(daybook, people) if word in text]
    erased = front.command("DELETE", "/v1/me", {"password": person.password}, headers=me | {"Prefer": "wait=60"})
    assert front.expect(200, erased)["status"] == "erased"
    wait_until(lambda: daybook.sql.value("SELECT bool_and(removed = changes) FROM vault.remains"), "the vacuum")
    wait_until(daybook.views_have_seen_all, "the views")
    # What is left is the guest's, who is somebody else.
    assert {text for text in opened(daybook, people) if word in text} == {f"guest.{word}@example.org"}
    assert front.get("/v1/me", headers=me).json()["code"] == "invalid_token"
    for path in (f"/v1/customers/{person.id}", f"/v1/customers/{person.id}/export", "/v1/customers"):
        assert word not in admin.get(path).text, path
    for email in (person.email, f"new.{word}@example.org"):
        assert admin.expect(200, admin.post("/v1/customers/lookup", {"email": email}))["items"] == []
    # Once for both: what was written before stands in the write-ahead log and in Kafka's files still.
    assert_nowhere(own_stack, daybook, word, as_they_are=secrets)
    for client in (admin, front, guest):
        client.close()
