"""Who works at the command line, and what they did, as the audit log has it."""

import getpass
import os
from typing import TYPE_CHECKING

from features.errors import RemoraError

if TYPE_CHECKING:
    from serving.access.chain import Detail
    from serving.home import Home


def operator() -> str:
    """ "cli:" and the account's name, or its number where it has none."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):
        return f"cli:{os.getuid()}"


def note_done(home: "Home", action: str, detail: "Detail") -> str | None:
    """Enter in the audit log what the operator has done already; why that could not be, where it could not."""
    from serving.access.audit import AuditLog, Entry
    from serving.store import open_store

    try:
        with open_store(home.store) as store:
            AuditLog(store.engine).record(Entry(operator(), action, detail=detail))
    except RemoraError as error:
        return str(error)
    return None
