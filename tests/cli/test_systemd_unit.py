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


# The sockets that systemd passes.


@pytest.fixture
def socket_unit(units, here):
    """Writes the socket unit of a service that runs the site, and enables it: `socket_unit("ListenStream=…")`."""
    (units / "wsrouter.service").write_text(unit(here / "site.yaml", "TimeoutStopSec=60"))

    def write_unit(*lines: str, name: str = "wsrouter.socket", enabled: bool = True) -> Path:
        path = units / name
        path.write_text("\n".join(["[Unit]", "ListenStream=1", "[Socket]", *lines, ""]))
        wants = units / "sockets.target.wants"
        wants.mkdir(exist_ok=True)
        if enabled:
            (wants / name).symlink_to(path)
        return path

    return write_unit


def listening(*addresses: str) -> str:
    return f"routes: {{/echo: echo}}\nserver: {{listen: [{', '.join(map(repr, addresses))}]}}\n"


def test_a_passed_socket_that_the_site_does_not_listen_on_is_a_warning(wsrouter, write, socket_unit) -> None:
    write("site.yaml", listening("127.0.0.1:8765", "unix:/run/ws.sock"))
    file = socket_unit("ListenStream=127.0.0.1:8765", "ListenStream=127.0.0.2:8765")

    code, out, err = wsrouter("check", "site.yaml")
    assert (code, out) == (0, "site.yaml: ok, 1 route and 1 warning\n")
    assert err.splitlines()[0] == (
        f"{file}:5:1: warning: ListenStream=127.0.0.2:8765 passes the socket 127.0.0.2:8765, and server.listen of the site is 127.0.0.1:8765, unix:/run/ws.sock: "
        "write it there, or take it out here; the daemon does not start with a socket that nobody would accept from"
    )


@pytest.mark.parametrize(
    ("stream", "listen", "fits"),
    [
        ("127.0.0.1:8765", "127.0.0.1:8765", True),
        ("127.0.0.1:8765", "localhost:8765", True),
        ("127.0.0.1:8765", "8765", True),
        ("127.0.0.1:8766", "127.0.0.1:8765", False),
        ("0.0.0.0:8765", "127.0.0.1:8765", False),
        ("0.0.0.0:8765", ":8765", True),
        ("[0:0::1]:8765", "[::1]:8765", True),
        ("8765", ":8765", True),
        ("8765", "127.0.0.1:8765", False),
        ("[::]:8765", "0.0.0.0:8765", False),
        ("[::]:8765\nBindIPv6Only=ipv6-only", "[::]:8765", True),
        ("8765\nBindIPv6Only=ipv6-only", "0.0.0.0:8765", False),
        ("/run/ws.sock", "unix:/run/ws.sock", True),
        ("%t/ws.sock", "unix:/run/ws.sock", True),
        ("/run/other.sock", "unix:/run/ws.sock", False),
        ("192.0.2.1:8765", "ws.example.com:8765", True),  # nobody is asked whose name that is
        ("/run/%i.sock", "127.0.0.1:8765", True),  # what cannot be told is left to systemd
        ("vsock:2:8765", "127.0.0.1:8765", True),
        ("127.0.0.9:1\nListenStream=\nListenStream=127.0.0.1:8765", "127.0.0.1:8765", True),
    ],
)
def test_it_is_held_against_listen_as_the_daemon_does_it(wsrouter, write, socket_unit, stream: str, listen: str, fits: bool) -> None:
    write("site.yaml", listening(listen))
    socket_unit(f"ListenStream={stream}")
    assert ("passes the socket" not in wsrouter("check", "site.yaml").err) is fits


def test_a_drop_in_of_the_socket_unit_is_named_by_its_own_line(wsrouter, write, socket_unit, units) -> None:
    write("site.yaml", listening("127.0.0.1:9000"))
    socket_unit("ListenStream=127.0.0.1:8765")
    (units / "wsrouter.socket.d").mkdir()
    (units / "wsrouter.socket.d" / "override.conf").write_text("[Socket]\nListenStream=\nListenStream=127.0.0.1:9001\n")
    err = wsrouter("check", "site.yaml").err
    assert err.startswith(f"{units}/wsrouter.socket.d/override.conf:3:1: warning: ListenStream=127.0.0.1:9001 passes")
    assert err.count("warning: ") == 1


def test_a_socket_unit_that_is_not_enabled_or_another_services_says_nothing(wsrouter, write, socket_unit, units) -> None:
    write("site.yaml", listening("127.0.0.1:9000"))
    socket_unit("ListenStream=127.0.0.1:8765", enabled=False)
    socket_unit("ListenStream=127.0.0.1:8765", name="wsrouter-other.socket")
    assert not wsrouter("check", "site.yaml").err

    socket_unit("ListenStream=127.0.0.1:8765", "Service=wsrouter.service", name="wsrouter-more.socket")
    assert wsrouter("check", "site.yaml").err.startswith(f"{units}/wsrouter-more.socket:4:1: warning: ")


def test_the_shipped_socket_unit_fits_the_default_address(wsrouter, write, socket_unit, units) -> None:
    write("site.yaml", "routes: {/echo: echo}")
    socket_unit()
    (units / "wsrouter.socket").write_text((Path(__file__).parent.parent.parent / "deploy" / "wsrouter.socket").read_text())
    assert not wsrouter("check", "site.yaml").err
    write("site.yaml", listening("127.0.0.1:9000"))
    assert "ListenStream=127.0.0.1:8765 passes" in wsrouter("check", "site.yaml").err
