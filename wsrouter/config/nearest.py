"""Did-you-mean: the known name that is nearest to a wrong one."""

from __future__ import annotations

from collections.abc import Collection


def find_nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that is most like this one, in any case of letters; None where none is near."""
    from difflib import get_close_matches  # only where something is wrong

    by_lower = {entry.lower().replace("-", "_"): entry for entry in known}
    found = get_close_matches(name.lower().replace("-", "_")[:64], list(by_lower), 1, 0.6)
    return by_lower[found[0]] if found else None


def suggest(name: str, known: Collection[str]) -> str:
    """The end of a message on an unknown name: the nearest, and all that are known."""
    nearest = find_nearest(name, known)
    listed = f"known are {', '.join(sorted(known))}" if known else "none is known"
    return f"did you mean {nearest}? {listed}" if nearest else listed
