"""The mails that confirm orders: what they say, to whom they go, how often they can be asked for, and whatever dies meanwhile."""

import pytest
from harness.events import streams
from harness.house import House
from harness.mail_sink import MailSink
from harness.people import People
from harness.roles import SplitRoles
from harness.shop import Shop
from harness.waiting import wait_until

SETTINGS = {"mail_from": "The Shop <shop@shop.example>", "public_url": "https://shop.example"}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def sink(tmp_path):
    with MailSink(tmp_path) as running:
        yield running


@pytest.fixture
def daybook(new_daybook, sink):
    """An installation that sends mails."""
    return new_daybook(smtp_url=f"smtp://127.0.0.1:{sink.port}", **SETTINGS)


@pytest.fixture
def shop(client):
    shop = Shop(client)
    shop.sells("TEA", 350, 1000)
    shop.sells("POT", 2499, 1000)
    return shop


def ordered(shop, email=None, reference=None, method="approve"):
    """A confirmed order of two teas and a pot."""
    cart = shop.cart(("TEA", 2), ("POT", 1), **({"reference": reference} if reference else {}))
    answer = shop.check_out(cart["id"], method, **({"email": email} if email else {}))
    return shop.client.expect(201, answer)


def told(daybook, order, name="OrderMailed"):
    """The order's events of that name."""
    return [one.event for one in streams(daybook.kafka, daybook.topic("orders"))[order] if one.name == name]


def mailed(daybook, order, count=1):
    """What became of so many mails."""
    wait_until(lambda: len(told(daybook, order)) >= count, "what became of the mail")
    return told(daybook, order)


def confirmations(sink):
    return [mail for mail in sink.mails() if mail["Subject"].startswith("Your order ")]


def resend(client, order):
    return client.post(f"/v1/orders/{order}/confirmation", {})


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_a_confirmed_order_is_told_with_its_lines_and_its_total(daybook, shop, sink):
    order = ordered(shop, "ada@example.com", "R-2026-11")
    (outcome,) = mailed(daybook, order["id"])
    assert (outcome["template"], outcome["result"], outcome["code"], outcome["attempt"]) == (
        "order_confirmed",
        "sent",
        "250",
        1,
    )
    (confirmed,) = told(daybook, order["id"], "OrderConfirmed")
    assert outcome["cause"] == confirmed["meta"]["event_id"]
    assert (outcome["meta"]["actor"], outcome["meta"]["causation_id"]) == ("system", outcome["cause"])
    (mail,) = sink.mails()
    assert [one.addr_spec for one in mail["To"].addresses] == ["ada@example.com"]
    assert mail["Message-ID"] == f"<{outcome['cause']}@shop.example>"
    assert mail["Subject"] == f"Your order {order['id']}"
    text, html = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    assert "2 x Thing: 7.00 EUR\n1 x Thing: 24.99 EUR\nTotal: 31.99 EUR\n" in text
    assert "Your reference: R-2026-11\n" in text and f"https://shop.example/orders/{order['id']}\n" in text
    assert "31.99 EUR" in html and "R-2026-11" in html and f'href="https://shop.example/orders/{order["id"]}"' in html
    shown = wait_until(
        lambda: next((one for one in [shop.order(order["id"])] if one["version"] == outcome["meta"]["version"]), None),
        "the view",
    )
    assert shown["status"] == "confirmed"
    daybook.restart()  # what is told is not done again
    assert len(sink.mails()) == 1
    assert "ada@example.com" not in daybook.service.log()
    assert daybook.ended(["verify"], 60).returncode == 0


def test_it_is_sent_again_to_who_asks_but_not_without_end(daybook, shop, sink, client):
    order = ordered(shop, "ada@example.com")
    mailed(daybook, order["id"])
    for _ in range(5):
        assert client.expect(200, resend(client, order["id"]))["status"] == "confirmed"
    refused(resend(client, order["id"]), 429, "too_many_confirmations")
    outcomes = mailed(daybook, order["id"], 6)
    asked = told(daybook, order["id"], "OrderConfirmed") + told(daybook, order["id"], "OrderConfirmationRequested")
    assert [one["cause"] for one in outcomes] == [one["meta"]["event_id"] for one in asked]
    mails = confirmations(sink)
    assert {mail["Message-ID"] for mail in mails} == {f"<{one['cause']}@shop.example>" for one in outcomes}
    assert len({next(mail.iter_parts()).get_content() for mail in mails}) == 1
    assert daybook.ended(["verify"], 60).returncode == 0


