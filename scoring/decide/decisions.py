"""Encode decisions. What many decisions share is encoded once and pasted in."""

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from scoring.contract.authorization import Authorization
from scoring.contract.codes import Band, EciClass, Expectation, Liability, ThreeDsStatus
from scoring.contract.decision import Reason, ThreeDsSummary, Versions
from scoring.outputs import Record
from scoring.policy.policy import Actions

BAND_NAMES = tuple(band.name for band in Band)
STATUS_NAMES = tuple(status.name for status in ThreeDsStatus)


def as_dict(record: ThreeDsSummary | Versions | Reason) -> dict[str, object]:
    """Give a flat record as a dict that orjson writes."""
    return {name: getattr(record, name) for name in record.__struct_fields__}


class DecisionEncoder:
    """Write `decision.v1` bytes for the events of one worker, whose versions and actions do not change."""

    def __init__(self, versions: Versions, actions: Actions) -> None:
        self.versions = orjson.Fragment(orjson.dumps(as_dict(versions)))
        self.actions = tuple(getattr(actions, name) for name in BAND_NAMES)
        self._tds: dict[bytes, orjson.Fragment] = {}  # at most 9 x 10 x 3 x 3 verdicts exist

    def threeds(self, verdict: NDArray[np.int8]) -> orjson.Fragment:
        """Encode a 3-D Secure verdict (int8[4]) once."""
        key = verdict.tobytes()
        fragment = self._tds.get(key)
        if fragment is None:
            status, eci, liability, expected = (int(code) for code in verdict)
            summary = ThreeDsSummary(
                status=ThreeDsStatus(status).name,  # type: ignore[arg-type]  # the enum's names are the literal's values
                eci=EciClass(eci).name,  # type: ignore[arg-type]
                liability=Liability(liability).name,  # type: ignore[arg-type]
                expected=Expectation(expected).name,  # type: ignore[arg-type]
            )
            fragment = self._tds[key] = orjson.Fragment(orjson.dumps(as_dict(summary)))
        return fragment

    def encode(
        self,
        *,
        event: Authorization,
        status: str,
        score: int,
        probability: float,
        band: int,
        reasons: Sequence[Reason],
        threeds: orjson.Fragment,
        compliance: orjson.Fragment,
        times: dict[str, int],
    ) -> Record:
        """Encode one decision; the key is the card's token, as on the input topic."""
        value = orjson.dumps(
            {
                "schema_version": "decision.v1",
                "decision_id": event.event_id,
                "acquirer_id": event.acquirer.id,
                "merchant_id": event.merchant.id,
                "pan_hmac": event.card.pan_hmac,
                "status": status,
                "score": score,
                "probability": probability,
                "band": BAND_NAMES[band],
                "action": self.actions[band],
                "reasons": [as_dict(reason) for reason in reasons],
                "tds": threeds,
                "compliance": compliance,
                "versions": self.versions,
                "times": times,
            }
        )
        return event.card.pan_hmac.encode(), value
