"""Where the processes of a run meet, as their launcher says it in the environment."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from torch.distributed import DistError, PrefixStore, Store, TCPStore  # type: ignore[attr-defined]  # public, not in __all__

from hvaedsl.diagnostics.errors import UsageError

# How long a process waits for the others at the start, and after how long it says so.
MEETING_LIMIT = timedelta(minutes=10)
SILENT_SECONDS = 5.0
# How long the name of a host may be unknown, which it is while a cluster starts the machine.
NAME_SECONDS = 10.0
# How long a server that accepts connections has until it must have answered as torch's does.
ANSWER_SECONDS = 30.0
POLL_SECONDS = 0.1

START_AGAIN = "start the processes with torchrun -m hvaedsl, or unset RANK and WORLD_SIZE to train in one process"
# The values of a process that is alone; a launcher that forgets the other variable does no harm then.
ALONE = {"RANK": "0", "WORLD_SIZE": "1"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launcher:
    """What a launcher says in the environment of each process that it starts, in the variables that torchrun sets.

    The processes meet at `host`:`port`, where the one of rank 0 listens, or the launcher itself (`listens`).
    `local_rank` is the process's number on its machine, if it is known; `attempt` is how often they were restarted.
    """

    rank: int
    world_size: int
    local_rank: int | None
    host: str
    port: int
    listens: bool = False
    attempt: int = 0

    @classmethod
    def of_environment(cls) -> Self:
        """Read the variables. Raises UsageError if one is missing, no number, or out of range."""
        world_size = launched_processes()
        rank = _number("RANK", 0, world_size - 1, f"; WORLD_SIZE is {world_size}")
        local_rank = _number("LOCAL_RANK", 0, world_size - 1) if os.environ.get("LOCAL_RANK") else None

        if missing := [variable for variable in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(variable)]:
            raise UsageError(
                f"RANK and WORLD_SIZE are set, as a launcher sets them, but not {' and '.join(missing)}",
                help=START_AGAIN,
            )
        place = os.environ["MASTER_ADDR"], _number("MASTER_PORT", 1, 65535)
        listens = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        attempt = _number("TORCHELASTIC_RESTART_COUNT", 0) if os.environ.get("TORCHELASTIC_RESTART_COUNT") else 0
        return cls(rank, world_size, local_rank, *place, listens, attempt)

    @property
    def place(self) -> str:
        """Where the processes meet."""
        return f"{self.host}:{self.port}"


def started_by_launcher() -> bool:
    """Whether torchrun, or a launcher with its environment variables, started this process.

    Raises UsageError if only one of RANK and WORLD_SIZE is set, to a value of several processes: each of them would
    train alone.
    """
    given = {variable: os.environ.get(variable) for variable in ("RANK", "WORLD_SIZE")}
    if all(given.values()):
        return True
    for (variable, value), other in zip(given.items(), reversed(given), strict=True):
        if value and value != ALONE[variable]:
            raise UsageError(
                f"{variable} is {value}, as a launcher sets it, but {other} is not set",
                help=f"{START_AGAIN}; with srun, set RANK, WORLD_SIZE and LOCAL_RANK to SLURM_PROCID, SLURM_NTASKS and "
                "SLURM_LOCALID",
            )
    return False


def was_restarted() -> bool:
    """Whether torchrun started this process again, after a process of the run had failed."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") not in ("", "0")


def launched_processes() -> int:
    """The number of processes that the launcher started. Raises UsageError if WORLD_SIZE is not a number above 0."""
    return _number("WORLD_SIZE", 1)


def _number(variable: str, lowest: int, highest: int | None = None, why: str = "") -> int:
    """The whole number in an environment variable. Raises UsageError for another value."""
    written = os.environ[variable]
    if written.strip().isdecimal() and int(written) >= lowest and (highest is None or int(written) <= highest):
        return int(written)
    allowed = f"{lowest} or more" if highest is None else f"{lowest} to {highest}" if highest > lowest else str(lowest)
    raise UsageError(
        f"the environment variable {variable} is {written}; it must be a whole number, {allowed}{why}",
        help=START_AGAIN,
    )


