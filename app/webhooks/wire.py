"""A connection to an address that was checked: to it and to no other, whatever its name resolves to by now."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.webhooks.addresses import Target


@contextmanager
def connected(target: Target, timeout_s: float, within_s: float | None = None) -> Iterator[http.client.HTTPConnection]:
    """A connection that ends with the block. It follows no redirects and uses no proxy.

    Args:
        target: where to.
        timeout_s: longest wait for the next bytes.
        within_s: longest time for everything; None sets no such limit.
    """
    with contextlib.closing(socket.create_connection((target.ip, target.port), timeout=timeout_s)) as plain:
        wire: socket.socket = plain
        if target.tls:
            context = ssl.create_default_context()
            wire = context.wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False)
        end = None if within_s is None else threading.Timer(within_s, _hang_up, [wire])
        if end is not None:
            end.daemon = True
            end.start()
        try:
            if isinstance(wire, ssl.SSLSocket):
                wire.do_handshake()
            connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout_s)
            connection.sock = wire  # connected already
            yield connection
        finally:
            if end is not None:
                end.cancel()
            wire.close()


def _hang_up(wire: socket.socket) -> None:
    with contextlib.suppress(OSError):
        wire.shutdown(socket.SHUT_RDWR)
