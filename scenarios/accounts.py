"""Creating an account, logging in, passwords ("Créer votre compte").

Registration is the guide's: an e-mail token, the link in the mail, then the account (Matrix specification, client-server
API, "Account registration and management", stage ``m.login.email.identity``).
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urljoin

from scenarios.mailbox import Mail, Mailbox
from scenarios.people import Person, anonymous
from scenarios.session import Session, ok
from scenarios.wire import Request, Response, Transport

__all__ = [
    "Validation",
    "admit",
    "ask_for_validation",
    "ask_to_reset",
    "change_password",
    "deactivate",
    "follow_link",
    "link_of",
    "log_in",
    "log_in_with_address",
    "log_out",
    "register",
    "register_by_mail",
    "remove_device",
    "remove_devices",
    "renew",
    "reset_password",
]


@dataclass(frozen=True)
class Validation:
    """A validation of an address under way: what the client keeps, and the mail's link once it came."""

    address: str
    client_secret: str
    sid: str

    @property
    def credentials(self) -> dict[str, str]:
        """The `threepid_creds` of the specification."""
        return {"sid": self.sid, "client_secret": self.client_secret}


async def ask_for_validation(anyone: Session, address: str) -> tuple[Response, Validation]:
    """Ask for a mail with a link; the answer may be a refusal, and then the validation has no `sid`."""
    client_secret = secrets.token_urlsafe(16)
    body = {"client_secret": client_secret, "email": address, "send_attempt": 1}
    response = await anyone.post("/register/email/requestToken", body)
    sid = str(response.json().get("sid", "")) if response.status == 200 else ""
    return response, Validation(address, client_secret, sid)


async def ask_to_reset(anyone: Session, address: str) -> tuple[Response, Validation]:
    """Ask for a mail with a link to set a new password (``/account/password/email/requestToken``)."""
    client_secret = secrets.token_urlsafe(16)
    body = {"client_secret": client_secret, "email": address, "send_attempt": 1}
    response = await anyone.post("/account/password/email/requestToken", body)
    sid = str(response.json().get("sid", "")) if response.status == 200 else ""
    return response, Validation(address, client_secret, sid)


def link_of(mail: Mail) -> str:
    """Give the validation link of a mail.

    Raises `LookupError` when the mail has none.
    """
    for link in mail.links():
        if "token=" in link or "submit_token" in link:
            return link
    raise LookupError(f"the mail {mail.subject!r} has no validation link")


