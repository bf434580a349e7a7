"""Build the engine from settings. Files are read here, so that the core opens none."""

import logging
from importlib import resources
from importlib.metadata import version
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from scoring.engine import Engine
from scoring.features.all import FEATURES
from scoring.lists import DatedLimits
from scoring.merchants.months.store import MonthLimits
from scoring.merchants.standings import StandingLimit
from scoring.model.absent import NoModel
from scoring.model.bundle import Bundle, BundleError
from scoring.observer import Settings as EngineSettings
from scoring.policy import Policy
from scoring.watching.outcomes import ArmFigures
from streams.config.bundles import are_absent, read_files
from streams.config.lists import load_lists
from streams.config.load import ConfigError
from streams.config.policies import load_policy
from streams.config.settings import Settings
from streams.telemetry.facts import Inventory, Telemetry
from streams.telemetry.merchants import MERCHANT_ROWS

log = logging.getLogger(__name__)

NAMED_MAX: Final = 5
"""Most scopes that a message names."""


def build_engine(settings: Settings, *, origin: str = "config", policy: Policy | None = None) -> Engine:
    """Load policy (if none is given) and bundle, and build an engine. Takes seconds if kernels are compiled first.

    Raises:
        ConfigError: policy or a list cannot be read, or is refused; or the bundle, and the policy says `stop` then.
    """
    policy = load_policy(settings, origin=origin) if policy is None else policy
    lists = load_lists(settings, policy)
    return Engine(load_model(settings, policy), policy, engine_settings(settings), version("sekisho"), lists)


def load_model(settings: Settings, policy: Policy) -> Bundle | NoModel:
    """Load the configured bundle; where there is none, say why, if the policy allows to decide without it.

    Raises:
        ConfigError: the bundle is missing or refused, and the policy says `stop` then.
    """
    try:
        return load_bundle(settings)
    except ModelError as error:
        lacking = error.lacking
        if scopes := policy.model_failure.stopping(lacking.value.lower()):
            raise ConfigError(
                f"{error}; the policy says stop then, for {', '.join(scopes[:NAMED_MAX])} "
                f"(model_failure.{lacking.value.lower()}; rules_only decides without a model)"
            ) from None
        log.error("model_unusable state=%s fault=%s", lacking.value, str(error).replace("\n", " | "))
        return lacking


class ModelError(ConfigError):
    """Raised when a bundle is missing or refused. `lacking` says which."""

    def __init__(self, fault: str, lacking: NoModel) -> None:
        super().__init__(fault)
        self.lacking = lacking


def bundle_place(settings: Settings) -> Path | Traversable:
    """Return the folder of the configured bundle, or of the demonstration bundle inside the package."""
    configured = settings.model.bundle_dir
    return resources.files("models") / "bundles" / "demo" if configured is None else Path(configured)


def load_bundle(settings: Settings) -> Bundle:
    """Read and check the configured model bundle, or the demonstration bundle inside the package.

    Raises:
        ModelError: a file is missing, cannot be read or does not match.
    """
    place = bundle_place(settings)
    files, faults = read_files(place)
    if faults:
        name, first = faults[0]
        lacking = NoModel.MISSING if are_absent(files, faults) else NoModel.REFUSED
        raise ModelError(f"model bundle {place}: {name} cannot be read: {first.strerror}", lacking) from None
    try:
        return Bundle.load(files, FEATURES)
    except BundleError as error:
        raise ModelError(f"model bundle {place}: {error}", NoModel.REFUSED) from None


def engine_settings(settings: Settings) -> EngineSettings:
    """Return the engine's settings."""
    return EngineSettings(
        decode=settings.decode.limits(settings.profiles.joined_entities),
        profiles=settings.profiles.limits,
        merchants_max=settings.merchants.merchants_max,
        months=MonthLimits(months_max=settings.merchants.months_max, claims_max=settings.merchants.claims_max),
        standings=StandingLimit(standings_max=settings.merchants.standings_max),
        threeds=settings.threeds,
        dated=DatedLimits(delay_ms=int(settings.lists.delay_s * 1000), entries_max=settings.lists.entries_max),
        has_results=settings.topics.names.threeds_results is not None,
    )


def connect(telemetry: Telemetry, engine: Engine) -> None:
    """Connect telemetry to the engine: versions, and sizes of its stores."""
    versions, observer = engine.versions, engine.observer
    telemetry.decides_with(
        model=versions.model,
        features=versions.features,
        policy=versions.policy,
        rules=engine.in_use.rule_modes,
        blocking=engine.in_use.blocking_rules,
        experiment=engine.in_use.experiment_id,
    )
    model = engine.model
    if isinstance(model, NoModel):
        telemetry.has_model(0, model.value)
    else:
        telemetry.has_model(model.trained_until_ms)
    if not engine.watch.has_baseline:
        log.warning("model_not_watched model=%s reason=no_baseline_in_bundle", versions.model)
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
            incidents=engine.alerting.open_incidents,
            digests=engine.alerting.open_digests,
            list_entries=len(engine.list_files.table) + len(observer.dated),
            model=engine.watch.figures(sorted({rule for rule, _ in engine.in_use.rule_modes})),
            arms=_of_arms(engine),
        )
    )


def _of_arms(engine: Engine) -> ArmFigures:
    experiment = engine.in_use.experiment
    return {} if experiment is None else engine.watch.figures_of_arms(experiment.assignment.number)
