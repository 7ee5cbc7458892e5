"""`wsrouter check`: all problems at once, for people, for programs and for GitHub; 1 where there are errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TWELVE = Path(__file__).parents[1] / "config" / "bad_sites" / "twelve_mistakes.yaml"


def test_a_right_site_is_one_line_on_stdout(wsrouter, write):
    write("site.yaml", "routes: {/echo: echo}")

    assert wsrouter("check") == (0, "site.yaml: ok, 1 route\n", "")


def test_twelve_mistakes_are_twelve_located_problems_each_with_its_line_and_a_caret(wsrouter, write):
    source = TWELVE.read_text("utf-8")
    write("site.yaml", source)
    code, out, err = wsrouter("check", "site.yaml")

    assert (code, out) == (1, "")
    *blocks, summary = err.splitlines()
    assert summary == "site.yaml: 12 problems"
    assert len(blocks) == 36
    lines = source.splitlines()
    for heading, shown, caret in zip(blocks[::3], blocks[1::3], blocks[2::3], strict=True):
        file, line, column, message = heading.split(":", 3)
        assert file == "site.yaml"
        assert len(message) > 20
        assert shown == "    " + lines[int(line) - 1]
        assert caret == " " * (4 + int(column) - 1) + "^"


def test_json_has_every_problem_and_nothing_else_is_printed(wsrouter, write):
    write("site.yaml", TWELVE.read_text("utf-8"))
    code, out, err = wsrouter("check", "--json")

    problems = json.loads(out)
    assert (code, err, len(problems)) == (1, "", 12)
    assert problems[0] | {"file": "site.yaml", "line": 1, "column": 1, "severity": "error"} == problems[0]
    assert all(problem["message"] for problem in problems)


def test_github_gets_an_annotation_a_problem_with_its_text_escaped(wsrouter, write):
    write("a,b.yaml", 'routes: {/echo: "100%eco"}')
    code, out, err = wsrouter("check", "--format", "github", "a,b.yaml")

    assert (code, err) == (1, "")
    assert out.startswith("::error file=a%2Cb.yaml,line=1,col=17::there is no handler '100%25eco'")
    assert len(out.splitlines()) == 1


def test_a_warning_is_shown_and_does_not_fail(wsrouter, write):
    write("site.yaml", "routes: {/a: [broadcast, echo]}")
    code, out, err = wsrouter("check")

    assert (code, out) == (0, "site.yaml: ok, 1 route and 1 warning\n")
    assert err.startswith("site.yaml:1:26: warning: echo never gets a message")
    assert json.loads(wsrouter("check", "--json").out)[0]["severity"] == "warning"


def test_what_a_plugin_prints_does_not_get_into_the_answer(wsrouter, write):
    write("plugins/loud.py", "print('hello from the plugin')\n\nasync def loud(websocket): ...\n")
    write("site.yaml", "routes: {/loud: loud}")
    code, out, err = wsrouter("check", "--json")

    assert (code, json.loads(out), err) == (0, [], "hello from the plugin\n")


def test_the_source_line_cannot_steer_the_terminal_and_a_long_one_is_cut(wsrouter, write):
    write("site.yaml", f"routes: {{/echo: echo}}\nlog: {{level: x, {'a: b, ' * 100}}}\nsever: \x1b[2J\n")
    err = wsrouter("check").err

    assert "\x1b" not in err
    assert max(len(line) for line in err.splitlines() if line.startswith("    ")) <= 170


def test_a_plugin_file_or_folder_is_checked_as_run_would_serve_it(wsrouter, write):
    write("plugins/one.py", "async def one(websocket): ...\n")
    write("plugins/bad.py", "def bad(websocket): ...\n")

    assert wsrouter("check", "plugins/one.py") == (0, "plugins/one.py: ok, 2 routes\n", "")
    code, _, err = wsrouter("check", "plugins")
    assert code == 1
    assert err.startswith("plugins/bad.py:1:1: has no handler: bad is a plain function: write async def bad")


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (
            ["check"],
            1,
            "no site found here: name one, as in wsrouter check site.yaml, or make one with wsrouter init (looked for site.yaml, config/site.yaml, /etc/wsrouter/site.yaml)",
        ),
        (["check", "nope.yaml"], 1, "nope.yaml: there is no such file; wsrouter init makes a site, wsrouter new a plugin"),
        (["check", "-c", "a.yaml", "b.yaml"], 2, "two sites are named, a.yaml and b.yaml; name one (a command stands first, as in wsrouter check -c FILE)"),
    ],
)
def test_a_site_that_is_not_there_is_one_line(wsrouter, arguments, code, line):
    assert wsrouter(*arguments) == (code, "", line + "\n")


def test_the_site_is_found_where_the_environment_says_then_here_then_in_config(wsrouter, write, monkeypatch):
    write("config/site.yaml", "routes: {/a: echo}")
    assert wsrouter("check").out == "config/site.yaml: ok, 1 route\n"
    write("site.yaml", "routes: {/a: echo, /b: echo}")
    assert wsrouter("check").out == "site.yaml: ok, 2 routes\n"
    monkeypatch.setenv("WSROUTER_CONFIG", "other.yaml")
    assert wsrouter("check").err.startswith("other.yaml (named by $WSROUTER_CONFIG): there is no such file")
    write("other.yaml", "routes: {/a: echo, /b: echo, /c: echo}")
    assert wsrouter("check").out == "other.yaml: ok, 3 routes\n"
    assert wsrouter("check", "-c", "site.yaml").out == "site.yaml: ok, 2 routes\n"
