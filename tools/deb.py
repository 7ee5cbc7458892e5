"""Builds the Debian package: `python -m tools.deb [FOLDER]`, with plain dpkg-deb.

It holds an environment of its own under /usr/lib/wsrouter with the packages of requirements/package.lock and pip. The interpreter
is the system's: the package fits the version of Python that it was built with, and says so in its dependencies. What else it
holds lies in deploy/, or is made from the code: manual pages, completion, the schema.

The same checkout, interpreter and SOURCE_DATE_EPOCH (by default the time of the last commit) give the same file, byte by byte.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.parser import HeaderParser
from email.utils import format_datetime
from pathlib import Path
from typing import Final

import shtab

from tools.manpages import command_page, site_page
from wsrouter import __version__
from wsrouter.cli.main import COMMANDS, make_parser
from wsrouter.cli.schema import schema_text

ROOT: Final = Path(__file__).resolve().parent.parent
PYTHON: Final = "/usr/bin/python3"
HOME: Final = Path("usr/lib/wsrouter")
PACKAGES: Final = Path("var/lib/wsrouter/packages")
"""Where `wsrouter pip` installs."""
UNITS: Final = Path("usr/lib/systemd/system")
UNIT_SUFFIXES: Final = (".service", ".socket", ".sysusers", ".tmpfiles")
DOCS: Final = Path("usr/share/doc/wsrouter")
MAINTAINER: Final = "wsrouter contributors <wsrouter@localhost>"
SCRIPTS: Final = ("postinst", "prerm", "postrm")

LIBRARIES: Final = {
    **dict.fromkeys(("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"), "libc6"),
    "libgcc_s.so.1": "libgcc-s1",
    "libstdc++.so.6": "libstdc++6",
}
"""The shared libraries that compiled packages may need, and the Debian packages that hold them."""

_NEEDED: Final = re.compile(rb"\0((?:lib|ld-)[A-Za-z0-9_+.-]+\.so(?:\.\d+)?)(?=\0)")
_GLIBC: Final = re.compile(rb"GLIBC_(\d+)\.(\d+)")


class BuildError(Exception):
    """The package cannot be built here; the text is one line that says why and what to do."""


def build(folder: Path, python: str = PYTHON, compression: str = "xz") -> Path:
    """Builds the package into a folder; returns its path.

    Raises:
        BuildError: if something that it takes is missing, or one of the steps fails.
    """
    check_tools(python)
    epoch = source_date_epoch()
    environ = build_environ(epoch)
    with tempfile.TemporaryDirectory(prefix="wsrouter-deb-") as work:
        stage = Path(work, "stage")
        stage.mkdir(mode=0o755)
        version = python_version(python)
        make_environment(stage, python, version, environ)
        add_packages_folder(stage, version)
        add_files(stage, datetime.fromtimestamp(epoch, UTC))
        add_bundled_copyright(stage, version)
        compile_all(stage, python, environ)
        add_control(stage, version)
        result = folder / f"wsrouter_{debian_version(__version__)}_{architecture()}.deb"
        folder.mkdir(parents=True, exist_ok=True)
        run(["dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", str(stage), str(result)], environ)
    return result


def check_tools(python: str) -> None:
    """Looks for what the build needs.

    Raises:
        BuildError: with what is missing.
    """
    if not shutil.which("dpkg-deb"):
        raise BuildError("dpkg-deb is not installed: a .deb is built on Debian, or a distribution made of it")
    if not Path(python).exists():
        raise BuildError(f"{python} is not installed: the package runs with Debian's Python, and is built with it; apt-get install python3-venv")
    try:
        run([python, "-c", "import ensurepip, venv"])
    except BuildError:
        raise BuildError(f"{python} cannot make environments; apt-get install python3-venv") from None


def source_date_epoch() -> int:
    """The time that all files get: as the environment says, else that of the last commit, else that of the changelog."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    try:
        return int(run(["git", "log", "-1", "--format=%ct"]))
    except (OSError, BuildError, ValueError):
        return int((ROOT / "CHANGELOG.md").stat().st_mtime)


