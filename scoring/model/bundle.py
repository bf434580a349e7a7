"""Load and check a model bundle, or make one. Bytes only: the caller reads and writes the files.

A bundle is three files: `model.txt` (LightGBM's own text), `manifest.json` (`Manifest`) and `sample.f64`: rows of the
features and the margin LightGBM gave them, float64, little-endian, row after row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scoring.contract.faults import FAULTS, too_deep
from scoring.features import Feature
from scoring.model.baseline import Baseline
from scoring.model.calibration import Calibration, CalibrationTable
from scoring.model.manifest import FORMAT, Manifest, ManifestFeature, Training, features_sha256
from scoring.model.quickscorer import CompiledTrees
from scoring.model.trees import CATEGORICAL_BIT, ModelError

MODEL_FILE: Final = "model.txt"
MANIFEST_FILE: Final = "manifest.json"
SAMPLE_FILE: Final = "sample.f64"
SIZE_MAX: Final = {MODEL_FILE: 64 * 2**20, MANIFEST_FILE: 2 * 2**20, SAMPLE_FILE: 16 * 2**20}  # bytes

PREVIOUS: Final = ".previous"
"""What a promotion appends to the name of a bundle's folder, for the one that keeps the bundle of before."""

SAMPLE_ROWS_MIN: Final = 9  # one more than a block: rows side by side and a row alone are both checked
_REBUILD: Final = "train the model again with this release"
_COPY: Final = "copy the bundle again, all its files from one training run"


class BundleError(ValueError):
    """Raised when a bundle does not fit: names the file and the field, the cause and the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A checked model, ready to score. `version` names it in every decision: its name and a hash of all its bytes."""

    version: str
    manifest: Manifest
    trees: CompiledTrees
    calibration: Calibration

    @property
    def trained_until_ms(self) -> int:
        """End of the events that the trees learned from, in ms since the epoch. The age of the model counts from it."""
        return self.manifest.training.train.until_ms

    @classmethod
    def load(cls, files: Mapping[str, bytes], features: Sequence[Feature]) -> "Bundle":
        """Check and compile a bundle for the matrix of `features`.

        `files` maps `model.txt`, `manifest.json` and `sample.f64` to their content; others are ignored. Raises
        `BundleError` unless hashes match, the model wants exactly these features in this order, its trees can be
        scored exactly, and the sample's margins come out bit for bit as LightGBM gave them. About 200 ms; a few seconds
        when the kernels are compiled for the first time.
        """
        for file, limit in SIZE_MAX.items():
            if file not in files:
                raise BundleError(f"{file} is missing; a bundle is {', '.join(SIZE_MAX)}")
            if len(files[file]) > limit:
                raise BundleError(f"{file} has more than {limit} bytes")
        manifest = _decode_manifest(files[MANIFEST_FILE])
        for file, expected in ((MODEL_FILE, manifest.model_sha256), (SAMPLE_FILE, manifest.sample_sha256)):
            if sha256(files[file]).hexdigest() != expected:
                raise BundleError(f"{file} is not the file that {MANIFEST_FILE} was written for; {_COPY}")
        _check_features(manifest, Manifest.of_features(features))
        trees = _compile(files[MODEL_FILE], manifest)
        _check_sample(trees, files[SAMPLE_FILE])
        return cls(
            version=_version(manifest.name, files[MANIFEST_FILE]),
            manifest=manifest,
            trees=trees,
            calibration=Calibration(manifest.calibration),
        )

    @classmethod
    def dump(
        cls,
        *,
        name: str,
        model_text: str,
        features: Sequence[Feature],
        calibration: CalibrationTable,
        training: Training,
        metrics: Mapping[str, float],
        data_card: str,
        sample: NDArray[np.float64],
        margins: NDArray[np.float64],
        usual: Mapping[str, float] | None = None,
        baseline: Baseline | None = None,
    ) -> dict[str, bytes]:
        """Return the files of a bundle, having loaded them: raises `BundleError` for one that `load` would refuse.

        `sample: float64[n, F]` are some dozens of real rows, `margins: float64[n]` what
        `Booster.predict(sample, raw_score=True)` gives for them; n is at least 9. `usual` and `baseline`: as in
        `Manifest`; None has none.
        """
        rows = np.column_stack((sample, margins)).astype("<f8").tobytes()
        text = model_text.encode()
        columns = Manifest.of_features(features)
        manifest = Manifest(
            format=FORMAT,
            name=name,
            model_sha256=sha256(text).hexdigest(),
            sample_sha256=sha256(rows).hexdigest(),
            features_sha256=features_sha256(columns),
            features=columns,
            calibration=calibration,
            training=training,
            metrics=dict(metrics),
            data_card=data_card,
            usual={} if usual is None else dict(usual),
            baseline=baseline,
        )
        files = {MODEL_FILE: text, MANIFEST_FILE: manifest.encode(), SAMPLE_FILE: rows}
        cls.load(files, features)
        return files


