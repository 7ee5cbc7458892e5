from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from support.certificates import Authority
from wsrouter.config.problems import Problems
from wsrouter.config.settings import Admin
from wsrouter.config.site_file import HandlerProblem, load_plugin_folders, load_site_file

HERE = Path(__file__).parent
REFERENCE = HERE / "reference_site.yaml"
BAD_SITES = sorted((HERE / "bad_sites").glob("*.yaml"))


def test_the_reference_site_of_the_design_is_right(load_path, tmp_path):
    path = Path(shutil.copy(REFERENCE, tmp_path))
    authority = Authority(tmp_path)
    for file, name in zip(authority.sign("site"), ("c.pem", "k.pem"), strict=True):
        file.rename(tmp_path / name)
    loaded = load_path(path)

    assert loaded.lines == []
    assert [route.pattern for route in loaded.site.routes] == ["/echo", "/clock", "/room/{room}", "/shout/{room}"]
    assert [listen.address for listen in loaded.site.server.listen] == ["127.0.0.1:8765", "0.0.0.0:443", "unix:/run/wsrouter/ws.sock"]
    assert loaded.site.routes[2].settings.limits.message_rate.rate == 10.0
    assert loaded.site.tests == ("tests/*.yaml",)
    assert loaded.site.admin == Admin(address="127.0.0.1:9464")
    assert loaded.site.sources["server.limits.handshake"].line == 9


@pytest.mark.parametrize("path", BAD_SITES, ids=lambda path: path.stem)
def test_a_bad_site_gives_its_problems(load_path, path):
    """NAME.txt beside NAME.yaml holds what is said, one problem a line, without the file's own name."""
    loaded = load_path(path)

    assert loaded.site is None
    assert [line.removeprefix(f"{path.name}:") for line in loaded.lines] == path.with_suffix(".txt").read_text("utf-8").splitlines()


def test_twelve_mistakes_give_twelve_located_problems_with_cures():
    lines = (HERE / "bad_sites" / "twelve_mistakes.txt").read_text("utf-8").splitlines()

    assert len(lines) == 12
    assert all("write " in line or "did you mean" in line or "at least" in line or "above" in line for line in lines)


ODD = [
    "\t",
    "\0",
    "\x1b",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "*a",
    "&a ",
    "!!x ",
    '"',
    "'",
    "|\n",
    "---\n",
    "<<: ",
    "${X}",
    "${",
    "\ud7ff",
    "é",
    "%",
    "@",
    "`",
    "null",
    "9" * 30,
    "{now}",
    "\u2028",
    "\\",
    "#",
    "x" * 300,
]


def mutate(text: str, chance: random.Random) -> str:
    """The text with one to four pieces dropped, doubled, exchanged or put in."""
    for _ in range(chance.randint(1, 4)):
        lines = text.split("\n")
        line, other, at = chance.randrange(len(lines)), chance.randrange(len(lines)), chance.randrange(len(text) + 1)
        kind = chance.randrange(8)
        if kind == 0:
            del lines[line]
        elif kind == 1:
            lines.insert(line, lines[other])
        elif kind == 2:
            lines[line], lines[other] = lines[other], lines[line]
        elif kind == 3:
            lines[line] = " " * chance.randint(0, 6) + lines[line].lstrip()
        text = "\n".join(lines)
        if kind == 4:
            text = text[:at] + text[at + chance.randint(1, 5) :]
        elif kind == 5:
            text = text[:at] + chance.choice(ODD) + text[at:]
        elif kind == 6:
            text = text[:at] + text[at : at + 20][::-1] + text[at + 20 :]
        elif kind == 7:
            text = text.replace(*chance.choice([(": ", ":"), ("{", "["), ("s}", "}"), ("echo", "5"), ("1", "-1"), ('"', ""), ("broadcast", "periodic")]), 3)
    return text


@pytest.mark.parametrize("seed", range(10))
def test_fifty_mutations_of_the_reference_site_give_problems_and_never_an_exception(load, seed):
    """Ten seeds of fifty."""
    chance = random.Random(seed)
    for _ in range(50):
        text = mutate(REFERENCE.read_text("utf-8"), chance)
        loaded = load(text.encode("utf-8", "surrogatepass"))

        assert (loaded.site is None) == bool(loaded.problems.errors)
        for problem in loaded.problems:
            assert problem.place.line >= 1
            assert problem.place.column >= 1
            assert len(str(problem).splitlines()) == 1


@pytest.mark.parametrize("seed", range(5))
def test_any_bytes_within_the_reference_site_never_raise(load, seed):
    chance = random.Random(seed)
    for _ in range(20):
        data = bytearray(REFERENCE.read_bytes())
        for _ in range(3):
            data[chance.randrange(len(data))] = chance.randrange(256)
        loaded = load(bytes(data))

        assert (loaded.site is None) == bool(loaded.problems.errors)


def test_included_files_add_their_routes_in_the_order_of_their_names(load):
    loaded = load(
        "include: routes.d/*.yaml\nroutes:\n  /a: echo\n",
        {"routes.d/2.yaml": "routes: {/c: echo}", "routes.d/1.yaml": "routes: {/b: echo}", "routes.d/x.txt": "?"},
    )

    assert loaded.lines == []
    assert [route.pattern for route in loaded.site.routes] == ["/a", "/b", "/c"]
    assert [path.name for path in loaded.site.files] == ["site.yaml", "1.yaml", "2.yaml"]
    assert loaded.site.routes[1].place.file.endswith("routes.d/1.yaml")


def test_included_routes_have_the_defaults(load):
    loaded = load("include: [a.yaml]\ndefaults: {limits: {idle: 5s}}\n", {"a.yaml": "routes: {/b: echo}"})

    assert loaded.site.routes[0].settings.limits.idle == 5.0


