"""AV: files and viruses ("Les fichiers sont analysés avant leur remise")."""

from __future__ import annotations

import base64
import contextlib
import secrets
from collections.abc import Mapping
from typing import Any

import pytest

from conformance.cast import Cast
from conformance.checks.answers import accepted, refused
from conformance.checks.contents import not_called_clean, opens_as, told_infected
from conformance.journeys import gathered
from conformance.outcome import untestable
from fixtures.signatures import Unteachable, learnt
from scenarios import files
from scenarios.people import Person
from scenarios.wire import Response, until


def infected(cast: Cast, signature: str = "") -> bytes:
    """Give a file that the deployment's antivirus knows; raises `Untestable` where none is named."""
    known = cast.deployment.infected
    if not known:
        raise untestable("a file known as infected ([infected] in the deployment's TOML)")
    mark = bytes.fromhex(known[signature] if signature else next(iter(known.values())))
    return mark + b"\n" + secrets.token_hex(8).encode()


def clean() -> bytes:
    """Give a file that no antivirus knows."""
    return b"Un fichier sain. " + secrets.token_hex(16).encode()


@pytest.mark.rule("AV-1")
@pytest.mark.parametrize("home", [0, 1])
async def test_clean_file_reaches_its_recipient(cast: Cast, home: int) -> None:
    """A clean file is told to be clean, and comes with the bytes that were sent, on either homeserver."""
    sender, receiver = await cast.agents(home, 1 - home)
    content = clean()
    uri = await files.upload(sender.session, content)
    for person in (sender, receiver):
        told = accepted(await files.scan(person.session, uri), "the scan of a clean file")
        assert told["clean"] is True, f"the scan says {told}"
        answer = await files.download(person.session, uri)
        assert answer.status == 200, f"a clean file should be delivered, but: {answer}"
        assert answer.body == content, "a clean file came with other bytes than were sent"


@pytest.mark.rule("AV-1")
async def test_clean_encrypted_file_reaches_its_recipient(cast: Cast) -> None:
    """A clean file that is encrypted end to end is scanned, delivered, and opens."""
    sender, receiver = await cast.agents(0, 1)
    content = clean()
    file = await files.upload_encrypted(sender.session, content)
    body = await files.for_scanner(receiver.session, file)
    told = accepted(await files.scan_encrypted(receiver.session, body), "the scan of a clean encrypted file")
    assert told["clean"] is True, f"the scan says: {told}"
    answer = await files.download_encrypted(receiver.session, body)
    opens_as(answer, file, content, "a clean file")


@pytest.mark.rule("AV-2")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("home", [0, 1])
async def test_infected_file_is_not_delivered(cast: Cast, home: int) -> None:
    """An infected file is refused as not clean, at every try, and none of its bytes comes; a clean one passes."""
    sender, receiver = await cast.agents(home, 1 - home)
    for signature in cast.deployment.infected or {"": ""}:
        content = infected(cast, signature)
        uri = await files.upload(sender.session, content)
        for person in (receiver, sender, receiver):
            told_infected(await files.scan(person.session, uri), "an infected file")
            answer = await files.download(person.session, uri)
            refused(answer, "an infected file", "MCS_MEDIA_NOT_CLEAN")
            assert content[:20] not in answer.body, "bytes of an infected file came with the refusal"
    good = await files.upload(sender.session, clean())
    assert (await files.download(receiver.session, good)).status == 200, "a clean file of the same sender should pass"


@pytest.mark.rule("AV-3")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("home", [0, 1])
async def test_infected_encrypted_file_is_not_delivered(cast: Cast, home: int) -> None:
    """Encrypted end to end, an infected file is refused as not clean once the scanner has its key."""
    sender, receiver = await cast.agents(home, 1 - home)
    file = await files.upload_encrypted(sender.session, infected(cast))
    ciphertext_start = None
    for body in ({"file": file}, await files.for_scanner(receiver.session, file)):
        told_infected(await files.scan_encrypted(receiver.session, body), "an infected encrypted file")
        answer = await files.download_encrypted(receiver.session, body)
        refused(answer, "an infected encrypted file", "MCS_MEDIA_NOT_CLEAN")
        ciphertext_start = answer.body
    assert ciphertext_start is not None and ciphertext_start[:1] == b"{", "something else than an error came"
    good = await files.upload_encrypted(sender.session, clean())
    answer = await files.download_encrypted(receiver.session, await files.for_scanner(receiver.session, good))
    assert answer.status == 200, f"a clean encrypted file of the same sender should pass, but: {answer}"


@pytest.mark.rule("AV-3")
@pytest.mark.needs("hostile")
async def test_wrong_key_delivers_nothing(cast: Cast) -> None:
    """With a hash that is not the file's, or a body not for this scanner, nothing is delivered, and a scan says as much."""
    sender, receiver = await cast.agents(0, 1)
    file = await files.upload_encrypted(sender.session, infected(cast))
    other_hash = {**file, "hashes": {"sha256": base64.b64encode(bytes(32)).decode().rstrip("=")}}
    answer = await files.download_encrypted(receiver.session, await files.for_scanner(receiver.session, other_hash))
    refused(answer, "a file whose hash is another's", "MCS_MEDIA_FAILED_TO_DECRYPT", status=(400, 403))
    answer = await files.scan_encrypted(receiver.session, await files.for_scanner(receiver.session, other_hash))
    not_called_clean(answer, "a file whose hash is another's", "MCS_MEDIA_FAILED_TO_DECRYPT")

    body = await files.for_scanner(receiver.session, file)
    mangled = {"encrypted_body": {**body["encrypted_body"], "mac": base64.b64encode(bytes(8)).decode().rstrip("=")}}
    answer = await files.download_encrypted(receiver.session, mangled)
    reasons = ("MCS_BAD_DECRYPTION", "MCS_MEDIA_FAILED_TO_DECRYPT")
    refused(answer, "a body that was altered", *reasons, status=(400, 403))
    not_called_clean(await files.scan_encrypted(receiver.session, mangled), "a file named in an altered body", *reasons)
    answer = await files.download_encrypted(receiver.session, {"file": {}})
    refused(answer, "a body without a key", "MCS_MALFORMED_JSON", status=400)


