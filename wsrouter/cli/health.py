"""`wsrouter health`: whether the running daemon is well and ready for clients; for people, containers and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrouter.cli.control_client import add_json_argument, ask, print_json, refuse
from wsrouter.cli.site_choice import add_site_arguments

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.cli.control_client import Answer

NAME = "health"
HELP = "tell whether the running daemon is well and ready for clients"
EPILOG = """\
examples:
  wsrouter health                           the daemon of the site that would be found here
  wsrouter health --alive                   only whether it is well, also while it drains
  HEALTHCHECK CMD wsrouter health --alive   in a Dockerfile

It is well while its event loop keeps up. It is not ready while it starts,
while it drains, and while it is overloaded.

exit codes:
  0 well and ready (with --alive: well), 1 not so, or no daemon running, 2 wrong usage
"""

ANSWER_S = 5.0


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    add_site_arguments(parser)
    parser.add_argument("--alive", action="store_true", help="ask only whether it is well, not whether it is ready")
    add_json_argument(parser)


def run(arguments: Namespace) -> int:
    """Prints one line; 0 where all is well."""
    answer = ask(arguments, {"command": "health"}, ANSWER_S)
    if arguments.json:
        print_json(answer)
    else:
        refuse(answer)
        print(format_health(answer))
    return 0 if answer.get("well") and (arguments.alive or answer.get("ready")) else 1


def format_health(answer: Answer) -> str:
    """Both in one line: `well, ready`, `well, not ready: draining (it was told to stop)`."""
    well = "well" if answer.get("well") else f"not well: the event loop was {answer.get('lag_ms')} ms late"
    reasons = answer.get("reasons") or {}
    why = ", ".join(f"{word} ({detail})" for word, detail in reasons.items())
    return f"{well}, ready" if answer.get("ready") else f"{well}, not ready: {why or '-'}"
