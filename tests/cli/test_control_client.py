"""What the commands share that ask a running daemon."""

from __future__ import annotations

from wsrouter.cli.control_client import add_problems
from wsrouter.config.problems import Problems


def test_places_are_told_as_seen_from_here_and_not_from_the_daemon(here):
    (here / "mine").mkdir()
    problems = Problems()
    rest = add_problems(["mine/site.yaml:2:10: no: 1:2: x", "/etc/site.yaml:1:2: warning: hm", "no place"], str(here), problems)

    assert [str(problem) for problem in problems] == ["/etc/site.yaml:1:2: warning: hm", "mine/site.yaml:2:10: no: 1:2: x"]
    assert rest == ["no place"]
    add_problems(["site.yaml:2:10: no"], "/srv", elsewhere := Problems())
    assert [str(problem) for problem in elsewhere] == ["/srv/site.yaml:2:10: no"]


def test_places_of_a_daemon_that_has_no_folder_any_more_stay_as_they_are(here):
    add_problems(["site.yaml:2:10: no"], None, problems := Problems())

    assert [str(problem) for problem in problems] == ["site.yaml:2:10: no"]
