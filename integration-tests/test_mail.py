"""Mails through a server that nobody here wrote, read by a parser that nobody here wrote. No installation is needed."""

import re
import smtplib
import subprocess

import pytest
from harness.authority import Authority
from harness.daybook import BINARY
from harness.mail_sink import MailSink
from harness.processes import clean_environment

KINDS = {"verify", "reset", "email_change", "email_changed", "password_changed", "locked", "locked_within", "reused"}
KINDS |= {"totp_enabled", "totp_ended", "suspended", "reinstated", "order_confirmed"}
LINKS = {
    "Confirm your e-mail address": "https://shop.example/account/verification#customer=cus_",
    "Choose a new password": "https://shop.example/account/password#customer=cus_",
    "Confirm your new e-mail address": "https://shop.example/account/email#customer=cus_",
    "Your order ord_00000000000000000000000000.1": "https://shop.example/orders/ord_",
}


@pytest.fixture
def sink(tmp_path):
    with MailSink(tmp_path) as running:
        yield running


def send(arguments, **settings):
    """`daybook mail`: its exit code, and what it said of each kind."""
    settings = {"mail_from": "Grün & Söhne <shop@shop.example>"} | settings
    environment = clean_environment({f"DAYBOOK_{name.upper()}": str(value) for name, value in settings.items()})
    done = subprocess.run([BINARY, "mail", *arguments], env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, dict(line.split(None, 1) for line in done.stdout.splitlines()), done.stderr


def test_each_mail_is_read_by_others_as_it_was_meant(sink):
    code, said, _ = send(["you+tea@example.com"], smtp_url=f"smtp://127.0.0.1:{sink.port}")
    assert code == 0 and said == dict.fromkeys(KINDS, "sent")
    mails = sink.mails()
    assert len(mails) == len(KINDS) == len({mail["Message-ID"] for mail in mails})
    for mail in mails:
        (sender,) = mail["From"].addresses
        assert (sender.display_name, sender.addr_spec) == ("Grün & Söhne", "shop@shop.example")
        assert [one.addr_spec for one in mail["To"].addresses] == ["you+tea@example.com"]
        assert mail["Date"].datetime.utcoffset().total_seconds() == 0
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail.get_content_type() == "multipart/alternative"
        text, html = mail.iter_parts()
        assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
        for part in (text, html):
            content = part.get_content()
            assert "{{" not in content and "https://shop.example" in content
        link = LINKS.get(mail["Subject"])
        if link:
            assert link in text.get_content()
            assert re.search(f'<a href="{re.escape(link)}', html.get_content())
    assert LINKS.keys() <= {mail["Subject"] for mail in mails}


def test_the_texts_that_the_sink_keeps_have_links_whole(sink):
    """Within the mails lines are cut and signs are written as numbers."""
    assert send(["you@example.com"], smtp_url=f"smtp://127.0.0.1:{sink.port}")[0] == 0
    texts = sink.texts()
    assert [text.partition("\n")[0] for text in texts] == [mail["Subject"] for mail in sink.mails()]
    (text,) = [text for text in texts if text.startswith("Confirm your e-mail address\n\n")]
    assert re.search(r"^https://shop\.example/account/verification#customer=cus_0{26}&token=this-is-no-token-and-opens-nothing$", text, re.M)
    assert "=3D" not in text


@pytest.mark.parametrize(
    "recipient, expected",
    [
        ("refused@example.com", "refused: the server answered 550 to the recipient"),
        ("spam@example.com", "refused: the server answered 554 to the message"),
        ("deferred@example.com", "not sent, to be tried later: the server answered 450 to the recipient"),
        ("busy@example.com", "not sent, to be tried later: the server answered 451 to the message"),
        ("lost@example.com", "not sent, to be tried later: "),
    ],
)
def test_what_was_not_sent_is_told_with_its_reason(sink, recipient, expected):
    code, said, error = send([recipient, "locked"], smtp_url=f"smtp://127.0.0.1:{sink.port}")
    assert code == 1 and said.keys() == {"locked"} and said["locked"].startswith(expected)
    assert recipient not in str(said) + error
    assert sink.mails() == []


def test_the_sink_hangs_where_it_is_told_to(sink):
    client = smtplib.SMTP("127.0.0.1", sink.port, timeout=10)
    client.ehlo()
    client.mail("shop@shop.example")
    client.sock.settimeout(0.5)
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        client.rcpt("hanging@example.com")


def test_it_goes_by_starttls_and_with_a_password(tmp_path):
    authority = Authority(tmp_path / "authority")
    password = tmp_path / "password"
    password.write_text("canary of the mails\n")
    with MailSink(tmp_path, authority, login="shop:canary of the mails") as sink:
        settings = {
            "smtp_url": f"smtp://localhost:{sink.port}/shop.example",
            "smtp_username": "shop",
            "smtp_password": f"file:{password}",
        }
        trusting = {"smtp_ca_file": authority.file}
        assert send(["you@example.com", "reused"], **settings, **trusting)[:2] == (0, {"reused": "sent"})
        code, said, _ = send(["you@example.com", "reused"], **settings | trusting | {"smtp_password": "another"})
        assert code == 1 and said["reused"].startswith("not sent, to be tried later")
        # Another authority's word counts for nothing.
        other = Authority(tmp_path / "other")
        code, said, _ = send(["you@example.com", "reused"], **settings, smtp_ca_file=other.file)
        assert code == 1 and "certificate" in said["reused"]
        assert len(sink.mails()) == 1


@pytest.mark.parametrize(
    "arguments, settings, expected",
    [
        ([], {}, "it takes an address"),
        (["no address"], {}, "it takes an address"),
        (["you@example.com", "no_kind"], {}, "no such kind"),
        (["you@example.com"], {"smtp_url": ""}, "smtp_url is not set"),
        (["you@example.com"], {"smtp_url": "http://127.0.0.1"}, "smtp_url"),
        (["you@example.com"], {"mail_from": "The Shop"}, "mail_from"),
        (["you@example.com"], {"smtp_username": "shop"}, "both or neither"),
        (["you@example.com"], {"smtp_ca_file": "/there/is/none.pem"}, "/there/is/none.pem"),
    ],
)
def test_wrong_settings_are_told(arguments, settings, expected):
    code, said, error = send(arguments, **{"smtp_url": "smtp://127.0.0.1:1"} | settings)
    assert code == 2 and said == {} and expected in error
