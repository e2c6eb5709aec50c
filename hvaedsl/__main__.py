"""`python -m hvaedsl` and `torchrun -m hvaedsl`: the command line without the script `hvaedsl`."""

from __future__ import annotations

from hvaedsl.cli.hidden_modules import put_working_folder_last

if __name__ == "__main__":
    put_working_folder_last()

    from hvaedsl.cli.start import run

    run("python -m hvaedsl")
