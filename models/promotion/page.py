"""The page of a promotion gate, in English and Japanese. One file that loads nothing and runs nothing."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

from models.backtest.pages.fairness import fairness_section
from models.pages.document import document
from models.pages.markup import Words, both, number, said, table
from models.promotion.gates import Gate
from models.promotion.report import Promotion

_GATES: Final[Mapping[str, Words]] = {
    "payments": ("payments counted", "集計した取引件数"),
    "frauds": ("frauds counted", "集計した不正件数"),
    "pr_auc": (
        "PR-AUC; judged: lower end of the interval of the difference",
        "PR-AUC（判定対象：差の信頼区間の下限）",
    ),
    "value_recall": (
        "share of fraud yen in alerts at the same alert rate; judged: lower end of the interval of the difference",
        "同じアラート率での検知率（金額）（判定対象：差の信頼区間の下限）",
    ),
    "calibration_error": (
        "frauds expected in the wrong band of score, for each fraud",
        "較正誤差（不正1件あたり、スコア帯を誤った期待件数）",
    ),
    "load_ratio": (
        "alerts under the policy; judged: the larger count by the smaller one",
        "ポリシーによるアラート件数（判定対象：多い方÷少ない方）",
    ),
    "psi": (
        "population stability index of the score, where thresholds are",
        "閾値のあるスコア域の母集団安定性指標（PSI）",
    ),
    "latency_ratio": (
        "median microseconds to score a payment; judged: their ratio",
        "1取引の採点時間の中央値（マイクロ秒、判定対象：比）",
    ),
    "new_alarms": (
        "alarms of fairness; judged: those that the current model does not have",
        "公平性の警報数（判定対象：現行にない警報）",
    ),
}


def page(report: Promotion) -> str:
    """Write the page."""
    return document(f"Promotion of {report.candidate} over {report.current}", "".join(_body(report)))


def _body(report: Promotion) -> Iterator[str]:
    yield f"<h1>{escape(report.candidate)} → {escape(report.current)}</h1>"
    verdict = ("All gates passed.", "すべての基準を満たしました。")
    failed = [gate for gate in report.gates if not gate.passed]
    if failed:
        verdict = (f"{len(failed)} gates failed.", f"{len(failed)}件の基準を満たしていません。")
    yield f'<p class="w">{both(verdict)}</p>'
    yield said(
        f"{report.counted:,} of {report.payments:,} payments, from {report.counted_from} on, old enough for their "
        f"labels. Both models have learnt from payments until {report.learnt_until} only. Policy {report.policy}. "
        "Intervals are of 95%, with cards resampled.",
        f"{report.payments:,}取引のうち、{report.counted_from}以降でラベルが確定した{report.counted:,}取引で評価しました。"
        f"両モデルの学習データは{report.learnt_until}より前のものです。ポリシー：{report.policy}。"
        "信頼区間は95%（カード単位の再標本化）です。",
    )
    head: tuple[Words, ...] = (("gate", "基準"), ("current", "現行"), ("candidate", "候補"))
    head += (("difference", "差の信頼区間"), ("judged", "判定値"), ("bar", "しきい値"), ("verdict", "判定"))
    yield f"<h2>{both(('Gates', '基準'))}</h2>{table(head, ''.join(map(_gate, report.gates)))}"
    yield f"<h2>{both(('Scores', 'スコア分布'))}</h2>"
    yield said(
        "Payments by score, frauds among them, and the frauds that the probabilities expect.",
        "スコア帯別の取引件数、うち不正件数、および確率から期待される不正件数。",
    )
    yield _bins(report)
    groups = [(report.current, report.current_fairness), (report.candidate, report.candidate_fairness)]
    yield fairness_section(groups, report.fairness_terms)


def _gate(gate: Gate) -> str:
    sign, style = ("≤" if gate.is_limit else "≥"), ("" if gate.passed else ' class="a"')
    interval = "" if gate.low is None or gate.high is None else f"{gate.low:,.4f} – {gate.high:,.4f}"
    cells = [_shown(gate.current), _shown(gate.candidate), interval, _shown(gate.value), f"{sign} {gate.bar:,g}"]
    verdict = ("passed", "合格") if gate.passed else ("FAILED", "不合格")
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f"<tr><th>{both(_GATES[gate.name])}</th>{numbers}<td{style}>{both(verdict)}</td></tr>"


def _shown(value: float | None) -> str:
    return "–" if value is None else number(value, 0 if value == int(value) else 4)


def _bins(report: Promotion) -> str:
    head: tuple[Words, ...] = (("score", "スコア"),)
    for model in (("current", "現行"), ("candidate", "候補")):
        for en, ja in (("payments", "取引件数"), ("frauds", "不正件数"), ("expected", "期待件数")):
            head += ((f"{model[0]}: {en}", f"{model[1]}：{ja}"),)
    rows = ""
    for one in report.bins:
        cells = [f"{one.current:,}", f"{one.current_frauds:,}", number(one.current_expected, 1)]
        cells += [f"{one.candidate:,}", f"{one.candidate_frauds:,}", number(one.candidate_expected, 1)]
        numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        rows += f"<tr><th>{one.first}–{one.last}</th>{numbers}</tr>"
    return table(head, rows)
