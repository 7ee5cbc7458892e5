"""docs/sizing.md and its curves, from what `./dev growth` measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from loadtest.fit import Fit
from loadtest.grown import Check, Grown, Series
from loadtest.growth_points import ALONE, MOST, ROOM_OF
from loadtest.growth_texts import SECTIONS, Section, Told
from loadtest.plots import Curve, Mark, Plot, draw
from loadtest.sizing import PING_S, Model, Site, site_of

NOTICE = "<!-- Made from loadtest/grown.json and loadtest/sizing_page.py by ./dev generate; change those instead. -->\n\n"
STEPS = 40
"""Of a fitted line as it is drawn."""

TYPICAL = (
    ("1,000 connections in 100 rooms, each says one message of 100 bytes a second", Site(1000, 100, 1000, 100, joins=1)),
    ("1,000 connections in 100 rooms, each says one message of 100 bytes a minute", Site(1000, 100, 1000 / 60, 100, joins=1)),
    ("2,000 viewers of one room in which 10 prices of 100 bytes are published a second", Site(2000, 1, 10, 100, joins=2)),
    ("5,000 connections in 1,000 rooms, each says one message of 1,000 bytes in ten seconds", Site(5000, 1000, 500, 1000, joins=10)),
    ("300 connections, each alone, each says ten messages of 200 bytes a second", Site(300, 300, 3000, 200, joins=1)),
    ("10,000 connections in one room, all silent", Site(10_000, 1, 0, joins=10)),
)
EXAMPLE = TYPICAL[0][1]


def number(value: float, digits: int = 2) -> str:
    """With so many digits that count, and no more zeros than it needs: `0.29`, `17`, `1,300`."""
    if value and abs(value) < 10**digits:
        return f"{float(f'{value:.{digits}g}'):g}"
    return f"{round(value):,}"


def signed(slope: float) -> str:
    """`+0.22`, and `0` for what rounds to it."""
    return f"{slope:+.2f}" if abs(slope) >= 0.005 else "0"


def signed_percent(share: float) -> str:
    """`-16 %`, and `0 %` for what rounds to it."""
    return f"{share * 100:+.0f} %" if abs(share) >= 0.005 else "0 %"


def percent(share: float) -> str:
    """Of a core."""
    return f"{number(share * 100)} %"


def facts(grown: Grown, model: Model) -> dict[str, str]:
    """What texts of curves may name."""
    series, rates = grown.series, model.rates
    silent = MOST - 200
    return {
        "message": number(model.message_us),
        "kernel": number(model.kernel_kib),
        "l2": f"{grown.caches.get('L2 Unified', 0) // 1024:,} KiB",
        "among": number(series["subscribers.among_silent_us"].at(100)),
        "silent": f"{silent:,}",
        "alone": number(series["subscribers.delivery_us"].at(100)),
        "most": f"{MOST:,}",
        "room": number(model.room_kib),
        "room_of": str(ROOM_OF),
        "one_segment": number(series["sizes.segments_us"].at(65_450), 3),
        "two_segments": number(series["sizes.segments_us"].at(65_500), 3),
        "alone_connections": f"{ALONE:,}",
        "idle": number(model.idle_us / 1000),
        "pause_slow": number(model.pause(rates[0]) / model.pause(rates[-1])),
        "pause_least": number(min(map(model.pause, rates))),
        "asleep": number(series["rate.message_us"].at(100)),
        "awake": number(series["rate.awake_us"].at(100)),
        "slow": number(rates[0], 3),
        "fast": number(rates[-1], 3),
    }


def curve_files(grown: Grown) -> dict[str, str]:
    """The pictures by their names."""
    return {picture_name(section, at): draw(plot_of(grown, section, at)) for section in SECTIONS for at in range(len(section.plots))}


def picture_name(section: Section, at: int) -> str:
    """`rooms.svg`, `rooms-2.svg`."""
    return f"{section.name}.svg" if not at else f"{section.name}-{at + 1}.svg"


def plot_of(grown: Grown, section: Section, at: int) -> Plot:
    """One picture of a section."""
    title, told = section.plots[at]
    curves = [curve_of(grown.series[one.name], one) for one in told]
    return Plot(f"{section.title}: {title}", section.x_label, curves, is_log=section.name == "rate")


def line_of(series: Series, told: Told) -> Fit:
    """The line through its points, or through what all together cost at each."""
    points = series.since(told.since)
    return (points.scaled() if told.is_together else points).fit(told.axes)


def curve_of(series: Series, told: Told) -> Curve:
    """Its points and its line."""
    line, xs = line_of(series, told), series.since(told.since).xs
    places = [xs[0] * (xs[-1] / xs[0]) ** (step / STEPS) for step in range(STEPS + 1)]
    marks = [Mark(point.x, point.value, *point.spread) for point in series.points]
    return Curve(told.label, marks, [(x, line.at(x) / (x if told.is_together else 1)) for x in places], line.bend)


def describe_fit(told: Told, line: Fit, is_flat: bool) -> str:
    """What the line is, in words."""
    off = f"the line is within {line.error:.0%}"
    if line.axes == "log":
        if is_flat:
            return f"- {told.label}: does not depend on it; slope {signed(line.slope)}, {off}."
        bend = f" up to {number(line.bend, 3)}, {signed(line.slope_after)} from there" if line.bend is not None and line.slope_after is not None else ""
        return f"- {told.label}: slope {signed(line.slope)} on logarithmic axes{bend}; {off}."
    bend = (
        f"; from {number(line.bend, 3)} on {number(line.slope_after * told.step)} {told.unit}" if line.bend is not None and line.slope_after is not None else ""
    )
    what = f"all of a message's {told.label[:-1]}ies together" if told.is_together else told.label
    return f"- {what}: {number(line.start, 3)} {told.unit}, and {number(line.slope * told.step)} {told.unit} for each {told.of}{bend}; {off}."


def is_flat(series: Series, line: Fit) -> bool:
    """Whether what it rises by over its whole length is within 10 %, which is how far apart two runs may lie."""
    return line.bend is None and abs(line.at(series.xs[-1]) / line.at(series.xs[0]) - 1) < 0.1


def write_section(grown: Grown, section: Section, known: dict[str, str]) -> Iterator[str]:
    """A curve: pictures, fits, why, points."""
    told = [one for _, group in section.plots for one in group]
    yield f"### {section.title}\n\n{section.measured.format(**known)}\n"
    yield "".join(f"![{section.title}: {title}](sizing/{picture_name(section, at)})\n" for at, (title, _) in enumerate(section.plots))
    fits = [(one, line_of(grown.series[one.name], one)) for one in told]
    yield "\n".join(describe_fit(one, line, is_flat(grown.series[one.name], line)) for one, line in fits) + "\n"
    yield section.why.format(**known) + "\n"
    yield f"| {section.x_label} | " + " | ".join(f"{one.label}, {one.unit}" for one in told) + " |\n|---:" + "|---:" * len(told) + "|"
    for x in sorted({x for one in told for x in grown.series[one.name].xs}):
        yield f"| {x:,.0f} | " + " | ".join(cell(grown.series[one.name], x) for one in told) + " |"
    yield ""


def cell(series: Series, x: float) -> str:
    """A median with the middle half of its samples."""
    point = next((point for point in series.points if point.x == x), None)
    if point is None:
        return ""
    low, high = (number(value, 3) for value in point.spread)
    return number(point.value, 3) if low == high or len(point.samples) < 2 else f"{number(point.value, 3)} ({low} to {high})"


def check_row(check: Check, model: Model) -> str:
    """What was predicted beside what was measured."""
    site, cpu = site_of(check), median(check.cpu)
    memory = check.memory_bytes / 2**20
    return (
        f"| {check.connections:,} connections in {check.rooms:,} rooms, {check.rate:,} messages of {check.size:,} bytes a second "
        f"| {percent(model.cpu(site))} | {percent(cpu)} | {signed_percent(model.cpu(site) / cpu - 1)} "
        f"| {model.memory_mib(site):.0f} MiB | {memory:.0f} MiB | {signed_percent(model.memory_mib(site) / memory - 1)} |"
    )


def room_to_leave(checks: Sequence[Check], model: Model) -> str:
    """How far the formula was off, for who plans by it."""
    apart = [model.cpu(site_of(check)) / median(check.cpu) - 1 for check in checks]
    if not apart:
        return ""
    return f"For CPU the formula is off by {signed_percent(min(apart))} to {signed_percent(max(apart))}: leave that much room."


def typical_row(text: str, site: Site, model: Model) -> str:
    """What a site needs."""
    return f"| {text} | {percent(model.cpu(site))} | {model.memory_mib(site):.0f} MiB | {number(site.connections * model.kernel_kib / 1024)} MiB | {model.open_files(site):,} |"


def example(model: Model) -> str:
    """The first of the typical sites, term by term."""
    site, terms = EXAMPLE, model.terms(EXAMPLE)
    return (
        f"- The idle daemon: {percent(terms['idle'])}.\n"
        f"- {site.rate:,.0f} messages x {number(model.message_us)} µs x {number(model.pause(site.rate))} = {percent(terms['messages'])}.\n"
        f"- Each is heard by {site.members:.0f}: {site.rate * site.members:,.0f} deliveries x {number(model.heard_us(site))} µs, which is {number(model.delivery_us(site.connections))} µs "
        f"x {number(model.pause(site.rate))}, = {percent(terms['deliveries'])}.\n"
        f"- A ping to each in {PING_S:.0f} s: {site.connections / PING_S:,.0f} x {number(model.ping_us)} µs = {percent(terms['pings'])}.\n"
        f"- {site.joins:g} who comes and one who goes a second: {number(model.handshake_us)} µs = {number(terms['handshakes'] * 100, 1)} %.\n"
        f"- Together {percent(model.cpu(site))} of a core.\n"
        f"- Memory: {number(model.daemon_mib)} MiB + {site.connections:,} x {number(model.connection_kib)} KiB + {site.rooms:,} x {number(model.room_kib)} KiB = {model.memory_mib(site):.0f} MiB.\n"
        f"- Files: {site.connections:,} + {model.files} = {model.open_files(site):,}.\n"
    )


def terms_table(model: Model) -> str:
    """The figures of the formula."""
    deliveries = ", ".join(f"{number(model.delivery_us(n))} µs with {n:,.0f}" for n in model.connections)
    pauses = ", ".join(f"{number(model.pause(rate))} at {number(rate, 3)}" for rate in model.rates)
    return (
        "| term | is |\n|---|---|\n"
        f"| *idle* | {number(model.idle_us / 1000)} ms a second |\n"
        f"| *message* | {number(model.message_us)} µs, and {number(model.received_byte_us * 1024)} µs for each KiB |\n"
        f"| *delivery* | by the connections that are written to in turn: {deliveries}; and {number(model.delivered_byte_us * 1024)} µs for each KiB |\n"
        f"| *pause* | by the messages a second of the whole daemon: {pauses}; a delivery never becomes dearer by it than {number(model.most_us)} µs |\n"
        f"| *ping* | {number(model.ping_us)} µs, each connection one in `keepalive.ping` |\n"
        f"| *handshake* | {number(model.handshake_us)} µs, the end of the connection included |\n"
        f"| *daemon* | {number(model.daemon_mib)} MiB |\n"
        f"| *connection* | {number(model.connection_kib)} KiB in a room, {number(model.silent_kib)} KiB silent; {number(model.kernel_kib)} KiB of the kernel's |\n"
        f"| *room* | {number(model.room_kib)} KiB |\n"
    )


def page(grown: Grown) -> str:
    """docs/sizing.md."""
    model = Model(grown)
    known = facts(grown, model)
    sections = "\n".join(line for section in SECTIONS for line in write_section(grown, section, known))
    return NOTICE + PAGE.format(
        terms=terms_table(model),
        typical="\n".join(typical_row(text, site, model) for text, site in TYPICAL),
        example=example(model),
        example_text=TYPICAL[0][0],
        checks="\n".join(check_row(check, model) for check in grown.checks),
        room=room_to_leave(grown.checks, model),
        sections=sections,
        date=grown.date,
        machine=grown.machine,
        versions=grown.versions,
        command=grown.command,
        caches=", ".join(f"{name} {size // 1024:,} KiB" for name, size in grown.caches.items()),
    )


PAGE = """# Sizing

