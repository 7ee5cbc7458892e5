"""Fills `${…}` in scalars, after parsing: no value can change the structure of the file.

`${VAR}`, `${VAR:-default}`, `${VAR:?message}` from the environment, `${file:/path}`, `${credential:name}` from systemd's
LoadCredential, `$$` for a dollar. A plain scalar is typed again, a quoted one stays text. What is filled in never appears in
a message: nodes remember what was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from wsrouter.config.document import unique_pairs
from wsrouter.config.nodes import MappingNode, Node, ScalarNode, SequenceNode, show_text
from wsrouter.config.problems import Problems
from wsrouter.config.scalars import parse_scalar

MAX_FILE_BYTES: Final = 64 * 1024  # a secret or a line of text; a site is no place for more

_REFERENCE: Final = re.compile(r"\$(?:(\$)|\{([^{}]*)\}|\{)")
_VARIABLE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::([-?])(.*))?", re.DOTALL)


class _MissingError(Exception):
    """A reference that stands for nothing; the text says why and what to do."""


def fill_variables(node: Node, environ: Mapping[str, str], problems: Problems, folder: Path) -> Node:
    """The node with its references filled; those that stand for nothing are problems. Paths are relative to `folder`."""
    if isinstance(node, ScalarNode):
        return _fill_scalar(node, environ, problems, folder) if "$" in node.text else node
    if isinstance(node, SequenceNode):
        return SequenceNode(node.place, tuple(fill_variables(item, environ, problems, folder) for item in node.items))
    pairs = []
    for key, value in node.pairs:
        filled = _fill_scalar(key, environ, problems, folder) if "$" in key.text else key
        pairs.append((filled, fill_variables(value, environ, problems, folder)))
    return MappingNode(node.place, tuple(unique_pairs(pairs, problems)), node.flow)


def _fill_scalar(node: ScalarNode, environ: Mapping[str, str], problems: Problems, folder: Path) -> ScalarNode:
    """One scalar filled; broken, with a problem noted, where a reference stands for nothing."""
    pieces = []
    end = 0
    filled = False
    for match in _REFERENCE.finditer(node.text):
        pieces.append(node.text[end : match.start()])
        end = match.end()
        try:
            pieces.append("$" if match[1] else _resolve(match[2], environ, folder))
        except _MissingError as error:
            problems.add(node.place, str(error))
            return ScalarNode(node.place, node.text, node.text, node.plain, broken=True)
        filled = filled or not match[1]
    text = "".join([*pieces, node.text[end:]])
    return ScalarNode(node.place, text, parse_scalar(text) if node.plain else text, node.plain, node.text if filled else None)


def _resolve(reference: str | None, environ: Mapping[str, str], folder: Path) -> str:
    """What `${reference}` stands for."""
    if reference is None:
        raise _MissingError("${ has no } after it: close it, or write $${ for the text itself")
    if reference.startswith("file:"):
        return _read(folder / reference.removeprefix("file:"), f"${{{reference}}}")
    if reference.startswith("credential:"):
        return _read(_credential(reference.removeprefix("credential:"), environ), f"${{{reference}}}")
    match = _VARIABLE.fullmatch(reference)
    if match is None:
        raise _MissingError(f"${{{show_text(reference)[1:-1]}}} is no variable: write ${{NAME}} or ${{NAME:-default}}, or $${{ for the text itself")
    return _checked(_variable(match[1], match[2], match[3] or "", environ), f"${{{match[1]}}}")


def _variable(name: str, operator: str | None, rest: str, environ: Mapping[str, str]) -> str:
    """A variable of the environment, with the shell's `:-` and `:?`, for which an empty one is not set."""
    value = environ.get(name)
    if operator == "-":
        return value or rest
    if operator == "?" and not value:
        raise _MissingError(f"the variable {name} is not set: {' '.join(rest.split()) or 'it is required'}")
    if value is None:
        raise _MissingError(f"the variable {name} is not set: set it, or write ${{{name}:-default}}")
    return value


def _credential(name: str, environ: Mapping[str, str]) -> Path:
    """The file of a systemd credential."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not name or "/" in name or name.startswith("."):
        raise _MissingError(f"{show_text(name)} is no name of a credential: write ${{credential:name}}")
    if not directory:
        raise _MissingError(f"there are no credentials here: ${{credential:{name}}} needs LoadCredential={name}:/path in the systemd unit")
    return Path(directory) / name


def _read(path: Path, written: str) -> str:
    """A file's text less one line break at its end."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _MissingError(f"{show_text(written)[1:-1]} cannot be read: {getattr(error, 'strerror', None) or 'the path is not valid'}") from None
    if len(data) > MAX_FILE_BYTES:
        raise _MissingError(f"{written} is over {MAX_FILE_BYTES >> 10} KiB")
    try:
        return _checked(data.decode().removesuffix("\n").removesuffix("\r"), written)
    except UnicodeDecodeError:
        raise _MissingError(f"{written} is not UTF-8 text") from None


def _checked(text: str, written: str) -> str:
    """The text, if it is text: variables may hold bytes that are not UTF-8, files a NUL."""
    if "\0" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        raise _MissingError(f"{written} is not UTF-8 text")
    return text