@pytest.mark.parametrize(
    "include, files, problem",
    [
        ("a.yaml", {"a.yaml": "routes: {/a: echo}"}, "a.yaml:1:10: the route /a stands at site.yaml:2:10 already: delete one of them"),
        ("a.yaml", {"a.yaml": "server: {}"}, 'a.yaml:1:1: an included file holds routes: only, not "server": write it in the site\'s file'),
        ("a.yaml", {"a.yaml": "/b: echo"}, 'a.yaml:1:1: an included file holds routes: only, not "/b": write routes: above it'),
        ("a.yaml", {"a.yaml": "routes: {/b: eco}"}, "a.yaml:1:14: there is no handler 'eco'; did you mean the handler echo?"),
        ("a.yaml", {"a.yaml": "{a: b"}, "a.yaml:1:1: this { is not closed: add }"),
        ("none.yaml", {}, "site.yaml:1:10: there is no file none.yaml beside site.yaml: make it, or delete this"),
        ('"*.yaml"', {}, 'site.yaml:1:10: "*.yaml" names the site\'s own file: put what it includes into a folder, as routes.d/*.yaml'),
    ],
)
def test_what_is_wrong_in_an_included_file_is_told_there(load, include, files, problem):
    loaded = load(f"include: {include}\nroutes: {{/a: echo}}\n", files)

    assert loaded.site is None
    assert len(loaded.lines) == 1
    assert loaded.lines[0].startswith(problem)


def test_variables_are_filled_in_included_files_too(load):
    loaded = load("include: a.yaml\n", {"a.yaml": "routes: {/b: {shout: {suffix: '${END}'}}}"}, {"END": "?"})

    assert loaded.site.routes[0].steps[0].options == {"suffix": "?"}


def test_plugin_folders_are_beside_the_site(load, tmp_path):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "more").mkdir()

    assert load("routes: {/a: echo}").site.plugin_folders == (tmp_path / "plugins",)
    assert load("plugins: more\nroutes: {/a: echo}").site.plugin_folders == (tmp_path / "more",)
    assert load("plugins: []\nroutes: {/a: echo}").site.plugin_folders == ()
    assert load("plugins: {watch: true}\nroutes: {/a: echo}").lines == []


def test_only_the_plugin_folders_can_be_asked_for(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "site.yaml").write_text("plugins: more\nroutes: {/a: nothing}\nsever: 5\n")
    (tmp_path / "bad.yaml").write_text("plugins: {folders: 5}\n")
    problems = Problems()

    assert load_plugin_folders(tmp_path / "site.yaml", environ={}, problems=problems) == (tmp_path / "more",)
    assert not problems.errors
    assert load_plugin_folders(tmp_path / "bad.yaml", environ={}, problems=problems) is None
    assert len(problems.errors) == 1


def test_plugin_folders_that_cannot_be_read_are_a_problem(tmp_path):
    (tmp_path / "site.yaml").write_text("plugins: []\nroutes: {/a: echo}\n")
    problems = Problems()

    def refuse(folders):
        raise HandlerProblem("two files claim a name; rename one")

    assert load_site_file(tmp_path / "site.yaml", make_finder=refuse, pattern_params=lambda text: (), environ={}, problems=problems) is None
    assert [problem.message for problem in problems] == ["two files claim a name; rename one"]


def test_keys_of_the_sites_own_begin_with_x(load):
    loaded = load("x-mine: &mine {idle: 5s}\nroutes:\n  /a: {echo: {}, limits: *mine}\n  /b: {echo: {}, limits: {<<: *mine, age: 1h}}\n")

    assert loaded.lines == []
    assert [route.settings.limits.idle for route in loaded.site.routes] == [5.0, 5.0]


def test_a_site_without_routes_says_so(load):
    assert load("log: {}\n").lines == ['site.yaml:1:1: the site has no routes: add routes: and below it lines like "/echo: echo"']
    assert load("routes:\n").lines == ['site.yaml:1:1: warning: there is no route here: add lines like "/echo: echo"']
    assert load("include: routes.d/*.yaml\n").lines == []


def test_a_file_of_something_else_is_one_problem(load):
    text = 'version: "3"\nservices: {web: {image: nginx}}\nvolumes: {data: {}}\nnetworks: {}\n'
    cure = 'a site has routes: and below it lines like "/echo: echo"'
    assert load(text).lines == [f'site.yaml:1:1: this is no site: "version", "services", "volumes", … mean nothing here; {cure}']
    assert load("name: x\nsteps: []\n").lines == [f'site.yaml:1:1: this is no site: "name", "steps" mean nothing here; {cure}']
    assert len(load("/a: echo\n/b: echo\n").lines) == 3  # a site without its routes:
    assert len(load("name: x\nsteps: []\nroutes: {}\n").lines) == 2  # a site with keys that it does not know


def test_problems_that_were_there_before_do_not_count(tmp_path):
    (tmp_path / "site.yaml").write_text("routes: {}\n")
    problems = Problems()
    load_site_file(tmp_path / "none.yaml", make_finder=lambda folders: None, pattern_params=lambda text: (), environ={}, problems=problems)

    assert len(problems.errors) == 1
    assert load_site_file(tmp_path / "site.yaml", make_finder=lambda folders: None, pattern_params=lambda text: (), environ={}, problems=problems) is not None


def test_two_thousand_routes_are_checked_one_by_one(load):
    loaded = load("routes:\n" + "".join(f"  /r{n}/{{room}}: {{broadcast: {{topic: 'x/{{rom}}'}}}}\n" for n in range(2000)))

    assert len(loaded.problems.errors) == 2000
