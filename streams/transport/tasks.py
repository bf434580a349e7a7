"""Services that crash when one of their tasks ends by a foreign cancellation."""

import asyncio
from collections.abc import Awaitable

from mode import Service


class TaskCancelledError(Exception):
    """Raised when a task of a service ends because something that it awaited was cancelled."""


class WatchedService(Service):
    """Crash when a task ends by a cancellation that was not meant for it.

    A task that awaits a cancelled future receives the cancellation as its own. mode then logs "Terminating cancelled
    task", and the service goes on without the task.
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
