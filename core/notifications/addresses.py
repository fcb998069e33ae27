"""Which addresses a webhook may be sent to: nothing in our own network, whatever name leads there. Pure.

Refused is whatever is no public unicast address, and what wraps one address in another (IPv4-mapped, 6to4, Teredo,
NAT64), because the one inside may be private. Lists of our own, since what Python says of an address differs between
its releases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

Network = IPv4Network | IPv6Network

_NOT_PUBLIC_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: where clouds tell credentials
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo, ORCHID and the like
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_USUAL_PORTS: Final = {"http": 80, "https": 443}
_FIRST_FREE_PORT: Final = 1024
_LONGEST: Final = 2048


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL says: where to connect to, and what to ask for there. `host` is in its ASCII form."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    @property
    def host_header(self) -> str:
        """The value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _USUAL_PORTS[self.scheme] else f"{host}:{self.port}"


def read_url(text: str) -> Target:
    """What `text` says. ValueError, saying what is wrong, for what is no plain address of a web server."""
    if len(text) > _LONGEST or not text.isprintable() or any(character in text for character in ' \\"<>'):
        raise ValueError(f"Give an address of at most {_LONGEST} characters, without spaces.")
    parts = urlsplit(text)
    if parts.scheme not in _USUAL_PORTS or not parts.hostname:
        raise ValueError("Give an address that begins with https:// or http://.")
    if "@" in parts.netloc:
        raise ValueError("Give an address without a user name or password: put what authorizes into a header.")
    if parts.fragment:
        raise ValueError("Give an address without a fragment (#): it is never sent.")
    try:
        port = parts.port or _USUAL_PORTS[parts.scheme]
        host = parts.hostname if ":" in parts.hostname else parts.hostname.encode("idna").decode()
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        path.encode("ascii")
    except UnicodeError:
        raise ValueError("That is no host name, or the path is not percent-encoded.") from None
    if port not in _USUAL_PORTS.values() and port < _FIRST_FREE_PORT:
        raise ValueError(f"Port {port} is no web server's: use 80, 443 or one from {_FIRST_FREE_PORT} on.")
    return Target(parts.scheme, host, port, path)


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks with commas between them, as the environment spells them. ValueError for what is none."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host name spells, None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def may_reach(address: IPv4Address | IPv6Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether requests may go to `address`: a public one, or one of the networks that the installation allows."""
    if any(address.version == network.version and address in network for network in allowed):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)
