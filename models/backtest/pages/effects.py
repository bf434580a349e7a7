"""The section of a backtest's page on where merchants stand and on the schemes' programmes."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from models.backtest.effects.effects import Effects, Programme, Stands
from models.pages.markup import Words, both, number, said, table

SHOWN_MAX: Final = 100
"""Most lines of a table. The CSV files have more."""

_STATUSES: Final[Mapping[str, Words]] = {
    "NORMAL": ("normal", "通常"),
    "WATCH": ("watch", "注視"),
    "WARNING": ("warning", "警告"),
    "ACTUALISED": ("fraud actualised", "不正顕在化"),
    "MONITORED": ("monitored", "監視中"),
}
_TITLE: Final[Words] = ("Standing of merchants, and programmes", "加盟店の状態と国際ブランドのプログラム")
_COUNTS: Final[Mapping[str, Words]] = {
    "blocked": ("payments blocked", "ブロックした取引"),
    "blocked_frauds": ("of them reported as fraud", "うち不正報告あり"),
    "blocked_fraud_jpy": ("yen of these frauds", "その不正金額（円）"),
    "blocked_other": ("blocked and not reported", "ブロックした不正報告のない取引"),
    "frequent": ("merchants where fraud is frequent", "不正が多発する加盟店"),
    "changed": ("merchants whose standing changes", "状態が変わる加盟店"),
}


def effect_section(policies: Sequence[tuple[str, Effects]]) -> str:
    """Write the section; `policies`: names and effects."""
    return "".join(_section(policies))


def _section(policies: Sequence[tuple[str, Effects]]) -> Iterator[str]:
    yield f'<h2 id="effects">{both(_TITLE)}</h2>'
    yield said(
        "As if every payment in the band BLOCK had been declined: it is no sale, and brings no fraud report and no "
        "chargeback. Months are those of the whole history in Tokyo, reports count in the month of their receipt. "
        "Recorded is the history as it is. Sales are approvals less reversals.",
        "BLOCKと判定した取引がすべて否認された場合の試算です。その取引は売上にならず、不正報告もチャージバックも"
        "発生しません。月は履歴全体の日本時間の月で、報告は受領月に計上します。「記録」は履歴のままの値です。"
        "売上は承認から取消を引いた件数です。",
    )
    head: tuple[Words, ...] = (("figure", "指標"), *((name, name) for name, _ in policies))
    lines = "".join(
        f"<tr><th>{both(words)}</th>"
        + "".join(f'<td class="n">{getattr(effects, name):,}</td>' for _, effects in policies)
        + "</tr>"
        for name, words in _COUNTS.items()
    )
    yield f'<div class="wide">{table(head, lines)}</div>'
    standings = [(name, one) for name, effects in policies for one in effects.standings if _is_changed(one)]
    yield _standings(standings[:SHOWN_MAX])
    yield _programmes([(name, one) for name, effects in policies for one in effects.programmes][:SHOWN_MAX])


def _is_changed(one: Stands) -> bool:
    return len({one.recorded, one.current, one.status}) > 1


def _standings(lines: Sequence[tuple[str, Stands]]) -> str:
    if not lines:
        return said("No merchant's standing changes.", "状態が変わる加盟店はありません。")
    head: tuple[Words, ...] = (("policy", "ポリシー"), ("acquirer", "アクワイアラー"), ("merchant", "加盟店"))
    head += (("recorded", "記録"), ("current policy", "現行"), ("this policy", "このポリシー"))
    head += (("yen of fraud recorded", "不正金額：記録（円）"), ("with this policy", "このポリシー（円）"))
    body = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(one.acquirer)}</td><td>{escape(one.merchant)}</td>"
        + "".join(f"<td>{both(_STATUSES[status])}</td>" for status in (one.recorded, one.current, one.status))
        + f'<td class="n">{one.recorded_fraud_jpy:,}</td><td class="n">{one.fraud_jpy:,}</td></tr>'
        for name, one in lines
    )
    return f'<div class="wide">{table(head, body)}</div>'


def _programmes(lines: Sequence[tuple[str, Programme]]) -> str:
    head: tuple[Words, ...] = (("policy", "ポリシー"), ("programme", "プログラム"), ("acquirer", "アクワイアラー"))
    head += (("merchant", "加盟店"), ("month", "月"), ("items", "件数"), ("sales", "売上件数"), ("bps", "bps"))
    head += (("tier", "区分"), ("current policy", "現行"), ("recorded", "記録"), ("not judged", "判定不能"))
    body = "".join(_programme(name, one) for name, one in lines)
    return f'<div class="wide">{table(head, body)}</div>'


def _programme(name: str, one: Programme) -> str:
    part = both((" (part)", "（一部）")) if not one.is_whole else ""
    cells = f"<th>{escape(name)}</th><td>{one.programme}</td><td>{escape(one.acquirer)}</td>"
    cells += f'<td>{escape(one.merchant)}</td><td>{one.month}{part}</td><td class="n">{one.items:,}</td>'
    cells += f'<td class="n">{one.sales:,}</td><td class="n">{number(one.ratio_bps, 2)}</td>'
    tiers = (one.tier, one.current_tier, one.recorded_tier, one.unjudged)
    return f"<tr>{cells}" + "".join(f"<td>{escape(tier or '–')}</td>" for tier in tiers) + "</tr>"
