"""The examples of README.md and docs/ do what the pages say. They are taken from the pages, never copied here."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from support.daemon import ROOT
from support.pages import Example, all_examples, examples, inline_code, links, pages
from support.walkthrough import Shell
from wsrouter.cli.main import COMMANDS, make_parser
from wsrouter.config.problems import Problems
from wsrouter.scenario.reader import parse_scenarios
from wsrouter.site.site import load_site

LANGUAGES = {"console", "html", "ini", "js", "json", "python", "sh", "text", "yaml"}

# Programs of others, and of the checkout, which pages name; they are not run here.
OTHER_PROGRAMS = {
    ".",
    ".venv/bin/python",
    "./dev",
    "apt-get",
    "cd",
    "curl",
    "docker",
    "git",
    "kill",
    "nano",
    "npx",
    "pip",
    "pipx",
    "python3",
    "systemctl",
    "websocat",
    "wscat",
}


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in pages() if any(example.language == "console" for example in examples(page))], ids=page_name)
@pytest.mark.slow
def test_a_page_can_be_followed_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    for folder in ("config", "plugins"):  # what a checkout has
        if page.name == "README.md":
            shutil.copytree(ROOT / folder, tmp_path / folder)
    shell = Shell(tmp_path)
    try:
        plugins = [example for example in examples(page) if (example.file or "").startswith("plugins/")]  # a site may stand before them
        for example in [*plugins, *examples(page)]:
            if example.file is not None:
                shell.write(example.file, example.text)
            if example.language == "console":
                for command, shown in commands(example):
                    shell.type(command, shown)
    finally:
        shell.close()


def commands(example: Example) -> list[tuple[str, list[str]]]:
    """The commands of a console example, each with the lines that are shown below it."""
    found: list[tuple[str, list[str]]] = []
    for line in example.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            assert found, f"{example}: a console example begins with a command"
            found[-1][1].append(line)
    return found


VARIABLES = {name: f"{name.lower()}-0123456789abcdef0123456789abcdef" for name in ("LAMP_TOKEN", "SECOND_LAMP_TOKEN", "JWT_KEY", "ADMIN_TOKEN")}
"""What the sites of the pages take from the environment."""


def is_scenario_file(example: Example) -> bool:
    """Whether a block of YAML is no site but scenarios: a file below tests/."""
    return example.file is not None and example.file.startswith("tests/")


@pytest.mark.parametrize("example", [example for example in all_examples("yaml") if is_scenario_file(example)], ids=str)
def test_the_scenarios_of_a_page_are_scenarios(example: Example) -> None:
    problems = Problems()

    assert parse_scenarios(example.text, str(example), problems)
    assert [str(problem) for problem in problems] == []


@pytest.mark.parametrize("example", [example for example in all_examples("yaml") if not is_scenario_file(example) and "mistake" not in example.marks], ids=str)
def test_a_site_of_a_page_is_a_site(example: Example, tmp_path: Path) -> None:
    for other in examples(example.page):
        if other.language == "python" and other.file is not None:
            plugin = tmp_path / "plugins" / Path(other.file).name
            plugin.parent.mkdir(exist_ok=True)
            plugin.write_text(other.text, "utf-8")
    if example.page.name == "README.md":
        shutil.copytree(ROOT / "plugins", tmp_path / "plugins", dirs_exist_ok=True)
    path = tmp_path / "site.yaml"
    path.write_text(whole_site(example), "utf-8")
    problems = Problems()

    site = load_site(path, VARIABLES, problems)

    assert [str(problem) for problem in problems] == []
    assert site is not None
    site.library.close()


def whole_site(example: Example) -> str:
    """The example; one that is marked as a fragment below the key that it belongs to: ```yaml routes."""
    if not example.marks:
        return example.text
    (key,) = example.marks
    rest = "" if key == "routes" else "routes: {/echo: echo}\n"
    return f"{key}:\n{textwrap.indent(example.text, '  ')}{rest}"


@pytest.mark.parametrize("example", all_examples("python"), ids=str)
def test_a_program_of_a_page_is_a_file_that_the_page_uses(example: Example) -> None:
    compile(example.text, str(example), "exec")
    name = example.file
    assert name is not None, "begin it with a comment that names its file, so that the test can follow the page"
    others = "".join(other.text for other in examples(example.page) if other.text != example.text)
    used = name in others or (name.startswith("plugins/") and Path(name).stem in others)
    assert used, f"the page never runs {name}"


@pytest.mark.parametrize("example", all_examples("js"), ids=str)
def test_a_script_of_a_page_is_part_of_the_page_that_the_browser_test_opens(example: Example) -> None:
    assert example.text in (ROOT / "docs" / "examples" / "chat.html").read_text("utf-8")


@pytest.mark.parametrize("example", all_examples("sh", "console"), ids=str)
def test_a_command_of_a_page_is_one(example: Example) -> None:
    for line in example.text.splitlines():
        if example.language == "console" and not line.startswith("$ "):
            continue
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words[:1] == ["sudo"]:
            words = words[1:]
        if words and not is_command(words):
            assert words[0] in OTHER_PROGRAMS | {"python", "pytest"}, line


@pytest.mark.parametrize("page", pages(), ids=page_name)
def test_a_command_in_the_prose_is_one(page: Path) -> None:
    for code in inline_code(page):
        if code.startswith(("wsrouter ", "./dev ")):
            assert is_command(shlex.split(code)), code


def is_command(words: list[str]) -> bool:
    """Whether it is a command of wsrouter's, with arguments that it has; or one of ./dev's.

    Raises:
        AssertionError: if it is none of ./dev's.
        SystemExit: if wsrouter has no such argument.
    """
    if words[0] == "./dev" and words[1:2] != ["run"]:
        helped = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True, env=os.environ).stdout
        assert len(words) == 1 or f"./dev {words[1]}" in helped, words
        return True
    if words[0] not in {"wsrouter", "./dev"}:
        return False
    rest = words[2:] if words[0] == "./dev" else words[1:]
    if rest in (["--help"], ["--version"], []):
        return True
    rest = rest if rest[0] in COMMANDS else ["run", *rest]
    if len(rest) > 1:  # a command alone, as prose names it, may need arguments that stand elsewhere
        make_parser([rest[0]]).parse_args(rest)
    return True


@pytest.mark.parametrize("page", pages(), ids=page_name)
def test_links_lead_to_files(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            headings = [line.lstrip("# ").lower().replace(" ", "-") for line in file.read_text("utf-8").splitlines() if line.startswith("#")]
            assert anchor in headings, target


@pytest.mark.parametrize("page", pages(), ids=page_name)
def test_the_language_of_an_example_is_one_that_is_tested(page: Path) -> None:
    assert {example.language for example in examples(page)} <= LANGUAGES


def test_the_index_links_every_page() -> None:
    linked = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in links(ROOT / "docs" / "index.md")}

    assert {page.resolve() for page in pages() if page.parent.name == "docs" and page.name != "index.md"} <= linked
