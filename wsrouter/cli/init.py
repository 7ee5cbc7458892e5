"""`wsrouter init DIR`: a folder with a site, a first plugin, its test, scenarios, and the schema for editors. Overwrites nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

NAME = "init"
HELP = "make a folder with a site, a first plugin and its tests"

SITE = "site.yaml"
SCHEMA = "wsrouter.schema.json"
"""As the first line of the site names it."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the argument."""
    parser.add_argument("folder", metavar="DIR", type=Path, nargs="?", default=Path(), help="the folder; made if need be (default: here)")


def run(arguments: Namespace) -> int:
    """Writes the files and says what to try; 1 if one of them exists."""
    from wsrouter.cli.scaffold import plugin_files, site_files, write_new
    from wsrouter.cli.schema import schema_text

    folder = arguments.folder
    site = folder / SITE
    files = {**site_files(SITE), **plugin_files("hello", "coroutine"), Path(SCHEMA): schema_text([])[0]}
    try:
        for path in write_new(folder, files):
            print(f"wrote {path}")
        (folder / SCHEMA).write_text(schema_text([folder / "plugins"])[0], "utf-8")  # now that the plugin is there
    except FileExistsError as error:
        print(f"{error.filename} exists; nothing was written", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"now: wsrouter run --config {site}\nthen, in another terminal: wsrouter connect ws://127.0.0.1:8765/hello -x hello")
    print(f"and whether it does what its scenarios say: wsrouter test --config {site}")
    return 0
