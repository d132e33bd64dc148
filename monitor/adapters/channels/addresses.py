"""Which addresses a channel may connect to: none inside of our own network unless it says so, and never a machine's metadata.

A name is resolved once, all that it resolves to is judged, and the connection goes to one of the addresses that were judged: a
name that resolves to something else a moment later changes nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from monitor.errors import Misconfigured, Retryable

IpAddress = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port to addresses. Raises socket.gaierror."""

METADATA: Final = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
        ),
    )
)
"""Where clouds tell a machine its secrets (AWS, Google, Azure, Alibaba, Oracle)."""
_NAT64: Final = IPv6Network("64:ff9b::/96")


async def resolve(host: str, port: int) -> Sequence[str]:
    """What the system says, each address once."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def fault(address: IpAddress, *, allow_private: bool) -> str | None:
    """Why no connection goes there; None: it may."""
    inner = _inner(address)
    if inner in METADATA or address in METADATA:
        return "a cloud's metadata"
    if (
        inner.is_unspecified
        or inner.is_multicast
        or (isinstance(inner, IPv4Address) and int(inner) == 0xFFFFFFFF)
    ):
        return "no address of one machine"
    if inner.is_link_local:
        return "link-local"
    if allow_private:
        return None
    if inner.is_loopback:
        return "this machine itself"
    if not inner.is_global or (isinstance(inner, IPv6Address) and inner.is_site_local):
        return "private or reserved"
    return None


async def addresses_of(
    host: str, port: int, said: str, *, allow_private: bool, timeout_s: float, resolver: Resolve = resolve
) -> list[str]:
    """The addresses of a host, all of which are allowed; `said` names it in errors. Raises Misconfigured or Retryable."""
    try:
        async with asyncio.timeout(timeout_s):
            found = [ip_address(one.partition("%")[0]) for one in await resolver(host, port)]
    except TimeoutError as exc:
        raise Retryable(f"resolving the host of {said} took more than {timeout_s:g} s") from exc
    except socket.gaierror as exc:
        if exc.errno == socket.EAI_AGAIN:
            raise Retryable(f"the host of {said} can't be resolved just now") from exc
        raise Misconfigured(f"the host of {said} can't be resolved", "correct its name, or the DNS") from exc
    except (OSError, ValueError) as exc:  # a name that is none: too long a label, an empty one
        raise Misconfigured(f"the host of {said} is no host name", "correct it") from exc
    if not found:
        raise Misconfigured(f"the host of {said} has no address", "correct its name, or the DNS")
    for address in found:
        why = fault(address, allow_private=allow_private)
        if why is not None:
            raise Misconfigured(
                f"the host of {said} resolves to {address}: {why}",
                "correct it; if it is meant to be on a network of your own, set allow_private = true"
                if fault(address, allow_private=True) is None
                else "correct it: no channel connects there",
            )
    return [str(address) for address in found]


def _inner(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 address carries, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or int(address) >> 32 == 0:  # the last: IPv4-compatible, :: and ::1 among them
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
        return address if int(inner) <= 1 else inner
    return address
