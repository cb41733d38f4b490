"""One POST to a webhook: to the address that was checked, no redirects, a limit on seconds and on what is read."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.webhooks.addresses import AddressError, Target, resolve
from app.webhooks.signing import sign
from app.webhooks.wire import connected

READ_BYTES = 500


@dataclass(frozen=True, slots=True)
class Letter:
    """An event on its way to a webhook."""

    delivery_id: int
    fence: int
    url: str
    secret: str
    event_id: int
    kind: str
    project_id: int
    happened_at: datetime
    data: Mapping[str, Any]

    @property
    def body(self) -> bytes:
        """The bytes that are sent and signed, the same at every try."""
        said = {
            "id": self.event_id,
            "kind": self.kind,
            "project_id": self.project_id,
            "created_at": self.happened_at.isoformat(),
            "data": self.data,
        }
        return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try came to: the status and the beginning of the answer, or no status and why there is none."""

    status: int | None
    seconds: float
    detail: str

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


def send(letter: Letter, timeout_s: float, allow_private: bool) -> Outcome:
    """Try once. Never raises for what the other side does."""
    begun = time.monotonic()
    try:
        target = resolve(letter.url, allow_private)
        status, text = _post(target, letter.body, _headers(letter), timeout_s)
    except AddressError as error:
        return Outcome(None, time.monotonic() - begun, error.detail)
    except (OSError, http.client.HTTPException) as error:
        late = time.monotonic() - begun >= timeout_s * 0.99
        why = f"no answer within {timeout_s:g} s" if late else f"{type(error).__name__}: {error}"
        return Outcome(None, time.monotonic() - begun, why)
    return Outcome(status, time.monotonic() - begun, text)


def _headers(letter: Letter) -> dict[str, str]:
    now = int(time.time())
    return {
        "Content-Type": "application/json",
        "User-Agent": "afterloop-webhooks",
        "webhook-id": str(letter.event_id),
        "webhook-timestamp": str(now),
        "webhook-signature": sign(letter.secret, str(letter.event_id), now, letter.body),
    }


def _post(target: Target, body: bytes, headers: Mapping[str, str], timeout_s: float) -> tuple[int, str]:
    """Status and the first bytes of the answer. A timer ends it: a socket's own timeout starts anew at every byte."""
    with connected(target, timeout_s, within_s=timeout_s) as connection:
        connection.request("POST", target.path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read(READ_BYTES).decode("utf-8", "replace")
