"""Columns of the tables of the page, with headings and notes in English and Japanese."""

from collections.abc import Iterator, Sequence
from typing import Final

from scoring.compliance.compare import Change
from scoring.compliance.report import (
    ChecklistLine,
    ContradictionLine,
    CoverageLine,
    EnumerationLine,
    ForecastLine,
    GracePeriod,
    Input,
    IssuerLine,
    LineLine,
    MastercardLine,
    PipelineLine,
    ScamLine,
    TableVersion,
    VampMerchant,
    VampMonth,
)
from streams.compliance.markup import (
    NOTHING,
    Column,
    answer,
    both,
    bps,
    coded,
    codes,
    day,
    number,
    percent,
    points,
    text,
    tier,
)
from streams.compliance.words import Words

Heading = tuple[Words, Words]
"""The heading of a section and a note below it."""

_MERCHANT: Final[Words] = ("Merchant", "加盟店")
_MONTH: Final[Words] = ("Month", "月")
_GRACE: Final[Words] = ("Grace period", "猶予期間")
_SALES: Final[Words] = ("Sales", "売上")
_TIER: Final[Words] = ("Tier", "区分")
_HEADROOM: Final[Words] = ("Headroom (items)", "余裕（件）")

OF_CHECKLIST: Final[Heading] = (
    ("Merchants by gaps of the Security Checklist", "セキュリティ・チェックリスト未実施の加盟店"),
    (
        "As declared, by the list in force. Unknown is neither a gap nor in place.",
        "申告内容を適用中のリストで判定。不明は未実施にも実施済みにも数えません。",
    ),
)
CHECKLIST: Final[Sequence[Column[ChecklistLine]]] = (
    Column(_MERCHANT, lambda line: text(line.merchant_id)),
    Column(("Gaps", "未実施"), lambda line: codes(line.gaps)),
    Column(("Unknown items", "不明項目"), lambda line: number(len(line.unknown)), is_number=True),
    Column(("Score", "スコア"), lambda line: NOTHING if line.score is None else f"{line.score:.2f}", is_number=True),
    Column(("Owed", "未履行の義務"), lambda line: codes(line.owed)),
    Column(("Attested", "申告日"), lambda line: day(line.attested_on)),
    Column(("Over a year", "1年超"), lambda line: answer(line.is_stale)),
    Column(("List changed since", "以後リスト改定"), lambda line: answer(line.is_outdated)),
    Column(("Self-declared", "自己申告"), lambda line: answer(line.is_self_declared)),
)

OF_LINE: Final[Heading] = (
    ("Goods, and measures before, at and after the payment", "商材と、決済前・決済時・決済後の対策（線の考え方）"),
    (
        "High-risk goods by the list in force, as the merchant declares them, else by its category. Measures as "
        "declared. Covered: phases with a measure in place. Unknown is not covered.",
        "適用中の高リスク商材。加盟店の申告、なければ業種による。対策は申告内容。実施段階数は対策のある段階の数。"
        "不明は実施に数えません。",
    ),
)
LINE: Final[Sequence[Column[LineLine]]] = (
    Column(_MERCHANT, lambda line: text(line.merchant_id)),
    Column(("Goods", "商材"), lambda line: codes(line.goods)),
    Column(("High-risk", "高リスク"), lambda line: answer(line.is_high_risk)),
    Column(("Phases covered of 3", "実施段階数（3段階中）"), lambda line: number(line.covered), is_number=True),
    Column(("Before", "決済前"), lambda line: codes(line.pre)),
    Column(("At", "決済時"), lambda line: codes(line.at)),
    Column(("After", "決済後"), lambda line: codes(line.post)),
    Column(("Unknown", "不明"), lambda line: codes(line.unknown)),
)

