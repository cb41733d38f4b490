"""Accounts: admins make and revoke them; everybody may ask who they are."""

from fastapi import APIRouter

from app.accounts import service
from app.accounts.schemas import AccountCreate, AccountCreated, AccountOut, CallerOut
from app.db import utcnow
from app.dependencies import Admin, DbDep, RowId, TokensDep, Viewer
from app.errors import problems
from app.paging import After, Limit, Page

router = APIRouter(tags=["accounts"], responses=problems(401, 403, 422))


@router.post("/accounts", status_code=201, summary="Make an account", responses=problems(409))
def create_account(body: AccountCreate, db: DbDep, caller: Admin) -> AccountCreated:
    """Make an account with one bearer token. The token is in the answer, and nowhere else ever again."""
    with db.write() as session:
        account, token = service.create_account(session, body.name, body.role, utcnow())
    return AccountCreated(**AccountOut.model_validate(account).model_dump(), token=token)


@router.get("/accounts", summary="List accounts")
def list_accounts(db: DbDep, caller: Admin, after: After = 0, limit: Limit = 100) -> Page[AccountOut]:
    """Every account, revoked ones too."""
    with db.read() as session:
        accounts = service.list_accounts(session, after, limit + 1)
        return Page.cut([AccountOut.model_validate(account) for account in accounts], limit)


@router.post("/accounts/{account_id}/revoke", summary="Revoke an account's token", responses=problems(404))
def revoke_account(account_id: RowId, db: DbDep, tokens: TokensDep, caller: Admin) -> AccountOut:
    """End the token: at once in this process, within five seconds in others. What the account did stays."""
    with db.write() as session:
        account = service.revoke_account(session, account_id, utcnow())
    tokens.forget()
    return AccountOut.model_validate(account)


@router.get("/me", summary="Who am I")
def me(caller: Viewer) -> CallerOut:
    """The account behind the request's token."""
    return CallerOut.model_validate(caller)
