"""The books of all partitions, and their rows in `card-profiles` (`profile.packed.SideRows`)."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.policy.rules import KEYS_MAX
from scoring.profile.packed import (
    NO_ROWS,
    ROW_FORMAT,
    WATCH,
    Packed,
    RowFormatError,
    side_keys,
    side_keys_of,
    side_rows_of,
)
from scoring.watching.book import (
    COHORT_CELLS,
    COHORT_ROW,
    COUNTS_ROW,
    KEY_MASK,
    PART_BITS,
    PAYMENT_MAX,
    PAYMENT_ROW,
    RULE_BITS,
    Book,
)

PAYMENTS_MAX: Final = 1 << 19
"""Payments remembered of all partitions together, some 70 MB when full."""

_RULE_MASK: Final = (1 << RULE_BITS) - 1


class Books:
    """What the partitions of a worker have seen. `identity` and `places`: of the model's `Bins`.

    Counts in the bins of another model are dropped: a new model begins anew. Payments and what became of them stay.
    """

    kind: Final = WATCH
    name: Final = "WATCH"
    words: Final = 0
    is_shared: Final = False

    def __init__(self, identity: int, places: int, partitions: int, payments_max: int = PAYMENTS_MAX) -> None:
        self._identity, self._places = identity, places
        self._payments_max = max(payments_max // partitions, 1)
        self._books: dict[int, Book] = {}
        self._owned: set[int] = set()

    def use(self, identity: int, places: int) -> None:
        """Drop the counts in the bins of the model before, and count in those of another from now on."""
        self._identity, self._places = identity, places
        for book in self._books.values():
            book.drop_counts()

    def of(self, partition: int) -> Book:
        """Return the book of a partition, a new one if need be."""
        book = self._books.get(partition)
        if book is None:
            book = self._books[partition] = Book(self._payments_max, {} if partition in self._owned else None)
        return book

    def all(self) -> list[Book]:
        """Return the books of all partitions. Also for another thread, which only reads."""
        return list(self._books.values())

    # -- rows

    def own(self, partition: int) -> None:
        """Begin to write a partition."""
        self._owned.add(partition)
        book = self.of(partition)
        if book.changed is None:
            book.changed = {}

    def leave(self, partition: int) -> None:
        """Stop writing a partition."""
        self._owned.discard(partition)
        if partition in self._books:
            self._books[partition].changed = None

    def forget(self, partition: int) -> None:
        """Forget a partition."""
        self._books.pop(partition, None)

    def flush(self, partition: int) -> Packed:
        """Pack the rows of a partition that changed, and tombstones of those that went."""
        book = self.of(partition)
        changed = book.changed
        if not changed:
            return NO_ROWS
        book.changed = {}
        words, ends = list[int](), list[int]()
        for key in changed:
            value = self._value(book, key)
            if value:
                words.append(ROW_FORMAT)
                words += value
            ends.append(len(words))
        keys = side_keys(WATCH, partition, np.fromiter(changed, dtype=np.uint64, count=len(changed)))
        return Packed(keys, np.array(words, dtype=np.uint32), np.array(ends, dtype=np.int64))

    def _value(self, book: Book, key: int) -> list[int]:
        """Return the words of a row behind its format; none if it is gone."""
        part, rest = key >> PART_BITS, key & KEY_MASK
        if part == COUNTS_ROW:
            counts = book.counts.get(rest)
            return [] if counts is None else [self._identity, *counts.tolist()]
        if part == COHORT_ROW:
            cohort = book.cohorts.get(rest)
            return [] if cohort is None else np.array(cohort, dtype="<i8").view("<u4").tolist()
        if part == PAYMENT_ROW:
            payment = book.payments.get(rest)
            return [] if payment is None else [payment, *book.hits.get(rest, ())]
        return book.rules.get((rest >> RULE_BITS, rest & _RULE_MASK), [])

    def restore(self, partition: int, packed: Packed) -> None:
        """Take the rows among logged ones; of two with one key the later counts.

        Raises:
            RowFormatError: a row is damaged.
        """
        book = self.of(partition)
        for n, key, begin, end in side_rows_of(WATCH, packed):
            words = packed.values[begin + 1 : end]
            if not (begin == end or self._is_whole(key >> PART_BITS, words)):
                raise RowFormatError(f"row {n} of WATCH is damaged")
            self._put(book, key, words)

    def _is_whole(self, part: int, words: NDArray[np.uint32]) -> bool:
        if part == COUNTS_ROW:
            return len(words) > 0 and (words[0] != self._identity or len(words) == 1 + self._places)
        if part == COHORT_ROW:
            return len(words) == 2 * COHORT_CELLS
        if part == PAYMENT_ROW:
            return 1 <= len(words) <= 1 + KEYS_MAX and bool(words[0] < PAYMENT_MAX)
        return len(words) == 2

    def _put(self, book: Book, key: int, words: NDArray[np.uint32]) -> None:
        """Put a row back; without words it goes."""
        part, rest = key >> PART_BITS, key & KEY_MASK
        if part == COUNTS_ROW:
            is_mine = len(words) > 0 and words[0] == self._identity
            book.put_counts(rest, words[1:].astype(np.uint32) if is_mine else None)
            if len(words) and not is_mine:
                book.touch(key)
        elif part == COHORT_ROW:
            book.cohorts.pop(rest, None)
            if len(words):
                book.cohorts[rest] = np.frombuffer(words.astype("<u4").tobytes(), dtype="<i8").tolist()
        elif part == PAYMENT_ROW:
            if len(words):
                payment, *rules = words.tolist()
                book.put(rest, payment, tuple(rules))
            else:
                book.remove(rest)
        else:
            place = rest >> RULE_BITS, rest & _RULE_MASK
            book.rules.pop(place, None)
            if len(words):
                book.rules[place] = words.tolist()

    def rewrite(self, partition: int, keys: NDArray[np.uint32]) -> None:
        """Note rows by their keys, so that the next flush writes them or their tombstones."""
        book = self.of(partition)
        for key in side_keys_of(WATCH, keys):
            book.touch(key)
