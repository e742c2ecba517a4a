"""No secret survives, in whatever it is wrapped; what is no secret stays readable."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.redaction import Redactor

SECRETS = st.text(
    alphabet=st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cs",)), min_size=12, max_size=60
)
WRAPPINGS = {
    "as it is": lambda secret: secret,
    "in a sentence": lambda secret: f"the token is {secret} and more",
    "JSON": lambda secret: json.dumps({"some": {"where": [secret]}}),
    "JSON in JSON": lambda secret: json.dumps({"body": json.dumps({"deep": secret})}),
    "URL": lambda secret: f"https://x.test/a?b={quote(secret, safe='')}&c=1",
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    "hex": lambda secret: secret.encode().hex(),
    "a list": lambda secret: [{"a": [secret]}],
    "a key": lambda secret: {secret: 1},
    "bytes": lambda secret: secret.encode(),
}


def written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


@pytest.mark.parametrize("wrapping", list(WRAPPINGS))
@given(secret=SECRETS)
def test_learnt_secret_survives_nowhere(wrapping: str, secret: str) -> None:
    redactor = Redactor()
    redactor.learn(secret)
    text = written(redactor.clean(WRAPPINGS[wrapping](secret)))
    forms = {secret, quote(secret, safe=""), secret.encode().hex(), base64.b64encode(secret.encode()).decode().rstrip("=")}
    assert not any(form in text for form in forms), text


@given(
    value=st.text(alphabet="abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=12, max_size=40),
    name=st.sampled_from(["access_token", "password", "client_secret", "new_password", "token", "session_key", "private_key"]),
)
def test_what_is_named_a_secret_goes(value: str, name: str) -> None:
    value = f"Zz9{value}"  # nothing that the text around it holds by chance
    redactor = Redactor()
    for told in (
        {name: value},
        {"a": [{"b": {name: value}}]},
        json.dumps({name: value}),
        json.dumps({"body": json.dumps({name: value})}),
        f"GET /_matrix/x?a=1&{name}={value}&z=2",
        f'a log line with "{name}": "{value}" in it',
    ):
        assert value not in written(redactor.clean(told)), told


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdefghijklmnop",
        "syt_YWxpY2U_abcdefghijklmnop_123456",
        "syr_YWxpY2U_abcdefghijklmnop_123456",
        'X-Matrix origin="a",destination="b",key="ed25519:1",sig="abcdefghijkl"',
        "-----BEGIN PRIVATE KEY-----\nabcdefghijklmnop\n-----END PRIVATE KEY-----",
        "https://127.0.0.2/_matrix/client/unstable/registration/email/submit_token?token=abcdefghijklmnop&sid=abcdefghij",
    ],
)
def test_shapes_of_secrets_go(text: str) -> None:
    cleaned = Redactor().text(text)
    assert "abcdefghij" not in cleaned and "<redacted" in cleaned


def test_headers_that_carry_secrets_go() -> None:
    cleaned = Redactor().headers({"Authorization": "Bearer x", "Cookie": "a=b", "Content-Type": "application/json"})
    assert cleaned["Content-Type"] == "application/json"
    assert cleaned["Authorization"] == cleaned["Cookie"] == "<redacted>"


@given(
    st.recursive(
        st.text(max_size=40) | st.integers() | st.booleans() | st.none(),
        lambda each: st.lists(each) | st.dictionaries(st.text(max_size=8), each),
    )
)
def test_cleaning_twice_is_cleaning_once(value: Any) -> None:
    redactor = Redactor()
    once = redactor.clean(value)
    assert redactor.clean(once) == once


@pytest.mark.parametrize(
    "value",
    [
        "@zoe.martin-interieur.gouv.fr:127.0.0.2:8448",
        "!abcdefghijklmnop:127.0.0.2:8448",
        "$aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abcdef",
        {"device_id": "ABCDEFGHIJ", "room_id": "!a:b", "event_id": "$c", "algorithm": "m.megolm.v1.aes-sha2"},
        '{"errcode":"M_FORBIDDEN","error":"No"}',
    ],
)
def test_names_and_ids_stay_readable(value: Any) -> None:
    assert Redactor().clean(value) == value
