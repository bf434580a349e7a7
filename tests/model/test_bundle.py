"""An invalid bundle is refused, and the error names the file, the field and the way out."""

from collections.abc import Callable
from functools import cache
from hashlib import sha256

import msgspec
import numpy as np
import pytest

from scoring.features import Feature
from scoring.model.bundle import Bundle, BundleError
from scoring.model.calibration import CalibrationTable
from scoring.model.manifest import Part, Training
from tests.model import forests

Files = dict[str, bytes]

FEATURES = tuple(
    Feature(name=f"Column_{column}", unit="1", family="any", doc="made up", categorical=column < 3)
    for column in range(24)
)


@cache
def bundle() -> Files:
    text = forests.trained(20, 7)
    sample = forests.matrix(np.random.default_rng(5), 33)
    return Bundle.dump(
        name="test-model",
        model_text=text,
        features=FEATURES,
        calibration=CalibrationTable(method="platt", rows=100, frauds=7, knots=((-1.0, -2.0), (1.0, 0.5))),
        training=Training(
            train=Part(from_ms=0, until_ms=10, rows=1000, frauds=10),
            calibration=Part(from_ms=10, until_ms=20, rows=100, frauds=7),
            test=Part(from_ms=20, until_ms=30, rows=0, frauds=0),
            seed=7,
            parameters={"num_leaves": 7, "learning_rate": 0.1, "deterministic": True},
            lightgbm_version="4.7.0",
        ),
        metrics={"pr_auc": 0.5},
        data_card="Made up.",
        sample=sample,
        margins=forests.oracle(text, sample),
    )


def changed(file: str, change: Callable[[bytes], bytes], *, rehash: bool = False) -> Files:
    """Change one file; with `rehash` also its hash in the manifest, as someone who knows the format would."""
    before = bundle()
    after = before | {file: change(before[file])}
    assert after != before
    if rehash:
        hashes = (sha256(files[file]).hexdigest().encode() for files in (before, after))
        after["manifest.json"] = after["manifest.json"].replace(*hashes)
    return after


def manifest_with(**fields: object) -> Files:
    manifest = msgspec.json.decode(bundle()["manifest.json"])
    return bundle() | {"manifest.json": msgspec.json.encode(manifest | fields)}


def test_a_bundle_is_read_as_it_was_written() -> None:
    loaded = Bundle.load(bundle(), FEATURES)
    assert loaded.manifest.training.train.fraud_rate == 0.01
    assert loaded.manifest.training.test.fraud_rate == 0.0
    assert loaded.manifest.encode() == bundle()["manifest.json"]
    assert loaded.manifest.data_card == "Made up."
    x = forests.matrix(np.random.default_rng(6), 40)
    margins = np.empty(40)
    loaded.trees.margins(x, margins)
    assert (margins == forests.oracle(bundle()["model.txt"].decode(), x)).all()
    assert loaded.calibration.apply(np.array([-1.0]))[0][0] == pytest.approx(1 / (1 + np.exp(2.0)))


def test_the_version_changes_with_any_byte_of_the_bundle() -> None:
    version = Bundle.load(bundle(), FEATURES).version
    assert version.startswith("test-model-")
    assert Bundle.load(manifest_with(data_card="Other."), FEATURES).version != version


def test_other_files_beside_the_bundle_are_ignored() -> None:
    Bundle.load(bundle() | {"README.md": b"hello"}, FEATURES)


@pytest.mark.parametrize("file", ["model.txt", "manifest.json", "sample.f64"])
def test_a_missing_file_is_named(file: str) -> None:
    files = {name: data for name, data in bundle().items() if name != file}
    with pytest.raises(BundleError, match=f"^{file} is missing; a bundle is model.txt, manifest.json, sample.f64"):
        Bundle.load(files, FEATURES)


@pytest.mark.parametrize("file", ["model.txt", "sample.f64"])
def test_a_flipped_bit_is_found(file: str) -> None:
    files = changed(file, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BundleError, match=f"^{file} is not the file that manifest.json was written for; copy"):
        Bundle.load(files, FEATURES)


def test_a_margin_off_by_one_bit_is_found() -> None:
    files = changed("sample.f64", lambda data: data[:-8] + bytes([data[-8] ^ 1]) + data[-7:], rehash=True)
    with pytest.raises(BundleError, match=r"^sample.f64: row 32 scores .* \(1 of 33 rows differ\)"):
        Bundle.load(files, FEATURES)


def test_a_model_changed_in_its_last_digit_is_found() -> None:
    def change(data: bytes) -> bytes:
        start = data.index(b"leaf_value=") + len(b"leaf_value=")
        end = data.index(b"\n", start)
        values = [repr(float(value) * (1 + 1e-14)) for value in data[start:end].split()]
        return data[:start] + " ".join(values).encode() + data[end:]

    with pytest.raises(BundleError, match=r"^sample.f64: row \d+ scores"):
        Bundle.load(changed("model.txt", change, rehash=True), FEATURES)


@pytest.mark.parametrize(
    "change", [lambda data: data[:-8], lambda data: data[: 8 * 25 * 8], lambda data: b""], ids=["cut", "few", "empty"]
)
def test_a_sample_of_another_size_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BundleError, match=r"^sample.f64 does not hold 9 or more rows of 25 numbers"):
        Bundle.load(changed("sample.f64", change, rehash=True), FEATURES)


def test_a_model_that_cannot_be_scored_exactly_is_refused() -> None:
    files = changed("model.txt", lambda data: data.replace(b"is_linear=0", b"is_linear=1", 1), rehash=True)
    with pytest.raises(BundleError, match=r"^model.txt: .* linear_tree=false"):
        Bundle.load(files, FEATURES)


