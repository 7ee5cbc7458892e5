"""`wsrouter pip`: where it installs, and what it says where it cannot. tests/tools/test_deb.py runs it for real."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from wsrouter.cli.errors import CommandError
from wsrouter.cli.pip import CONSTRAINTS, LINK, find_environment, pip_command


@pytest.fixture
def folder():
    """A folder that other users may look into, as those of pytest may not."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def installed(folder):
    """The two environments as the Debian package has them: the daemon's own, and that of added packages."""
    own, added = folder / "own", folder / "added"
    (own / "lib/python3.11/site-packages/pip").mkdir(parents=True)
    (own / "lib/python3.11/site-packages/pip/__main__.py").touch()
    (added / "lib/python3.11/site-packages").mkdir(parents=True)
    (added / "bin").mkdir()
    (added / "bin/python3").touch()
    (own / "lib/python3.11/site-packages" / LINK).write_text(f"{added}/lib/python3.11/site-packages\n")
    return own, added


def test_outside_of_the_package_it_says_what_to_do_instead(wsrouter):
    code, out, err = wsrouter("pip", "install", "asyncpg>=0.29")
    assert (code, out) == (1, "")
    assert err.endswith(f"this wsrouter runs in {sys.prefix}: {sys.executable} -m pip install 'asyncpg>=0.29'\n")
    assert err.count("\n") == 1


def test_without_arguments_it_is_wrong_usage(wsrouter):
    assert wsrouter("pip") == (2, "", "wsrouter pip needs a command of pip, as in wsrouter pip install asyncpg\n")


def test_the_environment_is_where_the_link_leads(installed):
    own, added = installed
    assert added == find_environment(own / "lib/python3.11/site-packages")
    assert find_environment(added / "lib/python3.11/site-packages") is None


def test_what_is_installed_must_fit_the_packages_of_the_daemon(installed):
    own, added = installed
    start = [str(added / "bin/python3"), "-I", "-m", "pip", "--disable-pip-version-check"]
    assert [*start, "install", "--constraint", str(own / CONSTRAINTS), "-U", "asyncpg"] == pip_command(added, own, ["install", "-U", "asyncpg"])
    assert [*start, "list", "--local"] == pip_command(added, own, ["list", "--local"])


def test_who_may_not_write_is_told_to_use_sudo_and_may_still_look(installed):
    own, added = installed
    (added / "lib").chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(CommandError, match=r"added: may not be written by this user; sudo wsrouter pip uninstall asyncpg$"):
            pip_command(added, own, ["uninstall", "asyncpg"])
        assert pip_command(added, own, ["list"])
    finally:
        if root:
            os.seteuid(0)
        (added / "lib").chmod(0o755)


def test_a_package_that_lost_its_parts_is_to_be_installed_again(installed):
    own, added = installed
    (own / "lib/python3.11/site-packages/pip/__main__.py").unlink()
    with pytest.raises(CommandError, match=r"own: there is no pip in this environment; install the package wsrouter again"):
        pip_command(added, own, ["list"])
    (added / "bin/python3").unlink()
    with pytest.raises(CommandError, match=r"added/bin/python3: this interpreter of the package is missing"):
        pip_command(added, own, ["list"])
