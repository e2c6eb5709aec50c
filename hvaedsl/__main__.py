"""`python -m hvaedsl` and `torchrun -m hvaedsl`: the command line without the script `hvaedsl`."""

from __future__ import annotations

from hvaedsl.cli.main import run

if __name__ == "__main__":
    run("python -m hvaedsl")
