"""The HTML page of a report: one file without a script or anything to load, in English and Japanese, for print too."""

from collections.abc import Iterator
from html import escape
from importlib import resources

from scoring.compliance.compare import Changes
from scoring.compliance.report import Head, Report, Summary
from streams.compliance import sections
from streams.compliance.markup import NOTHING, both, day, number, percent, table, text
from streams.compliance.words import Words, code


def page(report: Report, changes: Changes | None) -> str:
    """Write the page."""
    head = report.head
    title = f"Compliance report {head.acquirer_id} {head.as_of}"
    style = resources.files("streams.compliance").joinpath("page.css").read_text(encoding="utf-8")
    body = "".join(_body(report, changes))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        '<input type="radio" name="lang" id="both" checked><label for="both">English + 日本語</label>'
        '<input type="radio" name="lang" id="en"><label for="en">English</label>'
        '<input type="radio" name="lang" id="ja"><label for="ja">日本語</label>'
        f"<main>{body}</main></body></html>\n"
    )


def _body(report: Report, changes: Changes | None) -> Iterator[str]:
    yield from _head(report.head)
    yield _section("summary", ("Summary", "概要"), None, _summary(report.summary))
    if changes is not None:
        note = (
            f"What is different from the report of {changes.before}. Merchant records that have been replaced on the "
            "topic since then are not known any more, so their earlier state is missing.",
            f"{changes.before}時点の報告との差分。トピック上で上書きされた加盟店情報の以前の状態は分かりません。",
        )
        heading = (f"Changes since {changes.before}", f"{changes.before}からの変化")
        yield _section("changes", heading, note, table(sections.CHANGES, changes.lines, "changes.csv"))
    yield _section("checklist", *sections.OF_CHECKLIST, table(sections.CHECKLIST, report.checklist, "checklist.csv"))
    yield _section("line", *sections.OF_LINE, table(sections.LINE, report.line, "line.csv"))
    yield _section("coverage", *sections.OF_COVERAGE, table(sections.COVERAGE, report.coverage, "coverage.csv"))
    pipeline = table([*sections.pipeline(report.head.months)], report.pipeline, "pipeline.csv")
    yield _section("pipeline", *sections.OF_PIPELINE, pipeline)
    yield _section("vamp", *sections.OF_VAMP, "".join(_vamp(report)))
    of_months = table(sections.MASTERCARD, report.mastercard, "mastercard.csv")
    yield _section("mastercard", *sections.OF_MASTERCARD, of_months)
    yield _section("scams", *sections.OF_SCAMS, table(sections.SCAMS, report.scams, "scams.csv"))
    yield _section("issuers", *sections.OF_ISSUERS, table(sections.ISSUERS, report.issuers, "issuers.csv"))
    belied = table(sections.CONTRADICTIONS, report.contradictions, "contradictions.csv")
    yield _section("contradictions", *sections.OF_CONTRADICTIONS, belied)
    yield _section("made", ("How it was made", "作成方法"), None, "".join(_made(report.head)))


def _section(name: str, heading: Words, note: Words | None, body: str) -> str:
    told = "" if note is None else f"<p>{both(note)}</p>"
    return f'<section id="{name}"><h2>{both(heading)}</h2>{told}{body}</section>'


def _pairs(pairs: list[tuple[Words, str]]) -> str:
    rows = "".join(f"<tr><th>{both(name)}</th><td>{value}</td></tr>" for name, value in pairs)
    return f'<table class="p"><tbody>{rows}</tbody></table>'


