"""The published code of VDVAE (openai/vdvae), imported from a checkout of the user, with the form of a compiled model.

Nothing of it is changed on the disk. Its imports of apex, of MPI, and of what reads data and writes pictures are
replaced while it is imported; a shared block is one module in all its positions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast
from unittest import mock

import torch
from torch import Tensor, nn

from hvaedsl import Program
from hvaedsl.ir.bridge import EncoderBlock, MixIn, Pool, State, TopDownBlock
from hvaedsl.lowering.names import published_names
from hvaedsl_runtime.data import Preparation

# A step on images, uint8 [B, H, W, C]: the loss in nats per dimension.
Step = Callable[[Tensor], float]
NEVER = -1  # the published threshold above which no update is skipped


class PublishedCode:
    """The modules of a checkout. Raises FileNotFoundError if it lacks one."""

    def __init__(self, checkout: Path) -> None:
        for name in ("vae.py", "train.py", "hps.py", "utils.py"):
            if not (checkout / name).is_file():
                raise FileNotFoundError(f"{checkout / name}: a checkout of openai/vdvae has this file")
        with mock.patch.dict(sys.modules, _replacements()), _searched_first(checkout):
            import train  # type: ignore[import-not-found]  # of the checkout
            import vae  # type: ignore[import-not-found]  # of the checkout
            from hps import Hyperparams  # type: ignore[import-not-found]  # of the checkout
        self.train, self.vae, self.hyperparams = train, vae, Hyperparams

    def model(self, program: Program, weights: Mapping[str, Tensor]) -> nn.Module:
        """The published model of a program, with the weights of a compiled one. Raises ValueError if it has no such."""
        made: nn.Module = self.vae.VAE(self.settings(program))
        _share(made, program)
        names = published_names(program.bridge)
        made.load_state_dict({name: weights[ours] for ours, found in names.items() for name in found})
        return made.to(next(iter(weights.values())).dtype)

    def settings(self, program: Program) -> Any:
        """The hyperparameters of a program, by the published names."""
        bridge, likelihood, training = program.bridge, program.spec.model.likelihood, program.training()
        if not published_names(bridge) or likelihood.name != "mixture_of_logistics":
            raise ValueError("the published code has no model of this form")
        encoder, decoder = block_strings(program)
        blocks = [op for op in bridge.operations if isinstance(op, EncoderBlock | TopDownBlock)]
        learned = [op.resolution for op in bridge.operations if isinstance(op, State) and op.learned]
        return self.hyperparams(
            enc_blocks=encoder,
            dec_blocks=decoder,
            width=bridge.head.channels,
            custom_width_str=",".join(f"{op.resolution}:{op.channels}" for op in blocks),
            bottleneck_multiple=blocks[0].mid / blocks[0].channels,
            zdim=next(op.latent for op in blocks if isinstance(op, TopDownBlock)),
            image_size=bridge.image_resolution,
            image_channels=bridge.image_channels,
            num_mixtures=likelihood.mixtures,
            no_bias_above=max(learned, default=0),
            dataset="ffhq_256" if likelihood.bits else program.spec.data.dataset,
            grad_clip=math.inf if training.clip_norm is None else training.clip_norm,
            skip_threshold=NEVER,
            lr=training.learning_rate,
            wd=training.weight_decay,
            adam_beta1=training.betas[0],
            adam_beta2=training.betas[1],
            warmup_iters=1,
            ema_rate=torch.as_tensor(training.ema_decay),
        )

    def training_step(self, model: nn.Module, program: Program, preparation: Preparation, *, fused: bool) -> Step:
        """A whole step: inputs from images, the published `training_step`, and the schedule.

        The published optimizer is apex's kernel for GPUs; here it is torch's AdamW of the same update, in torch's
        default form or in its fused kernel.
        """
        settings, average = self.settings(program), deepcopy(model).requires_grad_(False)
        optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=settings.lr,
            weight_decay=settings.wd,
            betas=(settings.adam_beta1, settings.adam_beta2),
            fused=fused or None,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)

        def step(images: Tensor) -> float:
            with _on(images.device):
                x, target = inputs(images, preparation)
                found = self.train.training_step(settings, x, target, model, average, optimizer, 0)
            schedule.step()
            return float(found["elbo"])

        return step

    def evaluation_step(self, model: nn.Module, preparation: Preparation) -> Step:
        """The published `eval_step` on images."""

        def step(images: Tensor) -> float:
            with _on(images.device):
                found = self.train.eval_step(*inputs(images, preparation), model)
            return float(found["elbo"])

        return step

    @contextmanager
    def given_noise(self, noise: Callable[[int, tuple[int, ...]], Tensor]) -> Iterator[None]:
        """Let the model draw these normals, by the number of the layer and their shape."""
        drawn = 0

        def sample(mean: Tensor, log_sigma: Tensor) -> Tensor:
            nonlocal drawn
            found = log_sigma.exp() * noise(drawn, tuple(mean.shape)) + mean
            drawn += 1
            return found

        with mock.patch.object(self.vae, "draw_gaussian_diag_samples", sample):
            yield


def inputs(images: Tensor, preparation: Preparation) -> tuple[Tensor, Tensor]:
    """Inputs and targets of images, uint8 [B, H, W, C], with the operations of the published code."""
    x = images.float()
    target = x.clone()
    x.add_(preparation.shift).mul_(preparation.scale)
    if preparation.bits is not None:
        target.mul_(1 / 8).floor_().mul_(8)
    target.add_(-127.5).mul_(1 / 127.5)
    return x, target


def block_strings(program: Program) -> tuple[str, str]:
    """The block strings of encoder and decoder in the published notation, which has no shared blocks."""
    encoder, decoder = [], []
    ops = [op for op in program.bridge.operations if isinstance(op, EncoderBlock | TopDownBlock | Pool | MixIn)]
    for before, op, after in zip([None, *ops], ops, [*ops[1:], None], strict=False):
        if isinstance(op, EncoderBlock):
            encoder.append(f"{op.resolution}d{after.factor}" if isinstance(after, Pool) else f"{op.resolution}x1")
        elif isinstance(op, TopDownBlock):
            decoder.append(f"{op.resolution}m{before.source}" if isinstance(before, MixIn) else f"{op.resolution}x1")
    return ",".join(encoder), ",".join(decoder)


def _share(model: nn.Module, program: Program) -> None:
    """Let the module of the first application be in all positions of its weight group."""
    for path, kind in (("encoder.enc_blocks", EncoderBlock), ("decoder.dec_blocks", TopDownBlock)):
        blocks = cast(nn.ModuleList, model.get_submodule(path))
        ops = [op for op in program.bridge.operations if isinstance(op, kind)]
        firsts: dict[str, nn.Module] = {}
        for position, op in enumerate(ops):
            first = firsts.setdefault(op.group, blocks[position])
            blocks[position] = _with_place(first, blocks[position])


def _with_place(first: nn.Module, here: nn.Module) -> nn.Module:
    """The module of a group's first application, for another position: its weights, with what the position adds.

    The published blocks hold the pooling and the mix-in of their position beside their weights.
    """
    same = all(getattr(first, name, None) == getattr(here, name, None) for name in ("down_rate", "mixin"))
    if first is here or same:
        return first
    for name, _ in here.named_children():
        setattr(here, name, getattr(first, name))
    return here


def _replacements() -> dict[str, ModuleType]:
    """What replaces the imports that are not needed for a step of one process."""
    one = SimpleNamespace(Get_size=lambda: 1, Get_rank=lambda: 0)
    contents: dict[str, dict[str, Any]] = {
        "mpi4py": {"MPI": SimpleNamespace(COMM_WORLD=one)},
        "apex": {},
        "apex.optimizers": {"FusedAdam": torch.optim.AdamW},
        "imageio": {},
        "data": {"set_up_data": None, "mkdir_p": None},
    }
    made = {name: ModuleType(name) for name in contents}
    for name, values in contents.items():
        vars(made[name]).update(values)
    return made


@contextmanager
def _searched_first(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def _on(device: torch.device) -> Iterator[None]:
    """Let `cuda()`, which the published code calls on its results, leave them on the CPU if the images are there."""
    if device.type == "cuda":
        yield
    else:
        with mock.patch.object(Tensor, "cuda", lambda tensor, *_, **__: tensor):
            yield
