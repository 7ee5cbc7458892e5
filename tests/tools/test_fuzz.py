from __future__ import annotations

import pytest

from tools import fuzz
from tools.fuzz import Finding
from tools.fuzz_inputs import MOST_BYTES, Mutator, pieces
from tools.fuzz_targets import TARGETS, Target

CORPUS = [b"first", b"second line\nthird line\n"]


def target(run, most_s=0.25):
    return Target(run, CORPUS, [b"word"], most_s)


def fail_on_words(data):
    if b"word" in data:
        raise KeyError(data)


def spin(data):
    while b"s" in data:
        pass


@pytest.fixture(autouse=True)
def _stalls_are_noticed():
    before = fuzz.signal.signal(fuzz.signal.SIGPROF, fuzz._stalled)
    yield
    fuzz.signal.signal(fuzz.signal.SIGPROF, before)


def test_an_input_follows_from_the_seed_and_its_number_and_the_corpus_comes_first():
    made = [Mutator(CORPUS, [b"word"], "1").make(number) for number in range(50)]
    again = Mutator(CORPUS, [b"word"], "1")
    assert made == [again.make(number) for number in range(49, -1, -1)][::-1]
    assert CORPUS == made[:2]
    assert len(set(made)) > 40
    assert made[2:] != [Mutator(CORPUS, [b"word"], "2").make(number) for number in range(2, 50)]
    assert all(len(data) <= MOST_BYTES for data in made)


@pytest.mark.parametrize("data", [b"", b"a", bytes(300), b"xyz" * 50_000])
def test_pieces_are_the_whole_and_cut_the_same_each_time(data):
    assert data == b"".join(pieces(data))
    assert all(pieces(data))
    assert pieces(data) == pieces(data)


@pytest.mark.parametrize("run, what", [(fail_on_words, "KeyError"), (spin, "took more than 0.05 s of processor time")])
def test_what_fails_is_found_written_down_and_repeated(monkeypatch, capsys, tmp_path, run, what):
    monkeypatch.setitem(TARGETS, "broken", target(run, 0.05))
    assert 1 == fuzz.main(["broken", "--seconds", "5", "--folder", str(tmp_path)])
    shown = capsys.readouterr().out
    assert what in shown
    (path,) = tmp_path.iterdir()
    assert f"./dev fuzz broken --repeat {path}" in shown
    assert 1 == fuzz.main(["broken", "--repeat", str(path)])
    assert what in capsys.readouterr().out


def test_memory_that_is_left_behind_is_found(monkeypatch, tmp_path):
    kept = []
    ticks = iter(range(10_000))
    left = target(lambda _: kept.append(b"x" * 20_000))
    count, finding = fuzz.fuzz("leak", left, 5000, "1", clock=lambda: next(ticks))
    assert isinstance(finding, Finding)
    assert "MiB are left behind" in finding.what
    assert count > 500
    assert "left behind" in fuzz.report(finding, tmp_path)


def test_an_input_that_needs_much_memory_at_once_is_found():
    assert "MiB at once" in (fuzz.run_one(target(lambda _: len(bytes(200 * fuzz.MIB).replace(b"\0", b"\1")), 20.0), b"") or "")


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_of_every_target_and_its_first_mutations_pass(name):
    mutator = Mutator(TARGETS[name].corpus, TARGETS[name].words, "tests")
    assert [] == [what for number in range(60) if (what := fuzz.run_one(TARGETS[name], mutator.make(number)))]
