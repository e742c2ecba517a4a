"""The people's acts as a state machine: Hypothesis chooses them, and after each everybody's view is held to the model."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, initialize, invariant, multiple, rule

from conformance.adversaries.acts import AGENTS, EVERYBODY, KINDS, OUTSIDER, Act, Kind, Script
from conformance.adversaries.driving import Adversary, Judge
from conformance.adversaries.seeing import Stage

__all__ = ["People"]

_AGENTS, _SOMEBODY, _KINDS = st.sampled_from(AGENTS), st.sampled_from(EVERYBODY), st.sampled_from(KINDS)
_ANYBODY = st.sampled_from((*EVERYBODY, OUTSIDER))
_MADE = MultipleResults[int]


class People(RuleBasedStateMachine):
    """Agents of two homeservers, a guest and an outsider, who do whatever there is to be done.

    Rooms are known by their number; `invitations` and `entered` are whose, in which room, so that people take what they were
    offered, and are thrown out of where they are, more often than chance has it. What the guide leaves open is left out.
    """

    rooms: Bundle[int] = Bundle("rooms")
    invitations: Bundle[tuple[str, int]] = Bundle("invitations")
    entered: Bundle[tuple[str, int]] = Bundle("entered")

    def __init__(self, adversary: Adversary, judge: Judge[Script], stage: Stage) -> None:
        """Begin with nothing, in front of a judge."""
        super().__init__()
        self._adversary, self._judge, self._stage = adversary, judge, stage
        self._script: list[Act] = []
        self._held = 0
        adversary.run(stage.begin())

    def _act(self, act: Act) -> bool:
        """Do an act where the guide says what must become of it; tells whether it was to be taken."""
        expected = self._stage.world.expects(act)
        if expected != "open":
            self._script.append(act)
            self._judge.hold(tuple(self._script), lambda: self._adversary.run(self._stage.act(act)))
        return expected == "taken"

    def _create(self, who: str, kind: Kind) -> _MADE:
        number = len(self._stage.world.rooms)
        return multiple(number) if self._act(Act("creates", who, number, kind=kind)) else multiple()

    @initialize(target=rooms, who=_AGENTS, kind=_KINDS, removal=st.sampled_from(("", "kicks", "bans")))
    def one_was_removed(self, who: str, kind: Kind, removal: str) -> _MADE:
        """Somebody creates a room; it may be that another was in it, and was removed."""
        made = self._create(who, kind)
        if removal:
            whom = next(name for name in reversed(AGENTS) if name != who)
            self.everybody_sees_and_may_what_the_model_says()
            self._act(Act("invites", who, 0, whom))
            self._act(Act("joins", whom, 0))
            self.everybody_sees_and_may_what_the_model_says()
            self._act(Act(removal, who, 0, whom))
        return made

    @rule(target=rooms, who=_ANYBODY, kind=_KINDS)
    def create(self, who: str, kind: Kind) -> _MADE:
        """Somebody creates a room."""
        return self._create(who, kind)

    @rule(target=rooms, who=_SOMEBODY, whom=_AGENTS)
    def open_direct(self, who: str, whom: str) -> _MADE:
        """Somebody opens a conversation between two."""
        number = len(self._stage.world.rooms)
        return multiple(number) if self._act(Act("opens", who, number, whom, "direct")) else multiple()

    @rule(target=invitations, room=rooms, who=_ANYBODY, whom=_SOMEBODY)
    def invite(self, room: int, who: str, whom: str) -> MultipleResults[tuple[str, int]]:
        """Somebody invites another."""
        return multiple((whom, room)) if self._act(Act("invites", who, room, whom)) else multiple()

    @rule(target=entered, invitation=invitations)
    def accept(self, invitation: tuple[str, int]) -> MultipleResults[tuple[str, int]]:
        """Who was invited joins, unless it was thought better of."""
        return multiple(invitation) if self._act(Act("joins", *invitation)) else multiple()

    @rule(target=entered, room=rooms, who=_ANYBODY, by=st.sampled_from(("joins", "joins by alias", "knocks")))
    def enter(self, room: int, who: str, by: str) -> MultipleResults[tuple[str, int]]:
        """Somebody tries a way in."""
        return multiple((who, room)) if self._act(Act(by, who, room)) else multiple()

    @rule(member=entered, who=_ANYBODY, removal=st.sampled_from(("kicks", "bans")))
    def remove(self, member: tuple[str, int], who: str, removal: str) -> None:
        """Somebody is removed, as far as others have the power."""
        self._act(Act(removal, who, member[1], member[0]))

    @rule(room=rooms, who=_ANYBODY, does=st.sampled_from(("leaves", "mails", "upgrades", "publishes", "unpublishes", "names")))
    def do(self, room: int, who: str, does: str) -> None:
        """Somebody does something to a room, or leaves it."""
        self._act(Act(does, who, room))

    @rule(who=_AGENTS)
    def hide(self, who: str) -> None:
        """Somebody goes on the red list, or comes off it."""
        self._act(Act("hides", who))

    @rule(who=_ANYBODY, whom=_SOMEBODY)
    def search(self, who: str, whom: str) -> None:
        """Somebody searches for another."""
        self._act(Act("searches", who, whom=whom))

    @invariant()
    def everybody_sees_and_may_what_the_model_says(self) -> None:
        """Hold everybody's view to the model, where something was done since."""
        if len(self._script) > self._held:
            self._held = len(self._script)
            script = tuple(self._script)
            self._judge.hold(script, lambda: self._adversary.run(self._stage.compare(script[-1])))
