"""Fraud reports of a stream: late, incomplete and sometimes wrong.

Sources: TC40 (Visa) and FLD (Mastercard) fraud reports, chargebacks, issuers' calls. A declined attempt causes no loss
and is not reported.
"""

import heapq

import msgspec
import numpy as np

from models.simulator.config import DAY_MS
from models.simulator.events.render import Renderer
from models.simulator.events.rows import Rows
from models.simulator.world import World
from models.simulator.world import tables as t
from models.simulator.world.draw import chance

_SOURCES = ("TC40", "FLD", "CHARGEBACK", "ISSUER", "ANALYST", "OTHER")
_BY_NETWORK = {t.VISA: 0, t.MASTERCARD: 1}
_CODES = ("6", "06", "10.4", "", "", "")


class Reports:
    """Future reports, by their time of receipt."""

    def __init__(self, world: World, renderer: Renderer) -> None:
        self._world = world
        self._renderer = renderer
        self._encode = msgspec.json.Encoder().encode
        self._due: list[tuple[int, int, bytes, bytes]] = []

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
        for i in np.flatnonzero(reported | disputed).tolist():
            if received[i] < config.end_ms:
                label = "FRAUD" if rows["fraud"][i] or kind[i] < 0.5 else "FIRST_PARTY"
                self._add(rows[i], int(received[i]), label, called[i] < 0.1)

    def _add(self, row: np.void, received_ms: int, label: str, by_phone: bool) -> None:
        shops = self._world.merchants
        network = int(self._world.issuers.network[row["issuer"]])
        source = 3 if by_phone else _BY_NETWORK.get(network, 2)
        serial = int(row["serial"])
        token = self._renderer.card_token(int(row["card"]))
        event_id = self._renderer.event_id(serial)
        text = {
            "schema_version": "label.v1",
            "label_id": f"r{event_id}",
            "event_id": event_id,
            "acquirer_id": shops.acquirers[row["merchant"]],
            "merchant_id": shops.ids[row["merchant"]],
            "pan_hmac": token,
            "label": label,
            "source": _SOURCES[source],
            "received_ts": f"{np.datetime64(received_ms, 'ms')}Z",
            "amount_jpy": int(row["jpy"]),
        }
        if _CODES[source]:
            text["code"] = _CODES[source]
        heapq.heappush(self._due, (received_ms, serial, token.encode(), self._encode(text)))

    def due(self, before_ms: int) -> list[tuple[int, bytes, bytes]]:
        """Remove and return (received_ms, key, value) of all reports received before `before_ms`, in order."""
        out = []
        while self._due and self._due[0][0] < before_ms:
            received_ms, _, key, value = heapq.heappop(self._due)
            out.append((received_ms, key, value))
        return out
