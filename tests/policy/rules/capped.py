"""A recount of capped rules in plain Python, and traffic for it.

The rules are four: `wide` and `odd` block, `step` steps up, `tried` is in shadow. A limit blocks the largest amounts.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from scoring.policy import Policy, policy_from
from tests.events import encoded, token

START = datetime(2026, 5, 1, 3, tzinfo=UTC)
"""Of the first hour."""

LIMIT = 90_000
OFF = {"review": 1000, "step_up": 1000, "block": 1000}


class Pay(NamedTuple):
    """A payment: minutes since the start, merchant, amount in yen, partition. A number that was used is a repeat."""

    number: int
    minute: int
    merchant: int
    yen: int
    partition: int = 0

    @property
    def value(self) -> bytes:
        at = START + timedelta(minutes=self.minute)
        return encoded(
            event_id=f"e-{self.number}",
            event_ts=at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            card={"pan_hmac": token(f"card-{self.partition}-{self.number % 7}")},
            merchant={"id": f"m-{self.merchant}"},
            amount={"minor": self.yen, "currency": "JPY", "exponent": 0},
        )

    @property
    def stamp_ms(self) -> int:
        return int((START + timedelta(minutes=self.minute)).timestamp() * 1000)


class Caps(NamedTuple):
    """Caps of the policy, and those of the rule `odd` alone."""

    hour: int
    merchant: int
    odd_hour: int | None = None
    odd_merchant: int | None = None


def policy(caps: Caps, version: str = "t") -> Policy:
    def rule(name: str, when: str, action: str, mode: str = "on", **more: Any) -> dict[str, Any]:
        said = {"text": {"en": f"rule {name}", "ja": f"ルール{name}"}, "author": "a", "reason": "r"}
        own = {key: value for key, value in more.items() if value is not None}
        return {"id": name, "when": when, "action": action, "mode": mode} | said | own

    own = {"blocks_per_hour": caps.odd_hour, "merchant_blocks_per_hour": caps.odd_merchant}
    return policy_from(
        {
            "version": version,
            "global": OFF,
            "limits": [{"amount_jpy": LIMIT, "band": "BLOCK"}],
            "rules": [
                rule("tried", "payment.amount_jpy > 0", "block", "shadow"),
                rule("step", "payment.amount_jpy > 30000", "step_up"),
                rule("wide", "payment.amount_jpy > 20000", "block"),
                rule("odd", "payment.amount_jpy % 2 == 1 && payment.amount_jpy > 10000", "block", **own),
            ],
            "rule_caps": {"blocks_per_hour": caps.hour, "merchant_blocks_per_hour": caps.merchant},
        }
    )


class Told(NamedTuple):
    """What a decision says: band, and by rule that hits its cap or None, in the order of the decision."""

    band: str
    hits: tuple[tuple[str, str | None], ...]


class Recount:
    """Count blocked payments of every partition by hand."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._seen: set[int] = set()
        self._counted: list[tuple[str, int, int, int]] = []  # rule, partition, hour, merchant

    def decide(self, payments: Iterable[Pay], caps: Caps) -> Iterator[tuple[int, Told]]:
        """Give what the decision of each payment says, by its number; repeats have none."""
        for pay in payments:
            if pay.number not in self._seen:
                self._seen.add(pay.number)
                yield pay.number, self._decide(pay, caps)

    def _decide(self, pay: Pay, caps: Caps) -> Told:
        blocking = [name for name, hits in (("wide", pay.yen > 20_000), ("odd", pay.yen > 10_000)) if hits]
        if pay.yen % 2 == 0:
            blocking = [name for name in blocking if name != "odd"]
        others = [("step", None)] if pay.yen > 30_000 else []
        reached: dict[str, str | None] = dict.fromkeys(blocking)
        if pay.yen <= LIMIT:
            reached = {name: self._take(name, pay, caps) for name in blocking}
        band = "STEP_UP" if others else "ALLOW"
        if pay.yen > LIMIT or None in reached.values():
            band = "BLOCK"
        elif blocking and not others:
            band = "REVIEW"
        return Told(band, (*reached.items(), *others, ("tried", None)))

    def _take(self, name: str, pay: Pay, caps: Caps) -> str | None:
        hour = pay.minute // 60
        same = [one for one in self._counted if one[:3] == (name, pay.partition, hour)]
        in_hour, at_merchant = caps.hour, caps.merchant
        if name == "odd":
            in_hour = in_hour if caps.odd_hour is None else caps.odd_hour
            at_merchant = at_merchant if caps.odd_merchant is None else caps.odd_merchant
        if len(same) >= self._share(in_hour, pay.partition):
            return "HOUR"
        if sum(one[3] == pay.merchant for one in same) >= self._share(at_merchant, pay.partition):
            return "MERCHANT"
        self._counted.append((name, pay.partition, hour, pay.merchant))
        return None

    def _share(self, cap: int, partition: int) -> int:
        """Deal a cap out to the partitions, one by one; none goes without."""
        return max(len([unit for unit in range(cap) if unit % self._partitions == partition]), 1)
