"""Which scenario files a site has: those that its `tests:` names, else `tests/*.yaml` beside it."""

from __future__ import annotations

from glob import glob, has_magic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from wsrouter.config.site_file import SiteFile

DEFAULT_PATTERNS: Final = ("tests/*.yaml",)


def scenario_files(site: SiteFile) -> list[Path]:
    """The files, sorted within each pattern, each once. Patterns are relative to the site's file.

    Raises:
        FileNotFoundError: if one that the site names is not there; `filename` is its name.
    """
    folder = site.path.parent
    found: dict[Path, None] = {}
    for pattern in site.tests or DEFAULT_PATTERNS:
        names = glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 -- Path.glob refuses absolute patterns
        paths = sorted(folder / name for name in names if (folder / name).is_file())
        if not paths and not has_magic(pattern):
            raise FileNotFoundError(2, "no such file", pattern)
        found.update(dict.fromkeys(paths))
    return list(found)