async def follow_link(transport: Transport, link: str, who: str) -> Response:
    """Open a link of a mail as a browser does: where it shows a form to confirm, confirm it."""
    page = await transport.send(Request("GET", link, {}, who=who))
    form = re.search(r"<form[^>]*", page.body.decode("utf-8", "replace"))
    if page.status != 200 or form is None or "post" not in form.group(0).lower():
        return page
    text = page.body.decode("utf-8", "replace")
    action = re.search(r'action="([^"]*)"', form.group(0))
    fields = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)"\s+value="([^"]*)"', text)}
    target = urljoin(link, html.unescape(action.group(1)) if action else link.split("?", maxsplit=1)[0])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return await transport.send(Request("POST", target, headers, urlencode(fields).encode(), who=who))


async def register(
    anyone: Session, password: str, validation: Validation | None, device_name: str = "téléphone", username: str = ""
) -> Response:
    """Ask for the account, with the validated address as the only stage; `username` asks for an identifier."""
    body: dict[str, Any] = {"password": password, "initial_device_display_name": device_name}
    if username:
        body["username"] = username
    first = await anyone.post("/register", body)
    if first.status != 401 or "session" not in first.json():
        return first
    auth: dict[str, Any] = {"session": first.json()["session"], "type": "m.login.email.identity"}
    if validation is not None:
        auth["threepid_creds"] = validation.credentials
    return await anyone.post("/register", {**body, "auth": auth})


def admit(person: Person, answer: dict[str, Any], transport: Transport) -> Session:
    """Note the account and device that a registration or login gave."""
    person.user_id = answer["user_id"]
    session = Session(
        transport=transport,
        base_url=person.home.url,
        server_name=person.home.server_name,
        user_id=answer["user_id"],
        device_id=answer["device_id"],
        access_token=answer["access_token"],
        who=person.name,
    )
    person.sessions.append(session)
    return session


async def register_by_mail(transport: Transport, mailbox: Mailbox, person: Person) -> Session:
    """Do the whole of it: token, mail, link, account.

    Raises `UnexpectedAnswer` at the first refusal, `NoMail` when none comes.
    """
    anyone = anonymous(transport, person.home, person.name)
    before = len(await mailbox.messages(person.identity.address))
    response, validation = await ask_for_validation(anyone, person.identity.address)
    ok(response)
    mail = await mailbox.wait_for(person.identity.address, after=before)
    await follow_link(transport, link_of(mail), person.name)
    answer = ok(await register(anyone, person.identity.password, validation))
    return admit(person, answer, transport)


async def log_in(
    transport: Transport, person: Person, password: str | None = None, device: str = "poste", *, renewable: bool = False
) -> Response:
    """Log in by identifier and password; `renewable` asks for a token that can be renewed."""
    identifier = {"type": "m.id.user", "user": person.user_id}
    return await _log_in(transport, person, identifier, password, device, renewable=renewable)


async def renew(session: Session, refresh_token: str) -> Response:
    """Ask for a new access token (Matrix specification, "Refreshing access tokens"); the session's own is not sent."""
    return await replace(session, access_token=None).post("/refresh", {"refresh_token": refresh_token})


async def log_in_with_address(transport: Transport, person: Person, password: str | None = None) -> Response:
    """Log in by e-mail address and password."""
    identifier = {"type": "m.id.thirdparty", "medium": "email", "address": person.identity.address}
    return await _log_in(transport, person, identifier, password, "poste")


async def _log_in(
    transport: Transport,
    person: Person,
    identifier: dict[str, str],
    password: str | None,
    device: str,
    *,
    renewable: bool = False,
) -> Response:
    body: dict[str, Any] = {
        "type": "m.login.password",
        "identifier": identifier,
        "password": person.identity.password if password is None else password,
        "initial_device_display_name": device,
    }
    if renewable:
        body["refresh_token"] = True
    return await anonymous(transport, person.home, person.name).post("/login", body)


async def log_out(session: Session) -> Response:
    """Log out of a session: its device and token are gone."""
    return await session.post("/logout", {})


async def change_password(session: Session, old: str, new: str, *, log_out_others: bool = True) -> Response:
    """Change the password, confirming by the old one."""
    body = {"new_password": new, "logout_devices": log_out_others}
    return await _confirmed(session, "/account/password", body, old)


async def deactivate(session: Session, password: str, *, erase: bool = True) -> Response:
    """Give one's account up, and have what is kept about it erased unless it is not to be, confirming by the password."""
    return await _confirmed(session, "/account/deactivate", {"erase": erase}, password)


async def _confirmed(session: Session, where: str, body: dict[str, Any], password: str) -> Response:
    """Do what the person has to confirm by their password (stage ``m.login.password``)."""
    first = await session.post(where, body)
    if first.status != 401 or "session" not in first.json():
        return first
    identifier = {"type": "m.id.user", "user": session.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": password, "session": first.json()["session"]}
    return await session.post(where, {**body, "auth": auth})


async def reset_password(anyone: Session, new: str, validation: Validation, *, log_out_others: bool = True) -> Response:
    """Set a new password without the old one, by an address whose link was followed."""
    body: dict[str, Any] = {"new_password": new, "logout_devices": log_out_others}
    first = await anyone.post("/account/password", body)
    if first.status != 401 or "session" not in first.json():
        return first
    credentials = validation.credentials
    auth = {"type": "m.login.email.identity", "threepid_creds": credentials, "session": first.json()["session"]}
    return await anyone.post("/account/password", {**body, "auth": auth})


async def remove_device(session: Session, device_id: str, password: str) -> None:
    """Remove one of one's devices from another one, confirming by the password."""
    where = f"/devices/{device_id}"
    first = await session.send("DELETE", where, {})
    if first.status != 401 or "session" not in first.json():
        ok(first)
        return
    identifier = {"type": "m.id.user", "user": session.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": password, "session": first.json()["session"]}
    ok(await session.send("DELETE", where, {"auth": auth}))


async def remove_devices(session: Session, device_ids: Sequence[str], password: str) -> Response:
    """Remove several of one's devices from another one at once, confirming by the password."""
    return await _confirmed(session, "/delete_devices", {"devices": list(device_ids)}, password)
