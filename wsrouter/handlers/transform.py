"""`transform`: each message becomes another, as one of four rules says: `jmespath`, `json`, `template` or `text`.

Guarantees: one message in gives one message out or none, in order. A rule is compiled once, so that a bad one is a problem
of the site and never of a client. A message is parsed only where the rule looks inside: `{message}` alone passes through
untouched, large integers included.
Loses: a result of null drops the message. Where the rule looks inside, integers beyond 64 bits become floating-point
numbers. A message that the rule cannot take is dropped after `on_error` has been followed, and counted in `failed`.

`{message}` is the text as received in `template`, and the JSON value as received in `json`; `{message.x}` is a field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

import orjson

from wsrouter import Connection, Context, Handler, Message, Option, OptionError, Template, Values

CLOSE_CODES = {"not_text": 1003, "not_json": 1007, "transform_failed": 1007}
"""RFC 6455 section 7.4.1: 1003 for a type of data that is not taken, 1007 for data that is not consistent with its type."""

LONGEST_DETAIL = 200
"""How much an error reply tells; the detail may quote the client's own message."""


class UnfitError(Exception):
    """A message that the rule cannot take. `word` is the error for programs, the text is for people."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(detail)
        self.word = word


class Embedded(str):
    """JSON text that stands for its value: put into a structure as it is, not as a string."""

    __slots__ = ()


def parse_json(message: Message) -> object:
    """The value that a message is JSON of.

    Raises:
        UnfitError: if it is not JSON.
    """
    try:
        return orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise UnfitError("not_json", f"expected JSON: {error}") from None


def parse_text(message: Message) -> str:
    """The text of a message; binary must be UTF-8.

    Raises:
        UnfitError: if it is not.
    """
    try:
        return message if isinstance(message, str) else message.decode()
    except UnicodeDecodeError as error:
        raise UnfitError("not_text", f"expected text: {error}") from None


def to_json(value: object) -> str:
    """JSON text of a result.

    Raises:
        UnfitError: if it is nested too deep, or holds what JSON cannot.
    """
    try:
        return orjson.dumps(value, default=_embed, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()
    except TypeError as error:
        raise UnfitError("transform_failed", str(error)) from None


def _embed(value: object) -> orjson.Fragment:
    """What the encoder does not know: JSON text that stands for its value."""
    if isinstance(value, Embedded):
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} cannot be JSON")


def compile_jmespath(expression: str) -> Callable[[object], object]:
    """A JMESPath expression as a function of a value.

    Raises:
        OptionError: at the place of the mistake; a function that does not exist, or gets too few or too many arguments, is one.
    """
    import jmespath  # 20 ms; only for those who use it
    from jmespath.exceptions import JMESPathError

    try:
        compiled = jmespath.compile(expression)
    except JMESPathError as error:
        offset = getattr(error, "lex_position", 0)
        raise OptionError(f"{expression!r} is no JMESPath expression: {_explain(error)}", "jmespath", offset) from None
    for pattern, detail in _mistakes(compiled.parsed):
        found = re.search(pattern, expression)
        raise OptionError(f"{expression!r} is no JMESPath expression: {detail}", "jmespath", found.start() if found else None)
    search: Callable[[object], object] = compiled.search
    return search


def _explain(error: Exception) -> str:
    """What is wrong with an expression, in one line and without the drawing below it."""
    if getattr(error, "token_type", "") is None:
        return "it ends too early"
    said = getattr(error, "message", None) or getattr(error, "msg", None) or str(error)
    return str(said).lower().rstrip(".")


def _mistakes(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What in a parsed expression can never work, each as a pattern that finds it and a text; jmespath itself would only tell with a message."""
    if node["type"] == "function_expression":
        mistake = _mistaken_call(node["value"], len(node["children"]))
        if mistake is not None:
            yield rf"\b{node['value']}\s*\(", mistake
    elif node["type"] == "slice" and node["children"][2] == 0:
        yield r":\s*0\s*\]", "the step of a slice must not be 0"
    for child in node["children"]:
        if isinstance(child, dict):
            yield from _mistakes(child)


def _mistaken_call(name: str, given: int) -> str | None:
    """What is wrong with a call of a function with so many arguments, or None."""
    from jmespath.functions import Functions

    if name not in Functions.FUNCTION_TABLE:
        return f"there is no function {name}; there are {', '.join(sorted(Functions.FUNCTION_TABLE))}"
    signature = Functions.FUNCTION_TABLE[name]["signature"]
    needed, variadic = len(signature), bool(signature and signature[-1].get("variadic"))
    if given < needed or (given > needed and not variadic):
        return f"{name}() takes {'at least ' if variadic else ''}{needed} argument{'' if needed == 1 else 's'}, not {given}"
    return None


