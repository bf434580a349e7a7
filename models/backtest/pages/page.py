"""The page of a backtest: a slider moves the threshold and redraws every figure. One file that loads nothing."""

from collections.abc import Iterator, Mapping
from html import escape
from importlib import resources
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.backtest.figures import Figures
from models.backtest.scored import Fate, Scored
from models.backtest.targets import LEVELS, OFF, Bounds
from models.pages.document import document
from models.pages.markup import Words, both, number, said, table
from scoring.policy import Policy

BARS: Final = 50

_FIGURES: Final[Mapping[str, tuple[Words, int]]] = {
    "alerts": (("alerts", "アラート件数"), 0),
    "alerts_a_day": (("alerts a day", "1日あたりアラート件数"), 1),
    "alert_rate_bps": (("alerts for 10,000 payments", "1万取引あたりアラート件数"), 2),
    "precision": (("precision: share of frauds among alerts", "適合率（アラート中の不正の割合）"), 4),
    "recall": (("recall by count: share of frauds alerted", "検知率（件数）"), 4),
    "value_recall": (("recall by yen", "検知率（金額）"), 4),
    "false_positives_per_fraud": (("other alerts for each fraud", "不正1件あたりの誤検知"), 2),
    "frauds_alerted": (("frauds alerted", "検知した不正件数"), 0),
    "fraud_alerted_jpy": (("yen of frauds alerted", "検知した不正金額（円）"), 0),
    "saved_jpy": (
        ("yen of fraud stopped at most: alerted, and not declined anyway", "阻止できた不正金額の上限（円）"),
        0,
    ),
    "hours": (("analyst hours", "調査時間"), 1),
    "hours_a_day": (("analyst hours a day", "1日あたり調査時間"), 1),
}
_FATES: Final[Mapping[Fate, Words]] = {
    Fate.FRAUD: ("reported as fraud", "不正報告あり"),
    Fate.DECLINED: ("declined by the issuer anyway", "イシュアーが否認"),
    Fate.REFUNDED: ("refunded or reversed", "返金・取消"),
    Fate.GOOD: ("good, as far as is known", "正常（判明分）"),
}


def page(
    rows: Scored,
    policy: Policy,
    found: Bounds,
    current: Figures,
    *,
    title: str,
    minutes: float,
    rest: str,
    sections: str,
    learnt_until: str | None = None,
) -> str:
    """Write the page. `found`: alerts of the current policy at the lowest and the highest threshold.

    `learnt_until`: first day after those that the model has learnt from, if payments of those days are counted.

    `rest`: the policy as YAML, without version, thresholds of all events, author and approval. `current`: its figures.
    `sections`: those on cases, uncertainty and fairness, as HTML.
    """
    data = escape_json(msgspec.json.encode(_data(rows, policy, found, current, minutes, rest)).decode())
    script = resources.files("models.backtest.pages").joinpath("page.js").read_text(encoding="utf-8")
    body = "".join(_body(rows, policy, current, title, sections, learnt_until))
    return document(title, body, [script], f'<script type="application/json" id="data">{data}</script>')


def escape_json(text: str) -> str:
    """Write JSON so that no text in it can end a script element."""
    return text.replace("<", "\\u003c")


def _data(
    rows: Scored, policy: Policy, found: Bounds, current: Figures, minutes: float, rest: str
) -> dict[str, object]:
    some = rows.is_counted
    kinds: dict[str, tuple[NDArray[np.bool_], NDArray[np.int64]]] = {}
    for fate in Fate:
        own = some & (rows.fates == fate)
        kinds |= {fate.name: (own, np.ones(len(own), np.int64)), f"{fate.name}_jpy": (own, rows.yen)}
    kinds["saved_jpy"] = (some & (rows.fates == Fate.FRAUD) & ~rows.is_declined, rows.yen)
    frauds = some & (rows.fates == Fate.FRAUD)
    edges = np.linspace(0, OFF, BARS + 1)
    counts = [np.histogram(rows.scores[own], edges)[0].tolist() for own in (frauds, some & ~frauds)]
    return {
        "payments": current.payments,
        "days": current.days,
        "minutes": minutes,
        "current": {name: getattr(current, name) for name in _FIGURES},
        "shown": {name: digits for name, (_, digits) in _FIGURES.items()},
        "fates": {
            fate.name: {"payments": int(own.sum()), "jpy": int(rows.yen[own].sum())}
            for fate in Fate
            for own in (kinds[fate.name][0],)
        },
        "base": {name: int((own & found.high) @ weight) for name, (own, weight) in kinds.items()},
        "steps": {name: _steps(rows, found, own, weight) for name, (own, weight) in kinds.items()},
        "histogram": list(zip(*counts, strict=True)),
        "levels": LEVELS,
        "level": policy.alerts.minimum_band.lower(),
        "before": {name: getattr(policy.everywhere, name) for name in LEVELS},
        "version": policy.version,
        "rest": rest,
    }


