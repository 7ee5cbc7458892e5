"""The units, users and folders in deploy/, judged by systemd's own programs; no systemd needs to run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.daemon import ROOT

DEPLOY = ROOT / "deploy"
EXPOSURE = 1.5

needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze (of Debian's systemd) is not installed")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A copy of the units whose program is one that is there: `verify` looks for it."""
    for name in ("wsrouter.service", "wsrouter.socket"):
        text = (DEPLOY / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("/usr/bin/wsrouter", sys.executable), "utf-8")
    return tmp_path


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=30, env={**os.environ, "SYSTEMD_COLORS": "0"})


@needs_analyze
def test_systemd_finds_nothing_to_say_of_the_units(units: Path) -> None:
    done = run("systemd-analyze", "verify", "--man=no", units / "wsrouter.service", units / "wsrouter.socket")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_analyze
def test_systemd_would_find_a_mistake_in_them(units: Path) -> None:
    service = units / "wsrouter.service"
    service.write_text(service.read_text().replace("WatchdogSec=", "WatchDogSec="))
    assert "Unknown key 'WatchDogSec'" in run("systemd-analyze", "verify", "--man=no", service).stderr


@needs_analyze
def test_the_service_is_exposed_to_little(units: Path) -> None:
    done = run("systemd-analyze", "security", "--offline=true", f"--threshold={round(EXPOSURE * 10)}", "--no-pager", units / "wsrouter.service")
    found = re.search(r"Overall exposure level for wsrouter.service: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= EXPOSURE
    assert done.returncode == 0


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed, or this is not root")
def test_the_user_and_the_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = run("systemd-sysusers", f"--root={tmp_path}", DEPLOY / "wsrouter.sysusers")
    assert done.returncode == 0, done.stderr
    user = next(line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("wsrouter:")).split(":")
    assert user[5:] == ["/var/lib/wsrouter", "/usr/sbin/nologin"]

    done = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", DEPLOY / "wsrouter.tmpfiles")
    assert done.returncode == 0, done.stderr
    folders = {path: (tmp_path / path).stat() for path in ("etc/wsrouter", "etc/wsrouter/plugins", "etc/wsrouter/credentials", "var/lib/wsrouter")}
    assert [oct(status.st_mode)[-3:] for status in folders.values()] == ["755", "755", "700", "755"]
    assert {status.st_uid for status in folders.values()} == {0}


def test_the_units_say_what_the_daemon_relies_on() -> None:
    lines = (DEPLOY / "wsrouter.service").read_text("utf-8").splitlines()
    for line in ("Type=notify", "ExecReload=/usr/bin/wsrouter reload --config /etc/wsrouter/site.yaml", "RestartPreventExitStatus=78", "KillMode=mixed"):
        assert line in lines
