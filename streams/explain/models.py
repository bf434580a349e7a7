"""The models of stored decisions, each found by the version that a decision names.

A version has the name of the bundle and a hash over all of it, so a folder holds the model of a decision if its
manifest says so. Nothing else is read until a decision names the version.
"""

from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from scoring.contract.decision import ModelStateName
from scoring.contract.faults import FAULTS
from scoring.engine import Engine
from scoring.judging import Judge
from scoring.model.absent import NO_VERSION, NoModel
from scoring.model.bundle import MANIFEST_FILE, PREVIOUS, SIZE_MAX, Bundle, BundleError, version_of
from streams.config.settings import Settings
from streams.config.strict import ConfigError
from streams.config.wiring import bundle_place, load_bundle

FOLDERS_MAX: Final = 256
"""Most bundles in one folder."""

LOADED_MAX: Final = 8
"""Most models that are kept loaded: some MB each."""

NOT_THERE: Final = "its bundle is not there, name its folder by --bundle"


class ModelOf(NamedTuple):
    """The model that a decision names: its version, and for version `none` why there was no model."""

    version: str
    state: ModelStateName | None = None


class _Versions(msgspec.Struct, frozen=True, gc=False):
    model: str


class _Decision(msgspec.Struct, frozen=True, gc=False):
    versions: _Versions
    model_state: ModelStateName | None = None


_decode = msgspec.json.Decoder(_Decision).decode


def model_of(published: bytes) -> ModelOf | None:
    """Return the model that a published decision names; None if it is no decision."""
    try:
        decision = _decode(published)
    except FAULTS:
        return None
    return model_named(decision.versions.model, decision.model_state)


def model_named(version: str, state: ModelStateName | None) -> ModelOf:
    """Return the model of a version. `state`, as a decision has it, counts only where there was no model."""
    return ModelOf(version, state if version == NO_VERSION else None)


class Folders(NamedTuple):
    """Folders of bundles. `by_version`: None for the bundle inside the package. `settings`: with the first of them."""

    settings: Settings
    by_version: Mapping[str, Path | None]


def folders_of(settings: Settings, named: Sequence[Path]) -> Folders:
    """Find the bundles of `named`, the configured one, and the one that a promotion kept beside that.

    Each of `named` is a bundle, or a folder of bundles. The first bundle that is named itself takes the place of the
    configured one.

    Raises:
        ConfigError: a folder of `named` is no bundle and has none, or a manifest there is none.
    """
    found: dict[str, Path | None] = {}
    first = next((folder for folder in named if (folder / MANIFEST_FILE).is_file()), None)
    for folder in named:
        for bundle in _bundles_of(folder):
            found.setdefault(_version_in(bundle), bundle)
    configured = settings.model.bundle_dir
    current = None if configured is None else Path(configured)
    for place in (None,) if current is None else (current, Path(f"{current.resolve()}{PREVIOUS}")):
        try:
            found.setdefault(_version_in(place or bundle_place(settings)), place)
        except ConfigError:  # none, or no bundle: whoever builds an engine with it says so
            continue
    return Folders(settings if first is None else _with_bundle(settings, str(first)), found)


def _bundles_of(folder: Path) -> list[Path]:
    """Return the folder if it is a bundle, else the bundles in it by name."""
    if (folder / MANIFEST_FILE).is_file():
        return [folder]
    try:
        inner = sorted(one for one in folder.iterdir() if (one / MANIFEST_FILE).is_file() and one.name[0] != ".")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read: {error.strerror}; --bundle names a folder") from None
    if not inner:
        raise ConfigError(f"{folder}: neither it nor a folder in it has {MANIFEST_FILE}; --bundle names a bundle")
    if len(inner) > FOLDERS_MAX:
        raise ConfigError(f"{folder}: has {len(inner)} bundles, at most {FOLDERS_MAX} are read; name fewer by --bundle")
    return inner


def _version_in(place: Path | Traversable) -> str:
    try:
        with (place / MANIFEST_FILE).open("rb") as stream:
            return version_of(stream.read(SIZE_MAX[MANIFEST_FILE] + 1))
    except OSError as error:
        raise ConfigError(f"{place}: {MANIFEST_FILE} cannot be read: {error.strerror}") from None
    except BundleError as error:
        raise ConfigError(f"{place}: {error}") from None


def _with_bundle(settings: Settings, folder: str | None) -> Settings:
    return msgspec.structs.replace(settings, model=msgspec.structs.replace(settings.model, bundle_dir=folder))


class Models:
    """Let an engine decide by the models that decisions name. `faults`: why a version cannot decide."""

    def __init__(self, engine: Engine, folders: Folders) -> None:
        self._engine = engine
        self._folders = folders
        own = engine.model
        self._used = ModelOf(own.version) if isinstance(own, Bundle) else ModelOf(NO_VERSION, own.value)
        self._judges: dict[ModelOf, Judge | None] = {self._used: engine.judge_by(own)}
        self.faults: dict[str, str] = {}

    def use(self, model: ModelOf) -> bool:
        """Decide the next batches by a model. Return False if it is not there: then the one in use stays."""
        if model == self._used:
            return True
        judge = self._judge(model)
        if judge is None:
            return False
        self._engine.use_model(judge)
        self._used = model
        return True

    def _judge(self, model: ModelOf) -> Judge | None:
        """Return what decides by a model, loaded if need be."""
        if model not in self._judges:
            loaded = self._loaded(model)
            if len(self._judges) >= LOADED_MAX:
                del self._judges[next(iter(self._judges))]
            self._judges[model] = None if loaded is None else self._engine.judge_by(loaded)
        return self._judges[model]

    def _loaded(self, model: ModelOf) -> Bundle | NoModel | None:
        version, state = model
        if version == NO_VERSION:
            return NoModel.MISSING if state == "MISSING" else NoModel.REFUSED
        if version not in self._folders.by_version:
            self.faults[version] = NOT_THERE
            return None
        folder = self._folders.by_version[version]
        try:
            bundle = load_bundle(_with_bundle(self._folders.settings, None if folder is None else str(folder)))
        except ConfigError as error:
            self.faults[version] = f"its bundle is refused: {error}"
            return None
        if bundle.version != version:
            self.faults[version] = f"its bundle in {folder} was replaced meanwhile; run the command again"
            return None
        return bundle
