"""The systemd units of a machine, as `wsrouter check` reads them. No systemd is asked, only its files are read."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wsrouter.config.problems import Place

# systemd.unit(5), the most important first; the variable is systemd's own.
FOLDERS: Final = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
PATH_VARIABLE: Final = "SYSTEMD_UNIT_PATH"

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


def find_units(pattern: str, folders: list[Path]) -> list[str]:
    """The names of the units that are there, sorted."""
    return sorted({path.name for folder in folders for path in folder.glob(pattern)})


def is_enabled(name: str, folders: list[Path]) -> bool:
    """Whether a unit is started together with another one, as `systemctl enable` has it."""
    return any(True for folder in folders for kind in ("wants", "requires") for _ in folder.glob(f"*.{kind}/{name}"))


def read_unit(name: str, folders: list[Path]) -> Iterator[Line]:
    """The assignments of its own section, [Service] or [Socket], in the order in which they count: the unit's file, then its drop-ins by their names."""
    files = [next((folder / name for folder in folders if (folder / name).is_file()), None)]
    drop_ins: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((folder / f"{name}.d").glob("*.conf")):
            drop_ins.setdefault(path.name, path)
    files += [drop_ins[each] for each in sorted(drop_ins)]
    for file in files:
        if file is not None:
            yield from _read(file, f"[{name.rpartition('.')[2].capitalize()}]")


def _read(file: Path, wanted: str) -> Iterator[Line]:
    """The assignments of one section of a file; of one that cannot be read, none."""
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
        elif section == wanted and "=" in line:
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


def unit_folders(environ: Mapping[str, str]) -> list[Path]:
    """Where units are looked for; an empty part of the variable stands for the usual folders, as for systemd."""
    told = environ.get(PATH_VARIABLE)
    if not told:
        return [Path(folder) for folder in FOLDERS]
    parts = told.split(":")
    return [Path(part) for part in parts if part] + ([Path(folder) for folder in FOLDERS] if parts[-1] == "" else [])
