"""The report of a run: one HTML page that needs nothing else, in light and dark, and a short Markdown summary."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Sequence
from pathlib import Path

from loadtest.charts import LEFT, PLOT, WIDTH, Panel, draw
from loadtest.run import Run, panels
from loadtest.text import MARKS, PERCENTILES, format_ms, list_counts, list_times, name_percentile

HERE = Path(__file__).resolve().parent
MARK_CLASSES = {True: "good", False: "bad", None: "open"}
HEAD = ["", "count", *map(name_percentile, PERCENTILES), "mean"]
"""Of the table of latencies."""


def write_reports(run: Run, folder: Path) -> tuple[Path, Path]:
    """Writes both, named after the scenario and the time; where they are: the page, then the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{run.scenario}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(run.begun_at))}"
    page, summary = folder / f"{name}.html", folder / f"{name}.md"
    page.write_text(render_page(run), "utf-8")
    summary.write_text(render_summary(run, page.name), "utf-8")
    return page, summary


def render_page(run: Run) -> str:
    """The whole page."""
    found = panels(run)
    title = f"{run.scenario}: {run.text}"
    return "".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{html.escape(run.scenario)} · wsrouter load</title><style>{(HERE / 'report.css').read_text('utf-8')}</style></head><body><main>",
            f'<header><p class="kicker">wsrouter load · {time.strftime("%-d %B %Y, %H:%M", time.localtime(run.begun_at))}</p>',
            f"<h1>{html.escape(run.scenario)}</h1><p>{html.escape(title.partition(': ')[2])}</p></header>",
            render_verdict(run),
            render_tiles(run),
            f"<section><h2>Checks</h2>{render_checks(run)}</section>",
            f"<section><h2>Latency, in milliseconds</h2>{table(HEAD, [[name, *cells] for name, cells in list_times(run.record)])}</section>",
            '<section id="curves"><h2>Curves</h2>',
            render_marks(run),
            *(render_panel(panel, run) for panel in found),
            "</section>",
            f'<section class="pair"><div><h2>Counts</h2>{table([], list_counts(run.record, run.seconds))}</div>',
            f"<div><h2>How connections ended</h2>{table([], render_ends(run))}</div></section>",
            f"<section><h2>The run</h2>{table([], run.facts, is_text=True)}</section>",
            "<footer>How to read each figure: <code>loadtest/README.md</code>.</footer></main>",
            f"<script>const AXIS={json.dumps([LEFT / WIDTH, PLOT / WIDTH, round(run.time_s, 3)])};{(HERE / 'report.js').read_text('utf-8')}</script></body></html>\n",
        ]
    )


def render_verdict(run: Run) -> str:
    """One line that says whether it was good."""
    missed = [check for check in run.checks if check.is_met is False]
    if missed:
        return f'<p class="verdict bad"><b>✕ Missed</b> {html.escape("; ".join(f"{check.text}: {check.value}" for check in missed))}</p>'
    met = sum(check.is_met is True for check in run.checks)
    return f'<p class="verdict good"><b>✓ Good</b> all {met} checks met</p>'


def render_tiles(run: Run) -> str:
    """The few figures that one looks at first."""
    record, tiles = run.record, list[tuple[str, str, str]]()
    if run.main_time is not None:
        histogram, name = record.times[run.main_time], run.main_time.replace("_", " ")
        tiles += [(f"{label} {name}", format_ms(histogram.percentile_ms(percent)), "ms") for label, percent in (("median", 50), ("p99", 99), ("longest", 100))]
    tiles.append(("connections opened", f"{record.counts['opened']:,}", ""))
    if run.seconds and record.counts["received"]:
        tiles.append(("received", f"{record.counts['received'] / run.seconds:,.0f}", "/s"))
    tiles.append(("lost", f"{record.counts['lost']:,}", ""))
    return '<div class="tiles">' + "".join(f"<div><span>{html.escape(name)}</span><b>{value}</b> <i>{unit}</i></div>" for name, value, unit in tiles) + "</div>"


def render_checks(run: Run) -> str:
    """What was asked, and what came of it."""
    rows = "".join(
        f'<tr><td class="{MARK_CLASSES[check.is_met]}">{MARKS[check.is_met]}</td><td>{html.escape(check.text)}</td><td>{html.escape(check.value)}</td></tr>'
        for check in run.checks
    )
    return f'<table class="text">{rows}</table>'


def render_marks(run: Run) -> str:
    """What was done to the server meanwhile; dashed lines in the curves."""
    return "".join(f'<p class="event">┆ {at_s - run.begun_at:.1f} s: {html.escape(text)}</p>' for at_s, text in run.marks)


def render_panel(panel: Panel, run: Run) -> str:
    """A panel with its legend, and its values for whoever points at it."""
    data = {
        "t": [round(at_s, 2) for at_s in panel.times_s],
        "s": [[None if value is None else float(f"{value:.4g}") for value in series.values] for series in panel.series],
    }
    legend = "".join(f'<span class="key"><i class="c-{series.colour}"></i>{html.escape(series.name)} <b></b></span>' for series in panel.series)
    unit = f" <small>{html.escape(panel.unit)}</small>" if panel.unit else ""
    picture = draw(panel, run.time_s, [(at_s - run.begun_at, text) for at_s, text in run.marks])
    return f"<figure data-values='{json.dumps(data)}'><figcaption><strong>{html.escape(panel.title)}{unit}</strong><span>{legend}</span></figcaption>{picture}</figure>"


def render_ends(run: Run) -> list[tuple[str, str]]:
    """Why connections ended, the most frequent first; then what is an error."""
    rows = [(cause, f"{count:,}") for cause, count in run.record.closes.most_common()]
    rows += [(f"by the daemon's log: {cause}", f"{count:,}") for cause, count in run.log_closes.most_common()]
    return rows + [(f"error: {text}", f"{count:,}") for text, count in run.record.errors.most_common()]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, is_text: bool = False) -> str:
    """A table; the first column is text, the others are numbers unless `is_text`."""
    top = "<tr>" + "".join(f"<th>{html.escape(word)}</th>" for word in head) + "</tr>" if head else ""
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table class="{"text" if is_text else "numbers"}">{top}{body}</table></div>' if rows else "<p>none</p>"


def render_summary(run: Run, page: str) -> str:
    """The summary, for a message or a commit."""
    lines = [
        f"# {run.scenario}: {'good' if run.is_good else 'MISSED'}",
        "",
        f"{run.text[0].upper()}{run.text[1:]}{'' if run.text.endswith('?') else '.'} The curves are in [{page}]({page}).",
        "",
    ]
    lines += ["| check | came out as | |", "|---|---|---|"]
    lines += [f"| {check.text} | {check.value} | {MARKS[check.is_met]} |" for check in run.checks]
    lines += ["", f"| milliseconds | {' | '.join(HEAD[1:])} |", f"|---{'|--:' * (len(HEAD) - 1)}|"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in list_times(run.record)]
    lines += ["", "| count | |", "|---|--:|", *(f"| {name} | {value} |" for name, value in list_counts(run.record, run.seconds))]
    lines += ["", "| how connections ended | |", "|---|--:|", *(f"| {text} | {count} |" for text, count in render_ends(run))]
    lines += ["", *(f"- {name}: {value}" for name, value in run.facts), ""]
    return "\n".join(lines)