def build_environ(epoch: int) -> dict[str, str]:
    """The environment of all steps: pip's settings and proxies stay, what would change Python's ways goes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"}
    return kept | {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "LC_ALL": "C.UTF-8"}


def run(command: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
    """Runs a step in the checkout; its output.

    Raises:
        BuildError: if it fails, with the end of its output.
    """
    environ = None if environ is None else dict(environ)
    done = subprocess.run(command, env=environ, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)  # noqa: S603  ours
    if done.returncode:
        raise BuildError(f"{' '.join(command)} failed:\n" + "\n".join(done.stdout.splitlines()[-20:]))
    return done.stdout


def python_version(python: str) -> str:
    """`3.11`."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return run([python, "-c", code]).strip()


def debian_version(version: str) -> str:
    """The version as dpkg orders it: `0.2.0rc1` comes before `0.2.0`."""
    return re.sub(r"\.?((?:a|b|rc|dev)\d+)", r"~\1", version)


def architecture() -> str:
    """`amd64`."""
    return run(["dpkg", "--print-architecture"]).strip()


def site_packages(version: str) -> Path:
    """Where packages are in an environment."""
    return Path("lib", f"python{version}", "site-packages")


def make_environment(stage: Path, python: str, version: str, environ: Mapping[str, str]) -> None:
    """The daemon's environment, fit to be moved to /usr/lib/wsrouter: no path of the build is left in it."""
    home = stage / HOME
    run([python, "-m", "venv", "--symlinks", str(home)], environ)
    pip = [str(home / "bin" / "python3"), "-I", "-m", "pip"]
    install = [*pip, "install", "--quiet", "--no-compile", "--no-warn-script-location"]
    run([*install, "--only-binary", ":all:", "--require-hashes", "-r", "requirements/package.lock"], environ)
    wheels = stage.parent / "wheels"
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)], environ)
    run([*install, "--no-deps", "--no-index", *map(str, wheels.glob("*.whl"))], environ)
    run([*pip, "uninstall", "--quiet", "--yes", "setuptools"], environ)
    (home / "constraints.txt").write_text(constraints((ROOT / "requirements" / "package.lock").read_text("utf-8")), "utf-8")
    make_movable(home, version)


def constraints(lock: str) -> str:
    """What `wsrouter pip` must not change: this wsrouter, and the versions of the lock without their hashes."""
    pinned = re.findall(r"(?m)^([a-z0-9][^\s;]*==[^\s;\\]+)( ;[^\\\n]*)?", lock)
    return "".join(f"{name}{condition.rstrip()}\n" for name, condition in [(f"wsrouter=={__version__}", ""), *pinned])


def make_movable(home: Path, version: str) -> None:
    """Rewrites what names the folder of the build: the scripts, the settings of the environment, the records of pip."""
    for path in (home / "bin").iterdir():
        if not path.name.startswith("python"):
            path.unlink()
    for name in ("include", "lib64"):
        path = home / name
        path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)
    script = home / "bin" / "wsrouter"
    script.write_text(f"#!/{HOME}/bin/python3 -P\nimport sys\n\nfrom wsrouter.cli.main import main\n\nsys.exit(main())\n", "utf-8")
    script.chmod(0o755)
    write_settings(home, version)
    packages = home / site_packages(version)
    for info in packages.glob("*.dist-info"):
        (info / "direct_url.json").unlink(missing_ok=True)
        record = info / "RECORD"
        lines = record.read_text("utf-8").splitlines(keepends=True)
        record.write_text("".join(line for line in lines if not line.startswith(("../", f"{info.name}/direct_url.json"))), "utf-8")
    shutil.rmtree(packages / "_distutils_hack", ignore_errors=True)
    for cache in home.rglob("__pycache__"):
        shutil.rmtree(cache)


