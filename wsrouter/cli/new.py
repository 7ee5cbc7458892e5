"""`wsrouter new NAME`: a plugin, its test and its scenario, to be changed into what one needs. Overwrites nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

NAME = "new"
HELP = "write a plugin, its test and its scenario"


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("name", metavar="NAME", help="the plugin's name: its file, and the handler's name in the site")
    parser.add_argument(
        "--kind",
        choices=("class", "coroutine", "source"),
        default="class",
        help="class: a handler with hooks (default); coroutine: as for the websockets library; source: sends by itself",
    )
    parser.add_argument("--folder", metavar="DIR", type=Path, default=Path(), help="the site's folder, which holds plugins/ and tests/ (default: here)")


def run(arguments: Namespace) -> int:
    """Writes the files and says how to route it; 1 if one exists or the name cannot be."""
    from wsrouter.cli.scaffold import plugin_files, plugin_name, write_new
    from wsrouter.plugins.builtins import BUILTIN_HANDLERS

    try:
        name = plugin_name(arguments.name)
        for path in write_new(arguments.folder, plugin_files(name, arguments.kind)):
            print(f"wrote {path}")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    except FileExistsError as error:
        print(f"{error.filename} exists; nothing was written", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"add it to the site, then play its scenario with wsrouter test:\n  /{name}: {name}")
    if name in BUILTIN_HANDLERS:
        print(f"it hides the built-in handler {name!r}: rename the files if that is not meant", file=sys.stderr)
    return 0
