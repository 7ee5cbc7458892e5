"""`wsrouter handlers [NAME]`: where each handler comes from; for one of them, its options as a help page."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.cli.site_choice import PLACES
from wsrouter.cli.table import format_table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.plugins.library import HandlerLibrary
    from wsrouter.plugins.spec import HandlerSpec

NAME = "handlers"
HELP = "list the handlers, or show the options of one"


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show this handler's options")
    parser.add_argument("-c", "--config", metavar="FILE", help="the site whose plugins are meant (default: the site found, else plugins/)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(arguments: Namespace) -> int:
    """Prints the listing or the page; 1 where the handler cannot be had."""
    from wsrouter.config.finder import HandlerProblem
    from wsrouter.plugins.library import HandlerLibrary
    from wsrouter.plugins.spec import HandlerSpec

    folders = plugin_folders(arguments.config)
    if folders is None:
        return 1
    library = HandlerLibrary(folders)
    if arguments.name is not None:
        return _show(library, arguments.name, as_json=arguments.json)
    entries = library.all_specs()
    specs = [entry for entry in entries if isinstance(entry, HandlerSpec)]
    if arguments.json:
        print(json.dumps([spec_json(spec) for spec in specs], indent=2))
    else:
        print(format_table(("HANDLER", "KIND", "FROM", "WHAT IT DOES"), [(spec.name, spec.kind, spec.origin, spec.summary) for spec in specs]))
    failed = [entry for entry in entries if isinstance(entry, HandlerProblem)]
    for problem in failed:
        print(f"{problem.place}: {problem.message}" if problem.place is not None else problem.message, file=sys.stderr)
    return 1 if failed else 0


def plugin_folders(config: str | None) -> tuple[Path, ...] | None:
    """The plugin folders of the site that is meant; None after its problems were shown."""
    from wsrouter.config.problems import Problems
    from wsrouter.config.site_file import load_plugin_folders

    named = config or os.environ.get("WSROUTER_CONFIG") or next((place for place in PLACES if Path(place).is_file()), None)
    if named is None:
        return (Path("plugins"),)
    problems = Problems()
    folders = load_plugin_folders(Path(named), environ=os.environ, problems=problems)
    if folders is None:
        from wsrouter.cli.site_choice import report

        report(problems)
    return folders


def spec_json(spec: HandlerSpec) -> dict[str, object]:
    """A handler as JSON."""
    from wsrouter.config.describe import option_rows

    return {
        "name": spec.name,
        "kind": spec.kind,
        "origin": spec.origin,
        "summary": spec.summary,
        "options": [{"name": name, "type": kind, "default": default, "help": text} for name, kind, default, text in option_rows(spec.fields)],
    }


def _show(library: HandlerLibrary, name: str, *, as_json: bool) -> int:
    from wsrouter.config.finder import HandlerProblem
    from wsrouter.config.describe import option_rows

    try:
        spec = library.find(name)
    except HandlerProblem as problem:
        where = f"{problem.place}: " if problem.place is not None else ""
        print(f"{where}{problem.message}; there are: {', '.join(library.names())}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(spec_json(spec), indent=2))
        return 0
    print(f"{spec.name} ({spec.kind}, {spec.origin})")
    if spec.doc:
        print("\n" + "\n".join(f"  {line}".rstrip() for line in spec.doc.splitlines()))
    rows = option_rows(spec.fields)
    print("\noptions" + ("" if rows else ": none"))
    for option, kind, default, text in rows:
        print(f"  {option}: {kind}{f', default {default}' if default else ', required'}")
        if text:
            print(f"      {text}")
    return 0
