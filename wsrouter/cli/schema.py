"""`wsrouter schema`: the JSON Schema of a site, which editors check and complete with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.cli.site_choice import plugins_print_to_stderr, readable

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

NAME = "schema"
HELP = "print the JSON Schema of a site, for editors"
EPILOG = """\
an editor with a YAML language server checks and completes a site whose first line is
  # yaml-language-server: $schema=./wsrouter.schema.json
after
  wsrouter schema --plugins plugins -o wsrouter.schema.json
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--plugins", action="append", default=[], type=Path, metavar="DIR", help="add the handlers of this plugin folder; may be repeated")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it to a file")


def run(arguments: Namespace) -> int:
    """Prints or writes the schema; plugins that cannot be loaded are told of and left out."""
    text, skipped = schema_text([readable(folder) for folder in arguments.plugins])
    for problem in skipped:
        print(problem, file=sys.stderr)
    if arguments.output is None:
        print(text, end="")
        return 0
    try:
        arguments.output.write_text(text, "utf-8")
    except OSError as error:
        print(f"cannot write {arguments.output}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def schema_text(folders: list[Path]) -> tuple[str, list[str]]:
    """The schema with the built-in handlers and those of these folders; and what could not be loaded."""
    from wsrouter.config.finder import HandlerProblem
    from wsrouter.config.schema import site_schema
    from wsrouter.plugins.library import HandlerLibrary
    from wsrouter.plugins.spec import HandlerSpec

    with plugins_print_to_stderr():
        entries = HandlerLibrary(folders).all_specs()
    specs = [entry for entry in entries if isinstance(entry, HandlerSpec) and not entry.origin.startswith("entry point")]
    skipped = [f"{entry.place}: {entry.message}" if entry.place is not None else entry.message for entry in entries if isinstance(entry, HandlerProblem)]
    return json.dumps(site_schema(specs), indent=2, ensure_ascii=False) + "\n", skipped
