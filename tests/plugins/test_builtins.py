"""The table of built-in handlers."""

from __future__ import annotations

import pytest

from wsrouter import Handler
from wsrouter.plugins.builtins import BUILTIN_HANDLERS
from wsrouter.plugins.library import HandlerLibrary


@pytest.mark.parametrize("name", BUILTIN_HANDLERS)
def test_each_is_a_handler_class_with_a_summary_and_described_options(name: str) -> None:
    spec = HandlerLibrary().find(name)
    assert isinstance(spec.target, type) and issubclass(spec.target, Handler)
    assert spec.summary
    assert [] == [field.name for field in spec.fields if not field.description]
