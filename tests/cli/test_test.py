"""`wsrouter test`: plays scenarios, says which step failed and why, and never shows a traceback of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SITE = "routes: {/echo: echo, '/room/{room}': {broadcast: {history: 5}}}\n"
GOOD = "- name: a message comes back\n  steps:\n    - {open: /echo, send: hi, expect: hi}\n"
BAD = "- name: it comes back otherwise\n  steps:\n    - {open: /echo}\n    - {send: hi, expect: ho}\n"


@pytest.fixture
def site(write):
    return write("site.yaml", SITE)


def test_scenarios_that_pass_are_one_line(wsrouter, write, site):
    write("tests/a.yaml", GOOD + GOOD)

    code, out, err = wsrouter("test")

    assert (code, err) == (0, "")
    assert out.startswith("2 scenarios passed in 0.")
    assert out.count("\n") == 1


def test_a_broken_expectation_fails_with_its_line_and_what_came(wsrouter, write, site):
    write("tests/a.yaml", GOOD + BAD)

    code, out, err = wsrouter("test")

    first, summary = out.splitlines()
    assert (code, err) == (1, "")
    assert first == 'tests/a.yaml:7:7: it comes back otherwise: the client expected "ho", got "hi"'
    assert summary.startswith("1 of 2 scenarios failed in 0.")


def test_the_site_names_its_scenarios_or_those_beside_it_are_taken(wsrouter, write):
    write("site.yaml", SITE + "tests: [scenarios/**/*.yaml, more.yaml]\n")
    write("scenarios/deep/a.yaml", GOOD)
    write("more.yaml", GOOD)
    write("tests/not-named.yaml", BAD)

    assert wsrouter("test").out.startswith("2 scenarios passed")

    write("site.yaml", SITE)

    assert "tests/not-named.yaml:4:7: " in wsrouter("test").out


def test_the_site_is_found_as_by_other_commands(wsrouter, write, monkeypatch):
    write("other/place.yaml", SITE)
    write("other/tests/a.yaml", GOOD)

    assert wsrouter("test", "-c", "other/place.yaml").code == 0
    assert wsrouter("test", "--config", "other/place.yaml").code == 0
    monkeypatch.setenv("WSROUTER_CONFIG", "other/place.yaml")
    assert wsrouter("test").code == 0


def test_files_on_the_command_line_are_played_instead(wsrouter, write, site):
    write("tests/a.yaml", BAD)
    write("mine.yaml", GOOD)

    assert wsrouter("test", "mine.yaml").out.startswith("1 scenario passed")


def test_a_plugin_file_can_be_tested_without_a_site(wsrouter, write):
    write(
        "shout.py", "from wsrouter import Handler\nclass Shout(Handler[str]):\n    def on_message(self, connection, message):\n        return message.upper()\n"
    )
    write("tests/shout.yaml", "- {name: it shouts, steps: [{open: /shout, send: hi, expect: HI}, {close: 1000}, {open: /, send: a, expect: A}]}")

    assert wsrouter("test", "-c", "shout.py").out.startswith("1 scenario passed")


def test_names_can_be_chosen(wsrouter, write, site):
    write("tests/a.yaml", GOOD + BAD)

    assert wsrouter("test", "-k", "Message COMES").out.startswith("1 scenario passed")
    assert wsrouter("test", "-k", "otherwise").out.splitlines()[-1].startswith("1 of 1 scenario failed")
    assert wsrouter("test", "-k", "nowhere") == (1, "", "none of the 2 scenarios has 'nowhere' in its name\n")


def test_no_scenario_at_all_is_a_line_and_exit_1(wsrouter, site):
    told = "site.yaml: no scenarios found: write one (looked for tests/*.yaml beside the site; wsrouter test --help shows one)\n"

    assert wsrouter("test") == (1, "", told)


def test_a_file_that_the_site_names_and_that_is_not_there_is_a_line(wsrouter, write):
    write("site.yaml", SITE + "tests: nix.yaml\n")

    assert wsrouter("test") == (1, "", "site.yaml: tests: names nix.yaml, and there is no such file beside the site: make it, or delete this\n")


def test_problems_of_scenario_files_are_located_and_nothing_is_played(wsrouter, write, site):
    write("tests/a.yaml", GOOD)
    write("tests/b.yaml", "- name: x\n  steps:\n    - {open: /echo, expekt: hi}\n")

    code, out, err = wsrouter("test")

    assert (code, out) == (1, "")
    assert err.startswith('tests/b.yaml:3:21: unknown key "expekt" of a step: did you mean expect? known are ')
    assert "\n        - {open: /echo, expekt: hi}\n                        ^\n" in err
    assert err.endswith("1 problem; no scenario was played\n")


def test_a_site_with_problems_is_told_as_check_tells_it(wsrouter, write):
    write("site.yaml", "routes: {/echo: eco}\n")
    write("tests/a.yaml", GOOD)

    code, out, err = wsrouter("test")

    assert (code, out) == (1, "")
    assert err.startswith("site.yaml:1:17: ")
    assert "did you mean the handler echo?" in err


@pytest.mark.parametrize("arguments", [("nix.yaml",), (".",), ("site.yaml",), ("-c", "nix.yaml"), ("binary.yaml",), ("--junit", "no/such/folder.xml")])
def test_bad_input_is_told_without_a_traceback(wsrouter, write, site, here, arguments):
    write("tests/a.yaml", GOOD)
    (here / "binary.yaml").write_bytes(b"\xff\x00\x01")

    code, _, err = wsrouter("test", *arguments)

    assert code == 1
    assert err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [("--io-wait", "5"), ("--nix",), ("-k",)])
def test_wrong_usage_is_exit_2(wsrouter, site, arguments):
    assert wsrouter("test", *arguments).code == 2


def test_json_holds_every_scenario(wsrouter, write, site):
    write("tests/a.yaml", GOOD + BAD)

    code, out, err = wsrouter("test", "--json")

    answer = json.loads(out)
    assert (code, err) == (1, "")
    assert (answer["site"], answer["passed"], answer["failed"]) == ("site.yaml", 1, 1)
    good, bad = answer["scenarios"]
    assert (good["name"], good["passed"], good["message"]) == ("a message comes back", True, "")
    assert (bad["file"], bad["line"], bad["column"]) == ("tests/a.yaml", 7, 7)
    assert bad["message"] == 'the client expected "ho", got "hi"'


def test_junit_is_xml_with_a_case_for_each_scenario_whatever_its_texts(wsrouter, write, site, here):
    write("tests/a.yaml", GOOD + '- name: "<&\\"\\u0085>"\n  steps: [{open: /echo, send: "]]>\\u0001", expect: "<"}]\n')

    assert wsrouter("test", "--junit", "out.xml").code == 1
    suite = ET.parse(here / "out.xml").getroot()[0]

    assert suite.attrib | {"time": ""} == {"name": "wsrouter", "tests": "2", "failures": "1", "errors": "0", "skipped": "0", "time": ""}
    good, bad = suite
    assert (good.get("name"), good.get("file"), good.get("line"), list(good)) == ("a message comes back", "tests/a.yaml", "1", [])
    assert bad[0].tag == "failure"
    assert bad[0].get("message") == 'the client expected "<", got "]]>\\x01"'
    assert bad[0].text.startswith("tests/a.yaml:5:11: ")


def test_junit_tells_of_problems_too(wsrouter, write, site, here):
    write("tests/a.yaml", "- 7\n")

    assert wsrouter("test", "--junit", "out.xml").code == 1
    (case,) = ET.parse(here / "out.xml").getroot()[0]

    assert case[0].tag == "error"
    assert case[0].get("message").startswith("a scenario is a mapping of name and steps, not the number 7")


TALKING = """
from wsrouter import Handler

