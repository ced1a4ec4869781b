"""Which addresses the platform may connect to: those of the public internet, and never its own network.

Whoever may name an address for us to post to could else reach what only our servers can: databases, metadata services
of clouds, other machines behind the same firewall (server-side request forgery). A name is looked up once, every
address that it has must be public, and the connection is made to the very address that was checked: a second look-up
could give another (DNS rebinding).
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

LONGEST = 500
# All that is given out of IPv6; what is local, mapped, multicast or reserved lies outside.
GLOBAL_UNICAST = IPv6Network("2000::/3")
TRANSLATED = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


class AddressRefusedError(ValueError):
    """The platform does not connect there; the text says why."""


@dataclass(frozen=True)
class Target:
    """Where to post: an address in its parts."""

    is_tls: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """Return the value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def target_of(url: str, *, allow_local: bool = False) -> Target:
    """Take an address to pieces; `AddressRefusedError` for what is not https to a public host.

    With `allow_local` plain http is taken too, to this machine alone. Names are not looked up here.
    """
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressRefusedError(f"an address has at most {LONGEST} characters, none of them a space, all ASCII")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefusedError("this is not an address") from None
    is_tls, host = parts.scheme == "https", parts.hostname or ""
    if not is_tls and not (allow_local and parts.scheme == "http"):
        raise AddressRefusedError("an address begins with https://")
    if not host or parts.username is not None or parts.fragment:
        raise AddressRefusedError("an address names a host, no user and no fragment")
    if _literal(host) is not None or not is_tls:
        require_reachable(host, allow_local=allow_local, only_local=not is_tls)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(is_tls, host, port or (443 if is_tls else 80), path)


def require_reachable(host: str, *, allow_local: bool, only_local: bool = False) -> None:
    """Raise `AddressRefusedError` unless a host, given as an IP address, may be connected to.

    `only_local`: without TLS, what is sent stays on this machine, whose own name is accepted as well.
    """
    address = _literal(host)
    is_loopback = host == "localhost" if address is None else address.is_loopback
    if is_loopback and allow_local:
        return
    if only_local:
        raise AddressRefusedError("http is for this machine alone; an address begins with https://")
    if address is None or not is_public(address):
        raise AddressRefusedError(f"{host} is not a public address")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address belongs to the public internet, and so does every address that is hidden in it."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    if address in TRANSLATED:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in GLOBAL_UNICAST or not address.is_global or address.scope_id is not None:
        return False
    hidden = [address.sixtofour, *(address.teredo or ())]
    return all(is_public(inner) for inner in hidden if inner is not None)


def look_up(target: Target, *, allow_local: bool = False) -> list[str]:
    """Return the addresses of a host, in the order to try; `AddressRefusedError` if any may not be reached.

    Raises OSError where the name has none.
    """
    found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
    for address in addresses:
        require_reachable(address, allow_local=allow_local, only_local=not target.is_tls)
    return addresses


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
