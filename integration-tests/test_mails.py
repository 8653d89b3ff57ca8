"""Mails that events ask for, and the erasure of people: by whoever reads the events, whatever dies meanwhile."""

import os
import re
import time
from collections import defaultdict

import pytest
from harness.authority import Authority
from harness.daybook import metrics_of
from harness.mail_sink import MailSink
from harness.people import People, link_of
from harness.roles import SplitRoles
from harness.vault import mail_token
from harness.waiting import wait_until

# Of what happens to an account, the events that the tests bring about.
ASKS = ("CustomerTotpEnabled", "CustomerTotpEnded", "LoginFailed", "CustomerPasswordResetRequested")

SETTINGS = {"mail_from": "The Shop <shop@shop.example>", "public_url": "https://shop.example"}

# More by hand (KILLS=20): each costs the 6 s after which a group misses a member, and all tests have 25 minutes.
KILLS = int(os.environ.get("KILLS", "4"))

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def sink(tmp_path):
    with MailSink(tmp_path) as running:
        yield running


@pytest.fixture
def installed(new_daybook, sink):
    """An installation that sends mails, and its people."""
    daybook = new_daybook(smtp_url=f"smtp://127.0.0.1:{sink.port}", **SETTINGS)
    return daybook, People(daybook)


def figure(daybook, name):
    return daybook.metrics()[f"daybook_{name}"]


def is_in_no_log(daybook, *words):
    for path in daybook.directory.glob("*.log"):
        text = path.read_text(errors="replace")
        for word in words:
            assert word not in text, (path.name, word)


# ---- mails -----------------------------------------------------------------------------------------------------------


def test_who_registers_is_sent_a_token_once(installed, sink):
    daybook, people = installed
    customer = people.register("ada@example.com")
    wait_until(lambda: people.mailed(customer), "what became of the mail")
    (told,) = people.mailed(customer)
    assert (told["template"], told["result"], told["code"], told["attempt"]) == ("verify", "sent", "250", 1)
    (mail,) = sink.mails()
    assert [one.addr_spec for one in mail["To"].addresses] == ["ada@example.com"]
    assert mail["Message-ID"] == f"<{told['cause']}@shop.example>"
    page, whose, token = link_of(mail)
    assert (page, whose) == ("https://shop.example/account/verification", customer)
    assert token == mail_token(people.secret, "verify", customer, 1)
    assert (told["meta"]["actor"], told["meta"]["causation_id"]) == ("system", told["cause"])
    assert figure(daybook, "mails_sent_total") == 1 and figure(daybook, "mails_waiting") == 0
    daybook.restart()  # what is told is not done again
    assert len(sink.mails()) == 1
    is_in_no_log(daybook, "ada@example.com", token)


def test_what_happens_to_an_account_is_told_whoever_did_it(installed, sink):
    daybook, people = installed
    customer = people.register("ada@example.com", verified=True)
    wait_until(lambda: people.events("CustomerVerified"), "the address")
    people.begin_totp(customer)
    people.confirm_totp(customer)
    people.send("RemoveTotp", customer, "system")
    for _ in range(10):
        people.begin_totp(customer, proved=False)
        people.guess(customer)
    people.send("RequestPasswordReset", customer, email="")
    wait_until(lambda: len(people.mailed(customer)) == 5, "what became of all mails")
    told = people.mailed(customer)
    assert {one["template"] for one in told} == {"totp_enabled", "totp_ended", "locked_within", "locked", "reset"}
    assert {(one["result"], one["code"]) for one in told} == {("sent", "250")}
    asked = {event["meta"]["event_id"]: event for name in ASKS for _, event in people.events(name) if event.get("to")}
    assert asked.keys() == {one["cause"] for one in told}
    mails = {mail["Message-ID"]: mail for mail in sink.mails()}
    assert mails.keys() == {f"<{cause}@shop.example>" for cause in asked}
    for one in told:
        mail = mails[f"<{one['cause']}@shop.example>"]
        assert (mail["Subject"] == "Wrong passwords were tried within your account") == (one["template"] == "locked_within")
        if one["template"] == "reset":
            token = mail_token(people.secret, "reset", customer, 1)
            assert link_of(mail) == ("https://shop.example/account/password", customer, token)
    assert figure(daybook, "mails_waiting") == 0