class Talking(Handler[str]):
    def start(self, context):
        self.log = context.log

    def on_message(self, connection, message):
        print("printed", message)
        self.log.info("message.noted")
        self.log.warning("disk.filled")
        if message == "crash":
            raise ValueError("no")
        return message
"""


def test_what_plugins_print_and_log_is_shown_below_a_failure_only(wsrouter, write):
    write("plugins/talking.py", TALKING)
    write("site.yaml", "routes: {/talking: talking}\n")
    write("tests/a.yaml", "- {name: good, steps: [{open: /talking, send: a, expect: a}]}\n")
    good = wsrouter("test")
    write("tests/a.yaml", "- {name: bad, steps: [{open: /talking, send: crash, expect: crash}]}\n")
    bad = wsrouter("test")

    assert good.out.startswith("1 scenario passed")
    assert good.out.count("\n") == 1
    assert good.err == ""
    lines = bad.out.splitlines()
    where = "talking on_message: ValueError: no (plugins/talking.py:13)"
    assert lines[0] == f'tests/a.yaml:1:23: bad: the client expected "crash", but was closed 1011 handler_error: {where}'
    assert lines[1] == f"    a handler failed: {where}"
    assert "    ValueError: no" in lines
    assert [line for line in lines if "disk.filled" in line]
    assert lines[-3:-1] == ["    printed:", "    printed crash"]
    assert "message.noted" not in bad.out


def test_what_a_plugin_leaves_behind_does_not_keep_the_process(write, here):
    write(
        "plugins/leaving.py",
        """
