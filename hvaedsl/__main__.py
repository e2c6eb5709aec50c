"""`python -m hvaedsl` and `torchrun -m hvaedsl`: the command line without the script `hvaedsl`."""

from __future__ import annotations

from hvaedsl.cli.hidden_modules import leave_working_folder

if __name__ == "__main__":
    leave_working_folder()

    from hvaedsl.cli.start import run

    run("python -m hvaedsl")
