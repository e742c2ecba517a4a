"""AV-3, AV-4: one file, and several keys to it ("Les fichiers sont analysés avant leur remise").

A scanner has no way to tell that a key is wrong where the hash is the ciphertext's own: AES-CTR opens anything, to noise.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from conformance.cast import Cast
from conformance.checks.answers import refused
from conformance.checks.contents import opens_as
from conformance.test_antivirus import clean, infected
from scenarios import files
from scenarios.wire import Response

_ROUNDS = 4
_OTHERS = 8


def _unpadded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _with_another_key(file: Mapping[str, Any]) -> dict[str, Any]:
    """Give the same `file` object, address and hash and all, with a key that nothing was encrypted by."""
    return {**file, "key": {**file["key"], "k": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")}}


def _as_if_encrypted(uri: str, content: bytes) -> dict[str, Any]:
    """Give a `file` object for bytes that were uploaded as they are."""
    key = {"kty": "oct", "alg": "A256CTR", "ext": True, "key_ops": ["encrypt", "decrypt"], "k": ""}
    hashes = {"sha256": _unpadded(hashlib.sha256(content).digest())}
    return _with_another_key({"v": "v2", "url": uri, "key": key, "iv": _unpadded(bytes(16)), "hashes": hashes})


@pytest.mark.rule("AV-3")
@pytest.mark.needs("hostile")
async def test_another_key_makes_no_file_clean(cast: Cast) -> None:
    """With another key beside the file's own hash, what comes is the ciphertext at most, and the true key is refused after.

    The sender's other file, which is clean, opens by its own key after it was asked for with another.
    """
    sender, receiver = await cast.agents(0, 1)
    content, sound = infected(cast), clean()
    for sent, is_clean in ((content, False), (sound, True)):
        ciphertext, keys = files.encrypt_file(sent)
        file = {**keys, "v": "v2", "url": await files.upload(sender.session, ciphertext)}
        for person in (receiver, sender, receiver):
            answer = await files.download_encrypted(
                person.session, await files.for_scanner(person.session, _with_another_key(file))
            )
            if answer.status == 200:
                assert answer.body == ciphertext, "with another key came something else than the ciphertext"
            else:
                refused(answer, "a file with another key", status=(400, 403))
            answer = await files.download_encrypted(person.session, await files.for_scanner(person.session, file))
            if is_clean:
                opens_as(answer, file, sent, "a clean file that was asked for with another key before")
            else:
                refused(answer, "an infected file that was asked for with another key before", "MCS_MEDIA_NOT_CLEAN")


@pytest.mark.rule("AV-4")
@pytest.mark.needs("hostile")
@pytest.mark.parametrize(("encrypted", "home"), [(False, 0), (True, 1)], ids=["plain", "encrypted"])
async def test_a_scan_is_of_its_own_file_while_others_are_scanned(cast: Cast, encrypted: bool, home: int) -> None:
    """Who asks for an infected file while others ask for it with keys of their own making is refused it, every time.

    A clean file that is asked for in the same way comes, every time.
    """
    sender, receiver = await cast.agents(1 - home, home)

    async def sent(content: bytes) -> dict[str, Any]:
        if encrypted:
            return await files.upload_encrypted(sender.session, content)
        return _as_if_encrypted(await files.upload(sender.session, content), content)

    async def asking(file: Mapping[str, Any]) -> Callable[[], Awaitable[Response]]:
        body = await files.for_scanner(receiver.session, file)
        return lambda: files.download_encrypted(receiver.session, body)

    async def asking_truly(file: Mapping[str, Any]) -> Callable[[], Awaitable[Response]]:
        return await asking(file) if encrypted else lambda: files.download(receiver.session, file["url"])

    async def asked_among_others(file: Mapping[str, Any]) -> Response:
        asked = [await asking(_with_another_key(file)) for _ in range(_OTHERS)]
        asked.insert(_OTHERS // 2, await asking_truly(file))
        return (await asyncio.gather(*(ask() for ask in asked)))[_OTHERS // 2]

    content, sound = infected(cast), clean()
    bad, good = await sent(content), await sent(sound)
    refused(await (await asking_truly(bad))(), "an infected file", "MCS_MEDIA_NOT_CLEAN")
    for number in range(1, _ROUNDS + 1):
        answer = await asked_among_others(bad)
        refused(answer, f"an infected file among {_OTHERS} others, the {number}. time,", "MCS_MEDIA_NOT_CLEAN")
        answer = await asked_among_others(good)
        assert answer.status == 200, f"a clean file among {_OTHERS} others should come, the {number}. time, but: {answer}"
        if not encrypted:
            assert answer.body == sound, "a clean file among others came with other bytes than were sent"
