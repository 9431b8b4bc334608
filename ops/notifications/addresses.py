"""Which addresses the hub calls for somebody: those of the public internet alone.

What may be called is decided on addresses, never on names or their spelling, and the connection
goes to the very address that was judged.
"""

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Resolver = Callable[[str, int], Sequence[str]]

_UNICAST = IPv6Network("2000::/3")
_6TO4 = IPv6Network("2002::/16")  # holds an IPv4 address, and is out of use
_NAT64 = IPv6Network("64:ff9b::/96")  # holds an IPv4 address, which a router calls
_PROTOCOLS = IPv4Network("192.0.0.0/24")


class NotPublic(Exception):
    """An address that the hub does not call."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, as the system knows them; `OSError` where there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def addresses_of(host: str, port: int, *, private: bool, resolver: Resolver) -> list[str]:
    """The addresses of a name; `NotPublic` where one is not public and `private` is not allowed."""
    addresses = list(resolver(host, port))
    for address in addresses:
        if not private and not is_public(address):
            raise NotPublic(address)
    return addresses


def is_public(address: str) -> bool:
    """Whether an address belongs to one host of the public internet."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        inner = _ipv4_in(ip)
        return _is_public_6(ip) if inner is None else _is_public_4(inner)
    return _is_public_4(ip)


def _ipv4_in(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that is called in the end."""
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped


def _is_public_4(ip: IPv4Address) -> bool:
    return ip.is_global and not ip.is_multicast and ip not in _PROTOCOLS


def _is_public_6(ip: IPv6Address) -> bool:
    return ip.is_global and ip in _UNICAST and ip not in _6TO4 and not ip.scope_id
