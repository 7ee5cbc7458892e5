"""Whether the systemd units that run a site fit it: the time that they give it to stop, and the sockets that they pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wsrouter.cli.systemd_unit import Line, find_units, is_enabled, parse_time_span, read_unit, runs, unit_folders
from wsrouter.config.address import ALL_HOSTS, Address, parse_address

if TYPE_CHECKING:
    from wsrouter.config.problems import Problems
    from wsrouter.config.settings import Server, Shutdown

SERVICES: Final = "wsrouter*.service"
SOCKETS: Final = "wsrouter*.socket"
DEFAULT_STOP_S: Final = 90.0
"""DefaultTimeoutStopSec= of systemd-system.conf(5)."""
STOPPING_S: Final = 15
"""What handlers may need after the last connection is closed."""
RUNTIME_FOLDER: Final = "/run"
"""What %t stands for in units of the system."""


def check_units(site_path: Path, server: Server, environ: Mapping[str, str], problems: Problems) -> None:
    """Warns where the unit that runs this site gives it less time to stop than the site asks for, or is passed sockets that the site does not want."""
    folders = unit_folders(environ)
    wanted = [parse_address(listen.address) for listen in server.listen]
    for service in find_units(SERVICES, folders):
        lines = list(read_unit(service, folders))
        if not any(runs(line.value, site_path) for line in lines if line.name == "ExecStart"):
            continue
        _check_stop(lines, server.shutdown, problems)
        for name in find_units(SOCKETS, folders):
            socket = list(read_unit(name, folders))
            if is_enabled(name, folders) and _service_of(name, socket) == service:
                _check_streams(socket, wanted, problems)


def _check_stop(lines: Sequence[Line], shutdown: Shutdown, problems: Problems) -> None:
    told = [line for line in lines if line.name in {"TimeoutStopSec", "TimeoutSec"} and (not line.value or parse_time_span(line.value) is not None)]
    stop_s = (parse_time_span(told[-1].value) if told else None) or DEFAULT_STOP_S
    wanted_s = shutdown.delay + shutdown.timeout
    if stop_s < wanted_s:
        place = told[-1].place if told else next(line.place for line in lines if line.name == "ExecStart")
        written = f"{told[-1].name}={told[-1].value}" if told else f"without TimeoutStopSec= systemd waits {DEFAULT_STOP_S:g} s, which"
        problems.warn(
            place,
            f"{written} is shorter than server.shutdown.delay and server.shutdown.timeout of the site, {wanted_s:g} s together: "
            f"write TimeoutStopSec={round(wanted_s) + STOPPING_S}, or systemd may end it while connections are being closed",
        )


def _service_of(name: str, lines: Sequence[Line]) -> str:
    """The service that gets the sockets of a socket unit."""
    told = [line.value for line in lines if line.name == "Service" and line.value]
    return told[-1] if told else f"{name.removesuffix('.socket')}.service"


def _check_streams(lines: Sequence[Line], wanted: Sequence[Address], problems: Problems) -> None:
    for line in _streams(lines):
        passed = parse_stream(line.value, is_ipv6_only=_is_ipv6_only(lines))
        if passed is not None and not any(is_wanted(passed, address) for address in wanted):
            problems.warn(
                line.place,
                f"ListenStream={line.value} passes the socket {passed}, and server.listen of the site is {', '.join(map(str, wanted))}: "
                "write it there, or take it out here; the daemon does not start with a socket that nobody would accept from",
            )


def _streams(lines: Sequence[Line]) -> list[Line]:
    """What is listened on; an empty assignment takes away what stands before it."""
    streams: list[Line] = []
    for line in lines:
        if line.name == "ListenStream" and line.value:
            streams.append(line)
        elif line.name.startswith("Listen") and not line.value:
            streams.clear()
    return streams


def _is_ipv6_only(lines: Sequence[Line]) -> bool:
    """Whether IPv6 sockets are for IPv6 alone; Linux' own default is both."""
    told = [line.value for line in lines if line.name == "BindIPv6Only"]
    return bool(told) and told[-1] == "ipv6-only"


def parse_stream(text: str, *, is_ipv6_only: bool) -> Address | None:
    """The address of a `ListenStream=`, as a site would write it (systemd.socket(5)); None for what cannot be told, which is left to systemd."""
    text = text.replace("%t", RUNTIME_FOLDER)
    if "%" in text:
        return None
    if text.isascii() and text.isdecimal():
        text = f"[::]:{text}"
    try:
        address = parse_address(f"unix:{text}" if text.startswith("/") else text)
    except ValueError:
        return None
    is_both = address.hosts == ("::",) and not is_ipv6_only
    return Address("tcp", ALL_HOSTS, address.port) if is_both else address


def is_wanted(passed: Address, address: Address) -> bool:
    """Whether the daemon may take a socket for an address of the site: it has the same numbers, or the same path."""
    if passed.kind != address.kind or passed.kind == "unix":
        return passed == address
    if passed.port != address.port:
        return False
    if passed.hosts == ALL_HOSTS:  # one socket for both families
        return address.hosts in (ALL_HOSTS, ("::",))
    return any(_is_same(passed.hosts[0], host) for host in address.hosts)


def _is_same(passed: str, host: str) -> bool:
    """Whether a host of the site is, or may be, this numeric address: whose a name is, is not asked for here."""
    from ipaddress import ip_address  # only where a unit passes sockets

    try:
        return ip_address(passed) == ip_address(host)
    except ValueError:
        return True