def meet(launcher: Launcher) -> Store:
    """Wait until all processes of a run are there, and return the store through which they connect.

    Raises UsageError, within MEETING_LIMIT, if they are not, and earlier if they cannot be.
    """
    until = time.monotonic() + MEETING_LIMIT.total_seconds()
    _check_host(launcher)
    if launcher.rank > 0:
        first = f"the process with RANK 0 at {launcher.place}"
        _wait(lambda: "" if _listens(launcher) else first, until)

    try:
        store = _opened_store(launcher)
        if launcher.listens:
            # torchrun has started all processes, and keeps its store when it restarts them: what those before have left
            # must not be found.
            return PrefixStore(f"attempt {launcher.attempt}", store)
        if store.add(f"rank {launcher.rank}", 1) > 1:
            raise UsageError(
                f"several processes have RANK {launcher.rank}", help="number them from 0 to WORLD_SIZE - 1, each once"
            )
        present = store.add("present", 1)

        def missing() -> str:
            left = launcher.world_size - store.add("present", 0)
            plural = "" if left == 1 else "es"
            return f"{left} more process{plural} of {launcher.world_size} at {launcher.place}" if left > 0 else ""

        if present < launcher.world_size:
            _wait(missing, until)
    except DistError as error:
        raise UsageError(
            f"the processes did not meet at {launcher.place} (MASTER_ADDR, MASTER_PORT): {str(error).splitlines()[0]}",
            help=f"see the output of the process with RANK 0; {START_AGAIN}",
        ) from error
    return store


def _check_host(launcher: Launcher) -> None:
    """Raise UsageError if the name of the host where the processes meet is unknown."""
    until = time.monotonic() + NAME_SECONDS
    while True:
        try:
            socket.getaddrinfo(launcher.host, launcher.port, type=socket.SOCK_STREAM)
            return
        except (OSError, UnicodeError) as error:
            if time.monotonic() > until:
                reason = getattr(error, "strerror", None) or str(error)
                raise UsageError(
                    f"the environment variable MASTER_ADDR is {launcher.host}; this host cannot be found: {reason}",
                    help="set it to the name or address of the machine of the process with RANK 0",
                ) from error
            time.sleep(POLL_SECONDS)


def _listens(launcher: Launcher) -> bool:
    """Whether a process listens where the processes meet."""
    try:
        socket.create_connection((launcher.host, launcher.port), timeout=ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def _opened_store(launcher: Launcher) -> Store:
    """The store, which is in the process of rank 0. Raises UsageError, or DistError as torch does."""
    result: list[Store | Exception] = []

    def open_store() -> None:
        try:
            result.append(
                TCPStore(
                    launcher.host,
                    launcher.port,
                    launcher.world_size,
                    is_master=launcher.rank == 0 and not launcher.listens,
                    timeout=MEETING_LIMIT,
                    wait_for_workers=False,
                )
            )
        except Exception as error:
            result.append(error)

    # In a thread, because torch waits for a server that says nothing without end, and handles no Ctrl-C meanwhile.
    thread = threading.Thread(target=open_store, daemon=True)
    thread.start()
    until = time.monotonic() + ANSWER_SECONDS
    while thread.is_alive() and time.monotonic() < until:
        thread.join(POLL_SECONDS)

    match result:
        case [Store() as store]:
            return store
        case [Exception() as error] if "EADDRINUSE" in str(error):
            raise UsageError(
                f"the environment variable MASTER_PORT is {launcher.port}, and another process listens there",
                help="set it to a free port, the same for all processes; only one of them may have RANK 0",
            ) from error
        case [Exception() as error]:
            raise error
    problem = "cannot be reached, not even from here" if launcher.rank == 0 else "does not answer as hvaedsl does"
    raise UsageError(
        f"the process with RANK 0 {problem} at {launcher.place} (MASTER_ADDR, MASTER_PORT)",
        help="set MASTER_ADDR to the name or address of its machine, and MASTER_PORT to a free port there",
    )


def _wait(missing: Callable[[], str], until: float) -> None:
    """Wait until `missing` returns nothing. Raises UsageError, with what it returned, after `until`."""
    say_at: float | None = time.monotonic() + SILENT_SECONDS
    minutes = MEETING_LIMIT.total_seconds() / 60
    while what := missing():
        now = time.monotonic()
        if now > until:
            raise UsageError(f"waited {minutes:g} minute{'s' * (minutes != 1)} for {what}", help=START_AGAIN)
        if say_at is not None and now > say_at:
            logger.warning("waiting for %s, %g minutes at most", what, minutes)
            say_at = None
        time.sleep(POLL_SECONDS)
