"""Manifest of a model bundle: its content and its origin."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Final, Self

import msgspec

from scoring.features import Feature
from scoring.model.baseline import Baseline
from scoring.model.calibration import CalibrationTable

FORMAT: Final = 1
FEATURES_MAX: Final = 4096

_Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
_TimeMs = Annotated[int, msgspec.Meta(ge=0, le=4_102_444_800_000)]  # to the year 2100
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]
_Finite = Annotated[float, msgspec.Meta(ge=-1e18, le=1e18)]
_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Refuse unknown fields: a misspelt one would be ignored."""


class ManifestFeature(_Record, frozen=True, kw_only=True):
    """One column of the matrix, as the model was trained on it."""

    name: _Line
    unit: _Line
    categorical: bool = False


class Part(_Record, frozen=True, kw_only=True):
    """One part of the time split: events from `from_ms` until before `until_ms`, UTC event time.

    `late_frauds` became known only after the part's end: they are not among `frauds`, and were taken as genuine.
    """

    from_ms: _TimeMs
    until_ms: _TimeMs
    rows: _Count
    frauds: _Count
    late_frauds: _Count = 0

    def __post_init__(self) -> None:
        if not self.from_ms <= self.until_ms:
            raise ValueError("from_ms is after until_ms")
        if not self.frauds <= self.rows:
            raise ValueError("more frauds than rows")

    @property
    def fraud_rate(self) -> float:
        """Return the share of frauds among the rows; 0 if there are none."""
        return self.frauds / self.rows if self.rows else 0.0


class Training(_Record, frozen=True, kw_only=True):
    """The data on which the model was trained, calibrated and tested, and the parameters: enough to train it again.

    `left_out` counts records of the source that are in no row, by reason.
    """

    train: Part
    calibration: Part
    test: Part
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
    parameters: dict[_Line, bool | int | float | str]
    lightgbm_version: _Line
    left_out: dict[_Line, _Count] = {}


class Manifest(_Record, frozen=True, kw_only=True):
    """Describe a bundle: hashes of its files, the features and the calibration of the model, and its metrics.

    `usual`: medians of features over the rows of `training.train`, without unknown values; features that are missing
    there have none. `baseline`: how inputs and scores were distributed; None in a bundle of an earlier
    release. `metrics` were measured on `training.test`; `data_card` is text: the source of the data, its gaps, and uses
    for which the model is not fit. `sample` is the file of rows the loader scores to check the model.
    """

    format: Annotated[int, msgspec.Meta(ge=FORMAT, le=FORMAT)]
    name: _Name
    model_sha256: _Sha256
    sample_sha256: _Sha256
    features_sha256: _Sha256
    features: Annotated[tuple[ManifestFeature, ...], msgspec.Meta(min_length=1, max_length=FEATURES_MAX)]
    calibration: CalibrationTable
    training: Training
    metrics: dict[_Line, float]
    data_card: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
    usual: Annotated[dict[_Line, _Finite], msgspec.Meta(max_length=FEATURES_MAX)] = {}
    baseline: Baseline | None = None

    def __post_init__(self) -> None:
        unknown = self.usual.keys() - {feature.name for feature in self.features}
        if unknown:
            raise ValueError(f"usual.{min(unknown)} is no feature")
        if self.baseline is not None:
            self.baseline.check([one.name for one in self.features], [one.categorical for one in self.features])

    @classmethod
    def of_features(cls, features: Sequence[Feature]) -> tuple[ManifestFeature, ...]:
        """Return the columns as a manifest lists them."""
        return tuple(
            ManifestFeature(name=feature.name, unit=feature.unit, categorical=feature.categorical)
            for feature in features
        )

    def encode(self) -> bytes:
        """Return the bytes of `manifest.json`: the same record gives the same bytes."""
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2) + b"\n"

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Parse `manifest.json`; raises `msgspec.ValidationError` with the path of the wrong field."""
        return msgspec.json.decode(data, type=cls)


def features_sha256(features: Sequence[ManifestFeature]) -> str:
    """Return the hash of names, units, kinds and order: two lists with one hash are the same matrix."""
    return sha256(msgspec.json.encode(features)).hexdigest()
