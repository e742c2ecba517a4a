"""Trying each part of a deployment, one after the other, and naming the rules that nobody can tell without it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from conformance.imap import ensure_reads
from conformance.needs import needs_by_rule
from fixtures.allowance import ABILITIES, MEANING
from fixtures.deployment import Deployment, Homeserver
from fixtures.errors import DeploymentError
from scenarios.wire import WireError

__all__ = ["Finding", "Patient", "compact"]

_PATIENCE = 10.0
_NOBODY = "personne.inconnue@nulle-part.example"


@dataclass(frozen=True)
class Finding:
    """A part, whether it works, what was seen, and the rules that become untestable by its lack.

    What is `off` was left out on purpose, and no rule is lost by it.
    """

    part: str
    works: bool
    said: str
    rules: tuple[str, ...] = ()
    off: bool = False


class _Lacks(Exception):
    """A part does not work; the message says why."""


def compact(rules: tuple[str, ...]) -> str:
    """Write rules by chapter: ``REG-1,4 INV-2``."""
    chapters: dict[str, list[str]] = {}
    for rule in rules:
        chapter, _, number = rule.rpartition("-")
        chapters.setdefault(chapter, []).append(number)
    return " ".join(f"{chapter}-{','.join(numbers)}" for chapter, numbers in chapters.items())


class Patient:
    """A deployment that is examined: everything is read, nothing is made."""

    def __init__(self, deployment: Deployment, order: list[str]) -> None:
        """Take the deployment, and the rules in their order; raises `DeploymentError` for a bad authority."""
        self.deployment, self._order = deployment, order
        try:
            context = ssl.create_default_context(cafile=str(deployment.ca) if deployment.ca else None)
        except (OSError, ssl.SSLError) as error:
            raise DeploymentError(f"ca: {deployment.ca}: {error}") from None
        self._http = httpx.Client(verify=context, timeout=_PATIENCE, trust_env=False)
        self._mail_works = False

    def findings(self) -> Iterator[Finding]:
        """Try everything."""
        yield self._mail()
        for homeserver in self.deployment.homeservers:
            yield from self._homeserver(homeserver)
        two = len(self.deployment.agents) > 1
        said = "there are" if two else "fewer than two homeservers of agents: nobody can tell what crosses administrations"
        yield self._finding("two homeservers of agents", two, said, "second agents")
        external = self.deployment.external
        yield self._finding("homeserver of externals", external is not None, external.name if external else "none", "externals")
        yield self._identity()
        known = len(self.deployment.infected)
        said = f"{known} known to the antivirus" if known else "no [infected]: name a file that the antivirus knows"
        yield self._finding("infected file", bool(known), said, "infected")
        stored = self.deployment.storage is not None
        said = "can be searched" if stored else "no [storage]: what the servers hold cannot be searched from here"
        yield self._finding("storage", stored, said, "storage")
        yield from self._claims()
        yield self._hold()
        yield from self._abilities()
        self._http.close()

    def _needing(self, *parts: str) -> tuple[str, ...]:
        needs = needs_by_rule()
        return tuple(rule for rule in self._order if needs.get(rule, frozenset()) & set(parts))

    def _finding(self, part: str, works: bool, said: str, *needed_as: str) -> Finding:
        return Finding(part, works, said, () if works else self._needing(*needed_as))

    def _homeserver(self, homeserver: Homeserver) -> Iterator[Finding]:
        try:
            version = self._version(homeserver)
        except _Lacks as error:
            # Nobody who lives there can do anything: that takes every rule which has people in it.
            lost = ("externals",) if homeserver.people == "externals" else ("accounts",)
            yield self._finding(f"homeserver {homeserver.name}", False, str(error), *lost)
            return
        yield Finding(f"homeserver {homeserver.name}", True, f"{homeserver.server_name}, {version}")
        yield self._administrator(homeserver)
        if homeserver.people == "agents" and not homeserver.domains:
            yield self._finding(
                f"domains of {homeserver.name}", False, "no domains: nobody can be given an address", "accounts"
            )
        yield self._scanner(homeserver)

    def _version(self, homeserver: Homeserver) -> str:
        versions = self._json(f"{homeserver.url}/_matrix/client/versions")
        if not isinstance(versions.get("versions"), list):
            raise _Lacks(f"{homeserver.url} answers, but not as a homeserver does")
        own = self._get(f"{homeserver.url}/_matrix/key/v2/server")
        named = _object(own).get("server_name") if own.status_code == 200 else None
        if named is not None and named != homeserver.server_name:
            raise _Lacks(f"{homeserver.url} is {named}, the file says {homeserver.server_name}")
        told = self._get(f"{homeserver.url}/_matrix/federation/v1/version")
        server = _object(told).get("server") if told.status_code == 200 else None
        said = [str(server[each]) for each in ("name", "version") if each in server] if isinstance(server, dict) else []
        return " ".join(said) or "version not told"

    def _administrator(self, homeserver: Homeserver) -> Finding:
        part = f"administrator of {homeserver.name}"
        guests = homeserver.people == "externals"
        try:
            if homeserver.admin_url is None or homeserver.admin_token is None:
                raise _Lacks("no admin_url and admin_token")
            token = {"Authorization": f"Bearer {homeserver.admin_token.get_secret_value()}"}
            answer = self._get(f"{homeserver.admin_url}/_synapse/admin/v2/users?limit=1", token)
            if answer.status_code != 200:
                raise _Lacks(f"the admin API answers {answer.status_code} to the token")
        except _Lacks as error:
            by_mail = self._mail_works and (not guests or self.deployment.identity is not None)
            if by_mail:
                return Finding(part, False, f"{error}: people register by mail instead", self._needing("administrator"))
            return self._finding(
                part, False, f"{error}, and no other way to make people", "externals" if guests else "accounts"
            )
        return Finding(part, True, "the admin API takes the token")

    def _scanner(self, homeserver: Homeserver) -> Finding:
        part = f"scanner of {homeserver.name}"
        try:
            if not homeserver.scanner:
                raise _Lacks("scanner = false")
            answer = self._json(f"{homeserver.url}/_matrix/media_proxy/unstable/public_key")
            if not answer.get("public_key"):
                raise _Lacks("it answers, but gives no key")
        except _Lacks as error:
            return self._finding(part, False, str(error), "scanner")
        return Finding(part, True, "gives its key")

    def _identity(self) -> Finding:
        part = "identity server"
        try:
            if self.deployment.identity is None:
                raise _Lacks("no [identity]")
            self._json(f"{self.deployment.identity.url}/_matrix/identity/v2")
            homes = 0
            for homeserver in self.deployment.agents:
                for domain in homeserver.domains:
                    self._lives_at(homeserver, domain)
                    homes += 1
        except _Lacks as error:
            return self._finding(part, False, str(error), "identity")
        return Finding(part, True, f"answers; {homes} domains live where the file says")

    def _lives_at(self, homeserver: Homeserver, domain: str) -> None:
        where = f"{homeserver.url}/_matrix/identity/api/v1/info"
        answer = self._get(f"{where}?medium=email&address={_NOBODY.split('@', maxsplit=1)[0]}@{domain}")
        if answer.status_code != 200:
            raise _Lacks(f"{where} answers {answer.status_code}")
        told = _object(answer).get("hs")
        if told != homeserver.server_name:
            raise _Lacks(f"an address of {domain} lives at {told}, the file says {homeserver.server_name}")

    def _mail(self) -> Finding:
        part, mail = "mail", self.deployment.mail
        try:
            if mail is None:
                raise _Lacks("no [mail]: mails cannot be read")
            if mail.kind == "imap":
                ensure_reads(mail, self.deployment.ca)
            elif not isinstance(self._json(f"{mail.url}/api/v1/messages?limit=1").get("messages"), list):
                raise _Lacks(f"{mail.url} answers, but not as Mailpit's API does")
        except (_Lacks, WireError) as error:
            return self._finding(part, False, str(error), "mail")
        self._mail_works = True
        return Finding(part, True, f"{mail.kind} at {mail.url}")

    def _claims(self) -> Iterator[Finding]:
        """What a homeserver is only held to where the file claims it."""
        slowed = {each for homeserver in self.deployment.homeservers for each in homeserver.throttles}
        both = slowed == {"directory", "rooms"}
        said = f"claimed for {' and '.join(sorted(slowed)) or 'nothing'} (throttles of a homeserver)"
        yield self._finding("slowing down of bulk reading", both, said, "throttles")
        soon = any(homeserver.link_lifetime_s for homeserver in self.deployment.homeservers)
        said = "told" if soon else "no link_lifetime_s of a homeserver: nobody waits for a link to run out"
        yield self._finding("lifetime of links", soon, said, "link lifetime")

    def _hold(self) -> Finding:
        held = self.deployment.storage is not None and self.deployment.storage.processes is not None
        said = "in the harness's hands" if held else "the parts are not processes or containers of this machine"
        return self._finding("hold of the parts", held, said, "hold")

    def _abilities(self) -> Iterator[Finding]:
        for ability in ABILITIES:
            allowed = ability in self.deployment.allow
            rules = () if allowed else self._needing(ability)
            said = MEANING[ability] if allowed else f"not allowed: to {MEANING[ability]}"
            # Load has no rules: without it `vigie load` is refused, and no rule is lost.
            yield Finding(f"allow {ability}", allowed, said, rules, off=not allowed and not rules)

    def _get(self, url: str, headers: dict[str, str] | None = None) -> httpx.Response:
        try:
            return self._http.get(url, headers=headers)
        except (httpx.LocalProtocolError, httpx.InvalidURL, ValueError) as error:
            # What these say holds the header's value, a token: only the kind is told.
            said = f"cannot be asked ({type(error).__name__}): correct the address, or the token"
            raise _Lacks(f"{url.split('?', 1)[0]}: {said}") from None
        except httpx.HTTPError as error:
            raise _Lacks(f"{url.split('?', 1)[0]}: {error or type(error).__name__}") from None

    def _json(self, url: str) -> dict[str, object]:
        answer = self._get(url)
        if answer.status_code != 200:
            raise _Lacks(f"{url.split('?', 1)[0]} answers {answer.status_code}")
        return _object(answer)


def _object(answer: httpx.Response) -> dict[str, object]:
    try:
        content = answer.json()
    except (ValueError, RecursionError):
        raise _Lacks(f"{str(answer.url).split('?', 1)[0]} gives no JSON") from None
    return content if isinstance(content, dict) else {}