class Transform(Handler[Message]):
    """Turns each message into another: picks from JSON, builds JSON, fills a text, changes the case."""

    jmespath: Annotated[str | None, Option(description="A JMESPath expression; its result is sent.")] = None
    json: Annotated[
        Template | None,
        Option(description="A structure to send as JSON; {message.x} is a field of the message, {message} all of it.", extra={"placeholders": ["message.*"]}),
    ] = None
    template: Annotated[
        Template | None,
        Option(description="A text to send; {message} is the message, {message.x} a field of it.", extra={"placeholders": ["message.*"]}),
    ] = None
    text: Annotated[Literal["upper", "lower"] | None, Option(description="Changes the case of a text message.")] = None
    as_: Annotated[Literal["text", "json"], Option(description="How a result that is a string is sent: as it is, or as JSON, in quotes.")] = "text"
    on_error: Annotated[
        Literal["reply", "drop", "close"],
        Option(description="What a message that does not fit leads to: an error to its sender, nothing, or 1007 (1003 where text is needed)."),
    ] = "reply"

    failed = 0  # messages that did not fit

    def check(self) -> None:
        """Refuses none or several rules, and a rule that does not compile."""
        rules = {"jmespath": self.jmespath, "json": self.json, "template": self.template, "text": self.text}
        given = [name for name, rule in rules.items() if rule is not None]
        if not given:
            raise OptionError(f"it needs one of {', '.join(rules)}; write transform: {{text: upper}}, say")
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)} exclude each other; keep one, and write the others as further steps", given[1])
        if self.template is not None and not isinstance(self.template.source, str):
            raise OptionError("a template is text; write a structure under json", "template")
        if self.jmespath is not None:
            compile_jmespath(self.jmespath)

    def start(self, context: Context) -> None:
        """Compiles the rule."""
        self._context = context
        self._search = compile_jmespath(self.jmespath) if self.jmespath is not None else None
        rule = self.json or self.template
        self._names = {placeholder.name for placeholder in rule.placeholders} if rule is not None else set()
        self._looks_inside = any(name.startswith("message.") for name in self._names)

    def on_message(self, connection: Connection, message: Message) -> str | None:
        """The result, for the next step; None where there is none."""
        try:
            return self._finish(self._apply(connection, message))
        except UnfitError as unfit:
            self.failed += 1
            self._refuse(connection, unfit)
            return None

    def _apply(self, connection: Connection, message: Message) -> object:
        """What the rule makes of a message."""
        if self.text is not None:
            if not isinstance(message, str):
                raise UnfitError("not_text", "expected a text message")
            return message.upper() if self.text == "upper" else message.lower()
        if self._search is not None:
            return self._pick(self._search, parse_json(message))
        if self.json is not None:
            return self.json.fill(self._values_in_json(connection, message))
        assert self.template is not None  # check() saw to it
        return self.template.text(self._values_in_text(connection, message))

    def _pick(self, search: Callable[[object], object], value: object) -> object:
        """What the expression finds."""
        try:
            return search(value)
        except Exception as error:  # noqa: BLE001 -- a function of the expression, given a value that it cannot take, raises what it likes
            raise UnfitError("transform_failed", str(error) or type(error).__name__) from None

    def _values_in_json(self, connection: Connection, message: Message) -> Mapping[str, object]:
        """What the placeholders of `json` stand for; the whole message is embedded as it came."""
        if not self._looks_inside and "message" not in self._names:
            return self._values(connection, None)
        parsed = parse_json(message)
        values = self._values(connection, parsed)
        if "message" in self._names and isinstance(parsed, dict | list | int | float):
            values["message"] = Embedded(parse_text(message))
        return values

    def _values_in_text(self, connection: Connection, message: Message) -> Mapping[str, object]:
        """What the placeholders of `template` stand for; the whole message is the text that came."""
        values = self._values(connection, parse_json(message) if self._looks_inside else None)
        if "message" in self._names:
            values["message"] = parse_text(message)
        return values

    def _values(self, connection: Connection, parsed: object) -> dict[str, object]:
        """What each placeholder stands for."""
        values = Values(connection, clock=self._context.clock, message=parsed, connections=self._context.connections)
        return {name: values[name] for name in self._names}

    def _finish(self, result: object) -> str | None:
        """A result as it is sent."""
        if result is None:
            return None
        if isinstance(result, str) and self.as_ == "text":
            return str(result)
        return to_json(result)

    def _refuse(self, connection: Connection, unfit: UnfitError) -> None:
        """Follows `on_error`."""
        if self.on_error == "reply":
            connection.send({"error": unfit.word, "message": str(unfit)[:LONGEST_DETAIL]})
        elif self.on_error == "close":
            connection.close(CLOSE_CODES[unfit.word], unfit.word)
