"""The one family of exceptions that means "the user can mend this"."""

from collections.abc import Sequence


class RemoraError(Exception):
    """A mistake in data, settings or usage.

    Subclasses are defined next to the code that raises them. `problems` holds every problem found, one
    sentence each, naming the place and the remedy; doors print them without a traceback.
    """

    def __init__(self, *problems: str) -> None:
        self.problems: tuple[str, ...] = problems
        super().__init__("\n".join(problems))


def raise_all(kind: type[RemoraError], problems: Sequence[str]) -> None:
    """Raise `kind` with all `problems` at once; return when there are none."""
    if problems:
        raise kind(*problems)
