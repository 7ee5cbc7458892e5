"""Where control sockets are: the daemon's place, and the places where commands look."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wsrouter.daemon.control_path import LONGEST_PATH_BYTES, control_path, control_paths, folder_problem, socket_name, trusted

SITE = Path("/etc/wsrouter/site.yaml")
NAME = socket_name(SITE)


@pytest.mark.parametrize(
    "environ, uid, path, mode",
    [
        ({"RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/run/user/1"}, 0, "/run/a", 0o660),
        ({"RUNTIME_DIRECTORY": "", "XDG_RUNTIME_DIR": "/run/user/1"}, 1, "/run/user/1/wsrouter", 0o600),
        ({"XDG_RUNTIME_DIR": "", "TMPDIR": "/var/tmp"}, 7, "/var/tmp/wsrouter-7", 0o600),
        ({}, 7, "/tmp/wsrouter-7", 0o600),
        ({}, 0, "/run/wsrouter", 0o600),
    ],
)
def test_the_daemon_listens_in_the_folder_of_systemd_else_of_the_session_else_of_root_else_of_its_own(environ, uid, path, mode):
    place = control_path(SITE, environ, uid)

    assert (place.path, place.mode, place.given) == (Path(path, NAME), mode, "RUNTIME_DIRECTORY" in environ and bool(environ["RUNTIME_DIRECTORY"]))


@pytest.mark.parametrize("environ", [{}, {"RUNTIME_DIRECTORY": "/run/a"}, {"XDG_RUNTIME_DIR": "/run/user/9"}, {"TMPDIR": "/x"}])
@pytest.mark.parametrize("uid", [0, 7])
def test_a_command_looks_wherever_the_daemon_of_the_same_surroundings_listens(environ, uid):
    assert control_path(SITE, environ, uid).path in control_paths(SITE, environ, uid)


def test_a_command_of_root_looks_for_the_daemon_of_systemd_behind_that_of_the_session():
    assert control_paths(SITE, {"XDG_RUNTIME_DIR": "/run/user/0"}, 0) == [
        Path("/run/user/0/wsrouter", NAME),
        Path("/run/wsrouter", NAME),
        Path("/tmp/wsrouter-0", NAME),
    ]


def test_the_name_is_that_of_the_absolute_path_and_the_same_from_everywhere(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")

    assert socket_name(Path("site.yaml")) == socket_name(Path("../folder/./site.yaml")) == socket_name(tmp_path / "folder" / "site.yaml")
    assert socket_name(Path("site.yaml")) != socket_name(Path("../site.yaml"))
    assert NAME == "site-ceff27dd.sock"


def test_a_site_with_any_name_has_a_short_plain_one_here():
    name = socket_name(Path("/x/été/../../" + "ö b/" * 9 + "été: " * 50 + "\n\udcff.yaml"))

    assert name.isascii() and name.isprintable() and "/" not in name
    assert len(name) <= LONGEST_PATH_BYTES - len("/run/user/1000000000/wsrouter/")


def test_a_link_that_is_pointed_elsewhere_keeps_its_daemon(tmp_path):
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
    link = tmp_path / "current"
    link.symlink_to("one")
    name = socket_name(link / "site.yaml")
    link.unlink()
    link.symlink_to("two")

    assert socket_name(link / "site.yaml") == name


def test_a_folder_is_safe_that_is_ours_and_that_only_we_write_in(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(0o700)
    link = tmp_path / "link"
    link.symlink_to(folder)

    assert folder_problem(folder) is None
    assert folder_problem(link) == f"{link} is no folder"
    assert folder_problem(folder, os.geteuid() + 1) == f"{folder} belongs to another user (uid {os.geteuid()})"
    folder.chmod(0o770)
    assert folder_problem(folder) == f"others may write in {folder} (mode 0770)"


def test_a_command_does_not_talk_to_what_others_have_put_into_the_temporary_folder(tmp_path):
    folder = tmp_path / f"wsrouter-{os.geteuid()}"
    environ = {"TMPDIR": str(tmp_path)}
    paths = control_paths(SITE, environ)

    assert folder / NAME in paths
    assert folder / NAME not in trusted(paths, environ)  # not there
    folder.mkdir(0o700)
    assert folder / NAME in trusted(paths, environ)
    folder.chmod(0o777)
    assert folder / NAME not in trusted(paths, environ)
