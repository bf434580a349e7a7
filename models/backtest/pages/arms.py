"""The section of a backtest's page on experiments, on lists of the topic, and on what is left out."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from models.backtest.arms import LeftOut, OfArm
from models.pages.markup import Words, both, number, said, table

_WHY: Final[Mapping[str, Words]] = {
    "NO_FILE": (
        "left out: its entries come from the topic, and no file has them",
        "対象外：登録内容はトピックにあり、ファイルがありません",
    ),
    "NOT_IN_FORCE": ("left out: no counted payment is in its time", "対象外：期間内の対象取引がありません"),
}
_FROM_FILE: Final[Words] = (
    "a worker reads its entries from the topic; here they are those of its file",
    "ワーカーはトピックから読みますが、ここではファイルの登録内容を使用しています",
)
_KINDS: Final[Mapping[str, Words]] = {"LIST": ("list", "リスト"), "EXPERIMENT": ("experiment", "実験")}

Policies = Sequence[tuple[str, Sequence[OfArm], Sequence[LeftOut], Sequence[str]]]
"""Names, arms, what is left out, and lists of the topic whose entries are those of a file."""


def arm_section(policies: Policies) -> str:
    """Write the section; "" if there is nothing to say."""
    return "".join(_section(policies)) if any(part for _, *parts in policies for part in parts) else ""


def _section(policies: Policies) -> Iterator[str]:
    yield f'<h2 id="arms">{both(("Experiments and lists of the topic", "実験とトピックのリスト"))}</h2>'
    notes = "".join(
        f"<tr><th>{escape(policy)}</th><td>{both(_KINDS[kind])}</td><td>{escape(name)}</td><td>{both(words)}</td></tr>"
        for policy, _, left, from_files in policies
        for kind, name, words in (
            *(("LIST", name, _FROM_FILE) for name in from_files),
            *((each.kind, each.id, _WHY[each.why]) for each in left),
        )
    )
    if notes:
        head: tuple[Words, ...] = (("policy", "ポリシー"), ("kind", "種類"), ("id", "ID"), ("in this backtest", "扱い"))
        yield table(head, notes)
    if not any(arms for _, arms, *_ in policies):
        return
    yield said(
        "An experiment decides as at a worker: the hash of the card chooses the arm. Figures of the policy are those "
        "of both arms together. Arms are of other cards: a difference may be chance.",
        "実験はワーカーと同様に、カードのハッシュで割り当てを決めます。ポリシーの指標は両群の合計です。"
        "両群は異なるカードのため、差は偶然の可能性があります。",
    )
    head = (("policy", "ポリシー"), ("experiment", "実験"), ("arm", "群"), ("decided by", "判定したポリシー"))
    head += (("payments", "取引件数"), ("alerts", "アラート件数"), ("precision", "適合率"), ("recall", "検知率"))
    lines = "".join(_line(policy, arm) for policy, arms, *_ in policies for arm in arms)
    yield f'<div class="wide">{table(head, lines)}</div>'


def _line(policy: str, arm: OfArm) -> str:
    found = arm.figures
    cells = f"<th>{escape(policy)}</th>" + "".join(
        f"<td>{escape(text)}</td>" for text in (arm.experiment, arm.arm, arm.policy)
    )
    numbers = (f"{found.payments:,}", f"{found.alerts:,}", number(found.precision, 4), number(found.recall, 4))
    return f"<tr>{cells}" + "".join(f'<td class="n">{one}</td>' for one in numbers) + "</tr>"
