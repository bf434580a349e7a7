"""EMV 3-D Secure, normalised: one verdict for all networks, channels and acquirers.

Code lists, dates and limits, with their sources, are `scoring/reference/threeds_*.yaml`.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import (
    ChannelCode,
    EciClass,
    Expectation,
    ExpectationReason,
    Flow,
    InitiatorCode,
    Liability,
    LiabilityReason,
    PhaseCode,
    ThreeDsStatus,
)
from scoring.contract.threeds_codes import NO_ECI
from scoring.decode.columns import Col
from scoring.jit import borrow, entry, helper, plain, revision, whole
from scoring.threeds.columns import (
    BROKEN,
    CODE,
    ECI,
    ECI_RESPONSE,
    EXPECTED,
    EXPECTED_REASON,
    FIRST_USE_MS,
    FLOW,
    LIABILITY,
    LIABILITY_REASON,
    RAISED,
    RULES,
    STATUS,
)
from scoring.threeds.consistency import broken, broken_by_version, raised
from scoring.threeds.due import due, is_exempt, wallet_of
from scoring.threeds.liability import is_excluded, liable
from scoring.threeds.tables import ACTIVE, ECI_CLASS, ECI_SHIFT, PLACE_BIT, STATUS_MASK, Tables

_COL, _CHANNEL, _INITIATOR, _PHASE = plain(Col), plain(ChannelCode), plain(InitiatorCode), plain(PhaseCode)
_STATUS, _ECI, _FLOW = plain(ThreeDsStatus), plain(EciClass), plain(Flow)
_LIABLE, _DUE, _LIABILITY, _EXPECTED = (
    plain(LiabilityReason),
    plain(ExpectationReason),
    plain(Liability),
    plain(Expectation),
)
_LETTER_D: Final = ord("D")
_DECOUPLED_TYPE, _DECOUPLED_METHOD, _DECOUPLED_TIMEOUT, _DECOUPLED_FALLBACK = 4, 12, 3, 19
"""authenticationType, authenticationMethod, challengeCancel, threeRIInd of a decoupled authentication."""
_DATA_SHARE: Final = 6
"""threeDSRequestorChallengeInd: data share only."""
_CHALLENGED: Final = 1
"""resultsStatus: the result of the challenge was received."""


@helper
def _class_of(row: NDArray[np.int64], meaning: int) -> int:
    """Give what an ECI claims in this channel. Mail-order and stored-credential values are impossible on other
    payments.
    """
    if meaning == _ECI.MOTO and row[_COL.CHANNEL] == _CHANNEL.ECOM:
        return _ECI.IMPOSSIBLE
    of_series = row[_COL.INITIATOR] == _INITIATOR.MIT or row[_COL.RECURRING] == 1 or row[_COL.STORED] == 1
    if meaning == _ECI.STORED and not of_series:
        return _ECI.IMPOSSIBLE
    return meaning


@helper
def _status(row: NDArray[np.int64], said: int, eci_class: int) -> int:
    """Read transStatus; without it `performed`, if that is false; without both, what the ECI claims."""
    if said != 0:
        return said
    if row[_COL.TDS_PERFORMED] == 0:
        return _STATUS.ABSENT
    if eci_class == _ECI.AUTHENTICATED or eci_class == _ECI.RECURRING:
        return _STATUS.AUTHENTICATED
    if eci_class == _ECI.ATTEMPTED:
        return _STATUS.ATTEMPTED
    if row[_COL.TDS_PERFORMED] == -1 and eci_class == _ECI.NONE:
        return _STATUS.ABSENT
    return 0


@helper
def _flow(row: NDArray[np.int64], status: int, eci_class: int) -> int:
    """Tell the flow of the authentication: authenticationType is sent only after a challenge."""
    if status == _STATUS.ABSENT:
        return _FLOW.NONE
    if eci_class == _ECI.DATA_ONLY or row[_COL.CHALLENGE_IND] == _DATA_SHARE:
        return _FLOW.DATA_ONLY
    if (
        row[_COL.TRANS_STATUS] == _LETTER_D
        or row[_COL.AUTH_TYPE] == _DECOUPLED_TYPE
        or row[_COL.AUTH_METHOD] == _DECOUPLED_METHOD
        or row[_COL.CHALLENGE_CANCEL] == _DECOUPLED_TIMEOUT
        or row[_COL.THREE_RI_IND] == _DECOUPLED_FALLBACK
    ):
        return _FLOW.DECOUPLED
    if (
        status == _STATUS.INCOMPLETE
        or row[_COL.AUTH_TYPE] >= 0
        or row[_COL.CHALLENGE_CANCEL] >= 0
        or row[_COL.RESULTS_STATUS] == _CHALLENGED
    ):
        return _FLOW.CHALLENGE
    proven = row[_COL.TRANS_STATUS] != 0 and (status == _STATUS.AUTHENTICATED or status == _STATUS.ATTEMPTED)
    return _FLOW.FRICTIONLESS if proven else _FLOW.UNKNOWN


@helper
def _normalise(
    ints: NDArray[np.int64],
    merchants: NDArray[np.int64],
    rows: NDArray[np.int64],
    tables: Tables,
    out: NDArray[np.int64],
) -> None:
    for i in range(ints.shape[0]):
        row = ints[i]
        layer = tables.starts.shape[0] - 1
        while row[_COL.EVENT_MS] < tables.starts[layer]:
            layer -= 1
        _judge(row, merchants[rows[i]], tables, layer, out[i])


@helper
def _liability_of(reason: int) -> int:
    if reason >= _LIABLE.EXEMPT:
        return _LIABILITY.NO_SHIFT
    return _LIABILITY.SHIFT if reason >= _LIABLE.AUTHENTICATED else _LIABILITY.UNKNOWN


@helper
def _expectation_of(reason: int) -> int:
    if reason >= _DUE.EVERY_PAYMENT:
        return _EXPECTED.REQUIRED
    return _EXPECTED.NOT_REQUIRED if reason >= _DUE.NO_PURCHASE else _EXPECTED.UNKNOWN


@helper
def _judge(
    row: NDArray[np.int64], merchant: NDArray[np.int64], tables: Tables, layer: int, out: NDArray[np.int64]
) -> None:
    network, lists, proof_ms = row[_COL.NETWORK], tables.lists[layer], tables.settings[1]
    cell = tables.eci[layer, network, row[_COL.ECI] + ECI_SHIFT]
    letter = tables.status[layer, row[_COL.TRANS_STATUS]]
    said, place = letter & STATUS_MASK, letter >> PLACE_BIT
    result = whole(tables.results[layer, network, row[_COL.CAVV_RESULT]])
    wallet = wallet_of(row, lists)
    exempt = is_exempt(row, lists, wallet)
    eci_class = _class_of(row, cell & ECI_CLASS)
    response_class, effective = 0, eci_class
    if row[_COL.ECI_RESPONSE] != NO_ECI and row[_COL.PHASE] != _PHASE.PRE_AUTH:
        response_class = _class_of(row, tables.eci[layer, network, row[_COL.ECI_RESPONSE] + ECI_SHIFT] & ECI_CLASS)
        effective = response_class
    status = _status(row, said, eci_class)
    liability = liable(row, effective, said, result, wallet, exempt, is_excluded(row, tables.excluded))
    why = due(row, merchant, wallet, exempt, tables.mandate_ms[row[_COL.MERCHANT_COUNTRY]], proof_ms)
    is_due = why >= _DUE.EVERY_PAYMENT
    tolerance = tables.settings[0]
    found = broken(row, cell, eci_class, status, place, result, wallet, is_due, tolerance, lists)
    found |= broken_by_version(row, tables.retired_ms, tables.fields, tables.since[layer])
    if response_class == _ECI.IMPOSSIBLE:
        found |= 1 << 2
    flow = _flow(row, status, eci_class)
    out[STATUS] = status
    out[ECI] = eci_class
    out[LIABILITY] = _liability_of(liability)
    out[EXPECTED] = _expectation_of(why)
    out[ECI_RESPONSE] = response_class
    out[LIABILITY_REASON] = liability
    out[EXPECTED_REASON] = why
    out[FLOW] = flow
    out[BROKEN] = found
    out[RULES] = found & lists[ACTIVE, 0]
    out[RAISED] = found & raised(merchant, status)
    shown = (status * 10 + eci_class) * 10 + response_class
    out[FIRST_USE_MS] = -1
    out[CODE] = ((shown * 32 + liability) * 32 + why) * 8 + flow


def _compile(key: int) -> Callable[..., int]:
    """Compile the entry point; `key` is part of the key of numba's cache."""

    @entry
    def normalise(
        ints: NDArray[np.int64],
        merchants: NDArray[np.int64],
        rows: NDArray[np.int64],
        tables: Tables,
        out: NDArray[np.int64],
    ) -> int:
        ints, merchants, rows, out = borrow((ints, merchants, rows, out))
        _normalise(ints, merchants, rows, borrow(tables), out)
        return key

    return normalise


_entry = _compile(revision("scoring.threeds"))


def normalise(
    ints: NDArray[np.int64],
    merchants: NDArray[np.int64],
    rows: NDArray[np.int64],
    out: NDArray[np.int64],
    tables: Tables,
) -> None:
    """Write the verdict of each event: out int64[n, VERDICT_COLUMNS], see `columns`.

    `ints` is the decoded int64[n, Col], `merchants` the table of the merchant store, `rows` int64[n] its row for each
    event.
    """
    _entry(ints, merchants, rows, tables, out)
