"""Every family of user errors and what a door answers to it: an exit code and an HTTP status, said once."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from features.errors import RemoraError

if TYPE_CHECKING:
    from features.settings import Action


class NoFolderError(RemoraError):
    """A file is to be written where there is no folder."""


def require_folder(file: Path) -> None:
    """Raise NoFolderError when `file` cannot be written for want of a folder."""
    if not file.parent.is_dir():
        raise NoFolderError(f"--out {file}: there is no folder {file.parent}; make it, or name another file")


class RequestError(RemoraError):
    """A request that cannot be answered. `fields` says where each of `problems` lies (empty: the request itself).

    Every family has an HTTP status and a name that is stable, for programs to go by.
    """

    status: ClassVar[int] = 400
    kind: ClassVar[str] = "invalid-request"
    retry_after: float | None = None
    """Seconds after which asking again makes sense."""

    def __init__(self, *problems: str, fields: tuple[str, ...] = (), retry_after: float | None = None) -> None:
        super().__init__(*problems)
        self.fields = fields or ("",) * len(problems)
        self.retry_after = retry_after


class InvalidRequestError(RequestError):
    """A field is missing, unknown, or has a value it cannot have."""


def require_price(action: "Action", name: str) -> None:
    """Raise InvalidRequestError where `name` asks what acting earns and `[action]` has no price.

    An empty list would read as if nobody were worth it.
    """
    from models.action import is_priced  # late: every command imports this module

    if not is_priced(action):
        raise InvalidRequestError(
            f"{name}: acting has no price; set [action] cost and success_rate in remora.toml, then score again",
            fields=(name,),
        )


class UnknownCustomerError(RequestError):
    """A customer who was never scored."""

    status = 404
    kind = "unknown-customer"


class BodyTooLargeError(RequestError):
    """A body beyond the limit."""

    status = 413
    kind = "body-too-large"


class NotJsonError(RequestError):
    """A body of another type than application/json."""

    status = 415
    kind = "not-json"


class NotReadyError(RequestError):
    """There is no model to answer with, yet."""

    status = 503
    kind = "not-ready"


class TooSlowError(RequestError):
    """A body that did not arrive in time."""

    status = 408
    kind = "too-slow"


class ForbiddenError(RequestError):
    """The caller is known, and may not do this."""

    status = 403
    kind = "forbidden"


class MisdirectedError(RequestError):
    """A request that names another host than this service."""

    status = 421
    kind = "misdirected"


class BusyError(RequestError):
    """More is asked than can be answered now."""

    status = 429
    kind = "busy"


EXIT_CODE: Final = 2
"""What a command exits with when a user can mend what is wrong."""


def exit_code(error: RemoraError) -> int:
    """What a command exits with.

    >>> exit_code(RemoraError("table customers: column customer_id is missing"))
    2
    """
    return EXIT_CODE


def http_status(error: RemoraError) -> int:
    """What the API answers with; 503 for what is not the caller's doing: a store or setting the operator has to mend.

    >>> http_status(UnknownCustomerError("customer 7 was never scored")), http_status(RemoraError("store: locked"))
    (404, 503)
    """
    return error.status if isinstance(error, RequestError) else 503


def problem_kind(error: RemoraError) -> str:
    """The stable name of what is wrong."""
    return error.kind if isinstance(error, RequestError) else "unavailable"
