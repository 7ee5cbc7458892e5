"""The manual pages: wsrouter(1) from the parser of the command line, wsrouter-site(5) from docs/configuration.md.

Neither is kept in the checkout: `./dev deb` makes them, from what `--help` and the documentation are made from.
"""

from __future__ import annotations

import re
from argparse import SUPPRESS, Action, ArgumentParser, HelpFormatter
from collections.abc import Iterator, Sequence
from typing import Final

WIDTH: Final = 72

_MARKED: Final = re.compile(r"`([^`]+)`|\*\*?([^*]+)\*\*?|\[([^\]]+)\]\([^)]*\)")
_CELL_END: Final = re.compile(r"(?<!\\)\|")


def escape(text: str) -> str:
    """Text as troff shows it unchanged: no escapes, no requests, hyphens that can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def title(name: str, section: int, version: str, date: str) -> str:
    """The first line of a page; `date` as 2026-11-22."""
    return f'.TH "{name.upper()}" "{section}" "{date}" "wsrouter {version}" "wsrouter"'


def command_page(parser: ArgumentParser, version: str, date: str) -> str:
    """wsrouter(1): `parser` has all subcommands."""
    options, commands = _split(parser)
    text = parser.description or ""
    lines = [
        title("wsrouter", 1, version, date),
        ".SH NAME",
        f"wsrouter \\- {escape(text[0].lower() + text[1:].rstrip('.'))}",
        ".SH SYNOPSIS",
        ".B wsrouter\n.I COMMAND\n.RI [ ARGUMENTS ]\n.br\n.B wsrouter\n.RI [ FILE ]",
        ".SH DESCRIPTION",
        escape(f"{text} Without a command, run is meant."),
        *_options(options),
        ".SH COMMANDS",
    ]
    for name, command in commands:  # the first option of each is --help
        lines += [f".SS {escape(name)}", escape(command.description or ""), *_usage(command), *_options(_split(command)[0][1:]), *_example(command.epilog)]
    lines += [".SH NOTES", *_example(parser.epilog), ".SH SEE ALSO", ".BR wsrouter\\-site (5)"]
    return "\n".join(lines) + "\n"


def _split(parser: ArgumentParser) -> tuple[list[Action], list[tuple[str, ArgumentParser]]]:
    """The options of a parser, and its subcommands."""
    actions = [action for action in parser._actions if action.help != SUPPRESS]
    options = [action for action in actions if not isinstance(action.choices, dict)]
    return options, [pair for action in actions if isinstance(action.choices, dict) for pair in action.choices.items()]


def _usage(parser: ArgumentParser) -> list[str]:
    formatter = HelpFormatter(parser.prog, width=WIDTH)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, "")
    return _verbatim(formatter.format_help().strip())


def _options(actions: Sequence[Action]) -> Iterator[str]:
    for action in actions:
        formatter = HelpFormatter("wsrouter", width=WIDTH)
        yield f".TP\n\\fB{escape(formatter._format_action_invocation(action))}\\fR"
        yield escape(formatter._expand_help(action) if action.help else "")


def _example(text: str | None) -> list[str]:
    return _verbatim(text.strip()) if text else []


def _verbatim(text: str) -> list[str]:
    return [".PP", ".nf", ".RS 2", escape(text), ".RE", ".fi"]


def site_page(markdown: str, version: str, date: str) -> str:
    """wsrouter-site(5), from the page on configuration. Its tables become lists: the first column names, the rest explain."""
    body = "\n".join(_blocks(re.sub(r"<!--.*?-->\s*", "", markdown, flags=re.DOTALL)))
    head = [title("wsrouter-site", 5, version, date), ".SH NAME", "wsrouter\\-site \\- the file that says what wsrouter serves", ".SH DESCRIPTION"]
    return "\n".join([*head, body, ".SH SEE ALSO", ".BR wsrouter (1)"]) + "\n"


def _blocks(markdown: str) -> Iterator[str]:
    """Each block of a Markdown page: heading, fenced code, table, list, paragraph."""
    lines = iter(markdown.splitlines())
    for line in lines:
        if line.startswith("```"):
            yield from _verbatim("\n".join(iter(lambda: next(lines), "```")))
        elif line.startswith("# "):
            continue
        elif line.startswith("#"):
            level, _, text = line.partition(" ")
            yield f'{".SH" if level == "##" else ".SS"} "{inline(text.upper() if level == "##" else text)}"'
        elif line.startswith("|"):
            yield from _table([line, *iter(lambda: next(lines, ""), "")])
        elif line.startswith("- "):
            yield f".IP \\(bu 2\n{inline(line[2:])}"
        else:
            yield inline(line) if line else ".PP"


def _table(lines: Sequence[str]) -> Iterator[str]:
    header, _, *rows = [[cell.strip().replace("\\|", "|") for cell in _CELL_END.split(line)[1:-1]] for line in lines]
    for first, *between, last in rows:
        facts = [f"{name}: {cell}" for name, cell in zip(header[1:-1], between, strict=True) if cell]
        yield f".TP\n{inline(first)}\n" + "\n.br\n".join(map(inline, [last, *facts]))
    yield ".PP"


def inline(text: str) -> str:
    """A line of Markdown: code and strong words are bold, links are their text."""
    parts, end = [], 0
    for match in _MARKED.finditer(text):
        bold = match[1] or match[2]
        parts += [escape(text[end : match.start()]), f"\\fB{escape(bold.replace('`', ''))}\\fR" if bold else inline(match[3])]
        end = match.end()
    line = "".join([*parts, escape(text[end:])])
    return f"\\&{line}" if line.startswith((".", "'")) else line
