"""Listeners under a reload: no address is given up before its successor is bound, and nothing that waits to be accepted is lost."""

from __future__ import annotations

import asyncio
import grp
import os
import socket
import ssl
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect, unix_connect

from support.reloading import RunningSite, run_site

pytestmark = pytest.mark.anyio

ECHO = "routes: {/echo: echo}\n"
SLOW_START = """
    import asyncio
    from wsrouter import Handler

    class Slow(Handler):
        refuses: bool = False

        async def start(self, context):
            await asyncio.sleep(0.3)
            if self.refuses:
                raise RuntimeError("not today")
    """


@pytest.fixture
def ports() -> list[int]:
    """Three ports that are free; somebody else may take them before the test does, but the kernel gives them out in turn."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two, socket.create_server(("127.0.0.1", 0)) as three:
        return [one.getsockname()[1], two.getsockname()[1], three.getsockname()[1]]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(folder / "k.pem"), "-out", str(folder / "c.pem")], check=True, capture_output=True)
    return folder


def listen(*addresses: object) -> str:
    return f"server: {{listen: [{', '.join(map(str, addresses))}]}}\n{ECHO}"


async def echoes(url: str, **arguments: Any) -> bool:
    async with connect(f"{url}/echo", proxy=None, **arguments) as client:
        await client.send("x")
        return bool(await client.recv() == "x")


async def is_refused(url: str) -> bool:
    try:
        await echoes(url)
    except ConnectionRefusedError:
        return True
    return False


def serving(site: RunningSite) -> list[str]:
    return site.running.listeners.urls


async def test_addresses_are_added_and_removed_while_connections_stay(tmp_path: Path, ports: list[int]) -> None:
    first, second = (f"ws://127.0.0.1:{port}" for port in ports[:2])
    async with run_site(tmp_path, listen(f"127.0.0.1:{ports[0]}"), listen=()) as site, site.connect("/echo") as client:
        assert (await site.reload(listen(f"127.0.0.1:{ports[1]}", f"127.0.0.1:{ports[0]}"))).ok
        assert [second, first] == serving(site)
        assert await echoes(first)
        assert await echoes(second)

        assert (await site.reload(listen(f"127.0.0.1:{ports[1]}"))).ok
        assert await is_refused(first)
        assert await echoes(second)
        await client.send("still here")
        assert "still here" == await client.recv()


async def test_a_port_of_ones_own_choice_stays_over_reloads(tmp_path: Path) -> None:
    async with run_site(tmp_path, ECHO, listen=("127.0.0.1:0", "127.0.0.1:0")) as site:
        before = serving(site)
        await site.reload("# edited\n" + ECHO)
        assert before == serving(site)
        assert all([await echoes(url) for url in before])


async def test_a_bind_that_fails_is_a_reload_that_fails_and_leaves_everything(tmp_path: Path, ports: list[int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        async with run_site(tmp_path, listen(f"127.0.0.1:{ports[0]}"), listen=()) as site, site.connect("/echo") as client:
            outcome = await site.reload(listen(f"127.0.0.1:{ports[1]}", f"127.0.0.1:{busy}") + "  # and a route\nlog: {connections: none}\n")
            assert not outcome.ok
            assert (
                f"cannot listen on 127.0.0.1:{busy}: another process listens on it; stop that, or take another port (--listen, server.listen)",
            ) == outcome.problems
            assert await is_refused(f"ws://127.0.0.1:{ports[1]}")
            assert [f"ws://127.0.0.1:{ports[0]}"] == serving(site)
            assert await echoes(serving(site)[0])
            await client.send("x")
            assert "x" == await client.recv()


async def test_an_address_that_overlaps_one_of_its_own_is_named(tmp_path: Path, ports: list[int]) -> None:
    async with run_site(tmp_path, listen(f"127.0.0.1:{ports[0]}"), listen=()) as site:
        outcome = await site.reload(listen(f"0.0.0.0:{ports[0]}"))
        assert not outcome.ok
        assert outcome.problems[0].endswith(f"; wsrouter itself listens on 127.0.0.1:{ports[0]}, which cannot be changed to this without a restart")
        assert await echoes(serving(site)[0])


def running_from(site: Any, url: str) -> bool:
    """Whether the swap has been: the new address is among those that are served."""
    return url in serving(site)


async def test_nobody_is_accepted_on_a_new_address_before_the_swap(tmp_path: Path, ports: list[int]) -> None:
    new = f"ws://127.0.0.1:{ports[1]}"
    async with run_site(tmp_path, listen(f"127.0.0.1:{ports[0]}"), {"slow.py": SLOW_START}, listen=()) as site:
        site.write(listen(f"127.0.0.1:{ports[1]}").replace("{/echo: echo}", "{/echo: echo, /slow: slow}"))
        reload = asyncio.create_task(site.reloader.reload())
        served = refused = 0
        while not reload.done():  # what is asked may be answered after the swap: then it counts for nothing
            is_served, is_shut = not await is_refused(f"ws://127.0.0.1:{ports[0]}"), await is_refused(new)
            if not reload.done() and not running_from(site, new):
                served, refused = served + is_served, refused + is_shut
                assert is_served
                assert is_shut
        assert served == refused > 3
        assert reload.result().ok
        assert await echoes(new)


def mode_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return stat.S_IMODE(status.st_mode), status.st_gid


async def unix_echoes(path: Path, **arguments: Any) -> bool:
    async with unix_connect(str(path), **{"uri": "ws://localhost/echo", **arguments}) as client:
        await client.send("x")
        return bool(await client.recv() == "x")


async def test_mode_and_group_of_a_unix_socket_change_in_place(tmp_path: Path) -> None:
    path = tmp_path / "ws.sock"
    other = next((group for group in grp.getgrall() if group.gr_gid != os.getegid()), None)
    if os.geteuid() != 0 or other is None:
        pytest.skip("only root may give a file to any group")
    async with run_site(tmp_path, listen(f"{{address: 'unix:{path}'}}"), listen=()) as site:
        inode = path.stat().st_ino
        assert (0o600, os.getegid()) == mode_of(path)
        assert (await site.reload(listen(f"{{address: 'unix:{path}', mode: '0660', group: {other.gr_name}}}"))).ok
        assert (0o660, other.gr_gid) == mode_of(path)
        assert inode == path.stat().st_ino
        assert await unix_echoes(path)
        assert (await site.reload(listen(f"{{address: 'unix:{path}'}}"))).ok
        assert (0o600, os.getegid()) == mode_of(path)
        assert await unix_echoes(path)
    assert not path.exists()


async def test_a_reload_that_fails_gives_a_unix_socket_its_mode_back(tmp_path: Path) -> None:
    path = tmp_path / "ws.sock"
    async with run_site(tmp_path, listen(f"{{address: 'unix:{path}', mode: '0660'}}"), {"slow.py": SLOW_START}, listen=()) as site:
        wider = listen(f"{{address: 'unix:{path}', mode: '0666'}}")
        assert not (await site.reload(wider.replace("{/echo: echo}", "{/echo: echo, /slow: {slow: {refuses: true}}}"))).ok
        assert 0o660 == mode_of(path)[0]
        assert not (await site.reload(listen(f"{{address: 'unix:{path}', group: no-such-group}}"))).ok
        assert 0o660 == mode_of(path)[0]
        assert await unix_echoes(path)


async def test_a_unix_socket_that_is_removed_takes_its_file_with_it(tmp_path: Path, ports: list[int]) -> None:
    path = tmp_path / "ws.sock"
    async with run_site(tmp_path, listen(f"'unix:{path}'", f"127.0.0.1:{ports[0]}"), listen=()) as site:
        assert (await site.reload(listen(f"127.0.0.1:{ports[0]}"))).ok
        assert not path.exists()
        assert (await site.reload(listen(f"'unix:{path}'"))).ok
        assert await unix_echoes(path)


async def test_tls_comes_and_goes_on_an_address_and_nobody_who_waits_is_lost(tmp_path: Path, ports: list[int], certificate: Path) -> None:
    address = f"127.0.0.1:{ports[0]}"
    trust = ssl.create_default_context(cafile=str(certificate / "c.pem"))
    trust.check_hostname = False
    secure = listen(f"{{address: '{address}', tls: {{cert: {certificate / 'c.pem'}, key: {certificate / 'k.pem'}}}}}")
    async with run_site(tmp_path, listen(address), listen=()) as site, site.connect("/echo") as before:
        stop = asyncio.Event()
        lost: list[str] = []

        async def keep_coming() -> int:
            """Connects without a break; who is connected is answered by the listener of then or of now."""
            count = 0
            while not stop.is_set():
                reader, writer = await asyncio.open_connection("127.0.0.1", ports[0])
                writer.write(b"GET / HTTP/1.0\r\n\r\n")
                answer = await asyncio.wait_for(reader.read(), 5)
                # Plain: a 400. TLS that gets plain text: an alert, or the end. Never a reset of a connection that nobody took.
                lost.extend([] if answer.startswith(b"HTTP/1.1 400") or answer[:1] in (b"\x15", b"") else [repr(answer)])
                writer.close()
                count += 1
            return count

        crowd = asyncio.create_task(keep_coming())
        for _ in range(3):
            assert (await site.reload(secure)).ok
            assert await echoes(f"wss://{address}", ssl=trust)
            assert (await site.reload(listen(address))).ok
            assert await echoes(f"ws://{address}")
        stop.set()
        assert await crowd > 3
        assert [] == lost
        await before.send("x")
        assert "x" == await before.recv()


async def test_a_bad_certificate_is_a_reload_that_fails(tmp_path: Path, ports: list[int], certificate: Path) -> None:
    address = f"127.0.0.1:{ports[0]}"
    async with run_site(tmp_path, listen(address), listen=()) as site:
        outcome = await site.reload(listen(f"{{address: '{address}', tls: {{cert: {certificate / 'k.pem'}, key: {certificate / 'c.pem'}}}}}"))
        assert not outcome.ok
        assert "holds no certificate in PEM" in outcome.problems[0]
        assert await echoes(f"ws://{address}")
