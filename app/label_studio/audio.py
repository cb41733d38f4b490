"""Addresses of audio that a player outside of this service may open, without a token of ours.

The address is signed with the connection's secret, for clips that were pushed through it. It holds as long as the
connection does: what runs out is the commonest reason for tasks that stay silent. Removing the connection ends it.
"""

import hashlib
import hmac


def signature(secret: str, clip_id: int) -> str:
    """HMAC-SHA256 of the clip's id by the secret, in hexadecimal."""
    return hmac.new(secret.encode(), f"audio:{clip_id}".encode(), hashlib.sha256).hexdigest()


def is_signed(secret: str, clip_id: int, given: str) -> bool:
    """Whether the signature is ours, compared in constant time."""
    return hmac.compare_digest(signature(secret, clip_id).encode(), given.encode())


def address(our_url: str, link_id: int, secret: str, clip_id: int) -> str:
    """Where the clip's audio is for a browser of an annotator."""
    path = f"/api/v1/label-studio/{link_id}/audio/{clip_id}"
    return f"{our_url.rstrip('/')}{path}?signature={signature(secret, clip_id)}"
