"""`sekisho check-config`: read a configuration as a worker does, and print a summary."""

import os
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from scoring.decode.settings import DecodeSettings, Identifier
from scoring.model.bundle import BundleError
from scoring.policy import Policy
from streams.cli.failures import reported
from streams.config.environment import Overrides
from streams.config.lists import load_lists
from streams.config.load import load_settings
from streams.config.policies import load_policy, load_policy_file
from streams.config.settings import Settings
from streams.console.status import EXIT_OK, EXIT_USAGE, show, tell
from streams.kafka.settings import READ_ROLES


@reported("check-config")
def run(arguments: Namespace) -> int:
    """Check a configuration, a policy, or both."""
    if arguments.file is None and arguments.policy is None:
        tell("check-config", "nothing to check: name a FILE, or a policy with --policy FILE")
        return EXIT_USAGE
    if arguments.policy is not None:
        show(f"{arguments.policy}: ok, policy {load_policy_file(arguments.policy).identity}")
    if arguments.file is not None:
        settings = load_settings(arguments.file)
        policy = load_policy(settings, origin=arguments.file.name)
        lists = load_lists(settings, policy)
        show("\n".join([f"{arguments.file}: ok", *summary(settings, policy.identity)]))
        if variables := Overrides(os.environ).variables:
            show(f"  replaced  by environment variables: {', '.join(variables)}")
        if policy.experiment is not None and policy.candidate is not None:
            show(f"  experiment {policy.experiment.told_at(time.time_ns() // 1_000_000)}")
            show(f"  candidate {policy.candidate.identity}")
        if policy.lists:
            show(f"  lists     {len(policy.lists)}, with {len(lists.table):,} entries in files, digest {lists.digest}")
        if arguments.load:
            show(f"  loaded    {_load(settings)}")
        for warning in [*warnings(settings), *without_model(policy)]:
            tell("check-config", f"warning: {warning}")
    return EXIT_OK


def _load(settings: Settings) -> str:
    """Load the bundle and run every kernel once. Return the model's version and the seconds."""
    from streams.config import wiring  # noqa: PLC0415 -- seconds of imports that a plain check does without
    from streams.worker import warmup  # noqa: PLC0415 -- the same

    bundle = wiring.load_bundle(settings)
    if settings.model.challenger_dir is not None:
        _try_challenger(Path(settings.model.challenger_dir))
    return f"{bundle.version}, kernels ready in {warmup.warm_up(bundle):.1f} s"


def _try_challenger(folder: Path) -> None:
    """Load the challenger. One that is refused is a warning: a worker leaves it out."""
    from streams.challenger.watch import load_challenger  # noqa: PLC0415 -- seconds of imports

    try:
        show(f"  shadow    {load_challenger(folder).version}")
    except BundleError as error:
        tell("check-config", f"warning: challenger {folder}: {error}; a worker leaves it out")


def summary(settings: Settings, policy: str) -> list[str]:
    """Return a summary of the settings, in a few lines."""
    kafka, topics = settings.kafka, settings.topics.full
    security = ("SASL_" if kafka.sasl else "") + ("SSL" if kafka.tls else "PLAINTEXT")
    return [
        f"  brokers   {', '.join(kafka.bootstrap)} ({kafka.profile.name}, {security})",
        f"  group     {settings.consume.group}",
        f"  in        {', '.join(topics.of(READ_ROLES))}",
        f"  out       {', '.join(topics.outputs)}",
        f"  model     {settings.model.bundle_dir or 'the demonstration bundle'}",
        f"  shadow    {settings.model.challenger_dir or 'no challenger'}",
        f"  policy    {policy}",
        f"  guard     identifiers {_identifiers(settings.decode.identifiers)}",
        f"  webhook   {settings.webhook.receiver}",
        f"  http      {f'{settings.http.host}:{settings.http.port}' if settings.http.enabled else 'off'}",
    ]


def without_model(policy: Policy) -> list[str]:
    """Return a warning where a policy decides without a model, and says nothing to decide by."""
    failure = policy.model_failure
    chosen = [name for name in ("missing", "refused", "too_old") if "rules_only" in failure.actions(name)]
    has_own = policy.limits or any(mode == "on" for mode in policy.rule_modes.values())
    if not chosen or has_own or any(rule.direction == "deny" and rule.mode == "on" for rule in policy.lists):
        return []
    return [
        f"model_failure.{chosen[0]} of the policy is rules_only, and the policy has no limit, no rule and no denying "
        "list: without a model it allows every payment that breaks no critical rule of 3-D Secure"
    ]


def _identifiers(identifiers: Sequence[Identifier]) -> str:
    return ", ".join(f"{identifier.path} ({identifier.digits} digits)" for identifier in identifiers) or "none"


def warnings(settings: Settings) -> list[str]:
    """Return warnings about settings that are allowed but seldom intended."""
    found = []
    chosen = settings.decode.identifiers
    if left_out := [identifier for identifier in DecodeSettings().identifiers if identifier not in chosen]:
        found.append(
            "decode.identifiers replaces the defaults, it does not add to them: "
            f"digits of {_identifiers(left_out)} are judged as card numbers; repeat the line of what is to stay"
        )
    if settings.kafka.sasl is not None and settings.kafka.tls is None:
        found.append("kafka.sasl without kafka.tls: login and payments travel in the clear")
    if settings.model.bundle_dir is None:
        found.append("model.bundle_dir is not set: the demonstration bundle is trained on simulated fraud")
    elif not Path(settings.model.bundle_dir).is_dir():
        found.append(f"model.bundle_dir {settings.model.bundle_dir} is not a directory on this machine")
    return found
