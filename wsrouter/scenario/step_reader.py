"""Reads one step of a scenario: which keys go together, whose step it is, and what each value means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from wsrouter.config.nearest import suggest
from wsrouter.config.nodes import MappingNode, Node, ScalarNode, show, show_text
from wsrouter.scenario.scenario import WITHIN_S, OpenStep, Step
from wsrouter.scenario.values import (
    StepError,
    read_binaries,
    read_close,
    read_closed,
    read_duration,
    read_flag,
    read_headers,
    read_json,
    read_like_json,
    read_matches,
    read_nothing,
    read_path,
    read_refused,
    read_subprotocols,
    read_text,
    read_texts,
    wanted_binaries,
    wanted_texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wsrouter.api.messages import Message
    from wsrouter.config.problems import Problems
    from wsrouter.scenario.expectation import Expectation

SENDS: Final[dict[str, Callable[[Node], tuple[Message, ...]]]] = {"send": read_texts, "send_json": read_json, "binary": read_binaries}
EXPECTATIONS: Final[dict[str, Callable[[Node], Expectation]]] = {
    "expect": wanted_texts,
    "expect_json": read_like_json,
    "expect_match": read_matches,
    "expect_binary": wanted_binaries,
    "expect_close": read_closed,
    "expect_refused": read_refused,
    "expect_nothing": read_nothing,
}
ACTIONS: Final = ("open", *SENDS, "close", "advance")
OF_OPEN: Final = ("headers", "origin", "subprotocol")
OF_EXPECTATIONS: Final = ("within", "skip")
WITHOUT_WAITING: Final = {"expect_nothing": "whose time is how long nothing may come", "expect_refused": "which waits for one answer"}
STEP_KEYS: Final = ("client", *ACTIONS, *OF_OPEN, *EXPECTATIONS, *OF_EXPECTATIONS)

T = TypeVar("T")


def read_step(node: Node, names: Sequence[str], opened: list[str], problems: Problems) -> Step | None:
    """A step; None where it is wrong, with its problems noted.

    `names` are the clients that the scenario names; `opened` those that steps before this one open, to which this one adds.
    """
    if not isinstance(node, MappingNode):
        problems.add(node.place, f"a step is a mapping, not {show(node)}: write it as {{open: /echo, send: hi, expect: hi}}")
        return None
    reader = _StepReader(node, problems)
    before = len(problems.errors)
    reader.check_keys()
    step = reader.read(reader.client(names, opened))
    return step if len(problems.errors) == before else None


class _StepReader:
    """The reading of one step."""

    def __init__(self, node: MappingNode, problems: Problems) -> None:
        self._node = node
        self._problems = problems
        self._keys = [key for key, _ in node.pairs]

    def check_keys(self) -> None:
        """Unknown keys, and those that do not go together."""
        for key in self._keys:
            if key.text not in STEP_KEYS:
                self._add(key, f"unknown key {show_text(key.text)} of a step: {suggest(key.text, STEP_KEYS)}")
        actions = [key for key in self._keys if key.text in ACTIONS]
        expectations = [key for key in self._keys if key.text in EXPECTATIONS]
        if len(expectations) > 1:
            self._add(
                expectations[1], f"a step expects one thing, and this one has {expectations[0].text} already: make a second step of {expectations[1].text}"
            )
        self._check_actions(actions)
        if not actions and not expectations and all(key.text in STEP_KEYS for key in self._keys):
            self._problems.add(self._node.place, "the step does nothing: add one of open, send, close, advance, expect")
        self._check_companions(expectations[0].text if expectations else "")
        refused = self._node.find_key("expect_refused")
        if refused is not None and not self._has("open"):
            self._add(refused, "expect_refused goes with open: write both in one step, as {open: /nowhere, expect_refused: 404}")

    def _check_actions(self, actions: list[ScalarNode]) -> None:
        """A step does one thing, or opens and sends."""
        names = [key.text for key in actions]
        if len(names) > 1 and not (len(names) == 2 and "open" in names and any(name in SENDS for name in names)):
            self._add(actions[1], f"a step does one thing, and this one has {names[0]} already: make a second step of {names[1]}")

    def _check_companions(self, expectation: str) -> None:
        """Keys that say something of others."""
        for key in self._keys:
            if key.text in OF_OPEN and not self._has("open"):
                self._add(key, f"{key.text} goes with open, which this step has not: write them in one step")
            elif key.text in OF_EXPECTATIONS and not expectation:
                self._add(key, f"{key.text} goes with an expectation, which this step has not: delete it, or add expect")
            elif key.text in OF_EXPECTATIONS and expectation in WITHOUT_WAITING:
                self._add(key, f"{key.text} does not go with {expectation}, {WITHOUT_WAITING[expectation]}: delete it")

    def client(self, names: Sequence[str], opened: list[str]) -> str:
        """Whose step it is."""
        node = self._node.find("client")
        if node is not None:
            name = self._value("client", read_text) or ""
        elif all(key.text == "advance" for key in self._keys):
            return ""
        elif len(names) > 1:
            self._problems.add(self._node.place, f"whose step is this? the scenario has the clients {', '.join(names)}: add client: {names[0]}")
            return names[0]
        else:
            name = names[0] if names else ""
        if self._has("open"):
            opened.append(name)
        elif name not in opened and any(key.text in {*ACTIONS, *EXPECTATIONS} and key.text != "advance" for key in self._keys):
            self._unknown_client(node, name, opened)
        return name

    def _unknown_client(self, node: Node | None, name: str, opened: Sequence[str]) -> None:
        if node is None:
            self._problems.add(self._node.place, "no step before this one opens a connection: begin with {open: /path}")
        elif name:
            known = suggest(name, sorted(set(opened))) if any(opened) else f"open it first, as {{client: {name}, open: /path}}"
            self._problems.add(node.place, f"unknown client {show_text(name)}, no step before this one opens it: {known}")

    def read(self, client: str) -> Step:
        """The step, as far as its values are right."""
        send: tuple[Message, ...] = ()
        for key, read in SENDS.items():
            send = send or self._value(key, read) or ()
        expect: Expectation | None = None
        for key, read_expectation in EXPECTATIONS.items():
            expect = expect or self._value(key, read_expectation)
        return Step(
            place=self._node.place,
            client=client,
            advance_s=self._value("advance", read_duration),
            open=self._open(),
            send=send,
            close=self._value("close", read_close),
            expect=expect,
            within_s=self._value("within", read_duration) or WITHIN_S,
            skip=self._value("skip", read_flag) or False,
        )

    def _open(self) -> OpenStep | None:
        path = self._value("open", read_path)
        if path is None:
            return None
        return OpenStep(path, self._value("headers", read_headers) or {}, self._value("origin", read_text), self._value("subprotocol", read_subprotocols) or ())

    def _value(self, key: str, read: Callable[[Node], T]) -> T | None:
        """The value of a key; None where it is absent or wrong."""
        node = self._node.find(key)
        if node is None:
            return None
        try:
            return read(node)
        except StepError as error:
            self._problems.add(error.place, f"{key} {error}")
            return None

    def _has(self, key: str) -> bool:
        return self._node.find_key(key) is not None

    def _add(self, key: ScalarNode, message: str) -> None:
        self._problems.add(key.place, message)
