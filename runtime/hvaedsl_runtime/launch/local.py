"""Launch a run on this machine, in one process or in several."""

from __future__ import annotations

from hvaedsl.diagnostics.errors import DeviceNotFound
from hvaedsl.ir.run_options import DeviceName
from hvaedsl.program import Program
from hvaedsl_runtime.distributed import choose_device, started_by_launcher
from hvaedsl_runtime.launch.task import RunTask
from hvaedsl_runtime.train.loop import train
from hvaedsl_runtime.train.settings import RunSettings


def launch(program: Program, settings: RunSettings) -> None:
    """Train in `settings.gpus` processes, one per GPU, or all on the CPU if `settings.device` is cpu.

    A process that torchrun started joins torchrun's process group, and `settings.gpus` is ignored.
    Raises what `hvaedsl_runtime.train.loop.train` raises; if several processes fail, the error that came first.
    """
    program.training()
    if settings.gpus == 1 or started_by_launcher():
        train(program, settings)
        return

    check_devices(settings.device, settings.gpus)
    # Imported only if there are several processes: one process needs none of it.
    from hvaedsl_runtime.launch.elastic import start_workers

    start_workers(RunTask.of(program, settings))


def check_devices(device: DeviceName | None, processes: int) -> None:
    """Raise DeviceNotFound unless there is an accelerator for each process, or `device` is cpu."""
    chosen = choose_device(device)
    if chosen.type != "cpu":
        choose_device(chosen.type, processes - 1)
    elif device is None and processes > 1:
        raise DeviceNotFound(
            f"found no GPU; {processes} were requested",
            help=f"--device cpu trains with {processes} processes on the CPU",
        )
