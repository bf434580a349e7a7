"""`sekisho backtest`: give the backtest tables or topics of payments, and the policies and bundles of a worker."""

import argparse
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from models.backtest import cli
from models.backtest.decided.contender import Contender
from scoring.model.bundle import Bundle
from scoring.policy import Policy
from streams.cli.train import Histories
from streams.compliance.options import add_terms
from streams.config.lists import list_files, load_lists
from streams.config.policies import load_policy, load_policy_file
from streams.config.settings import Settings
from streams.config.strict import ConfigError
from streams.config.wiring import load_bundle
from streams.replay.columns import declared

_T = TypeVar("_T")


def parser() -> argparse.ArgumentParser:
    """Return the parser of `sekisho backtest`."""
    return cli.parser(declared.shipped_columns(), add_terms)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sekisho backtest`. Return its exit status."""
    histories = Histories("backtest")
    outside = cli.Files(
        history=histories.open,
        policy=load_policy_from,
        lists=_load_lists_from,
        bundle=load_bundle_from,
        as_yaml=_as_yaml,
        add_terms=add_terms,
    )
    return histories.run(lambda: cli.main(argv, outside, declared.shipped_columns()))


def load_policy_from(file: Path | None) -> Policy:
    """Load a policy, or that of the package for None. Raises `ValueError` for a refused one."""
    return refused(lambda: load_policy(Settings()) if file is None else load_policy_file(file))


def _load_lists_from(folder: Path | None, policies: Mapping[str, Policy]) -> Mapping[str, Contender]:
    """Load the entries of the lists of policies from one folder. Raises `ValueError` for a refused one.

    A list whose source is the topic takes them from the file of its name, if there is one; else it is left out.
    """
    for name, policy in policies.items():
        if folder is None and any(rule.source == "file" for rule in policy.lists):
            raise ValueError(f"--lists is missing: the policy {name} has lists, whose entries are in files of a folder")
    place = msgspec.structs.replace(Settings().policy, lists_dir=None if folder is None else str(folder))
    settings = msgspec.structs.replace(Settings(), policy=place)
    every = {rule.id for policy in policies.values() for rule in policy.lists}
    files = {} if folder is None else refused(partial(list_files, folder))
    return {name: _contender(settings, policy, every, files.keys()) for name, policy in policies.items()}


def _contender(settings: Settings, policy: Policy, every: Set[str], files: Set[str]) -> Contender:
    of_topic = [rule for rule in policy.lists if rule.source == "topic" and rule.mode != "off"]
    lists = [msgspec.structs.replace(rule, source="file") if rule.id in files else rule for rule in policy.lists]
    as_files = msgspec.structs.replace(policy, lists=lists)
    return Contender(
        policy,
        refused(partial(load_lists, settings, as_files, every, needs_topic=False)),
        of_topic=tuple(rule.id for rule in of_topic if rule.id in files),
        left_out=tuple(rule.id for rule in of_topic if rule.id not in files),
    )


def load_bundle_from(folder: Path | None) -> Bundle:
    """Load a bundle, or the demonstration's for None. Raises `ValueError` for a refused one."""
    settings = Settings()
    if folder is not None:
        model = msgspec.structs.replace(settings.model, bundle_dir=str(folder))
        settings = msgspec.structs.replace(settings, model=model)
    return refused(lambda: load_bundle(settings))


def refused(load: Callable[[], _T]) -> _T:
    """Load, with a refusal as `ValueError`."""
    try:
        return load()
    except ConfigError as error:
        why = str(error)
    raise ValueError(why)


def _as_yaml(document: Mapping[str, object]) -> str:
    """Return a policy as YAML."""
    text: str = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120)
    return text
