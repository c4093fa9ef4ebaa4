"""Who works at the command line, as the audit log names them."""

import getpass
import os


def operator() -> str:
    """ "cli:" and the account's name, or its number where it has none."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):
        return f"cli:{os.getuid()}"
