"""Seven months of two acquirers as events, reports and merchant records, with repeats, requests and late answers."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from random import Random
from typing import Any

import orjson

from tests.events import PLAIN, event, token

TOKYO = timezone(timedelta(hours=9))
AS_OF = date(2026, 10, 14)
BEGIN = datetime(2026, 4, 1, tzinfo=TOKYO)
END = datetime(2026, 10, 15, tzinfo=TOKYO)
MODES = {
    "m-every": "EVERY_PAYMENT",
    "m-none": "NONE",
    "m-later": "EVERY_PAYMENT",
    "m-silent": None,
    "m-liar": "EVERY_PAYMENT",
}
MERCHANTS = (*MODES, "m-unknown")
BINS = {"visa": ("453200", "453201"), "mastercard": ("520000", "520001"), "jcb": ("352800", "352801")}
ABROAD = ("453201",)
NOBODY_TOLD = ("520001",)
GAPS = {"m-none": ["SC5_CREDMASTER", "SC6_LOGIN"], "m-later": ["SC1_ADMIN"]}


@dataclass
class History:
    """Values with the times of their records, in ms; `plain` are the distinct events as dicts."""

    events: list[tuple[int, bytes]] = field(default_factory=list)
    reports: list[tuple[int, bytes]] = field(default_factory=list)
    merchants: list[tuple[int, bytes, bytes | None]] = field(default_factory=list)
    outcomes: list[tuple[int, bytes]] = field(default_factory=list)
    settlements: list[tuple[int, bytes]] = field(default_factory=list)
    plain: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def history(seed: int = 5, events: int = 6_000) -> History:
    random, made = Random(seed), History()  # noqa: S311 - no secret
    _add_merchants(made)
    span = (END + timedelta(days=2) - BEGIN).total_seconds()
    times = sorted(BEGIN + timedelta(milliseconds=int(random.random() * span * 1000)) for _ in range(events))
    edges = [
        datetime(2026, month, 1, tzinfo=TOKYO) + timedelta(milliseconds=off) for month in (5, 10) for off in (-1, 0)
    ]
    times = sorted([*times, *edges, END - timedelta(milliseconds=1), END])
    for number, at in enumerate(times):
        _add_event(made, random, number, at)
    _add_attack(made, random)
    _add_collapse(made, random)
    made.events.sort(key=lambda one: one[0])
    made.reports.sort(key=lambda one: one[0])
    return made


def _add_merchants(made: History) -> None:
    for name, mode in MODES.items():
        statuses = {
            item: {"status": "NOT_IMPLEMENTED" if item in GAPS.get(name, []) else "IMPLEMENTED"}
            for item in ("SC1_ADMIN", "SC2_DIR", "SC3_WEBAPP", "SC4_MALWARE", "SC5_CREDMASTER", "SC6_LOGIN")
        }
        if name == "m-later":
            del statuses["SC6_LOGIN"]
        record: dict[str, Any] = {
            **{"schema_version": "merchant.v1", "acquirer_id": "acq-1", "merchant_id": name, "country": "JP"},
            "contracted_on": "2026-06-20" if name == "m-none" else "2019-01-01",
            "fraud_status": "WARNING" if name == "m-none" else "NORMAL",
        }
        if mode is not None:
            record["tds"] = {"mode": mode, "introduced_on": "2027-01-01" if name == "m-later" else "2024-01-01"}
            attested = "2025-06-01T00:00:00Z" if name == "m-every" else "2026-05-01T00:00:00Z"
            record["checklist"] = {"version": "6.0", "attested_at": attested, "source": "PSP", "items": statuses}
        made.merchants.append((ms(BEGIN), f"acq-1/{name}".encode(), orjson.dumps(record)))
    # what came after the day, and what was forgotten
    late = {"schema_version": "merchant.v1", "acquirer_id": "acq-1", "merchant_id": "m-every"}
    made.merchants.append((ms(END), b"acq-1/m-every", orjson.dumps(late)))
    gone = {"schema_version": "merchant.v1", "acquirer_id": "acq-1", "merchant_id": "m-gone"}
    made.merchants += [(ms(BEGIN), b"acq-1/m-gone", orjson.dumps(gone)), (ms(BEGIN) + 1, b"acq-1/m-gone", None)]
    other = {"schema_version": "merchant.v1", "acquirer_id": "acq-2", "merchant_id": "m-every", "country": "JP"}
    made.merchants.append((ms(BEGIN), b"acq-2/m-every", orjson.dumps(other)))


def _tds(random: Random, merchant: str) -> dict[str, Any] | None:
    drawn = random.random()
    if merchant == "m-liar" and drawn < 0.6:
        return {"performed": False}
    if drawn < 0.15:
        return {"performed": False}
    if drawn < 0.25:
        return None
    status = random.choice(["Y", "Y", "Y", "A", "N", "U", "R"])
    told: dict[str, Any] = {"performed": True, "trans_status": status, "version": "2.2.0"}
    if status in "NUR":
        told["trans_status_reason"] = random.choice(["01", "13", "12"])
    if random.random() < 0.5:
        told["auth_type"] = random.choice(["01", "02", "02", "03"])
    return told


def _add_event(made: History, random: Random, number: int, at: datetime) -> None:
    network = random.choice(["visa", "visa", "mastercard", "mastercard", "jcb"])
    code = random.choice(BINS[network])
    merchant = random.choice(MERCHANTS)
    kind = random.choice(["purchase"] * 17 + ["reversal", "refund", "account_verification"])
    approved = random.random() < 0.8
    changes: dict[str, Any] = {
        "event_id": f"e-{number}",
        "event_ts": stamp(at),
        "acquirer": {"id": "acq-1" if random.random() < 0.9 else "acq-2"},
        "merchant": {"id": merchant},
        "card": {
            "pan_hmac": token(f"c-{number % 700}"),
            "network": network,
            "bin": code,
            "issuer_country": _country(code),
        },
        "txn": {
            "type": kind,
            "channel": random.choice(["ecom", "ecom", "ecom", "moto", "card_present"]),
            "initiator": random.choice(["CIT", "CIT", "CIT", "MIT"]),
        },
        "amount": {"minor": random.randrange(100, 90_000)},
        "outcome": {
            "phase": "POST_AUTH",
            "approved": approved,
            "response_code": "00" if approved else random.choice(["14", "51", "91", "05", "54"]),
        },
        "tds": _tds(random, merchant),
    }
    told = event(**changes)
    _publish(made, random, told, at)
    if random.random() < 0.25:
        _add_labels(made, random, told, at)


def _country(code: str) -> str | None:
    return None if code in NOBODY_TOLD else "US" if code in ABROAD else "JP"


def _publish(made: History, random: Random, told: dict[str, Any], at: datetime) -> None:
    """Some are asked about first, some come twice, some are never answered."""
    drawn = random.random()
    asked = told | {"outcome": {"phase": "PRE_AUTH"}}
    if drawn < 0.1:
        made.events.append((ms(at), orjson.dumps(asked)))
    if drawn < 0.03:
        told = asked  # nobody answered
    else:
        made.events.append((ms(at) + 900, orjson.dumps(told)))
    made.plain.append(told)
    if drawn > 0.95:
        made.events.append((ms(at) + 86_400_000 * random.randrange(2), made.events[-1][1]))


def _add_attack(made: History, random: Random) -> None:
    """Forty attempts within an hour, most of them with wrong numbers, and thirty with none above half."""
    for hour, count, share in ((3, 40, 0.9), (5, 30, 0.5), (7, 29, 1.0), (9, 60, 0.4)):
        for number in range(count):
            at = datetime(2026, 10, 2, hour, 0, number, tzinfo=TOKYO)
            is_bad = number < share * count
            told = event(
                event_id=f"a-{hour}-{number}",
                event_ts=stamp(at),
                merchant={"id": "m-every"},
                card={"pan_hmac": token(f"a-{number}"), "bin": "453299"},
                outcome={"approved": not is_bad, "response_code": "14" if is_bad else "00"},
            )
            made.plain.append(told)
            made.events.append((ms(at), orjson.dumps(told)))
    made.events.append((ms(BEGIN), b"{}"))
    assert random.random() >= 0


def _add_collapse(made: History, random: Random) -> None:
    """A merchant whose approvals fall: 60 approved in a month, then 40 declined for want of funds in two days."""
    for number in range(100):
        is_late = number >= 60
        at = datetime(2026, 9, 1 + number % 25, 12, 0, number % 60, tzinfo=TOKYO)
        if is_late:
            at = datetime(2026, 10, 9 + number % 2, 12, 0, number % 60, tzinfo=TOKYO)
        told = event(
            event_id=f"f-{number}",
            event_ts=stamp(at),
            merchant={"id": "m-silent"},
            card={"pan_hmac": token(f"f-{number}"), "bin": "520099", "network": "mastercard"},
            outcome={"approved": not is_late, "response_code": "51" if is_late else "00"},
        )
        made.plain.append(told)
        made.events.append((ms(at), orjson.dumps(told)))


def _add_labels(made: History, random: Random, told: dict[str, Any], at: datetime) -> None:
    network = told["card"]["network"]
    kinds: list[tuple[str, str, str | None]] = [("CHARGEBACK", "FRAUD", None), ("ISSUER", "FRAUD", None)]
    kinds.append(("CHARGEBACK", "UNKNOWN", {"visa": "13.1", "mastercard": "4853"}.get(network)))
    kinds.append(("CHARGEBACK", "FRAUD", {"visa": "10.4", "mastercard": "4837"}.get(network)))
    kinds += {"visa": [("TC40", "FRAUD", "6")], "mastercard": [("FLD", "FRAUD", "06")]}.get(network, [])
    received = at
    for number in range(random.randrange(1, 4)):
        source, label, code = random.choice(kinds)
        if number and random.random() < 0.3:
            label, code = "LEGIT", None
        received += timedelta(days=random.choice([0, 1, 9, 40]), milliseconds=1)
        one: dict[str, Any] = {
            "schema_version": "label.v1",
            "label_id": f"l-{told['event_id']}-{number}",
            "event_id": told["event_id"],
            "acquirer_id": told["acquirer"]["id"],
            "merchant_id": told["merchant"]["id"],
            "pan_hmac": told["card"]["pan_hmac"],
            "label": label,
            "source": source,
            "received_ts": stamp(received),
        }
        if code is not None:
            one["code"] = code
        if random.random() < 0.5:
            one["amount_jpy"] = random.randrange(1, 400_000)
        made.labels.append(one)
        made.reports.append((ms(received), orjson.dumps(one)))
        if random.random() < 0.1:
            made.reports.append((ms(received) + 1, made.reports[-1][1]))


assert PLAIN["acquirer"]["id"] == "acq-1"
