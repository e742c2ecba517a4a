"""No secret survives, in whatever it is wrapped; what is no secret stays; cleaning twice changes nothing more."""
# ruff: noqa: E501 -- tables read better with a row on a line

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from reports.literals import forms
from reports.placeholders import KINDS
from reports.redaction import Redactor

# A secret of one letter repeated is found in every run of it, which says nothing of the finding.
secrets = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=8, max_size=40).filter(
    lambda text: len(set(text)) > 4 and not any(text in f"<redacted:{kind}>" for kind in KINDS) and "redacted" not in text
)
words = st.text(st.characters(codec="utf-8"), max_size=20)

WRAPPINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, accents kept": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[1:-1],
    "JSON in JSON in JSON": lambda text: json.dumps(json.dumps(json.dumps(text)))[1:-1],
    "URL": lambda text: quote(text, safe=""),
    "URL, sub-delims kept": lambda text: quote(text, safe="!$&'()*+,;=:@/?"),
    "form": quote_plus,
    "URL in URL": lambda text: quote(quote(text, safe=""), safe=""),
    "percent, lower case": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "URL in JSON": lambda text: json.dumps(quote(text))[1:-1],
    "HTML": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, unpadded": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
}

values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


def knowing(*known: str | bytes) -> Redactor:
    redactor = Redactor()
    for secret in known:
        redactor.learn(secret)
    return redactor


def leaves(value: Any) -> list[str]:
    """Every text in a value, keys too, and texts of JSON opened."""
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in leaves(each)]
    if isinstance(value, list):
        return [text for each in value for text in leaves(each)]
    if not isinstance(value, str):
        return [str(value)]
    try:
        return [value, *leaves(json.loads(value))] if value[:1] in ("{", "[", '"') else [value]
    except (ValueError, RecursionError):
        return [value]


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@given(secret=secrets, before=words, after=words)
@example(secret="0000123\ufffd", before="", after="")
@settings(max_examples=60, deadline=None)
def test_no_learnt_secret_survives_in_a_text(wrapping: str, secret: str, before: str, after: str) -> None:
    wrapped = WRAPPINGS[wrapping](secret)
    # An escape that begins before the secret makes another text of it.
    assume(not before.endswith(("\\", "%")) and "%" not in before[-2:] and "&" not in before)
    cleaned = knowing(secret).clean(f"{before}{wrapped}{after}")
    assert wrapped not in cleaned and secret not in cleaned
    assert "<redacted:secret>" in cleaned


