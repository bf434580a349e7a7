"""Plots of a training's page: SVG by matplotlib, the same bytes for the same figures. Their words are in the page."""

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from models.training.report.figures import BAR, Bar, Detection, Reliability

_BLUE: Final = "#2f5d8a"
_RED: Final = "#a40e26"
_GREY: Final = "#9db4cb"
_SMALLEST: Final = 1e-7
"""Lowest rate on a logarithmic axis; lower ones, and 0, are drawn there."""


def precision_recall(curve: Sequence[tuple[float, float]], fraud_rate: float) -> str:
    """Draw precision over recall, and the precision of alerts at random."""
    with _style():
        figure, axes = _empty()
        axes.plot([recall for recall, _ in curve], [precision for _, precision in curve], color=_BLUE)
        axes.axhline(fraud_rate, color=_GREY, linestyle="--")
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        _percent(axes, "xy")
        return _picture(figure)


def detections(found: Sequence[Detection], limits: Sequence[tuple[float, Sequence[float], Sequence[float]]]) -> str:
    """Draw recall by count and by yen over the alert rate. `limits`: an alert rate with the 95% of the two."""
    with _style():
        figure, axes = _empty()
        for name, color in (("recall", _BLUE), ("value_recall", _RED)):
            known = [(one.share, value) for one in found if (value := getattr(one, name)) is not None]
            axes.plot([share for share, _ in known], [value for _, value in known], color=color, marker="o", ms=3)
        for share, *both in limits:
            for edges, color, beside in zip(both, (_BLUE, _RED), (0.98, 1.02), strict=True):
                if edges:
                    axes.vlines(share * beside, edges[0], edges[1], color=color, alpha=0.6)
        axes.set(xscale="log", ylim=(0, 1.02))
        axes.set_xticks([one.share for one in found], minor=False)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.tick_params(axis="x", rotation=30)
        _percent(axes, "xy", digits=2)
        return _picture(figure)


def reliability(found: Sequence[Reliability]) -> str:
    """Draw the rate of fraud over the mean probability, with 95%, both logarithmic, and the line where they are equal.

    A band without a fraud is drawn at the lower edge.
    """
    with _style():
        figure, axes = _empty()
        axes.plot([_SMALLEST, 1], [_SMALLEST, 1], color=_GREY, linestyle="--")
        for one in found:
            if one.rate_low is not None and one.rate_high is not None:
                axes.vlines(
                    max(one.probability, _SMALLEST),
                    max(one.rate_low, _SMALLEST),
                    max(one.rate_high, _SMALLEST),
                    color=_BLUE,
                    alpha=0.6,
                )
        points = [(max(one.probability, _SMALLEST), max(one.rate, _SMALLEST)) for one in found]
        axes.scatter([x for x, _ in points], [y for _, y in points], color=_BLUE, s=14)
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
        return _picture(figure)


def histogram(bars: Sequence[Bar]) -> str:
    """Draw rows by score, other ones behind frauds, on a scale that shows single rows."""
    with _style():
        figure, axes = _empty()
        places = [bar.score_from for bar in bars]
        axes.bar(places, [bar.others for bar in bars], width=BAR, align="edge", color=_GREY)
        axes.bar(places, [bar.frauds for bar in bars], width=BAR * 0.5, align="edge", color=_RED)
        axes.set(xlim=(0, 1000))
        axes.set_yscale("symlog", linthresh=1)
        return _picture(figure)


def recalls(names: Sequence[str], values: Sequence[float], limits: Sequence[tuple[float, float]]) -> str:
    """Draw recall with 95% for each name, in order."""
    with _style():
        figure, axes = _empty()
        places = range(len(names))
        axes.vlines(places, [low for low, _ in limits], [high for _, high in limits], color=_BLUE, alpha=0.6)
        axes.scatter(places, values, color=_BLUE, s=14)
        axes.set_xticks(list(places), names, rotation=30, ha="right")
        axes.set(ylim=(0, 1.02), xlim=(-0.5, len(names) - 0.5))
        _percent(axes, "y")
        return _picture(figure)


def shares(names: Sequence[str], values: Sequence[float]) -> str:
    """Draw a bar for each name, the first on top."""
    with _style():
        figure, axes = _empty(height=0.6 + 0.2 * len(names))
        axes.barh(range(len(names)), values, color=_BLUE)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        _percent(axes, "x")
        return _picture(figure)


@contextmanager
def _style() -> Iterator[None]:
    """Set what pictures depend on: ids by a fixed salt, glyphs as paths, so that no font of a reader is asked for."""
    with mpl.rc_context(
        {
            "svg.fonttype": "path",
            "svg.hashsalt": "sekisho",
            "font.family": "DejaVu Sans",
            "font.size": 9,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#dde3e9",
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    ):
        yield


def _empty(height: float = 3.2) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, height), layout="constrained")
    return figure, figure.add_subplot()


def _percent(axes: Axes, which: str, digits: int | None = None) -> None:
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if name in which:
            axis.set_major_formatter(PercentFormatter(1.0, decimals=digits if name == "x" else 0))


def _picture(figure: Figure) -> str:
    """Return a figure as a `data:` address: as an image its own styles need no permission of the page's policy."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(out.getvalue()).decode()}"
