"""Signatures of what is sent, as the Standard Webhooks convention has them (https://www.standardwebhooks.com).

webhook-id: <event id>          the same at every try: what a receiver tells repeated deliveries apart by
webhook-timestamp: <seconds>    of this try; receivers refuse old ones, so that a caught message cannot be replayed
webhook-signature: v1,<base64 of HMAC-SHA256 over "id.timestamp.body", by the secret's bytes>
"""

import base64
import hashlib
import hmac
import secrets

PREFIX = "whsec_"
TOLERANCE_S = 300


def new_secret() -> str:
    """`whsec_` and 256 random bits in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def verify(secret: str, message_id: str, timestamp: str, body: bytes, signatures: str, now: float) -> bool:
    """Whether one of the space-separated signatures is ours and the message is fresh: what a receiver does."""
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE_S:
        return False
    expected = sign(secret, message_id, int(timestamp), body)
    return any(hmac.compare_digest(expected, given) for given in signatures.split())
