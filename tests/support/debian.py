"""A new Debian machine in a folder: made by debootstrap, used by chroot, gone afterwards.

It comes from the mirror that this machine's own apt uses, and is of the same release.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from support.daemon import Daemon

APT: Final = Path("/etc/apt")
ENVIRON: Final = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}

_LINE: Final = re.compile(r"(?m)^deb (?:\[.*?\] )?(\S+) (\S+) ")
_UNSEEN: Final = ("dev", "proc", "sys", "tmp", "var/log", "var/cache", "var/lib/dpkg")
"""Folders that no package answers for."""


def missing() -> str:
    """What keeps this machine from making another; empty where nothing does."""
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed"
    if os.geteuid() != 0:
        return "debootstrap and chroot need root"
    return "" if find_mirror(APT, _codename()) else "apt has no source of this Debian release here"


def find_mirror(apt: Path, codename: str) -> str | None:
    """Where apt gets a release from, by its sources in either form."""
    for path in sorted([apt / "sources.list", *apt.glob("sources.list.d/*")]):
        text = path.read_text("utf-8") if path.is_file() else ""
        for paragraph in text.split("\n\n"):
            fields = dict(re.findall(r"(?m)^(\w+): *(.*)$", paragraph))
            if codename in fields.get("Suites", "").split() and "URIs" in fields:
                return _first_of_list(fields["URIs"].split()[0])
        for address, suite in _LINE.findall(text):
            if suite == codename:
                return _first_of_list(address)
    return None


def _first_of_list(address: str) -> str:
    """An address, or the first of a list of them in a file, apt-transport-mirror(1)."""
    scheme, _, path = address.partition(":")
    return Path(path).read_text("utf-8").split()[0] if scheme == "mirror+file" else address


def _codename() -> str:
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


class Machine:
    """The folder, and what is done in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def call(self, *command: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """Runs a command in it; stdout and stderr are one text."""
        return subprocess.run(
            self._inside(command, user), env=ENVIRON, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )

    def run(self, *command: str, user: str = "root") -> str:
        """The same for a command that must succeed; its output.

        Raises:
            AssertionError: if it does not, with what it printed.
        """
        done = self.call(*command, user=user)
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def put(self, source: Path) -> str:
        """Copies a file into its /tmp; the path there."""
        shutil.copy(source, self.root / "tmp" / source.name)
        return f"/tmp/{source.name}"

    def files(self) -> set[str]:
        """All paths in it, but for those that change by themselves."""
        found: set[str] = set()
        for folder, folders, names in os.walk(self.root):
            at = os.path.relpath(folder, self.root)
            folders[:] = [name for name in folders if os.path.normpath(f"{at}/{name}") not in _UNSEEN]
            found |= {os.path.normpath(f"{at}/{name}") for name in (*folders, *names)}
        return found

    @contextmanager
    def daemon(self, *command: str, user: str) -> Iterator[Daemon]:
        """A daemon that runs in it while the body lasts, and ends with 0 after it."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
        daemon = Daemon(subprocess.Popen(self._inside(command, user), env=ENVIRON, **options))
        try:
            yield daemon
            status = daemon.stop()
            assert status == 0, f"exit status {status} after SIGTERM\n{daemon.transcript()}"
        finally:
            daemon.kill()
        daemon.assert_no_traceback()

    def _inside(self, command: Sequence[str], user: str) -> list[str]:
        return ["chroot", f"--userspec={user}:{user}", str(self.root), *command]


@contextmanager
def new_machine(root: Path, *packages: str) -> Iterator[Machine]:
    """A machine with nothing but what every Debian has, and these packages."""
    codename = _codename()
    mirror = find_mirror(APT, codename)
    assert mirror is not None
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", codename, str(root), mirror]
    try:
        done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, "debootstrap failed:\n" + "\n".join(done.stdout.splitlines()[-20:])
        yield Machine(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
