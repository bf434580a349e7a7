"""From a labelled history to samples on disk, by the code that scores live events. An interrupted run is resumed."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.training.matrix import Samples
from models.training.particulars import COLUMNS, Particulars, ParticularsFile
from models.training.records import Record
from models.training.stored import Files, MatrixFile
from models.training.verdicts import Report, verdicts_of
from scoring.clock import trusted
from scoring.contract.codes import Clock, OutcomeResult
from scoring.contract.dead_letter import Reject
from scoring.decode import Col, parse_reports
from scoring.decode.columns import ms_of
from scoring.features.all import FEATURES
from scoring.observer import BATCH_MAX, Observed, Observer, Settings
from scoring.profile.packed import Packed
from scoring.verdicts import Said

CHECKPOINT_ROWS: Final = 1 << 18
NAMED_MAX: Final = 20
"""Refused records that are named by their place, at most; all are counted."""

_TELL_S: Final = 10.0
_EVENT, _CARD = 0, 1  # columns of `Decoded.hashes`
_INTS: Final = {"event_ms": Col.EVENT_MS, "amount_jpy": Col.AMOUNT_JPY, "channel": Col.CHANNEL, "network": Col.NETWORK}
_ANSWERED: Final = (int(OutcomeResult.COUNTED), int(OutcomeResult.UNMATCHED))
_STATE: Final = "state.json"


class History(Protocol):
    """Recorded traffic in the order of its receipt, with reports, and what is known of its labels."""

    @property
    def settings(self) -> Settings:
        """Settings of the core for its records."""
        ...

    @property
    def source(self) -> str:
        """Its origin, in words, for the model card."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of what is read: another history has another."""
        ...

    @property
    def total(self) -> int | None:
        """Number of payments, or None if it is not known beforehand."""
        ...

    @property
    def maturity_days(self) -> int | None:
        """Days after which every label is known, or None: reports come when they come."""
        ...

    @property
    def left_out(self) -> Mapping[str, int]:
        """Number of rows and reports refused so far, by reason."""
        ...

    def records(self) -> Iterator[Record]:
        """Yield the records in order.

        Raises:
            ValueError: the history cannot be read. The text names the place, and no cell.
        """
        ...


def collect(
    history: History,
    directory: Path,
    settings: Settings,
    *,
    maturity_ms: int,
    tell: Callable[[str], None],
    checkpoint_rows: int = CHECKPOINT_ROWS,
) -> Samples:
    """Process a history with the engine's own code, and return its rows, mapped from files in `directory`.

    Every `checkpoint_rows` rows the profiles are saved. A later call with the same history, settings and release goes
    on from there, or reads the finished rows. Memory: that of a worker, and 48 bytes a row.
    """
    return processed(history, directory, settings, tell=tell, checkpoint_rows=checkpoint_rows).samples(maturity_ms)


def processed(
    history: History,
    directory: Path,
    settings: Settings,
    *,
    tell: Callable[[str], None],
    checkpoint_rows: int = CHECKPOINT_ROWS,
) -> "Run":
    """Process a history as `collect` does, and return the finished run."""
    directory.mkdir(parents=True, exist_ok=True)
    run = Run(directory, settings, _fingerprint(history, settings), checkpoint_rows)
    if run.is_anew:
        tell(f"{directory} has rows of another history, release or settings: they are computed anew")
    if run.taken:
        tell(f"resumed after {run.matrix.rows:,} rows of an earlier run")
    if not run.is_done:
        run.go(history, tell)
    run.is_complete = history.maturity_days is not None
    return run


def _fingerprint(history: History, settings: Settings) -> str:
    """Hash what the rows depend on: the history, the settings, the columns, and every module of the core."""
    digest = sha256(f"{history.fingerprint}|{_text(settings)}|{(*_INTS, *COLUMNS)}".encode())
    digest.update(_core())
    return digest.hexdigest()


@cache
def _core() -> bytes:
    """Return each module and table of the core, its name before it."""
    files, parts = [resources.files("scoring")], list[bytes]()
    while files:
        file = files.pop()
        if file.is_dir():
            files += sorted(file.iterdir(), key=lambda one: one.name)
        elif file.name.endswith((".py", ".yaml")):
            parts += (file.name.encode(), b"\0", file.read_bytes())
    return b"".join(parts)


def _text(value: object) -> str:
    """Return settings as text, with sets in order: `repr` gives them another order in each process."""
    if isinstance(value, frozenset):
        return str(sorted(map(_text, value)))
    if is_dataclass(value):
        return str([(field.name, _text(getattr(value, field.name))) for field in fields(value) if field.repr])
    return repr(value)


