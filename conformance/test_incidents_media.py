"""INC-2: files read without an account, or through a homeserver that may not. Source: CVE-2024-37303 and incident of 2026."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conformance.cast import Cast
from conformance.checks.answers import refused
from conformance.checks.media import FEDERATION, SCANNER, direct_ways, disguised_ways
from conformance.federation import Peer, taken_over
from conformance.test_antivirus import clean
from scenarios import files
from scenarios.session import Session
from scenarios.wire import Response


def _holds(folder: Path, content: bytes) -> bool:
    """Tell whether a homeserver keeps a file of exactly this content."""
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            return True
    return False


@pytest.mark.rule("INC-2")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("home", [0, 1])
async def test_file_is_not_given_without_an_account(cast: Cast, home: int) -> None:
    """Without a token, or with one that is none, no media address of any homeserver gives a file; a member gets it.

    Nor does a homeserver fetch another's file for who has no account, where its store can be looked into.
    """
    sender, member = await cast.agents(home, 1 - home)
    content = clean()
    uri = await files.upload(sender.session, content)
    place = uri.removeprefix("mxc://")
    ways = [*direct_ways(uri), *disguised_ways(uri)]
    ways += [f"{SCANNER}/{action}/{place}" for action in ("download", "thumbnail", "scan")]
    ways += [
        f"{SCANNER}/download/{place}{tail}" for tail in ("/..%2Fpublic_key", "%2F..%2F..%2F..%2Fpublic_key", "?access_token=")
    ]
    stores = dict(cast.deployment.storage.media) if cast.deployment.storage else {}

    def is_refused(answer: Response) -> None:
        refused(answer, f"{answer.request.url} by {answer.request.who}", status=(400, 401, 403, 404, 405))
        assert content not in answer.body, f"{answer.request.url} is refused, and yet the file came"

    for server in cast.deployment.homeservers:
        nobody: Session = cast.anonymous(server)
        for session in (nobody, replace(nobody, access_token="syt_of_nobody", who="somebody with a false token")):
            for way in ways:
                is_refused(await session.get(way))
        if server.name in stores and server.server_name != sender.home.server_name:
            assert not _holds(stores[server.name], content), f"{server.name} fetched the file for who has no account"

    answer = await files.download(member.session, uri)
    assert answer.status == 200 and answer.body == content, f"a member should get the file, but: {answer}"
    if member.home.name in stores:
        assert _holds(stores[member.home.name], content), "the file is not seen in the store of the server that fetched it"


@pytest.mark.rule("INC-2")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("home", [0, 1])
async def test_file_is_not_given_to_a_server_that_is_not_let_in(cast: Cast, home: int) -> None:
    """A homeserver that nobody let in, or one that signs wrongly, gets no file; one of the federation gets it."""
    sender = await cast.agent(home)
    content = clean()
    media_id = (await files.upload(sender.session, content)).rsplit("/", 1)[1]
    where = f"{FEDERATION[0]}/download/{media_id}"
    peer = taken_over(cast, cast.abroad)
    let_in = await peer.ask(sender.home, "GET", where)
    assert let_in.status == 200 and content in let_in.body, f"a server of the federation should get the file, but: {let_in}"
    stranger = Peer("127.0.0.1:1", "ed25519:a_vigie", Ed25519PrivateKey.generate(), cast.transport)
    forger = replace(peer, key=Ed25519PrivateKey.generate())
    for asker, what in ((stranger, "a server that nobody let in"), (forger, "a server with another's name")):
        answer = await asker.ask(sender.home, "GET", where)
        refused(answer, f"a file for {what}", status=(401, 403))
        assert content not in answer.body, f"{what} is refused, and yet the file came"
