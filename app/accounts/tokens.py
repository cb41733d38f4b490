"""Bearer tokens: how they are made, hashed and recognised."""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select

from app.db import Database
from app.models import Account, Role

TTL_S = 5.0
MOST_ENTRIES = 10_000
_RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: the account behind its token."""

    id: int
    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether the account's role is `role` or above it."""
        return _RANK[self.role] >= _RANK[role]


def new_token() -> str:
    """A token nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(32)


def token_sha256(token: str) -> str:
    """What is stored of a token. Plain SHA-256 is enough for 256 random bits; a password would need more."""
    return hashlib.sha256(token.encode()).hexdigest()


class TokenCache:
    """Callers by the hash of their token, remembered for `ttl_s` seconds so that most requests ask no database.

    A revocation in this process takes effect at once, in another process within `ttl_s`. Unknown tokens are never
    remembered: a new one works immediately.
    """

    def __init__(self, database: Database, ttl_s: float = TTL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._ttl_s = ttl_s
        self._clock = clock
        self._entries: dict[str, tuple[float, Caller]] = {}
        self._lock = threading.Lock()

    def remembered(self, token: str) -> Caller | None:
        """The caller, when it was looked up less than `ttl_s` ago."""
        entry = self._entries.get(token_sha256(token))
        return entry[1] if entry is not None and self._clock() < entry[0] else None

    def look_up(self, token: str) -> Caller | None:
        """The caller from the database, or None when nobody holds the token or it was revoked."""
        sha256 = token_sha256(token)
        held = select(Account.id, Account.name, Account.role).where(
            Account.token_sha256 == sha256, Account.revoked_at.is_(None)
        )
        with self._database.read() as session:
            row = session.execute(held).one_or_none()
        if row is None:
            return None
        caller = Caller(row.id, row.name, Role(row.role))
        with self._lock:
            if len(self._entries) >= MOST_ENTRIES:
                self._entries.clear()
            self._entries[sha256] = (self._clock() + self._ttl_s, caller)
        return caller

    def forget(self) -> None:
        """Forget everybody: called after a revocation."""
        with self._lock:
            self._entries.clear()