class Run:
    """State of one run: the observer, the files, and how many records were taken.

    `is_complete`: every label is known at the end.
    """

    is_complete = False

    def __init__(self, directory: Path, settings: Settings, fingerprint: str, checkpoint_rows: int) -> None:
        self._directory, self._fingerprint, self._every = directory, fingerprint, checkpoint_rows
        self._observer = Observer(settings)
        self._limits = settings.decode
        self._observer.profiles.changelog.own(0)
        self._tell: Callable[[str], None] = _silent
        self._named = 0
        self.is_anew = False
        """Whether rows of something else are there, which are not used."""
        state = self._saved()
        self.taken = int(state.get("taken", 0))  # records
        self.is_done = bool(state.get("is_done", False))
        self._checkpoints = int(state.get("checkpoints", 0))
        self._skipped: Counter[str] = Counter(state.get("skipped", {}))
        self._reports = [Report(event=event, said=Said(*said)) for event, said in state.get("reports", ())]
        self.matrix = MatrixFile(directory, len(FEATURES), int(state.get("rows", 0)), tuple(state.get("wide", ())))
        self._particulars = ParticularsFile(directory, self.matrix.rows, state.get("particulars", {}))
        self._appended = Files(directory)
        self._files = {name: directory / f"{name}.i64" for name in (*_INTS, "event", "card")}
        for file in self._files.values():
            with file.open("ab") as stream:
                stream.truncate(8 * self.matrix.rows)
        self._at_checkpoint = self.matrix.rows
        if self.taken and not self.is_done:
            self._restore(state["cursors"])

    def _saved(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self._directory / _STATE).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        self.is_anew = state.get("fingerprint") != self._fingerprint
        return {} if self.is_anew else state

    def go(self, history: History, tell: Callable[[str], None]) -> None:
        """Take the records that are left, and save the state now and then."""
        self._tell = tell
        records = history.records()
        began, told, first = time.monotonic(), time.monotonic(), self.matrix.rows
        for record in islice(records, self.taken):
            if record.topic == "merchants":  # their store is no part of the profiles
                self._observer.merchant([record.key], [record.value])
        batch: list[Record] = []
        for record in records:
            if batch and (record.topic != batch[0].topic or len(batch) == BATCH_MAX):
                self._take(batch)
                batch = []
                if self.matrix.rows - self._at_checkpoint >= self._every:
                    self._save()
                if time.monotonic() - told > _TELL_S:
                    told = time.monotonic()
                    tell(_progress(self.matrix.rows, history.total, (self.matrix.rows - first) / (told - began)))
            batch.append(record)
        if batch:
            self._take(batch)
        self._skipped.update(history.left_out)
        self.is_done = True
        self._save()

    def _take(self, batch: list[Record]) -> None:
        values = [b"" if record.value is None else record.value for record in batch]
        record_ms = [record.at_ms for record in batch]
        topic, observer = batch[0].topic, self._observer
        match topic:
            case "authorizations":
                observed = observer.observe(values, record_ms)
                self._rows(observed)
                rejects = observed.decoded.rejects
            case "merchants":
                taken = observer.merchant([record.key for record in batch], [record.value for record in batch])
                self._skipped["merchants beyond limit"] += taken.beyond_limit
                rejects = taken.rejects
            case "authorization-outcomes":
                learnt = observer.outcomes(values, record_ms)
                answers = np.flatnonzero(np.isin(learnt.results, _ANSWERED))
                self._particulars.append(learnt.decoded, np.zeros(0, np.int64), answers)
                rejects = learnt.decoded.rejects
            case "threeds-results":
                rejects = observer.results(values, record_ms).rejects
            case _:
                assert topic == "fraud-reports", topic
                rejects = self._report(values, record_ms)
        self._refuse(batch, rejects)
        self.taken += len(batch)

    def _report(self, values: list[bytes], record_ms: list[int]) -> list[tuple[int, Reject]]:
        """Take reports. One that claims to be received later than its record allows says nothing."""
        clocks = self._observer.report(values, record_ms).clocks
        parsed = parse_reports(values, self._limits)
        columns = zip(parsed.reports, parsed.keys[:, 0].tolist(), clocks.tolist(), strict=True)
        for report, event, at in columns:
            if at == Clock.EARLY:
                self._skipped["fraud-reports early"] += 1
                continue
            said = Said(ms_of(report.received_ts), report.label, report.source)
            self._reports.append(Report(event=event, said=said))
        return parsed.rejects

    def _refuse(self, batch: list[Record], rejects: list[tuple[int, Reject]]) -> None:
        """Count refused records by reason, and name the first ones by topic, partition and offset."""
        topic = batch[0].topic
        of = "" if topic == "authorizations" else f"{topic} "
        for position, reject in rejects:
            self._skipped[f"{of}{reject.reason}"] += 1
            place = batch[position].place
            if place is None or self._named > NAMED_MAX:
                continue
            self._named += 1
            if self._named > NAMED_MAX:
                self._tell("further refused records are only counted")
            else:
                self._tell(f"{topic}[{place[0]}], offset {place[1]}: {reject.reason} at {reject.path}: left out")

    def _rows(self, observed: Observed) -> None:
        decoded = observed.decoded
        self._skipped["repeat"] += int(observed.repeats.sum())
        self._skipped["answer"] += int(observed.answers.sum())
        for kind in (Clock.LATE, Clock.EARLY):
            self._skipped[kind.name.lower()] += int(((observed.clocks == kind) & ~observed.passed_over).sum())
        kept = np.flatnonzero(trusted(observed.clocks) & ~observed.passed_over)
        self.matrix.append(observed.matrix[kept])
        self._particulars.append(decoded, kept, np.flatnonzero(observed.answers))
        columns = {name: decoded.ints[kept, column] for name, column in _INTS.items()}
        columns |= {"event": decoded.hashes[kept, _EVENT], "card": decoded.hashes[kept, _CARD]}
        for name, values in columns.items():
            self._appended.append(self._files[name].name, np.ascontiguousarray(values).tobytes())

    def _save(self) -> None:
        for held in (self.matrix, self._particulars, self._appended):
            held.flush()
        changelog = self._observer.profiles.changelog
        if not self.is_done:
            for number, packed in enumerate(changelog.flush(0)):
                with (self._directory / f"profiles-{self._checkpoints}-{number}.npz").open("wb") as stream:
                    np.savez(stream, keys=packed.keys, values=packed.values, ends=packed.ends)
            self._checkpoints += 1
        state = {
            "fingerprint": self._fingerprint,
            "taken": self.taken,
            "is_done": self.is_done,
            "rows": self.matrix.rows,
            "wide": self.matrix.wide,
            "checkpoints": self._checkpoints,
            "cursors": changelog.eviction_cursors,
            "skipped": {reason: count for reason, count in sorted(self._skipped.items()) if count},
            "reports": [(report.event, report.said) for report in self._reports],
            "particulars": self._particulars.state,
        }
        partial = self._directory / f".{_STATE}.partial"
        partial.write_text(json.dumps(state))
        partial.replace(self._directory / _STATE)
        self._at_checkpoint = self.matrix.rows
        if self.is_done:
            for file in self._directory.glob("profiles-*.npz"):
                file.unlink()

    def _restore(self, cursors: list[int]) -> None:
        changelog = self._observer.profiles.changelog
        for checkpoint in range(self._checkpoints):
            for number in (0, 1):
                with np.load(self._directory / f"profiles-{checkpoint}-{number}.npz") as saved:
                    changelog.restore(0, Packed(saved["keys"], saved["values"], saved["ends"]), in_place=True)
        changelog.settle()
        changelog.eviction_cursors = cursors

    def particulars(self) -> Particulars:
        """Return what a backtest asks of the rows of `samples`."""
        n = self.matrix.rows
        events, cards = (_mapped(self._files[name], np.int64, n).view(np.uint64) for name in ("event", "card"))
        return self._particulars.read(n, events, cards)

    def samples(self, maturity_ms: int) -> Samples:
        """Return the rows with their labels. Rows younger than `maturity_ms` at the end have none yet."""
        n = self.matrix.rows
        columns = {name: _mapped(file, np.int64, n) for name, file in self._files.items()}
        events, cards = columns["event"].view(np.uint64), columns["card"].view(np.uint64)
        verdicts, unmatched = verdicts_of(events, self._reports)
        fraud = verdicts.at(np.iinfo(np.int64).max)
        typology, episode = np.full(n, None, np.object_), np.full(n, None, np.object_)
        typology[fraud] = "?"
        for row in np.unique(verdicts.rows).tolist():
            episode[row] = f"card {cards[row]}"  # nobody says which frauds are one: those of a card are
        known_ms = columns["event_ms"].copy()
        known_ms[verdicts.rows[::-1]] = verdicts.at_ms[::-1]  # the first change of a row is when it became known
        end_ms = int(columns["event_ms"].max()) if n else 0
        end_ms = max([end_ms, *(report.said.received_ms for report in self._reports)])
        return Samples(
            matrix=self.matrix.read(),
            event_ms=columns["event_ms"],
            amount_jpy=columns["amount_jpy"],
            card=cards,
            fraud=fraud,
            typology=typology,
            episode=episode,
            known_ms=known_ms,
            skipped={reason: count for reason, count in sorted(self._skipped.items()) if count},
            unmatched=unmatched,
            undated=0,
            delay_ms=maturity_ms,
            verdicts=verdicts,
            mature_ms=None if self.is_complete else end_ms - maturity_ms,
            segments={name: columns[name] for name in ("channel", "network")},
        )


def _silent(_line: str) -> None:
    """Tell nobody."""


def _mapped(file: Path, kind: type[np.int64], rows: int) -> NDArray[np.int64]:
    return np.fromfile(file, kind, rows)


def _progress(rows: int, total: int | None, rate: float) -> str:
    if not total:
        return f"{rows:,} rows, {rate:,.0f} a second"
    left_s = (total - rows) / max(rate, 1.0)
    return f"{rows:,} of {total:,} rows ({rows / total:.0%}), {rate:,.0f} a second, {left_s / 60:.0f} min left"
