"""What to write instead, where YAML cannot read a line: the usual riddles, told from the parser's error and the line.

YAML's own messages name its grammar; these name what to quote.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from wsrouter.config.nodes import show_text


class Fault(NamedTuple):
    """What the parser said: its problem with line and column, and where the thing began that it was reading; all from 0."""

    problem: str
    line: int
    column: int
    context: str = ""
    context_line: int = 0
    context_column: int = 0


class Answer(NamedTuple):
    """What to tell: where (from 0), and the message."""

    line: int
    column: int
    message: str


_BRACKETED_ADDRESS: Final = re.compile(r"""(?<!["'\w])\[[0-9A-Fa-f:.%]*:[0-9A-Fa-f:.%]*\](?::\d+)?(?!["'])""")
_PAIR: Final = re.compile(r"^(?P<head>\s*(?:- +)*[^\s#'\"{\[][^#]*?:[ ]+)(?P<value>\S.*?)\s*$")
_NO_SPACE: Final = re.compile(r"^\s*(?:- +)*(?P<key>[^\s#'\"{\[:][^\s:]*):(?P<value>[{\[])")
_COMMENT: Final = re.compile(r"\s#.*$")
_WORDS: Final = {
    "<document start>": "this belongs to nothing that stands above it: indent it as the lines that it belongs to",
    "node content": "a value is missing before this, or it is text and must be in quotes",
    "unexpected ':'": "a colon cannot stand here: put the text in quotes, or write a space after the colon",
    "block sequence entries": 'a list cannot begin on the line of its key: write "- " on a line of its own',
}
_OPENERS: Final = {"[": "]", "{": "}"}


def quoted(text: str) -> str:
    """Text as a YAML scalar in quotes: double ones, or single ones where it holds a quote or a backslash."""
    return "'" + text.replace("'", "''") + "'" if '"' in text or "\\" in text else f'"{text}"'


def explain_fault(fault: Fault, lines: list[str]) -> Answer:
    """Where to point and what to write, for a file that YAML cannot read."""
    line = lines[fault.line] if fault.line < len(lines) else ""
    for answer in (_tab(fault, line), _unclosed_quote(fault), _address(fault, lines), _first_character(fault, lines), _escape(fault)):
        if answer is not None:
            return answer
    if "',' or" in fault.problem:
        return _flow(fault, line)
    if "node content" in fault.problem and not "".join(lines[fault.line :]).strip():
        return Answer(fault.line, fault.column, "the file ends before it is complete: a bracket, a brace or a value is missing")
    return _pair(fault, lines) or _in_words(fault)


def _tab(fault: Fault, line: str) -> Answer | None:
    """A tab where YAML wants spaces."""
    if "tab character" in fault.problem or line[fault.column : fault.column + 1] == "\t":
        return Answer(fault.line, fault.column, "a tab indents this line: YAML indents with spaces only")
    return None


def _unclosed_quote(fault: Fault) -> Answer | None:
    """A quote that runs to the end of the file."""
    if "quoted scalar" in fault.context and "end of stream" in fault.problem:
        return Answer(fault.context_line, fault.context_column, "this quote is never closed")
    return None


def _address(fault: Fault, lines: list[str]) -> Answer | None:
    """`[::1]:8765` without quotes, which YAML takes for a list."""
    line = lines[fault.line] if fault.line < len(lines) else ""
    match = _BRACKETED_ADDRESS.search(line)
    if match is None or not match.start() <= fault.column <= match.end():
        return None
    return Answer(fault.line, match.start(), f"an address with brackets must be in quotes: write {quoted(match[0])}")


def _first_character(fault: Fault, lines: list[str]) -> Answer | None:
    """Text that begins with a character that means something to YAML: `*/5 * * * *`, `@hourly`, `%x`."""
    begun = "scanning an alias" in fault.context or "scanning an anchor" in fault.context or "scanning a tag" in fault.context
    if not begun and "cannot start any token" not in fault.problem:
        return None
    at, column = (fault.context_line, fault.context_column) if begun else (fault.line, fault.column)
    text = _value_from(lines[at] if at < len(lines) else "", column)
    if not text:
        return None
    return Answer(at, column, f"text that begins with {text[0]} must be in quotes: write {quoted(text)}")


def _escape(fault: Fault) -> Answer | None:
    """A backslash in double quotes that is no escape."""
    if "escape" not in fault.problem:
        return None
    return Answer(fault.line, fault.column, "a backslash in double quotes begins an escape, and this is none: use 'single quotes', or double the backslash")


def _flow(fault: Fault, line: str) -> Answer:
    """Braces within braces, `{topic: room/{room}}`, or a bracket that is not closed."""
    opened = "{" if "mapping" in fault.context else "["
    if line[fault.column : fault.column + 1] in _OPENERS and fault.line == fault.context_line:
        start = _value_start(line, fault.column)
        text = _value_from(line, start)
        if start < fault.column and text:
            return Answer(fault.line, start, f"text with braces or brackets in it must be in quotes here: write {quoted(text)}")
    if fault.line == fault.context_line:
        return Answer(fault.line, fault.column, f"the {opened} is not closed before this: add {_OPENERS[opened]} or a comma, or put the text in quotes")
    return Answer(fault.context_line, fault.context_column, f"this {opened} is not closed: add {_OPENERS[opened]}")


def _pair(fault: Fault, lines: list[str]) -> Answer | None:
    """A line `key: value` whose value, or whose place, cannot be."""
    line = _COMMENT.sub("", lines[fault.line]) if fault.line < len(lines) else ""
    match = _PAIR.match(line)
    if "expected key" in fault.problem and (tight := _NO_SPACE.match(line)):
        return Answer(fault.line, tight.start("value"), f"a space is missing after the colon: write {tight['key']}: {tight['value']}…")
    if "mapping values" in fault.problem:
        return _second_colon(fault, line, match) or _indented(fault, line, lines)
    if "expected key" in fault.problem and match and match["value"][0] in "\"'":
        return Answer(
            fault.line, match.start("value"), "there is text after the closing quote: put all of it into one pair of quotes, and double a quote within"
        )
    if "expected key" in fault.problem and match and match["value"][0] in "{[":
        return Answer(fault.line, match.start("value"), f"text that begins with {match['value'][0]} must be in quotes: write {quoted(match['value'])}")
    if "expected '-'" in fault.problem:
        return Answer(fault.line, fault.column, 'a list stands here, and each of its items begins with "- "')
    if "expected key" in fault.problem:
        return Answer(fault.line, fault.column, 'here a line "key: value" is expected, indented as the lines above')
    return None


def _second_colon(fault: Fault, line: str, match: re.Match[str] | None) -> Answer | None:
    """`message: now: {now}`, which YAML takes for two keys on one line; after a path the second one is a handler."""
    if match and ": " in f"{match['value']} " and fault.column >= match.start("value"):
        if match["head"].lstrip().startswith("/"):
            return Answer(fault.line, match.start("value"), f"a second colon on one line needs braces: write {{{match['value']}}}")
        return Answer(fault.line, match.start("value"), f"text with a colon in it must be in quotes: write {quoted(match['value'])}")
    return None


def _indented(fault: Fault, line: str, lines: list[str]) -> Answer:
    """A line that stands too far right, or below a line that lacks its colon."""
    indent = len(line) - len(line.lstrip())
    above = next((number for number in range(fault.line - 1, -1, -1) if _COMMENT.sub("", lines[number]).strip()), None)
    if above is not None and ":" not in lines[above] and len(lines[above]) - len(lines[above].lstrip()) == indent:
        word = lines[above].split()[0]
        return Answer(above, indent, f"a colon is missing here: write {word}: …")
    return Answer(fault.line, min(indent, fault.column), "this line is indented more than the one that it belongs to, or the line above lacks its colon")


def _in_words(fault: Fault) -> Answer:
    """Whatever is left: the parser's own problem, in plainer words where it has some."""
    if "could not find expected ':'" in fault.problem:
        return Answer(fault.context_line, fault.context_column, "a colon with a space after it is missing on this line: write key: value")
    words = next((words for part, words in _WORDS.items() if part in fault.problem), None)
    return Answer(fault.line, fault.column, words or f"this is not YAML: {fault.problem}")


def _value_start(line: str, column: int) -> int:
    """Where the text begins that `column` is in, in a line with braces: after the last `: `, `, ` or opening bracket."""
    start = max(line.rfind(mark, 0, column) + len(mark) for mark in (": ", ",", "{", "["))
    return start + len(line[start:column]) - len(line[start:column].lstrip())


def _value_from(line: str, column: int) -> str:
    """The text of a value from here on: to the comment, and where braces are open before it, to the comma or the closing one."""
    rest = _COMMENT.sub("", line[column:]).rstrip()
    flow = any(line[:column].count(opener) > line[:column].count(closer) for opener, closer in _OPENERS.items())
    if not flow:
        return rest
    depth = 0
    for index, character in enumerate(rest):
        if character in "}]":
            if depth == 0:
                return rest[:index].rstrip()
            depth -= 1
        elif character in "{[":
            depth += 1
        elif character == "," and depth == 0:
            return rest[:index].rstrip()
    return rest


def control_character(character: str) -> str:
    """What to say of a character that no text file holds."""
    name = "a NUL byte" if character == "\0" else f"the control character {show_text(character)[1:-1]}"
    return f"{name} cannot stand in a site: delete it"
