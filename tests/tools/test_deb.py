"""The Debian package: built, installed on a new machine, upgraded and purged there; and its parts."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from support.client import connect
from support.daemon import ROOT
from support.debian import find_mirror, missing, new_machine
from tools import deb
from tools.deb import BuildError, build, check_tools, constraints, debian_version, library_packages, licence_of, next_version, placed_files
from wsrouter import __version__

SITE = """\
server: {listen: 127.0.0.1:0}
plugins: plugins
routes:
  /echo: echo
  /greet: greet
"""
BACKUPS = {"etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-"}
"""Whoever adds a user to a machine leaves these."""
OBSOLETE = "usr/lib/wsrouter/obsolete.py"
PLUGIN = """\
from greetings import greeting
from wsrouter import Handler


class Greet(Handler[str]):
    def on_message(self, connection, message: str) -> str:
        return greeting(message)
"""


def make_wheel(folder, name="greetings", version="1.0", requires=""):
    """A package from nowhere, as plugins may need one."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "def greeting(name):\n    return f'hello, {name}'\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


def make_older(package, folder):
    """The package as an older version of it might have been: another number, and a module that the newer one has not."""
    subprocess.run(["dpkg-deb", "-R", str(package), str(folder)], check=True)
    control = folder / "DEBIAN" / "control"
    control.write_text(control.read_text().replace(f"Version: {debian_version(__version__)}\n", "Version: 0.0.9\n"))
    (folder / OBSOLETE).write_text("")
    path = folder.parent / "wsrouter_0.0.9.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(folder), str(path)], check=True, capture_output=True)
    return path


needs_build = pytest.mark.skipif(not shutil.which("dpkg-deb") or not Path(deb.PYTHON).exists(), reason="dpkg-deb or Debian's /usr/bin/python3 is not installed")


@pytest.mark.slow
@pytest.mark.timeout(400)
@needs_build
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_on_a_new_machine_it_installs_serves_takes_packages_for_plugins_upgrades_and_leaves_nothing(tmp_path):
    package = build(tmp_path, compression="gzip")
    with new_machine(tmp_path / "machine", "python3") as machine:
        before = machine.files()
        file = machine.put(package)
        machine.run("dpkg", "-i", machine.put(make_older(package, tmp_path / "older")))
        assert (machine.root / OBSOLETE).exists()

        assert_serves_as_installed(machine)
        assert_compiled_modules_find_their_libraries(machine)
        assert_a_plugin_gets_its_package(machine, tmp_path)
        assert_an_upgrade_keeps_what_was_changed(machine, file)

        machine.run("dpkg", "--purge", "wsrouter")
        assert set() == machine.files() - before - BACKUPS
        assert set() == before - machine.files()
        assert machine.call("id", "wsrouter").returncode == 1


def assert_serves_as_installed(machine):
    assert machine.run("wsrouter", "check") == "/etc/wsrouter/site.yaml: ok, 1 route\n"
    assert machine.run("wsrouter", "--version").startswith(f"wsrouter {__version__} (python ")
    with machine.daemon("wsrouter", "run", "--listen", "127.0.0.1:0", user="wsrouter") as daemon, connect(daemon.url("/echo")) as client:
        client.send("bonjour")
        assert client.recv() == "bonjour"


def assert_compiled_modules_find_their_libraries(machine):
    modules = [f"/{path}" for path in machine.files() if path.startswith("usr/lib/wsrouter/") and ".so" in Path(path).suffixes]
    assert len(modules) > 10
    assert "not found" not in machine.run("ldd", *modules)


def assert_a_plugin_gets_its_package(machine, folder):
    (machine.root / "etc/wsrouter/site.yaml").write_text(SITE)
    (machine.root / "etc/wsrouter/plugins/greet.py").write_text(PLUGIN)
    assert "No module named 'greetings'" in machine.call("wsrouter", "check").stdout

    wheel = machine.put(make_wheel(folder))
    refused = machine.call("wsrouter", "pip", "install", "--no-index", wheel, user="wsrouter")
    assert refused.stdout == f"/var/lib/wsrouter/packages: may not be written by this user; sudo wsrouter pip install --no-index {wheel}\n"
    assert "Successfully installed greetings-1.0" in machine.run("wsrouter", "pip", "install", "--no-index", wheel)
    assert "greetings" in machine.run("wsrouter", "pip", "list", "--local", user="wsrouter")

    other = machine.put(make_wheel(folder, "demanding", requires="Requires-Dist: websockets<10\n"))
    assert "websockets" in machine.call("wsrouter", "pip", "install", "--no-index", other).stdout
    assert_greets(machine)


def assert_greets(machine):
    assert machine.run("wsrouter", "check") == "/etc/wsrouter/site.yaml: ok, 2 routes\n"
    with machine.daemon("wsrouter", "run", user="wsrouter") as daemon, connect(daemon.url("/greet")) as client:
        client.send("world")
        assert client.recv() == "hello, world"


def assert_an_upgrade_keeps_what_was_changed(machine, file):
    assert f"Unpacking wsrouter ({debian_version(__version__)}) over (0.0.9)" in machine.run("dpkg", "-i", file)
    assert not (machine.root / OBSOLETE).exists()
    assert_greets(machine)
    machine.run("dpkg", "--remove", "wsrouter")
    assert (machine.root / "etc/wsrouter/site.yaml").read_text() == SITE
    machine.run("dpkg", "-i", file)
    assert_greets(machine)


