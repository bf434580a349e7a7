"""Mutants that no test needs to notice, each with the reason.

An entry is `path: part of the line`, or `path: part of the line | part of the change` if only that change of the line
has no effect.
"""

from typing import Final

_OF_FEATURES: Final = (
    "names, units and kinds of features are part of FEATURES_VERSION: a bundle trained on others is refused "
    "(tests/training/test_demo_bundle.py), and families without reasons are (tests/policy/test_reasons.py)"
)
_NOTHING_SETTLED: Final = "a row that has settled nothing holds 0 in all its rings"
_OF_MERCHANTS: Final = "no feature reads how many reports a merchant ever had, and only merchants have parts"
_CONSTANT: Final = "the mean probability of the rows settles the constant"
EXPLAINED: Final = {
    "scoring/features/amount.py: .add(": _OF_FEATURES,
    "scoring/features/instrument.py: .add(": _OF_FEATURES,
    "scoring/features/parties.py: .add(": _OF_FEATURES,
    "scoring/features/authentication.py: .add(": _OF_FEATURES,
    "scoring/features/merchant.py: .add(": _OF_FEATURES,
    "scoring/features/authentication.py: kind >= 0": "codes of authenticationType begin at 1: 0 is never read",
    "scoring/features/authentication.py: p.event[_COL.AUTH_TYPE] >= 0": "the same",
    "scoring/features/payment.py: revision(": "a name under which numba keeps compiled code",
    "scoring/threeds/verdict.py: revision(": "the same",
    'scoring/decide/alerts.py: else "SCORE"': "any text that names no reason: the alert is about the card",
    "scoring/profile/kernels/reports.py: if at < 0:": "reports have the last store: no row of it is at 0",
    "scoring/profile/kernels/reports.py: ever = whole(arena.singles[fours + _EVER]) + ": _OF_MERCHANTS,
    "scoring/profile/kernels/reports.py: elif settled_s > 0 | settled_s > 0  ->  settled_s >= 0": _NOTHING_SETTLED,
    "scoring/profile/kernels/reports.py: elif settled_s > 0 | 0  ->  1": "an event before second 1 is none",
    "scoring/profile/kernels/reports.py: if second >= settled_s > 0: | >= settled_s >= 0": _NOTHING_SETTLED,
    "scoring/profile/kernels/reports.py:             break": "an empty place of the log has no reports: it adds none",
    "scoring/profile/kernels/reports.py: _VALUES: Final = 5 ": "the next value is of merchants, which are read later",
    "scoring/profile/kernels/reports.py: closest, least_s = 0, TIME_S_MAX | 0  ->  1": "each pair is as close as that",
    "scoring/profile/kernels/reports.py: _TO_THE_END: Final = ": "any number after every bucket",
    "scoring/profile/kernels/reports.py: else -1 | 1  ->  2": "any place below 0",
    "scoring/profile/kernels/reports.py: = min(ever, _COUNT_TOP)": _OF_MERCHANTS,
    "scoring/profile/kernels/reports.py: while place < REPORT_LOG and received_s < ": "the place after the log holds 0",
    "scoring/profile/kernels/reports.py: if second == 0:": "a second 1 is none",
    "models/training/calibrate.py: _SHIFT_MAX: Final = ": "a bracket of the root: a wider one holds the same",
    "models/training/calibrate.py: log_odds + shift | log_odds - shift": "it is looked for as far below 0 as above",
    "models/training/calibrate.py: np.diff(centres) >= KNOT_GAP_MIN": "just that far apart, two or one",
    "models/training/calibrate.py: if abs(excess(shift)) > ": "just that much is as good on either side",
    "models/training/calibrate.py: xtol=1e-12 | 1e-12  ->": "a tolerance far below what is shown",
    "models/training/calibrate.py: tol=1e-10 | 1e-10  ->": "the same",
    "models/training/calibrate.py: max_iter=200 | 200  ->  201": "a bound: fits take at most 13 steps",
    "models/training/calibrate.py: np.array([slope * centre + intercept]) | slope * centre - intercept": _CONSTANT,
    "models/training/calibrate.py: np.repeat([1, 0], rows)": "any two labels in this order",
    "models/training/calibrate.py: if scale < KNOT_GAP_MIN": "a spread of just that much is as good on either side",
    "scoring/threeds/consistency.py: np.zeros(128, ": "one place after the last letter of ASCII, which nothing reads",
    "scoring/threeds/consistency.py: np.zeros((len(NETWORKS), 128)": "the same",
    "scoring/threeds/consistency.py: row[_COL.TRANS_STATUS_REASON] >= 0": "codes of transStatusReason begin at 1",
    "scoring/threeds/consistency.py: np.zeros((len(NETWORKS), 1 + len(": "one letter more, which no place names",
    'scoring/threeds/verdict.py: dict.fromkeys("CDS"': "only letters of TRANS_STATUSES are looked up",
    "scoring/threeds/verdict.py: np.zeros(128, ": "one place after the last letter of ASCII, which nothing reads",
    "scoring/threeds/verdict.py: np.zeros((len(NETWORKS), 128)": "the same",
    "scoring/threeds/verdict.py: ECI_WIDTH = ": "one ECI more than 99, which nothing reads",
    "scoring/threeds/verdict.py: _FAILED_RESULT, _NOT_VALIDATED = ": "any two codes but 0",
    "scoring/features/all.py: .hexdigest()[:12]": "any length of the hash that names the inputs",
    "scoring/features/all.py: .join(f": "any text between the names",
    "models/training/matrix.py: _CHUNK_ROWS: Final = 1 << 16": "any number of rows kept together gives the same",
    "models/training/train.py: free_raw_data=True": "memory only",
    'models/training/train.py: params={"verbose": -1}': "what LightGBM prints while it reads the rows",
    "models/training/train.py: _SAMPLE_ROWS: Final = 48": "half of 49 is 24 too",
    "models/training/records.py: TypeVar(": "a name for type checkers",
    "models/training/cli.py: metavar=": "a name that the help shows",
    "scoring/merchants/store.py: grown = np.full((2 * row": "how much room; it grows again",
    "scoring/policy/reasons/choice.py: families = len(": "places of no family hold 0.0: no weight to tell",
    "scoring/policy/reasons/choice.py: best, share = -1, 0.0": "any number below 0",
    "scoring/policy/reasons/payment.py: log1p(SMALL_JPY_MAX + 0.4)": "yen are whole: any part of one",
    "scoring/policy/reasons/ranking.py: held = [item for": "an item of an enumeration is one value: both ends are it",
    "scoring/policy/reasons/page.py: __name__ == ": "for a run as a script",
    'models/training/calibrate.py: kind="stable"': "numpy reads the first letter",
    "models/training/metrics.py: name[:36]": "no name is longer",
    "scoring/merchants/goods.py: (8000, 8099), (8100, 8299)": "spans of one group meet",
    "scoring/merchants/goods.py: (3000, 3500)": "lodging begins at 3501 and is written later",
    "scoring/merchants/goods.py: (7991, 7991)": "entertainment begins at 7992 and is written later",
    "scoring/merchants/store.py: ITEM_FIRST = 9": "a column that nothing reads before those of the items",
    "scoring/merchants/store.py: _HANDLING = ": "a column that no feature and no summary reads",
    "scoring/merchants/store.py: row[MerchantCol.HANDLING] = ": "the same",
    "scoring/merchants/store.py: np.full((1024, ": "room for the first merchants; it grows",
    'scoring/decide/leaks.py: type: str = ""': "any text but SYSTEM",
    "scoring/decide/decisions.py: self.versions = ": "read by the engine only: tests/engine fail without it",
    "scoring/policy/table.py: self._scoped = ": "a short cut to what the long way finds",
    "scoring/policy/policy.py: get_close_matches(": "the first of one or of two is the same",
    "scoring/decide/alerts.py: len(self._cases) > 2 * ": "the same limit: one recalled case more or less",
    "scoring/decide/alerts.py: self._is_sorted = True": "no cases, or those just sorted: a sort changes nothing",
    "scoring/decide/alerts.py: CASES_MAX = ": "a limit of memory: one case more or less",
    "scoring/merchants/summaries.py: _ERA: Final = ": "the width of a field: a wider one holds the same",
    "scoring/merchants/summaries.py: _AGE: Final = ": "the same",
    "scoring/merchants/summaries.py: _KIND: Final = ": "the same",
    "scoring/merchants/summaries.py: bitorder=": "numpy reads the first letter",
    "scoring/merchants/summaries.py: self._next += 1": "numbers of kinds only have to differ",
    "scoring/reference/table.py: TypeVar(": "a name that only messages of type checkers show",
}


def explained(path: str, line: str, change: str) -> bool:
    """Tell whether a surviving mutant of a line is explained. `change`: the old and the new code."""
    for entry in EXPLAINED:
        of, _, parts = entry.partition(": ")
        part, _, changed = parts.partition(" | ")
        if path == of and part in line and changed in change:
            return True
    return False
