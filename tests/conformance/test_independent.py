"""The second client's ratchets against vodozemac's, both ways."""

from __future__ import annotations

import vodozemac
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from conformance.independent.ratchets import InboundGroup, OlmReceiver, OlmSender, OutboundGroup, decoded, encoded


def test_room_key_of_the_second_client_opens_in_vodozemac() -> None:
    """Over more messages than the ratchet's last part turns alone."""
    own = OutboundGroup()
    theirs = vodozemac.InboundGroupSession(vodozemac.SessionKey(own.session_key()))
    assert theirs.session_id == own.session_id
    for number in range(300):
        message = vodozemac.MegolmMessage.from_base64(own.encrypt(b"%d" % number))
        assert bytes(theirs.decrypt(message).plaintext) == b"%d" % number


def test_room_key_of_vodozemac_opens_in_the_second_client() -> None:
    """Also one given late, and read out of order."""
    theirs = vodozemac.GroupSession()
    own = InboundGroup(theirs.session_key.to_base64())
    messages = [theirs.encrypt(b"%d" % number).to_base64() for number in range(300)]
    for number in (299, 0, 256, 255):
        assert own.decrypt(messages[number]) == b"%d" % number


def test_olm_both_ways() -> None:
    """A session begun by either is read by the other."""
    account = vodozemac.Account()
    account.generate_one_time_keys(1)
    one_time = next(iter(account.one_time_keys.values()))
    identity = X25519PrivateKey.generate()
    sender = OlmSender(identity, decoded(account.curve25519_key.to_base64()), decoded(one_time.to_base64()))
    message = vodozemac.PreKeyMessage.from_base64(encoded(sender.encrypt(b"bonjour")))
    own_key = vodozemac.Curve25519PublicKey.from_bytes(identity.public_key().public_bytes_raw())
    _session, plain = account.create_inbound_session(own_key, message)
    assert bytes(plain) == b"bonjour"

    spare = X25519PrivateKey.generate()
    public = spare.public_key().public_bytes_raw()
    other = vodozemac.Account()
    session = other.create_outbound_session(own_key, vodozemac.Curve25519PublicKey.from_bytes(public))
    receiver = OlmReceiver(identity, {public: spare})
    for text in (b"salut", b"encore"):
        _kind, body = session.encrypt(text).to_parts()
        assert receiver.decrypt(bytes(body), decoded(other.curve25519_key.to_base64())) == text
