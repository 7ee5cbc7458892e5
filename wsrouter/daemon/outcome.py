"""What became of a reload, in words: the same in the log, on the control socket and in the status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrouter.admin.steering import ReloadOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsrouter.config.problems import Problems
    from wsrouter.config.site_file import SiteFile
    from wsrouter.site.difference import Difference


def done(difference: Difference, problems: Problems, *, kept: int, draining: int, restart: Sequence[str], facts: dict[str, object]) -> ReloadOutcome:
    """The site serves as its files say now. Problems are warnings here."""
    changed = len(difference.changed) + len(difference.resettled)
    counts = {"changed": changed, "added": len(difference.added), "removed": len(difference.removed), "unchanged": len(difference.same)}
    summary = f"routes: {', '.join(f'{count} {word}' for word, count in counts.items())}; connections: {kept} kept, {draining} draining"
    if restart:
        summary += f"; {' and '.join(restart)} will change at the next restart"
    return ReloadOutcome(True, summary, tuple(map(str, problems)), {**counts, "kept": kept, "draining": draining, "restart_needed": list(restart), **facts})


def refused(problems: Problems, reason: str, facts: dict[str, object]) -> ReloadOutcome:
    """Something is wrong, and what served before goes on. `reason` is a refusal to start, where the files are right."""
    told = [*map(str, problems), *([reason] if reason else [])]
    count = len(problems.errors) + bool(reason)
    summary = f"not reloaded: {count} problem{'s' * (count != 1)}; what was loaded before goes on serving"
    return ReloadOutcome(False, summary, tuple(told), facts)


def restart_needed(before: SiteFile, after: SiteFile) -> list[str]:
    """The settings that differ and cannot be changed while it runs."""
    values = {
        "server.reuse_port": (before.server.reuse_port, after.server.reuse_port),
        "log.level": (before.log.level, after.log.level),
        "log.format": (before.log.format, after.log.format),
        "admin": (before.admin, after.admin),
    }
    return [name for name, (old, new) in values.items() if old != new]
