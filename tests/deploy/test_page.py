"""docs/behind-a-proxy.md says what is in the files of deploy/, and names tests that exist."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from support.daemon import ROOT
from support.proxies import PROGRAMS, shipped

PAGE = (ROOT / "docs" / "behind-a-proxy.md").read_text("utf-8")


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_line_of_a_file_is_explained(name):
    lines = [line.strip() for line in shipped(name).splitlines()]
    words = {line.split()[0].rstrip(";") for line in lines if re.match(r"[a-z]", line)} - {"http", "location", "default", "websocket", "ws.example.com"}
    if name == "haproxy":
        words = words - {"timeout", "option"} | {" ".join(line.split()[:2]) for line in lines if line.startswith(("timeout", "option"))}
    assert set() == {word for word in words if f"`{word}" not in PAGE}


def test_each_test_that_is_named_exists():
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "deploy").glob("test_*.py"))
    assert named
    assert set() == {name for name in named if f"def {name}(" not in tests}


@pytest.mark.parametrize("site", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_the_sites_of_the_page_have_no_problem(site, tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(site)
    checked = subprocess.run([sys.executable, "-m", "wsrouter", "check", path], cwd=ROOT, check=False, capture_output=True, text=True, timeout=20)
    assert 0 == checked.returncode, checked.stdout + checked.stderr
