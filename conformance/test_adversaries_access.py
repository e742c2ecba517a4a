"""GST-8, CNV-1, CNV-2, CNV-3, CNV-7, VIS-3, VIS-7: random acts of people over two homeservers, held to a model after each."""

from __future__ import annotations

import pytest

from conformance.adversaries.acting import actors
from conformance.adversaries.acts import Script, script, told
from conformance.adversaries.driving import Adversary, Judge
from conformance.adversaries.machine import People
from conformance.adversaries.seeing import Stage

# What a run found, as it told it, goes here.
_KNOWN = (
    # A guest at the door of every kind, invited and not, and thrown out again.
    "Ada creates open room 0; Gus joins room 0; Ada invites Gus to room 0; Gus joins room 0; Gus invites Bob to room 0; "
    "Gus invites by mail to room 0; Ada upgrades room 0; Ada kicks Gus from room 0; Gus joins room 0",
    # A member of the other homeserver is banned, and stays out of a public room too, by its alias as well. Theirs came in
    # late, and once told the banned in a sync what was said after.
    "Ada creates public room 0; Bob joins room 0; Ada gives room 0 an alias; Gus joins room 0 by alias; "
    "Rem joins room 0 by alias; Ada bans Bob from room 0; Bob joins room 0 by alias; Bob publishes room 0; "
    "Cyd goes on or off the red list; Ada takes room 0 off the list; Oda joins room 0 by alias",
    # Who was removed reads nothing that is said after, by any way, and neither does who has no account; also where it goes on.
    "Bob creates closed room 0; Bob invites Rem to room 0; Rem joins room 0; Bob kicks Rem from room 0; Rem joins room 0; "
    "Bob invites Ada to room 0; Ada joins room 0; Oda knocks at room 0; Ada publishes room 0; Bob bans Rem from room 0; "
    "Oda searches for Ada; Bob upgrades room 0; Rem joins room 1",
    # Who declines an invitation, on either homeserver, may know of it and of who was there: not of what was said or who came.
    "Ada creates closed room 0; Ada opens direct room 1 with Rem; Rem leaves room 1; Ada invites Cyd to room 0; "
    "Cyd leaves room 0; Ada invites Bob to room 0; Bob joins room 0; Bob leaves room 0; Ada invites Cyd to room 0",
    # Who has no account does something to a room that the homeserver they come to does not know.
    "Bob creates closed room 0; Oda gives room 0 an alias",
    # Somebody invites into a room that their homeserver knows by another's invitation alone.
    "Bob creates closed room 0; Bob invites Ada to room 0; Cyd invites Rem to room 0",
)


@pytest.mark.rule("GST-8", "CNV-1", "CNV-2", "CNV-3", "CNV-7", "VIS-3", "VIS-7")
@pytest.mark.long
def test_whatever_people_do_everybody_sees_and_may_what_the_model_says(adversary: Adversary) -> None:
    """After each random act of agents, a guest and an outsider, who is where, reads, writes and is found as the model says."""
    stage = Stage(adversary.cast, adversary.run(actors(adversary.cast)))

    def people(judge: Judge[Script]) -> People:
        return People(adversary, judge, stage)

    steps = 6 if adversary.size.in_passing else 30
    adversary.play(people, stage.perform, examples=3, steps=steps, known=map(script, _KNOWN), told=told)
