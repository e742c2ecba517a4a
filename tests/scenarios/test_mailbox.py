"""The mailbox reads Mailpit's API as an operator's own Mailpit speaks it, and tells presence from absence."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from conformance.transport import AsyncTransport
from scenarios.mailbox import Mail, Mailbox, NoMail

MAILS: list[dict[str, Any]] = []


def mail(identifier: str, to: str, subject: str) -> dict[str, Any]:
    to_list = [{"Name": "", "Address": to}]
    sender = {"Name": "Tchap", "Address": "tchap@example.org"}
    text = {"Text": "Voir http://a.example/?x=1&y=2.", "HTML": "", "Created": "2026-01-01T00:00:00Z"}
    return {"ID": identifier, "To": to_list, "Cc": None, "Bcc": None, "From": sender, "Subject": subject, **text}


async def search(request: web.Request) -> web.Response:
    # As Mailpit: newest first, and whatever contains the words.
    words = request.query["query"].removeprefix("to:").strip('"').lower()
    found = [each for each in reversed(MAILS) if words in json.dumps(each["To"]).lower()]
    return web.json_response({"messages": found})


async def read(request: web.Request) -> web.Response:
    return web.json_response(next(each for each in MAILS if each["ID"] == request.match_info["id"]))


@pytest_asyncio.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    MAILS[:] = [mail("1", "ann@gouv.fr", "premier"), mail("2", "joann@gouv.fr", "autre"), mail("3", "Ann@Gouv.fr", "second")]
    app = web.Application()
    app.router.add_get("/api/v1/search", search)
    app.router.add_get("/api/v1/message/{id}", read)
    transport = AsyncTransport(None)
    async with TestServer(app, host="127.0.0.1") as server:
        yield Mailbox(transport, str(server.make_url("/")))
    await transport.close()


def subjects(mails: list[Mail]) -> list[str]:
    return [each.subject for each in mails]


async def test_oldest_first_and_nobody_elses(mailbox: Mailbox) -> None:
    assert subjects(await mailbox.messages("ann@gouv.fr")) == ["premier", "second"]
    assert subjects(await mailbox.messages("nn@gouv.fr")) == []


async def test_the_next_mail_and_its_link(mailbox: Mailbox) -> None:
    found = await mailbox.wait_for("ann@gouv.fr", after=1)
    assert (found.subject, found.links()) == ("second", ("http://a.example/?x=1&y=2",))


async def test_no_mail_says_what_there_was(mailbox: Mailbox) -> None:
    with pytest.raises(NoMail, match=r"ann@gouv\.fr.*number 3.*premier, second"):
        await mailbox.wait_for("ann@gouv.fr", after=2, deadline=0.1)


async def test_absence_needs_a_witness(mailbox: Mailbox) -> None:
    await mailbox.expect_none("bob@gouv.fr", witness="ann@gouv.fr")
    with pytest.raises(NoMail):
        await mailbox.expect_none("bob@gouv.fr", witness="eve@gouv.fr", deadline=0.1)
    with pytest.raises(AssertionError, match="autre"):
        await mailbox.expect_none("joann@gouv.fr", witness="ann@gouv.fr")


async def test_every_address_with_a_word_in_it_is_found(mailbox: Mailbox) -> None:
    assert await mailbox.recipients("ann@") == ["ann@gouv.fr", "joann@gouv.fr"]
    assert await mailbox.recipients("joa") == ["joann@gouv.fr"]
