"""What can be served: a site's YAML file, a plugin file, or a folder of plugins; each is loaded in its way, as often as it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsrouter.config.problems import Problems
    from wsrouter.site.site import Site


@dataclass(frozen=True, slots=True)
class Source:
    """Where a site comes from. What kind of thing that is was seen once: a site's file that becomes a folder is no folder of plugins."""

    path: Path
    is_plugin: bool
    """Whether it is served without any YAML."""
    environ: Mapping[str, str]
    trusting: bool = False
    """Whether plugins that others may change are only warned of: for development."""

    def load(self, problems: Problems, previous: Site | None = None) -> Site | None:
        """The site as it is now; None where there are errors, which are noted.

        `previous` is what it was before: the handlers of plugin files that are unchanged are taken over.
        """
        if self.is_plugin:
            from wsrouter.site.quick import quick_site

            return quick_site(self.path, problems, previous, trusting=self.trusting)
        from wsrouter.site.site import load_site

        return load_site(self.path, self.environ, problems, previous, trusting=self.trusting)


def source_at(path: Path, environ: Mapping[str, str], *, trusting: bool = False) -> Source:
    """What lies at a path: plugins, if it is a Python file or a folder, else a site."""
    return Source(path, path.suffix == ".py" or path.is_dir(), environ, trusting)
