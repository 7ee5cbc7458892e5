"""Where the control socket of a site is: a pure answer for the daemon, and the list of places where commands look; and how long a request may be.

The file is named after the site's path alone, so that a daemon is found whose site is broken or gone. The path is taken
as it was written, made absolute: a link that is pointed elsewhere at each release keeps its daemon.
Imported by commands that must start fast: no asyncio, no hashlib.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

# struct sockaddr_un, unix(7): 108 bytes with the closing zero.
LONGEST_PATH_BYTES: Final = 107
STEM_CHARACTERS: Final = 24
OWN: Final = 0o600
OWN_AND_GROUP: Final = 0o660
# The longest request: a message of 1 MiB fits, even if each of its characters is escaped as \u0000.
LINE_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class ControlPath:
    """A place of a control socket."""

    path: Path
    mode: int = OWN
    """Who may connect, as the mode of the file."""
    given: bool = False
    """Whether the folder is made by somebody else (systemd), who also answers for its owner and mode."""


def control_path(site_path: Path, environ: Mapping[str, str], uid: int | None = None) -> ControlPath:
    """Where the daemon of a site listens: in `$RUNTIME_DIRECTORY` (systemd), else `$XDG_RUNTIME_DIR`, else /run for root, else a folder of the user's own.

    `uid` is this process's where it is None.
    """
    uid = os.geteuid() if uid is None else uid
    name = socket_name(site_path)
    if given := _systemd_folder(environ):
        return ControlPath(given / name, OWN_AND_GROUP, given=True)
    if environ.get("XDG_RUNTIME_DIR"):
        return ControlPath(Path(environ["XDG_RUNTIME_DIR"], "wsrouter", name))
    return ControlPath((SYSTEM_FOLDER if uid == 0 else _temporary_folder(environ, uid)) / name)


def control_paths(site_path: Path, environ: Mapping[str, str], uid: int | None = None) -> list[Path]:
    """Where a command looks for the daemon of a site, in this order: all the places where one may listen, of this user and of the system."""
    uid = os.geteuid() if uid is None else uid
    folders = [
        _systemd_folder(environ),
        Path(environ["XDG_RUNTIME_DIR"], "wsrouter") if environ.get("XDG_RUNTIME_DIR") else None,
        Path(f"/run/user/{uid}/wsrouter"),  # started in a login session, asked from cron
        SYSTEM_FOLDER,
        _temporary_folder(environ, uid),
    ]
    name = socket_name(site_path)
    return list(dict.fromkeys(folder / name for folder in folders if folder is not None))


def socket_name(site_path: Path) -> str:
    """The file's name: the site's for people, and a checksum of its absolute path to tell sites of one name apart."""
    absolute = os.path.abspath(site_path)  # noqa: PTH100  Path.absolute keeps `..`, resolve follows links
    stem = "".join(character if character.isascii() and (character.isalnum() or character in "-_") else "_" for character in Path(absolute).stem)
    return f"{stem[:STEM_CHARACTERS]}-{crc32(os.fsencode(absolute)):08x}.sock"


def folder_problem(folder: Path, uid: int | None = None) -> str | None:
    """Why a folder is not safe to listen or to connect in, whatever its name promises; None where it is.

    Others could put a socket of theirs into a folder that is not ours, or that they may write in.
    """
    uid = os.geteuid() if uid is None else uid
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is no folder"
    if status.st_uid != uid:
        return f"{folder} belongs to another user (uid {status.st_uid})"
    if status.st_mode & 0o022:
        return f"others may write in {folder} (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def trusted(paths: list[Path], environ: Mapping[str, str], uid: int | None = None) -> Iterator[Path]:
    """Those of the places that a command may use: in a shared temporary folder, only what is in a folder of our own."""
    uid = os.geteuid() if uid is None else uid
    for path in paths:
        if path.parent == _temporary_folder(environ, uid):
            try:
                if folder_problem(path.parent, uid) is not None:
                    continue
            except OSError:
                continue
        yield path


def _systemd_folder(environ: Mapping[str, str]) -> Path | None:
    """systemd.exec(5): several RuntimeDirectory= are joined with colons."""
    first = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(first) if first else None


def _temporary_folder(environ: Mapping[str, str], uid: int) -> Path:
    return Path(environ.get("TMPDIR") or "/tmp", f"wsrouter-{uid}")  # noqa: S108  owner and mode are looked at before use


SYSTEM_FOLDER: Final = Path("/run/wsrouter")
"""Where root's daemon listens, and that of a unit with `RuntimeDirectory=wsrouter`."""
