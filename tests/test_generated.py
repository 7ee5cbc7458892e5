"""The generated files are what the code would make now, and hold all that they should."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import fields

from tools import generate
from wsrouter.api.causes import Cause, Reason
from wsrouter.config import settings
from wsrouter.config.settings import Setting
from wsrouter.observe.events import EVENTS
from wsrouter.observe.metrics import METRICS, PROCESS_METRICS
from wsrouter.plugins.builtins import BUILTIN_HANDLERS
from wsrouter.plugins.library import HandlerLibrary

ROOT = Path(__file__).parent.parent


def text_of(name):
    return (ROOT / name).read_text("utf-8")


def test_the_generated_files_are_current():
    files = generate.generated_files()

    assert {
        "config/wsrouter.schema.json",
        "docs/configuration.md",
        "docs/handlers.md",
        "docs/close-codes.md",
        "docs/metrics.md",
        "docs/log-events.md",
        "docs/sizing.md",
        "docs/performance.md",
    } == {str(path) for path in files if path.suffix != ".svg"}
    assert [] == generate.stale_files(ROOT, files), "run ./dev generate"


def test_check_names_what_is_stale_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "handlers.md").write_text("old")
    monkeypatch.setattr(generate, "generated_files", lambda: {Path("docs/handlers.md"): "new"})

    assert generate.main(["--check"]) == 1
    assert "docs/handlers.md is stale: run ./dev generate\n" == capsys.readouterr().err
    assert (tmp_path / "docs" / "handlers.md").read_text() == "old"

    assert generate.main([]) == 0
    assert (tmp_path / "docs" / "handlers.md").read_text() == "new"
    assert generate.main(["--check"]) == 0


def test_the_reference_names_every_setting_with_its_help():
    text = text_of("docs/configuration.md")
    records = [record for record in vars(settings).values() if isinstance(record, type) and issubclass(record, Setting) and record is not Setting]

    named = [(f"{record.__name__}.{field.name}", f"{field.name}`" in text or f"`{field.name}." in text) for record in records for field in fields(record)]
    assert [name for name, is_there in named if not is_there] == []
    assert len(named) > 40


def test_the_reference_names_every_handler_with_its_options():
    text, library = text_of("docs/handlers.md"), HandlerLibrary([])

    for name in BUILTIN_HANDLERS:
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert "Guarantees" in section
        assert [field.name for field in library.find(name).fields if f"`{field.name.removesuffix('_')}`" not in section] == []


def test_the_reference_names_every_cause_and_every_reason():
    text = text_of("docs/close-codes.md")

    assert [member for member in (*Cause, *Reason) if f"`{member}`" not in text] == []


def test_the_pages_name_every_metric_and_every_event():
    metrics, events = text_of("docs/metrics.md"), text_of("docs/log-events.md")

    assert [metric.name for metric in METRICS if f"| `{metric.name}` | {metric.type} |" not in metrics] == []
    assert [name for name in PROCESS_METRICS if f"| `{name}` |" not in metrics] == []
    assert [event.name for event in EVENTS if f"| `{event.name}` | {event.level} |" not in events] == []
