"""Find digits that could be a card number or a track: the test of both stages of the guard.

A card number is 13 to 19 digits with the prefix and length of a network (`networks`) that pass the Luhn check. Single
spaces or dashes may separate any of them (`judge_run`). Other separators, of up to three characters, may separate
groups (`judge_groups`). Keyed hashes in hexadecimal contain such digits by chance. So a run of digits beside
hexadecimal letters counts only if the letters cannot belong to a hash.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.decode.networks import ARTICLE, is_article, is_issued
from scoring.jit import helper

PAN, TRACK = 1, 2
"""Bits of a verdict on digits."""

RUN_MIN: Final = 13
"""The shortest card number."""

PAN_MAX: Final = 19
"""The longest."""

SEPARATORS: Final = tuple(b" -./_+|:,*!#$%&'()<=>;?@^`~\t\n\v\f\r")
"""Separators of groups of digits: ASCII characters other than letters, digits and JSON's syntax."""

SEPARATOR_MAX: Final = 3
"""Most characters of one separator, for example ` / `, or a line break and a space."""

DIGITS_ROOM: Final = 32
"""Length of the scratch array that the kernels take."""

_ROOM: Final = 28  # the longest number with its expiry and security code behind it
_REACH: Final = 160  # letters are looked for this far beside a run, to bound the work on hostile input


@helper
def _is_pan(digits: NDArray[np.uint8], first: int, size: int) -> bool:
    """Check digits[first : first + size] for a network's prefix and length, then for Luhn's sum."""
    if size < RUN_MIN or size > PAN_MAX:
        return False
    six = 0
    for k in range(first, first + 6):
        six = six * 10 + int(digits[k])
    if not is_issued(six, size):
        return False
    total = 0
    for k in range(size):
        digit = int(digits[first + size - 1 - k])
        if k & 1:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0 and not (size == ARTICLE and is_article(digits, first))


@helper
def _is_number(digits: NDArray[np.uint8], size: int) -> bool:
    """Tell whether digits[:size] are a card number, or its length in two digits and then the number (ISO 8583, LLVAR).

    A length of 17 does not count: times in nanoseconds begin with 17 until 2027, and no network issues 17 digits.
    """
    if _is_pan(digits, 0, size):
        return True
    rest = size - 2
    return rest != 17 and int(digits[0]) * 10 + int(digits[1]) == rest and _is_pan(digits, 2, rest)


@helper
def is_hex(byte: int) -> bool:
    """Tell whether a byte is a hexadecimal digit, in either case."""
    return 48 <= byte <= 57 or 97 <= byte <= 102 or 65 <= byte <= 70


@helper
def is_word(byte: int) -> bool:
    """Tell whether a byte is a letter or digit of ASCII."""
    return 48 <= byte <= 57 or 97 <= byte <= 122 or 65 <= byte <= 90


@helper
def _is_opaque(data: NDArray[np.uint8], low: int, high: int, i: int, j: int) -> bool:
    """Tell whether the digits data[i:j] are part of a hexadecimal token, such as a keyed hash.

    The token has 24 characters or more, or is a whole word of 16. But one letter repeated before or behind a single run
    of digits is padding, not a hash.
    """
    a, z = i, j
    while a > low and i - a < _REACH and is_hex(data[a - 1]):
        a -= 1
    while z < high and z - j < _REACH and is_hex(data[z]):
        z += 1
    if a == i and z == j:
        return False
    alone = (a == low or not is_word(data[a - 1])) and (z == high or not is_word(data[z]))
    if z - a < 24 and not (alone and z - a == 16):
        return False
    for k in range(a, i):
        if data[k] != data[a]:
            return True
    for k in range(j, z):  # noqa: SIM110 - numba compiles no generators
        if data[k] != data[j]:
            return True
    return False


