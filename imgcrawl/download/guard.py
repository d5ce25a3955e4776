"""The address guard: no source makes us talk to a machine inside our own network.

Checked at the moment of connecting, on the address that is connected to: so literal addresses in
every spelling, names, redirects, and names that resolve differently the second time are all seen
alike.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, TypeAlias

from imgcrawl.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network

    Network: TypeAlias = IPv4Network | IPv6Network

Address: TypeAlias = IPv4Address | IPv6Address

BLOCKED = "is not a public address"  # by which the handler knows the error again

_NAT64 = ip_network("64:ff9b::/96")  # RFC 6052
_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")  # RFC 8215
_COMPATIBLE = ip_network("::/96")  # IPv4-compatible, deprecated by RFC 4291


class AddressGuard:
    """Lets connections through to public addresses, and to the networks that are allowed."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    @classmethod
    def from_setting(cls, value: Any) -> AddressGuard:
        """From ALLOWED_PRIVATE_NETWORKS: CIDR blocks, as a list or with commas between.

        Raises ArgumentError for what is no block.
        """
        words = value.split(",") if isinstance(value, str) else value or ()
        try:
            return cls([ip_network(word.strip()) for word in words if word.strip()])
        except ValueError as error:
            raise ArgumentError(
                f"ALLOWED_PRIVATE_NETWORKS: {error}. Type CIDR blocks such as 127.0.0.1/32."
            ) from error

    def allows(self, address: str) -> bool:
        """Whether an address (a literal, as a resolver gives it) may be connected to."""
        parsed = ip_address(address.partition("%")[0])
        forms = (parsed, *_inner(parsed))
        if any(form in network for form in forms for network in self._allowed):
            return True
        return all(map(_is_public, forms))

    def socket_factory(self, addr_info: Any) -> socket.socket:
        """A socket for ``(family, type, proto, _, sockaddr)``; aiohttp asks for each connection.

        Raises OSError for an address that is not allowed.
        """
        family, type_, proto, _, address = addr_info
        if not self.allows(str(address[0])):
            raise OSError(f"{address[0]} {BLOCKED}")
        sock = socket.socket(family, type_, proto)
        sock.setblocking(False)
        return sock


def _inner(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 one carries: traffic to it may well go there."""
    if isinstance(address, IPv4Address):
        return []
    inner: list[Address | None] = [address.ipv4_mapped, address.sixtofour]
    inner += address.teredo or ()
    if address in _NAT64 or address in _LOCAL_NAT64 or address in _COMPATIBLE:
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [form for form in inner if form is not None]


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return True  # judged by what it carries
    if address in _NAT64:
        return True
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )
