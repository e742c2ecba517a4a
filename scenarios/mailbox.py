"""Reading mails, through Mailpit's HTTP API: the harness's own server speaks it, and so may an operator's."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from scenarios.wire import NotInTime, Request, Transport, UnexpectedAnswer, until

__all__ = ["Mail", "Mailbox", "NoMail"]


class NoMail(NotInTime):
    """A mail that was awaited did not come; the message says which mails there were."""


@dataclass(frozen=True)
class Mail:
    """A mail as its reader sees it; `received` as the server tells it."""

    id: str
    to: tuple[str, ...]
    sender: str
    subject: str
    text: str
    html: str
    received: str

    def links(self) -> tuple[str, ...]:
        """Give the links, in the order of the text."""
        found = re.findall(r"https?://[^\s<>\"]+", self.text) or [
            html.unescape(link) for link in re.findall(r'href="(https?://[^"]+)"', self.html)
        ]
        return tuple(link.rstrip(".,;") for link in found)


@dataclass(frozen=True)
class Mailbox:
    """Everybody's mailboxes, by address."""

    transport: Transport
    base_url: str
    on_mail: Callable[[Mail], None] = lambda _mail: None

    async def _get(self, path: str) -> dict[str, object]:
        request = Request("GET", f"{self.base_url.rstrip('/')}/api/v1/{path}", who="mailbox")
        response = await self.transport.send(request)
        if response.status != 200:
            raise UnexpectedAnswer(response)
        content: dict[str, object] = response.json()
        return content

    async def _found(self, word: str) -> list[dict[str, Any]]:
        query = urlencode({"query": f'to:"{word}"', "limit": 200})
        messages = (await self._get(f"search?{query}"))["messages"]
        assert isinstance(messages, list)
        return list(reversed(messages))

    async def _listed(self, address: str) -> list[dict[str, Any]]:
        # The search also finds addresses that merely contain this one.
        return [message for message in await self._found(address) if address.casefold() in _recipients(message)]

    async def recipients(self, word: str) -> list[str]:
        """Give every address with this word in it that a mail went to, casefolded."""
        found = {address for message in await self._found(word) for address in _recipients(message)}
        return sorted(address for address in found if word.casefold() in address)

    async def _ids(self, address: str) -> list[str]:
        return [str(message["ID"]) for message in await self._listed(address)]

    async def messages(self, address: str) -> list[Mail]:
        """Give the mails to an address, oldest first."""
        return [await self._read(identifier) for identifier in await self._ids(address)]

    async def _read(self, identifier: str) -> Mail:
        content: dict[str, object] = await self._get(f"message/{identifier}")
        to, sender = content["To"], content["From"]
        assert isinstance(to, list) and isinstance(sender, dict)
        mail = Mail(
            id=identifier,
            to=tuple(each["Address"] for each in to),
            sender=str(sender["Address"]),
            subject=str(content["Subject"]),
            text=str(content["Text"]),
            html=str(content["HTML"]),
            received=str(content["Created"]),
        )
        self.on_mail(mail)
        return mail

    async def wait_for(self, address: str, *, after: int = 0, deadline: float = 15.0) -> Mail:
        """Wait for the next mail to an address beyond the first `after`; raises `NoMail`."""

        listed: list[dict[str, Any]] = []

        async def probe() -> str | None:
            listed[:] = await self._listed(address)
            return str(listed[after]["ID"]) if len(listed) > after else None

        def seen() -> str:
            return ", ".join(str(message["Subject"]) for message in listed)

        missing = f"a mail to {address} (number {after + 1})"
        try:
            identifier = await until(self.transport, probe, deadline=deadline, missing=missing, seen=seen)
        except NotInTime as error:
            raise NoMail(str(error)) from None
        return await self._read(identifier)

    async def expect_none(self, address: str, *, witness: str, after: int = 0, deadline: float = 15.0) -> None:
        """Assert that nothing came to an address by the time a mail to the `witness` did, beyond its first `after`.

        The witness's mail is to be asked for last, of the same server: mails leave it in that order. Raises `NoMail`
        when the witness's does not come, for then nothing is shown, and `AssertionError` with the subjects of what did.
        """
        await self.wait_for(witness, after=after, deadline=deadline)
        came = [str(message["Subject"]) for message in await self._listed(address)]
        assert not came, f"there should be no mail to {address}, but there are: {', '.join(came)}"


def _recipients(message: dict[str, Any]) -> set[str]:
    listed = [each for field in ("To", "Cc", "Bcc") for each in message.get(field) or ()]
    return {str(each["Address"]).casefold() for each in listed}
