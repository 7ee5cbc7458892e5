"""Playing scenarios of a text against a site of a text."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from wsrouter.config.problems import Problems
from wsrouter.scenario.reader import parse_scenarios
from wsrouter.scenario.runner import Outcome, play_all
from wsrouter.site.site import load_site


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[..., list[Outcome]]]:
    """`play(site, scenarios, name=plugin, …)`: the outcomes."""
    with ExitStack() as stack:

        def play_texts(site: str, scenarios: str, *, limit_s: float = 20.0, **plugins: str) -> list[Outcome]:
            for name, text in plugins.items():
                (tmp_path / "plugins").mkdir(exist_ok=True)
                (tmp_path / "plugins" / f"{name}.py").write_text(textwrap.dedent(text), "utf-8")
            (tmp_path / "site.yaml").write_text(textwrap.dedent(site), "utf-8")
            problems = Problems()
            loaded = load_site(tmp_path / "site.yaml", os.environ, problems)
            assert loaded is not None, list(map(str, problems))
            stack.callback(loaded.library.close)
            read = parse_scenarios(textwrap.dedent(scenarios), "t.yaml", problems)
            assert not problems.errors, list(map(str, problems))
            return list(play_all(loaded, read, limit_s=limit_s))

        yield play_texts


@pytest.fixture
def passes(play: Callable[..., list[Outcome]]) -> Callable[..., None]:
    """All of them pass."""

    def check(site: str, scenarios: str, **plugins: str) -> None:
        outcomes = play(site, scenarios, **plugins)
        assert outcomes
        assert [] == [str(outcome) for outcome in outcomes if not outcome.passed]

    return check


@pytest.fixture
def fails(play: Callable[..., list[Outcome]]) -> Callable[..., str]:
    """The only one fails; what it says after its name."""

    def check(site: str, steps: str, **plugins: str) -> str:
        indented = textwrap.indent(textwrap.dedent(steps).strip(), "    ")
        (outcome,) = play(site, f"- name: it\n  steps:\n{indented}\n", **plugins)
        assert not outcome.passed
        return str(outcome)

    return check
