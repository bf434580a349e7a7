"""When files that changed are whole: two looks in a row find the same."""


class Settled:
    """Compare what looks at files find. A file may be half written, so one look is not enough.

    What is found is a text that changes with the files.
    """

    def __init__(self) -> None:
        self._judged: str | None = None  # in use or refused; at first nothing, so that no change before it is missed
        self._found: str | None = None  # another one, found by the last look

    @property
    def is_waiting(self) -> bool:
        """Whether the last look found a change, which the next one must find again."""
        return self._found is not None

    def look(self, found: str) -> bool:
        """Take what a look found. Return whether to judge it now: it is new, and was the same at the last look."""
        if found == self._judged:
            self._found = None
        elif found != self._found:
            self._found = found
        else:
            self._found, self._judged = None, found
            return True
        return False

    def judge_again(self) -> None:
        """Forget what was judged, so that the same files are judged once more."""
        self._judged = None
