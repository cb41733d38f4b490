"""Which addresses the service may call: never its own network, unless a setting allows it.

A webhook's address comes from outside, so it could name the database's host or a cloud's metadata service (server-side
request forgery). A name is resolved once, every address it has must be public, and the connection goes to the address
that was checked, so that a name which changes its mind in between (DNS rebinding) gains nothing.
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.errors import InvalidError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # carries an IPv4 address, which may be private


class AddressError(InvalidError):
    """The address cannot be called: malformed, unknown, or private."""

    name = "address_refused"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: the name for TLS and `Host`, the address that was checked, and the path."""

    tls: bool
    host: str
    port: int
    path: str
    ip: str


def parse(url: str) -> tuple[bool, str, int, str]:
    """TLS, host, port and path of an http(s) URL; AddressError says what is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressError(f"url: {url[:200]!r} is malformed ({error})") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AddressError(f"url: {url[:200]!r} is no http or https address: write https://host/path")
    if parts.username is not None or parts.password is not None:
        raise AddressError("url: leave the user and password out; requests are signed instead")
    if any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
        raise AddressError("url: it holds a space or a control character: write it percent-encoded")
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return tls, parts.hostname, port or (443 if tls else 80), path


def resolve(url: str, allow_private: bool) -> Target:
    """Look the address up and check it; AddressError when it is unknown, or private and that is not allowed."""
    tls, host, port, path = parse(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressError(f"url: {host!r} cannot be resolved ({error}): mend the name") from error
    ips = [str(entry[4][0]) for entry in found]
    refused = [] if allow_private else [ip for ip in ips if not is_public(ip)]
    if refused:
        raise AddressError(
            f"url: {host!r} is the private address {refused[0]}: name a public one, or allow private addresses with "
            "AFTERLOOP_WEBHOOK_ALLOW_PRIVATE=true"
        )
    return Target(tls, host, port, path, ips[0])


def is_public(text: str) -> bool:
    """Whether the address is out in the internet: not private, local, reserved or multicast, however it is wrapped."""
    address = ipaddress.ip_address(text.split("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None:
            return False
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return address.is_global and not address.is_multicast