@pytest.mark.slow
@pytest.mark.timeout(300)
@needs_build
def test_two_builds_are_the_same_byte_by_byte_and_hold_no_path_of_theirs(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second = (build(tmp_path / name, compression="gzip") for name in ("first", "second"))
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)}) == 1

    subprocess.run(["dpkg-deb", "-x", str(first), str(tmp_path / "out")], check=True)
    stray = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and not path.is_symlink() and b"wsrouter-deb-" in path.read_bytes()]
    assert [] == stray
    listing = subprocess.run(["dpkg-deb", "-c", str(first)], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {line.split()[1] for line in listing} == {"root/root"}


def test_what_goes_into_it_is_there():
    assert [] == [str(source.relative_to(ROOT)) for source, _ in placed_files() if not source.is_file()]
    assert all(os.access(ROOT / "deploy" / "debian" / name, os.R_OK) for name in (*deb.SCRIPTS, "control"))


def test_what_root_installs_for_plugins_is_below_no_folder_of_the_daemon():
    deploy = ROOT / "deploy"
    assert "StateDirectory=wsrouter/state" in (deploy / "wsrouter.service").read_text().splitlines()
    assert "d /var/lib/wsrouter 0755 root root" in (deploy / "wsrouter.tmpfiles").read_text().splitlines()


@pytest.mark.parametrize("name", deb.SCRIPTS)
def test_the_scripts_of_the_package_are_plain_shell(name):
    assert subprocess.run(["sh", "-n", str(ROOT / "deploy" / "debian" / name)], capture_output=True, check=True).stderr == b""


def test_the_lock_of_the_package_holds_what_the_daemon_is_tested_with():
    def versions(name):
        return {line.partition(" ;")[0] for line in constraints((ROOT / "requirements" / name).read_text()).splitlines()}

    assert versions("package.lock") <= versions("dev.lock")
    assert {"pyjwt", "cryptography", "bcrypt", "uvloop"} <= {line.partition("==")[0] for line in versions("package.lock")}


def test_constraints_are_this_version_and_those_of_the_lock():
    lock = "attrs==26.1.0 \\\n    --hash=sha256:00\nuvloop==0.23.0 ; sys_platform != 'win32' \\\n    --hash=sha256:00\n"
    assert f"wsrouter=={__version__}\nattrs==26.1.0\nuvloop==0.23.0 ; sys_platform != 'win32'\n" == constraints(lock)


@pytest.mark.parametrize("version, expected", [("0.1.0", "0.1.0"), ("0.2.0rc1", "0.2.0~rc1"), ("0.2.0.dev3", "0.2.0~dev3"), ("1.0a2", "1.0~a2")])
def test_dpkg_puts_what_comes_before_a_release_before_it(version, expected):
    assert expected == debian_version(version)


def test_compiled_packages_fit_one_version_of_python():
    assert ("3.12", "4.1") == (next_version("3.11"), next_version("4.0"))


def test_libraries_become_dependencies_and_an_unknown_one_is_refused(tmp_path):
    module, other = tmp_path / "one.so", tmp_path / "other.so"
    module.write_bytes(b"\x7fELF\0libc.so.6\0libgcc_s.so.1\0GLIBC_2.17\0GLIBC_2.28\0")
    other.write_bytes(b"\x7fELF\0libodd.so.3\0")
    assert ["libc6 (>= 2.28)", "libgcc-s1"] == library_packages(iter([module]))
    with pytest.raises(BuildError, match=r"other\.so needs libodd\.so\.3"):
        library_packages(iter([module, other]))


def test_the_licence_is_what_the_metadata_say(tmp_path):
    for licence in ("License-Expression: MIT\nLicense: no\n", "Classifier: License :: OSI Approved :: MIT\n", "License: MIT\n"):
        (tmp_path / "METADATA").write_text(f"Name: a\nVersion: 1\n{licence}")
        assert ("a 1", "MIT") == licence_of(tmp_path)


def test_a_missing_interpreter_is_named_with_its_cure(tmp_path, capsys):
    if shutil.which("dpkg-deb"):
        with pytest.raises(BuildError, match=r"python9 is not installed: .*apt-get install python3-venv"):
            check_tools("/usr/bin/python9")
    assert deb.main([str(tmp_path), "--python", "/usr/bin/python9"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_mirror_is_that_of_the_release_in_either_form_of_sources(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    assert find_mirror(tmp_path, "bookworm") is None
    (tmp_path / "sources.list").write_text("# nothing\ndeb [signed-by=/a] mirror:one bookworm main\ndeb mirror:two trixie main\n")
    assert ("mirror:one", "mirror:two") == (find_mirror(tmp_path, "bookworm"), find_mirror(tmp_path, "trixie"))
    (tmp_path / "sources.list.d" / "debian.sources").write_text(
        "Types: deb\n# once\nURIs: mirror:three\nSuites: sid sid-updates\n\nTypes: deb\nURIs: x\nSuites: y\n"
    )
    assert find_mirror(tmp_path, "sid") == "mirror:three"
    (tmp_path / "mirrors").write_text("mirror:four\nmirror:five\n")
    (tmp_path / "sources.list").write_text(f"deb mirror+file:{tmp_path}/mirrors forky main\n")
    assert find_mirror(tmp_path, "forky") == "mirror:four"
