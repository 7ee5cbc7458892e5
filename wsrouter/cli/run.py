"""`wsrouter run`: serves a site, a plugin file, or a folder of plugins until it is told to stop."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from wsrouter.cli.errors import CommandError
from wsrouter.cli.site_choice import add_site_arguments, count_problems, find_site, report

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from wsrouter.site.loading import Source
    from wsrouter.site.site import Site

NAME = "run"
HELP = "serve a site, a plugin file, or a folder of plugins"
EPILOG = """\
examples:
  wsrouter run site.yaml                   so does wsrouter --config site.yaml
  wsrouter run hello.py                    no YAML: the plugin is served at /hello and at /
  wsrouter run plugins/ --listen :9000     each plugin of the folder at the path of its name
  wsrouter run site.yaml --dev             pages from files may connect, saved files load

signals:
  SIGHUP loads the site and its plugins again: what did not change is not touched
  SIGTERM or SIGINT (Ctrl-C) stops gently, as server.shutdown says; a second one ends at once

exit codes:
  0 stopped as told, 1 it could not start, 2 wrong usage, 78 the site has problems
"""

BAD_SITE: Final = 78
"""EX_CONFIG of sysexits.h: systemd's RestartPreventExitStatus=78 keeps a bad site from being started again and again."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    add_site_arguments(parser)
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="listen here instead of where the site says, as :9000 or unix:/run/ws.sock; may be repeated",
    )
    parser.add_argument(
        "--dev",
        action="store_true",
        help="for development: pages from files and from this machine may connect, saved files are loaded, the log is for people, stopping does not wait",
    )


def run(arguments: Namespace) -> int:
    """Loads the site and serves it; 78 for a bad site, 1 where it cannot be started here."""
    path = find_site(arguments, os.environ)
    check_addresses(arguments.listen)
    _print_by_line()
    from wsrouter.site.loading import source_at

    source = source_at(path, os.environ, trusting=arguments.dev)
    site = _load(source)
    return BAD_SITE if site is None else _serve(site, source, arguments)


def check_addresses(addresses: Sequence[str]) -> None:
    """Looks at what `--listen` says.

    Raises:
        CommandError: if one is no address; the text says what would be.
    """
    from wsrouter.config.address import parse_address

    for address in addresses:
        try:
            parse_address(address)
        except ValueError as error:
            raise CommandError(f"--listen {address}: {error}", 2) from None


def _load(source: Source) -> Site | None:
    """The site; None after its problems were shown."""
    from wsrouter.config.problems import Problems

    problems = Problems()
    site = source.load(problems)
    report(problems)
    if site is None:
        print(f"{source.path}: {count_problems(problems)}; not started", file=sys.stderr)
    return site


def _print_by_line() -> None:
    """What plugins print appears at once, also where stdout is a pipe or a file."""
    with suppress(AttributeError, ValueError):  # a stand-in of a test, or closed
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _serve(site: Site, source: Source, arguments: Namespace) -> int:
    from msgspec.structs import replace

    from wsrouter.api.errors import StartError
    from wsrouter.daemon.daemon import Daemon
    from wsrouter.daemon.loop import choose_loop, run_to_end
    from wsrouter.daemon.running import RunOptions
    from wsrouter.observe.logs import configure_logs

    gc.freeze()  # what is there from the start stays: to look through it took 10 ms, in which no client is answered, whenever reloads left enough behind
    gc.enable()  # see `main`
    # Nearly everything here dies by its count; by default the collector looks for the rest often enough to cost 8 us a connection, now 2.
    gc.set_threshold(10_000, 20, 20)
    log = site.file.log
    if arguments.dev and log.format == "auto":
        log = replace(log, format="pretty")
    writer = configure_logs(log)
    loop_factory, loop_name = choose_loop()

    async def serve() -> None:
        await Daemon(site, source, RunOptions(arguments.listen, arguments.dev, loop_name)).run()

    try:
        run_to_end(serve(), loop_factory)
    except StartError as error:
        raise CommandError(str(error)) from None
    finally:
        writer.flush()
    return 0
