"""Who answered: names in a file → accounts here, mapped, found or made."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.service import create_account
from app.models import Account, Role

LONGEST_NAME = 200


class People:
    """The accounts behind a file's names, looked up once each.

    A name is mapped if the operator says so, else it is the account of that name. An account that is missing is made
    where that is allowed: its token is thrown away and it is revoked at once, so nobody can sign in as somebody who
    only ever answered elsewhere.
    """

    def __init__(self, mapped: Mapping[str, str], make: bool, role: Role = Role.ANNOTATOR) -> None:
        self._mapped, self._make, self._role = dict(mapped), make, role
        self._known: dict[str, int] = {}
        self.made: list[str] = []

    def account(self, session: Session, name: str, *, now: datetime) -> int | None:
        """The account's id; None when there is none and none may be made."""
        ours = self._mapped.get(name, name)
        if ours in self._known:
            return self._known[ours]
        found = session.scalar(select(Account.id).where(Account.name == ours))
        if found is None:
            if not self._make or not 0 < len(ours) <= LONGEST_NAME:
                return None
            account, _ = create_account(session, ours, self._role, now)
            account.revoked_at = now
            session.flush()
            found = account.id
            self.made.append(ours)
        self._known[ours] = found
        return found

    @contextmanager
    def provisional(self) -> Iterator[None]:
        """Forget whoever was made in the block when it fails, as its transaction or savepoint does."""
        n = len(self.made)
        try:
            yield
        except BaseException:
            for name in self.made[n:]:
                self._known.pop(name, None)
            del self.made[n:]
            raise
