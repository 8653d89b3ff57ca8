#!/usr/bin/env python3
"""mail_sink.py: an SMTP server that keeps mails as files, for development and tests; nothing is sent on.

Each mail becomes FOLDER/<number>-<recipient>.eml, whole or not there, the bytes as they came; with --text beside it
<number>-<recipient>.txt, its subject and its text as a person reads them. What becomes of a mail is chosen by its recipient:

  refused@...    550 to the recipient           spam@...    554 to the message
  deferred@...   450 to the recipient           busy@...    451 to the message
  hanging@...    never an answer                lost@...    the connection is lost

With a certificate it takes nothing without STARTTLS; with --login, nothing from who has not logged in. It says on which
port it listens, and stops on SIGTERM or Ctrl-C.
"""

import argparse
import asyncio
import email
import email.policy
import itertools
import signal
import ssl
import sys
from pathlib import Path
from urllib.parse import quote

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

RECIPIENTS = {"refused": "550 5.1.1 Nobody has this mailbox", "deferred": "450 4.2.0 Come again later"}
MESSAGES = {"spam": "554 5.7.1 Not wanted", "busy": "451 4.3.0 Come again later"}


def local_part(address):
    return address.partition("@")[0]


def text_of(content):
    mail = email.message_from_bytes(content, policy=email.policy.default)
    text = mail.get_body(preferencelist=("plain",))
    return f"{mail['Subject']}\n\n{text.get_content() if text else ''}"


class Sink:
    """What aiosmtpd asks about each mail; the names are its own."""

    def __init__(self, folder, has_text):
        self.folder, self.has_text = folder, has_text
        # One that is started again goes on counting.
        numbers = [int(path.name.split("-")[0]) for path in folder.glob("*-*.eml")]
        self.numbers = itertools.count(max(numbers, default=0) + 1)

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = local_part(address)
        if local == "hanging":
            await asyncio.Event().wait()
        if local == "lost":
            server.transport.abort()
        if local in RECIPIENTS:
            return RECIPIENTS[local]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            if local_part(address) in MESSAGES:
                return MESSAGES[local_part(address)]
        for address in envelope.rcpt_tos:
            self.keep(address, envelope.content)
        return "250 2.0.0 OK"

    def keep(self, address, content):
        name = f"{next(self.numbers):06}-{quote(address, safe='@')}"
        self.write(f"{name}.eml", content)
        if self.has_text:
            self.write(f"{name}.txt", text_of(content).encode())

    def write(self, name, content):
        new = self.folder / f"{name}.new"
        new.write_bytes(content)
        new.rename(self.folder / name)


def one_login(login):
    """Lets in who has this name and password."""
    expected = LoginPassword(*(part.encode() for part in login.split(":", 1)))

    def authenticate(server, session, envelope, mechanism, given):
        return AuthResult(success=given == expected, handled=False)

    return authenticate


def server_options(arguments):
    options = {"hostname": "mail-sink"}
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate, arguments.key)
        options |= {"tls_context": context, "require_starttls": True}
    if arguments.login:
        options |= {
            "authenticator": one_login(arguments.login),
            "auth_required": True,
            "auth_require_tls": bool(arguments.certificate),
        }
    return options


async def serve(arguments):
    arguments.folder.mkdir(parents=True, exist_ok=True)
    sink, options = Sink(arguments.folder, arguments.text), server_options(arguments)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: SMTP(sink, **options), "127.0.0.1", arguments.port)
    print(f"mail_sink: listens on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--port", type=int, default=2525, help="0 lets the system choose (%(default)s)")
    parser.add_argument("--text", action="store_true", help="each mail's text in a file of its own besides")
    parser.add_argument("--certificate", metavar="FILE", help="PEM, the chain")
    parser.add_argument("--key", metavar="FILE", help="PEM, its key")
    parser.add_argument("--login", metavar="NAME:PASSWORD")
    arguments = parser.parse_args()
    if bool(arguments.certificate) != bool(arguments.key):
        parser.error("--certificate and --key: both or neither")
    if arguments.login is not None and ":" not in arguments.login:
        parser.error("--login is NAME:PASSWORD")
    asyncio.run(serve(arguments))


if __name__ == "__main__":
    sys.exit(main())
