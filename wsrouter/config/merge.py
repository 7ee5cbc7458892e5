"""Defaults and what a route says for itself, as one mapping: maps merge, everything else is replaced."""

from __future__ import annotations

from wsrouter.config.annotations import form_of, is_record, record_fields
from wsrouter.config.nodes import MappingNode, Node
from wsrouter.config.problems import Place
from wsrouter.config.setting_forms import expand


def merge_settings(record: type, base: MappingNode, over: MappingNode) -> MappingNode:
    """The pairs of both, `over` first; where both have a key whose value is a record, its pairs in the same way.

    Short forms are expanded before, so that `message_rate: 50/s` keeps the burst of the defaults.
    """
    inner = {field.name: form_of(field.annotation).base for field in record_fields(record)}
    pairs = {key.text: (key, value) for key, value in base.pairs}
    for key, value in over.pairs:
        below = inner.get(key.text)
        if key.text in pairs and isinstance(below, type) and is_record(below):
            value = _merge_value(below, pairs[key.text][1], value)
        pairs[key.text] = (key, value)
    return MappingNode(over.place, tuple(pairs.values()))


def _merge_value(record: type, base: Node, over: Node) -> Node:
    """A record of both; `over` alone where one of them is no record, which the check says."""
    below, above = expand(record, base), expand(record, over)
    if isinstance(below, MappingNode) and isinstance(above, MappingNode):
        return merge_settings(record, below, above)
    return over


def places_of(node: MappingNode, prefix: str = "") -> dict[str, Place]:
    """Where each key of a mapping stands, by dotted name: `limits` and `limits.message_size`."""
    places = {}
    for key, value in node.pairs:
        places[prefix + key.text] = key.place
        if isinstance(value, MappingNode):
            places.update(places_of(value, f"{prefix}{key.text}."))
    return places
