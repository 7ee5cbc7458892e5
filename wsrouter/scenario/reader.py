"""Reads scenario files: a YAML list of `{name, steps}`. Every problem is noted at its place, with its cure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsrouter.config.document import Wording, load_document, parse_document
from wsrouter.config.nearest import suggest
from wsrouter.config.nodes import MappingNode, Node, ScalarNode, SequenceNode, is_nothing, show, show_text
from wsrouter.scenario.scenario import Scenario, Step
from wsrouter.scenario.step_reader import read_step
from wsrouter.scenario.values import StepError, read_flag

if TYPE_CHECKING:
    from pathlib import Path

    from wsrouter.config.problems import Problems

SCENARIO_KEYS: Final = ("name", "steps", "handlers_may_fail")
EXAMPLE: Final = '"- {name: a message comes back, steps: [{open: /echo, send: hi, expect: hi}]}"'
WORDING: Final = Wording("name the files in it", "name one that is there", f"it needs scenarios, as {EXAMPLE}", "split it")


def load_scenarios(path: Path, problems: Problems) -> tuple[Scenario, ...]:
    """The scenarios of a file that have no problems."""
    return _read(load_document(path, problems, WORDING), problems)


def parse_scenarios(text: str, file: str, problems: Problems) -> tuple[Scenario, ...]:
    """The scenarios of a text that have no problems; `file` is its name in them."""
    return _read(parse_document(text, file, problems, WORDING), problems)


def _read(root: Node | None, problems: Problems) -> tuple[Scenario, ...]:
    if root is None:
        return ()
    if isinstance(root, MappingNode) and root.find_key("routes") is not None:
        problems.add(root.place, "this is a site, not a scenario file: name it with -c, as in wsrouter test -c FILE")
        return ()
    if not isinstance(root, SequenceNode):
        problems.add(root.place, f"a scenario file is a list, not {show(root)}: begin each scenario with a dash, as {EXAMPLE}")
        return ()
    if not root.items:
        problems.add(root.place, f"there is no scenario here: write one, as {EXAMPLE}")
    read = (_read_scenario(node, problems) for node in root.items)
    return tuple(scenario for scenario in read if scenario is not None)


def _read_scenario(node: Node, problems: Problems) -> Scenario | None:
    before = len(problems.errors)
    if not isinstance(node, MappingNode):
        problems.add(node.place, f"a scenario is a mapping of name and steps, not {show(node)}: write it as {EXAMPLE}")
        return None
    for key, _ in node.pairs:
        if key.text not in SCENARIO_KEYS:
            cure = "it belongs to a step, below steps:" if key.text in Step.__dataclass_fields__ else suggest(key.text, SCENARIO_KEYS)
            problems.add(key.place, f"unknown key {show_text(key.text)} of a scenario: {cure}")
    name = _name(node, problems)
    steps = _steps(node, problems)
    may_fail = _may_fail(node, problems)
    return Scenario(name, node.place, steps, may_fail) if len(problems.errors) == before else None


def _name(node: MappingNode, problems: Problems) -> str:
    value = node.find("name")
    if value is None:
        problems.add(node.place, "the scenario has no name: add name: and what it shows, as name: a late joiner gets the history")
    elif not isinstance(value, ScalarNode) or not isinstance(value.value, str) or not value.text.strip():
        problems.add(value.place, f"name must be text, not {show(value)}: write what the scenario shows")
    else:
        return " ".join(value.text.split())
    return ""


def _steps(node: MappingNode, problems: Problems) -> tuple[Step, ...]:
    """Its steps; those that are wrong are left out, with their problems noted."""
    value = node.find("steps")
    if value is None or is_nothing(value) or (isinstance(value, SequenceNode) and not value.items):
        place = (node.find_key("steps") or node).place
        problems.add(place, "the scenario has no steps: add steps: and below it lines like - {open: /echo, send: hi, expect: hi}")
        return ()
    if not isinstance(value, SequenceNode):
        problems.add(value.place, f"steps must be a list, not {show(value)}: begin each step with a dash")
        return ()
    names = _client_names(value)
    opened: list[str] = []
    steps = [step for item in value.items if (step := read_step(item, names, opened, problems)) is not None]
    return tuple(steps)


def _may_fail(node: MappingNode, problems: Problems) -> bool:
    value = node.find("handlers_may_fail")
    try:
        return value is not None and read_flag(value)
    except StepError as error:
        problems.add(error.place, f"handlers_may_fail {error}")
        return False


def _client_names(steps: SequenceNode) -> tuple[str, ...]:
    """The clients that the steps name, in the order of their appearance."""
    named = (item.find("client") for item in steps.items if isinstance(item, MappingNode))
    return tuple(dict.fromkeys(node.text for node in named if isinstance(node, ScalarNode) and node.text))