OF_COVERAGE: Final[Heading] = (
    ("Merchants by coverage of 3-D Secure", "3-Dセキュアの実施状況"),
    (
        "Purchases of all months of the report. Covered is the share with 3-D Secure of those that required it and say "
        "whether they had it. Judged by the records of merchants of this day.",
        "対象全月の購入取引。実施率は、必要かつ実施有無の分かる取引のうち3-Dセキュアのあるものの割合。"
        "加盟店情報は報告日のもの。",
    ),
)
COVERAGE: Final[Sequence[Column[CoverageLine]]] = (
    Column(_MERCHANT, lambda line: text(line.merchant_id)),
    Column(("Mode", "方式"), lambda line: coded(line.tds_mode)),
    Column(("Introduced", "導入日"), lambda line: day(line.introduced_on)),
    Column(("Covered", "実施率"), lambda line: percent(line.covered), is_number=True),
    Column(("Required", "必要"), lambda line: number(line.due), is_number=True),
    Column(("Without", "なし"), lambda line: number(line.without), is_number=True),
    Column(("Not told", "実施有無不明"), lambda line: number(line.untold), is_number=True),
    Column(("Requirement unknown", "要否不明"), lambda line: number(line.unclear), is_number=True),
    Column(("Authenticated", "認証成功"), lambda line: number(line.authenticated), is_number=True),
    Column(("Attempted", "アテンプト"), lambda line: number(line.attempted), is_number=True),
)

OF_PIPELINE: Final[Heading] = (
    ("Merchants where fraud is frequent", "不正利用の多い加盟店"),
    (
        "Fraud in yen by month of its first standing report. More than ¥500,000 in three months in a row is actualised "
        "fraud. The forecast (estimate) goes by the share of the month that has passed; days without 3-D Secure are "
        "counted to a month's end.",
        "最初の有効な報告の月ごとの不正額（円）。3か月連続で50万円超は不正顕在化。予測（推定）は当月の経過割合による。"
        "3-Dセキュアなしの日数は月末を単位とします。",
    ),
)


def pipeline(months: Sequence[str]) -> Iterator[Column[PipelineLine]]:
    """Give the columns, one for each month."""
    yield Column(_MERCHANT, lambda line: text(line.merchant_id))
    yield Column(("Status", "状況"), lambda line: coded(line.status))
    yield Column(("Of record", "登録上"), lambda line: coded(line.declared))
    for at, month in enumerate(months):
        yield Column((month, month), lambda line, at=at: _month(line, at), is_number=True)  # type: ignore[misc]  # mypy infers no type for a default
    yield Column(("Month's end (estimate)", "月末見込（推定）"), lambda line: _foreseen(line.forecast), is_number=True)
    yield Column(("Crosses on (estimate)", "超過見込日（推定）"), lambda line: _crosses(line.forecast))
    yield Column(("Would be", "見込状況"), lambda line: coded(None if line.forecast is None else line.forecast.becomes))
    yield Column(
        ("Days without 3-D Secure", "3-Dセキュアなし日数"), lambda line: number(line.days_without_tds), is_number=True
    )


def _month(line: PipelineLine, at: int) -> str:
    month = line.months[at]
    told = f"<strong>{month.jpy:,}</strong>" if month.is_over else f"{month.jpy:,}"
    return f"{told}&nbsp;<small>({month.frauds:,})</small>"


def _foreseen(forecast: ForecastLine | None) -> str:
    return NOTHING if forecast is None else f"{forecast.projected_jpy:,}"


def _crosses(forecast: ForecastLine | None) -> str:
    if forecast is None:
        return NOTHING
    return both(("is above", "超過済み")) if forecast.is_over else day(forecast.crosses_on)


OF_VAMP: Final[Heading] = (
    ("Visa: VAMP", "Visa：VAMP"),
    (
        "Fraud reports and disputes without the card over sales without the card, by count, in basis points. A fraud "
        "that is disputed counts twice. Headroom: items that may still come at these sales before the first tier.",
        "カード非対面の不正報告とチャージバックの件数を非対面売上件数で割った値（bps）。チャージバックになった不正は二重に数えます。"
        "余裕は、現在の売上で最初の区分に達するまでの件数。",
    ),
)


def _grace(grace: GracePeriod | None) -> str:
    if grace is None:
        return NOTHING
    return coded(grace.state) if grace.until is None else f"{coded(grace.state)} –{day(grace.until)}"


