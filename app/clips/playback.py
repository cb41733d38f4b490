"""Audio to a browser: whole or in ranges, asked again only when it changed. A clip's audio never changes."""

import re
from pathlib import Path

from fastapi import Request
from fastapi.responses import FileResponse, Response

from app.errors import problem

_RANGE = re.compile(r"(\d{0,18})-(\d{0,18})", re.ASCII)  # more digits than any file has bytes are nonsense


def audio_response(request: Request, path: Path, sha256: str, media_type: str) -> Response:
    """200 with everything, 206 with the ranges asked for, 304 when the client has it, 416 outside of it.

    A Range that makes no sense, or that is bound to another version by If-Range, is ignored, as RFC 9110 wants it.
    """
    etag = f'"{sha256}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=86400, immutable",
        "Content-Disposition": "inline",
        "X-Content-Type-Options": "nosniff",
    }
    if _names(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    stat = path.stat()
    ranges = _ranges(request.headers.get("range", ""), stat.st_size)
    if not ranges or request.headers.get("if-range", etag) != etag:
        # FileResponse would answer 400 to a Range it does not understand.
        request.scope["headers"] = [(name, value) for name, value in request.scope["headers"] if name != b"range"]
    elif any(first >= stat.st_size or first > last for first, last in ranges):
        refused = problem(416, "range_not_satisfiable", f"the audio has {stat.st_size} bytes")
        refused.headers["Content-Range"] = f"bytes */{stat.st_size}"
        return refused
    return FileResponse(path, headers=headers, media_type=media_type, stat_result=stat)


def _names(if_none_match: str, etag: str) -> bool:
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in if_none_match.split(","))


def _ranges(header: str, size: int) -> list[tuple[int, int]]:
    """First and last byte of each range; empty when there is none or one of them makes no sense."""
    unit, _, specs = header.partition("=")
    if unit.strip().lower() != "bytes":
        return []
    ranges = []
    for spec in specs.split(","):
        found = _RANGE.fullmatch(spec.strip())
        if found is None or not (found[1] or found[2]):
            return []
        if not found[1]:  # the last n bytes
            first, last = max(0, size - int(found[2])), size - 1
        else:
            first, last = int(found[1]), int(found[2]) if found[2] else size - 1
            if found[2] and last < first:
                return []
        ranges.append((first, last))
    return ranges