def test_a_server_that_refuses_or_puts_off_is_heard(installed, sink):
    daybook, people = installed
    refused, deferred = people.register("refused@example.com"), people.register("deferred@example.com")
    wait_until(lambda: people.mailed(refused), "what became of the mail")
    (told,) = people.mailed(refused)
    assert (told["result"], told["code"]) == ("failed", "550")
    wait_until(lambda: figure(daybook, "mails_deferred_total") == 1, "the first try of the other")
    assert people.mailed(deferred) == [] and figure(daybook, "mails_waiting") == 1
    assert sink.mails() == []
    is_in_no_log(daybook, "refused@example.com", "deferred@example.com")


def test_without_a_server_mails_wait_and_go_when_there_is_one(new_daybook, sink):
    daybook = new_daybook(**SETTINGS)
    people = People(daybook)
    customers = [people.register(f"{number}@example.com") for number in range(20)]
    wait_until(lambda: figure(daybook, "mails_waiting") == 20, "mails that wait")
    people.erase(customers[0])
    wait_until(lambda: people.events("CustomerErased"), "the erasure, which waits for no mail")
    wait_until(lambda: figure(daybook, "mails_waiting") == 19, "nobody to be told")
    daybook.stop()
    daybook.settings["smtp_url"] = f"smtp://127.0.0.1:{sink.port}"
    daybook.service.environment = daybook.environment()
    daybook.start()
    wait_until(lambda: len(people.events("CustomerMailed")) == 19, "all mails")
    assert {one.addr_spec for mail in sink.mails() for one in mail["To"].addresses} == {f"{n}@example.com" for n in range(1, 20)}


def test_settings_that_cannot_work_end_the_process(new_daybook, sink):
    daybook = new_daybook(**SETTINGS)
    daybook.stop()
    for more, expected in (({"mail_from": "The Shop"}, "mail_from"), ({"smtp_url": "http://127.0.0.1"}, "smtp_url")):
        ended = daybook.ended(["serve"], 60, more={"smtp_url": f"smtp://127.0.0.1:{sink.port}"} | more)
        assert ended.returncode == 2 and expected in ended.stdout + ended.stderr


def test_they_go_by_starttls_and_with_a_password_out_of_the_sandbox(new_daybook, tmp_path):
    authority = Authority(tmp_path / "authority")
    with MailSink(tmp_path, authority, login="shop:canary of the mails") as sink:
        settings = {
            "smtp_url": f"smtp://localhost:{sink.port}",
            "smtp_username": "shop",
            "smtp_password": "canary of the mails",
            "smtp_ca_file": authority.file,
        }
        daybook = new_daybook(**SETTINGS, **settings)
        people = People(daybook)
        customer = people.register("ada@example.com")
        wait_until(lambda: people.mailed(customer), "what became of the mail")
        assert people.mailed(customer)[0]["result"] == "sent"
        is_in_no_log(daybook, "canary of the mails", "ada@example.com")


def by_message_id(sink):
    """The bytes of each mail that came, by their Message-ID."""
    found = defaultdict(list)
    for path in sink.folder.glob("*.eml"):
        content = path.read_bytes()
        (name,) = re.findall(rb"^Message-ID: (\S+)", content, re.MULTILINE)
        found[name.decode()].append(content)
    return found


@pytest.mark.slow
def test_a_connector_that_is_killed_sends_each_mail_at_least_once_and_always_the_same(new_daybook, sink):
    daybook = new_daybook(smtp_url=f"smtp://127.0.0.1:{sink.port}", **SETTINGS)
    daybook.stop()
    roles = SplitRoles(daybook)
    try:
        roles.start()
        people = People(daybook)
        customers = []
        for kill in range(KILLS):
            customers += [people.register(f"{kill}.{number}@example.com") for number in range(10)]
            time.sleep(0.5 * kill / KILLS)  # at another moment each time
            roles["connector"].kill()
            roles["connector"].start_ready()
        wait_until(lambda: {stream for stream, _ in people.events("CustomerMailed")} == set(customers), "all mails", 120)
        mails = by_message_id(sink)
        assert len(mails) == 10 * KILLS
        for name, contents in mails.items():
            assert len(set(contents)) == 1, name
        causes = {event["meta"]["event_id"] for _, event in people.events("CustomerVerificationRequested")}
        assert mails.keys() == {f"<{cause}@shop.example>" for cause in causes}
        assert all(event["result"] == "sent" for _, event in people.events("CustomerMailed"))
        figures = metrics_of(roles["connector"].url)
        assert figures["daybook_mails_waiting"] == 0
    finally:
        roles.stop()


# ---- erasure ---------------------------------------------------------------------------------------------------------


