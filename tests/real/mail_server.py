"""A mail server that is not ours, for `a_real_server_takes_every_mail`: aiosmtpd, and Python's own reading of each mail.

Needs `pip install aiosmtpd`. Listens on 127.0.0.1:2525 without TLS, and on 2465 with TLS and a login: the user `alerts` with the
password `real-password`. Ends at the end of its input, and prints how many mails it took and what was wrong with them.
"""

import email
import email.policy
import pathlib
import ssl
import sys
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

TLS = pathlib.Path(__file__).parent.parent / "fixtures" / "tls"
FIELDS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]


class Reader:
    def __init__(self):
        self.taken = 0
        self.faults = []

    async def handle_DATA(self, server, session, envelope):
        self.taken += 1
        self.faults += faults_of(envelope)
        return "250 taken"


def faults_of(envelope):
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    faults = [f"{defect!r}" for part in mail.walk() for defect in part.defects]
    faults += [f"{name}: {len(mail.get_all(name, []))} times" for name in FIELDS if len(mail.get_all(name, [])) != 1]
    faults += [f"{name} is there" for name in ["Bcc", "Cc"] if mail[name]]
    faults += ["a line is too long" for line in envelope.content.split(b"\r\n") if len(line) > 998]
    if len(envelope.rcpt_tos) != 1:
        faults.append(f"{len(envelope.rcpt_tos)} recipients in one transaction")
    if any(c in mail["Subject"] for c in "\r\n"):
        faults.append("the subject has several lines")
    if [part.get_content_type() for part in mail.iter_parts()] != ["text/plain", "text/html"]:
        faults.append("the parts are others")
    elif not all(part.get_content().strip() for part in mail.iter_parts()):
        faults.append("a part is blank")
    return faults


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"alerts", b"real-password"))


# About a login without STARTTLS, once for each connection.
warnings.simplefilter("ignore")
reader = Reader()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(TLS / "good.pem", TLS / "receiver.key")
plain = Controller(reader, hostname="127.0.0.1", port=2525)
secure = Controller(
    reader,
    hostname="127.0.0.1",
    port=2465,
    ssl_context=context,
    authenticator=authenticate,
    auth_required=True,
    # The connection is TLS from its first byte, which aiosmtpd does not count.
    auth_require_tls=False,
)
plain.start()
secure.start()
print("ready", flush=True)
sys.stdin.read()
print(f"{reader.taken} mails, {len(reader.faults)} faults", *reader.faults, sep="\n", flush=True)
plain.stop()
secure.stop()
