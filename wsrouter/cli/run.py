"""`wsrouter run`: serves a site, a plugin file, or a folder of plugins until it is told to stop."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wsrouter.cli.site_choice import add_site_arguments, find_site, report

if TYPE_CHECKING:
    import asyncio
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from wsrouter.site.site import Site

NAME = "run"
HELP = "serve a site: wsrouter run site.yaml, or without any YAML: wsrouter run hello.py, wsrouter run plugins/"

BAD_SITE = 78
"""EX_CONFIG of sysexits.h: systemd's RestartPreventExitStatus=78 keeps a bad site from being started again and again."""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    add_site_arguments(parser)
    parser.add_argument("--listen", action="append", default=[], metavar="ADDRESS", help="listen here instead of where the site says; may be repeated")
    parser.add_argument("--dev", action="store_true", help="for development: pages from files and from this machine may connect, pretty log, stops at once")


def run(arguments: Namespace) -> int:
    """Loads the site and serves it; 78 for a bad site, 1 where it cannot be started here."""
    path = find_site(arguments, os.environ)
    if path is None:
        return BAD_SITE
    site = _load(path)
    if site is None:
        return BAD_SITE
    for address in arguments.listen:
        if not _is_address(address):
            return 2
    return _serve(site, arguments)


def _load(path: Path) -> Site | None:
    """The site of a YAML file; or one made of a plugin file or a folder of them."""
    from wsrouter.config.problems import Problems
    from wsrouter.site.quick import quick_site
    from wsrouter.site.site import load_site

    problems = Problems()
    if path.suffix == ".py" or path.is_dir():
        site = quick_site(path, problems)
    else:
        site = load_site(path, os.environ, problems)
    report(problems)
    return site


def _is_address(address: str) -> bool:
    from wsrouter.config.address import parse_address

    try:
        parse_address(address)
    except ValueError as error:
        print(f"--listen {address}: {error}", file=sys.stderr)
        return False
    return True


def _serve(site: Site, arguments: Namespace) -> int:
    import asyncio

    from msgspec.structs import replace

    from wsrouter.api.errors import StartError
    from wsrouter.daemon.daemon import Daemon, RunOptions
    from wsrouter.observe.logs import configure_logs, get_logger

    log = site.file.log
    if arguments.dev and log.format == "auto":
        log = replace(log, format="pretty")
    configure_logs(log)
    loop_factory, loop_name = _choose_loop()
    if loop_name == "asyncio":
        get_logger().warning("uvloop.missing", effect="the stock event loop is used; it is slower", fix="pip install uvloop")

    async def serve() -> None:
        await Daemon(site, RunOptions(arguments.listen, arguments.dev, loop_name)).run()

    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve())
    except StartError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _choose_loop() -> tuple[Callable[[], asyncio.AbstractEventLoop] | None, str]:
    """uvloop's, or the stock one where uvloop is not installed."""
    try:
        import uvloop
    except ImportError:
        return None, "asyncio"
    return uvloop.new_event_loop, "uvloop"
