"""The pages of the documentation, and the fenced examples in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from support.daemon import ROOT

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"(?:#|<!--) (?P<name>[\w./-]+\.(?:py|yaml|html))(?: -->)?(?=[\s:]|$)")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Example:
    """One fenced block: the first word after the fence is its language, the rest its marks."""

    page: Path
    line: int
    language: str
    marks: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """The file that it is, where its first line is a comment that names one: `# plugins/hello.py`."""
        match = _FILE_NAME.match(self.text)
        return match["name"] if match else None


def pages() -> list[Path]:
    """README.md and everything in docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples(page: Path) -> list[Example]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *marks = match["info"].split() or [""]
        found.append(Example(page, text.count("\n", 0, match.start()) + 2, language, tuple(marks), match["text"]))
    return found


def all_examples(*languages: str) -> list[Example]:
    """The blocks of these languages on all pages."""
    return [example for page in pages() for example in examples(page) if example.language in languages]


def inline_code(page: Path) -> list[str]:
    """What stands in backquotes in the prose."""
    return _INLINE.findall(_FENCE.sub("", page.read_text("utf-8")))


def links(page: Path) -> list[str]:
    """The targets of links, images left out."""
    return _LINK.findall(_FENCE.sub("", page.read_text("utf-8")))
