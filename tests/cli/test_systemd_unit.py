"""`wsrouter check` and the systemd unit that runs the site."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsrouter.cli.systemd_unit import parse_time_span

SITE = "routes: {/echo: echo}\nserver: {shutdown: {delay: 5s, timeout: 40s}}\n"


@pytest.fixture
def units(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where units are looked for."""
    folder = here / "units"
    folder.mkdir()
    monkeypatch.setenv("SYSTEMD_UNIT_PATH", str(folder))
    return folder


def unit(site: Path, *lines: str) -> str:
    return "\n".join(["[Unit]", "TimeoutStopSec=1", "[Service]", f"ExecStart=/usr/bin/wsrouter run --config {site}", *lines, ""])


@pytest.mark.parametrize(("written", "shorter"), [("30", True), ("44s", True), ("45s", False), ("1min", False), ("infinity", False), ("0", False)])
def test_a_stop_timeout_that_is_shorter_than_the_shutdown_is_a_warning(wsrouter, write, units, here, written: str, shorter: bool) -> None:
    write("site.yaml", SITE)
    file = units / "wsrouter.service"
    file.write_text(unit(here / "site.yaml", f"TimeoutStopSec={written}"))
    code, out, err = wsrouter("check", "site.yaml")

    assert code == 0
    warning = (
        f"{file}:5:1: warning: TimeoutStopSec={written} is shorter than server.shutdown.delay and server.shutdown.timeout of the site, 45 s together: "
        "write TimeoutStopSec=60, or systemd may end it while connections are being closed\n"
    )
    assert err.startswith(warning) is shorter
    assert out == f"site.yaml: ok, 1 route{' and 1 warning' if shorter else ''}\n"


def test_the_last_drop_in_counts(wsrouter, write, units, here) -> None:
    write("site.yaml", SITE)
    (units / "wsrouter.service").write_text(unit(here / "site.yaml", "TimeoutStopSec=10"))
    drop_ins = units / "wsrouter.service.d"
    drop_ins.mkdir()
    (drop_ins / "20-last.conf").write_text("# ours\n[Service]\nTimeoutStopSec=2min \\\n  30s\n")
    (drop_ins / "10-first.conf").write_text("[Service]\nTimeoutStopSec=5\n")
    assert not wsrouter("check", "site.yaml").err

    (drop_ins / "30-latest.conf").write_text("[Service]\n\nTimeoutSec=7\n")
    assert f"{drop_ins}/30-latest.conf:3:1: warning: TimeoutSec=7 is shorter" in wsrouter("check", "site.yaml").err


def test_without_a_stop_timeout_it_is_that_of_systemd(wsrouter, write, units, here) -> None:
    write("site.yaml", SITE.replace("40s", "2m"))
    (units / "wsrouter@.service").write_text(unit(here / "site.yaml"))
    assert f"{units}/wsrouter@.service:4:1: warning: without TimeoutStopSec= systemd waits 90 s, which is shorter than" in wsrouter("check", "site.yaml").err


def test_a_unit_of_another_site_is_nobodys_business_here(wsrouter, write, units, here) -> None:
    write("site.yaml", SITE)
    (units / "wsrouter.service").write_text(unit(here / "other.yaml", "TimeoutStopSec=1"))
    assert not wsrouter("check", "site.yaml").err


def test_a_unit_that_cannot_be_understood_is_left_to_systemd(wsrouter, write, units, here) -> None:
    write("site.yaml", SITE)
    (units / "wsrouter.service").write_text(unit(here / "site.yaml", "TimeoutStopSec=soon", "ExecStart=broken 'quote", "no assignment"))
    (units / "wsrouter-gone.service").symlink_to(here / "nowhere")
    assert not wsrouter("check", "site.yaml").err


def test_the_shipped_unit_fits_the_defaults(wsrouter, write, units, here) -> None:
    write("site.yaml", "routes: {/echo: echo}")
    shipped = (Path(__file__).parent.parent.parent / "deploy" / "wsrouter.service").read_text()
    assert "/etc/wsrouter/site.yaml" in shipped
    (units / "wsrouter.service").write_text(shipped.replace("/etc/wsrouter/site.yaml", str(here / "site.yaml")))
    assert not wsrouter("check", "site.yaml").err

    write("site.yaml", "routes: {/echo: echo}\nserver: {shutdown: {timeout: 2m}}")
    assert "TimeoutStopSec=60 is shorter" in wsrouter("check", "site.yaml").err


@pytest.mark.parametrize(("text", "seconds"), [("90", 90.0), ("1min 30s", 90.0), ("1h2m3.5s", 3723.5), ("500ms", 0.5), ("", None), ("1 fortnight", None)])
def test_times_are_read_as_systemd_reads_them(text: str, seconds: float | None) -> None:
    assert parse_time_span(text) == seconds
