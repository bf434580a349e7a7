"""The page of a training: plots, tables and limits in English and Japanese. One file that loads nothing."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

from models.pages.document import document
from models.pages.markup import Words, both, said, table
from models.training.metrics import ALERT_SHARES
from models.training.report import plots
from models.training.report.figures import Curves

SEGMENT_COLUMNS: Final = (
    "rows",
    "frauds",
    "alert_rate",
    "false_positive_rate",
    "recall",
    "recall_low",
    "recall_high",
    "pr_auc",
)
"""Columns of a segment, in order."""

Card = Mapping[str, Any]
"""The model card, as in `card.json`."""

_PARTS: Final[Mapping[str, Words]] = {
    "train": ("training", "学習"),
    "calibration": ("calibration", "較正"),
    "test": ("test", "テスト"),
}
_METRICS: Final[Mapping[str, Words]] = {
    "fraud_rate": ("rate of fraud", "不正率"),
    "auc": ("area under ROC", "ROC曲線下面積"),
    "pr_auc": ("average precision", "平均適合率"),
    "recall": ("recall by count", "検知率（件数）"),
    "value_recall": ("value detection rate: recall by yen", "検知率（金額）"),
}
_KINDS: Final[Mapping[str, Words]] = {
    "month": ("By month (UTC)", "月別（UTC）"),
    "amount_jpy": ("By amount in yen", "金額帯別（円）"),
    "channel": ("By channel", "チャネル別"),
    "network": ("By network", "国際ブランド別"),
}
_COLUMNS: Final[Mapping[str, Words]] = {
    "rows": ("rows", "件数"),
    "frauds": ("frauds", "不正件数"),
    "alert_rate": ("alert rate", "アラート率"),
    "false_positive_rate": ("alert rate of genuine rows", "正常取引のアラート率"),
    "recall": ("recall", "検知率"),
    "recall_low": ("95% from", "95%下限"),
    "recall_high": ("95% to", "95%上限"),
    "pr_auc": ("average precision", "平均適合率"),
}
_LIMITS: Final[Sequence[Words]] = (
    (
        "Figures are those of the test days. Fraud changes: expect lower ones on days to come.",
        "指標はテスト期間のものです。不正の手口は変化するため、将来はこれより低くなると考えてください。",
    ),
    (
        "Intervals resample the cards of the test days. They do not say how much other days would differ, nor how much "
        "another training would.",
        "区間はテスト期間のカードを再抽出したものです。別の期間や、別の学習による違いは含みません。",
    ),
    (
        "Fraud that nobody reported counts as genuine. Payments that were declined or blocked have no fraud reports.",
        "報告されなかった不正は正常として数えています。否認またはブロックされた取引に不正報告はありません。",
    ),
    (
        "Of equal scores at an alert limit none raises an alert, so figures do not depend on the order of rows.",
        "アラート上限で同点の取引はいずれもアラートとしないため、指標は行の順序に依存しません。",
    ),
)


def page(card: Card, curves: Curves) -> str:
    """Write the page of a card. No text of the data is taken as HTML."""
    title = f"Training of model {card['name']}"
    return document(title, "".join(_body(card, curves, title)), has_pictures=True)


def _body(card: Card, curves: Curves, title: str) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    yield from _windows(card)
    yield from _metrics(card)
    yield from _drawn(card, curves)
    yield from _segments(card["segments_at_0.5pct"])
    yield from _importance(card["importance_of_gain"])
    if card["search"] is not None:
        yield from _search(card["search"])
    yield _heading("parameters", "Parameters", "パラメーター")
    parameters = [*card["parameters"].items(), ("LightGBM", card["lightgbm_version"])]
    parameters.append(("calibration", card["calibration"]))
    yield _lines((("parameter", "項目"), ("value", "値")), parameters)
    yield _heading("limits", "Limits", "限界")
    yield from (said(*words) for words in _LIMITS)
    yield said("The data card of the bundle:", "バンドルのデータカード（英語）：")
    yield f"<pre>{escape(card['data'])}</pre>"


def _windows(card: Card) -> Iterator[str]:
    yield _heading("data", "Data (UTC)", "データ（UTC）")
    head = (("part", "区分"), ("from", "開始"), ("until", "終了"), ("rows", "件数"), ("frauds", "不正件数"))
    late = ("frauds known later, genuine here", "後日判明した不正（ここでは正常）")
    names = ("from", "until", "rows", "frauds", "late_frauds")
    parts = ((_PARTS[kind], *(part[name] for name in names)) for kind, part in card["windows"].items())
    yield _lines((*head, late), parts)
    if card["left_out"]:
        yield said("Left out:", "対象外：")
        yield _lines((("reason", "理由"), ("count", "件数")), card["left_out"].items())


def _metrics(card: Card) -> Iterator[str]:
    yield _heading("metrics", "Metrics on the test days", "テスト期間の指標")
    yield said(
        "Intervals are of 95%, by resampling cards: payments of one card depend on each other.",
        "区間は95%で、カード単位の再抽出によります（同じカードの取引は独立ではないため）。",
    )
    head: tuple[Words, ...] = (("metric", "指標"), ("value", "値"), ("95% from", "95%下限"), ("to", "上限"))
    found = card["intervals_95"].items()
    yield _lines(head, ((_metric(name), card["metrics"][name], *edges) for name, edges in found))


def _metric(name: str) -> Words:
    """Name a metric in words: `recall_at_0.5pct`."""
    kind, _, share = name.partition("_at_")
    if kind not in _METRICS:
        return name, name
    en, ja = _METRICS[kind]
    rate = re.sub("pct$", "%", share)
    return (f"{en} at {rate} alerts", f"{ja}、アラート率{rate}") if share else (en, ja)


def _drawn(card: Card, curves: Curves) -> Iterator[str]:
    yield _heading("precision-recall", "Precision and recall", "適合率と検知率")
    yield _figure(
        plots.precision_recall(curves.precision_recall, card["metrics"]["fraud_rate"]),
        "Horizontal: recall by count. Vertical: precision. Dashed: precision of alerts at random.",
        "横軸：検知率（件数）。縦軸：適合率。破線：無作為なアラートの適合率。",
    )
    yield _heading("detection", "Detection by alert rate", "アラート率別の検知")
    yield _figure(
        plots.detections(curves.detection, list(_limits(card["intervals_95"]))),
        "Horizontal: alert rate, logarithmic. Vertical: recall; blue by count, red by yen; lines are 95%.",
        "横軸：アラート率（対数）。縦軸：検知率（青は件数、赤は金額）。縦線は95%区間。",
    )
    head: tuple[Words, ...] = (("alert rate", "アラート率"), ("alerts", "アラート件数"), ("precision", "適合率"))
    head += (_METRICS["recall"], _METRICS["value_recall"])
    yield _lines(
        head,
        ((f"{one.share:.2%}", one.alerts, one.precision, one.recall, one.value_recall) for one in curves.detection),
    )
    yield _heading("calibration", "Calibration", "較正")
    yield _figure(
        plots.reliability(curves.reliability),
        "Horizontal: mean probability of a band of scores. Vertical: rate of fraud, with 95%. Both logarithmic. On the "
        "dashed line they are equal.",
        "横軸：スコア帯の平均確率。縦軸：不正率と95%区間。ともに対数。破線上で一致。",
    )
    head = (("score", "スコア"), ("rows", "件数"), ("frauds", "不正件数"), ("probability", "確率"))
    head += (("rate of fraud", "不正率"), ("95% from", "95%下限"), ("to", "上限"))
    yield _lines(
        head,
        (
            (f"{one.score_from}–{one.score_to}", *(getattr(one, name) for name in one.__struct_fields__[2:]))
            for one in curves.reliability
        ),
    )
    yield _heading("scores", "Scores", "スコアの分布")
    yield _figure(
        plots.histogram(curves.histogram),
        "Horizontal: score. Vertical: rows, logarithmic; frauds in red, others in grey.",
        "横軸：スコア。縦軸：件数（対数）。赤は不正、灰色はその他。",
    )


def _limits(intervals: Mapping[str, list[float]]) -> Iterator[tuple[float, list[float], list[float]]]:
    """Yield alert rates with the intervals of recall by count and by yen."""
    for share in ALERT_SHARES:
        at = f"at_{share * 100:g}pct"
        yield share, intervals.get(f"recall_{at}", []), intervals.get(f"value_recall_{at}", [])


def _segments(segments: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Iterator[str]:
    yield _heading("segments", "Segments", "区分別")
    yield said(
        "One threshold for all rows, which 0.5% of them exceed. Segments of at least 100 rows.",
        "全体の0.5%が超える単一のしきい値による値です。100件以上の区分を表示します。",
    )
    for kind, found in segments.items():
        yield f"<h3>{both(_KINDS.get(kind, (kind, kind)))}</h3>"
        drawn = [(name, one) for name, one in found.items() if "recall_low" in one]
        if drawn:
            yield _figure(
                plots.recalls(
                    [name for name, _ in drawn],
                    [one["recall"] for _, one in drawn],
                    [(one["recall_low"], one["recall_high"]) for _, one in drawn],
                ),
                "Recall by count, with 95%. Segments without fraud are not drawn.",
                "検知率（件数）と95%区間。不正のない区分は描いていません。",
            )
        head = (("segment", "区分"), *(_COLUMNS[name] for name in SEGMENT_COLUMNS))
        yield _lines(head, ((name, *(one.get(column) for column in SEGMENT_COLUMNS)) for name, one in found.items()))


def _importance(importance: Mapping[str, float]) -> Iterator[str]:
    yield _heading("importance", "Importance of features", "特徴量の重要度")
    if importance:
        yield _figure(
            plots.shares(list(importance), list(importance.values())),
            "Share of the gain of all splits. It says what the trees use, not what causes fraud.",
            "全分岐の利得に占める割合。木が使う情報を示すもので、不正の原因ではありません。",
        )
    yield _lines((("feature", "特徴量"), ("share of gain", "利得の割合")), importance.items())


def _search(found: Card) -> Iterator[str]:
    yield _heading("search", "Search of parameters", "パラメーター探索")
    yield said(
        f"{len(found['trials'])} of {found['asked']} sets of parameters were tried on {len(found['folds'])} validation "
        "folds, all before the end of the training part; the first has the defaults. The best was chosen by these "
        "figures, so they flatter it: judge it by the metrics on the test days, which no trial has seen.",
        f"学習期間内の{len(found['folds'])}個の検証区間で{found['asked']}組中{len(found['trials'])}組を試しました（先頭は"
        "既定値）。最良の組はこの値で選ばれたため、値は実際より良く見えます。どの試行も使っていないテスト期間の指標で判断"
        "してください。",
    )
    if found["is_out_of_time"]:
        yield f'<p class="w">{both(("The time ended the search.", "制限時間により終了しました。"))}</p>'
    head: tuple[Words, ...] = (("trial", "試行"), ("average precision", "平均適合率"), ("by fold", "区間別"))
    yield _lines(
        (*head, ("parameters", "パラメーター")), (_trial(number, found) for number in range(len(found["trials"])))
    )


def _trial(number: int, found: Card) -> Sequence[object]:
    one, name = found["trials"][number], f"{number + 1}"
    told = (f"{name}: best", f"{name}：最良") if number == found["best"] else name
    parameters = ", ".join(f"{key} {value}" for key, value in one["parameters"].items())
    return told, one["average_precision"], ", ".join(f"{value:.4f}" for value in one["folds"]), parameters


def _heading(name: str, en: str, ja: str) -> str:
    return f'<h2 id="{name}">{both((en, ja))}</h2>'


def _figure(address: str, en: str, ja: str) -> str:
    alt = escape(f"{en} {ja}")
    return f'<figure><img src="{address}" alt="{alt}"><figcaption>{both((en, ja))}</figcaption></figure>'


def _lines(head: tuple[Words, ...], lines: Iterable[Sequence[object]]) -> str:
    """Return a table. A cell is words in two languages, text, a number, or None for a dash."""
    rows = "".join(f"<tr>{''.join(_cell(one) for one in line)}</tr>" for line in lines)
    return f'<div class="wide">{table(head, rows)}</div>'


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return f"<th>{both((str(value[0]), str(value[1])))}</th>"
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        return f"<td>{escape(str(value))}</td>"
    if value is None:
        return '<td class="n">–</td>'
    return f'<td class="n">{f"{value:,}" if isinstance(value, int) else f"{value:.6g}"}</td>'
