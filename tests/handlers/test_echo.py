from __future__ import annotations

import pytest

from wsrouter.handlers.echo import Echo
from wsrouter.testing import MemoryConnection


@pytest.mark.parametrize("message", ["hello", "", "é\U0010ffff", b"", b"\x00\xff"])
def test_what_a_client_sends_comes_back_unchanged(message):
    assert Echo().on_message(MemoryConnection(), message) is message
