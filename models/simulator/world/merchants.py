"""Merchants: their goods, size, use of 3-D Secure, and checklist."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np

from models.simulator.config import SimulatorConfig
from models.simulator.world import tables as t
from models.simulator.world.draw import Floats, Ints, Mask, chance, cumulative, generator, mixed, weighted
from scoring.contract.codes import CHECKLIST_ITEMS
from scoring.contract.merchant import Checklist, ChecklistItem, MerchantRecord, ThreeDsProgramme

# The fields that each payment service provider passes on. Real feeds differ as much: a missing field depends on the
# sender, not on the shopper.
SENDS_DEVICE = np.array([1, 1, 0, 1, 0, 1, 1], dtype=bool)
SENDS_IP = np.array([1, 1, 1, 1, 0, 1, 0], dtype=bool)
SENDS_SHOPPER = np.array([1, 1, 1, 0, 1, 1, 0], dtype=bool)
SENDS_SHIP = np.array([1, 1, 1, 1, 0, 0, 1], dtype=bool)
ACCOUNT_INFO_SHARE = 0.4
"""Share of merchants that fill the optional acctInfo of EMV 3DS: an assumption."""
SHORT_ECI_PSP = 5
"""This provider writes ECI without its leading zero, as some do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchants:
    """Columns over merchants; `online` and `present` are row numbers with their size distributions."""

    ids: tuple[str, ...]
    acquirers: tuple[str, ...]
    category: Ints
    country: Ints
    region: Ints
    psp: Ints
    channel: Ints
    tds_mode: Ints
    items: Ints  # [n, 6] index of ITEM_STATUSES
    fraud_status: Ints
    account_info: Mask  # sends the indicators of EMV 3DS acctInfo
    sloppy_tds: Mask  # set up wrongly: breaks rules more often than others without being guilty
    registered: Mask  # known to the merchant store
    median_jpy: Floats
    sigma: Floats
    ships: Mask
    recurring: Mask
    priced: Mask
    risky: Mask  # sells goods that resell
    weight: Floats
    online: Ints
    online_cdf: Floats
    present: Ints
    present_cdf: Floats

    def online_where(self, wanted: Mask) -> Ints:
        """Return the online merchants among `wanted`, or all online ones if there is none."""
        found: Ints = np.flatnonzero(wanted & (self.channel == t.ECOM) & ~self.recurring)
        return found if found.size else self.online


def build(config: SimulatorConfig) -> Merchants:
    """Draw the merchants of one config; every category has at least one."""
    rng = generator(config.seed, 2)
    n = config.merchants
    category = weighted(rng, cumulative(np.array([c.weight for c in t.CATEGORIES])), n)
    category[: len(t.CATEGORIES)] = np.arange(len(t.CATEGORIES))

    def of(attribute: str, dtype: type) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
        return np.array([getattr(c, attribute) for c in t.CATEGORIES]).astype(dtype)[category]

    is_online = of("online", bool).astype(bool)
    recurring = of("recurring", bool).astype(bool)
    channel = np.where(is_online, t.ECOM, t.PRESENT)
    channel[(channel == t.ECOM) & recurring & chance(rng, n, 0.15)] = t.MOTO
    abroad = is_online & chance(rng, n, 0.05)
    abroad[: len(t.CATEGORIES)] = False
    # Zipf over a random order: a few merchants carry most of the traffic.
    weight: Floats = (1.0 + rng.permutation(n).astype(np.float64)) ** -0.8 + 2.0 / n
    mode = mixed(
        rng,
        n,
        ((t.EVERY_PAYMENT, 46), (t.CARD_REGISTRATION, 24), (t.RISK_BASED, 15), (t.NO_TDS, 12), (t.UNKNOWN_TDS, 3)),
    )
    # Merchants that have not introduced it after the mandate are small.
    mode = np.where((mode == t.NO_TDS) & (weight > np.quantile(weight, 0.5)), t.EVERY_PAYMENT, mode)
    mode[recurring] = t.RECURRING_INITIAL
    risky = np.array([c.goods is not None for c in t.CATEGORIES])[category]
    online = np.flatnonzero(is_online & ~recurring)
    present = np.flatnonzero(~is_online)
    return Merchants(
        ids=tuple(f"m{i:06d}" for i in range(n)),
        acquirers=tuple("acq-east" if east else "acq-west" for east in chance(rng, n, 0.85)),
        category=category,
        country=np.where(abroad, rng.integers(1, 11, n), t.JP),
        region=rng.integers(0, t.REGIONS, n),
        psp=mixed(rng, n, ((0, 30), (1, 20), (2, 14), (3, 12), (4, 8), (5, 8), (6, 8))),
        channel=channel,
        tds_mode=mode,
        items=_checklists(rng, n),
        fraud_status=mixed(rng, n, ((0, 930), (1, 42), (2, 14), (3, 8), (4, 6))),
        account_info=chance(generator(config.seed, 5), n, ACCOUNT_INFO_SHARE),
        sloppy_tds=chance(rng, n, 0.02),
        registered=~chance(rng, n, 0.02),
        median_jpy=of("median_jpy", float).astype(np.float64) * rng.lognormal(0.0, 0.3, n),
        sigma=of("sigma", float).astype(np.float64),
        ships=of("ships", bool).astype(bool),
        recurring=recurring,
        priced=of("priced", bool).astype(bool),
        risky=risky & is_online,
        weight=weight,
        online=online,
        online_cdf=cumulative(weight[online]),
        present=present,
        present_cdf=cumulative(weight[present]),
    )


