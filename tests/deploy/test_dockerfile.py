"""The Dockerfile: built by nobody yet, and says so; what can be known without an engine is looked at here."""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatch

import pytest

from support.daemon import ROOT
from wsrouter.cli.main import COMMANDS, make_parser

TEXT = (ROOT / "Dockerfile").read_text("utf-8")
INSTRUCTIONS = [line.split(maxsplit=1) for line in TEXT.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]


def arguments_of(name):
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


COPIED = [source for words in (rest.split() for rest in arguments_of("COPY")) if not words[0].startswith("--from") for source in words[:-1]]


def test_it_says_in_its_first_line_that_it_is_untested():
    assert TEXT.startswith("# UNTESTED")
    assert "untested" in (ROOT / "docs" / "install.md").read_text("utf-8").lower()


@pytest.mark.parametrize("source", COPIED)
def test_what_it_copies_is_there_and_reaches_the_engine(source):
    assert (ROOT / source).exists()
    admitted = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    assert any(fnmatch(source, pattern) for pattern in admitted)


def test_each_stage_that_it_copies_from_is_one_of_its_own():
    stages = {rest.split(" AS ")[1] for rest in arguments_of("FROM") if " AS " in rest}
    assert {match[1] for rest in arguments_of("COPY") if (match := re.match(r"--from=(\S+)", rest))} == stages


def test_it_starts_the_command_of_this_project_with_the_site_that_it_copies():
    assert ["wsrouter"] == json.loads(arguments_of("ENTRYPOINT")[0])
    assert "wsrouter" in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    command, option, site = json.loads(arguments_of("CMD")[0])
    assert command in COMMANDS
    assert option == "--config"
    assert any(rest.endswith(site) for rest in arguments_of("COPY"))


def test_it_asks_the_daemon_for_its_health_by_a_command_that_there_is():
    _, _, command = arguments_of("HEALTHCHECK")[0].partition("CMD ")
    program, *words = json.loads(command)
    assert (program, words[0]) == ("wsrouter", "health")
    make_parser(COMMANDS).parse_args(words)


def test_it_is_not_root_when_it_starts():
    assert ["wsrouter"] == arguments_of("USER")
    assert [name for name, _ in INSTRUCTIONS].index("USER") < [name for name, _ in INSTRUCTIONS].index("ENTRYPOINT")


def test_its_python_is_one_that_the_project_takes():
    versions = {re.match(r"python:3\.(\d+)-", rest)[1] for rest in arguments_of("FROM")}
    assert len(versions) == 1
    assert int(versions.pop()) >= 11


@pytest.mark.parametrize("folder", ["container", "debian"])
def test_the_site_that_is_installed_has_no_problem(folder, tmp_path, capsys):
    from wsrouter.cli.main import main

    (tmp_path / "plugins").mkdir()
    site = tmp_path / "site.yaml"
    site.write_text((ROOT / "deploy" / folder / "site.yaml").read_text("utf-8"), "utf-8")
    assert main(["check", str(site)]) == 0
    assert capsys.readouterr().out == f"{site}: ok, 1 route\n"
