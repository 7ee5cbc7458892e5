"""Which site a command works on, and how its problems are shown: what run, check, routes, explain and handlers share."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wsrouter.cli.errors import CommandError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from wsrouter.config.problems import Problems
    from wsrouter.site.site import Site

PLACES: Final = ("site.yaml", "config/site.yaml", "/etc/wsrouter/site.yaml")

FILE_HELP: Final = "the site's YAML file; or a plugin file or a folder of plugins, which are served without any YAML"
CONFIG_HELP: Final = "the same, as an option"


def add_site_arguments(parser: ArgumentParser, *, positional: bool = True) -> None:
    """Declares `-c/--config FILE`, and FILE on its own."""
    if positional:
        parser.add_argument("site", nargs="?", metavar="FILE", help=FILE_HELP)
    parser.add_argument("-c", "--config", metavar="FILE", help=CONFIG_HELP if positional else FILE_HELP)


def find_site(arguments: Namespace, environ: Mapping[str, str]) -> Path:
    """The site's file: as named, else the first that is there of the usual places.

    Raises:
        CommandError: if there is none, it may not be read, or two are named.
    """
    named = _named(arguments)
    if named:
        return readable(Path(named))
    if environ.get("WSROUTER_CONFIG"):
        return readable(Path(environ["WSROUTER_CONFIG"]), " (named by $WSROUTER_CONFIG)")
    for place in PLACES:
        if Path(place).is_file():
            return readable(Path(place))
    raise CommandError(f"no site found here: name one, as in wsrouter check site.yaml, or make one with wsrouter init (looked for {', '.join(PLACES)})")


def sites_meant(arguments: Namespace, environ: Mapping[str, str]) -> list[Path]:
    """The sites that a command may mean which talks to a daemon. The file may be broken or gone: its path is all that counts.

    As named; else the first that is there of the usual places; else, as the file may have vanished, all of these.

    Raises:
        CommandError: if two are named.
    """
    named = _named(arguments) or environ.get("WSROUTER_CONFIG")
    if named:
        return [Path(named)]
    places = [Path(place) for place in PLACES]
    return next(([place] for place in places if place.is_file()), places)


def _named(arguments: Namespace) -> str | None:
    """The site of the command line, if there is one.

    Raises:
        CommandError: if there are two.
    """
    positional: str | None = getattr(arguments, "site", None)
    config: str | None = arguments.config
    if config and positional:
        raise CommandError(f"two sites are named, {config} and {positional}; name one (a command stands first, as in wsrouter check -c FILE)", 2)
    return config or positional


def readable(path: Path, note: str = "") -> Path:
    """The path, if something is there that may be read.

    Raises:
        CommandError: if not.
    """
    try:
        path.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        why = f"there is no such file; {_cure_of_missing(path)}" if missing else f"cannot be read: {error.strerror}"
        raise CommandError(f"{path}{note}: {why}") from None
    if not os.access(path, os.R_OK):
        raise CommandError(f"{path}{note}: cannot be read: permission denied; give the user that runs wsrouter the right to read it")
    return path


def _cure_of_missing(path: Path) -> str:
    """What else may have been meant: the same name with another ending, else a new file."""
    for ending in (".yaml", ".yml", ".py"):
        if path.with_suffix(ending).is_file():
            return f"did you mean {path.with_suffix(ending)}?"
    return "wsrouter init makes a site, wsrouter new a plugin"


def load_named(path: Path, problems: Problems) -> Site | None:
    """The site of a YAML file; or one made of a plugin file or a folder of them. None where there are errors."""
    from wsrouter.site.loading import source_at

    return source_at(path, os.environ).load(problems)


def plugins_print_to_stderr() -> AbstractContextManager[object]:
    """While plugins are imported by a command that prints an answer: what they print must not get into it."""
    return redirect_stdout(sys.stderr)


def load_or_report(path: Path) -> Site | None:
    """Loads a site; its problems go to stderr, with their source lines and their number."""
    from wsrouter.config.problems import Problems

    problems = Problems()
    with plugins_print_to_stderr():
        site = load_named(path, problems)
    report(problems)
    if site is None:
        print(f"{path}: {count_problems(problems)}", file=sys.stderr)
    return site


def count_problems(problems: Problems) -> str:
    """`2 problems and 1 warning`; nothing where there are none."""
    counts = ((len(problems.errors), "problem"), (len(problems.warnings), "warning"))
    return " and ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts if count)


def report(problems: Problems) -> None:
    """Shows problems on stderr: `file:line:column: message`, the source line, a caret."""
    from wsrouter.config.problems import with_source

    lines: dict[str, list[str]] = {}
    for problem in problems:
        name = problem.place.file
        if name not in lines:
            lines[name] = _lines(name)
        index = problem.place.line - 1
        print(with_source(problem, lines[name][index] if index < len(lines[name]) else None), file=sys.stderr)


def _lines(name: str) -> list[str]:
    try:
        return Path(name).read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
