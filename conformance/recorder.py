"""What a check leaves as evidence while it runs: exchanges, mails, people, and where the servers' logs stood."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from pydantic import JsonValue

from fixtures.deployment import Deployment
from reports.evidence import Evidence, Exchange, Log, MailSeen, body
from reports.evidence import Person as PersonSeen
from reports.redaction import Redactor
from reports.verdict import Status
from scenarios.mailbox import Mail
from scenarios.people import Person
from scenarios.wire import Request, Response

__all__ = ["Recorder"]

_MOST_LINES = 200


@dataclass
class Recorder:
    """Takes down what happens during one check."""

    check: str
    rule: str
    title: str
    logs: dict[str, Path] = field(default_factory=dict)
    redactor: Redactor = field(default_factory=Redactor)
    people: list[Person] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    mails: list[MailSeen] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _offsets: dict[str, int] = field(default_factory=dict)

    def watch(self, deployment: Deployment) -> None:
        """Remember where the logs stand now, and the secrets of the deployment itself."""
        self.logs = dict(deployment.storage.logs) if deployment.storage else {}
        self._offsets = {name: path.stat().st_size for name, path in self.logs.items() if path.exists()}
        for homeserver in deployment.homeservers:
            if homeserver.admin_token:
                self.redactor.learn(homeserver.admin_token.get_secret_value())

    def exchange(self, request: Request, response: Response | None, error: str, began: float, seconds: float) -> None:
        """Take down an exchange; an observer of the transport."""
        bodies = [request.body, response.body if response else None]
        told = [body(each) for each in bodies]
        self._learn(request, list(zip(bodies, told, strict=True)))
        # Waiting for mails is not part of the story until one comes.
        if request.who == "mailbox":
            return
        self.exchanges.append(
            Exchange(
                at=round(began - self._began, 3),
                who=request.who,
                method=request.method,
                url=unquote(request.url),
                status=response.status if response else None,
                error=error,
                ms=round(seconds * 1000, 1),
                request_headers=dict(request.headers),
                request_body=told[0],
                response_headers=dict(response.headers) if response else {},
                response_body=told[1],
            )
        )

    def _learn(self, request: Request, content: list[tuple[bytes | None, JsonValue]]) -> None:
        """Learn what is secret: the token, and what the bodies name; each body comes raw and as it is told."""
        authorization = request.headers.get("Authorization", "")
        if authorization.startswith("Bearer "):
            self.redactor.learn(authorization.removeprefix("Bearer "))
        for raw, told in content:
            if raw and raw[:1] == b"{" and len(raw) < 100_000:
                try:
                    self.redactor.learn_from(told if isinstance(told, dict) else json.loads(raw))
                except ValueError:
                    continue

    def mail(self, mail: Mail) -> None:
        """Take down a mail that was read."""
        at = round(time.monotonic() - self._began, 3)
        self.mails.append(MailSeen(at=at, to=", ".join(mail.to), subject=mail.subject, text=mail.text))

    def evidence(self, status: Status, message: str, traceback: str) -> Evidence:
        """Give the evidence; logs are attached where the check did not pass."""
        return Evidence(
            check=self.check,
            rule=self.rule,
            title=self.title,
            status=status,
            message=message,
            started=self._started.isoformat(),
            seconds=round(time.monotonic() - self._began, 3),
            people=[
                PersonSeen(name=each.identity.full_name, role=each.role, user_id=each.user_id, homeserver=each.home.name)
                for each in self.people
            ],
            exchanges=self.exchanges,
            mails=self.mails,
            logs=[] if status is Status.PASS else self._log_lines(),
            traceback=traceback,
        )

    def _log_lines(self) -> list[Log]:
        """Give what the services wrote since the check began: lines about its people first, then warnings."""
        names = [each.user_id for each in self.people if each.user_id]
        names += [each.identity.address for each in self.people]
        found = []
        for name, path in self.logs.items():
            if not path.exists():
                continue
            with path.open("rb") as file:
                file.seek(self._offsets.get(name, 0))
                lines = file.read(4_000_000).decode("utf-8", "replace").splitlines()
            telling = [line[:600] for line in lines if any(each in line for each in names) or _is_alarm(line)]
            if telling:
                found.append(Log(service=name, lines=telling[-_MOST_LINES:]))
        return found


def _is_alarm(line: str) -> bool:
    return any(word in line for word in ("ERROR", "WARNING", "CRITICAL", "Traceback", "[error]", "[warn]", "FATAL"))
