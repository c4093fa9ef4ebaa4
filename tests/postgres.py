"""A real PostgreSQL server for the tests, in a temporary folder, on a free port of the loopback interface."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

USER = "remora"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of an empty database whose user may do anything, such as make more databases."""
    binaries = _binaries()
    if binaries is None:
        _absent()
    folder = tempfile.TemporaryDirectory(prefix="remora-pg-", ignore_cleanup_errors=True)
    with folder as place, _server(binaries, Path(place)) as port:
        yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"


@contextmanager
def _server(binaries: Path, folder: Path) -> Iterator[int]:
    account = _account()
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    data, port = folder / "data", _free_port()
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
    _run(binaries / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
    _run(binaries / "pg_ctl", "-D", data, "-l", folder / "log", "-o", settings, "-w", "start")
    try:
        yield port
    finally:
        _run(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _binaries() -> Path | None:
    """The newest server installed: Debian keeps it out of PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: float(place.parent.name))
    found = [place for place in reversed(debian) if (place / "initdb").exists() and (place / "pg_ctl").exists()]
    in_path = shutil.which("initdb")
    return found[0] if found else Path(in_path).resolve().parent if in_path else None


def _absent() -> NoReturn:
    reason = "PostgreSQL is not installed: no initdb in PATH or /usr/lib/postgresql/*/bin (apt-get install postgresql)"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _account() -> pwd.struct_passwd | None:
    """Whom to run the server as: it refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")


def _run(program: Path, *arguments: str | Path) -> None:
    account = _account()
    other: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    with tempfile.TemporaryFile() as output:  # not a pipe: the server would hold it open
        done = subprocess.run([program, *arguments], cwd="/", stdout=output, stderr=output, check=False, **other)
        output.seek(0)
        assert done.returncode == 0, f"{program.name}: {output.read().decode()}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