import asyncio
import threading
from wsrouter import Handler

class Leaving(Handler):
    def start(self, context):
        threading.Thread(target=threading.Event().wait, name="endless").start()
        context.spawn(self.swallow(), "stubborn")

    async def swallow(self):
        while True:
            try:
                await asyncio.sleep(3600)
            except BaseException:
                pass
""",
    )
    write("site.yaml", "routes: {/leaving: leaving}\n")
    write("tests/a.yaml", "- {name: it, steps: [{open: /leaving}]}\n")
    command = [sys.executable, "-m", "wsrouter", "test"]

    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False, timeout=30, env={**os.environ, "PYTHONPATH": str(ROOT)})

    assert done.returncode == 0
    assert done.stdout.startswith("1 scenario passed")
    assert done.stderr == "what plugins started does not end: thread endless, task /leaving stubborn; a handler's stop() should end it\n"


def test_check_plays_no_scenarios(wsrouter, write, site):
    write("tests/a.yaml", "this is: no scenario\n")

    assert wsrouter("check").code == 0


@pytest.mark.parametrize("site", ["config/site.yaml"])
def test_the_scenarios_of_the_shipped_site_pass(site):
    done = subprocess.run([sys.executable, "-m", "wsrouter", "test", "-c", site], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert " scenarios passed in " in done.stdout


def test_the_scenarios_of_a_site_that_init_makes_pass(wsrouter, here):
    assert wsrouter("init", "mysite").code == 0

    code, out, err = wsrouter("test", "-c", "mysite/site.yaml")

    assert (code, err) == (0, "")
    assert " scenarios passed in " in out


def test_two_hundred_scenarios_take_less_than_two_seconds_of_a_whole_process(write, here):
    shipped = "".join(file.read_text("utf-8") for file in sorted((ROOT / "config/tests").glob("*.yaml")))
    copies = 200 // shipped.count("- name:") + 1
    for number in range(copies):
        write(f"many/{number}.yaml", shipped)
    command = [sys.executable, "-m", "wsrouter", "test", "-c", str(ROOT / "config/site.yaml"), *sorted(map(str, (here / "many").iterdir()))]
    before = os.times()

    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})

    after = os.times()
    assert int(done.stdout.split()[0]) >= 200, done.stdout + done.stderr
    assert done.returncode == 0
    # Of the processor: other tests run beside this one. Measured: 0.8 s of both.
    assert after.children_user + after.children_system - before.children_user - before.children_system < 2


def test_hours_of_scenarios_take_no_time(wsrouter, write, site):
    write("tests/a.yaml", "- {name: a month, steps: [{open: /echo, expect_nothing: 30d}, {send: hi, expect: hi}]}\n")
    write("site.yaml", "defaults: {keepalive: {ping: 1h}}\n" + SITE)
    begun = time.perf_counter()

    assert wsrouter("test").code == 0
    assert time.perf_counter() - begun < 5
