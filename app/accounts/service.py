"""What can be done with accounts. The functions flush and never commit."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.tokens import new_token, token_sha256
from app.errors import ConflictError, NotFoundError
from app.models import Account, Role


def create_account(session: Session, name: str, role: Role, now: datetime) -> tuple[Account, str]:
    """A new account and its token, which is shown this once: only its hash is kept.

    Raises:
        ConflictError: the name is taken.
    """
    if session.scalar(select(Account.id).where(Account.name == name)) is not None:
        raise ConflictError(f"an account named {name!r} exists: choose another name")
    token = new_token()
    account = Account(name=name, role=role, token_sha256=token_sha256(token), created_at=now)
    session.add(account)
    session.flush()
    return account, token


def get_account(session: Session, account_id: int) -> Account:
    """The account; NotFoundError when there is none."""
    account = session.get(Account, account_id)
    if account is None:
        raise NotFoundError(f"there is no account {account_id}")
    return account


def list_accounts(session: Session, after: int, limit: int) -> list[Account]:
    """Accounts in order of id, revoked ones too."""
    return list(session.scalars(select(Account).where(Account.id > after).order_by(Account.id).limit(limit)))


def revoke_account(session: Session, account_id: int, now: datetime) -> Account:
    """End an account's token. Revoking twice changes nothing; what the account did stays."""
    account = get_account(session, account_id)
    if account.revoked_at is None:
        account.revoked_at = now
        session.flush()
    return account
