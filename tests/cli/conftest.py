"""Running commands in this process, in a folder of the test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from wsrouter.cli.main import main


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty; no site of the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WSROUTER_CONFIG", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture
def wsrouter(here: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """`wsrouter("check", "site.yaml")`: its exit code and what it printed."""

    def run(*arguments: str) -> Result:
        try:
            code = main(arguments)
        except SystemExit as error:  # argparse
            code = int(error.code or 0)
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def write(here: Path) -> Callable[[str, str], Path]:
    """Writes a file below the working directory."""

    def write_file(name: str, text: str) -> Path:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    return write_file