def write_settings(home: Path, version: str) -> None:
    """What makes a folder an environment of the system's interpreter."""
    (home / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {version}\n", "utf-8")


def add_packages_folder(stage: Path, version: str) -> None:
    """The environment of `wsrouter pip`: it sees the daemon's packages, and the daemon sees what is in it."""
    packages = PACKAGES / site_packages(version)
    (stage / packages).mkdir(parents=True)
    (stage / packages / "wsrouter.pth").write_text(f"/{HOME / site_packages(version)}\n", "utf-8")
    (stage / HOME / site_packages(version) / "wsrouter-packages.pth").write_text(f"/{packages}\n", "utf-8")
    write_settings(stage / PACKAGES, version)
    (stage / PACKAGES / "bin").mkdir()
    (stage / PACKAGES / "bin" / "python3").symlink_to(PYTHON)


def add_files(stage: Path, date: datetime) -> None:
    """All files outside of the environments: the site, the units, the pages, completion."""
    (stage / "usr/bin").mkdir(parents=True)
    (stage / "usr/bin/wsrouter").symlink_to("../lib/wsrouter/bin/wsrouter")
    (stage / "etc/wsrouter/plugins").mkdir(parents=True)
    for source, target in placed_files():
        path = stage / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
    for target, text in made_files(date).items():
        path = stage / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())


def placed_files() -> Iterator[tuple[Path, Path]]:
    """Files of the checkout, and where they go."""
    deploy = ROOT / "deploy"
    yield deploy / "debian" / "site.yaml", Path("etc/wsrouter/site.yaml")
    yield deploy / "wsrouter.service", UNITS / "wsrouter.service"
    yield deploy / "wsrouter.socket", UNITS / "wsrouter.socket"
    yield deploy / "wsrouter.sysusers", Path("usr/lib/sysusers.d/wsrouter.conf")
    yield deploy / "wsrouter.tmpfiles", Path("usr/lib/tmpfiles.d/wsrouter.conf")
    yield from ((page, DOCS / page.name) for page in sorted((ROOT / "docs").glob("*.md")))
    for source in (*deploy_examples(), *sorted((ROOT / "plugins").glob("*.py")), ROOT / "config" / "site.yaml", ROOT / "docs" / "examples" / "chat.html"):
        yield source, DOCS / "examples" / str(source.relative_to(ROOT)).removeprefix("docs/examples/")


def deploy_examples() -> list[Path]:
    """What deploy/ has for others than systemd and dpkg: proxies, a dashboard, alerts."""
    files = [path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file() and path.suffix not in UNIT_SUFFIXES]
    return [path for path in files if path.name != "README.md" and path.parent.name not in {"debian", "container"}]


def made_files(date: datetime) -> dict[str, str]:
    """Files that are made from the code; those that end in .gz are to be compressed."""
    parser, day = make_parser(COMMANDS), f"{date:%Y-%m-%d}"
    return {
        "usr/share/man/man1/wsrouter.1.gz": command_page(parser, __version__, day),
        "usr/share/man/man5/wsrouter-site.5.gz": site_page((ROOT / "docs" / "configuration.md").read_text("utf-8"), __version__, day),
        "usr/share/bash-completion/completions/wsrouter": str(shtab.complete(parser, "bash")),
        "usr/share/zsh/vendor-completions/_wsrouter": str(shtab.complete(parser, "zsh")),
        "usr/share/wsrouter/wsrouter.schema.json": schema_text([])[0],
        str(DOCS / "CHANGELOG.md.gz"): (ROOT / "CHANGELOG.md").read_text("utf-8"),
        str(DOCS / "changelog.gz"): changelog(date),
    }


def changelog(date: datetime) -> str:
    """What dpkg's tools read, deb-changelog(5); people read CHANGELOG.md."""
    entry = f"wsrouter ({debian_version(__version__)}) stable; urgency=medium\n\n  * What changed for users is in CHANGELOG.md.gz, in this folder.\n"
    return f"{entry}\n -- {MAINTAINER}  {format_datetime(date)}\n"


def add_bundled_copyright(stage: Path, version: str) -> None:
    """/usr/share/doc/wsrouter/copyright: our licence, and that of each package in the environment."""
    packages = stage / HOME / site_packages(version)
    bundled = sorted(packages.glob("*.dist-info"), key=lambda info: info.name.lower())
    lines = [f"  {name}: {licence} ({info.name}/)" for info in bundled if not info.name.startswith("wsrouter-") for name, licence in [licence_of(info)]]
    text = f"wsrouter\n\n{(ROOT / 'LICENSE').read_text('utf-8').strip()}\n\nIn /{HOME / site_packages(version)} are, each with its licence in its .dist-info folder:\n\n"
    (stage / DOCS / "copyright").write_text(text + "\n".join(lines) + "\n", "utf-8")