def _steps(rows: Scored, found: Bounds, own: NDArray[np.bool_], weight: NDArray[np.int64]) -> list[int]:
    """Return by score what its rows add to the alerts when the threshold comes down to it: OFF numbers."""
    change = (found.low.astype(np.int64) - found.high) * weight
    steps = np.zeros(OFF, np.int64)
    np.add.at(steps, rows.scores[own], change[own])
    return [int(one) for one in steps]


def _body(
    rows: Scored, policy: Policy, current: Figures, title: str, sections: str, learnt_until: str | None
) -> Iterator[str]:
    level = policy.alerts.minimum_band.lower()
    start = getattr(policy.everywhere, level)
    yield f"<h1>{escape(title)}</h1>"
    yield said(
        f"{current.payments:,} payments on {current.days:,} days, old enough for their labels. Figures at the slider "
        "count payments that alert. People work on cases, which are fewer: see below.",
        f"ラベルが確定した{current.payments:,}取引（{current.days:,}日分）。スライダーの指標はアラート対象の取引件数です。"
        "調査は案件単位で、件数はこれより少なくなります（下記参照）。",
    )
    if learnt_until is not None:
        words = (
            f"Some payments are of the days before {learnt_until}, which the model has learnt from: if they are the "
            "same payments, figures are too good.",
            f"モデルが学習した{learnt_until}より前の取引を含みます。同じ取引であれば、指標は実際より良くなります。",
        )
        yield f'<p class="w">{both(words)}</p>'
    yield (
        f'<div class="control"><label for="threshold">{both(("Threshold of all events", "全体のしきい値"))} '
        f'({escape(level)}): <output id="now" for="threshold">{start}</output></label>'
        f'<input type="range" id="threshold" min="1" max="{OFF}" step="1" value="{start}"></div>'
    )
    yield said(
        "Narrower scopes, limits, rules, lists and suppressions of the policy stay as they are.",
        "個別の範囲のしきい値、金額上限、ルール、リスト、抑止設定は変わりません。",
    )
    yield (
        '<svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="payments by score">'
        '<g id="bars"></g><line id="line" y1="0" y2="100"></line></svg>'
    )
    yield said(
        "Payments by score, on a logarithmic scale; frauds in red. A click on a bar moves the threshold to it.",
        "スコア別の取引件数（対数目盛、赤は不正）。棒をクリックするとしきい値が移動します。",
    )
    yield f"<h2>{both(('Figures', '指標'))}</h2>{_figures(current)}"
    yield f"<h2>{both(('What happened to the payments', '取引のその後'))}</h2>{_fates(rows)}"
    yield sections
    yield (
        f"<h2>{both(('The policy', 'ポリシー'))}</h2>"
        f'<p><a id="save" download="policy.yaml">{both(("Save as YAML", "YAMLとして保存"))}</a></p>'
    )
    yield said(
        "Write who made it into author before it is used; with two people for each change, have it approved.",
        "使用前にauthorへ作成者を記入し、必要な場合は承認を得てください。",
    )
    yield '<pre id="yaml"></pre>'


def _figures(current: Figures) -> str:
    head = (("figure", "指標"), ("current policy", "現行"), ("at this threshold", "このしきい値"), ("change", "差"))
    lines = "".join(
        f'<tr><th>{both(words)}</th><td class="n">{number(getattr(current, name), digits)}</td>'
        f'<td class="n" id="now-{name}"></td><td class="n" id="change-{name}"></td></tr>'
        for name, (words, digits) in _FIGURES.items()
    )
    return table(head, lines)


def _fates(rows: Scored) -> str:
    head: tuple[Words, ...] = (("what happened", "その後"), ("payments", "取引件数"), ("yen", "金額（円）"))
    head += (("alerts", "アラート件数"), ("yen alerted", "アラート金額（円）"))
    lines = ""
    for fate, words in _FATES.items():
        own = rows.is_counted & (rows.fates == fate)
        lines += (
            f'<tr><th>{both(words)}</th><td class="n">{int(own.sum()):,}</td>'
            f'<td class="n">{int(rows.yen[own].sum()):,}</td>'
            f'<td class="n" id="now-{fate.name}"></td><td class="n" id="now-{fate.name}_jpy"></td></tr>'
        )
    return table(head, lines)
