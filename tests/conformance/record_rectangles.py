"""Records vectors of images that are not square from the published code, in the form of the other vectors.

    python -m tests.conformance.record_rectangles FOLDER     # that of openai/vdvae, with vae.py and vae_helpers.py

The published code is square in two places: its learned states, which are replaced here after the construction, and the
zeros that a decoder starts from above `bias_up_to` when it samples, so that every resolution here has a learned state.
"""

from __future__ import annotations

import json
import math
import sys
from importlib import import_module
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from tests.conformance.test_vectors import parameter, wave

CONFIGS: dict[str, dict[str, Any]] = {
    "wide": {
        "image_size": [12, 20],
        "encoder": "12x2,12d2,6x1,6d2,3x1",
        "decoder": "3x2,6m3,6x1,12m6,12x1",
    },
    "tall": {
        "image_size": [32, 16],
        "widths": "4:24,2:24",
        "encoder": "32x1,32d2,16x1,16d2,8d2,4x1,4d2,2x1",
        "decoder": "2x1,4m2,4x1,8m4,16m8,16x1,32m16",
    },
    "no_power_of_two": {
        "image_size": [18, 30],
        "encoder": "18r2,18d3,6r3,6d2,3x1",
        "decoder": "3r2,6m3,6r2,18m6,18x1",
    },
}
COMMON = {"width": 16, "latent": 4, "bottleneck": 0.25, "bias_up_to": 64, "mixtures": 10, "batch": 2}
GRADIENTS = ("encoder.in_conv.weight", "decoder.bias_xs.0", "decoder.gain", "decoder.out_net.out_conv.weight")


def main(folder: Path) -> None:
    torch.set_default_dtype(torch.float64)  # the published code pads with zeros of the default type
    sys.path.insert(0, str(folder))
    vae, vae_helpers = import_module("vae"), import_module("vae_helpers")
    noise = count()

    def drawn(mean: Tensor, log_sigma: Tensor) -> Tensor:
        return torch.exp(log_sigma) * wave(tuple(mean.shape), next(noise)) + mean

    vars(vae)["draw_gaussian_diag_samples"] = drawn
    for name, chosen in CONFIGS.items():
        config = {"name": name, **chosen, **COMMON}
        (height, width), batch = config["image_size"], config["batch"]
        model = published_model(vae, config)
        for key, tensor in model.named_parameters():
            tensor.data = parameter(key, tuple(tensor.shape))

        x = wave((batch, height, width, 3), 100)
        pixels = (127.5 * (wave((batch, height, width, 3), 200) / math.sqrt(2) + 1)).floor().clamp(0, 255)
        target = (pixels - 127.5) / 127.5
        noise = count()
        activations = model.encoder.forward(x)
        state, stats = model.decoder.forward(activations)
        kls = torch.stack([item["kl"].sum(dim=(1, 2, 3)) for item in stats])
        distortion = vae_helpers.discretized_mix_logistic_loss(
            x=target, l=model.decoder.out_net.forward(state), low_bit=False
        )
        rate = kls.sum(dim=0) / math.prod(target.shape[1:])
        elbo = (distortion + rate).mean()
        elbo.backward()

        noise = count()
        prior = model.decoder.forward_uncond(batch, t=0.7)
        parameters = dict(model.named_parameters())
        gradients = {key: tensor.grad for key, tensor in parameters.items() if tensor.grad is not None}
        vector = {
            "config": config,
            "parameters": sum(tensor.numel() for tensor in parameters.values()),
            "parameter_names": list(parameters),
            "stochastic_depth": len(stats),
            "expected": {
                "elbo": elbo.item(),
                "distortion": distortion.mean().item(),
                "rate": rate.mean().item(),
                "kl_per_layer": kls.mean(dim=1).tolist(),
                "encoder": {str(at): mean_and_std(found) for at, found in activations.items() if at in read(config)},
                "px_z": mean_and_std(state),
                "prior_px_z_t0.7": mean_and_std(prior),
                "grad_norm": torch.sqrt(sum(found.square().sum() for found in gradients.values())).item(),
                "grad_norm_of": {key: gradients[key].norm().item() for key in GRADIENTS},
            },
        }
        path = Path(__file__).parent / "vectors" / f"rectangle_{name}.json"
        path.write_text(json.dumps(vector, indent=1) + "\n")


def published_model(vae: Any, config: dict[str, Any]) -> Any:
    """The published model, with learned states of the images' ratio, and one module for all positions of an `r`."""
    height, width = config["image_size"]
    encoder, encoder_groups = expanded(config["encoder"])
    decoder, decoder_groups = expanded(config["decoder"])
    options = SimpleNamespace(
        image_size=height,
        image_channels=3,
        width=config["width"],
        zdim=config["latent"],
        custom_width_str=config.get("widths", ""),
        bottleneck_multiple=config["bottleneck"],
        no_bias_above=config["bias_up_to"],
        num_mixtures=config["mixtures"],
        low_bit=False,
        enc_blocks=encoder,
        dec_blocks=decoder,
    )
    model = vae.VAE(options)
    shapes = [(1, state.shape[1], state.shape[2], state.shape[2] * width // height) for state in model.decoder.bias_xs]
    model.decoder.bias_xs = nn.ParameterList([nn.Parameter(torch.zeros(shape)) for shape in shapes])
    for blocks, groups in ((model.encoder.enc_blocks, encoder_groups), (model.decoder.dec_blocks, decoder_groups)):
        for at, group in enumerate(groups):
            blocks[at] = blocks[groups.index(group)]
    return model.double()


def expanded(blocks: str) -> tuple[str, list[int]]:
    """A block list without `r`, and the group of weights of each block."""
    entries: list[str] = []
    groups: list[int] = []
    for entry in blocks.split(","):
        resolution, shared, times = entry.partition("r")
        if shared:
            groups += [len(groups)] * int(times)
            entries += [resolution] * int(times)
            continue
        resolution, several, count = entry.partition("x")
        for _ in range(int(count) if several else 1):
            groups.append(len(groups))
            entries.append(resolution if several else entry)
    return ",".join(entries), groups


def read(config: dict[str, Any]) -> set[int]:
    """The resolutions of the decoder, whose blocks read the encoder."""
    return {int(entry.replace("m", "x").replace("r", "x").split("x")[0]) for entry in config["decoder"].split(",")}


def mean_and_std(found: Tensor) -> list[float]:
    return [found.mean().item(), found.std(unbiased=False).item()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
