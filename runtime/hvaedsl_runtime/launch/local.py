"""Launch a run on this machine, in one process or in several."""

from __future__ import annotations

from hvaedsl.diagnostics.errors import DeviceNotFound, UsageError
from hvaedsl.diagnostics.numbers import counted
from hvaedsl.ir.run_options import DeviceName, check_against_cores
from hvaedsl.program import Program
from hvaedsl_runtime.distributed import choose_device
from hvaedsl_runtime.launch.hang import watching_itself
from hvaedsl_runtime.launch.task import RunTask
from hvaedsl_runtime.launch.way_on import stopped_by
from hvaedsl_runtime.rendezvous import launched_processes, started_by_launcher
from hvaedsl_runtime.train.interruption import StopSignal, harmless_signals, stop_signals_raised
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings
from hvaedsl_runtime.train.split import check_processes


def launch(program: Program, settings: RunSettings) -> None:
    """Train in `settings.gpus` processes, one per GPU, or all on the CPU if `settings.device` is cpu.

    A process that torchrun started joins torchrun's process group. Raises what `hvaedsl_runtime.train.loop.train`
    raises; if several processes fail, the error that came first, or ProcessLost in the others if torchrun started them;
    UsageError if torchrun started another number of processes than `settings.gpus`, unless that is 1, the default.
    """
    program.training()
    with harmless_signals():
        _launch(program, settings)


def _launch(program: Program, settings: RunSettings) -> None:
    if started_by_launcher():
        check_launcher(settings.gpus)
        train_here(program, settings)
        return
    if not settings.resume:  # an earlier version counted the images of a step for each process
        check_processes(program.spec, settings.gpus)
    if settings.gpus == 1:
        train_here(program, settings)
        return

    check_devices(settings.device, settings.gpus)
    # Imported only if there are several processes: one process needs none of it.
    from hvaedsl_runtime.launch.elastic import start_workers

    start_workers(RunTask.of(program, settings))


def train_here(program: Program, settings: RunSettings) -> None:
    """Train in this process. Raises Stopped, as the training does, for a signal before or after it."""
    try:
        with stop_signals_raised(), watching_itself(settings):
            train(program, settings)
    except StopSignal as stop:
        raise stopped_by(settings, stop.received) from None


def check_launcher(processes: int) -> None:
    """Raise UsageError if the launcher of this process started another number than were asked for."""
    started = launched_processes()
    if processes not in (1, started):
        raise UsageError(
            f"--gpus is {processes}, but the launcher (torchrun) started {counted(started, 'process', 'processes')}",
            help="remove --gpus, or run hvaedsl train --gpus N without torchrun: it starts its own processes",
        )


def check_devices(device: DeviceName | None, processes: int) -> None:
    """Raise DeviceNotFound unless there is an accelerator for each process, or `device` is cpu.

    Raises UsageError for far more processes on the CPU than cores.
    """
    chosen = choose_device(device)
    if chosen.type == "cpu" and device is not None:
        check_against_cores("--gpus", processes)
    if chosen.type != "cpu":
        choose_device(chosen.type, processes - 1)
    elif device is None and processes > 1:
        raise DeviceNotFound(
            f"found no GPU; {processes} were requested",
            help=f"--device cpu trains with {processes} processes on the CPU",
        )
