"""Services whose tasks do not end in silence."""

import asyncio
from collections.abc import Awaitable

from mode import Service


class TaskCancelledError(Exception):
    """Raised where a task of a service was ended by the cancellation of something that it waited for."""


class WatchedService(Service):
    """Crash when a task ends by a cancellation that was not meant for it.

    A task that awaits a future or a task which somebody cancels receives the cancellation as its own. mode logs
    "Terminating cancelled task" and lets the service go on without the task.
    """

    async def _execute_task(self, task: Awaitable[None]) -> None:
        """Run a task. Extends Service._execute_task, which crashes the service with what is raised here."""
        await super()._execute_task(self._watch(task))

    async def _watch(self, task: Awaitable[None]) -> None:
        try:
            await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self.should_stop or (current is not None and current.cancelling()):
                raise
            raise TaskCancelledError(f"{self.label}: what a task waited for was cancelled") from None
