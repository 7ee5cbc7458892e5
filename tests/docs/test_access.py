"""The examples of docs/access.md work as they are written."""

from __future__ import annotations

import re
from pathlib import Path

import jwt
import pytest
from websockets.exceptions import InvalidStatus

from support.client import connect
from support.daemon import ROOT, run_daemon

PAGE = (ROOT / "docs" / "access.md").read_text("utf-8")
SITES = re.findall(r"```yaml\n# site\.yaml\n(.*?)```", PAGE, re.DOTALL)
PLUGIN = re.findall(r"```python\n# plugins/sessions\.py\n(.*?)```", PAGE, re.DOTALL)[0]
LAMP = "0123456789abcdef0123456789abcdef"


def test_the_lamp_comes_in_at_its_own_path_only(tmp_path: Path) -> None:
    with run_daemon(SITES[0], tmp_path, env={"LAMP_TOKEN": LAMP, "SECOND_LAMP_TOKEN": LAMP[::-1]}) as daemon:
        headers = {"Authorization": f"Bearer {LAMP}"}
        with connect(daemon.url("/devices/lamp-1"), additional_headers=headers) as client:
            client.send("on")
            assert "on" == client.recv(5)
        with pytest.raises(InvalidStatus) as refused:
            connect(daemon.url("/devices/lamp-2"), additional_headers=headers)
        assert 403 == refused.value.response.status_code


def test_an_editor_of_the_team_publishes(tmp_path: Path) -> None:
    token = jwt.encode({"sub": "ann", "exp": 4_000_000_000, "team": "red", "roles": ["editor"]}, LAMP, "HS256")
    with run_daemon(SITES[2], tmp_path, env={"JWT_KEY": LAMP}) as daemon:
        with connect(daemon.url("/teams/red"), subprotocols=["bearer", token]) as client:  # type: ignore[list-item]
            client.send("hello")
            assert "hello" == client.recv(5)
        with pytest.raises(InvalidStatus):
            connect(daemon.url("/teams/blue"), subprotocols=["bearer", token])  # type: ignore[list-item]


def test_the_plugin_knows_its_session(tmp_path: Path) -> None:
    with run_daemon(SITES[1], tmp_path, plugins={"sessions.py": PLUGIN}) as daemon:
        with connect(daemon.url("/mine?session=c2Vzc2lvbg")) as client:
            client.send("hello")
            assert "hello" == client.recv(5)
        assert "alice" == daemon.wait_for("connection.closed")["user"]
        with pytest.raises(InvalidStatus):
            connect(daemon.url("/mine?session=none"))
