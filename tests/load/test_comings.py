"""Who comes into a room of the crowd is in it when every homeserver there knows; for none is waited in vain."""

from pathlib import Path
from typing import Any

from load.agents.crowd import Crowd
from load.agents.surroundings import Room
from tests.load.on_paper import crowd_on_paper


def _joins(user_id: str, at: int) -> dict[str, Any]:
    return {"state_key": user_id, "content": {"membership": "join"}, "origin_server_ts": at, "unsigned": {"age": 0}}


def _claire_comes_back(crowd: Crowd) -> tuple[Room, set[str]]:
    """Claire leaves and joins again, and her own homeserver knows; gives the room, and who was there before."""
    forum, claire = crowd.around.rooms["!forum:one.test"], crowd.members[2]
    there = set(forum.members)
    crowd.left(forum, claire)
    crowd.around.on_member(forum, _joins(claire.user_id, 10), "one.test")
    assert forum.members == there - {claire.user_id}
    return forum, there


def test_who_comes_back_is_there_when_every_homeserver_knows(tmp_path: Path) -> None:
    """Then Bruno's homeserver tells of her, too."""
    crowd = crowd_on_paper(tmp_path, "one", "two", "one")
    forum, there = _claire_comes_back(crowd)
    crowd.around.on_member(forum, _joins(crowd.members[2].user_id, 10), "two.test")
    assert forum.members == there


def test_nobody_waits_for_the_homeserver_of_who_left_meanwhile(tmp_path: Path) -> None:
    """Bruno, the only one of his homeserver there, leaves before it told of her: it will not tell any more."""
    crowd = crowd_on_paper(tmp_path, "one", "two", "one")
    forum, there = _claire_comes_back(crowd)
    crowd.left(forum, crowd.members[1])
    assert forum.members == there - {crowd.members[1].user_id} and not forum.joining
