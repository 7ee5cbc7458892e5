"""Plugins that others may change; as root, files can belong to anybody, elsewhere those tests are left out."""

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest

from wsrouter.config.finder import HandlerProblem
from wsrouter.plugins.exposure import find_exposure
from wsrouter.plugins.library import HandlerLibrary

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
HELLO = "async def hello(websocket):\n    pass\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plugins = tmp_path / "plugins"
    plugins.mkdir(mode=0o755)
    (plugins / "hello.py").write_text(HELLO)
    (plugins / "hello.py").chmod(0o644)
    return plugins


def problem_of(folder, name="hello"):
    with pytest.raises(HandlerProblem) as caught:
        HandlerLibrary([folder]).find(name)
    return f"{caught.value.place}: {caught.value.message}"


def test_a_folder_and_file_of_ones_own_are_fine(folder):
    assert "hello" == HandlerLibrary([folder]).find("hello").name


@pytest.mark.parametrize(
    ("mode", "command"), [(0o666, "chmod go-w plugins/hello.py"), (0o646, "chmod o-w plugins/hello.py"), (0o777, "chmod go-w plugins/hello.py")]
)
def test_a_file_that_everybody_may_write_is_refused_with_the_command_that_mends_it(folder, mode, command):
    (folder / "hello.py").chmod(mode)
    assert f"plugins/hello.py:1:1: every user may write here and so have any code run; {command}" == problem_of(folder)


def test_a_folder_that_everybody_may_write_is_refused(folder):
    folder.chmod(0o777)
    assert problem_of(folder).endswith("chmod go-w plugins")
    assert problem_of(folder).startswith("plugins:1:1: ")


def test_in_a_folder_like_tmp_each_file_counts_by_itself(folder):
    folder.chmod(0o1777)
    assert "hello" == HandlerLibrary([folder]).find("hello").name
    (folder / "hello.py").chmod(0o666)
    assert "chmod go-w" in problem_of(folder)


def test_a_folder_within_is_looked_at_too(folder):
    (folder / "chat").mkdir()
    (folder / "chat" / "__init__.py").write_text(HELLO)
    (folder / "chat").chmod(0o777)
    assert problem_of(folder, "chat").endswith("chmod go-w plugins/chat")


def test_a_helper_that_others_may_write_is_refused_where_it_is_imported(folder):
    (folder / "hello.py").write_text("import helpers\n" + HELLO)
    (folder / "helpers.py").write_text("")
    (folder / "helpers.py").chmod(0o666)
    assert problem_of(folder).startswith("plugins/helpers.py:1:1: every user may write here")


def test_the_cure_quotes_what_a_shell_would_split(folder):
    (folder / "hello.py").rename(folder / "hello there.py")
    (folder / "hello there.py").chmod(0o666)
    assert problem_of(folder, "hello there").endswith("chmod go-w 'plugins/hello there.py'")


@ROOT_ONLY
def test_a_group_may_write_only_if_it_is_the_owners_own(folder):
    file = folder / "hello.py"
    file.chmod(0o664)
    os.chown(file, 0, 0)
    assert "hello" == HandlerLibrary([folder]).find("hello").name, "root's own group: a umask of 002 is usual where each user has a group"
    shared = next(group for group in grp.getgrall() if group.gr_gid != 0)
    os.chown(file, 0, shared.gr_gid)
    assert f"the group {shared.gr_name} may write here" in problem_of(folder)


@ROOT_ONLY
def test_a_file_of_another_user_is_refused(folder):
    other = next(user for user in pwd.getpwall() if user.pw_uid != 0)
    os.chown(folder / "hello.py", other.pw_uid, 0)
    assert f"belongs to {other.pw_name} (uid {other.pw_uid})" in problem_of(folder)
    assert problem_of(folder).endswith("chown root plugins/hello.py")


def test_a_group_without_a_name_is_not_the_owners_own(folder):
    status = os.stat_result((stat.S_IFREG | 0o664, 1, 1, 1, 0, 424_242, 0, 0, 0, 0))

    assert find_exposure(folder / "hello.py", status) is not None, "root is not in group 424242"


def test_a_link_within_the_folder_is_followed_and_one_that_leads_out_is_not(folder, tmp_path):
    (folder / "data").mkdir()
    (folder / "data" / "real.py").write_text(HELLO)
    (folder / "linked.py").symlink_to("data/real.py")
    assert "linked" == HandlerLibrary([folder]).find("linked").name
    (tmp_path / "outside.py").write_text(HELLO)
    (folder / "out.py").symlink_to("../outside.py")
    assert problem_of(folder, "out").startswith(f"plugins/out.py:1:1: leads out of plugins to {tmp_path / 'outside.py'}; ")


def test_the_folder_itself_may_be_a_link(folder, tmp_path):
    Path(tmp_path / "current").symlink_to("plugins")
    assert "hello" == HandlerLibrary([tmp_path / "current"]).find("hello").name


def test_for_development_it_is_only_noted(folder):
    (folder / "hello.py").chmod(0o666)
    library = HandlerLibrary([folder], trusting=True)
    assert "hello" == library.find("hello").name
    ((place, text),) = library.exposures()
    assert ("plugins/hello.py:1:1", True) == (str(place), text.endswith("chmod go-w plugins/hello.py"))
