"""What a backtest asks of each row beside its features: its names, its scopes of the policy, how it was answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from models.training.stored import Files
from scoring.contract.codes import Kind, OutcomeClass, PhaseCode
from scoring.decode import Col, Decoded
from scoring.decode.hashing import MERCHANT_KEY

COLUMNS: Final = ("acquirer", "mcc", "kind", "order", "outcome", "merchant", "issuer_country", "merchant_country")
"""Columns that are written for each row, int64 as the decoder has them; `merchant` is a hash."""

_ANSWERS: Final = "answers.i64"
_IDS: Final = "ids.jsonl"
_EVENT: Final = 0  # column of `Decoded.hashes`


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """Particulars of n rows, in order.

    `acquirer` and `mcc` int64[n], and `merchant` uint64[n], are the keys of `PolicyTable`. `outcome` int64[n] is the
    issuer's answer as `OutcomeClass`, UNKNOWN where none is recorded and for refunds and reversals that were sent as
    requests, whose answers the profiles do not take. `is_taken_back` bool[n]: a later refund or
    reversal of the same card and merchant names the same order. `names`: acquirer and merchant by merchant key.
    `ids`: the file of event ids, one JSON text for each row. `issuer_country` and `merchant_country` int64[n]: packed
    letters, 0 unknown.
    """

    acquirer: NDArray[np.int64]
    mcc: NDArray[np.int64]
    merchant: NDArray[np.uint64]
    outcome: NDArray[np.int64]
    issuer_country: NDArray[np.int64]
    merchant_country: NDArray[np.int64]
    is_taken_back: NDArray[np.bool_]
    names: dict[int, tuple[str, str]]
    ids: Path

    def event_ids(self, rows: set[int]) -> dict[int, str]:
        """Return the event ids of some rows. Reads the file up to the last of them."""
        found: dict[int, str] = {}
        if rows:
            with self.ids.open("rb") as lines:
                for row, line in zip(range(max(rows) + 1), lines, strict=False):
                    if row in rows:
                        found[row] = orjson.loads(line)
        return found


class ParticularsFile:
    """Write particulars to `directory`, batch by batch. `rows` and `state` are those of an earlier run."""

    def __init__(self, directory: Path, rows: int, state: dict[str, Any]) -> None:
        self._appended = Files(directory)
        self._files = {name: directory / f"{name}.i64" for name in COLUMNS}
        self._ids, self._answers = directory / _IDS, directory / _ANSWERS
        self._ids_bytes, self._answered = int(state.get("ids_bytes", 0)), int(state.get("answered", 0))
        self._names = {int(key): (str(acquirer), str(name)) for key, (acquirer, name) in state.get("names", {}).items()}
        sizes = {self._ids: self._ids_bytes, self._answers: 16 * self._answered}
        for file, size in (sizes | dict.fromkeys(self._files.values(), 8 * rows)).items():
            with file.open("ab") as stream:
                stream.truncate(size)

    @property
    def state(self) -> dict[str, Any]:
        """What a later run must know of the files."""
        return {"ids_bytes": self._ids_bytes, "answered": self._answered, "names": self._names}

    def append(self, decoded: Decoded, kept: NDArray[np.int64], answers: NDArray[np.int64]) -> None:
        """Append the rows `kept` of a batch, and the issuers' answers to earlier rows, which are in its rows `answers`.

        Both int64, positions in the batch.
        """
        ints, hashes = decoded.ints, decoded.hashes
        merchants = hashes[kept, MERCHANT_KEY]
        columns = {
            "acquirer": ints[kept, Col.ACQUIRER_KEY],
            "mcc": ints[kept, Col.MCC],
            "kind": ints[kept, Col.KIND],
            "order": ints[kept, Col.ORDER_KEY],
            "outcome": np.where(ints[kept, Col.PHASE] == PhaseCode.PRE_AUTH, 0, ints[kept, Col.OUTCOME]),
            "merchant": merchants.view(np.int64),
            "issuer_country": ints[kept, Col.ISSUER_COUNTRY],
            "merchant_country": ints[kept, Col.MERCHANT_COUNTRY],
        }
        for name, values in columns.items():
            self._append(self._files[name], values)
        answered = np.column_stack((hashes[answers, _EVENT].view(np.int64), ints[answers, Col.OUTCOME]))
        self._append(self._answers, answered)
        self._answered += len(answers)
        for key, place in zip(*(part.tolist() for part in np.unique(merchants, return_index=True)), strict=True):
            if key not in self._names:
                _, acquirer, _, merchant = decoded.names[int(kept[place])]
                self._names[key] = (acquirer.decode(), merchant.decode())
        names = decoded.names
        lines = b"".join([orjson.dumps(names[row][0].decode()) + b"\n" for row in kept.tolist()])
        self._appended.append(self._ids.name, lines)
        self._ids_bytes += len(lines)

    def flush(self) -> None:
        """Write what is held back."""
        self._appended.flush()

    def _append(self, file: Path, values: NDArray[np.int64]) -> None:
        self._appended.append(file.name, np.ascontiguousarray(values).tobytes())

    def read(self, rows: int, events: NDArray[np.uint64], cards: NDArray[np.uint64]) -> Particulars:
        """Return the particulars of all rows, after `flush`. `events` and `cards`: their keys, uint64[rows]."""
        columns = {name: np.fromfile(file, np.int64, rows) for name, file in self._files.items()}
        outcome = columns["outcome"]
        for row, answer in self._answers_of(events):
            if outcome[row] == OutcomeClass.UNKNOWN:
                outcome[row] = answer
        return Particulars(
            acquirer=columns["acquirer"],
            mcc=columns["mcc"],
            merchant=columns["merchant"].view(np.uint64),
            outcome=outcome,
            issuer_country=columns["issuer_country"],
            merchant_country=columns["merchant_country"],
            is_taken_back=taken_back(columns["kind"], cards, columns["merchant"], columns["order"]),
            names=self._names,
            ids=self._ids,
        )

    def _answers_of(self, events: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
        """Yield row and outcome of each answer, in the order of receipt."""
        answers = np.fromfile(self._answers, np.int64).reshape(-1, 2)
        if not len(answers) or not len(events):
            return
        order = np.argsort(events, kind="stable")
        keys = answers[:, 0].copy().view(np.uint64)
        places = np.minimum(np.searchsorted(events[order], keys), len(events) - 1)
        matched = events[order][places] == keys
        yield from zip(order[places[matched]].tolist(), answers[matched, 1].tolist(), strict=True)


def taken_back(
    kind: NDArray[np.int64], card: NDArray[np.uint64], merchant: NDArray[np.int64], order: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark attempts whose order is named by a later refund or reversal of the same card and merchant: bool[n].

    All are of n rows in order of time. An `order` of 0 is unknown.
    """
    found = np.zeros(len(kind), np.bool_)
    open_rows: dict[tuple[int, int, int], list[int]] = {}
    backs = np.isin(order, np.unique(order[(kind != Kind.ATTEMPT) & (order != 0)]))
    for row in np.flatnonzero(backs).tolist():
        key = (int(card[row]), int(merchant[row]), int(order[row]))
        if kind[row] == Kind.ATTEMPT:
            open_rows.setdefault(key, []).append(row)
        else:
            found[open_rows.get(key, [])] = True
    return found
