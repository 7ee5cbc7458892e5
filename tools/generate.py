"""Makes the generated files: `python -m tools.generate`; with `--check` it only says which are stale, and exits with 1.

The pages of docs/ that are a reference come from the templates in tools/pages/: prose, and lines like `<!-- server -->` that
stand for what is made from the code.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from loadtest.compared import load_compared
from loadtest.compared_page import bar_files
from loadtest.compared_page import page as performance_page
from loadtest.grown import load_grown
from loadtest.sizing_page import curve_files
from loadtest.sizing_page import page as sizing_page
from tools.tables import causes_table, events_table, label_rows, metrics_table, options_table, process_metrics_table, reasons_table, settings_table
from wsrouter.cli.schema import schema_text
from wsrouter.config.settings import Admin, Listen, Log, Plugins, Rate, RouteSettings, Server, Tls
from wsrouter.observe.metrics import DROP_REASONS, RELOAD_OUTCOMES
from wsrouter.plugins.builtins import BUILTIN_HANDLERS
from wsrouter.plugins.library import HandlerLibrary

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "wsrouter"
PAGES: Final = ROOT / "tools" / "pages"
NOTICE: Final = "<!-- Made from the code and tools/pages/{name} by ./dev generate; change those instead. -->\n\n"

_MARKER: Final = re.compile(r"<!-- ([a-z-]+)(?: ([a-z]+))? -->")
_SENTENCE_END: Final = re.compile(r"(?<=[.:;]) (?=[A-Z])")


def generated_files() -> dict[Path, str]:
    """Every generated file, by its path in the checkout, with the text that it should have."""
    files = {Path("config/wsrouter.schema.json"): schema()}
    for page in sorted(PAGES.glob("*.md")):
        files[Path("docs", page.name)] = NOTICE.format(name=page.name) + fill(page.read_text("utf-8"))
    return files | sizing_files() | performance_files()


def performance_files() -> dict[Path, str]:
    """The page beside other servers with its bars, from what `./dev compare` measured."""
    compared = load_compared(ROOT / "loadtest" / "compared.json")
    bars = {Path("docs", "performance", name): text for name, text in bar_files(compared).items()}
    return {Path("docs", "performance.md"): performance_page(compared), **bars}


def sizing_files() -> dict[Path, str]:
    """The page on sizing with its curves, from what `./dev growth` measured."""
    grown = load_grown(ROOT / "loadtest" / "grown.json")
    curves = {Path("docs", "sizing", name): text for name, text in curve_files(grown).items()}
    return {Path("docs", "sizing.md"): sizing_page(grown), **curves}


def stale_files(root: Path, files: dict[Path, str]) -> list[Path]:
    """Those that are missing below `root`, or read otherwise."""
    return [path for path, text in files.items() if not (root / path).is_file() or (root / path).read_text("utf-8") != text]


def write(files: dict[Path, str]) -> None:
    """Writes those that are stale, and names them."""
    for path in stale_files(ROOT, files):
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(files[path], "utf-8")
        print(f"written: {path}")


def schema() -> str:
    """The schema of the shipped site: built-in handlers and those of plugins/."""
    text, skipped = schema_text([ROOT / "plugins"])
    if skipped:
        raise SystemExit("\n".join(skipped))
    return text


def fill(template: str) -> str:
    """A page with its markers replaced."""
    return _MARKER.sub(lambda match: PARTS[match[1]](match[2] or ""), template)


def handler_part(name: str) -> str:
    """What a built-in handler promises, and its options."""
    spec = HandlerLibrary([]).find(name)
    module = sys.modules[spec.target.__module__]
    options = options_table(spec.fields) if spec.fields else "It has no options."
    return f"{promises(module.__doc__ or '')}\n\n{options}"


def promises(doc: str) -> str:
    """A module's docstring as Markdown: its first line less the name, then its paragraphs, a sentence a line."""
    text = re.sub(r"\n(?=(?:Guarantees|Loses):)", "\n\n", doc.strip())
    first, *paragraphs = text.split("\n\n")
    first = first.partition(": ")[2]
    return "\n\n".join(_sentences(paragraph) for paragraph in (first[0].upper() + first[1:], *paragraphs))


def _sentences(paragraph: str) -> str:
    text = re.sub(r"^(Guarantees|Loses): (\w)", lambda match: f"**{match[1]}:** {match[2]}", " ".join(paragraph.split()))
    return "\n".join(_SENTENCE_END.split(text)) if not text.startswith("**") else text.replace(". ", ".\n")


PARTS: Final[dict[str, Callable[[str], str]]] = {
    "server": lambda _: settings_table(Server),
    "listen": lambda _: settings_table(Listen),
    "tls": lambda _: settings_table(Tls),
    "log": lambda _: settings_table(Log),
    "plugins": lambda _: settings_table(Plugins),
    "route": lambda _: settings_table(RouteSettings),
    "admin": lambda _: settings_table(Admin),
    "rate": lambda _: settings_table(Rate),
    "handler": handler_part,
    "handler-names": lambda _: ", ".join(f"`{name}`" for name in sorted(BUILTIN_HANDLERS)),
    "causes": lambda _: causes_table(PACKAGE),
    "reasons": lambda _: reasons_table(PACKAGE),
    "metrics": lambda _: metrics_table(),
    "process-metrics": lambda _: process_metrics_table(),
    "drop-reasons": lambda _: label_rows("`reason` of dropped messages", DROP_REASONS),
    "reload-outcomes": lambda _: label_rows("`outcome`", RELOAD_OUTCOMES),
    "log-events": lambda _: events_table(),
}
"""What the markers of a page stand for; some take a word, as `<!-- handler echo -->`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes what is stale, or only names it; 1 where `--check` finds something."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description="Makes the generated files of the checkout.")
    parser.add_argument("--check", action="store_true", help="write nothing; name what is stale and exit with 1")
    check = parser.parse_args(arguments).check
    files = generated_files()
    if not check:
        write(files)
        return 0
    stale = stale_files(ROOT, files)
    for path in stale:
        print(f"{path} is stale: run ./dev generate", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
