"""The live view on a terminal, and its picture."""

import io
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.demo.findings.incidents import counted
from streams.demo.state import BANDS, SCORE_BINS, AlertLine, State

TOKYO_MS = 9 * 3_600_000
PICTURE_COLUMNS = 118
REFRESH_S = 0.5

_BAND_STYLE = {"ALLOW": "green", "REVIEW": "yellow", "STEP_UP": "dark_orange", "BLOCK": "red"}
_SEVERITY_STYLE = {"MEDIUM": "yellow", "HIGH": "dark_orange", "CRITICAL": "bold red"}
_BARS = " ▁▂▃▄▅▆▇█"
_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}\s*")


class Terminal:
    """Show the state in place on a terminal, twice a second."""

    period_s = REFRESH_S

    def __init__(self, console: Console, state: State) -> None:
        self._console = console
        self._state = state
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "Terminal":
        self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Show the present phase."""
        self._state.phase = text
        self.draw()

    def draw(self) -> None:
        """Show the present state."""
        self._live.update(render(self._state, time.monotonic()), refresh=True)


def save_picture(file: Path, state: State) -> None:
    """Write the view as an SVG without external references."""
    console = Console(
        record=True, file=io.StringIO(), width=PICTURE_COLUMNS, force_terminal=True, color_system="truecolor"
    )
    console.print(render(state, time.monotonic()))
    picture = console.export_svg(title="sekisho demo", font_aspect_ratio=0.61)
    file.write_text(_FONT_FACE.sub("", picture), encoding="utf-8")


def render(state: State, now_s: float) -> RenderableType:
    """Return the whole view."""
    figures = Table.grid(expand=True)
    for ratio in (5, 7, 6):
        figures.add_column(ratio=ratio)
    figures.add_row(_speed(state, now_s), _mix(state), _histogram(state))
    return Group(_headline(state, now_s), figures, _alerts(state), _foot(state))


def clock(ms: int) -> str:
    """Return an event time as the time of day in Tokyo."""
    return (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms + TOKYO_MS)).strftime("%H:%M:%S")


def milliseconds(value: float | None) -> str:
    """Return a latency as text."""
    return "-" if value is None else f"{value:,.0f} ms"


def _headline(state: State, now_s: float) -> RenderableType:
    line = Text.assemble(("sekisho ", "bold"), ("関所  ", "dim"))
    if state.live_began_s is None:
        line.append(state.phase)
    else:
        left = max(0.0, state.live_s - (now_s - state.live_began_s))
        line.append(
            f"{state.phase}   {clock(state.clock_ms)} in Tokyo, a day in {state.live_s:.0f} s   {left:.0f} s left"
        )
    return line


def _speed(state: State, now_s: float) -> RenderableType:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim")
    rows.add_column(justify="right")
    rows.add_row("decisions/s", f"[bold]{state.rate(now_s):,.0f}[/]")
    rows.add_row("latency p50", milliseconds(state.latency.recent(0.5)))
    rows.add_row("latency p99", milliseconds(state.latency.recent(0.99)))
    rows.add_row("events sent", f"{state.ledger.events_sent:,}")
    rows.add_row("reports", f"{state.reports:,}")
    return Panel(rows, title="flow", title_align="left", box=box.ROUNDED)


def _mix(state: State) -> RenderableType:
    rows = Table.grid(padding=(0, 1))
    for width in (7, 6, 6):
        rows.add_column(no_wrap=True, min_width=width)
    rows.add_column(no_wrap=True, ratio=1)
    total = max(1, state.bands.total())
    for band in BANDS:
        share = state.bands[band] / total
        bar = "█" * max(1 if share else 0, round(share * 10))
        rows.add_row(band, f"{state.bands[band]:>6,}", f"{share:>6.2%}", Text(bar, style=_BAND_STYLE[band]))
    rows.add_row("", "", "", "")
    return Panel(rows, title="decisions", title_align="left", box=box.ROUNDED)


def _histogram(state: State) -> RenderableType:
    """Return the histogram of scores 0 to 999 in bins of fifty, on a log scale since few are high."""
    heights = np.log1p(state.scores.astype(np.float64))
    top = max(float(heights.max()), 1.0)
    rows = []
    for level in (2, 1, 0):
        cells = np.clip(heights / top * 24 - 8 * level, 0, 8)
        rows.append(Text("".join(_BARS[round(cell)] for cell in cells.tolist()), style="cyan"))
    rows.append(Text(f"0{'score':^{SCORE_BINS - 4}}999", style="dim"))
    rows.append(Text("log scale", style="dim"))
    return Panel(Group(*rows), title="scores", title_align="left", box=box.ROUNDED)


def _alerts(state: State) -> RenderableType:
    table = Table(box=None, expand=True, pad_edge=False, header_style="dim")
    table.add_column("time", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    table.add_column("about at merchant", no_wrap=True)
    table.add_column("yen", justify="right", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("because", ratio=1, no_wrap=True, overflow="ellipsis")
    for alert in reversed(state.alerts):
        table.add_row(*_cells(alert))
    for _ in range(state.alerts.maxlen or 0, len(state.alerts), -1):
        table.add_row()
    shown = "  ".join(f"{name} {count:,}" for name, count in sorted(state.severities.items()))
    if len(state.incidents):
        shown += f"   {counted(state.incidents)}"
    return Panel(
        table, title=f"alerts {sum(state.severities.values()):,}   {shown}", title_align="left", box=box.ROUNDED
    )


def _cells(alert: AlertLine) -> tuple[str | Text, ...]:
    yen = "" if alert.amount_jpy is None else f"{alert.amount_jpy:,}"
    severity = Text(alert.severity, style=_SEVERITY_STYLE.get(alert.severity, ""))
    reasons = "; ".join(alert.reasons)
    score = "" if alert.score is None else str(alert.score)
    return (clock(alert.at_ms), severity, f"{alert.kind} {alert.merchant_id}", yen, score, Text(reasons))


def _foot(state: State) -> RenderableType:
    ledger = state.ledger
    letters = ledger.dead_letters.total()
    return Text.assemble(
        ("balance ", "dim"),
        f"{ledger.events_sent:,} sent = {ledger.answered - letters:,} decided + {letters:,} refused "
        f"+ {ledger.repeats:,} repeats + {ledger.outstanding:,} on the way\n",
        ("metrics ", "dim"),
        state.address or "-",
    )