@helper
def _in_uuid(data: NDArray[np.uint8], low: int, high: int, i: int, j: int) -> bool:
    """Tell whether data[i:j] is in a UUID (RFC 9562, 8-4-4-4-12) that has a letter, as nearly all have."""
    for s in range(max(low, j - 36), min(i, high - 36) + 1):
        if data[s + 8] != 45 or data[s + 13] != 45 or data[s + 18] != 45 or data[s + 23] != 45:
            continue
        if (s > low and is_word(data[s - 1])) or (s + 36 < high and is_word(data[s + 36])):
            continue
        letters, right = 0, True
        for k in range(36):
            byte = data[s + k]
            if k == 8 or k == 13 or k == 18 or k == 23:
                continue
            if not is_hex(byte):
                right = False
            elif byte > 57:
                letters += 1
        if right and letters > 0:
            return True
    return False


@helper
def _month_at(data: NDArray[np.uint8], high: int, at: int, digits: int) -> bool:
    """Tell whether the first four of at least `digits` digits at `at` are YYMM."""
    if at + digits > high:
        return False
    for k in range(digits):
        if not 48 <= data[at + k] <= 57:
            return False
    month = int(data[at + 2]) * 10 + int(data[at + 3]) - 528
    return 1 <= month <= 12


@helper
def _is_track(data: NDArray[np.uint8], low: int, high: int, i: int, end: int, digits: NDArray[np.uint8]) -> bool:
    """Tell whether a track of ISO/IEC 7813 begins around data[i:end], with its sentinels or as bare `PAN=YYMM`."""
    before = data[i - 1] if i > low else 0
    after = data[end] if end < high else 0
    if (before == 66 or before == 98) and i - 1 > low and data[i - 2] == 37:  # %B
        return True
    if end - i < 13 or end - i > 19:
        return False
    letter = after == 68 or after == 100  # D, as chips and hexadecimal dumps write the separator
    if before == 59 and (after == 61 or letter):  # ;...=
        return True
    for k in range(end - i):
        digits[k] = data[i + k] - 48
    if not _is_pan(digits, 0, end - i):
        return False
    if after == 61 or after == 94:  # = and ^
        return _month_at(data, high, end + 1, 4)
    return letter and not is_word(before) and _month_at(data, high, end + 1, 7)


@helper
def _has_expiry(digits: NDArray[np.uint8], size: int) -> bool:
    """Tell whether digits[0:size] are a card number, its expiry, and maybe a security code."""
    for rest in (4, 7, 8):
        at = size - rest
        if at < 13 or at > 19:
            continue
        left, right = digits[at] * 10 + digits[at + 1], digits[at + 2] * 10 + digits[at + 3]
        dated = (20 <= left <= 49 and 1 <= right <= 12) or (20 <= right <= 49 and 1 <= left <= 12)
        if dated and _is_pan(digits, 0, at):
            return True
    return False


@helper
def judge_run(
    data: NDArray[np.uint8], low: int, high: int, i: int, j: int, is_id: bool, digits: NDArray[np.uint8]
) -> int:
    """Judge the digits (with single separators) data[i:j], 13 or more: 0, PAN or TRACK.

    A number begins and ends where a group of digits does: at a separator or at an end of the run. An end inside a
    hexadecimal token or a decimal fraction does not count; an identifier (`is_id`) has no fraction. Zeros in front are
    padding.
    """
    end = i
    while end < j and 48 <= data[end] <= 57:
        end += 1
    last = j
    while last > i and 48 <= data[last - 1] <= 57:
        last -= 1
    if _is_track(data, low, high, i, end, digits):
        return TRACK
    if _in_uuid(data, low, high, i, j):
        return 0
    fraction = not is_id and i - 1 > low and data[i - 1] == 46 and 48 <= data[i - 2] <= 57
    left_open = not fraction and not _is_opaque(data, low, high, i, end)
    right_open = not _is_opaque(data, low, high, last, j)
    at = i
    while at < j:
        size, q = 0, at
        starts = left_open if at == i else True
        while q < j and data[q] == 48:
            q += 1
        while starts and q <= j:
            if q < j and 48 <= data[q] <= 57:
                if size == _ROOM:
                    break
                digits[size] = data[q] - 48
                size += 1
            elif ((q < j or right_open) and _is_number(digits, size)) or (
                q == j and right_open and _has_expiry(digits, size)
            ):
                return PAN
            q += 1
        while at < j and 48 <= data[at] <= 57:
            at += 1
        at += 1
    return 0