def _head(head: Head) -> Iterator[str]:
    yield f"<h1>{both(('Compliance report', 'コンプライアンス報告'))}: {escape(head.acquirer_id)}, {head.as_of}</h1>"
    sales = {
        "APPROVED": (
            "approved sales less reversals: settlements do not cover the month",
            "承認済み売上から取消を除いた件数（当月の売上確定データなし）",
        ),
        "SETTLED": ("settled sales", "売上確定件数"),
    }
    view = (
        "All figures are this acquirer's own view, as of the end of the day in Tokyo. Where it says (estimate), "
        "the figure is ours and not that of a scheme or issuer.",
        "すべて当アクワイアラーから見た、東京時間の当日終了時点の数値です。（推定）とあるものは当方の推定値で、"
        "国際ブランドやイシュアーの数値ではありません。",
    )
    yield f"<p>{both(view)}</p>"
    version = head.made.guideline_version
    rates = ", ".join(f"{currency} {rate}" for currency, rate in head.yen_per_minor_unit.items())
    yield _pairs(
        [
            (("Months", "対象月"), f"{escape(head.months[0])} – {escape(head.months[-1])}"),
            (("Sales", "売上の定義"), both(sales[head.basis])),
            (("Guidelines in force", "適用ガイドライン"), f"{text(version)} ({day(head.made.guideline_from)})"),
            (("Region of VAMP, of EFM", "VAMP・EFMの地域"), f"{escape(head.region)}, {escape(head.efm_region)}"),
            (("Yen for one minor unit", "補助通貨単位あたりの円"), escape(rates) or NOTHING),
        ]
    )
    if not head.is_complete:
        told = (
            "Payments were not read from the first day of the first month on: shares and ratios of early months are "
            "incomplete. Keep the topics longer, or ask for fewer months.",
            "最初の月の初日からの取引を読み取れていません。初期の月の割合は不完全です。トピックの保存期間を延ばすか、"
            "対象月を減らしてください。",
        )
        yield f'<p class="w">{both(told)}</p>'


def _summary(summary: Summary) -> str:
    def counted(found: dict[str, int]) -> str:
        return "<br>".join(f"{both(code(name))}: {count:,}" for name, count in found.items()) or NOTHING

    return _pairs(
        [
            (("Merchants", "加盟店"), number(summary.merchants)),
            (("… with a record", "…登録情報あり"), number(summary.known)),
            (("… with gaps", "…未実施項目あり"), number(summary.with_gaps)),
            (("… with unknown items", "…不明項目あり"), number(summary.with_unknown)),
            (("… attested over a year ago", "…申告から1年超"), number(summary.stale)),
            (("Gaps by item", "項目別の未実施"), counted(summary.gaps)),
            (("Owed", "未履行の義務"), counted(summary.owed)),
            (("Fraud status", "不正発生状況"), counted(summary.standing)),
            (("3-D Secure where it was required", "必要な取引の3-Dセキュア実施率"), percent(summary.covered)),
        ]
    )


def _vamp(report: Report) -> Iterator[str]:
    yield table(sections.VAMP, report.vamp, "vamp.csv")
    for month in reversed(report.vamp):
        yield f"<h3>{both(('What merchants contribute', '加盟店の寄与'))}, {escape(month.month)}</h3>"
        yield table(sections.VAMP_MERCHANTS, month.merchants, "vamp_merchants.csv")
    yield f"<h3>{both(('Enumeration (estimate)', 'エニュメレーション（推定）'))}</h3>"
    yield table(sections.ENUMERATION, report.enumeration, "enumeration.csv")


def _made(head: Head) -> Iterator[str]:
    source = ("the topics", "トピック") if head.source == "TOPICS" else ("a stored file", "保存ファイル")
    yield _pairs(
        [
            (("Program", "プログラム"), f"sekisho {escape(head.made.code)}"),
            (("Read from", "読み取り元"), both(source)),
            (("Month of a fraud", "不正の計上月"), escape(head.month_basis)),
        ]
    )
    yield f"<h3>{both(('Records', 'レコード'))}</h3>"
    yield table(sections.INPUTS, head.inputs, "report.json")
    yield f"<h3>{both(('Reference tables', '参照テーブル'))}</h3>"
    yield table(sections.TABLES, head.made.tables, "report.json")
