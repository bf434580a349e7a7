"""The challenger in shadow: its score beside a batch that is decided already."""

from collections import Counter
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from scoring.decide.decisions import BAND_NAMES
from scoring.judged import JudgedBatch
from scoring.model.challenger import Challenger
from scoring.observer import Observed
from scoring.outputs import Outputs
from scoring.policy import PolicyTable

CHAMPION, CHALLENGER = "CHAMPION", "CHALLENGER"

_FIELD: Final = b',"challenger":{'
"""Where the field begins, at the end of a decision. No text holds it: quotes in a text have a backslash before them."""


def shadow(
    challenger: Challenger, observed: Observed, judged: JudgedBatch, table: PolicyTable, outputs: Outputs
) -> None:
    """Score a batch by a challenger. Append what it says to the decisions of `outputs`, and count it in their tally.

    Everything else of the batch is made by now, so it cannot depend on the challenger. Bands are those of the
    thresholds and limits of `table`, for both models: before rules and lists, which may read the champion's score.
    An event that the champion did not score is told and not counted: there is nothing to compare.
    """
    of_batch = observed.decoded.ints, observed.decoded.hashes, observed.trusted_ms
    scores = challenger.scores(observed.matrix)
    bands, of_champion = table.judge(*of_batch, scores).bands, table.judge(*of_batch, judged.scores).bands
    kept = ~judged.silent
    both = kept if judged.fallen is None else kept & ~judged.fallen.unscored
    tails = _tails(challenger.version)
    outputs.decisions[:] = [
        (key, b"%b%b%d%b" % (decision[:-1], tails[0], score, tails[1 + band]))
        for (key, decision), score, band in zip(
            outputs.decisions, scores[kept].tolist(), bands[kept].tolist(), strict=True
        )
    ]
    outputs.tally.challenger_scores = _counted(judged.scores[both], CHAMPION) | _counted(scores[both], CHALLENGER)
    pairs = Counter(zip(of_champion[both].tolist(), bands[both].tolist(), strict=True))
    outputs.tally.challenger_bands = {
        (BAND_NAMES[own], BAND_NAMES[other]): count for (own, other), count in pairs.items()
    }


def without_challenger(decision: bytes) -> bytes:
    """Return a published decision as a worker without a challenger makes it. One without the field stays as it is."""
    before, found, _ = decision.rpartition(_FIELD)
    return before + b"}" if found else decision


def _tails(version: str) -> list[bytes]:
    """Return the text before the score, and the text after it by band. The last brace is that of the decision."""
    before = b'%b"model":%b,"score":' % (_FIELD, orjson.dumps(version))
    return [before, *(b',"band":%b}}' % orjson.dumps(name) for name in BAND_NAMES)]


def _counted(scores: NDArray[np.int16], model: str) -> dict[tuple[str, int], int]:
    return {(model, score): count for score, count in Counter(scores.tolist()).items()}