VAMP: Final[Sequence[Column[VampMonth]]] = (
    Column(_MONTH, lambda line: text(line.month)),
    Column(("Frauds", "不正報告"), lambda line: number(line.frauds), is_number=True),
    Column(("Disputes", "チャージバック"), lambda line: number(line.disputes), is_number=True),
    Column(_SALES, lambda line: coded(line.basis)),
    Column(("Ratio (bps)", "比率（bps）"), lambda line: points(line.ratio), is_number=True),
    Column(_TIER, lambda line: tier(line.tier)),
    Column(_GRACE, lambda line: _grace(line.grace)),
    Column(_HEADROOM, lambda line: number(line.headroom), is_number=True),
    Column(("Month's end (estimate)", "月末見込（推定）"), lambda line: points(line.projected), is_number=True),
    Column(("Tier then (estimate)", "見込区分（推定）"), lambda line: tier(line.projected_tier)),
)
VAMP_MERCHANTS: Final[Sequence[Column[VampMerchant]]] = (
    Column(_MERCHANT, lambda line: text(line.merchant_id)),
    Column(("Frauds", "不正報告"), lambda line: number(line.frauds), is_number=True),
    Column(("Disputes", "チャージバック"), lambda line: number(line.disputes), is_number=True),
    Column(("Own ratio (bps)", "自店比率（bps）"), lambda line: points(line.ratio), is_number=True),
    Column(("Adds to acquirer (bps)", "全体への寄与（bps）"), lambda line: bps(line.marginal_bps), is_number=True),
    Column(("Acquirer without it (bps)", "除外時の全体（bps）"), lambda line: bps(line.without_bps), is_number=True),
    Column(_HEADROOM, lambda line: number(line.headroom), is_number=True),
    Column(_TIER, lambda line: tier(line.tier)),
    Column(_GRACE, lambda line: _grace(line.grace)),
)
ENUMERATION: Final[Sequence[Column[EnumerationLine]]] = (
    Column(_MERCHANT, lambda line: text(line.merchant_id)),
    Column(_MONTH, lambda line: text(line.month)),
    Column(("Enumerated (estimate)", "該当割合（推定）"), lambda line: percent(line.ratio), is_number=True),
    Column(_TIER, lambda line: tier(line.tier)),
)

OF_MASTERCARD: Final[Heading] = (
    ("Mastercard: ECM, HECM, EFM", "Mastercard：ECM・HECM・EFM"),
    (
        "Chargebacks of a month over transactions of the month before, in basis points. A merchant leaves a programme "
        "after three months in a row below.",
        "当月のチャージバック件数を前月の取引件数で割った値（bps）。3か月連続で下回るとプログラムから外れます。",
    ),
)
MASTERCARD: Final[Sequence[Column[MastercardLine]]] = (
    Column(_MERCHANT, lambda line: text(line.merchant_id)),
    Column(("Programme", "プログラム"), lambda line: text(line.programme)),
    Column(_MONTH, lambda line: text(line.month)),
    Column(_SALES, lambda line: coded(line.basis)),
    Column(("Ratio (bps)", "比率（bps）"), lambda line: points(line.ratio), is_number=True),
    Column(("Yen", "円"), lambda line: number(line.amount_jpy), is_number=True),
    Column(("3-D Secure", "3-Dセキュア"), lambda line: percent(line.tds), is_number=True),
    Column(_TIER, lambda line: tier(line.tier)),
    Column(_HEADROOM, lambda line: number(line.headroom), is_number=True),
    Column(("Held in", "継続中"), lambda line: coded(line.member)),
    Column(("Months below", "下回った月数"), lambda line: number(line.months_below), is_number=True),
)

OF_SCAMS: Final[Heading] = (
    ("Mastercard: scam-merchant tests", "Mastercard：詐欺加盟店の判定"),
    (
        "Payments with Mastercard without the card. An investigation must begin within 72 hours of the first test that "
        "holds; the clock is known to a day. Many declines for bad card data speak for an attack on the merchant.",
        "Mastercardの非対面取引。最初に該当してから72時間以内に調査を開始（日単位で計算）。"
        "カード情報誤りによる拒否が多い場合は加盟店への攻撃の可能性。",
    ),
)
SCAMS: Final[Sequence[Column[ScamLine]]] = (
    Column(_MERCHANT, lambda line: text(line.merchant_id)),
    Column(("Holds now", "現在該当"), lambda line: codes(line.tests)),
    Column(("Held in 30 days", "30日間に該当"), lambda line: codes(line.tests_since)),
    Column(("Contract date missing for", "契約日不明で判定不能"), lambda line: codes(line.unjudged)),
    Column(("Approved in 72 h", "72時間の承認率"), lambda line: percent(line.approvals), is_number=True),
    Column(("Bad card data", "カード情報誤り"), lambda line: percent(line.bad_card), is_number=True),
    Column(("Reading (estimate)", "見立て（推定）"), lambda line: coded(line.reading)),
    Column(("Since", "発生日"), lambda line: day(line.opened_on)),
    Column(("Begin by", "調査期限"), lambda line: day(line.begin_by)),
    Column(("Overdue", "期限超過"), lambda line: answer(line.is_overdue)),
)

