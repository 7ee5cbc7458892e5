"""`wsrouter handlers [NAME]`: where each handler comes from; for one of them, its options as a help page."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.cli.errors import CommandError
from wsrouter.cli.site_choice import FILE_HELP, PLACES, plugins_print_to_stderr, readable, report
from wsrouter.cli.table import format_table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from wsrouter.config.finder import HandlerProblem
    from wsrouter.plugins.library import HandlerLibrary
    from wsrouter.plugins.spec import HandlerSpec

NAME = "handlers"
HELP = "list the handlers, or show the options of one"
EPILOG = """\
examples:
  wsrouter handlers                     what a route may name
  wsrouter handlers periodic            its options, with an example
  wsrouter handlers -c plugins/         the handlers of a folder of plugins
"""

Row = tuple[str, str, str, str]


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this handler's options")
    parser.add_argument("-c", "--config", metavar="FILE", help=f"{FILE_HELP} (default: the site that is found, else plugins/)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: Namespace) -> int:
    """Prints the listing or the page; 1 where a handler cannot be had."""
    from wsrouter.plugins.library import HandlerLibrary

    folders = plugin_folders(arguments.config)
    if folders is None:
        return 1
    library = HandlerLibrary(folders)
    if arguments.name is None:
        with plugins_print_to_stderr():
            entries = library.all_specs()
        return _print_list(entries, as_json=arguments.json)
    with plugins_print_to_stderr():
        spec = find_handler(library, arguments.name)
    _print_page(spec, as_json=arguments.json)
    return 0


def plugin_folders(config: str | None) -> tuple[Path, ...] | None:
    """The plugin folders that are meant; None after the problems of the site were shown."""
    from wsrouter.config.problems import Problems
    from wsrouter.config.site_file import load_plugin_folders

    named = config or os.environ.get("WSROUTER_CONFIG") or next((place for place in PLACES if Path(place).is_file()), None)
    if named is None:
        return (Path("plugins"),)
    path = readable(Path(named))
    if path.is_dir() or path.suffix == ".py":
        return (path,)
    problems = Problems()
    folders = load_plugin_folders(path, environ=os.environ, problems=problems)
    if folders is None:
        report(problems)
    return folders


def find_handler(library: HandlerLibrary, name: str) -> HandlerSpec:
    """The handler of this name.

    Raises:
        CommandError: if it cannot be had; of an unknown one with the nearest name.
    """
    from wsrouter.config.finder import HandlerProblem
    from wsrouter.config.nearest import suggest

    try:
        return library.find(name)
    except HandlerProblem as problem:
        if problem.place is not None:
            raise CommandError(f"{problem.place}: {problem.message}") from None
        cure = "" if ":" in name else f": {suggest(name, library.names())}"
        raise CommandError(f"{problem.message}{cure}") from None


def spec_json(spec: HandlerSpec) -> dict[str, object]:
    """A handler as JSON."""
    from wsrouter.config.describe import option_rows

    return {
        "name": spec.name,
        "kind": spec.kind,
        "origin": spec.origin,
        "summary": spec.summary,
        "options": [
            {"name": name, "type": kind, "default": default or None, "required": not default, "help": text}
            for name, kind, default, text in option_rows(spec.fields)
        ],
    }


def _print_list(entries: Sequence[HandlerSpec | HandlerProblem], *, as_json: bool) -> int:
    from wsrouter.config.finder import HandlerProblem
    from wsrouter.plugins.spec import HandlerSpec

    specs = [entry for entry in entries if isinstance(entry, HandlerSpec)]
    if as_json:
        print(json.dumps([spec_json(spec) for spec in specs], indent=2, ensure_ascii=False))
    else:
        print(format_table(("HANDLER", "KIND", "FROM", "WHAT IT DOES"), [(spec.name, spec.kind, spec.origin, spec.summary) for spec in specs]))
    failed = [entry for entry in entries if isinstance(entry, HandlerProblem)]
    for problem in failed:
        print(f"{problem.place}: {problem.message}" if problem.place is not None else problem.message, file=sys.stderr)
    return 1 if failed else 0


def _print_page(spec: HandlerSpec, *, as_json: bool) -> None:
    """A handler's help page."""
    from wsrouter.config.describe import option_rows

    if as_json:
        print(json.dumps(spec_json(spec), indent=2, ensure_ascii=False))
        return
    lines = [f"{spec.name} ({spec.kind}, {spec.origin})"]
    if spec.doc:
        lines += ["", *(f"  {line}".rstrip() for line in spec.doc.splitlines())]
    rows = option_rows(spec.fields)
    lines += ["", "options" if rows else "it has no options"]
    for option, kind, default, text in rows:
        lines.append(f"  {option}: {kind}{f' (default {default})' if default else ' (must be given)'}")
        if text:
            lines.append(f"      {text}")
    lines += ["", "in a site", f"  /{spec.name.partition(':')[0]}: {example_step(spec.name, rows)}"]
    print("\n".join(lines))


def example_step(name: str, rows: list[Row]) -> str:
    """A step that names this handler, with the options that must be given left to be filled in."""
    quoted = f'"{name}"' if ":" in name else name
    required = [option for option, _, default, _ in rows if not default]
    return f"{{{quoted}: {{{', '.join(f'{option}: …' for option in required)}}}}}" if required else quoted
