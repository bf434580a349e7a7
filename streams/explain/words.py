"""Words of the report in English and Japanese."""

from collections.abc import Mapping
from typing import Final, Literal

from scoring.explanation.compare import Cause

Language = Literal["en", "ja"]
Pair = tuple[str, str]
"""English and Japanese."""

SOURCES: Final[Mapping[str, Pair]] = {
    "TOPICS": (
        "recomputed from the input topics: {authorizations:,} payments before it, {partitions} partitions",
        "入力トピックから再計算：この取引より前の{authorizations:,}件、{partitions}パーティション",
    ),
    "FILE": (
        "recomputed from the file: {authorizations:,} payments before it",
        "ファイルから再計算：この取引より前の{authorizations:,}件",
    ),
    "EVENT": (
        "scored on empty profiles: nothing earlier of its card, merchant, device or address is known",
        "プロファイルが空の状態で採点：カード・加盟店・端末・住所の履歴なし",
    ),
}
NOT_WHOLE: Final[Pair] = (
    "profiles began at the first record that was read: earlier payments are not in the figures",
    "プロファイルは読み始めたレコードから開始：それ以前の取引は数値に含まれない",
)

RESULTS: Final[Mapping[str, Pair]] = {
    "EQUAL": (
        "EQUAL: the recomputed decision is the published one, byte for byte ({bytes:,} bytes)",
        "一致：再計算した判定は公開された判定と全バイト一致（{bytes:,}バイト）",
    ),
    "DIFFERENT": ("DIFFERENT in these fields (published, recomputed):", "次の項目が不一致（公開値、再計算値）："),
    "NONE": ("no published decision to compare with", "比較できる公開済みの判定なし"),
}

CAUSES: Final[Mapping[Cause, Pair]] = {
    Cause.POLICY: (
        "policy: {policy} decided; name its file with --policy (`sekisho config show` prints the identity of a policy)",
        "ポリシー：判定時は{policy}。そのファイルを--policyで指定（識別子は`sekisho config show`で表示）",
    ),
    Cause.RELEASE: (
        "release: Sekisho {code} with features {features} and reference {reference} decided; run that release",
        "リリース：判定時はSekisho {code}（特徴量{features}、参照表{reference}）。そのリリースのexplainを実行",
    ),
    Cause.START: (
        "start: input from before the first record that was read is missing; without --since, retention removed it: "
        "keep the input topics longer than 30 days",
        "開始位置：読み始めより前の入力なし。--sinceなしの場合は保持期間により削除済み：入力トピックを30日より長く保持",
    ),
    Cause.MERCHANTS: (
        "merchants: the topic is compacted, so the merchant's record at that time may be gone; where fraud is "
        "frequent, merchants are judged once a second",
        "加盟店：トピックは圧縮されるため、当時の加盟店レコードが残っていない可能性。加盟店の状況判定は1秒ごと",
    ),
    Cause.RESULTS: (
        "3-D Secure: a result or an earlier use was read earlier or later than its record's time says",
        "3-Dセキュア：結果または過去の使用が、レコードの時刻と異なる順序で読まれた可能性",
    ),
    Cause.ORDER: (
        "order: Kafka stores no order between partitions or topics; several workers see each other's merchants, BINs, "
        "devices and addresses up to a second later",
        "順序：パーティション間・トピック間の順序は保存されない。複数ワーカーでは加盟店・BIN・端末・住所の反映が最大1秒遅れる",
    ),
    Cause.CONFIG: (
        "configuration: `profiles`, `threeds`, `decode` and `topics` must be those of the worker that decided",
        "設定：`profiles`、`threeds`、`decode`、`topics`は判定したワーカーと同じ値にする",
    ),
}

CASES: Final[Mapping[str, Pair]] = {
    "NONE": ("no alert: its band raises none", "アラートなし：この区分では発生しない"),
    "RAISED": ("it raised alert {alert}", "アラート{alert}を発生"),
    "IN_CASE": ("it belongs to the case of alert {alert}", "アラート{alert}の案件に含まれる"),
    "OF_INCIDENT": (
        "it is an attempt of incident {incident}; last alert {alert}",
        "インシデント{incident}の試行。最新のアラート{alert}",
    ),
    "SUPPRESSED_BY_POLICY": ("no alert: a suppression of the policy applies", "アラートなし：ポリシーの抑止を適用"),
    "IN_DIGEST": (
        "no alert of its own: a digest of the merchant's alerts took it",
        "個別アラートなし：加盟店のダイジェストに含まれる",
    ),
}
NOT_SEEN: Final[Pair] = ("(raised before the first record that was read)", "（読み始めより前に発生）")