def licence_of(info: Path) -> tuple[str, str]:
    """Name with version, and licence, as a package's metadata say."""
    metadata = HeaderParser().parsestr((info / "METADATA").read_text("utf-8"))
    classifiers = [value.rpartition(" :: ")[2] for value in metadata.get_all("Classifier", []) if value.startswith("License ::")]
    stated = metadata["License-Expression"] or ", ".join(classifiers) or (metadata["License"] or "see there").splitlines()[0]
    return f"{metadata['Name']} {metadata['Version']}", stated


def compile_all(stage: Path, python: str, environ: Mapping[str, str]) -> None:
    """Bytecode for all modules, so that no start writes or makes any; it is not compared with its source, which dpkg guards."""
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", str(stage), "-p", "/", str(stage / HOME / "lib")]
    run(command, environ)


def add_control(stage: Path, version: str) -> None:
    """What dpkg reads: dependencies, sums, conffiles, scripts; and modes that do not depend on the umask of the build."""
    files = [path for path in sorted(stage.rglob("*")) if path.is_file() and not path.is_symlink()]
    set_modes(stage)
    debian = ROOT / "deploy" / "debian"
    control = stage / "DEBIAN"
    control.mkdir(mode=0o755)
    depends = ", ".join(
        [f"python3 (>= {version})", f"python3 (<< {next_version(version)})", *library_packages(path for path in files if ".so" in path.suffixes)]
    )
    facts = {"version": debian_version(__version__), "architecture": architecture(), "depends": depends, "python": version, "maintainer": MAINTAINER}
    size_kib = sum(path.stat().st_size for path in files) // 1024
    (control / "control").write_text((debian / "control").read_text("utf-8").format(size_kib=size_kib, **facts), "utf-8")
    (control / "conffiles").write_text("/etc/wsrouter/site.yaml\n", "utf-8")
    sums = [f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(stage)}\n" for path in files]
    (control / "md5sums").write_text("".join(line for line in sums if "  etc/" not in line), "utf-8")
    for name in SCRIPTS:
        shutil.copyfile(debian / name, control / name)
        (control / name).chmod(0o755)
    for name in ("control", "conffiles", "md5sums"):
        (control / name).chmod(0o644)


def set_modes(stage: Path) -> None:
    """Folders and programs 0755, files 0644."""
    for path in stage.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent == stage / HOME / "bin" else 0o644)


def next_version(version: str) -> str:
    """`3.12` after `3.11`: compiled packages fit one of them."""
    major, minor = version.split(".")
    return f"{major}.{int(minor) + 1}"


def library_packages(libraries: Iterator[Path]) -> list[str]:
    """The Debian packages of the shared libraries that compiled modules name, libc6 with the newest version that one asks for.

    Raises:
        BuildError: for a library that is neither known nor among the modules themselves.
    """
    paths = list(libraries)
    own = {path.name for path in paths}
    found: set[str] = set()
    newest = (2, 0)
    for path in paths:
        content = path.read_bytes()
        newest = max([newest, *((int(major), int(minor)) for major, minor in _GLIBC.findall(content))])
        for name in {name.decode() for name in _NEEDED.findall(content)} - own:
            if name not in LIBRARIES:
                raise BuildError(f"{path.name} needs {name}: name its Debian package in LIBRARIES of tools/deb.py")
            found.add(LIBRARIES[name])
    return sorted(f"libc6 (>= {newest[0]}.{newest[1]})" if name == "libc6" else name for name in found | {"libc6"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds the package and prints where it is."""
    parser = argparse.ArgumentParser(prog="./dev deb", description="Builds the Debian package.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist", help="where it is put (default: dist/)")
    parser.add_argument("--python", default=PYTHON, help=f"the system's interpreter, which the package will run with (default: {PYTHON})")
    parser.add_argument("--compression", choices=("xz", "gzip", "none"), default="xz", help="gzip and none are quicker, for a test (default: xz)")
    parsed = parser.parse_args(arguments)
    try:
        print(build(parsed.folder.absolute(), parsed.python, parsed.compression))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