def is_destroyed(daybook, key_id):
    (row,) = daybook.sql.rows("SELECT key, wrapped, master, erased_at FROM vault.keys WHERE key_id = %s", [key_id])
    return row["key"] is None and row["wrapped"] is None and row["erased_at"] is not None


def test_who_is_erased_has_no_key_any_more_and_his_mails_are_not_sent(installed, sink):
    daybook, people = installed
    gone, kept = people.register("deferred@example.com"), people.register("bob@example.com")
    wait_until(lambda: figure(daybook, "mails_deferred_total") == 1, "a mail that waits")
    people.erase(gone)
    wait_until(lambda: people.events("CustomerErased"), "the erasure")
    assert [stream for stream, _ in people.events("CustomerErased")] == [gone]
    assert is_destroyed(daybook, people.key_of(gone)) and not is_destroyed(daybook, people.key_of(kept))
    wait_until(lambda: figure(daybook, "mails_waiting") == 0, "nobody to be told")
    assert figure(daybook, "erasures_total") == 1 and figure(daybook, "erasures_waiting") == 0
    people.erase(gone)  # again: there is nobody
    daybook.restart()
    assert len(people.events("CustomerErased")) == 1
    assert daybook.ended(["verify"], 60).returncode == 0


def test_the_key_of_an_address_goes_too_unless_it_is_somebody_else_s_by_now(installed):
    daybook, people = installed
    addresses = ["before@example.com", "after@example.com"]
    customers = [people.register(address, verified=True) for address in addresses]
    shared = [people.check_out(address) for address in addresses]
    daybook.sql.run("UPDATE vault.keys SET created_at = now() + interval '1 hour' WHERE key_id = %s", [shared[1]])
    wait_until(lambda: len(people.events("CustomerVerified")) == 2, "the addresses")
    for customer in customers:
        people.erase(customer)
    wait_until(lambda: len(people.events("CustomerErased")) == 2, "both erasures")
    assert all(is_destroyed(daybook, people.key_of(customer)) for customer in customers)
    assert is_destroyed(daybook, shared[0]) and not is_destroyed(daybook, shared[1])
    assert figure(daybook, "erasure_keys_left_total") == 1 and figure(daybook, "errands_shards_not_live") == 0


def test_the_table_of_keys_is_written_anew_by_and_by(new_daybook):
    daybook = new_daybook(vault_vacuum_s=1, **SETTINGS)
    people = People(daybook)
    customer = people.register("ada@example.com")
    wait_until(lambda: people.events("CustomerRegistered"), "the registration")
    key_id = people.key_of(customer)
    node = "SELECT pg_relation_filenode('vault.keys')"
    before = daybook.sql.value(node)
    people.erase(customer)
    wait_until(lambda: daybook.sql.value("SELECT bool_and(removed = changes) FROM vault.remains"), "the vacuum")
    assert is_destroyed(daybook, key_id) and daybook.sql.value(node) != before


@pytest.mark.slow
def test_a_connector_that_is_killed_erases_everybody_once_it_lives(new_daybook):
    daybook = new_daybook(**SETTINGS)
    daybook.stop()
    roles = SplitRoles(daybook)
    try:
        roles.start()
        people = People(daybook)
        customers = []
        for kill in range(KILLS):
            customers.append(people.register(f"{kill}@example.com"))
            people.erase(customers[-1])
            time.sleep(0.3 * kill / KILLS)
            roles["connector"].kill()
            roles["connector"].start_ready()
        wait_until(lambda: len(people.events("CustomerErased")) == KILLS, "all erasures", 120)
        assert {stream for stream, _ in people.events("CustomerErased")} == set(customers)
        assert all(is_destroyed(daybook, people.key_of(customer)) for customer in customers)
    finally:
        roles.stop()


@pytest.mark.slow
def test_an_erasure_waits_for_the_vault_and_is_not_told_before(mortal_stack, new_daybook):
    daybook = new_daybook(on=mortal_stack, **SETTINGS)
    people = People(daybook)
    customer = people.register("ada@example.com")
    wait_until(lambda: people.events("CustomerRegistered"), "the registration")
    mortal_stack.stop_postgres()
    people.erase(customer)
    wait_until(lambda: figure(daybook, "erasures_waiting") == 1, "an erasure that waits")
    time.sleep(2)
    assert people.events("CustomerErased") == []
    mortal_stack.start_postgres()
    wait_until(lambda: people.events("CustomerErased"), "the erasure", 90)
    assert is_destroyed(daybook, people.key_of(customer))
