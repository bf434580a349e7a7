"""The bundle in the repository is the one `make model` would build for this release."""

from importlib import resources

import numpy as np

from models.training.cli import _source, parser
from models.training.train import LEAVES, TREES_MAX
from scoring.catalogue import FEATURES
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


def test_it_ranks_fraud_and_its_probabilities_come_true() -> None:
    manifest = Bundle.load(FILES, FEATURES).manifest
    assert manifest.metrics["no_t1_auc"] > 0.95
    assert manifest.metrics["no_t1_recall_at_1pct"] > 0.7
    assert manifest.calibration.method.startswith("isotonic")


def test_it_is_small_enough_for_the_repository() -> None:
    assert sum(map(len, FILES.values())) < 2 * 2**20
