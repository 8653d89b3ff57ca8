"""Mails as a program of somebody else's takes and reads them: deploy/local/mail_sink.py, and Python's email."""

import email
import email.policy
import re
import sys

from .processes import Process
from .stack import ROOT


class MailSink:
    """Keeps mails in `folder`; see mail_sink.py for the recipients that it refuses. With an authority (authority.py) it
    wants STARTTLS."""

    def __init__(self, folder, authority=None, login=None):
        self.folder = folder / "mails"
        arguments = ["--text", "--port", "0"]
        if authority:
            authority.issue()
            arguments += ["--certificate", authority.certificate, "--key", authority.key]
        if login:
            arguments += ["--login", login]
        script = ROOT / "deploy" / "local" / "mail_sink.py"
        self.process = Process("mail sink", [sys.executable, script, *arguments, self.folder], folder / "mail-sink.log")

    def __enter__(self):
        self.process.start()
        self.process.wait_ready(lambda: "listens on" in self.process.log())
        self.port = int(re.search(r"listens on 127\.0\.0\.1:(\d+)", self.process.log()).group(1))
        return self

    def __exit__(self, *failure):
        assert self.process.stop() == 0, self.process.log_end()

    def texts(self):
        """The same as their texts alone, as files that a person opens."""
        return [path.read_text() for path in sorted(self.folder.glob("*.txt"))]

    def mails(self):
        """All that came, in their order."""
        return [read_mail(path.read_bytes()) for path in sorted(self.folder.glob("*.eml"))]


def read_mail(content):
    """What a strict reader makes of it; one that it has to excuse anything in is a failure."""
    mail = email.message_from_bytes(content, policy=email.policy.default.clone(raise_on_defect=True))
    for part in mail.walk():
        assert not part.defects
        for _, value in part.items():
            assert not value.defects
    return mail
