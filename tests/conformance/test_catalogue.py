"""The charter as data: complete, in both languages, and refused in one line where it is wrong."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.catalogue import FOLDER, CatalogueError, Chapter, Rule, UnknownRule, load
from reports.verdict import Level

COUNTS = {"REG": 12, "INV": 4, "GST": 8, "DIR": 5, "VIS": 7, "CNV": 8, "DEV": 5, "E2E": 11, "AV": 8, "RES": 8, "INC": 11}
MUST = {
    *("REG-1", "REG-3", "REG-4", "REG-11", "INV-1", "INV-2", "GST-1", "GST-2", "GST-3", "GST-4", "GST-6"),
    *("DIR-1", "DIR-2", "DIR-3", "VIS-1", "VIS-2", "VIS-3", "VIS-4", "VIS-5", "VIS-6"),
    *("CNV-1", "CNV-2", "CNV-3", "CNV-4", "CNV-5", "CNV-6", "CNV-7", "CNV-8", "DEV-1", "DEV-2"),
    *("E2E-1", "E2E-3", "E2E-4", "E2E-5", "E2E-6", "E2E-10", "AV-1", "AV-2", "AV-3", "AV-8"),
}
SHOULD = {"REG-6", "REG-7"}
# The guide's own headings, with its own apostrophes.
HEADINGS = {
    "La messagerie instantanée de l'État",
    "Les avantages de Tchap",
    "Commencer par…",
    "Créer votre compte",
    "Rechercher une personne",
    "Communiquer avec Tchap",
    "Pour aller plus loin",
    "Visibilité",
    "Confidentialité et sécurité des échanges",
}
CHARTER = [rule for rule in load() if rule.chapter != "XCL"]
EXCLUDED = [rule for rule in load() if rule.chapter == "XCL"]


def test_every_rule_is_there_in_order_and_none_besides() -> None:
    expected = [f"{chapter}-{number}" for chapter, last in COUNTS.items() for number in range(1, last + 1)]
    assert [rule.id for rule in CHARTER] == expected
    assert [rule.id for rule in EXCLUDED] == [f"XCL-{number}" for number in range(1, len(EXCLUDED) + 1)]


def test_levels_are_the_charters() -> None:
    assert {rule.id for rule in CHARTER if rule.level is Level.MUST} == MUST
    assert {rule.id for rule in CHARTER if rule.level is Level.SHOULD} == SHOULD


@pytest.mark.parametrize("rule", list(load()), ids=lambda rule: rule.id)
def test_a_rule_can_be_read_in_both_languages(rule: Rule) -> None:
    assert rule.en != rule.fr
    assert rule.en.endswith(".") and rule.fr.endswith("."), "a statement is a sentence"
    assert rule.observed.endswith(".")
    assert rule.source in HEADINGS


@pytest.mark.parametrize("chapter", load().chapters, ids=lambda chapter: chapter.id)
def test_a_chapter_is_introduced_in_both_languages(chapter: Chapter) -> None:
    assert chapter.source in HEADINGS
    assert chapter.en != chapter.fr and chapter.intro_en != chapter.intro_fr


def test_french_is_set_as_french() -> None:
    texts = [rule.fr for rule in load()] + [text for each in load().chapters for text in (each.fr, each.intro_fr)]
    for text in texts:
        assert "'" not in text, f"a typographic apostrophe: {text}"
        assert not re.search(r"(?<!\u00a0)[:;?!»]|«(?!\u00a0)", text), f"a space that does not break: {text}"


def test_what_is_excluded_says_why_and_names_no_unknown_rule() -> None:
    assert {rule.id for rule in load() if rule.excluded} == {rule.id for rule in EXCLUDED}
    for rule in EXCLUDED:
        for named in re.findall(r"\b[A-Z0-9]{2,3}-\d+\b", rule.excluded):
            assert load().rule(named).chapter != "XCL"


def test_each_incident_names_its_advisory() -> None:
    advisories = {rule.id: rule.advisory for rule in load() if rule.advisory}
    assert list(advisories) == [f"INC-{number}" for number in range(1, 12)]
    # This one has no number: it was no fault of a program.
    assert advisories.pop("INC-10") == "Tchap incident of June 2026"
    assert all(re.fullmatch(r"CVE-20\d\d-\d{4,}", advisory) for advisory in advisories.values()), advisories
    assert len(set(advisories.values())) == 10


@pytest.mark.parametrize(
    ("patterns", "levels", "expected"),
    [
        (["INV"], [], ["INV-1", "INV-2", "INV-3", "INV-4"]),
        (["inv-*"], [Level.MUST], ["INV-1", "INV-2"]),
        (["GST-2", " gst-1 "], [], ["GST-1", "GST-2"]),
        (["REG-1"], [], ["REG-1"]),
        (["REG"], [Level.SHOULD], ["REG-6", "REG-7"]),
        (["E2E-1?"], [], ["E2E-10", "E2E-11"]),
        (["INV-1", "INV"], [Level.DERIVED], ["INV-3", "INV-4"]),
    ],
)
def test_selecting(patterns: list[str], levels: list[Level], expected: list[str]) -> None:
    assert [rule.id for rule in load().select(rules=patterns, levels=levels)] == expected


def test_selecting_nothing_means_everything() -> None:
    assert load().select() == list(load())


@pytest.mark.parametrize("unknown", ["REG-13", "GTS-1", "E2E 4", "REG-1x", "", "FOO-*"])
def test_an_unknown_rule_is_told_in_one_line(unknown: str) -> None:
    with pytest.raises(UnknownRule) as one:
        load().rule(unknown)
    with pytest.raises(UnknownRule) as many:
        load().select(["REG-1", unknown])
    assert str(one.value) == str(many.value)
    assert repr(unknown) in str(one.value) and "\n" not in str(one.value)


@pytest.mark.parametrize(("unknown", "near"), [("REG-13", "REG-1"), ("GTS-1", "GST-1"), ("E2E 4", "E2E-4"), ("AV1", "AV-1")])
def test_an_unknown_rule_offers_the_near_ones(unknown: str, near: str) -> None:
    with pytest.raises(UnknownRule, match=rf"near: .*\b{near}\b"):
        load().rule(unknown)


def test_what_is_near_nothing_is_told_the_chapters() -> None:
    with pytest.raises(UnknownRule, match="chapters: REG, INV, GST"):
        load().rule("passwords")


def _first_statement(key: str, replacement: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf'(?m)^{key} = "(?!INV").*"$', lambda _: replacement, text, count=2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace('"INV-2"', '"INV-1"'), "rule INV-1 is there twice"),
        (lambda text: text.replace('"INV-2"', '"REG-2"'), "inv.toml: rule REG-2: an id here is INV- and a number"),
        (lambda text: text.replace('"INV-2"', '"INV-two"'), "inv.toml: rule INV-two: an id here is"),
        (lambda text: text.replace('level = "must"', 'level = "shall"', 1), "inv.toml: rule INV-1: level: "),
        (lambda text: text.replace('level = "must"\n', "", 1), "inv.toml: rule INV-1: level: "),
        (lambda text: text.replace("observed =", "excludded =", 1), "inv.toml: rule INV-1: "),
        (lambda text: text + 'excluded = " "\n', "inv.toml: rule INV-4: excluded: "),
        (lambda text: text + "advisory = 7\n", "inv.toml: rule INV-4: advisory: "),
        (_first_statement("fr", 'fr = ""'), "inv.toml: "),
        (lambda text: text.replace("intro_fr =", "intro_de ="), "inv.toml: chapter INV: "),
        (lambda text: text.replace('id = "INV"', 'id = "GST"'), "inv.toml: chapter 'GST' belongs in another file"),
        (lambda text: text.replace("[chapter]", "[chapters]"), "inv.toml: holds one [chapter]"),
        (lambda _: "rule = [1]\n[chapter]\nid = 'INV'\n", "inv.toml: holds one [chapter]"),
        (lambda _: "[chapter\n", "inv.toml: not TOML: "),
        (lambda _: None, "inv.toml: No such file"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, change: Callable[[str], str | None], told: str) -> None:
    folder = tmp_path / "charter"
    shutil.copytree(FOLDER, folder)
    file = folder / "inv.toml"
    changed = change(file.read_text(encoding="utf-8"))
    if changed is None:
        file.unlink()
    else:
        file.write_text(changed, encoding="utf-8")
    with pytest.raises(CatalogueError) as error:
        load(folder)
    assert told in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_nobody_would_read_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "charter"
    shutil.copytree(FOLDER, folder)
    (folder / "regs.toml").touch()
    with pytest.raises(CatalogueError, match=r"regs\.toml: no chapter of that name"):
        load(folder)


def test_a_rule_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        load().rule("REG-1").level = Level.DERIVED  # type: ignore[misc]
