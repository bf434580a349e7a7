"""Build the engine from settings. Files are read here, so that the core opens none."""

from importlib import resources
from importlib.metadata import version
from importlib.resources.abc import Traversable
from pathlib import Path

from scoring.engine import Engine
from scoring.features.all import FEATURES
from scoring.merchants.months.store import MonthLimits
from scoring.merchants.standings import StandingLimit
from scoring.model.bundle import SIZE_MAX, Bundle, BundleError
from scoring.observer import Settings as EngineSettings
from scoring.policy import Policy
from streams.config.lists import load_lists
from streams.config.load import ConfigError
from streams.config.policies import load_policy
from streams.config.settings import Settings
from streams.telemetry.facts import Inventory, Telemetry
from streams.telemetry.merchants import MERCHANT_ROWS


def build_engine(settings: Settings, *, origin: str = "config", policy: Policy | None = None) -> Engine:
    """Load policy (if none is given) and bundle, and build an engine. Takes seconds if kernels are compiled first.

    Raises:
        ConfigError: policy, a list or bundle cannot be read, or is refused.
    """
    policy = load_policy(settings, origin=origin) if policy is None else policy
    lists = load_lists(settings, policy)
    return Engine(load_bundle(settings), policy, engine_settings(settings), version("sekisho"), lists)


def load_bundle(settings: Settings) -> Bundle:
    """Read and check the configured model bundle, or the demonstration bundle inside the package.

    Raises:
        ConfigError: a file is missing or does not match.
    """
    configured = settings.model.bundle_dir
    place: Path | Traversable
    place = resources.files("models") / "bundles" / "demo" if configured is None else Path(configured)
    files: dict[str, bytes] = {}
    for name, size in SIZE_MAX.items():
        try:
            with (place / name).open("rb") as stream:
                files[name] = stream.read(size + 1)
        except OSError as error:
            raise ConfigError(f"model bundle {place}: {name} cannot be read: {error.strerror}") from None
    try:
        return Bundle.load(files, FEATURES)
    except BundleError as error:
        raise ConfigError(f"model bundle {place}: {error}") from None


def engine_settings(settings: Settings) -> EngineSettings:
    """Return the engine's settings."""
    return EngineSettings(
        decode=settings.decode.limits(settings.profiles.joined_entities),
        profiles=settings.profiles.limits,
        merchants_max=settings.merchants.merchants_max,
        months=MonthLimits(months_max=settings.merchants.months_max, claims_max=settings.merchants.claims_max),
        standings=StandingLimit(standings_max=settings.merchants.standings_max),
        threeds=settings.threeds,
        has_results=settings.topics.names.threeds_results is not None,
    )


def connect(telemetry: Telemetry, engine: Engine) -> None:
    """Connect telemetry to the engine: versions, and sizes of its stores."""
    versions, observer = engine.versions, engine.observer
    telemetry.decides_with(
        model=versions.model,
        features=versions.features,
        policy=versions.policy,
        rules=engine.policy.rule_modes,
    )
    telemetry.take_inventory(
        lambda: Inventory(
            merchants=len(observer.merchants),
            profile_rows={entity.name: rows for entity, rows in observer.profiles.sizes().items()},
            profile_bytes=observer.profiles.nbytes,
            standings=observer.standings.counts,
            overdue=observer.overdue.counts,
            evictions=dict(
                zip(
                    MERCHANT_ROWS,
                    (*observer.months.evicted, observer.standings.evicted, observer.overdue.evicted),
                    strict=True,
                )
            ),
            incidents=engine.open_incidents,
            list_entries=len(engine.list_files.table),
        )
    )