@pytest.mark.rule("AV-8")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("home", [0, 1])
async def test_every_member_gets_the_same_answer(cast: Cast, home: int) -> None:
    """An agent, an agent of the other homeserver and a guest are refused the infected file, and get the clean one."""
    sender, near, far = await cast.devices(await cast.agents(home, home, 1 - home))
    guest = await cast.device(await cast.guest())
    room_id = await gathered(sender, near, far, guest, externals=True)
    bad = await files.share_encrypted(sender, room_id, infected(cast), "facture.pdf", "application/pdf")
    content = clean()
    good = await files.share_encrypted(sender, room_id, content, "note.pdf", "application/pdf")
    for member in (near, far, guest, sender):
        if member is sender:
            await member.sync()
        file = (await member.wait_to_read(room_id, bad)).content["file"]
        answer = await files.download_encrypted(member.session, await files.for_scanner(member.session, file))
        refused(answer, f"the infected file, for {member.session.who}", "MCS_MEDIA_NOT_CLEAN")
        file = (await member.wait_to_read(room_id, good)).content["file"]
        answer = await files.download_encrypted(member.session, await files.for_scanner(member.session, file))
        opens_as(answer, file, content, f"the clean file, for {member.session.who},")


@pytest.mark.rule("AV-8")
@pytest.mark.needs("hostile")
@pytest.mark.guests
async def test_what_a_guest_sends_is_analysed_too(cast: Cast) -> None:
    """An infected file that a guest sent, encrypted or not, is refused to agents and guests; their clean one comes."""
    sender = await cast.guest()
    readers = [*await cast.agents(0, 1), await cast.guest(), sender]
    for content, passes in ((infected(cast), False), (clean(), True)):
        uri = await files.upload(sender.session, content)
        file = await files.upload_encrypted(sender.session, content)
        for reader in readers:
            body = await files.for_scanner(reader.session, file)
            plain, encrypted = await files.download(reader.session, uri), await files.download_encrypted(reader.session, body)
            for told in (await files.scan(reader.session, uri), await files.scan_encrypted(reader.session, body)):
                assert told.json().get("clean") is passes, f"the scan of what a guest sent, for {reader.name}: {told}"
            if passes:
                assert (plain.status, plain.body) == (200, content), f"a guest's clean file, for {reader.name}: {plain}"
                opens_as(encrypted, file, content, f"a guest's clean file, for {reader.name},")
            else:
                for answer in (plain, encrypted):
                    refused(answer, f"a guest's infected file, for {reader.name},", "MCS_MEDIA_NOT_CLEAN")


@pytest.mark.rule("AV-7")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize("encrypted", [False, True])
async def test_verdict_does_not_outlive_an_update_of_the_signatures(cast: Cast, encrypted: bool) -> None:
    """A file that was delivered to everybody is refused to everybody, at the same address, once the signatures know it."""
    sender, far = await cast.agents(0, 1)
    guest = await cast.guest()
    mark = f"Un virus de demain. {secrets.token_hex(16)}".encode()

    async def sent() -> tuple[str, dict[str, Any]]:
        if encrypted:
            return "", await files.upload_encrypted(sender.session, mark)
        return await files.upload(sender.session, mark), {}

    async def told(person: Person, uri: str, file: Mapping[str, Any]) -> Response:
        if not encrypted:
            return await files.scan(person.session, uri)
        return await files.scan_encrypted(person.session, await files.for_scanner(person.session, file))

    async def fetched(person: Person, uri: str, file: Mapping[str, Any]) -> Response:
        if not encrypted:
            return await files.download(person.session, uri)
        return await files.download_encrypted(person.session, await files.for_scanner(person.session, file))

    old = await sent()
    for person in (sender, far, guest, far):
        answer = await fetched(person, *old)
        assert answer.status == 200, f"a file that no signature knows should be delivered to {person.name}, but: {answer}"
        scan = await told(person, *old)
        assert scan.json().get("clean") is True, f"a file that no signature knows should be called clean, but: {scan}"

    async def new_one_is_refused() -> Response | None:
        answer = await fetched(sender, *await sent())
        return answer if answer.status == 403 else None

    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(learnt(cast.deployment, mark))
        except Unteachable as error:
            raise untestable(str(error)) from None
        missing = "the refusal of a new file that the signatures have just been taught"
        await until(cast.transport, new_one_is_refused, deadline=30, missing=missing, pause=0.2)
        for person in (sender, far, guest):
            refused(await fetched(person, *old), f"the file delivered before, for {person.name}", "MCS_MEDIA_NOT_CLEAN")
            told_infected(await told(person, *old), f"the file delivered before, for {person.name},")
        good = await files.upload(sender.session, clean())
        assert (await files.download(far.session, good)).status == 200, "a clean file should still be delivered"
