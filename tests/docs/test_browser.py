"""The page of docs/examples/, and the one of the lesson, in a real browser against the real daemon."""

from __future__ import annotations

import json

import pytest

from support.browser import MISSING, find_chromium, run_browser
from support.client import connect
from support.daemon import ROOT
from support.pages import examples

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_chromium() is None, reason=MISSING)]

CHAT = ROOT / "docs" / "examples" / "chat.html"
LESSON = ROOT / "docs" / "first-steps.md"
SITE = "log: {format: json}  # --dev would write it for people\nroutes: {'/room/{room}': {broadcast: {history: 50}}, /bouncer: bouncer}"
BOUNCER = {"bouncer.py": "async def bouncer(websocket):\n    await websocket.close(1008, 'not today')\n"}
MESSAGES = "[...document.querySelectorAll('#messages li:not(.note)')].map((item) => item.textContent)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with run_browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def start(daemon):
    """Starts the daemon on the site above."""
    return lambda args=(): daemon(SITE, plugins=BOUNCER, args=args)


@pytest.fixture
def chat(browser):
    """Opens the page on an address, and closes it when the test is done."""
    pages = []

    def open_chat(url):
        pages.append(browser.open(f"{CHAT.as_uri()}?url={url}"))
        return pages[-1]

    yield open_chat
    for page in pages:
        page.close()


def in_state(state):
    return f"document.getElementById('state').dataset.state === '{state}'"


def shows(*messages):
    return f"JSON.stringify({MESSAGES}) === {json.dumps(json.dumps(messages, ensure_ascii=False, separators=(',', ':')))}"


def test_the_page_shows_what_a_python_client_sends_and_sends_what_is_typed(start, chat):
    running = start(["--dev"])
    url = running.url("/room/lobby")
    with connect(url) as client:
        page = chat(url)
        page.wait_for(in_state("open"))

        client.send("bonjour, là-bas")
        page.wait_for(shows("bonjour, là-bas"))

        assert "bonjour, là-bas" == client.recv(timeout=5)
        page.type_line("<b>hello</b> from the page")
        assert "<b>hello</b> from the page" == client.recv(timeout=5)
        page.wait_for(shows("bonjour, là-bas", "<b>hello</b> from the page"))
        assert page.evaluate("document.querySelector('#messages li:last-child').className") == "mine"


def test_the_page_gets_the_history_of_the_room(start, chat):
    running = start(["--dev"])
    url = running.url("/room/lobby")
    with connect(url) as client:
        client.send("before you came")
        assert "before you came" == client.recv(timeout=5)

    chat(url).wait_for(shows("before you came"))


def test_the_page_connects_again_after_the_daemon_was_restarted(start, chat):
    first = start(["--dev"])
    url, first_port = first.url("/room/lobby"), first.port
    page = chat(url)
    page.wait_for(in_state("open"))

    first.stop()
    page.wait_for("document.getElementById('messages').innerText.includes('closed with 1001 (shutdown)')")
    start(["--dev", "--listen", f"127.0.0.1:{first_port}"])
    page.wait_for(in_state("open"), within=20)

    with connect(url) as client:
        page.type_line("here again")
        assert "here again" == client.recv(timeout=5)


def test_the_page_shows_why_it_was_closed_and_does_not_try_again_in_vain(start, chat):
    running = start(["--dev"])

    page = chat(running.url("/bouncer"))

    page.wait_for(in_state("closed"))
    assert "closed with 1008 (not today)" == page.evaluate("document.getElementById('state').textContent")


def test_without_dev_a_page_from_a_file_is_refused_and_the_record_says_what_would_admit_it(start, chat):
    running = start()

    page = chat(running.url("/room/lobby"))

    refused = running.wait_for("handshake.refused", reason="origin")
    assert (refused["origin"], refused["fix"]) == ("null", 'origins: [same-host, "null"]')
    page.wait_for(in_state("waiting"))


def test_a_page_reads_why_it_was_refused_where_the_route_tells_by_a_close_code(daemon, browser, tmp_path):
    door = "auth: {tokens: {ada: 0123456789abcdef, bob: fedcba9876543210}, refuse: close}, allow: {user: ada}"
    running = daemon(f"routes: {{/: {{echo: {{}}, {door}, origins: [same-host, 'null']}}}}")
    (tmp_path / "page.html").write_text("<title>a page</title>")
    page = browser.open((tmp_path / "page.html").as_uri())
    script = """new Promise((done) => {
        const socket = new WebSocket(%s, ["bearer", %s]);
        let text = "";
        socket.onopen = () => socket.send("hello");
        socket.onmessage = (event) => { text = event.data; socket.close(1000); };
        socket.onclose = (event) => done([event.code, event.reason, event.wasClean, text]);
    })"""

    def come_with(token):
        return page.evaluate(script % (json.dumps(running.url("/")), json.dumps(token)))

    assert [4401, "unauthenticated", True, ""] == come_with("made-up-token-x")
    assert [4403, "forbidden", True, ""] == come_with("fedcba9876543210")
    assert [1000, "", True, "hello"] == come_with("0123456789abcdef")
    page.close()


def test_the_page_of_the_lesson_shows_the_room_and_sends(start, browser, tmp_path):
    (source,) = [example.text for example in examples(LESSON) if example.file == "page.html"]
    running = start(["--dev"])
    url = running.url("/room/lobby")
    path = tmp_path / "page.html"
    path.write_text(source.replace("ws://127.0.0.1:8765/room/lobby", url), "utf-8")
    with connect(url) as client:
        page = browser.open(path.as_uri())
        running.wait_for("connection.opened", count=2)

        client.send("from Python")
        page.wait_for("messages.innerText === 'from Python'")
        assert "from Python" == client.recv(timeout=5)
        page.type_line("from the page")
        assert "from the page" == client.recv(timeout=5)
    page.close()
