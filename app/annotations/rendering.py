"""Offers as JSON, written directly: a waveform's peaks pass from the database to the page without being read."""

import json
from datetime import datetime

from fastapi import Response

from app.annotations.leases import Lease
from app.annotations.offers import Offer
from app.annotations.schemas import AnnotationOut
from app.annotations.undo import Undone


def offer_response(offer: Offer) -> Response:
    """A `LeasesOut`."""
    newest = offer.project.round
    told = None if newest is None else {"id": newest.id, "number": newest.number, "state": newest.state.value}
    tail = {"round": told, "remaining": offer.project.remaining, "qualification": offer.project.qualification}
    return _json(f'{{"leases":{_leases(offer.leases)},{json.dumps(tail)[1:]}')


def undone_response(undone: Undone) -> Response:
    """An `UndoneOut`."""
    return _json(f'{{"leases":{_leases(undone.leases)},"withdrawn":{json.dumps(undone.withdrawn)}}}')


def annotation_response(annotation: AnnotationOut, repeated: bool) -> Response:
    """An `AnnotationOut`, with 201."""
    headers = {"Idempotent-Replayed": "true"} if repeated else None
    return _json(annotation.model_dump_json(), 201, headers)


def audio_url(clip_id: int) -> str:
    """Where the clip plays."""
    return f"/api/v1/clips/{clip_id}/audio"


def _leases(leases: list[Lease]) -> str:
    return f"[{','.join(_lease(lease) for lease in leases)}]"


def _lease(lease: Lease) -> str:
    told = {
        "lease_id": str(lease.id),
        "expires_at": _moment(lease.expires_at),
        "clip_id": lease.clip_id,
        "audio_url": audio_url(lease.clip_id),
        "duration_s": lease.duration_s,
        "guess": lease.shown,
    }
    return f'{json.dumps(told)[:-1]},"peaks":{lease.peaks}}}'


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _json(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(text, status, headers, "application/json")
