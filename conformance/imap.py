"""Reading mails over IMAP: one mailbox into which the mail of everybody's address falls (a catch-all)."""

from __future__ import annotations

import asyncio
import email
import email.policy
import imaplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import getaddresses
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fixtures.deployment import Mail as MailPlace
from scenarios.mailbox import Mail, Mailbox
from scenarios.wire import Unreachable

__all__ = ["ImapMailbox", "ensure_reads"]

_PATIENCE = 20.0


@contextmanager
def _opened(place: MailPlace, ca: Path | None) -> Iterator[imaplib.IMAP4]:
    """Log in and open the folder for reading alone; raises `Unreachable`, without the password."""
    try:
        address = urlsplit(place.url)
        port = address.port
    except ValueError:
        raise Unreachable(f"{place.url}: its address has no possible host and port") from None
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    try:
        client: imaplib.IMAP4
        if address.scheme == "imaps":
            client = imaplib.IMAP4_SSL(address.hostname or "", port or 993, ssl_context=context, timeout=_PATIENCE)
        else:
            client = imaplib.IMAP4(address.hostname or "", port or 143, timeout=_PATIENCE)
        with client:
            try:
                client.login(place.user, place.password.get_secret_value() if place.password else "")
                told, _ = client.select(place.folder, readonly=True)
            except UnicodeError:
                raise Unreachable(
                    f"{place.url}: user, password and folder of [mail] must be ASCII, as IMAP's commands"
                ) from None
            if told != "OK":
                raise Unreachable(f"{place.url}: no folder {place.folder}")
            yield client
    except (OSError, imaplib.IMAP4.error) as error:
        raise Unreachable(f"{place.url}: {error}") from None


def ensure_reads(place: MailPlace, ca: Path | None) -> None:
    """Log in once; raises `Unreachable` where that does not work."""
    with _opened(place, ca):
        pass


def _found(place: MailPlace, ca: Path | None, address: str) -> list[tuple[str, EmailMessage]]:
    with _opened(place, ca) as client:
        quoted = address.replace("\\", "\\\\").replace('"', '\\"')
        _, data = client.uid("SEARCH", "TO", f'"{quoted}"')
        found = []
        for number in (data[0] or b"").split():
            _, parts = client.uid("FETCH", number.decode(), "(BODY.PEEK[])")
            raw = next((part[1] for part in parts if isinstance(part, tuple)), b"")
            message = email.message_from_bytes(raw, policy=email.policy.default)
            # The search finds addresses that merely contain this one.
            if isinstance(message, EmailMessage) and address.casefold() in _recipients(message):
                found.append((number.decode(), message))
        return found


def _recipients(message: EmailMessage) -> list[str]:
    fields = [str(value) for name in ("To", "Cc", "Bcc") for value in message.get_all(name, [])]
    return [address.casefold() for _name, address in getaddresses(fields)]


@dataclass(frozen=True)
class ImapMailbox(Mailbox):
    """Everybody's mailboxes by address, behind one login; reads beside the event loop, since IMAP's client blocks."""

    place: MailPlace | None = None
    ca: Path | None = None
    _read_already: dict[str, EmailMessage] = field(default_factory=dict)

    async def _listed(self, address: str) -> list[dict[str, Any]]:
        assert self.place is not None
        found = await asyncio.get_running_loop().run_in_executor(None, partial(_found, self.place, self.ca, address))
        self._read_already.update(found)
        return [{"ID": number, "Subject": str(message["Subject"])} for number, message in found]

    async def _read(self, identifier: str) -> Mail:
        message = self._read_already[identifier]
        text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
        mail = Mail(
            id=identifier,
            to=tuple(_recipients(message)),
            sender=getaddresses([str(message["From"])])[0][1],
            subject=str(message["Subject"]),
            text=str(text.get_content()) if text else "",
            html=str(html.get_content()) if html else "",
            received=str(message["Date"]),
        )
        self.on_mail(mail)
        return mail
