"""Mails over IMAP, from a real server: by address, oldest first, and told apart from what merely looks like it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from conformance.imap import ImapMailbox, ensure_reads
from conformance.transport import AsyncTransport
from fixtures.deployment import Mail as MailPlace
from fixtures.packages import python_environment
from scenarios.accounts import link_of
from scenarios.mailbox import NoMail
from scenarios.wire import Unreachable

LINK = "https://agents.example/submit_token?token=a&client_secret=b&sid=1"


def drop(folder: Path, number: int, to: str, subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Tchap <tchap@example.org>", to, subject
    message["Date"] = "Thu, 01 Jan 2026 00:00:00 +0000"
    message.set_content(f"Bonjour, suivez ce lien été : {LINK}\n")
    message.add_alternative(f'<a href="{LINK}">lien</a>', subtype="html")
    (folder / f"{number:03}.eml").write_bytes(bytes(message))


class Server:
    def __init__(self, folder: Path, port: int, ca: Path | None) -> None:
        self.folder, self.ca = folder, ca
        self.url = f"{'imaps' if ca else 'imap'}://127.0.0.1:{port}"

    def place(self, password: str = "un-mot") -> MailPlace:
        return MailPlace(kind="imap", url=self.url, user="vigie", password=SecretStr(password))


@pytest.fixture(params=["tls", "plain"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    folder, ca, more = tmp_path / "mails", None, []
    folder.mkdir()
    if request.param == "tls":
        authority, ca = trustme.CA(), tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(ca))
        own = tmp_path / "own.pem"
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(own))
        more = [str(own)]
    python = python_environment("synapse").python
    command = [str(python), str(Path(__file__).parent / "imap_server.py"), str(folder), "vigie", "un-mot", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Server(folder, int(process.stdout.readline()), ca)
    finally:
        process.kill()
        process.communicate()


async def test_mails_by_address(server: Server) -> None:
    for number, (to, subject) in enumerate(
        [("Ann <ann@gouv.fr>", "premier"), ("joann@gouv.fr", "autre"), ("Ann@Gouv.fr", "second"), ("bob@gouv.fr", "témoin")], 1
    ):
        drop(server.folder, number, to, subject)
    transport = AsyncTransport(None)
    seen: list[str] = []
    mailbox = ImapMailbox(transport, server.url, lambda mail: seen.append(mail.subject), server.place(), server.ca)
    ensure_reads(server.place(), server.ca)
    assert [mail.subject for mail in await mailbox.messages("ann@gouv.fr")] == ["premier", "second"]
    assert await mailbox.messages("nn@gouv.fr") == []
    found = await mailbox.wait_for("ann@gouv.fr", after=1)
    assert (found.subject, found.sender, found.to) == ("second", "tchap@example.org", ("ann@gouv.fr",))
    assert link_of(found) == LINK and "été" in found.text
    assert seen == ["premier", "second", "second"]

    with pytest.raises(NoMail, match="number 3"):
        await mailbox.wait_for("ann@gouv.fr", after=2, deadline=0.3)
    await mailbox.expect_none("eve@gouv.fr", witness="bob@gouv.fr")
    with pytest.raises(AssertionError, match="premier"):
        await mailbox.expect_none("ann@gouv.fr", witness="bob@gouv.fr")
    await transport.close()


def test_wrong_password_is_told_without_it(server: Server) -> None:
    with pytest.raises(Unreachable) as raised:
        ensure_reads(server.place("faux-mot-secret"), server.ca)
    assert server.url in str(raised.value) and "faux-mot-secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "password", "said"),
    [("imap://127.0.0.1:abc", "x", "its address"), ("imap://[::1", "x", "its address"), (None, "été-secret", "ASCII")],
)
def test_what_no_file_gives_any_more_is_one_line(server: Server, url: str | None, password: str, said: str) -> None:
    place = server.place().model_copy(update={"url": url or server.url, "password": SecretStr(password)})
    with pytest.raises(Unreachable, match=said) as raised:
        ensure_reads(place, server.ca)
    assert "secret" not in str(raised.value) and "\n" not in str(raised.value)


def test_nobody_there_is_told() -> None:
    place = MailPlace(kind="imap", url="imap://127.0.0.1:9", user="vigie", password=SecretStr("x"))
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        ensure_reads(place, None)
