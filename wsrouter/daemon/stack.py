"""Where a thread is: its stack in few words, those of the plugins before those of everybody else."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from wsrouter import handlers  # the built-in ones are plugins, too

if TYPE_CHECKING:
    from types import FrameType

    from wsrouter.site.site import Site

FRAMES: Final = 5
"""So many are told."""
_DEEPEST: Final = 200
_MACHINERY: Final = str(Path(__file__).with_name("watchdog.py"))  # its collector's callback, see there


class Frame(NamedTuple):
    """A line that a thread is in."""

    file: str
    line: int
    function: str


class Told(NamedTuple):
    """A stack as a record shows it, innermost line first. `handler` is empty where no plugin's line is in it, and then `lines` are anybody's.

    `inside` is the innermost line of all, where that is in a library that the plugin called.
    """

    handler: str
    lines: list[str]
    inside: str = ""


@dataclass(frozen=True, slots=True)
class PluginFiles:
    """Which files are plugins, and which handlers they hold: the files below plugin folders, and those that routes name."""

    folders: tuple[str, ...] = ()
    """Absolute, with a slash at the end."""
    handlers: Mapping[str, str] = field(default_factory=dict)
    """Absolute path of a handler's file -> its name in the site."""

    def find(self, file: str) -> str | None:
        """What to call a file, as `plugins/slow.py`; None where it is no plugin's."""
        path = _absolute(file)
        for folder in self.folders:
            if path.startswith(folder):
                return str(Path(path).relative_to(Path(folder).parent))
        return "/".join(Path(path).parts[-2:]) if path in self.handlers else None

    def tell(self, stack: Iterable[Frame]) -> Told:
        """A stack, innermost first, as far as it says who holds up the thread."""
        frames = list(stack)
        found = [(frame, name) for frame in frames if (name := self.find(frame.file)) is not None]
        if not found:
            return Told("", [_line(frame, _short(frame.file)) for frame in frames[:FRAMES]])
        handler = next((self.handlers[path] for frame, _ in found if (path := _absolute(frame.file)) in self.handlers), Path(found[0][1]).stem)
        inside = _line(frames[0], _short(frames[0].file)) if frames[0] != found[0][0] else ""
        return Told(handler, [_line(*each) for each in found[:FRAMES]], inside)


def plugin_files(site: Site) -> PluginFiles:
    """The plugins of a site. A reload makes them again."""
    folders = tuple(f"{_absolute(folder)}/" for folder in (*site.file.plugin_folders, Path(handlers.__file__).parent))
    files = {_absolute(spec.file): step.name for route in site.routes for step, spec in route.specs if spec.file is not None}
    return PluginFiles(folders, files)


def take_stack(thread_id: int) -> list[Frame]:
    """The lines that a thread is in at this moment, innermost first; nothing where there is no such thread."""
    return walk(sys._current_frames().get(thread_id))


def walk(frame: FrameType | None) -> list[Frame]:
    """The lines of a stack that begins with this frame, the innermost; where its thread goes on meanwhile, a line may be a later one."""
    stack: list[Frame] = []
    while frame is not None and len(stack) < _DEEPEST:
        if frame.f_code.co_filename != _MACHINERY:
            stack.append(Frame(frame.f_code.co_filename, frame.f_lineno or 0, frame.f_code.co_name))
        frame = frame.f_back
    return stack


def _absolute(file: str | Path) -> str:
    """A path as the others are written; as it is where there is no working directory any more."""
    with suppress(OSError):
        return str(Path(file).absolute())
    return str(file)


def _line(frame: Frame, name: str) -> str:
    return f"{name}:{frame.line} in {frame.function}"


def _short(file: str) -> str:
    """Enough of a library's path to know it by: `asyncio/selector_events.py`."""
    return "/".join(Path(file).parts[-2:])