def test_a_model_that_is_no_text_is_refused() -> None:
    with pytest.raises(BundleError, match=r"^model.txt: "):
        Bundle.load(changed("model.txt", lambda data: b"\xff" + data, rehash=True), FEATURES)


def replaced(index: int, **fields: object) -> tuple[Feature, ...]:
    feature = {"name": "other", "unit": "1", "family": "any", "doc": "made up"} | fields
    return (*FEATURES[:index], Feature(**feature), *FEATURES[index + 1 :])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (replaced(5), r"features\[5\] is Column_5 \[1\], this release computes other \[1\] there"),
        (replaced(5, name="Column_5", unit="s"), r"features\[5\] is Column_5 \[1\], .* Column_5 \[s\]"),
        (replaced(5, name="Column_5", categorical=True), r"features\[5\] .* Column_5 \[1\] categorical"),
        (FEATURES[:-1], r"features\[23\] is Column_23 \[1\], .* nothing there \(24 .* 23 in this release\)"),
        ((*FEATURES, FEATURES[0]), r"features\[24\] is nothing"),
        ((FEATURES[1], FEATURES[0], *FEATURES[2:]), r"features\[0\]"),
    ],
    ids=["renamed", "unit", "kind", "fewer", "more", "swapped"],
)
def test_other_features_than_the_release_computes_are_refused(features: tuple[Feature, ...], message: str) -> None:
    with pytest.raises(BundleError, match=f"^manifest.json: {message}.*train the model again"):
        Bundle.load(bundle(), features)


def test_a_model_with_other_feature_names_is_refused() -> None:
    files = changed("model.txt", lambda data: data.replace(b"Column_3 ", b"Column_X "), rehash=True)
    with pytest.raises(BundleError, match=r"^model.txt: feature_names has Column_X where manifest.json has Column_3"):
        Bundle.load(files, FEATURES)


def test_a_number_that_the_model_takes_for_a_category_is_refused() -> None:
    numbers = replaced(1, name="Column_1")
    with pytest.raises(BundleError, match=r"^model.txt splits Column_1 by category, but it is a number"):
        Bundle.dump(
            name="x",
            model_text=bundle()["model.txt"].decode(),
            features=numbers,
            calibration=Bundle.load(bundle(), FEATURES).manifest.calibration,
            training=Bundle.load(bundle(), FEATURES).manifest.training,
            metrics={},
            data_card="x",
            sample=np.zeros((9, 24)),
            margins=np.zeros(9),
        )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": 2}, "is of format 2, this release reads 1; upgrade sekisho"),
        ({"format": 0}, "is of format 0, this release reads 1; train"),
        ({"format": "1"}, r"Expected `int`, got `str` - at `\$.format`"),
        ({"nmae": "x"}, "unknown field `nmae`"),
        ({"name": "Über"}, r"\$.name"),
        ({"features": []}, r"\$.features"),
        ({"features_sha256": "0" * 64}, "features do not match features_sha256"),
        ({"calibration": {"method": "x", "rows": 1, "frauds": 1, "knots": [[1, 1], [0, 0]]}}, r"rise.*\$.calibration"),
        ({"metrics": {"pr_auc": None}}, r"\$.metrics"),
        ({"data_card": ""}, r"\$.data_card"),
    ],
)
def test_a_wrong_field_of_the_manifest_is_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError, match=f"^manifest.json.*{message}"):
        Bundle.load(manifest_with(**fields), FEATURES)


def test_a_manifest_that_is_no_json_is_refused() -> None:
    with pytest.raises(BundleError, match=r"^manifest.json: "):
        Bundle.load(changed("manifest.json", lambda data: data[:-3]), FEATURES)


def test_a_manifest_that_nests_too_deep_is_refused_with_its_place() -> None:
    with pytest.raises(BundleError, match=r"^manifest.json: line 2, column 517: nested deeper than 512 levels; train"):
        Bundle.load(changed("manifest.json", lambda data: b'{"format": 1,\n"x": ' + b"[" * 5_000), FEATURES)


def test_a_huge_file_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("scoring.model.bundle", fromlist=["SIZE_MAX"]).SIZE_MAX, "model.txt", 10)
    with pytest.raises(BundleError, match=r"^model.txt has more than 10 bytes"):
        Bundle.load(bundle(), FEATURES)


@pytest.mark.parametrize(
    "part",
    [{"from_ms": 5, "until_ms": 4, "rows": 1, "frauds": 0}, {"from_ms": 0, "until_ms": 4, "rows": 1, "frauds": 2}],
)
def test_an_invalid_part_of_the_split_is_refused(part: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"from_ms is after until_ms|more frauds than rows"):
        Part(**part)


def test_usual_values_are_optional_and_of_features() -> None:
    assert Bundle.load(bundle(), FEATURES).manifest.usual == {}
    told = manifest_with(usual={"Column_5": 1.5})
    assert Bundle.load(told, FEATURES).manifest.usual == {"Column_5": 1.5}
    with pytest.raises(BundleError, match=r"manifest.json: usual.Column_99 is no feature"):
        Bundle.load(manifest_with(usual={"Column_99": 1.5}), FEATURES)
    with pytest.raises(BundleError, match=r"usual"):
        Bundle.load(manifest_with(usual={"Column_5": 1e300}), FEATURES)


def test_a_manifest_without_the_field_is_read() -> None:
    before = msgspec.json.decode(bundle()["manifest.json"])
    del before["usual"]
    older = bundle() | {"manifest.json": msgspec.json.encode(before)}
    assert Bundle.load(older, FEATURES).manifest.usual == {}
