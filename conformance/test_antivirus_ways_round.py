"""AV-4: there is no way round the scanner ("Les fichiers sont analysés avant leur remise")."""

from __future__ import annotations

import pytest

from conformance.cast import Cast
from conformance.checks.answers import refused
from conformance.checks.media import SCANNER, direct_ways, disguised_ways
from conformance.journeys import gathered
from conformance.test_antivirus import clean, infected
from conformance.wrappings import picture
from scenarios import conversations, files
from scenarios.session import Session, ok, path
from scenarios.wire import Response

_DELIVERED = (200, 206, 301, 302, 303, 307, 308)


async def _readers(cast: Cast) -> list[Session]:
    """Give a session at every homeserver: an agent on each of theirs, a guest, and nobody everywhere."""
    agents = [await cast.agent(number) for number in range(len(cast.homes))]
    people = [*agents, await cast.guest()]
    return [session for person in people for session in (person.session, cast.anonymous(person.home))]


def _came(answer: Response, content: bytes) -> str:
    """Tell what came of the file, nothing where nothing did."""
    if content[-24:] in answer.body:
        return f"{answer.request.who} got the infected file by {answer.request.url}: {answer.status}"
    if answer.status in _DELIVERED:
        return f"{answer.request.who} was not refused by {answer.request.url}: {answer.status}"
    return ""


@pytest.mark.rule("AV-4")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("home", [0, 1])
@pytest.mark.parametrize("kind", ["as specified", "disguised"])
async def test_no_address_delivers_what_the_scanner_refuses(cast: Cast, home: int, kind: str) -> None:
    """Old and new media addresses, plain and disguised, of every homeserver, deliver nothing of an infected picture.

    To everybody who asks, with and without an account. The scanner delivers a clean picture to the same people.
    """
    sender = await cast.agent(home)
    content = picture(infected(cast))
    bad = await files.upload(sender.session, content, "image/png")
    good = await files.upload(sender.session, picture(clean()), "image/png")
    ways = (direct_ways if kind == "as specified" else disguised_ways)(bad)
    got = []
    for reader in await _readers(cast):
        if reader.access_token:
            answer = await files.download(reader, good)
            assert answer.status == 200, f"the scanner should deliver a clean picture, but: {answer}"
            refused(await files.download(reader, bad), "the infected picture", "MCS_MEDIA_NOT_CLEAN")
        got += [told for way in ways if (told := _came(await reader.get(way), content))]
    assert not got, f"{len(got)} ways round the scanner, among them: {'; '.join(got[:3])}"


@pytest.mark.rule("AV-4")
@pytest.mark.needs("hostile")
async def test_scanner_serves_nobody_without_an_account(cast: Cast) -> None:
    """Without a token the scanner gives neither an infected file nor a clean one, also right after a member's request."""
    sender, reader = await cast.agents(0, 1)
    for content in (clean(), infected(cast)):
        uri = await files.upload(sender.session, content)
        encrypted = await files.upload_encrypted(sender.session, content)
        body = await files.for_scanner(reader.session, encrypted)
        for home in cast.deployment.homeservers:
            nobody = cast.anonymous(home)
            await files.download(sender.session, uri)
            await files.download_encrypted(sender.session, body)
            for action in ("download", "scan", "thumbnail"):
                where = f"{SCANNER}/{action}/{uri.removeprefix('mxc://')}"
                answer = await nobody.send("GET", where, params={"width": 32, "height": 32} if action == "thumbnail" else None)
                refused(answer, f"{action} without a token", status=(401, 404))
                assert content not in answer.body, f"{action} without a token is refused, and yet delivers"
            for answer in (await files.download_encrypted(nobody, body), await files.scan_encrypted(nobody, body)):
                refused(answer, "an encrypted file without a token", status=(401, 404))
    good = await files.upload(sender.session, clean())
    assert (await files.download(reader.session, good)).status == 200, "a member should get a clean file"


@pytest.mark.rule("AV-4")
@pytest.mark.needs("hostile")
async def test_picture_of_a_person_or_room_is_no_way_round(cast: Cast) -> None:
    """An infected picture of a person or a room reaches nobody, in full or small; a clean one does."""
    host, member = await cast.devices(await cast.agents(0, 1))
    room_id = await gathered(host, member)
    for content, passes in ((picture(infected(cast)), False), (picture(clean()), True)):
        uri = await files.upload(host.session, content, "image/png")
        ok(await host.session.put(path("profile", host.user_id, "avatar_url"), {"avatar_url": uri}))
        ok(await conversations.set_state(host.session, room_id, "m.room.avatar", {"url": uri}))
        for reader in (host.session, member.session):
            profile = ok(await reader.get(path("profile", host.user_id)))
            assert profile["avatar_url"] == uri, "the picture was not set"
            whole = await files.download(reader, uri)
            small = await reader.get(f"{SCANNER}/thumbnail/{uri.removeprefix('mxc://')}", {"width": 32, "height": 32})
            if passes:
                assert (whole.status, small.status) == (200, 200), f"a clean picture should show, but: {whole}, {small}"
            else:
                refused(whole, "the infected picture", "MCS_MEDIA_NOT_CLEAN")
                # A small picture is drawn anew from the pixels: what was hidden behind them must not be in it.
                assert content[-24:] not in small.body, "the small picture carries what the whole one was refused for"
                for way in direct_ways(uri):
                    told = _came(await reader.get(way), content)
                    assert not told, told


@pytest.mark.rule("AV-4")
@pytest.mark.needs("hostile")
async def test_preview_of_a_link_fetches_no_file(cast: Cast) -> None:
    """A preview of a link to an infected file is refused, old way and new; the scanner gives a clean file to the same agent."""
    sender, reader = await cast.agents(0, 1)
    content = picture(infected(cast))
    uri = await files.upload(sender.session, content, "image/png")
    for target in (f"{sender.home.url}{direct_ways(uri)[0]}", uri):
        for prefix in ("/_matrix/media/r0", "/_matrix/media/v3", "/_matrix/client/v1/media"):
            answer = await reader.session.get(f"{prefix}/preview_url", {"url": target})
            refused(answer, f"a preview of {target}", status=(403, 404, 502))
            assert b"mxc://" not in answer.body, "a preview was refused, and yet a picture was made"
    good = await files.upload(sender.session, clean())
    assert (await files.download(reader.session, good)).status == 200, "a clean file should come through the scanner"
