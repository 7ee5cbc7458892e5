"""The manual pages: they hold every command, option and key, and man has nothing to say against them."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from support.daemon import ROOT
from tools.manpages import command_page, escape, inline, site_page
from wsrouter.cli.main import COMMANDS, make_parser

needs_man = pytest.mark.skipif(not shutil.which("man") or not shutil.which("groff"), reason="man (with groff) is not installed")


def pages():
    configuration = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    return {1: command_page(make_parser(COMMANDS), "0.1.0", "2026-01-02"), 5: site_page(configuration, "0.1.0", "2026-01-02")}


def shown(page, folder):
    """What man shows of a page."""
    path = folder / "wsrouter.1"
    path.write_text(page, "utf-8")
    environ = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "120", "MANROFFOPT": "-rHY=0", "MAN_KEEP_FORMATTING": ""}
    done = subprocess.run(["man", "--warnings", "--no-justification", "-l", str(path)], env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@needs_man
def test_the_page_of_the_command_has_each_command_with_its_options_and_examples(tmp_path):
    text = shown(pages()[1], tmp_path)
    assert text.startswith("WSROUTER(1)")
    assert "wsrouter - one daemon, one YAML file, many WebSocket endpoints\n" in text
    assert list(COMMANDS) == [line.strip() for line in text.splitlines() if re.fullmatch(r"   \w+", line)]
    assert "--listen ADDRESS" in text
    assert "  wsrouter run plugins/ --listen :9000     each plugin of the folder at the path of its name" in text
    assert re.search("0 ok, 1 a problem found or a start that failed, 2 wrong usage, 3 a threshold of .*bench.* missed, 78 run", " ".join(text.split()))


@needs_man
def test_the_page_of_the_site_has_each_key_of_the_reference(tmp_path):
    text = shown(pages()[5], tmp_path)
    keys = re.findall(r"(?m)^\| `([a-z_.]+)` \|", (ROOT / "docs" / "configuration.md").read_text("utf-8"))
    assert len(keys) > 40
    assert [] == [key for key in keys if not re.search(rf"(?m)^ +{re.escape(key)}\b", text)]
    assert "The largest message that is taken from a client." in text
    assert "](" not in text
    assert "```" not in text


def test_a_line_that_troff_would_take_for_a_request_is_text():
    assert ("\\&.SH \\-\\- a\\eb", "\\&'so") == (escape(".SH -- a\\b"), escape("'so"))


@pytest.mark.parametrize(
    "markdown, expected",
    [
        ("see `a-b` here", "see \\fBa\\-b\\fR here"),
        ("**always** and *so*", "\\fBalways\\fR and \\fBso\\fR"),
        ("[a *page*](x.md#y) more", "a \\fBpage\\fR more"),
        ("`.hidden`", "\\fB\\&.hidden\\fR"),
    ],
)
def test_marks_of_markdown_become_fonts(markdown, expected):
    assert expected == inline(markdown)