def _checklists(rng: np.random.Generator, n: int) -> Ints:
    """Draw six checklist answers for each merchant. Gaps are correlated."""
    care = rng.beta(4, 1.2, n)[:, None]
    u = rng.random((n, len(CHECKLIST_ITEMS)))
    gap = rng.random((n, len(CHECKLIST_ITEMS)))
    unmet = np.where(gap < 0.6, t.NOT_IMPLEMENTED, np.where(gap < 0.75, 4, np.where(gap < 0.9, 1, 3)))
    return np.where(u < care, 0, unmet).astype(np.int64)


def key(merchants: Merchants, row: int) -> bytes:
    """Return the record key on the `merchants` topic."""
    return f"{merchants.acquirers[row]}/{merchants.ids[row]}".encode()


def snapshot(config: SimulatorConfig, merchants: Merchants) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, `merchant.v1` JSON) of every registered merchant, as known when the stream starts."""
    rng = generator(config.seed, 3)
    start = datetime.fromtimestamp(config.start_ms / 1000, UTC)
    encode = msgspec.json.Encoder().encode
    for row in range(len(merchants.ids)):
        age, attested, draw = rng.integers(20, 3_000), rng.integers(5, 700), rng.random(4)
        if not merchants.registered[row]:
            continue
        is_online = merchants.channel[row] != t.PRESENT
        yield (
            key(merchants, row),
            encode(
                MerchantRecord(
                    acquirer_id=merchants.acquirers[row],
                    merchant_id=merchants.ids[row],
                    mcc=t.CATEGORIES[merchants.category[row]].mcc,
                    country=t.COUNTRIES[merchants.country[row]],
                    contracted_on=(start - timedelta(days=int(age))).date(),
                    goods_class=[t.CATEGORIES[merchants.category[row]].goods or "OTHER"],
                    tds=_programme(merchants, row, start.date(), float(draw[0])) if is_online else None,
                    checklist=_checklist(merchants, row, start - timedelta(days=int(attested)), float(draw[1]))
                    if is_online and draw[2] > 0.04
                    else None,
                    fraud_status=t.FRAUD_STATUSES[merchants.fraud_status[row]],  # type: ignore[arg-type]  # the literal's words
                    card_data_handling="non_retention" if draw[3] < 0.8 else "pci_dss",
                    integration="js_token" if draw[3] < 0.5 else "redirect",
                    guideline_version="jp-6.0",
                    updated_at=start,
                )
            ),
        )


def _programme(merchants: Merchants, row: int, today: date, draw: float) -> ThreeDsProgramme:
    mode = t.TDS_MODES[merchants.tds_mode[row]]
    introduced = None if mode in {"NONE", "UNKNOWN"} else today - timedelta(days=30 + int(draw * 900))
    due = today + timedelta(days=int(draw * 120) - 60) if mode == "NONE" else None
    return ThreeDsProgramme(mode=mode, introduced_on=introduced, plan_due=due)  # type: ignore[arg-type]  # one of the modes


def _checklist(merchants: Merchants, row: int, attested_at: datetime, draw: float) -> Checklist:
    return Checklist(
        version="6.0",
        attested_at=attested_at,
        attested_by="merchant",
        source="SELF_DECLARED" if draw < 0.75 else "PSP" if draw < 0.95 else "AUDIT",
        items={
            code: ChecklistItem(status=t.ITEM_STATUSES[status])  # type: ignore[arg-type]  # the literals
            for code, status in zip(CHECKLIST_ITEMS, merchants.items[row].tolist(), strict=True)
        },
    )
