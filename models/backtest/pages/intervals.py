"""The section on uncertainty of a backtest's page: figures of each policy with intervals, and differences."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from models.backtest.intervals import CaseEstimates, Estimate, Estimates, Resampling, named
from models.pages.markup import Words, both, said, table

_FIGURES: Final[Mapping[str, Words]] = {
    "precision": ("precision", "適合率"),
    "recall": ("recall by count", "検知率（件数）"),
    "value_recall": ("recall by yen", "検知率（金額）"),
    "case_precision": ("precision by case", "適合率（案件）"),
    "case_recall": ("share of frauds in a case", "案件に含まれる不正の割合"),
    "cases_a_day": ("cases a day", "1日あたり案件数"),
}

Figures = tuple[Estimates, CaseEstimates]
"""By payment and by case."""


def interval_section(policies: Sequence[tuple[str, Figures, Figures | None]], terms: Resampling) -> str:
    """Write the section; `policies`: names, figures, differences to the current policy."""
    return "".join(_section(policies, terms))


def _section(policies: Sequence[tuple[str, Figures, Figures | None]], terms: Resampling) -> Iterator[str]:
    yield f'<h2 id="uncertainty">{both(("Uncertainty", "不確実性"))}</h2>'
    yield said(
        f"Intervals are of {terms.confidence:.0%}, from {terms.resamples:,} draws of the {terms.days:,} days of the "
        "counted payments, at the thresholds of each policy: the slider does not change them. Both policies of a "
        "difference are drawn on the same days. A difference whose interval includes 0 may be chance.",
        f"区間は{terms.confidence:.0%}で、対象取引の{terms.days:,}日間から日単位で{terms.resamples:,}回再抽出した、"
        "各ポリシーのしきい値による値です（スライダーでは変わりません）。差は両ポリシーを同じ日で比較しています。区間が0を"
        "含む差は偶然の可能性があります。",
    )
    if terms.days < terms.days_min:
        words = (
            f"There are no intervals: fewer than {terms.days_min} days.",
            f"{terms.days_min}日未満のため、区間はありません。",
        )
        yield f'<p class="w">{both(words)}</p>'
    head: tuple[Words, ...] = (("policy", "ポリシー"), ("figure", "指標"), ("value", "値"), ("interval", "区間"))
    head += (("difference to current", "現行との差"), ("interval", "区間"), ("includes 0", "0を含む"))
    yield f'<div class="wide">{table(head, "".join(_lines(policies)))}</div>'


def _lines(policies: Sequence[tuple[str, Figures, Figures | None]]) -> Iterator[str]:
    for policy, estimates, difference in policies:
        changes = {} if difference is None else dict(named(*difference))
        for name, one in named(*estimates):
            cells = f"<th>{escape(policy)}</th><th>{both(_FIGURES[name])}</th>{_numbers(one, '')}"
            change = changes.get(name)
            if change is None:
                cells += '<td class="n">–</td><td class="n">–</td><td>–</td>'
            else:
                cells += _numbers(change, "+") + _zero(change)
            yield f"<tr>{cells}</tr>"


def _numbers(one: Estimate, sign: str) -> str:
    value = "–" if one.value is None else f"{one.value:{sign}.4f}"
    edges = "–" if one.low is None or one.high is None else f"{one.low:{sign}.4f} – {one.high:{sign}.4f}"
    return f'<td class="n">{value}</td><td class="n">{edges}</td>'


def _zero(one: Estimate) -> str:
    """Say whether the interval of a difference includes 0."""
    if one.low is None or one.high is None:
        return "<td>–</td>"
    return f"<td>{both(('yes', 'はい') if one.low <= 0 <= one.high else ('no', 'いいえ'))}</td>"
