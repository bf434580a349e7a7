"""Encode decisions. What many decisions share is encoded once and pasted in."""

from collections.abc import Sequence

import orjson

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
        self._tds: dict[int, orjson.Fragment] = {}  # at most 9 x 10 x 3 x 3 verdicts exist

    def threeds(self, codes: Sequence[int]) -> list[orjson.Fragment]:
        """Give the encoded 3-D Secure summary of each verdict, by its code."""
        known = self._tds
        for code in set(codes).difference(known):
            known[code] = _encode_verdict(code)
        return [known[code] for code in codes]

    def encode(
        self,
        event: Authorization,
        *,
        status: str,
        score: int,
        probability: float,
        band: int,
        reasons: Sequence[Reason],
        tds: orjson.Fragment,
        compliance: orjson.Fragment,
        times: dict[str, int],
    ) -> Record:
        """Encode one decision; the key is the card's token, as on the input topic."""
        token = event.card.pan_hmac
        value = orjson.dumps(
            {
                "schema_version": "decision.v1",
                "decision_id": event.event_id,
                "acquirer_id": event.acquirer.id,
                "merchant_id": event.merchant.id,
                "pan_hmac": token,
                "status": status,
                "score": score,
                "probability": probability,
                "band": BAND_NAMES[band],
                "action": self.actions[band],
                "reasons": [as_dict(reason) for reason in reasons] if reasons else (),
                "tds": tds,
                "compliance": compliance,
                "versions": self.versions,
                "times": times,
            }
        )
        return token.encode(), value


def _encode_verdict(code: int) -> orjson.Fragment:
    status, eci, liability, expected = (code // radix % 10 for radix in (1000, 100, 10, 1))
    summary = ThreeDsSummary(
        status=ThreeDsStatus(status).name,  # type: ignore[arg-type]  # the enum's names are the literal's values
        eci=EciClass(eci).name,  # type: ignore[arg-type]
        liability=Liability(liability).name,  # type: ignore[arg-type]
        expected=Expectation(expected).name,  # type: ignore[arg-type]
    )
    return orjson.Fragment(orjson.dumps(as_dict(summary)))
