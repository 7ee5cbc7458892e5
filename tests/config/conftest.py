"""Sites for the tests of config: stand-ins for the handlers and the patterns, which config is handed and may not import."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from msgspec import Struct

from wsrouter.api.options import REQUIRED, Duration, Option, OptionError, OptionField, Size
from wsrouter.api.template import Template
from wsrouter.config.problems import Place, Problems
from wsrouter.config.site_file import HandlerProblem, SiteFile, load_site_file


class HistoryOption(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    messages: Annotated[int, Option(ge=1)] | None = None
    age: Annotated[Duration, Option(gt=0)] = 3600.0
    size: Annotated[Size, Option(ge=1)] | None = None


@dataclass(frozen=True)
class FakeHandler:
    """An OptionSet that says what its options are and remembers nothing."""

    name: str
    summary: str
    fields: tuple[OptionField, ...] = ()
    look: Callable[[dict[str, object]], None] = field(default=lambda options: None)

    def check(self, options: dict[str, object]) -> None:
        self.look(options)


def check_periodic(options: dict[str, object]) -> None:
    if "cron" in options and len(str(options["cron"]).split()) != 5:
        raise OptionError(f"{options['cron']!r} is no cron expression; write five fields", "cron")


def check_transform(options: dict[str, object]) -> None:
    if len(options) != 1:
        raise OptionError("transform takes one of jmespath, json, text")
    if str(options.get("jmespath", "")).endswith("["):
        raise OptionError("the expression of jmespath ends too early", "jmespath", len(str(options["jmespath"])) - 1)


HANDLERS = {
    "echo": FakeHandler("echo", "Sends every message back."),
    "broadcast": FakeHandler(
        "broadcast",
        "Sends each message to all clients of a topic.",
        (
            OptionField("topic", Template, Template("{path}"), "The topic that is joined."),
            OptionField("history", Annotated[int, Option(ge=1)] | HistoryOption | None, None, "What a newcomer gets first."),
            OptionField("to_sender", bool, True, "Whether a sender gets its own messages."),
        ),
    ),
    "periodic": FakeHandler(
        "periodic",
        "Sends a message every so often.",
        (
            OptionField("every", Annotated[Duration, Option(gt=0)] | None, None, "The time between two messages."),
            OptionField("cron", str | None, None, "When, as a cron expression."),
            OptionField("message", Annotated[list[Template] | Template, Option(extra={"placeholders": ["n"]})], REQUIRED, "What is sent."),
        ),
        check_periodic,
    ),
    "transform": FakeHandler(
        "transform",
        "Turns each message into another.",
        (
            OptionField("jmespath", str | None, None, "A JMESPath expression."),
            OptionField("json", Annotated[Template | None, Option(extra={"placeholders": ["message.*"]})], None, "A structure."),
            OptionField("text", Literal["upper", "lower"] | None, None, "Changes the case."),
            OptionField("as_", Literal["text", "json"], "text", "How text is sent."),
        ),
        check_transform,
    ),
    "shout": FakeHandler("shout", "Upper-cases every message.", (OptionField("suffix", str, "!", "What comes last."),)),
    "limits": FakeHandler("limits", "Has the name of a setting.", (OptionField("most", int, 1, "A number."),)),
}


class FakeFinder:
    """Finds the handlers above; the plugin `broken` is wrong in its own file."""

    def find(self, name: str) -> FakeHandler:
        if name == "broken":
            raise HandlerProblem("syntax error: invalid syntax", Place("plugins/broken.py", 3, 7))
        if name not in HANDLERS:
            raise HandlerProblem(f"there is no handler {name!r}")
        return HANDLERS[name]

    def names(self) -> list[str]:
        return sorted(HANDLERS)


def pattern_params(pattern: str) -> list[str]:
    """The parameters of a pattern, with the two mistakes that the tests make."""
    if not pattern.startswith("/"):
        raise ValueError(f"the path {pattern!r} does not begin with a slash; write /{pattern}")
    names = re.findall(r"\{(\w+)(?::\w+)?\}", pattern)
    if len(set(names)) != len(names):
        raise ValueError(f"{pattern!r} has a parameter twice")
    return names


@dataclass
class Loaded:
    """What came of loading a site."""

    site: SiteFile | None
    problems: Problems

    @property
    def lines(self) -> list[str]:
        """The problems without their folder: `site.yaml:1:2: message`."""
        return [re.sub(r"\S*/(?=[^/\s]+:\d+:\d+)", "", str(problem)) for problem in self.problems]


def load_at(path: Path, environ: Mapping[str, str] | None = None) -> Loaded:
    problems = Problems()
    site = load_site_file(path, make_finder=lambda folders: FakeFinder(), pattern_params=pattern_params, environ=environ or {}, problems=problems)
    return Loaded(site, problems)


@pytest.fixture
def handlers() -> list[FakeHandler]:
    return list(HANDLERS.values())


@pytest.fixture
def load_path() -> Callable[..., Loaded]:
    """Loads a site's file."""
    return load_at


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Loaded]:
    """Loads a site from text, with other files beside it: `load("routes: …", {"routes.d/a.yaml": "…"})`."""

    def load_text(text: str | bytes, files: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
        for name, content in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content, "utf-8")
        path = tmp_path / "site.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_at(path, environ)

    return load_text
