"""Who else may change a plugin: its code runs as the daemon's user, so whoever may write it has what that user has.

A file or folder is fine if it belongs to root or to the user that runs wsrouter, and nobody else may write it. A group may, where it
is the owner's own (user and group have one name, and nobody else is in it): Debian and others give each user such a group,
and a umask of 002. In a folder with the sticky bit, as /tmp, others may add files but not change those that are there;
each file is looked at by itself, so that such a folder is fine.
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from wsrouter.config.problems import relative_to_here


def find_exposure(path: Path, status: os.stat_result) -> str | None:
    """How others may change a file or folder, with the command that mends it; None where they may not."""
    shown = shlex.quote(relative_to_here(path))
    if status.st_uid not in (0, os.geteuid()):
        return f"belongs to {_user(status.st_uid)}, who is neither root nor the user that wsrouter runs as, and could have any code run; chown {_user_name()} {shown}"
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return None
    if status.st_mode & stat.S_IWOTH:
        return f"every user may write here and so have any code run; chmod {'go' if status.st_mode & stat.S_IWGRP else 'o'}-w {shown}"
    if status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_uid, status.st_gid):
        return f"the group {_group(status.st_gid)} may write here and so have any code run; chmod g-w {shown}"
    return None


def find_way_out(path: Path, folder: Path) -> str | None:
    """Where a link leads that leaves the folder, with a cure; None for what stays within it. The folder itself may be a link."""
    real = path.resolve()
    if real.is_relative_to(folder.resolve()):
        return None
    return f"leads out of {relative_to_here(folder)} to {real}; copy the file, or name its folder in plugins.folders"


def _is_own_group(uid: int, gid: int) -> bool:
    """Whether nobody but this user is in the group."""
    import grp  # not at the top: most files are not writable by a group
    import pwd

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = None
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return uid == gid
    return (group.gr_name == name if name is not None else uid == gid) and set(group.gr_mem) <= {name}


def _user(uid: int) -> str:
    import pwd

    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _user_name() -> str:
    """Whom it should belong to: who runs wsrouter, as they are named."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _group(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"gid {gid}"
