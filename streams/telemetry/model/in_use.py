"""Facts about what decides now: the versions of model and policy, and the files that are refused."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from importlib.metadata import version
from typing import Final

from streams.telemetry.counters import ArmCounters, ChallengerCounters, RuleCounters
from streams.telemetry.series import Series

NO_RULES: Final[AbstractSet[tuple[str, str]]] = frozenset()


class InUse:
    """The part of a worker's counters that a change of the model, the policy or the challenger sets."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._rules, self._challenger, self._arms = (
            RuleCounters(series),
            ChallengerCounters(series),
            ArmCounters(series),
        )
        self._versions = {"code": version("sekisho")}
        series.cell("sekisho_build_info", self._versions["code"]).set(1)

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the code and, once loaded, of model, features and policy."""
        return self._versions

    def decides_with(
        self,
        *,
        model: str,
        features: str,
        policy: str,
        rules: AbstractSet[tuple[str, str]] = NO_RULES,
        blocking: AbstractSet[str] = frozenset(),
        experiment: str = "",
    ) -> None:
        """Record the versions that every decision contains.

        `rules`: id and mode of each rule that is not off. `blocking`: the rules that are on and block. `experiment`:
        the id of the policy's experiment, "" for none.
        """
        self._rules.follow(rules, blocking)
        self._arms.follow(experiment)
        self._series.cell("sekisho_model_info", model, features).set(1)
        self._series.cell("sekisho_policy_info", policy).set(1)
        self._versions |= {"model": model, "features": features, "policy": policy}

    def has_model(self, trained_until_ms: int, lacking: str = "") -> None:
        """Record the end of the training of the model in use; without one it is 0, and `lacking` says why."""
        self._series.cell("sekisho_model_trained_until_seconds").set(trained_until_ms / 1e3)
        for (state,), cell in self._series.cells("sekisho_model_lacking").items():
            cell.set(state == lacking)

    def model_applied(self, version: str, trained_until_ms: int) -> None:
        """Count a change of the model, and record the one that is in use."""
        features = self._versions["features"]
        self._series.forget("sekisho_model_info", self._versions["model"], features)
        self._series.cell("sekisho_model_info", version, features).set(1)
        self._versions |= {"model": version}
        self.has_model(trained_until_ms)
        self._series.cell("sekisho_model_reloads_total", "APPLIED").add(1)

    def model_refused(self, is_refused: bool) -> None:
        """Record whether the model's files are refused; count each refusal."""
        self._series.cell("sekisho_model_refused").set(is_refused)
        self._series.cell("sekisho_model_reloads_total", "REFUSED").add(is_refused)

    def policy_applied(
        self,
        identity: str,
        rules: AbstractSet[tuple[str, str]] = NO_RULES,
        blocking: AbstractSet[str] = frozenset(),
        experiment: str = "",
    ) -> None:
        """Count a change of the policy, and record the one that is in use. The rest as in `decides_with`."""
        self._rules.follow(rules, blocking)
        self._arms.follow(experiment)
        self._series.forget("sekisho_policy_info", self._versions["policy"])
        self._series.cell("sekisho_policy_info", identity).set(1)
        self._versions |= {"policy": identity}
        self._series.cell("sekisho_policy_reloads_total", "APPLIED").add(1)

    def policy_recalled(self, recorded: int, missing: int) -> None:
        """Count events that were applied again by a recorded policy, or by that in use because theirs is missing."""
        self._series.cell("sekisho_policy_recalled_events_total", "RECORDED").add(recorded)
        self._series.cell("sekisho_policy_recalled_events_total", "MISSING").add(missing)

    def policy_refused(self, is_refused: bool) -> None:
        """Record whether the policy's files are refused; count each refusal."""
        self._series.cell("sekisho_policy_refused").set(is_refused)
        self._series.cell("sekisho_policy_reloads_total", "REFUSED").add(is_refused)

    def challenger(self, version: str | None, *, is_refused: bool) -> None:
        """Record which challenger scores in shadow, None for none, and whether the configured one is refused."""
        self._challenger.follow(version, is_refused=is_refused)