HEADINGS: Final[Mapping[str, Pair]] = {
    "score": ("Score", "スコア"),
    "reasons": ("Reasons", "理由"),
    "groups": ("Contributions by group, in log-odds", "グループ別の寄与（対数オッズ）"),
    "policy": ("Policy", "ポリシー"),
    "tds": ("3-D Secure", "3-Dセキュア"),
    "compliance": ("Compliance of the merchant", "加盟店のコンプライアンス"),
    "case": ("Alert", "アラート"),
    "versions": ("Versions", "バージョン"),
    "features": ("Features: value, contribution in log-odds", "特徴量：値、寄与（対数オッズ）"),
    "stripped": ("Removed before the decision, because it held sensitive data", "判定前に除去した機微データの項目"),
}

FOR_MERCHANT: Final[Pair] = ("for the merchant: {text}", "加盟店向け：{text}")
NONE: Final[Pair] = ("none", "なし")
GLOBAL: Final[Pair] = ("global", "全体")
MARGIN: Final[Pair] = (
    "base {base:+.4f} and contributions {adds:+.4f} make a margin of {margin:+.4f}",
    "基準値{base:+.4f}と寄与の合計{adds:+.4f}からマージン{margin:+.4f}",
)
SCORE: Final[Pair] = (
    "probability {probability:.6g}, score {score}, band {band}, action {action}",
    "確率{probability:.6g}、スコア{score}、区分{band}、アクション{action}",
)
DECIDED_BY: Final[Pair] = ("thresholds of: {scope}", "閾値の適用元：{scope}")
REACHED: Final[Pair] = ("reached, {distance} above", "到達済み、{distance}上")
MORE: Final[Pair] = ("not reached, {distance} more", "未到達、あと{distance}")
OFF: Final[Pair] = ("off", "無効")
IN_ARM: Final[Pair] = ("experiment {id}: the card is in arm {arm}", "実験{id}：カードは群{arm}")
LIMIT: Final[Pair] = ("limit: more than {yen:,} yen is at least {band}", "金額上限：{yen:,}円超は{band}以上")
BAND_CHANGED: Final[Pair] = (
    "the score alone gives {band}; a limit, a rule or a list changed it",
    "スコアのみでは{band}。金額上限・ルール・リストにより変更",
)
RULE_HIT: Final[Pair] = ("rule {id}, mode {mode}: its condition is true", "ルール{id}（モード{mode}）：条件に該当")
RULE_NEAR: Final[Pair] = (
    "rule {id}, mode {mode}: no hit for one part of its condition, which is {why}: {part}",
    "ルール{id}（モード{mode}）：条件の1か所だけで非該当（{why}）：{part}",
)
PART_FALSE: Final[Pair] = ("false", "偽")
PART_UNKNOWN: Final[Pair] = ("unknown, because a value is missing", "値がないため不明")
RULE_CAPS: Final[Mapping[str, Pair]] = {
    "HOUR": (
        "  it has blocked as many payments as it may in this hour, and asks for REVIEW only",
        "  1時間に拒否できる件数の上限に達したため、REVIEWのみを要求",
    ),
    "MERCHANT": (
        "  it has blocked as many payments as it may at this merchant in this hour, and asks for REVIEW only",
        "  この加盟店で1時間に拒否できる件数の上限に達したため、REVIEWのみを要求",
    ),
    "PAIRS": (
        "  it blocks at more merchants than are counted, and asks for REVIEW only",
        "  集計できる加盟店数を超えたため、REVIEWのみを要求",
    ),
}
LIST_HIT: Final[Pair] = (
    "list {list} ({direction}) names its {kind}: {effect}",
    "リスト{list}（{direction}）に{kind}が登録：{effect}",
)
SUPPRESSIONS: Final[Pair] = ("suppressions in force: {count}", "有効な抑止：{count}件")
VERDICT: Final[Pair] = (
    "status {status}, ECI {eci}, liability {liability} ({why}), expected {expected} ({expected_why})",
    "状態{status}、ECI {eci}、責任{liability}（{why}）、要否{expected}（{expected_why}）",
)
NO_RULE: Final[Pair] = ("no rule is broken", "違反した規則なし")
UNKNOWN_MERCHANT: Final[Pair] = ("the merchant's record is unknown", "加盟店レコードなし")
