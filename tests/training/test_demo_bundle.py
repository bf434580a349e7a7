"""The bundle in the repository is the one that `make model` builds for this release."""

from importlib import resources

import numpy as np
import pytest

from models.training.cli import _source, parser
from models.training.train import LEAVES, TREES_MAX
from scoring.features.all import FEATURES
from scoring.model.bundle import SIZE_MAX, Bundle

FILES = {name: (resources.files("models") / "bundles" / "demo" / name).read_bytes() for name in SIZE_MAX}


def test_it_loads_with_the_features_of_this_release() -> None:
    bundle = Bundle.load(FILES, FEATURES)
    assert bundle.version.startswith("demo-")
    assert bundle.trees.forest.trees == TREES_MAX
    assert np.diff(bundle.trees.forest.leaf_offset).max() == LEAVES


def test_it_comes_from_the_traffic_that_the_default_options_simulate() -> None:
    card = Bundle.load(FILES, FEATURES).manifest.data_card
    assert _source(parser().parse_args(["--out", "anywhere"])) in card, "run `make model` and commit the bundle"


def test_it_ranks_fraud_and_its_probabilities_equal_observed_rates() -> None:
    manifest = Bundle.load(FILES, FEATURES).manifest
    assert manifest.metrics["no_t1_auc"] > 0.95
    assert manifest.metrics["no_t1_recall_at_1pct"] > 0.7
    assert manifest.calibration.method.startswith("isotonic")


@pytest.mark.parametrize("name", sorted(path.name for path in (resources.files("models") / "bundles").iterdir()))
def test_the_mean_probability_of_every_bundle_is_the_fraud_rate(name: str) -> None:
    """On the rows of the calibration; on later ones it is similar."""
    folder = resources.files("models") / "bundles" / name
    if not folder.is_dir():
        return
    manifest = Bundle.load({name: (folder / name).read_bytes() for name in SIZE_MAX}, FEATURES).manifest
    rate = manifest.training.calibration.fraud_rate
    assert manifest.metrics["calibration_mean_probability"] == pytest.approx(rate, rel=1e-3, abs=1e-6)
    assert 0.5 < manifest.metrics["mean_probability"] / manifest.metrics["fraud_rate"] < 2


def test_it_is_small_enough_for_the_repository() -> None:
    assert sum(map(len, FILES.values())) < 2 * 2**20
