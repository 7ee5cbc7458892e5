"""The plugin for pytest: a fixture that starts sites in memory, and ends them with the test.

Installed with wsrouter (entry point `pytest11`); it imports nothing else before the fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wsrouter.testing.site import SiteTest


@pytest.fixture
def wsrouter_site() -> Iterator[Callable[..., SiteTest]]:
    """`wsrouter_site("site.yaml")`: a running `SiteTest`, made with the same arguments; it is stopped when the test ends."""
    from wsrouter.testing.site import SiteTest

    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(SiteTest(*arguments, **options))