def test_a_request_that_is_repeated_is_one_mail(daybook, shop, client):
    order = ordered(shop, "ada@example.com")
    path = f"/v1/orders/{order['id']}/confirmation"
    answers = [client.post(path, {}, key="the-same-request-once-more") for _ in range(2)]
    assert answers[1].headers["Idempotent-Replayed"] == "true" and answers[0].content == answers[1].content
    mailed(daybook, order["id"], 2)
    assert len(told(daybook, order["id"], "OrderConfirmationRequested")) == 1


def test_what_has_no_address_or_is_not_confirmed_is_told_to_nobody(daybook, shop, client, sink):
    refused(resend(client, ordered(shop)["id"]), 409, "order_without_email")
    waits = ordered(shop, "ada@example.com", method="action")
    refused(resend(client, waits["id"]), 409, "order_not_confirmed")
    client.expect(200, client.post(f"/v1/orders/{waits['id']}/cancel", {"reason": "too dear"}))
    refused(resend(client, waits["id"]), 409, "order_cancelled")
    refused(resend(client, "ord_01J00000000000000000000001.1"), 404, "unknown_order")
    last = ordered(shop, "bob@example.com")
    mailed(daybook, last["id"])
    assert [one.addr_spec for mail in sink.mails() for one in mail["To"].addresses] == ["bob@example.com"]


def test_a_server_that_takes_it_not_is_heard_and_it_can_be_asked_for_again(daybook, shop, client):
    order = ordered(shop, "refused@example.com")
    (outcome,) = mailed(daybook, order["id"])
    assert (outcome["result"], outcome["code"]) == ("failed", "550")
    client.expect(200, resend(client, order["id"]))
    assert [one["result"] for one in mailed(daybook, order["id"], 2)] == ["failed", "failed"]


def test_a_customer_is_written_to_at_his_own_address_unless_he_was_erased(new_daybook, sink):
    daybook = new_daybook(access="closed", smtp_url=f"smtp://127.0.0.1:{sink.port}", **SETTINGS)
    house = House(daybook)
    goods = Shop(house.admin)
    goods.sells("TEA", 350, 1000)
    goods.sells("POT", 2499, 1000)
    me, other = house.someone(), house.someone()
    me.client.position = house.admin.position
    order = ordered(Shop(me.client))["id"]
    (outcome,) = mailed(daybook, order)
    assert outcome["result"] == "sent"
    (mail,) = confirmations(sink)
    assert [one.addr_spec for one in mail["To"].addresses] == [me.email]
    me.client.expect(200, resend(me.client, order))
    mailed(daybook, order, 2)
    refused(resend(other.client, order), 404, "unknown_order")
    people = People(daybook)
    people.erase(me.id)
    wait_until(lambda: people.events("CustomerErased"), "the erasure")
    house.admin.expect(200, resend(house.admin, order))  # nobody who asks can know it yet
    assert mailed(daybook, order, 3)[2]["result"] == "erased"
    refused(resend(house.admin, order), 409, "order_without_email")
    assert len(confirmations(sink)) == 2
    assert daybook.ended(["verify"], 60).returncode == 0


@pytest.mark.slow
def test_a_connector_that_is_killed_before_the_log_knows_sends_the_same_mail_again(new_daybook, sink):
    daybook = new_daybook(**SETTINGS)
    daybook.stop()
    roles = SplitRoles(daybook)
    try:
        roles.start()
        with daybook.client() as client:
            shop = Shop(client)
            shop.sells("TEA", 350, 1000)
            shop.sells("POT", 2499, 1000)
            order = ordered(shop, "ada@example.com")["id"]
        connector = roles["connector"]
        # No server takes mails: nothing waits for one, and nothing was added to the order.
        figures = daybook.metrics()
        assert figures["daybook_mails_waiting"] == 0
        assert figures["daybook_errands_shards_live"] == 4  # those of people alone
        before = len(streams(daybook.kafka, daybook.topic("orders"))[order])
        connector.stop()
        roles["handler"].stop()
        connector.environment["DAYBOOK_SMTP_URL"] = f"smtp://127.0.0.1:{sink.port}"
        for sent in (1, 2):
            connector.start()
            wait_until(lambda sent=sent: len(sink.mails()) == sent, "the mail, and nobody who decides what became of it", 60)
            connector.kill()
        assert told(daybook, order) == []
        first, second = (path.read_bytes() for path in sorted(sink.folder.glob("*.eml")))
        assert first == second
        roles["handler"].start_ready()
        connector.start()
        (outcome,) = mailed(daybook, order)
        assert outcome["result"] == "sent"
        assert all(mail["Message-ID"] == f"<{outcome['cause']}@shop.example>" for mail in sink.mails())
        wait_until(lambda: daybook.metrics()["daybook_mails_waiting"] == 0, "nothing that is owed")
        assert len(streams(daybook.kafka, daybook.topic("orders"))[order]) == before + 1
    finally:
        roles.stop()
