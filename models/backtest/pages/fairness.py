"""The section on fairness of a backtest's page: a table for each policy, and its alarms in words."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from models.backtest.fairness import ALARMS, Group, Rate, Terms, Verdict, alarms
from models.pages.markup import Words, both, number, said, table

_DIMENSIONS: Final[Mapping[str, Words]] = {
    "card": ("card issued", "カードの発行国"),
    "network": ("network", "国際ブランド"),
    "merchant_size": ("size of merchant", "加盟店の規模"),
    "merchant_age": ("age of merchant", "加盟店の契約期間"),
}
_GROUPS: Final[Mapping[str, Words]] = {
    "UNKNOWN": ("unknown", "不明"),
    "DOMESTIC": ("in the merchant's country", "国内発行"),
    "FOREIGN": ("abroad", "海外発行"),
    "SMALL": ("small", "小規模"),
    "MEDIUM": ("medium", "中規模"),
    "LARGE": ("large", "大規模"),
    "NEW": ("new", "新規"),
    "ESTABLISHED": ("established", "既存"),
}
_VERDICTS: Final[Mapping[Verdict, Words]] = {
    "REFERENCE": ("reference", "基準"),
    "LIKE": ("no alarm", "警報なし"),
    "HIGHER": ("ALARM: higher", "警報：高い"),
    "LOWER": ("ALARM: lower", "警報：低い"),
    "TOO_SMALL": ("too small, not judged", "件数不足のため判定なし"),
    "UNKNOWN": ("unknown, not judged", "不明のため判定なし"),
}
_RATES: Final[Mapping[str, Words]] = {
    "false_positives": ("alerts on genuine payments", "正常取引へのアラート"),
    "genuine_blocked": ("genuine payments blocked", "正常取引のブロック"),
}


def fairness_section(policies: Sequence[tuple[str, Sequence[Group]]], terms: Terms) -> str:
    """Write the section; `policies`: names and groups."""
    return "".join(_section(policies, terms))


def _section(policies: Sequence[tuple[str, Sequence[Group]]], terms: Terms) -> Iterator[str]:
    yield f'<h2 id="fairness">{both(("Fairness", "公平性"))}</h2>'
    yield said(
        "Rates are for 10,000 payments, at the thresholds of each policy: the slider does not change them. Genuine "
        "payments are neither reported nor declined by the issuer. A ratio is to the group with most genuine payments, "
        f"with intervals of {terms.confidence:.0%}. The alarm rings above {terms.limit:g} or below its inverse, if the "
        f"interval excludes 1, for groups of at least {terms.genuine_min:,} genuine payments.",
        "1万取引あたりの率で、各ポリシーのしきい値によるものです（スライダーでは変わりません）。正常取引は、不正報告も"
        "イシュアーの否認もない取引です。比率は正常取引が最も多い区分に対するもので、"
        f"信頼区間は{terms.confidence:.0%}です。正常取引が{terms.genuine_min:,}件以上の区分で、比率が{terms.limit:g}を"
        "超えるか逆数を下回り、かつ区間が1を含まない場合に警報となります。",
    )
    yield said(
        f"Small merchants have at most {terms.small_until:,} payments in the history, medium ones at most "
        f"{terms.medium_until:,}: a third of the merchants each. A merchant is new for {terms.new_days} days after its "
        "contract, or after its first payment in the history if the contract is not known.",
        f"小規模は履歴中の取引が{terms.small_until:,}件以下、中規模は{terms.medium_until:,}件以下の加盟店です（加盟店数の"
        f"三分位）。契約日から{terms.new_days}日間（契約日が不明な場合は履歴中の最初の取引から）を新規とします。",
    )
    for name, groups in policies:
        yield f"<h3>{escape(name)}</h3>"
        for group, rate_name, rate in alarms(list(groups)):
            yield f'<p class="w">{both(_alarm(group, rate_name, rate))}</p>'
        yield _groups(groups)


def _alarm(group: Group, rate_name: str, rate: Rate) -> Words:
    dimension, name, of = _DIMENSIONS[group.dimension], _words(group), _RATES[rate_name]
    ratios = ["–" if rate.ratio is None else f"{rate.ratio:,.2f}", _interval(rate.ratio_low, rate.ratio_high)]
    return (
        f"{dimension[0]}, {name[0]}: {of[0]}, ratio {' '.join(ratios)}",
        f"{dimension[1]}・{name[1]}：{of[1]}、比率 {' '.join(ratios)}",
    )


def _groups(groups: Sequence[Group]) -> str:
    head: tuple[Words, ...] = (("group", "区分"), ("payments", "取引件数"), ("genuine", "正常取引"))
    head += (("frauds for 10,000", "不正率"), ("alerts for 10,000", "アラート率"), ("blocked for 10,000", "ブロック率"))
    for words in _RATES.values():
        head += (words, ("ratio", "比率"), ("verdict", "判定"))
    lines = ""
    for group in groups:
        dimension, name = _DIMENSIONS[group.dimension], _words(group)
        cells = [f"{group.payments:,}", f"{group.genuine:,}"]
        cells += [number(one, 2) for one in (group.fraud_rate_bps, group.alert_rate_bps, group.block_rate_bps)]
        lines += f"<tr><th>{both((f'{dimension[0]}: {name[0]}', f'{dimension[1]}：{name[1]}'))}</th>"
        lines += "".join(f'<td class="n">{cell}</td>' for cell in cells)
        for rate in (group.false_positives, group.genuine_blocked):
            lines += f'<td class="n">{number(rate.rate_bps, 2)} {_interval(rate.low_bps, rate.high_bps)}</td>'
            lines += f'<td class="n">{number(rate.ratio, 2)} {_interval(rate.ratio_low, rate.ratio_high)}</td>'
            style = ' class="a"' if rate.verdict in ALARMS else ""
            lines += f"<td{style}>{both(_VERDICTS[rate.verdict])}</td>"
        lines += "</tr>"
    return f'<div class="wide">{table(head, lines)}</div>'


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None else f"({low:,.2f} – {'∞' if high is None else f'{high:,.2f}'})"


def _words(group: Group) -> Words:
    """Return the name of a group; networks have one in both languages."""
    return _GROUPS.get(group.group, (group.group, group.group))
