"""Every family of user errors and what a door answers to it: an exit code and an HTTP status, said once."""

from pathlib import Path

from features.errors import RemoraError
from features.settings import Action
from models.action import is_priced


class NoFolderError(RemoraError):
    """A file is to be written where there is no folder."""


def require_folder(file: Path) -> None:
    """Raise NoFolderError when `file` cannot be written for want of a folder."""
    if not file.parent.is_dir():
        raise NoFolderError(f"--out {file}: there is no folder {file.parent}; make it, or name another file")


class RequestError(RemoraError):
    """A request that cannot be answered. `fields` says where each of `problems` lies (empty: the request itself)."""

    def __init__(self, *problems: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(*problems)
        self.fields = fields or ("",) * len(problems)


class InvalidRequestError(RequestError):
    """A field is missing, unknown, or has a value it cannot have."""


def require_price(action: Action, name: str) -> None:
    """Raise InvalidRequestError where `name` asks what acting earns and `[action]` has no price.

    An empty list would read as if nobody were worth it.
    """
    if not is_priced(action):
        raise InvalidRequestError(
            f"{name}: acting has no price; set [action] cost and success_rate in remora.toml, then score again",
            fields=(name,),
        )


class UnknownCustomerError(RequestError):
    """A customer who was never scored."""


class BodyTooLargeError(RequestError):
    """A body beyond the limit."""


class NotJsonError(RequestError):
    """A body of another type than application/json."""


class NotReadyError(RequestError):
    """There is no model to answer with, yet."""


EXIT_AND_STATUS: tuple[tuple[type[RemoraError], int, int], ...] = (
    (InvalidRequestError, 2, 400),
    (UnknownCustomerError, 2, 404),
    (BodyTooLargeError, 2, 413),
    (NotJsonError, 2, 415),
    (NotReadyError, 2, 503),
    (RemoraError, 2, 503),  # not the caller's doing: a store, bundle or setting that the operator has to mend
)
"""(family, exit code, HTTP status): the first family that an error belongs to counts."""


def exit_code(error: RemoraError) -> int:
    """What a command exits with.

    >>> exit_code(RemoraError("table customers: column customer_id is missing"))
    2
    """
    return next(code for family, code, _ in EXIT_AND_STATUS if isinstance(error, family))


def http_status(error: RemoraError) -> int:
    """What the API answers with.

    >>> http_status(UnknownCustomerError("customer 7 was never scored"))
    404
    """
    return next(status for family, _, status in EXIT_AND_STATUS if isinstance(error, family))
