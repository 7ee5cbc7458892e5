"""Every test that docs/security.md names is there."""

from __future__ import annotations

import re
from pathlib import Path

from wsrouter.config.settings import Server

ROOT = Path(__file__).parent.parent.parent


def test_every_statement_names_a_test_that_exists():
    text = (ROOT / "docs" / "security.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 25
    missing = [name for path, name in named if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)]
    assert [] == missing


def test_only_this_machine_is_listened_on_until_the_site_says_otherwise():
    assert ["127.0.0.1:8765"] == [listen.address for listen in Server().listen]
