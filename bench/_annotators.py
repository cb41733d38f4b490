"""Annotators without a pause, or with one, as cheap clients: what they cost is taken from the server's two cores.

One process, one event loop, one kept-alive connection an annotator, requests written as bytes and answers read by
their `Content-Length`. `Exchange` says what is asked for and what came back, so that another service is asked by the
same loop.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

PATIENCE_S = 120.0


@dataclass
class Seen:
    """What the annotators saw: seconds of each pair, statuses, and who held which item from when to when."""

    pairs: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    held: list[tuple[int, float, float]] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """Answers of status 5xx, and requests without any."""
        return sum(n for status, n in self.statuses.items() if status >= 500 or status == 0)

    def quantile_ms(self, q: float) -> float:
        """A quantile of the pairs, in milliseconds; NaN without any."""
        return 1000 * float(np.quantile(self.pairs, q)) if self.pairs else float("nan")

    def held_twice(self) -> int:
        """Items somebody was given while somebody else still had them."""
        last_end: dict[int, float] = {}
        twice = 0
        for item, begin, end in sorted(self.held, key=lambda hold: hold[1]):
            twice += begin < last_end.get(item, 0.0)
            last_end[item] = max(end, last_end.get(item, 0.0))
        return twice


@dataclass(frozen=True)
class Request:
    """Method, path and JSON body of one request, with headers of its own."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange(Protocol):
    """How one service is asked for an item and given its answer."""

    def claim(self) -> Request:
        """The request for the next item."""

    def item(self, answer: Mapping[str, Any]) -> int | None:
        """The item that came back; None when there was none."""

    def submit(self, answer: Mapping[str, Any]) -> Request:
        """The request that answers what `answer` to a claim gave."""


@dataclass(frozen=True)
class Load:
    """For how long, and with which pause between the two requests of a pair."""

    seconds: float
    think_s: float = 0.0


class Connection:
    """One kept-alive HTTP connection; a lost one is opened again, and its request has the status 0."""

    def __init__(self, port: int, authorization: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1:{port}\r\nAuthorization: {authorization}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: Request) -> tuple[int, bytes]:
        """The status and body of the answer."""
        body = b"" if request.body is None else json.dumps(request.body).encode()
        more = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        kind = "Content-Type: application/json\r\n" if body else ""
        first = f"{request.method} {request.path} HTTP/1.1\r\n{self._head}{more}{kind}"
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._exchange(f"{first}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except (OSError, EOFError, ValueError, TimeoutError):
            self.close()
            return 0, b""

    async def _exchange(self, sent: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        told = head.partition(b"content-length:")[2]
        if told:
            body = await reader.readexactly(int(told[: told.index(b"\r")]))
        elif b"transfer-encoding: chunked" in head:
            body = await _chunks(reader)
        else:
            body = b"" if status == 204 else await reader.read()
            self.close()
        if b"connection: close" in head:
            self.close()
        return status, body

    def close(self) -> None:
        """End the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


def crowd(port: int, authorizations: Sequence[str], exchange: Exchange, load: Load) -> Seen:
    """All annotators at once: claim, think, submit, until the time is over. A pair that has begun is finished."""
    return asyncio.run(_crowd(port, authorizations, exchange, load))


async def _crowd(port: int, authorizations: Sequence[str], exchange: Exchange, load: Load) -> Seen:
    seen, end = Seen(), time.monotonic() + load.seconds
    rng = np.random.default_rng(0)
    starts = rng.random(len(authorizations)) * load.think_s
    work = [
        _annotate(Connection(port, who), exchange, load, start_s, end, seen)
        for who, start_s in zip(authorizations, starts.tolist(), strict=True)
    ]
    await asyncio.gather(*work)
    return seen


async def _annotate(
    connection: Connection, exchange: Exchange, load: Load, start_s: float, end: float, seen: Seen
) -> None:
    await asyncio.sleep(start_s)
    while time.monotonic() < end:
        begun = time.monotonic()
        status, body = await connection.send(exchange.claim())
        claimed = time.monotonic()
        seen.statuses[status] += 1
        answer = json.loads(body) if status in (200, 201) else {}
        item = exchange.item(answer)
        if item is None:
            await asyncio.sleep(max(load.think_s, 0.05))
            continue
        if load.think_s:
            await asyncio.sleep(load.think_s)
        again = time.monotonic()
        status, _ = await connection.send(exchange.submit(answer))
        now = time.monotonic()
        seen.statuses[status] += 1
        if status in (200, 201):
            seen.pairs.append(claimed - begun + now - again)
        seen.held.append((item, claimed, again))
    connection.close()
