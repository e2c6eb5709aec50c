"""Where the processes of a run meet: wrong variables, and processes that are not there, are one error in seconds."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # public, not in __all__

from hvaedsl import Program
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl_runtime import rendezvous
from hvaedsl_runtime.distributed import process_group
from hvaedsl_runtime.launch.local import launch
from hvaedsl_runtime.rendezvous import Launcher, meet, started_by_launcher
from hvaedsl_runtime.train.settings import RunSettings

Environment = Callable[..., None]
RIGHT = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    def set_to(**variables: str) -> None:
        for name in (*RIGHT, "TORCHELASTIC_USE_AGENT_STORE", "TORCHELASTIC_RESTART_COUNT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_to


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "MEETING_LIMIT", timedelta(seconds=3))
    for name in ("SILENT_SECONDS", "NAME_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(rendezvous, name, 0.3)


def at(port: int, rank: int, world_size: int = 2, host: str = "127.0.0.1") -> Launcher:
    return Launcher(rank, world_size, None, host, port)


def test_the_variables_of_a_launcher_are_read(environment: Environment) -> None:
    environment(**RIGHT)
    assert started_by_launcher()
    assert Launcher.of_environment() == Launcher(1, 2, 1, "localhost", 29500)
    environment(**RIGHT | {"LOCAL_RANK": ""})
    assert Launcher.of_environment().local_rank is None


def test_processes_that_torchrun_restarts_do_not_find_what_those_before_have_left(
    environment: Environment, port: int
) -> None:
    agent = TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False)
    found = []
    for attempt in range(2):
        restarted = {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": str(attempt)}
        environment(**RIGHT | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} | restarted)
        store = meet(Launcher.of_environment())
        found.append(store.add("address of rank 0", 1))
    assert found == [1, 1]
    assert agent.num_keys() > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"RANK": "2"}, "RANK is 2; it must be a whole number, 0 to 1; WORLD_SIZE is 2"),
        ({"RANK": "-1"}, "RANK is -1; it must be a whole number, 0 to 1; WORLD_SIZE is 2"),
        ({"RANK": "one"}, "RANK is one; it must be a whole number, 0 to 1"),
        ({"RANK": "1", "WORLD_SIZE": "1"}, "RANK is 1; it must be a whole number, 0; WORLD_SIZE is 1"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is two; it must be a whole number, 1 or more"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is 0; it must be a whole number, 1 or more"),
        ({"LOCAL_RANK": "x"}, "LOCAL_RANK is x; it must be a whole number, 0 to 1"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT is http; it must be a whole number, 1 to 65535"),
        ({"MASTER_PORT": "65536"}, "MASTER_PORT is 65536; it must be a whole number, 1 to 65535"),
        ({"MASTER_ADDR": "", "MASTER_PORT": ""}, "but not MASTER_ADDR and MASTER_PORT"),
    ],
)
def test_a_wrong_variable_is_named(
    environment: Environment, tmp_path: Path, compiled: Callable[..., Program], wrong: dict[str, str], message: str
) -> None:
    environment(**RIGHT | wrong)
    with pytest.raises(UsageError) as caught:
        launch(compiled(), RunSettings(out=tmp_path / "run", device="cpu"))
    assert message in str(caught.value)
    assert "torchrun" in caught.value.help
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("given", [{"RANK": "1"}, {"WORLD_SIZE": "2"}])
def test_one_variable_of_two_is_an_error(environment: Environment, given: dict[str, str]) -> None:
    environment(**given)
    with pytest.raises(UsageError, match=r", as a launcher sets it, but (RANK|WORLD_SIZE) is not set"):
        started_by_launcher()


def test_variables_of_a_process_alone_do_no_harm(environment: Environment) -> None:
    for given in ({"RANK": "0"}, {"WORLD_SIZE": "1"}, {"RANK": "", "WORLD_SIZE": ""}):
        environment(**given)
        assert not started_by_launcher()


def test_processes_meet(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor() as pool:
        later = pool.submit(meet, at(port, 1))  # it waits for the first process to listen
        time.sleep(0.2)
        first, second = meet(at(port, 0)), later.result()
    second.set("key", "value")
    assert first.get("key") == b"value"
    assert caplog.text == ""


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("rank", "missing"), [(0, "1 more process of 2 at "), (1, "the process with RANK 0 at ")])
def test_processes_that_do_not_come_are_named(
    port: int, caplog: pytest.LogCaptureFixture, rank: int, missing: str
) -> None:
    with pytest.raises(UsageError, match=f"waited 0.05 minutes for {missing}127.0.0.1:{port}") as caught:
        meet(at(port, rank))
    assert "unset RANK and WORLD_SIZE" in caught.value.help
    assert f"waiting for {missing}127.0.0.1:{port}, 0.05 minutes at most" in caplog.text
    assert caplog.text.count("waiting for") == 1


def test_a_rank_that_two_processes_have_is_an_error(port: int) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(meet, at(port, 0, 3))
        second = pool.submit(meet, at(port, 1, 3))
        time.sleep(0.5)
        with pytest.raises(UsageError, match="several processes have RANK 1"):
            meet(at(port, 1, 3))
        meet(at(port, 2, 3))
        first.result()
        second.result()


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.mark.usefixtures("impatient")
def test_a_port_of_another_process_is_an_error(silent_server: int) -> None:
    with pytest.raises(UsageError, match=f"MASTER_PORT is {silent_server}, and another process listens there"):
        meet(at(silent_server, 0))
    with pytest.raises(UsageError, match="the process with RANK 0 does not answer as hvaedsl does at "):
        meet(at(silent_server, 1))


@pytest.mark.usefixtures("impatient")
def test_a_host_that_is_not_found_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(UsageError, match="MASTER_ADDR is node7; this host cannot be found: Name or service") as caught:
        meet(at(29500, 1, host="node7"))
    assert "RANK 0" in caught.value.help


def test_processes_that_may_choose_among_devices_are_told_to_say_which(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(**RIGHT | {"LOCAL_RANK": ""})
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr("torch.accelerator.device_count", lambda: 2)
    with pytest.raises(UsageError, match="but not LOCAL_RANK: which of the 2 cuda devices"), process_group(None):
        pass
