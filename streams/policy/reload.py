"""Reload the policy of a running worker when its files change, or on SIGHUP.

Files are read anew by their paths and compared by content, so that a swap of symbolic links (Kubernetes) counts and a
touched file does not. A change counts when two looks in a row find the same content: a file may be half written. Then
the policy is checked and compiled beside the event loop, and taken into use between two batches. If anything is wrong,
the policy that is in use stays.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from pathlib import Path
from socket import gethostname
from typing import Any, Final, Protocol

from mode import Service

from scoring.compiled import CompiledPolicy, ListFiles
from scoring.model.absent import NoModel
from scoring.model.bundle import Bundle
from scoring.policy import Policy, policy_changes
from scoring.policy.changes import changes_of
from streams.config.lists import load_lists
from streams.config.policies import PolicyText, policy_of, read_policy
from streams.config.settings import Settings
from streams.config.settled import Settled
from streams.config.strict import ConfigError
from streams.policy.audit import AuditLog, RecordError
from streams.policy.last_good import keep
from streams.transport.tasks import WatchedService

log = logging.getLogger(__name__)

SETTLE_S: Final = 0.05
"""Time between the two looks after SIGHUP."""

FIXED: Final = "alerts.incident_quiet_minutes"
"""It is part of the ids of open incidents, so it changes at a restart only."""


Use = Callable[[CompiledPolicy], Awaitable[None]]


class Engine(Protocol):
    """The engine, as a reload uses it."""

    def compile(self, policy: Policy, list_files: ListFiles) -> CompiledPolicy:
        """Compile a policy for `use`, with the entries of its lists. May run in another thread."""
        ...

    @property
    def policy(self) -> Policy:
        """The policy in use."""
        ...

    @property
    def model(self) -> Bundle | NoModel:
        """The model in use, or why there is none."""
        ...

    @property
    def list_files(self) -> ListFiles:
        """The entries of its lists."""
        ...


class Telemetry(Protocol):
    """Record reloads. Must neither block nor raise."""

    def policy_applied(
        self, identity: str, rules: AbstractSet[tuple[str, str]], blocking: AbstractSet[str], experiment: str
    ) -> None:
        """Record that another policy is in use.

        `rules`: id and mode of each rule that is not off. `blocking`: the rules that are on and block. `experiment`:
        the id of its experiment, "" for none.
        """

    def policy_refused(self, is_refused: bool) -> None:
        """Record whether the files are refused, so that the policy in use is not theirs."""


class PolicyReload(WatchedService):
    """Look for changes of the policy's files. `read`, `compose` and `lists` raise ConfigError, and run in a thread.

    `lists` reads the entries of the lists of a policy. `also` is called on SIGHUP too.
    """

    def __init__(
        self,
        read: Callable[[], PolicyText],
        compose: Callable[[PolicyText], Policy],
        lists: Callable[[Policy], ListFiles],
        engine: Engine,
        telemetry: Telemetry,
        *,
        use: Use,
        audit: AuditLog | None,
        interval_s: float,
        last_good: Path | None = None,
        also: Callable[[], None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._read = read
        self._compose = compose
        self._lists = lists
        self._engine = engine
        self._telemetry = telemetry
        self._use = use
        self._audit = audit
        self._interval_s = interval_s
        self._last_good = last_good
        self._also = also
        self._settled = Settled()
        self._asked = asyncio.Event()

    async def on_start(self) -> None:
        """Listen to SIGHUP."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._ask)

    def _ask(self) -> None:
        self._asked.set()
        if self._also is not None:
            self._also()

    async def on_stop(self) -> None:
        """Ignore SIGHUP: its default would end the process before its outputs are durable."""
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    @Service.task
    async def _look_in_turn(self) -> None:
        while not self.should_stop:
            await self.look()
            try:
                async with asyncio.timeout(SETTLE_S if self._settled.is_waiting else self._interval_s):
                    await self._asked.wait()
            except TimeoutError:
                continue
            self._asked.clear()
            self._settled.judge_again()
            log.info("policy_reload_asked signal=SIGHUP")

    async def look(self) -> None:
        """Read the files once. Take their policy into use if they differ from it and were the same at the last look."""
        try:
            text = await asyncio.to_thread(self._read)
        except ConfigError as error:
            if self._settled.look(f"unreadable: {error}"):
                self._refuse(str(error))
            return
        if self._settled.look(text.digest):
            await self._judge(text)

    async def _judge(self, text: PolicyText) -> None:
        old = self._engine.policy
        try:
            compiled, new = await asyncio.to_thread(self._compiled, text, old)
        except (ConfigError, RecordError) as error:
            self._refuse(str(error))
            return
        if compiled is not None:
            await self._use(compiled)
            of_rules = compiled.rule_modes, compiled.blocking_rules
            self._telemetry.policy_applied(new.identity, *of_rules, compiled.experiment_id)
            lists = compiled.list_files
            log.info("policy_changed old=%s new=%s list_entries=%d", old.identity, new.identity, len(lists.table))
        self._telemetry.policy_refused(False)

    def _compiled(self, text: PolicyText, old: Policy) -> tuple[CompiledPolicy | None, Policy]:
        """Check and compile, and record the change; None for a policy that says the same. Runs in a thread."""
        new = self._compose(text)
        lists, before = self._lists(new), self._engine.list_files
        if new == old and lists.digest == before.digest:
            return None, new
        if any(change.path == FIXED for change in policy_changes(old, new)):
            raise ConfigError(f"{text.origin}: $.{FIXED}: changes at a restart only: restart the workers")
        if isinstance(self._engine.model, NoModel):
            reason = self._engine.model.value.lower()
            if new.model_failure.stopping(reason):
                raise ConfigError(
                    f"{text.origin}: $.model_failure.{reason}: stop, and this worker decides without a model: it would "
                    "halt. Put the bundle in place first, or stop the worker"
                )
        compiled = self._engine.compile(new, lists)
        if self._last_good is not None:
            keep(self._last_good, new)
        if self._audit is not None:
            self._audit.changed(old, new, changes_of(*({"lists_digest": each.digest} for each in (before, lists))))
        return compiled, new

    def _refuse(self, fault: str) -> None:
        self._telemetry.policy_refused(True)
        log.error("policy_refused kept=%s fault=%s", self._engine.policy.identity, fault.replace("\n", " | "))
        if self._audit is not None:
            try:
                self._audit.refused(self._engine.policy, fault)
            except RecordError as error:
                log.error("policy_audit_failed fault=%s", error)


def reload_of(
    settings: Settings,
    engine: Engine,
    telemetry: Telemetry,
    use: Use,
    *,
    origin: str,
    also: Callable[[], None] | None = None,
) -> PolicyReload:
    """Return the reload of a worker, and record that it starts. Call it inside the loop that will run it.

    `use` takes a compiled policy into use once its content is durable. `also`: as in `PolicyReload`.

    Raises:
        RecordError: the audit log of the settings cannot be continued.
    """
    place = settings.policy
    audit = None if place.audit_file is None else AuditLog(Path(place.audit_file), gethostname())
    if audit is not None:
        audit.started(engine.policy)
    last_good = None if place.last_good_file is None else Path(place.last_good_file)
    if last_good is not None:
        keep(last_good, engine.policy)
    return PolicyReload(
        lambda: read_policy(settings, origin=origin),
        lambda text: policy_of(text, approver_required=place.approver_required),
        lambda policy: load_lists(settings, policy),
        engine,
        telemetry,
        use=use,
        audit=audit,
        interval_s=place.watch_interval_s,
        last_good=last_good,
        also=also,
    )
