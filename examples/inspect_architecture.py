"""Vary an architecture without torch: how does weight sharing change depth and memory?

Run: python examples/inspect_architecture.py
"""

import hvaedsl


def main() -> None:
    """Print parameters, depth and memory of cifar_ws for several numbers of applications per block."""
    for times in (1, 2, 3, 6, 12):
        encoder = f"11*32r{times}, 32d2, 6*16r{times}, 16d2, 8x6, 8d2, 4x3, 4d4, 1x3"
        decoder = f"1x1, 4m1, 4x2, 8m4, 8x5, 16m8, 10*16r{times}, 32m16, 21*32r{times}"
        cost = hvaedsl.load("cifar_ws.hvae", sets={"model.encoder": encoder, "model.decoder": decoder}).cost
        gibibytes = cost.activation_bytes(16) / 2**30
        print(
            f"r{times:<2}  {cost.parameters:,} parameters  depth {cost.stochastic_depth:>3}  "
            f"{gibibytes:5.1f} GiB of activations at batch 16"
        )


if __name__ == "__main__":
    main()