OF_ISSUERS: Final[Heading] = (
    ("Issuers by BIN (estimate)", "イシュアー（BIN別、推定）"),
    (
        "30 days of e-commerce. Enrolled: cards whose authentication was more than an attempt, against 80%. Static: "
        "password authentications, against 0%.",
        "30日間のEC取引。登録率：アテンプトや未登録でなかった認証の割合（目標80%）。静的：静的パスワードによる認証（目標0%）。",
    ),
)
ISSUERS: Final[Sequence[Column[IssuerLine]]] = (
    Column(("BIN", "BIN"), lambda line: text(line.bin)),
    Column(("In Japan", "国内"), lambda line: answer(line.is_japanese)),
    Column(("Enrolled", "登録率"), lambda line: percent(line.enrolled), is_number=True),
    Column(("80%", "80%"), lambda line: coded(line.enrolment)),
    Column(("Static", "静的"), lambda line: percent(line.static), is_number=True),
    Column(("0%", "0%"), lambda line: coded(line.no_static)),
)

OF_CONTRADICTIONS: Final[Heading] = (
    ("Declarations that payments contradict", "申告と取引の矛盾"),
    (
        "30 days. Measures against credit master: hours of enumeration (estimate). 3-D Secure on every payment: a "
        "third or more of what required it went without. Measures against illegal login: accounts of members, older "
        "than 30 days, in which a payment with the card kept there is reported as fraud (estimate).",
        "30日間。クレジットマスター対策：エニュメレーションの時間数（推定）。都度の3-Dセキュア：必要な取引の3分の1以上で実施なし。"
        "不正ログイン対策：登録後30日を超える会員の登録カードによる取引が不正と報告された会員数（推定）。",
    ),
)
CONTRADICTIONS: Final[Sequence[Column[ContradictionLine]]] = (
    Column(_MERCHANT, lambda line: text(line.merchant_id)),
    Column(("Declared", "申告"), lambda line: coded(line.declared)),
    Column(("Observed", "観測"), lambda line: number(line.observed), is_number=True),
    Column(("Of", "母数"), lambda line: number(line.of), is_number=True),
)

CHANGES: Final[Sequence[Column[Change]]] = (
    Column(("Section", "区分"), lambda line: text(line.section)),
    Column(("Merchant or BIN", "加盟店・BIN"), lambda line: text(line.subject or NOTHING)),
    Column(("What", "項目"), lambda line: text(line.what)),
    Column(("Before", "以前"), lambda line: codes((line.before or "").split()) if line.before else NOTHING),
    Column(("Now", "現在"), lambda line: codes((line.after or "").split()) if line.after else NOTHING),
)
INPUTS: Final[Sequence[Column[Input]]] = (
    Column(("Input", "入力"), lambda line: text(line.name)),
    Column(("Read", "読取"), lambda line: number(line.read), is_number=True),
    Column(
        ("Counts", "内訳"), lambda line: text(", ".join(f"{name} {count:,}" for name, count in line.counts.items()))
    ),
    Column(("First", "最初"), lambda line: text(line.first)),
    Column(("Last", "最後"), lambda line: text(line.last)),
    Column(("Offsets by partition", "オフセット"), lambda line: text(_ranges(line))),
)
TABLES: Final[Sequence[Column[TableVersion]]] = (
    Column(("Table", "テーブル"), lambda line: text(line.name)),
    Column(("Title", "名称"), lambda line: text(line.title)),
    Column(("Version", "版"), lambda line: text(line.identity)),
    Column(("Rows", "行数"), lambda line: number(line.rows), is_number=True),
    Column(("Of them unverified", "うち未検証"), lambda line: number(line.unverified_rows), is_number=True),
)


def _ranges(line: Input) -> str | None:
    return ", ".join(f"{partition}: {begin}–{end}" for partition, (begin, end) in line.ranges.items()) or None
