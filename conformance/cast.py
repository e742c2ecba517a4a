"""The people of one check, made fresh for it: agents, guests, outsiders, with as many devices as the story needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance import extras
from conformance.guard import allowing
from conformance.imap import ImapMailbox
from conformance.outcome import untestable
from conformance.recorder import Recorder
from conformance.transport import AsyncTransport
from fixtures.allowance import lacking
from fixtures.deployment import Deployment, Homeserver
from fixtures.population import Identity, Kind, Population
from scenarios import accounts
from scenarios.devices import Device
from scenarios.mailbox import Mailbox
from scenarios.people import Person, Role, anonymous
from scenarios.session import Session, ok

__all__ = ["Cast"]


@dataclass
class Cast:
    """Brings people on; everybody is noted in the evidence.

    `agent` and `guest` are extras: their account is made by an administrator, with the address, name and identifier that
    registration would give, and where there is none by registration itself. Where registration is what is checked,
    `newcomer` gives somebody without an account.
    """

    deployment: Deployment
    transport: AsyncTransport
    population: Population
    recorder: Recorder
    registration: str = "link"

    @property
    def mailbox(self) -> Mailbox:
        """Everybody's mail; raises `Untestable` where mails cannot be read."""
        if self.deployment.mail is None:
            raise untestable("a way to read mails ([mail] in the deployment's TOML)")
        place = self.deployment.mail
        if place.kind == "imap":
            return ImapMailbox(self.transport, place.url, self.recorder.mail, place, self.deployment.ca)
        return Mailbox(self.transport, place.url, self.recorder.mail)

    @property
    def homes(self) -> tuple[Homeserver, ...]:
        """The homeservers of agents."""
        return self.deployment.agents

    def home(self, number: int) -> Homeserver:
        """Give the agents' homeserver of this number, from 0; raises `Untestable` when there are not as many."""
        if number >= len(self.homes):
            raise untestable(f"{number + 1} homeservers of agents")
        return self.homes[number]

    @property
    def abroad(self) -> Homeserver:
        """The homeserver of guests; raises `Untestable` when there is none."""
        if self.deployment.external is None:
            raise untestable("a homeserver of externals")
        return self.deployment.external

    def anonymous(self, home: Homeserver, who: str = "nobody") -> Session:
        """Give a session without an account."""
        return anonymous(self.transport, home, who)

    def newcomer(self, home: int = 0, like: Kind | None = None) -> Person:
        """Give an agent who has no account yet."""
        homeserver = self.home(home)
        if not homeserver.domains:
            raise untestable(f"e-mail domains of {homeserver.name}")
        return self._noted(self.population.agent(homeserver.domains[0], like), "agent", homeserver)

    def outsider(self) -> Person:
        """Give somebody outside the administration who has no account; their home is the externals' server."""
        return self._noted(self.population.outsider(), "outsider", self.abroad)

    def _noted(self, identity: Identity, role: Role, home: Homeserver) -> Person:
        person = Person(identity, role, home)
        self.recorder.people.append(person)
        self.recorder.redactor.learn(identity.password)
        return person

    async def agent(self, home: int = 0, like: Kind | None = None) -> Person:
        """Give an agent with an account, logged in."""
        return await self._extra(self.newcomer(home, like))

    async def guest(self) -> Person:
        """Give a guest with an account, logged in, and invited nowhere yet."""
        person = self._noted(self.population.outsider(), "guest", self.abroad)
        return await self._extra(person)

    async def agents(self, *homes: int) -> list[Person]:
        """Give one agent for each number of a homeserver."""
        return [await self.agent(home) for home in homes]

    async def _extra(self, person: Person) -> Person:
        if lacking(self.deployment, ["accounts"]):
            raise untestable(allowing(["accounts"]))
        await extras.make(self, person)
        return person

    def administrator(self, home: Homeserver) -> Session:
        """Give an administrator's session; raises `Untestable` where there is none."""
        if home.admin_url is None or home.admin_token is None:
            raise untestable(f"an administrator's token of {home.name}")
        token = home.admin_token.get_secret_value()
        return Session(self.transport, home.admin_url, home.server_name, access_token=token, who="administrator")

    async def log_in(self, person: Person, device: str = "poste") -> Session:
        """Log somebody in on one more device, without keys."""
        return accounts.admit(person, ok(await accounts.log_in(self.transport, person, device=device)), self.transport)

    async def device(self, person: Person) -> Device:
        """Give a device of a person with keys: their session if it has none yet, else a new one."""
        used = person.equipped
        session = person.sessions[used] if used < len(person.sessions) else await self.log_in(person, f"appareil {used + 1}")
        person.equipped += 1
        return await Device(session).start()

    async def devices(self, people: Sequence[Person]) -> list[Device]:
        """Give each a device with keys."""
        return [await self.device(person) for person in people]

    def word(self, about: str = "mot") -> str:
        """Give a word that nobody else uses, with letters that encodings change."""
        mark = f"-{self.population.mark}" if self.population.mark else ""
        return f"{about}{mark}-été-{self.population.word()}"
