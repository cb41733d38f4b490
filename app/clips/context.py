"""A clip with some of its recording around it: cut when somebody asks for it, kept nowhere but in the browser."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response

from al_core import audio

MOST_CONTEXT_S = 15.0
_WORTH_CUTTING_S = 0.05


@dataclass(frozen=True, slots=True)
class Around:
    """A stretch of a recording, in seconds of the recording, and where in it the clip starts."""

    start_s: float
    end_s: float

    def is_only(self, start_s: float, end_s: float) -> bool:
        """Whether there is nothing around the clip."""
        return self.start_s > start_s - _WORTH_CUTTING_S and self.end_s < end_s + _WORTH_CUTTING_S

    def clip_starts_at(self, start_s: float) -> float:
        """Seconds from the stretch's beginning to the clip's."""
        return round(start_s - self.start_s, 3)


def around(start_s: float, end_s: float, recording_s: float, context_s: float) -> Around:
    """The clip's window widened by `context_s` on both sides, as far as the recording goes."""
    return Around(max(0.0, start_s - context_s), max(end_s, min(recording_s, end_s + context_s)))


def context_response(request: Request, path: Path, sha256: str, start_s: float, wide: Around) -> Response:
    """The stretch as FLAC at 16 kHz; `Clip-Starts-At` says where in it the clip begins. 304 when the client has it."""
    etag = f'"{sha256[:32]}-{wide.start_s:g}-{wide.end_s:g}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=86400, immutable",
        "Clip-Starts-At": str(wide.clip_starts_at(start_s)),
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    flac = audio.encode_flac(audio.decode(path, wide.start_s, wide.end_s))
    return Response(flac, headers=headers, media_type="audio/flac")
