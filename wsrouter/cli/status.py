"""`wsrouter status`: how the running daemon is: since when, what it serves, and what became of the last reload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wsrouter.cli.control_client import add_json_argument, add_problems, ask, print_json, refuse
from wsrouter.cli.site_choice import add_site_arguments
from wsrouter.cli.table import format_table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wsrouter.cli.control_client import Answer

NAME = "status"
HELP = "show how the running daemon is: its generation, connections and routes"
EPILOG = """\
examples:
  wsrouter status                           the daemon of the site that would be found here
  sudo wsrouter status -c /etc/wsrouter/site.yaml
  wsrouter status --memory                  how much memory each handler holds
  wsrouter status --json                    for programs

exit codes:
  0 a daemon is running and answers, 1 none does, 2 wrong usage
"""

UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the arguments."""
    add_site_arguments(parser)
    add_json_argument(parser)
    parser.add_argument("--memory", action="store_true", help="show how much memory each handler holds instead; takes up to half a second for each")


def run(arguments: Namespace) -> int:
    """Prints the status; 1 where no daemon answers."""
    answer = ask(arguments, {"command": "memory" if arguments.memory else "status"})
    if arguments.json:
        print_json(answer)
        return 0 if answer["ok"] else 1
    refuse(answer)
    print(format_memory(answer) if arguments.memory else format_status(answer))
    return 0


def format_memory(answer: Answer) -> str:
    """What handlers hold, the most first; `+` where there is more than was looked at."""
    found = [each for each in answer.get("handlers") or () if isinstance(each, Mapping)]
    found.sort(key=lambda each: -each["bytes"])
    rows = [(each["handler"], each["route"], each["origin"], format_size(each["bytes"], is_whole=each["whole"]), f"{each['objects']:,}") for each in found]
    return format_table(("HANDLER", "ROUTE", "FROM", "HOLDS", "OBJECTS"), rows)


def format_size(size_bytes: int, *, is_whole: bool) -> str:
    """A size as `812 B`, `3.4 KiB`, `12.0 MiB`."""
    size, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}{'' if is_whole else '+'}"


def format_status(status: Answer) -> str:
    """The status as text: what is missing is shown as `-`, what is not known here is not shown."""
    lines = [f"{name:<13}{value}" for name, value in _head(status)]
    rows = [_row(route) for route in status.get("routes") or () if isinstance(route, Mapping)]
    if rows:
        lines += ["", format_table(("ROUTE", "HANDLERS", "OPEN", "OLDER", "TASKS", "STATE"), rows)]
    return "\n".join(lines)


def format_time(duration_s: object) -> str:
    """A duration in its two largest units: `3d 4h`, `12m 5s`."""
    if not isinstance(duration_s, int | float):
        return "-"
    left, words = int(duration_s), list[str]()
    for length, unit in UNITS:
        count, left = divmod(left, length)
        if count or words or unit == "s":
            words.append(f"{count}{unit}")
    return " ".join(word for index, word in enumerate(words[:2]) if index == 0 or word[:-1] != "0")


def _head(status: Answer) -> list[tuple[str, str]]:
    return [
        ("site", _show(status.get("site"))),
        ("daemon", f"pid {_show(status.get('pid'))}, wsrouter {_show(status.get('version'))}"),
        ("state", _show(status.get("state"))),
        ("uptime", f"{format_time(status.get('uptime_s'))}, since {_show(status.get('started_at'))}"),
        ("listening on", _join(status.get("addresses"))),
        ("connections", _show(status.get("connections"))),
        ("generation", _show(status.get("generation"))),
        *([("log", f"{status['log_dropped']} lines lost")] if status.get("log_dropped") else []),
        ("last reload", _last_reload(status.get("last_reload"), status.get("folder"))),
    ]


def _last_reload(last: object, folder: str | None) -> str:
    """When and what, and its problems on lines of their own."""
    if not isinstance(last, Mapping):
        return "-"
    from wsrouter.config.problems import Problems

    problems = Problems()
    rest = add_problems(last.get("problems") or (), folder, problems)
    told = [f"{_show(last.get('at'))}: {_show(last.get('summary'))}", *map(str, problems), *rest]
    return f"\n{'':13}".join(told)


def _row(route: Mapping[str, Any]) -> tuple[str, ...]:
    return (_show(route.get("route")), _join(route.get("handlers"), " > "), *(_show(route.get(name)) for name in ("connections", "older", "tasks", "state")))


def _join(values: object, between: str = ", ") -> str:
    return (between.join(map(str, values)) if isinstance(values, Sequence) and not isinstance(values, str) else "") or "-"


def _show(value: object) -> str:
    return "-" if value is None or value == "" else str(value)