def version_of(manifest: bytes) -> str:
    """Return the version of the bundle with a manifest, as decisions name it. Nothing else of the bundle is checked.

    Also for a manifest of another release, as long as it has a name.

    Raises:
        BundleError: the manifest has no name.
    """
    try:
        return _version(msgspec.json.decode(manifest, type=_NameOnly).name, manifest)
    except FAULTS:
        raise BundleError(f"{MANIFEST_FILE} is no JSON object with a name; {_COPY}") from None


def _version(name: str, manifest: bytes) -> str:
    """Return the name and a hash over all of the bundle: the manifest holds the hashes of the other files."""
    return f"{name}-{sha256(manifest).hexdigest()[:12]}"


class _NameOnly(msgspec.Struct):
    name: str


class _FormatOnly(msgspec.Struct):
    format: int


def _decode_manifest(data: bytes) -> Manifest:
    try:
        version = msgspec.json.decode(data, type=_FormatOnly).format
        if version != FORMAT:
            way_out = "upgrade sekisho" if version > FORMAT else _REBUILD
            raise BundleError(f"{MANIFEST_FILE} is of format {version}, this release reads {FORMAT}; {way_out}")
        manifest = Manifest.decode(data)
    except RecursionError:
        raise BundleError(f"{MANIFEST_FILE}: {too_deep(data)}; {_REBUILD}") from None
    except FAULTS as error:
        raise BundleError(f"{MANIFEST_FILE}: {error}; {_REBUILD}") from error
    if features_sha256(manifest.features) != manifest.features_sha256:
        raise BundleError(f"{MANIFEST_FILE}: features do not match features_sha256; {_REBUILD}")
    return manifest


def _check_features(manifest: Manifest, expected: Sequence[ManifestFeature]) -> None:
    for index, (found, wanted) in enumerate(zip_longest(manifest.features, expected)):
        if found == wanted:
            continue
        raise BundleError(
            f"{MANIFEST_FILE}: features[{index}] is {_describe(found)}, this release computes {_describe(wanted)} there"
            f" ({len(manifest.features)} features in the bundle, {len(expected)} in this release); {_REBUILD}"
        )


def _describe(feature: ManifestFeature | None) -> str:
    if feature is None:
        return "nothing"
    return f"{feature.name} [{feature.unit}]{' categorical' if feature.categorical else ''}"


def _compile(data: bytes, manifest: Manifest) -> CompiledTrees:
    try:
        trees = CompiledTrees.parse(data.decode())
    except (ModelError, UnicodeDecodeError) as error:
        raise BundleError(f"{MODEL_FILE}: {error}") from error
    names = tuple(feature.name for feature in manifest.features)
    for found, wanted in zip_longest(trees.forest.feature_names, names):
        if found != wanted:
            raise BundleError(f"{MODEL_FILE}: feature_names has {found} where {MANIFEST_FILE} has {wanted}; {_REBUILD}")
    forest = trees.forest
    for column in np.unique(forest.feature[(forest.decision & CATEGORICAL_BIT).astype(bool)]):
        if not manifest.features[column].categorical:
            raise BundleError(f"{MODEL_FILE} splits {names[column]} by category, but it is a number; {_REBUILD}")
    return trees


def _check_sample(trees: CompiledTrees, data: bytes) -> None:
    width = trees.forest.features + 1
    if len(data) % (8 * width) or len(data) < SAMPLE_ROWS_MIN * 8 * width:
        raise BundleError(f"{SAMPLE_FILE} does not hold {SAMPLE_ROWS_MIN} or more rows of {width} numbers; {_REBUILD}")
    rows = np.frombuffer(data, "<f8").astype(np.float64).reshape(-1, width)
    x, expected = np.ascontiguousarray(rows[:, :-1]), np.ascontiguousarray(rows[:, -1])
    together, alone = np.empty(len(x)), np.empty(len(x))
    trees.margins(x, together)
    for row in range(len(x)):
        trees.margins(x[row : row + 1], alone[row : row + 1])
    wrong = np.flatnonzero((_bits(together) != _bits(expected)) | (_bits(alone) != _bits(expected)))
    if len(wrong):
        raise BundleError(
            f"{SAMPLE_FILE}: row {wrong[0]} scores {together[wrong[0]]!r}, LightGBM gave {expected[wrong[0]]!r}"
            f" ({len(wrong)} of {len(x)} rows differ); {_REBUILD}, and report this if it stays"
        )
    contributions = np.empty(width)
    trees.contributions(x[0], contributions)
    assert abs(contributions.sum() - expected[0]) < 1e-6, "contributions do not add up to the margin"


def _bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return values.view(np.int64)
