"""docs/performance.md and its bars, from what `./dev compare` measured. Pure: whatever it says of who is better follows from the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.bars import Bar, digits, draw
from loadtest.compared import Compared, Sample

NOTICE = "<!-- Made from loadtest/compared.json and loadtest/compared_page.py by ./dev generate; change those instead. -->\n\n"
OWN = "wsrouter"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the tables: what it is, and in what it is counted."""

    name: str
    what: str
    unit: str


COSTS = (
    Row("echo-1", "64 connections, one 64-byte message in flight each", "µs of CPU for a message"),
    Row("echo-16", "64 connections, 16 messages of 64 bytes in one write each", "µs of CPU for a message"),
    Row("echo-4k", "64 connections, one message of 4,096 bytes in flight each", "µs of CPU for a message"),
    Row("fan-1", "a room of 1,000, one 128-byte message at a time", "µs of CPU for a delivery"),
    Row("fan-16", "a room of 1,000, 16 messages in one write", "µs of CPU for a delivery"),
    Row("accept", "connections opened and closed by the closing handshake", "µs of CPU for a connection"),
    Row("idle", "2,000 silent connections", "KiB of memory for a connection"),
)
LATENCIES = (
    Row("latency-p50", "half of the messages came back within", "ms"),
    Row("latency-p99", "99 of 100", "ms"),
    Row("latency-p99.9", "999 of 1,000", "ms"),
)
ROWS = (*COSTS, *LATENCIES)

PAGE = """# Performance

wsrouter beside what people would use instead, measured side by side in one run, the figures that are worse included.
What makes a message cheap here, and what keeps it so, is told in [what a message costs](cost.md); how costs grow, in [sizing](sizing.md).

Measured by `{command}` on {date}: {machine}; {versions}.
No number here is worth more than the command that gave it: run it on your own machine. It installs what it needs into folders of its own, and takes seven minutes.

{missing}## What a message costs

The figure is **CPU for each message** that reached a client: user and system time of the server with all its processes, by their own clocks, divided by the messages.
It says how many messages a core carries, and hardly depends on how busy the machine is.
Each figure is the median of {rounds} rounds, with the least and the most of them; in every round each server is started anew, on one CPU, and the load is made on the other.

{costs}

{failed}{cost_bars}

## Latency at a fixed rate

100 connections, 5,000 messages of 64 bytes a second in all, for three seconds: `wsrouter bench` counts each from when it was due until its answer was read.
At this rate no server is busy, so most of it is the time to wake up, on both ends.

{latencies}

{latency_bars}

## Who is better

Medians as multiples of what wsrouter needs.
Who was better or worse was so in each of the rounds; where the rounds of both overlap, the two are not told apart.

{words}

## Who is what

{peers}

Each is set up as its documentation has it, and as cheaply: no compression, no log of requests, uvloop for Python, one process.
websocketd is given 100 connections at most, as each is a process. Where there is no way to send to many at once, a room is a loop over its members.
wsrouter has records of every connection, limits, the check of origins, keepalive and a watchdog on: they are its defaults.
Others keep theirs, too: the `websockets` library and uvicorn, and so FastAPI, ping every 20 seconds.
The servers are in `loadtest/peers/`. An empty field is what a server does not do: uvicorn and websocketd have no rooms, Nchan does not send back to one alone.
`idle` is resident memory, so that of websocketd has the pages that its processes share in it more than once.

```sh
./dev compare                  # all of it: loadtest/compared.json, and this page
./dev compare --peers Bun ws   # only these, beside wsrouter
./dev compare --only echo      # only rows whose name begins so
```
"""


def page(compared: Compared) -> str:
    """The page; without figures, how to get them."""
    if not compared.figures:
        return NOTICE + "# Performance\n\nNothing was measured yet: run `./dev compare`.\n"
    rounds = max(len(sample.rounds) for servers in compared.figures.values() for sample in servers.values())
    versions = ", ".join(f"{name} {number}" for name, number in compared.versions.items())
    missing = "".join(f"Without {name}: {why}.\n" for name, why in compared.missing.items())
    failed = "".join(f"- {row}, {name}: no figure, since {why}.\n" for row, servers in compared.failed.items() for name, why in servers.items())
    return NOTICE + PAGE.format(
        command=compared.command,
        date=compared.date,
        machine=compared.machine,
        versions=versions,
        missing=missing and missing + "\n",
        rounds=rounds,
        costs=table(compared, COSTS),
        failed=failed and failed + "\n",
        cost_bars="\n".join(_image(row) for row in COSTS if compared.ranking(row.name)),
        latencies=table(compared, LATENCIES),
        latency_bars="\n".join(_image(row) for row in LATENCIES if compared.ranking(row.name)),
        words="\n".join(f"- {sentence}" for sentence in sentences(compared)),
        peers="\n".join(f"- **{name}**: {what}." for name, what in compared.peers.items()),
    )


def bar_files(compared: Compared) -> dict[str, str]:
    """The SVG files of the page by their names."""
    files = {}
    for row in ROWS:
        ranking = compared.ranking(row.name)
        if ranking:
            bars = [Bar(name, sample.value, sample.low, sample.high, name == OWN) for name, sample in ranking]
            files[f"{row.name}.svg"] = draw(f"{row.name}: {row.what}", row.unit, bars)
    return files


def tables(compared: Compared) -> str:
    """Both tables, for a terminal."""
    return "\n\n".join(table(compared, [row for row in rows if row.name in compared.figures]) for rows in (COSTS, LATENCIES) if rows)


def table(compared: Compared, rows: Sequence[Row]) -> str:
    """Medians with their spread in Markdown, wsrouter first; the least of a row in bold."""
    names = [name for name in compared.peers if any(name in compared.figures.get(row.name, {}) for row in rows)]
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for row in rows:
        ranking = compared.ranking(row.name)
        least = ranking[0][0] if ranking else ""
        figures = compared.figures.get(row.name, {})
        cells = [_cell(figures[name], is_least=name == least) if name in figures else "" for name in names]
        lines.append(f"| {row.name}: {row.what}; {row.unit} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sentences(compared: Compared) -> list[str]:
    """For each row: what wsrouter needs, and who is better or worse by every round; those whose rounds overlap with ours are neither."""
    found = []
    for row in ROWS:
        ranking = compared.ranking(row.name)
        own = compared.figures.get(row.name, {}).get(OWN)
        if own is None or len(ranking) < 2:
            continue
        others = [(name, sample) for name, sample in ranking if name != OWN]
        better = _times(own, [(name, sample) for name, sample in others if sample.high < own.low])
        alike = _times(own, [(name, sample) for name, sample in others if sample.low <= own.high and sample.high >= own.low])
        worse = _times(own, [(name, sample) for name, sample in others if sample.low > own.high])
        said = f"**{row.name}**: wsrouter {digits(own.value)} {row.unit.partition(' ')[0]}."
        said += f" Better: {better}." if better else " None is better."
        said += f" Not told apart: {alike}." if alike else ""
        found.append(said + (f" Worse: {worse}." if worse else ""))
    return found


def _times(own: Sample, others: Sequence[tuple[str, Sample]]) -> str:
    return ", ".join(f"{name} {digits(sample.value / own.value)}" for name, sample in others)


def _cell(sample: Sample, *, is_least: bool) -> str:
    value = f"**{digits(sample.value)}**" if is_least else digits(sample.value)
    return f"{value} ({digits(sample.low)} to {digits(sample.high)})" if digits(sample.low) != digits(sample.high) else value


def _image(row: Row) -> str:
    return f"![{row.name}: {row.what}; {row.unit}](performance/{row.name}.svg)"