@given(secret=secrets, wrapping=st.sampled_from(sorted(WRAPPINGS)), value=values, data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_learnt_secret_survives_in_a_structure(secret: str, wrapping: str, value: Any, data: st.DataObject) -> None:
    wrapped = WRAPPINGS[wrapping](secret)
    nest = st.sampled_from((lambda v: [v, 1], lambda v: {"a": v}, lambda v: {"b": json.dumps(v)}, lambda v: ["x", v, None]))
    nested: Any = {wrapped: wrapped, "rest": value}
    for wrap in data.draw(st.lists(nest, max_size=4)):
        nested = wrap(nested)
    redactor = knowing(secret)
    cleaned = redactor.clean(nested)
    assert not [text for text in leaves(cleaned) if secret in text or wrapped in text]
    assert redactor.clean(cleaned) == cleaned


@given(secret=st.binary(min_size=8, max_size=40).filter(lambda raw: len(set(raw)) > 4), before=st.binary(max_size=9))
@settings(max_examples=150, deadline=None)
def test_no_key_of_raw_bytes_survives(secret: bytes, before: bytes) -> None:
    redactor = knowing(secret)
    assert secret not in redactor.clean(before + secret + b"!")
    for text in (secret.hex(), base64.b64encode(secret).decode(), base64.urlsafe_b64encode(secret).decode().rstrip("=")):
        assert text not in redactor.clean({"deep": [f"<{text}>"]})["deep"][0]
    # Inside something longer that was encoded as a whole, the middle goes: enough that the rest opens nothing.
    whole = base64.b64encode(before + secret + b"!!").decode()
    assert whole != redactor.clean(whole)


@given(value=values, known=st.lists(secrets, max_size=3))
@settings(max_examples=150, deadline=None)
def test_what_holds_no_secret_is_unchanged(value: Any, known: list[str]) -> None:
    # Drawn texts are not named or shaped like secrets; a secret drawn by accident is none of this test's.
    # Looked for as it stands and as JSON writes it: a control character is another text there.
    written = [*map(str, leaves(value)), json.dumps(value, ensure_ascii=False)]
    assume(not any(form in text for text in written for secret in known for form in forms(secret)))
    assert knowing(*known).clean(value) == value


shaped = st.sampled_from(
    ["token=", "&sid=", '"password": "', "\\\"access_token\\\": \\\"", "Authorization: Bearer ", "syt_", "%3Ftoken%3D", "Cookie: ",
     "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "<redacted:token>", "<redacted:", '"', "'", "\\", "&", "%26", "{", "}",
     ":", "\n", " ", "abc123XYZ_", "https://zoe:", "https:\\/\\/zoe:", "https%3A%2F%2Fzoe%3A", "@", "%40", "/", "%2F", "h:8448", "client_secret: ", "X-Matrix origin=a,sig=", "eyJhbGciOi.", "EsTc "]
)  # fmt: skip


@given(parts=st.lists(shaped | words, max_size=12), known=st.lists(secrets, max_size=2))
@settings(max_examples=400, deadline=None)
def test_cleaning_twice_is_cleaning_once(parts: list[str], known: list[str]) -> None:
    redactor = knowing(*known)
    once = redactor.clean("".join(parts))
    assert redactor.clean(once) == once


@given(first=secrets, second=secrets)
@settings(deadline=None)
def test_overlapping_secrets_both_go(first: str, second: str) -> None:
    joined = first + second[2:] if first[-2:] == second[:2] else first + second
    cleaned = knowing(first, second, joined[3:-3]).clean(f"see {joined} there")
    assert cleaned == "see <redacted:secret> there" or (first not in cleaned and second not in cleaned)


@pytest.mark.parametrize(
    ("told", "cleaned"),
    [
        ({"Authorization": "Bearer abc.def-123"}, {"Authorization": "Bearer <redacted:token>"}),
        ({"authorization": "X-Matrix origin=a,sig=b"}, {"authorization": "X-Matrix <redacted:token>"}),
        ({"Set-Cookie": "a=b; Path=/"}, {"Set-Cookie": "<redacted:cookie>"}),
        ([["Cookie", "a=b"]], [["Cookie", "<redacted:cookie>"]]),
        ("GET / HTTP/1.1\r\nAuthorization: Bearer q\r\nHost: h", "GET / HTTP/1.1\r\nAuthorization: Bearer <redacted:token>\r\nHost: h"),
        ({"access_token": "x", "user_id": "@a:b"}, {"access_token": "<redacted:token>", "user_id": "@a:b"}),
        ({"accessToken": 12, "newPassword": ["p"]}, {"accessToken": "<redacted:token>", "newPassword": ["<redacted:password>"]}),
        ({"password": "", "token": None}, {"password": "", "token": None}),
        ({"auth": {"session": "abc"}}, {"auth": {"session": "<redacted:session>"}}),
        ({"threepid_creds": {"sid": "1", "client_secret": "c"}}, {"threepid_creds": {"sid": "<redacted:session>", "client_secret": "<redacted:secret>"}}),
        ({"kty": "oct", "alg": "A256CTR", "k": "abc"}, {"kty": "oct", "alg": "A256CTR", "k": "<redacted:key>"}),
        ({"encrypted_body": {"ciphertext": "c", "mac": "m"}}, {"encrypted_body": {"ciphertext": "c", "mac": "<redacted:mac>"}}),
        ('{"a": "{\\"token\\": \\"x\\"}"}', '{"a": "{\\"token\\": \\"<redacted:token>\\"}"}'),
        ("https://h/p?token=a&client_secret=b&sid=c end", "https://h/p?token=<redacted:token>&client_secret=<redacted:secret>&sid=<redacted:session> end"),
        ('<a href="https://h/?a=1&amp;token=x">', '<a href="https://h/?a=1&amp;token=<redacted:token>">'),
        ("/r?next_link=https%3A%2F%2Fh%2F%3Ftoken%3Dx%26a%3D1", "/r?next_link=https%3A%2F%2Fh%2F%3Ftoken%3D<redacted:token>%26a%3D1"),
        ("log: {'password': 'it\\'s', 'u': 1}", "log: {'password': '<redacted:password>', 'u': 1}"),
        ('cut: {"access_token": "syt', 'cut: {"access_token": "<redacted:token>'),
        ("saw syt_em9l_KqWhyTNopSdXnPzvLbAe_1Xk2Pf.", "saw <redacted:token>."),
        ("a\n-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\nb", "a\n<redacted:key>\nb"),
        ("registration_shared_secret: hunter2hunter2", "registration_shared_secret: <redacted:secret>"),
        ("ed25519 a_AbCd " + "A" * 43, "ed25519 a_AbCd <redacted:key>"),
        ("GET https://zoe:mot-secret@h:8448/_matrix", "GET https://zoe:<redacted:password>@h:8448/_matrix"),
        ({"url": "imaps://zoe:m@t:secret!@h/"}, {"url": "imaps://zoe:<redacted:password>@h/"}),
        ("postgresql://:x@h, redis://u:y@h", "postgresql://:<redacted:password>@h, redis://u:<redacted:password>@h"),
        ('{"a": "https:\\/\\/zoe:mot-secret@h", "b": 1', '{"a": "https:\\/\\/zoe:<redacted:password>@h", "b": 1'),
        ("/r?next=https%3A%2F%2Fzoe%3Amot%2Dsecret%40h%2Fp", "/r?next=https%3A%2F%2Fzoe%3A<redacted:password>%40h%2Fp"),
        ("/r?next=https%253A%252F%252Fzoe%253Asecret%2540h", "/r?next=https%253A%252F%252Fzoe%253A<redacted:password>%2540h"),
        ("https://<redacted:secret>:mot-secret@h", "https://<redacted:secret>:<redacted:password>@h"),
        ("EsTc" + " ab12".replace("1", "3") * 11 + ".", "<redacted:key>."),
    ],
)  # fmt: skip
def test_secrets_by_name_and_shape(told: Any, cleaned: Any) -> None:
    assert Redactor().clean(told) == cleaned
    assert Redactor().clean(cleaned) == cleaned


@pytest.mark.parametrize(
    "told",
    [
        {"user_id": "@zoe.martin-interieur.gouv.fr:127.0.0.2:8448", "device_id": "QBUAZIFURK", "room_id": "!aBc:127.0.0.2:8448"},
        {"event_id": "$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg", "session_id": "X3lUlvLELLYxeTx4yOVu6UDpasGEVO0Jbu+QFnm0cKQ"},
        {"kind": "event_match", "key": "room_id", "pattern": "!a:b"},
        {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgAEnACgAkLmt6qF84IK++J7UDH2Za1YVchHyprqTqsg"},
        {"key": "zKbLg+NrIjpnagy+pIY6uPL4ZwEG2v+8F9lmgsnlZzs", "signatures": {"@a:b": {"ed25519:D": "sig"}}},
        "The password must have 12 characters. A token is needed; see the session key.",
        "/_matrix/client/v3/sync?since=s72594_4483_1934&timeout=0",
        "Bearer authentication is used",
        "https://h:8448/_matrix/client/v3/profile/@zoe:h:8448 and https://h:8448, @zoe:h; https://matrix.to/#/@zoe:h:8448",
        "https://zoe@h:8448/, mxc://127.0.0.2:8448/aBc, https://[::1]:8448/@zoe:h",
        "/r?next=https%3A%2F%2Fh%3A8448%2Fu%2F%40zoe%3Ah&user=%40zoe%3Ah",
        "['https://h:8448', '@zoe:h'] (https://h:8448)\n@zoe:h",
        1763890000000,
    ],
)  # fmt: skip
def test_ids_and_prose_stay(told: Any) -> None:
    assert Redactor().clean(told) == told


def test_learning_from_what_went_over_the_wire() -> None:
    redactor = Redactor()
    redactor.learn_from({"auth": {"password": "Xk9!long-enough"}, "other": [{"access_token": "opaque-77"}]})
    assert redactor.text("Xk9!long-enough then opaque-77") == "<redacted:password> then <redacted:token>"
    redactor.learn_from({"password": "motdepasse"})
    assert redactor.text("motdepasse") == "motdepasse", "a weak password is an ordinary word, and ids are made of such"


def test_short_values_and_parts_of_a_placeholder_are_not_learnt() -> None:
    redactor = knowing("abcde", "redacted", "password>")
    assert redactor.clean("abcde redacted password> password=x1") == "abcde redacted password> password=<redacted:password>"


@pytest.mark.parametrize("hostile", ["[" * 50_000, '{"a":' * 500 + "1" + "}" * 500, "\ud800 lone", "9" * 6_000, '"\\ud800"'])
def test_hostile_texts_are_borne(hostile: str) -> None:
    redactor = knowing("a-known-secret")
    once = redactor.clean(hostile)
    assert redactor.clean(once) == once


def test_a_structure_without_bottom_is_cut() -> None:
    deep: Any = "syt_abc_defghijkl"
    for _ in range(400):
        deep = [deep]
    assert "syt_" not in str(Redactor().clean(deep))
