"""The systemd units of a site, as far as they must fit it: what `wsrouter check` looks at. No systemd is asked, only its files are read."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wsrouter.config.problems import Place

if TYPE_CHECKING:
    from wsrouter.config.problems import Problems
    from wsrouter.config.settings import Shutdown

# systemd.unit(5), the most important first; the variable is systemd's own.
FOLDERS: Final = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
PATH_VARIABLE: Final = "SYSTEMD_UNIT_PATH"
UNITS: Final = "wsrouter*.service"
DEFAULT_STOP_S: Final = 90.0
"""DefaultTimeoutStopSec= of systemd-system.conf(5)."""
STOPPING_S: Final = 15
"""What handlers may need after the last connection is closed."""

_UNITS_OF_TIME: Final = {
    **dict.fromkeys(("us", "usec"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}
_TERM: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)")


@dataclass(frozen=True, slots=True)
class Line:
    """One assignment of a unit, and where it stands."""

    place: Place
    name: str
    value: str


def check_units(site_path: Path, shutdown: Shutdown, environ: Mapping[str, str], problems: Problems) -> None:
    """Warns where the unit that runs this site gives it less time to stop than the site asks for."""
    folders = _folders(environ)
    for unit in sorted({path.name for folder in folders for path in folder.glob(UNITS)}):
        lines = list(read_unit(unit, folders))
        if any(runs(line.value, site_path) for line in lines if line.name == "ExecStart"):
            _check_stop(lines, shutdown, problems)


def _check_stop(lines: list[Line], shutdown: Shutdown, problems: Problems) -> None:
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


def read_unit(name: str, folders: list[Path]) -> Iterator[Line]:
    """The assignments of the [Service] section in the order in which they count: the unit's file, then its drop-ins by their names."""
    files = [next((folder / name for folder in folders if (folder / name).is_file()), None)]
    drop_ins: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((folder / f"{name}.d").glob("*.conf")):
            drop_ins.setdefault(path.name, path)
    files += [drop_ins[each] for each in sorted(drop_ins)]
    for file in files:
        if file is not None:
            yield from _read(file)


def _read(file: Path) -> Iterator[Line]:
    """The assignments of one file; of one that cannot be read, none."""
    try:
        text = file.read_text("utf-8", errors="replace")
    except OSError:
        return
    section, begun, number = "", "", 1
    for index, written in enumerate(text.splitlines(), 1):
        line = written.strip()
        if line[:1] in {"#", ";"} or not (line or begun):
            continue
        number = number if begun else index
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        line, begun = (begun + line).strip(), ""
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line:
            key, _, value = line.partition("=")
            yield Line(Place(str(file), number), key.strip(), value.strip())


def runs(command: str, site_path: Path) -> bool:
    """Whether a command line of a unit names this site."""
    absolute = os.path.abspath(site_path)  # noqa: PTH100  Path.absolute keeps `..`, resolve follows links
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return any(word.partition("=")[2] == absolute or word == absolute for word in words)


def parse_time_span(text: str) -> float | None:
    """Seconds of a time as systemd writes it (systemd.time(7)): `60`, `1min 30s`; endless for `infinity` and 0; None where it is none."""
    if text in {"infinity", "0"}:
        return float("inf")
    total, end = 0.0, 0
    while end < len(text):
        match = _TERM.match(text, end)
        if match is None or match[2] not in _UNITS_OF_TIME:
            return None
        total += float(match[1]) * _UNITS_OF_TIME[match[2]]
        end = match.end()
    return total if text else None


def _folders(environ: Mapping[str, str]) -> list[Path]:
    """Where units are looked for; an empty part of the variable stands for the usual folders, as for systemd."""
    told = environ.get(PATH_VARIABLE)
    if not told:
        return [Path(folder) for folder in FOLDERS]
    parts = told.split(":")
    return [Path(part) for part in parts if part] + ([Path(folder) for folder in FOLDERS] if parts[-1] == "" else [])
