"""`wsrouter reload`: has the running daemon load its site again, waits for the outcome, and prints it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wsrouter.cli.control_client import add_json_argument, add_problems, ask, print_json, refuse
from wsrouter.cli.quantities import parse_time
from wsrouter.cli.site_choice import add_site_arguments, report

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.cli.control_client import Answer

NAME = "reload"
HELP = "have the running daemon load its site again, and wait for the outcome"
EPILOG = """\
examples:
  wsrouter reload                           the daemon of the site that would be found here
  sudo wsrouter reload -c /etc/wsrouter/site.yaml

A site with problems is not loaded: they are shown as wsrouter check shows them,
and what was loaded before goes on.
The daemon is found by the path of its site; the file may be broken, or gone.

exit codes:
  0 loaded, 1 not loaded, no daemon running or no answer in time, 2 wrong usage
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    add_site_arguments(parser)
    parser.add_argument("--timeout", type=parse_time, default=60.0, metavar="TIME", help="how long to wait for the outcome (default 60s)")
    add_json_argument(parser)


def run(arguments: Namespace) -> int:
    """0 where it was loaded, else 1."""
    answer = ask(arguments, {"command": "reload"}, arguments.timeout, "; the reload goes on, and wsrouter status tells what became of it")
    if arguments.json:
        print_json(answer)
    else:
        if "summary" not in answer:
            refuse(answer)
        show_problems(answer)
        print(answer.get("summary", "-"))
    return 0 if answer["ok"] else 1


def show_problems(answer: Answer) -> None:
    """Shows the problems on stderr, with their source lines where the files can be read here."""
    from wsrouter.config.problems import Problems

    problems = Problems()
    rest = add_problems(answer.get("problems") or (), answer.get("folder"), problems)
    report(problems)
    for text in rest:
        print(text, file=sys.stderr)
