"""Scenario files: what is wrong has a place and a cure, whatever the bytes are."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrouter.config.problems import Place, Problems
from wsrouter.scenario.expectation import Closed, Exactly, Messages, Nothing, Refused
from wsrouter.scenario.reader import load_scenarios, parse_scenarios
from wsrouter.scenario.scenario import CloseStep, OpenStep, Scenario, Step


def problems_of(text):
    problems = Problems()
    parse_scenarios(textwrap.dedent(text), "t.yaml", problems)
    return [str(problem) for problem in problems]


def step_problems(step, before="{open: /echo}"):
    """The problems of one step, with the column within it."""
    found = problems_of(f"- name: it\n  steps:\n  - {before}\n  - {step}\n")
    assert all(text.startswith("t.yaml:4:") for text in found), found
    places = [text.removeprefix("t.yaml:4:").split(": ", 1) for text in found]
    return [(int(column) - 4, message) for column, message in places]


def test_a_scenario_is_read_with_its_places():
    problems = Problems()
    text = """\
- name: it
  steps:
    - {client: a, open: /room/red?x=1, headers: {X-A: 1}, origin: https://a.example, subprotocol: v1, send: hi, expect: [a, b], within: 1m}
    - {advance: 10s}
    - {client: a, close: {code: 4000, reason: bye}, expect_close: 4000, skip: true}
    - {client: b, open: /x, expect_refused: 404}
    - {client: a, expect_nothing: 500ms}
"""
    (scenario,) = parse_scenarios(text, "t.yaml", problems)

    opening = OpenStep("/room/red?x=1", {"X-A": "1"}, "https://a.example", ("v1",))
    assert list(problems) == []
    assert scenario == Scenario(
        "it",
        Place("t.yaml", 1, 3),
        (
            Step(Place("t.yaml", 3, 7), "a", open=opening, send=("hi",), expect=Messages((Exactly("a"), Exactly("b"))), within_s=60.0),
            Step(Place("t.yaml", 4, 7), "", advance_s=10.0),
            Step(Place("t.yaml", 5, 7), "a", close=CloseStep(4000, "bye"), expect=Closed(4000), skip=True),
            Step(Place("t.yaml", 6, 7), "b", open=OpenStep("/x"), expect=Refused(404)),
            Step(Place("t.yaml", 7, 7), "a", expect=Nothing(0.5)),
        ),
    )


EXAMPLE = '"- {name: a message comes back, steps: [{open: /echo, send: hi, expect: hi}]}"'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", [f"t.yaml:1:1: the file is empty: it needs scenarios, as {EXAMPLE}"]),
        ("# nothing\n", [f"t.yaml:1:1: the file is empty: it needs scenarios, as {EXAMPLE}"]),
        ("[]", [f"t.yaml:1:1: there is no scenario here: write one, as {EXAMPLE}"]),
        ("hello", [f't.yaml:1:1: a scenario file is a list, not the text "hello": begin each scenario with a dash, as {EXAMPLE}']),
        ("name: x\nsteps: []", [f"t.yaml:1:1: a scenario file is a list, not a mapping: begin each scenario with a dash, as {EXAMPLE}"]),
        ("routes: {/echo: echo}", ["t.yaml:1:1: this is a site, not a scenario file: name it with -c, as in wsrouter test -c FILE"]),
        ("- 7", [f"t.yaml:1:3: a scenario is a mapping of name and steps, not the number 7: write it as {EXAMPLE}"]),
        ("- steps: [{open: /x}]", ["t.yaml:1:3: the scenario has no name: add name: and what it shows, as name: a late joiner gets the history"]),
        ("- {name: 5, steps: [{open: /x}]}", ["t.yaml:1:10: name must be text, not the number 5: write what the scenario shows"]),
        ("- name: x", ["t.yaml:1:3: the scenario has no steps: add steps: and below it lines like - {open: /echo, send: hi, expect: hi}"]),
        ("- name: x\n  steps: []", ["t.yaml:2:3: the scenario has no steps: add steps: and below it lines like - {open: /echo, send: hi, expect: hi}"]),
        ("- name: x\n  steps: {open: /x}", ["t.yaml:2:10: steps must be a list, not a mapping: begin each step with a dash"]),
        (
            "- {name: x, step: [], steps: [{open: /x}]}",
            ['t.yaml:1:13: unknown key "step" of a scenario: did you mean steps? known are handlers_may_fail, name, steps'],
        ),
        ("- {name: x, expect: hi, steps: [{open: /x}]}", ['t.yaml:1:13: unknown key "expect" of a scenario: it belongs to a step, below steps:']),
        ("- {name: x, handlers_may_fail: 1, steps: [{open: /x}]}", ["t.yaml:1:32: handlers_may_fail must be true or false, not the number 1"]),
        ("- {name: x, name: y, steps: [{open: /x}]}", ['t.yaml:1:13: the key "name" stands here a second time, first in line 1: delete one']),
    ],
)
def test_a_wrong_file_is_told_at_its_place(text, found):
    assert problems_of(text) == found


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("hi", [(1, 'a step is a mapping, not the text "hi": write it as {open: /echo, send: hi, expect: hi}')]),
        ("{}", [(1, "the step does nothing: add one of open, send, close, advance, expect")]),
        (
            "{within: 1s}",
            [
                (1, "the step does nothing: add one of open, send, close, advance, expect"),
                (2, "within goes with an expectation, which this step has not: delete it, or add expect"),
            ],
        ),
        ("{expect: a, expect_json: 1}", [(13, "a step expects one thing, and this one has expect already: make a second step of expect_json")]),
        ("{send: a, close: 1000}", [(11, "a step does one thing, and this one has send already: make a second step of close")]),
        ("{send: a, binary: 00}", [(11, "a step does one thing, and this one has send already: make a second step of binary")]),
        ("{send: a, headers: {A: b}}", [(11, "headers goes with open, which this step has not: write them in one step")]),
        ("{expect_refused: 404}", [(2, "expect_refused goes with open: write both in one step, as {open: /nowhere, expect_refused: 404}")]),
        ("{expect_nothing: 1s, within: 1s}", [(22, "within does not go with expect_nothing, whose time is how long nothing may come: delete it")]),
        ("{open: /x, expect_refused: 404, skip: true}", [(33, "skip does not go with expect_refused, which waits for one answer: delete it")]),
        ("{client: 5, send: a}", [(10, 'client must be text, not the number 5: write "5" in quotes')]),
        ("{send: 5}", [(8, 'send must be text, not the number 5: write "5" in quotes')]),
        ("{send: true}", [(8, 'send must be text, not true: write "true" in quotes')]),
        ("{send: }", [(8, "send must be text, not nothing")]),
        ("{send: {a: b}}", [(8, "send must be text, not a mapping: for JSON write send_json or expect_json")]),
        ("{expect: [a, 1]}", [(14, 'expect must be text, not the number 1: write "1" in quotes')]),
        ("{expect: []}", [(10, "expect is an empty list: give it one value at least")]),
        ("{binary: xyz}", [(10, 'binary must be binary in hexadecimal, not the text "xyz": write pairs of digits, as 00 ff 10')]),
        ("{binary: 0}", [(10, "binary must be binary in hexadecimal, not the number 0: write pairs of digits, as 00 ff 10")]),
        ("{binary: {}}", [(10, "binary must be binary in hexadecimal, not a mapping: write pairs of digits, as 00 ff 10")]),
        (
            "{expect_match: '('}",
            [
                (
                    16,
                    "expect_match is no regular expression: missing ), unterminated subpattern at position 0; put a backslash before a character that is meant as it is",
                )
            ],
        ),
        ("{advance: 5}", [(11, "advance is wrong: a time needs a unit: write 5s")]),
        ("{advance: 5 minutes}", [(11, 'advance is wrong: "5 minutes" is not a time: write 500ms, 5s, 1m30s, 1h or 1d')]),
        ("{advance: 0s}", [(11, "advance must be more than 0s: write 1s or another time")]),
        ("{advance: [1s]}", [(11, "advance must be a time as 10s, not a list")]),
        ("{expect: a, within: 5}", [(21, "within is wrong: a time needs a unit: write 5s")]),
        ("{expect: a, skip: yes}", [(19, 'skip must be true or false, not the text "yes"')]),
        ("{expect_close: 404}", [(16, "expect_close must be a close code from 1000 to 4999, not the number 404")]),
        ("{expect_close: false}", [(16, "expect_close must be a close code from 1000 to 4999, not false")]),
        ("{expect_close: {cod: 1000}}", [(17, 'expect_close has an unknown key "cod": did you mean code? known are code, reason')]),
        (
            "{close: 1015}",
            [(9, "close cannot be 1015: a client may send 1000 to 1003, 1007 to 1014, 3000 to 4999; 1005 for none, 1006 to go away without a close frame")],
        ),
        ("{open: echo}", [(8, 'open must be a path, not "echo": write /echo')]),
        ("{open: 'ws://localhost/echo'}", [(8, 'open must be a path, not "ws://localhost/echo": write only what comes after the host, as /echo')]),
        (r'{open: "/\n"}', [(8, r'open has a control character in "/\n": delete it')]),
        (r'{open: /x, headers: {A: "b\r\nC: d"}}', [(25, r'headers has a control character in "b\r\nC: d": delete it')]),
        ("{open: /x, headers: {a b: c}}", [(22, 'headers has a name that no header can have, "a b": letters, digits and - are allowed')]),
        ("{open: /x, headers: {A: }}", [(25, "headers must have text for A, not nothing")]),
        ("{open: /x, headers: A}", [(21, 'headers must be a mapping of header names to texts, not the text "A"')]),
        ("{open: /x, subprotocol: a b}", [(25, 'subprotocol cannot be "a b": letters, digits, dots and - are allowed, as chat.v1')]),
        ("{open: /x, expect_refused: 200}", [(28, "expect_refused must be an HTTP status from 400 to 599, not the number 200")]),
    ],
)
def test_a_wrong_step_is_told_at_its_place(step, found):
    assert step_problems(step) == found


def test_an_unknown_key_of_a_step_has_a_nearest():
    ((column, message),) = step_problems("{expekt: hi}")

    assert column == 2
    assert message.startswith('unknown key "expekt" of a step: did you mean expect? known are advance, binary, client, ')


def test_an_unknown_reason_of_a_refusal_has_a_nearest():
    ((_, message),) = step_problems("{open: /x, expect_refused: {reason: orgin}}")

    assert message.startswith('expect_refused has an unknown reason "orgin": did you mean origin? known are ')


def test_a_step_before_any_connection_is_told():
    assert problems_of("- {name: x, steps: [{send: hi}, {open: /x}]}") == ["t.yaml:1:21: no step before this one opens a connection: begin with {open: /path}"]


def test_a_client_that_nobody_opens_is_told():
    found = problems_of("- {name: x, steps: [{client: a, send: hi}]}")

    assert found == ['t.yaml:1:30: unknown client "a", no step before this one opens it: open it first, as {client: a, open: /path}']


def test_a_mistyped_client_has_a_nearest():
    found = problems_of("- {name: x, steps: [{client: alice, open: /x}, {client: alise, send: hi}]}")

    assert found == ['t.yaml:1:57: unknown client "alise", no step before this one opens it: did you mean alice? known are alice']


def test_with_several_clients_each_step_names_its_own_but_time_passes_for_all():
    found = problems_of("- {name: x, steps: [{client: a, open: /x}, {client: b, open: /x}, {advance: 1s}, {send: hi}]}")

    assert found == ["t.yaml:1:82: whose step is this? the scenario has the clients a, b: add client: a"]


def test_all_problems_of_all_scenarios_are_told_at_once():
    assert len(problems_of("- {name: 1, steps: []}\n- 7\n- {name: x, steps: [{opn: 1}, {send: 5}]}\n")) == 6


def test_a_file_that_is_not_there_or_is_a_folder_is_one_problem(tmp_path):
    for path, message in ((tmp_path / "nix.yaml", "there is no such file; name one that is there"), (tmp_path, "this is a directory: name the files in it")):
        problems = Problems()
        assert load_scenarios(path, problems) == ()
        assert [problem.message for problem in problems] == [message]


def test_anchors_work():
    problems = Problems()
    text = "- name: x\n  steps:\n    - &open {open: /x}\n    - {close: 1000}\n    - *open\n"
    (scenario,) = parse_scenarios(text, "t.yaml", problems)

    assert scenario.steps[0] == scenario.steps[2]


KEYS = st.sampled_from(["name", "steps", "client", "open", "send", "binary", "expect", "expect_json", "expect_close", "expect_nothing", "within", "close", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["/x", "1s", "00", "(", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_whatever_it_says_the_answer_is_scenarios_or_problems(value):
    import json

    problems = Problems()
    text = json.dumps([value, {"name": "x", "steps": [value]}, {"name": "x", "steps": value}], ensure_ascii=True)
    scenarios = parse_scenarios(text, "t.yaml", problems)

    assert len(scenarios) < 3
    assert problems.errors