@helper
def _are_groups(
    data: NDArray[np.uint8], low: int, high: int, i: int, j: int, is_id: bool, digits: NDArray[np.uint8]
) -> bool:
    """Tell whether a card number in groups begins at i; data[i:j] are groups of digits and their separators.

    Groups may have any size if all separators are equal; else the groups are of four, as on a card. Points and commas
    are also in decimal fractions, thousands and lists: between them there must be three groups or more that look like a
    card's, or two in an identifier (`is_id`), which has no fraction.
    """
    size, groups, first, second = 0, 0, 0, 0
    mark, length, alike, equal, fours = i, 0, True, True, True
    at = i
    while at < j:
        end = at
        while end < j and 48 <= data[end] <= 57:
            if size == _ROOM:
                return False
            digits[size] = data[end] - 48
            size += 1
            end += 1
        groups += 1
        if groups == 2:
            second = end - at
        if groups > 1 and _is_pan(digits, 0, size):
            printed = equal or (groups == 3 and first == 4 and second == 6) or (groups > 3 and fours)
            decimal = data[mark] == 46 or data[mark] == 44
            fits = (printed if groups > 2 else is_id) if decimal else True
            plain = length == 1 and (data[mark] == 32 or data[mark] == 45)  # judge_run has judged these
            if (fits and not plain) if alike else (equal and first == 4):
                token = _is_opaque(data, low, high, i, i + first) or _is_opaque(data, low, high, at, end)
                if not token and not _in_uuid(data, low, high, i, end):
                    return True
        if size > PAN_MAX:
            return False
        if groups == 1:
            first = size
        else:
            equal = equal and end - at == first
            fours = fours and end - at == 4
        after = end
        while after < j and not 48 <= data[after] <= 57:
            after += 1
        if groups == 1:
            mark, length = end, after - end
        elif after - end != length:
            alike = False
        else:
            for k in range(length):
                if data[end + k] != data[mark + k]:
                    alike = False
        at = after
    return False


@helper
def judge_groups(
    data: NDArray[np.uint8], low: int, high: int, i: int, j: int, is_id: bool, digits: NDArray[np.uint8]
) -> int:
    """Judge groups of digits and their separators, data[i:j]: 0 or PAN. A number may begin at any group."""
    at = i
    while at < j:
        if _are_groups(data, low, high, at, j, is_id, digits):
            return PAN
        while at < j and 48 <= data[at] <= 57:
            at += 1
        while at < j and not 48 <= data[at] <= 57:
            at += 1
    return 0


@helper
def groups_end(data: NDArray[np.uint8], high: int, i: int) -> tuple[int, int, bool]:
    """Find the end of the groups of digits at i; count the digits; tell whether separators other than single spaces and
    dashes are between them.
    """
    j, count, odd = i, 0, False
    while j < high:
        if 48 <= data[j] <= 57:
            count += 1
            j += 1
            continue
        after = j
        while after < high and after - j <= SEPARATOR_MAX and data[after] in SEPARATORS:
            after += 1
        if after - j > SEPARATOR_MAX or after >= high or not 48 <= data[after] <= 57:
            break
        if after - j > 1 or not (data[j] == 32 or data[j] == 45):
            odd = True
        j = after
    return j, count, odd


@helper
def run_end(data: NDArray[np.uint8], high: int, i: int) -> tuple[int, int]:
    """Find the end of the digits at i, including single spaces and dashes between digits; count the digits."""
    j, count = i + 1, 1
    while j < high:
        byte = data[j]
        if 48 <= byte <= 57:
            count += 1
        elif not ((byte == 32 or byte == 45) and j + 1 < high and 48 <= data[j + 1] <= 57):
            break
        j += 1
    return j, count