What a site needs, and how its costs grow.
One daemon uses one core for its clients; this page says how much of it.
All figures are from one run of `{command}` on {date}: {machine}; {versions}; caches of a core: {caches}.
They are those of that machine. Another core is faster or slower in all of them alike, more or less: run `./dev growth` on yours, or take one figure with [`wsrouter bench`](measuring.md) and scale.

## For X connections in Y rooms at Z messages a second you need …

CPU a second = *idle* + *pause* x (messages x *message* + deliveries x *delivery*) + pings x *ping* + handshakes x *handshake*

memory = *daemon* + connections x *connection* + rooms x *room*

open files = connections + some

A message that is published in a room has as many deliveries as the room has members, its sender among them.

{terms}
| site | of a core | memory | of the kernel | files |
|---|---:|---:|---:|---:|
{typical}

Half a core leaves room for what comes in bursts.
Not in these figures: TLS, compression, checks of tokens, plugins, and what waits for clients that are behind, at most `outbox.size` of the route for each of them.
Publishes that arrive together are cheaper, as they leave in one write: [performance](performance.md).
`process_cpu_seconds_total` of the [metrics](metrics.md) says what it comes to.

### Worked out

{example_text}:

{example}
### Is that true?

These were measured in the same run, and no line was fitted to them:

| site | CPU predicted | measured | off by | memory predicted | measured | off by |
|---|---:|---:|---:|---:|---:|---:|
{checks}

{room}
The first three taught that work after a pause is dearer, the fifth that this has a limit, and the first seven together, each of them then predicted too low, that no site is without pauses; the last two were chosen when all of this was in the formula.
They last less than the time to the first ping, so pings are in neither column.

## How each cost grows

Each point is the median of slices on daemons that had just been started, with the middle half of them in brackets and as a bar; CPU is that of the daemon's own clock for each message that reached a client.
The daemon has one CPU and the generator the other; the generator never sleeps, and parses nothing. Both ends are on one machine: a network card costs something else than the loopback.
A line is fitted to the medians by relative errors; it bends where that halves what a straight one leaves.
A slope of +1 on logarithmic axes is proportion, 0 is none, and -1 is a cost that all share.
The samples are in `loadtest/grown.json`.

{sections}"""
