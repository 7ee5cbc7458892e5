"""`wsrouter pip`: adds packages that plugins need to a folder that the Debian package keeps over its upgrades.

The package's own environment belongs to dpkg. Beside it is a second one, whose packages the daemon sees after its own. Where it is,
is the one line of a .pth file, which makes Python look there and tells this command where to install.
It holds the daemon's own packages to their versions: what cannot live with them is refused by pip.
"""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from argparse import REMAINDER
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wsrouter.cli.errors import CommandError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

NAME = "pip"
HELP = "add packages that plugins need (Debian package only)"
EPILOG = """\
examples:
  sudo wsrouter pip install asyncpg        what a plugin imports; the next reload finds it
  wsrouter pip list --local                what was added
  sudo wsrouter pip uninstall asyncpg

All arguments go to pip. What it adds is in /var/lib/wsrouter/packages, and stays there when
wsrouter is upgraded or removed, until it is purged. What wsrouter itself uses keeps its versions:
pip refuses what needs others. A package that was imported already changes with the next restart.
"""

LINK: Final = "wsrouter-packages.pth"
"""The file in the daemon's environment; its line is the folder of packages in the other one."""
CONSTRAINTS: Final = "constraints.txt"
"""The versions of the daemon's own packages, in the root of its environment."""
CHANGING: Final = ("install", "uninstall")
LEFT_OUT: Final = ("PYTHONHOME", "PYTHONPATH", "PIP_PREFIX", "PIP_TARGET", "PIP_USER")
"""Variables that would lead pip elsewhere."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("arguments", nargs=REMAINDER, metavar="ARGUMENTS", help="a command of pip and what it takes, as install asyncpg")


def run(arguments: Namespace) -> int:
    """Becomes pip, in the environment of added packages.

    Raises:
        CommandError: if this wsrouter has no such environment, it may not be written, or pip is missing.
    """
    words: list[str] = arguments.arguments
    if not words:
        raise CommandError("wsrouter pip needs a command of pip, as in wsrouter pip install asyncpg", 2)
    environment = find_environment(Path(sysconfig.get_path("purelib")))
    if environment is None:
        raise CommandError(
            "wsrouter pip is for the Debian package, which has a folder for what plugins need; "
            f"this wsrouter runs in {sys.prefix}: {shlex.join([sys.executable, '-m', 'pip', *words])}"
        )
    command = pip_command(environment, Path(sys.prefix), words)
    os.umask(0o022)  # the daemon runs as another user, and must be able to read what root installs
    os.execve(command[0], command, {name: value for name, value in os.environ.items() if name not in LEFT_OUT})  # noqa: S606  no shell is wanted


def find_environment(own_packages: Path) -> Path | None:
    """The environment of added packages that goes with the daemon's own `own_packages` folder; None where there is none."""
    try:
        packages = Path((own_packages / LINK).read_text("utf-8").strip())
    except FileNotFoundError:
        return None
    return packages.parent.parent.parent  # lib/python3.11/site-packages


def pip_command(environment: Path, own: Path, words: Sequence[str]) -> list[str]:
    """The command line of pip.

    Raises:
        CommandError: if it would fail for a reason that can be told in a line.
    """
    python = environment / "bin" / "python3"
    shown = shlex.join(["wsrouter", "pip", *words])
    if not python.exists():
        raise CommandError(f"{python}: this interpreter of the package is missing; install the package wsrouter again")
    if words[0] in CHANGING and not os.access(environment / "lib", os.W_OK, effective_ids=True):
        raise CommandError(f"{environment}: may not be written by this user; sudo {shown}")
    if not any((own / "lib").glob("python3*/site-packages/pip/__main__.py")):
        raise CommandError(f"{own}: there is no pip in this environment; install the package wsrouter again")
    constraints = ["--constraint", str(own / CONSTRAINTS)] if words[0] == "install" else []
    return [str(python), "-I", "-m", "pip", "--disable-pip-version-check", words[0], *constraints, *words[1:]]
