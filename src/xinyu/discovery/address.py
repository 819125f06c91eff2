"""Addresses as discovery writes them, "host:port" with an IPv6 host in brackets, and which one a process tells."""

from __future__ import annotations

import fcntl
import ipaddress
import re
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9A-Za-z._-]{1,253})):([0-9]{1,5})")
_SIOCGIFADDR: Final = 0x8915  # linux/sockios.h
_IFREQ: Final = struct.Struct("16s24x")


def join_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_address(address: str) -> tuple[str, int]:
    """Host (an IPv6 one without its brackets) and port. Raises ValueError."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[3]) < 65536:
        raise ValueError(f"{address!r} is no host:port")
    if match[1]:
        return str(ipaddress.IPv6Address(match[1])), int(match[3])
    return match[2], int(match[3])


def machine_hosts() -> list[str]:
    """This machine's own addresses, IPv4 before IPv6, each in the order of the interfaces; without those that only the
    machine itself or the same wire can use."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock, _SIOCGIFADDR, _IFREQ.pack(name.encode()))
            except OSError:  # the interface has no IPv4 address
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        lines = []
    found += [str(ipaddress.IPv6Address(int(line.split()[0], 16))) for line in lines]
    return [host for host in found if not (ip := ipaddress.ip_address(host)).is_loopback and not ip.is_link_local]


def advertised(
    host: str, port: int, advertise_host: str = "", machine: Callable[[], Sequence[str]] = machine_hosts
) -> str:
    """What others are told of a process that listens on `host`: `advertise_host` where one is set; for all addresses
    the machine's first one (of the kind that is listened on), and 127.0.0.1 where it has none; else `host` itself.
    Loopback is told like any other, so that a cluster on one machine finds itself (the reference leaves it out)."""
    if advertise_host:
        return join_address(advertise_host, port)
    if host not in ("0.0.0.0", "::", ""):
        return join_address(host, port)
    hosts = [each for each in machine() if host != "0.0.0.0" or ":" not in each]
    return join_address(hosts[0] if hosts else "127.0.0.1", port)
