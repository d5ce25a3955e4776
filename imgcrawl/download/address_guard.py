"""The address guard: connections go to the public internet, and to what the user allows beside it.

A list of URLs is written by strangers, and so are redirects and DNS answers. The guard looks at
the address itself at the moment of connecting, so that no spelling of it and no name that
resolves differently the second time gets past.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from imgcrawl.records.errors import RecordMissing
from imgcrawl.records.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohappyeyeballs import AddrInfoType

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# `is_global` answers differently from one Python to the next for these (IANA special-purpose
# registries; RFC 6890, 7526, 9637).
_SPECIAL_V4 = (ip_network("192.0.0.0/24"), ip_network("192.88.99.0/24"))
_SPECIAL_V6 = (ip_network("2001::/23"), ip_network("2001:db8::/32"), ip_network("3fff::/20"))
_GLOBAL_UNICAST = ip_network("2000::/3")
# IPv6 addresses that carry an IPv4 address in their last four bytes (RFC 6052, RFC 4291).
_EMBEDDING = (ip_network("64:ff9b::/96"), ip_network("::/96"))


class BlockedAddressError(OSError):
    """Raised in place of connecting.

    All read alike: where every address of a name is blocked, aiohappyeyeballs then raises the
    first of them as it is, in place of a summary.
    """

    def __init__(self, address: Address) -> None:
        super().__init__("not a public address")
        self.address = address


class AddressGuard:
    """Tells public addresses from others. `allowed`: networks that may be connected to as well."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    @classmethod
    def from_setting(cls, value: str | Iterable[str] | None) -> AddressGuard:
        """Return the guard for ALLOWED_PRIVATE_NETWORKS: CIDR blocks, in a list or by commas.

        Raises ValueError for text that is not a CIDR block.
        """
        blocks = value.split(",") if isinstance(value, str) else list(value or ())
        networks: list[Network] = []
        for block in (block.strip() for block in blocks):
            if not block:
                continue
            try:
                networks.append(ip_network(block, strict=False))
            except ValueError:
                raise ValueError(
                    f"ALLOWED_PRIVATE_NETWORKS: {block!r} is no network. "
                    "Type blocks such as 127.0.0.1/32 or 10.0.0.0/8, separated by commas."
                ) from None
        return cls(networks)

    def check(self, address: str) -> None:
        """Raise RecordMissing (blocked_address) unless `address` may be connected to."""
        if not self._may(_parse(address)):
            raise RecordMissing(
                Outcome.BLOCKED_ADDRESS, f"{address} is not a public address", tries=0
            )

    def check_host(self, host: str) -> None:
        """Call `check` for a host of a URL that spells an address in any way; a name passes.

        The spellings are those of ``inet_aton``: 127.1, 2130706433, 0177.0.0.1, 0x7f.1.
        """
        address = literal_address(host)
        if address is not None and not self._may(address):
            spelt = "" if host == str(address) else f" ({address})"
            raise RecordMissing(
                Outcome.BLOCKED_ADDRESS, f"{host}{spelt} is not a public address", tries=0
            )

    def socket_factory(self, addr_info: AddrInfoType) -> socket.socket:
        """Return the socket of an allowed connection, for ``aiohttp.TCPConnector``.

        Raises BlockedAddressError.
        """
        family, kind, proto, _, sockaddr = addr_info
        address = _parse(sockaddr[0])
        if not self._may(address):
            raise BlockedAddressError(address)
        return socket.socket(family, kind, proto)

    def _may(self, address: Address) -> bool:
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self._allowed):
            return True
        return all(_is_public(one) for one in _embedded(address) or (address,))


def literal_address(host: str) -> Address | None:
    """Return the IP address that a host of a URL spells out, or None for a name."""
    try:
        if ":" in host:
            return _parse(host)
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _parse(address: str) -> Address:
    return ip_address(address.strip("[]").partition("%")[0])


def _embedded(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that packets to an IPv6 address may end up at."""
    if isinstance(address, IPv4Address):
        return ()
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if any(address in network for network in _EMBEDDING):
        return (IPv4Address(address.packed[-4:]),)
    return ()


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        inside = not any(address in network for network in _SPECIAL_V4)
    else:
        inside = address in _GLOBAL_UNICAST and not any(address in net for net in _SPECIAL_V6)
    return (
        inside
        and address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_unspecified)
    )
