"""The class of an event's response code, by network and day."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.codes import PhaseCode
from scoring.decode.columns import Col
from scoring.decode.read.fields import Slate, Span
from scoring.decode.settings import KernelLimits
from scoring.jit import helper, whole
from scoring.reference.response_codes import CODE_CHARACTERS, RADIX

_EVENT_MS: Final = int(Col.EVENT_MS)
_NETWORK: Final = int(Col.NETWORK)
_PHASE: Final = int(Col.PHASE)
_PRE_AUTH: Final = int(PhaseCode.PRE_AUTH)
_RESPONSE: Final = int(Span.RESPONSE_CODE)
_CHARACTERS: Final = CODE_CHARACTERS
_RADIX: Final = RADIX
_DIGITS: Final = 48  # before "0"
_LETTERS: Final = 65 - 10  # before "A", which is 10 in base 36
_BLANK: Final = 32


@helper
def answer_of(slate: Slate, limits: KernelLimits, unlisted: NDArray[np.int64]) -> int:
    """Give the class of the event's response code. A code that is in no list is counted in `unlisted`, by network.

    A missing or blank code has no class, and neither has a code before the issuer's answer.
    """
    start, stop = slate.spans[_RESPONSE, 0], slate.spans[_RESPONSE, 1]
    if start < 0:
        return 0
    number, said = 0, False
    for i in range(start, stop):
        character = whole(slate.data[i])
        digit = character - _DIGITS
        if digit > 9:
            digit = character - _LETTERS if character >= 65 else -1
        said |= character > _BLANK
        number = number * _RADIX + digit + 1 if 0 <= digit < 36 else -1  # a negative number stays negative
    if number > 0 and stop - start <= _CHARACTERS:
        era = len(limits.eras_ms) - 1
        while era >= 0 and slate.row[_EVENT_MS] < limits.eras_ms[era]:
            era -= 1
        if era >= 0:
            answer = whole(limits.classes[era, slate.row[_NETWORK], limits.places[number]])
            if answer > 0:
                return answer
    if said and slate.row[_PHASE] != _PRE_AUTH:
        unlisted[slate.row[_NETWORK]] += 1
    return 0
