"""The section of a backtest's page with examples by case: what joined it, why it alerted, why a fraud was missed."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from models.backtest.cases.examples import CaseExample, CaseExamples, Missed, OfCases
from models.backtest.compare import Example
from models.pages.markup import Words, both, said, table

_JOINS: Final[Mapping[str, Words]] = {
    "NOTHING": ("nothing", "なし"),
    "CARD": ("one card", "同じカード"),
    "MERCHANT": ("one merchant", "同じ加盟店"),
    "MERCHANT_BIN": ("one BIN at one merchant", "同じ加盟店とBIN"),
    "DEVICE": ("one device", "同じ端末"),
    "IP": ("one IP address", "同じIPアドレス"),
    "ADDRESS": ("one delivery address", "同じ配送先"),
    "ACCOUNT": ("one account", "同じ会員"),
    "ATTACK": ("one attack that tries card numbers", "カード番号を試す同じ攻撃"),
}
_CELLS: Final[Mapping[str, Words]] = {
    "CASE": ("case", "案件"),
    "GAINED": ("case more than with the current policy", "現行にない案件"),
    "LOST": ("case of the current policy that is no case here", "現行のみの案件"),
}
_FATES: Final[Mapping[str, Words]] = {
    "FRAUD": ("with a reported fraud", "不正報告あり"),
    "DECLINED": ("false: declined by the issuer", "誤検知：イシュアーが否認"),
    "REFUNDED": ("false: refunded or reversed", "誤検知：返金・取消"),
    "GOOD": ("false: good, as far as is known", "誤検知：正常（判明分）"),
}
_MISSED: Final[Mapping[str, Words]] = {
    "SUPPRESSED": ("a suppression covers the alert", "抑止設定によりアラートなし"),
    "ALLOWED": ("an allowing list lowered the band", "許可リストにより区分を引き下げ"),
    "BELOW": ("below the band that raises an alert", "アラート対象の区分未満"),
}


def example_section(policies: Sequence[tuple[str, OfCases]]) -> str:
    """Write the section; `policies`: names and examples."""
    return "".join(_section(policies))


def _section(policies: Sequence[tuple[str, OfCases]]) -> Iterator[str]:
    yield f'<h2 id="examples">{both(("Examples by case", "案件の例"))}</h2>'
    yield said(
        "Of each kind the cases with most yen, with their first payments and the reasons of these. A payment has its "
        "time, acquirer and merchant, amount, what happened, then its score, the score from which it alerts, and its "
        "band. The ids of the payments are in backtest.json.",
        "種類ごとに金額の大きい案件と、その最初の取引、理由を示します。取引は、日時、アクワイアラーと加盟店、金額、その後、"
        "スコア / アラート対象となるスコア、区分の順です。取引IDはbacktest.jsonにあります。",
    )
    head: tuple[Words, ...] = (("policy", "ポリシー"), ("kind", "種類"), ("number", "件数"), ("joined by", "共通項目"))
    head += (("payments", "取引件数"), ("frauds", "不正件数"), ("yen", "金額（円）"), ("from, to", "期間"))
    head += (("first payments: why they alert", "最初の取引と理由"),)
    lines = "".join(_case(name, cell, one) for name, found in policies for cell in found.cells for one in cell.examples)
    yield f'<div class="wide">{table(head, lines)}</div>'
    if not any(found.missed for _, found in policies):
        return
    yield f"<h3>{both(('Frauds in no case', '案件に含まれない不正'))}</h3>"
    head = (("policy", "ポリシー"), ("why", "理由"), ("frauds", "不正件数"), ("yen", "金額（円）"))
    head += (("those with most yen", "金額の大きい取引"),)
    told = "".join(_missed(name, one) for name, found in policies for one in found.missed)
    yield f'<div class="wide">{table(head, told)}</div>'


def _case(policy: str, cell: CaseExamples, one: CaseExample) -> str:
    what, fate = _CELLS[cell.what], _FATES[cell.fate]
    kind = f"{what[0]}, {fate[0]}", f"{what[1]}・{fate[1]}"
    counts = "".join(f'<td class="n">{count:,}</td>' for count in (one.payments, one.frauds, one.jpy))
    return (
        f'<tr><th>{escape(policy)}</th><td>{both(kind)}</td><td class="n">{cell.count:,}</td>'
        f"<td>{both(_JOINS[one.joined_by])}</td>{counts}"
        f"<td>{escape(one.begins)} – {escape(one.ends)}</td><td>{_payments(one.shown)}</td></tr>"
    )


def _missed(policy: str, one: Missed) -> str:
    return (
        f'<tr><th>{escape(policy)}</th><td>{both(_MISSED[one.why])}</td><td class="n">{one.count:,}</td>'
        f'<td class="n">{one.jpy:,}</td><td>{_payments(one.examples)}</td></tr>'
    )


def _payments(shown: Sequence[Example]) -> str:
    return "".join(f"<p>{escape(_payment(one))}{_reasons(one)}</p>" for one in shown)


def _payment(one: Example) -> str:
    yen = "–" if one.amount_jpy is None else f"{one.amount_jpy:,}"
    place = f"{one.acquirer} / {one.merchant}"
    return f"{one.time} · {place} · {yen} JPY · {one.fate} · {one.score} / {one.alerts_from} → {one.band}"


def _reasons(one: Example) -> str:
    return "".join(f"<br>{escape(reason.id)}: {both((reason.en, reason.ja))}" for reason in one.reasons)
