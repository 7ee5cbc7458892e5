"""How much a handler holds."""

from __future__ import annotations

import sys
from collections import deque
from types import ModuleType

import pytest

from wsrouter.plugins.holdings import _held_by, measure

CODE = """
class Item:
    def __init__(self, text):
        self.text = text
        self.itself = self

class Keeper:
    def __init__(self):
        self.items = []
        self.foreign = None

CACHE = {}
"""


@pytest.fixture
def plugin():
    module = ModuleType("holdings_plugin")
    exec(CODE, module.__dict__)
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def test_what_its_attributes_and_the_globals_of_its_file_hold_is_counted_once(plugin):
    keeper = plugin.Keeper()
    empty = measure(keeper, "holdings_plugin")
    shared = "x" * 100_000
    keeper.items += [plugin.Item(shared), [shared], {"a": (shared, "y" * 50_000)}]
    plugin.CACHE["all"] = {"z" * 25_000, shared}
    found = measure(keeper, "holdings_plugin")
    assert 175_000 <= found.size_bytes - empty.size_bytes < 180_000
    assert found.is_whole


def test_what_belongs_to_others_is_counted_by_its_own_size(plugin):
    class Foreign:
        def __init__(self):
            self.much = "x" * 1_000_000

    keeper = plugin.Keeper()
    keeper.foreign = Foreign()
    assert measure(keeper, "holdings_plugin").size_bytes < 5_000


@pytest.mark.parametrize("kind", [list, tuple, set, deque, dict.fromkeys])
def test_more_than_the_most_is_not_looked_at_nor_fetched(plugin, kind):
    keeper = plugin.Keeper()
    keeper.items = kind(str(number) for number in range(5_000))
    found = measure(keeper, "holdings_plugin", most=1_000)
    assert (1_000, False) == (found.objects, found.is_whole)
    assert 1_000 < len(_held_by(keeper.items, 1_000)) <= 2_001


def test_a_size_that_cannot_be_told_is_none(plugin):
    class Broken:
        def __sizeof__(self):
            raise ValueError

    plugin.CACHE["broken"] = Broken()
    assert measure(plugin.Keeper(), "holdings_plugin").is_whole


def test_objects_of_the_plugins_own_package_are_counted_with_what_they_hold(plugin):
    keeper = plugin.Keeper()
    keeper.items.append(plugin.Item("x" * 100_000))
    plugin.Item.__module__ = "wsrouter_plugins_1.keeper.items"
    assert measure(keeper, "holdings_plugin", "wsrouter_plugins_1").size_bytes > 100_000
    assert measure(keeper, "holdings_plugin", "wsrouter_plugins").size_bytes < 100_000  # another one
