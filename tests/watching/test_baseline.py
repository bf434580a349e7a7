"""The baseline of a bundle: bins of numbers and categories, and what a manifest refuses."""

import math

import msgspec
import numpy as np
import pytest

from models.watching import baseline as baseline_module
from models.watching.baseline import ROWS_MAX, baseline_of
from scoring.features.all import FEATURES
from scoring.model.baseline import Baseline, InputBaseline
from scoring.model.bundle import Bundle, BundleError
from tests.bundles import bundle_files
from tests.examples import examples
from tests.watching.recount import place_of
from tests.watching.stream import watched_bundle

NUMBER = next(k for k, feature in enumerate(FEATURES) if not feature.categorical)
CATEGORY = next(k for k, feature in enumerate(FEATURES) if feature.categorical)
SCORES = np.array([0, 49, 50, 999], dtype=np.int16)


def measured(values: list[float], column: int = NUMBER) -> InputBaseline:
    matrix = np.zeros((len(values), len(FEATURES)))
    matrix[:, column] = values
    return baseline_of(matrix, SCORES).inputs[FEATURES[column].name]


def test_bins_of_a_number_are_tenths_and_the_highest_three_percent() -> None:
    one = measured([float(k) for k in range(1000)])
    assert len(one.rows) == 11
    assert one.bounds[4] == 499
    assert one.bounds[-1] == 969
    assert sum(one.rows) == 1000
    assert all(sum(place_of(one, float(k)) == f"from {low}" for k in range(1000)) in one.rows for low in one.bounds)


def test_a_number_that_is_nearly_always_one_value_has_a_bin_for_the_others() -> None:
    one = measured([0.0] * 995 + [3.0] * 3 + [7.0] * 2)
    assert (one.bounds, one.rows, one.missing) == ((3.0,), (995, 5), 0)


def test_missing_values_and_infinities_are_counted_and_are_no_bound() -> None:
    one = measured([math.nan] * 4 + [1.0] * 3 + [math.inf] * 3)
    assert (one.bounds, one.rows, one.missing) == ((), (6,), 4)
    never = measured([math.nan] * 5)
    assert (never.bounds, never.rows, never.missing) == ((), (0,), 5)


def test_categories_are_counted_by_code() -> None:
    one = measured([2.0, 2.0, 5.0, math.nan], CATEGORY)
    assert (one.categories, one.rows, one.missing) == ((2, 5), (2, 1), 1)


def test_scores_are_counted_by_fifty_points() -> None:
    assert baseline_of(np.zeros((3, len(FEATURES))), SCORES).scores == (2, 1, *[0] * 17, 1)


def test_at_most_so_many_rows_are_read_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    most = examples(ROWS_MAX)
    monkeypatch.setattr(baseline_module, "ROWS_MAX", most)
    matrix = np.zeros((2 * most, len(FEATURES)), dtype=np.float64)
    matrix[most:, NUMBER] = 1.0
    one = baseline_of(matrix, SCORES).inputs[FEATURES[NUMBER].name]
    assert one.rows == (most // 2, most // 2)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"bounds": (1.0, 1.0), "rows": (1, 1, 1)}, "do not rise"),
        ({"bounds": (1.0,), "rows": (1,)}, "1 counts for 2 bins"),
        ({"categories": (1, 2), "rows": (1,)}, "1 counts for 2 bins"),
        ({"categories": (1,), "bounds": (1.0,), "rows": (1,)}, "both given"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        InputBaseline(**changes)  # type: ignore[arg-type]  # that is what is tested


def test_a_manifest_refuses_a_baseline_of_other_features() -> None:
    manifest = watched_bundle().manifest
    assert manifest.baseline is not None
    inputs = dict(manifest.baseline.inputs)
    name = FEATURES[CATEGORY].name
    number = InputBaseline(rows=(1,))
    for wrong in (
        {**inputs, "no_such": number},
        {**inputs, name: number},
        {k: v for k, v in inputs.items() if k != name},
    ):
        with pytest.raises(ValueError, match=r"baseline\.inputs\."):
            msgspec.structs.replace(manifest, baseline=Baseline(inputs=wrong, scores=(0,) * 20))


def test_a_bundle_carries_its_baseline_and_one_without_it_loads() -> None:
    files, manifest = bundle_files(), watched_bundle().manifest
    assert Bundle.load(files, FEATURES).manifest.baseline is None
    loaded = Bundle.load(files | {"manifest.json": manifest.encode()}, FEATURES)
    assert loaded.manifest.baseline == manifest.baseline
    broken = manifest.encode().replace(b'"baseline"', b'"baselime"')
    with pytest.raises(BundleError, match="baselime"):
        Bundle.load(files | {"manifest.json": broken}, FEATURES)
