"""Fraud reports of a stream: late, incomplete and sometimes wrong.

Sources: TC40 (Visa) and FLD (Mastercard) fraud reports, chargebacks, issuers' calls. A declined attempt causes no loss
and is not reported.
"""

import heapq

import msgspec
import numpy as np

from models.simulator.config import DAY_MS
from models.simulator.episodes import frequent
from models.simulator.events.render import Renderer
from models.simulator.events.rows import Rows
from models.simulator.world import World
from models.simulator.world import tables as t
from models.simulator.world.draw import chance

_SOURCES = ("TC40", "FLD", "CHARGEBACK", "ISSUER", "ANALYST", "OTHER")
_BY_NETWORK = {t.VISA: 0, t.MASTERCARD: 1}
_CODES = ("6", "06", "10.4", "", "", "")
_TELEPHONE = 3


class Reports:
    """Future reports, by their time of receipt.

    Of the merchant of a script FRAUD_FREQUENT, reports of earlier payments come as well, and from the begin of the
    script on issuers telephone about all fraud (`episodes.frequent`).
    """

    def __init__(self, world: World, renderer: Renderer) -> None:
        self._world = world
        self._renderer = renderer
        self._encode = msgspec.json.Encoder().encode
        self._due: list[tuple[int, int, bytes, bytes]] = []
        begins = [plan.at_ms for plan in world.config.planned if plan.script == "FRAUD_FREQUENT"]
        self._frequent_ms = world.config.start_ms + min(begins) if begins else None
        if self._frequent_ms is not None:
            self._add_earlier(self._frequent_ms)

    def observe(self, hour: int, rows: Rows) -> None:
        """Draw which events of one hour will be reported, with time, label and source."""
        rng = self._world.generator(30, hour)
        config = self._world.config
        n = rows.size
        bought = (rows["answer"] == t.OK) & ((rows["type"] == t.PURCHASE) | (rows["type"] == t.CASH))
        reported = bought & (rows["fraud"] == 1) & chance(rng, n, config.report_share)
        disputed = (
            bought & (rows["fraud"] == 0) & (rows["channel"] == t.ECOM) & chance(rng, n, config.first_party_share)
        )
        days = rng.lognormal(np.log(config.report_delay_days), 0.7, n)
        called = rng.random(n)
        days = np.where(called < 0.1, rng.uniform(0.05, 1.0, n), days)  # the issuer telephones
        received = rows["time_ms"] + np.clip(days * DAY_MS, 600_000, 120 * DAY_MS).astype(np.int64)
        kind = rng.random(n)
        if self._frequent_ms is not None:
            told = bought & (rows["fraud"] == 1) & (rows["merchant"] == frequent.shop(self._world))
            told &= rows["time_ms"] >= self._frequent_ms
            reported |= told
            received, called = np.where(told, frequent.told_ms(rows), received), np.where(told, 0.0, called)
        for i in np.flatnonzero(reported | disputed).tolist():
            if received[i] < config.end_ms:
                label = "FRAUD" if rows["fraud"][i] or kind[i] < 0.5 else "FIRST_PARTY"
                self._add(rows[i], int(received[i]), label, called[i] < 0.1)

    def _add(self, row: np.void, received_ms: int, label: str, by_phone: bool) -> None:
        serial, card, merchant, jpy = (int(row[name]) for name in ("serial", "card", "merchant", "jpy"))
        network = int(self._world.issuers.network[row["issuer"]])
        source = _TELEPHONE if by_phone else _BY_NETWORK.get(network, 2)
        text = self._text(self._renderer.event_id(serial), card, merchant, jpy, received_ms, label, source)
        self._push(received_ms, serial, card, text)

    def _add_earlier(self, begin_ms: int) -> None:
        """Add the reports of payments before the stream, which have no serial number."""
        merchant = frequent.shop(self._world)
        for n, card, jpy, received_ms, at_ms in frequent.earlier(self._world, begin_ms):
            text = self._text(f"earlier-{n:02d}", card, merchant, jpy, received_ms, "FRAUD", _TELEPHONE)
            self._push(at_ms, -1 - n, card, text)

    def _text(
        self, event_id: str, card: int, merchant: int, jpy: int, received_ms: int, label: str, source: int
    ) -> dict[str, object]:
        shops = self._world.merchants
        text: dict[str, object] = {
            "schema_version": "label.v1",
            "label_id": f"r{event_id}",
            "event_id": event_id,
            "acquirer_id": shops.acquirers[merchant],
            "merchant_id": shops.ids[merchant],
            "pan_hmac": self._renderer.card_token(card),
            "label": label,
            "source": _SOURCES[source],
            "received_ts": f"{np.datetime64(received_ms, 'ms')}Z",
            "amount_jpy": jpy,
        }
        if _CODES[source]:
            text["code"] = _CODES[source]
        return text

    def _push(self, at_ms: int, serial: int, card: int, text: dict[str, object]) -> None:
        key = self._renderer.card_token(card).encode()
        heapq.heappush(self._due, (at_ms, serial, key, self._encode(text)))

    def due(self, before_ms: int) -> list[tuple[int, bytes, bytes]]:
        """Remove and return (received_ms, key, value) of all reports received before `before_ms`, in order."""
        out = []
        while self._due and self._due[0][0] < before_ms:
            received_ms, _, key, value = heapq.heappop(self._due)
            out.append((received_ms, key, value))
        return out
