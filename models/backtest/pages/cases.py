"""The sections of a backtest's page on cases, and on what rules and lists hit."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from models.backtest.cases.figures import CaseMonth, Cases
from models.backtest.decided.desk import Hits
from models.pages.markup import Words, both, number, said, table

_FIGURES: Final[Mapping[str, tuple[Words, int]]] = {
    "cases": (("cases", "案件数"), 0),
    "cases_a_day": (("cases a day", "1日あたり案件数"), 1),
    "frauds": (("cases with a reported fraud", "不正報告を含む案件"), 0),
    "declined": (("false positives: declined by the issuer", "誤検知：イシュアーが否認"), 0),
    "refunded": (("false positives: refunded or reversed", "誤検知：返金・取消"), 0),
    "good": (("false positives: good, as far as is known", "誤検知：正常（判明分）"), 0),
    "precision": (("precision by case", "適合率（案件）"), 4),
    "false_positives_per_fraud": (("other cases for each with fraud", "不正案件1件あたりの誤検知"), 2),
    "payments": (("payments in cases", "案件に含まれる取引"), 0),
    "fraud_payments": (("of them reported as fraud", "うち不正報告あり"), 0),
    "hours": (("analyst hours", "調査時間"), 1),
    "hours_a_day": (("analyst hours a day", "1日あたり調査時間"), 1),
}
_EFFECTS: Final[Mapping[str, Words]] = {
    "ON": ("on", "有効"),
    "SHADOW": ("shadow: changed nothing", "試行（影響なし）"),
    "CAPPED": ("reached its cap: review", "上限到達（審査）"),
    "RAISED": ("raised the band", "区分を引き上げ"),
    "LOWERED": ("lowered the band", "区分を引き下げ"),
    "NO_CHANGE": ("no change", "変更なし"),
    "DENIED": ("a deny list went before", "拒否リストが優先"),
    "CRITICAL_RULE": ("a critical rule of 3-D Secure went before", "3-Dセキュアの重大な規則が優先"),
    "LIMIT": ("a limit or rule went before", "金額上限・ルールが優先"),
}
_KINDS: Final[Mapping[str, Words]] = {"RULE": ("rule", "ルール"), "LIST": ("list", "リスト")}


Policies = Sequence[tuple[str, Cases, Sequence[CaseMonth], Sequence[Hits]]]
"""Names, figures by case in all and by month, and hits."""


def case_sections(policies: Policies) -> str:
    """Write both sections."""
    return "".join(_sections(policies))


def _sections(policies: Policies) -> Iterator[str]:
    yield f'<h2 id="cases">{both(("Cases", "案件"))}</h2>'
    yield said(
        "People work on cases: the alerts of one card, merchant, device or address within the time that the policy "
        "says are one case, and an attack that tries card numbers is one. Cases are joined by the code of a worker, at "
        "the thresholds of each policy: the slider does not change them.",
        "調査は案件単位で行われます。ポリシーの定める時間内の、同じカード・加盟店・端末・住所のアラートは1案件、"
        "カード番号を試す攻撃も1案件です。案件はワーカーと同じ処理で、各ポリシーのしきい値によりまとめています"
        "（スライダーでは変わりません）。",
    )
    head: tuple[Words, ...] = (("figure", "指標"), *((name, name) for name, *_ in policies))
    lines = "".join(
        f"<tr><th>{both(words)}</th>"
        + "".join(f'<td class="n">{number(getattr(cases, name), digits)}</td>' for _, cases, *_ in policies)
        + "</tr>"
        for name, (words, digits) in _FIGURES.items()
    )
    yield f'<div class="wide">{table(head, lines)}</div>'
    yield from _months(policies)
    if not any(hits for *_, hits in policies):
        return
    yield f'<h2 id="hits">{both(("Rules and lists", "ルールとリスト"))}</h2>'
    head = (("policy", "ポリシー"), ("kind", "種類"), ("id", "ID"), ("effect", "効果"), ("payments", "取引件数"))
    head += (("yen", "金額（円）"), ("frauds", "不正件数"), ("yen of frauds", "不正金額（円）"))
    head += (("share of frauds", "不正の割合"),)
    told = "".join(_hit(name, hit) for name, *_, hits in policies for hit in hits)
    yield f'<div class="wide">{table(head, told)}</div>'


def _months(policies: Policies) -> Iterator[str]:
    yield f"<h3>{both(('Cases by month', '月別の案件'))}</h3>"
    yield said(
        "A case is of the month in Tokyo of its first payment. In a month that is marked some labels are not known "
        "yet: its precision is too low.",
        "案件は最初の取引の月（日本時間）に計上します。印のある月はラベルが未確定の取引を含み、適合率が実際より低くなります。",
    )
    head: tuple[Words, ...] = (("policy", "ポリシー"), ("month", "月"), ("labels known", "ラベル確定"))
    names = ("cases", "frauds", "precision", "payments", "hours", "hours_a_day")
    head += tuple(_FIGURES[name][0] for name in names)
    lines = "".join(
        f"<tr><th>{escape(policy)}</th><td>{month.month}</td>"
        + (f"<td>{both(('yes', 'はい'))}</td>" if month.is_mature else f'<td class="a">{both(("no", "いいえ"))}</td>')
        + "".join(f'<td class="n">{number(getattr(month.figures, name), _FIGURES[name][1])}</td>' for name in names)
        + "</tr>"
        for policy, _, months, _ in policies
        for month in months
    )
    yield f'<div class="wide">{table(head, lines)}</div>'


def _hit(policy: str, hit: Hits) -> str:
    cells = f"<th>{escape(policy)}</th><td>{both(_KINDS[hit.kind])}</td><td>{escape(hit.id)}</td>"
    cells += f"<td>{both(_EFFECTS[hit.effect])}</td>"
    counts = (hit.payments, hit.jpy, hit.frauds, hit.fraud_jpy)
    numbers = [*(f"{count:,}" for count in counts), number(hit.precision, 4)]
    return f"<tr>{cells}" + "".join(f'<td class="n">{one}</td>' for one in numbers) + "</tr>"
