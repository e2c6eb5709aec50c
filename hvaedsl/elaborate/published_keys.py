"""The names that other codes give to the values of a spec, and the keys that hold them here.

Source of the published names: openai/vdvae, hps.py. Other codes of the family use some of them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hvaedsl.diagnostics.record import Record


class PublishedKey(Record):
    """A key of the language; `written` is how the value is written if not as in the published code.

    `is_common` if the name is that of many codes, and not one of the published code.
    """

    key: str  # dotted
    written: str = ""
    is_common: bool = False


PUBLISHED_KEYS: Mapping[str, PublishedKey] = MappingProxyType(
    {
        "image_size": PublishedKey("data.resolution"),
        "image_channels": PublishedKey("data.channels"),
        "n_channels": PublishedKey("data.channels"),
        "data_root": PublishedKey("data.path"),
        "enc_blocks": PublishedKey("model.encoder"),
        "dec_blocks": PublishedKey("model.decoder"),
        "zdim": PublishedKey("model.latent"),
        "custom_width_str": PublishedKey("model.widths", "widths = {512: 32, 256: 64}"),
        "bottleneck_multiple": PublishedKey("model.bottleneck"),
        "no_bias_above": PublishedKey("model.bias_up_to"),
        "num_mixtures": PublishedKey("model.likelihood", "likelihood = mixture_of_logistics(10)"),
        "n_batch": PublishedKey("train.batch_size"),
        "num_epochs": PublishedKey("train.steps", "steps = 20 epochs"),
        "lr": PublishedKey("train.learning_rate"),
        "wd": PublishedKey("train.weight_decay"),
        "warmup_iters": PublishedKey("train.lr_warmup_steps"),
        "ema_rate": PublishedKey("train.ema_decay"),
        "grad_clip": PublishedKey("train.clip_norm"),
        "skip_threshold": PublishedKey("train.skip_above"),
        "adam_beta1": PublishedKey("train.betas", "betas = 0.9, 0.9"),
        "adam_beta2": PublishedKey("train.betas", "betas = 0.9, 0.9"),
        "iters_per_ckpt": PublishedKey("train.save_every"),
        "iters_per_save": PublishedKey("train.save_every"),
        "epochs_per_eval": PublishedKey("train.eval_every", "eval_every = 1000"),
        "test_eval": PublishedKey("train.eval_every", "eval_every = 1000"),
    }
)
# Names of libraries that train networks, and of codes that weight the KL divergence.
COMMON_KEYS: Mapping[str, PublishedKey] = MappingProxyType(
    {
        "patience": PublishedKey("train.stop_after", is_common=True),
        "early_stopping_patience": PublishedKey("train.stop_after", is_common=True),
        "beta": PublishedKey("train.kl.weight", is_common=True),
        "micro_batch_size": PublishedKey("train.micro_batch", is_common=True),
        "kl_beta": PublishedKey("train.kl.weight", is_common=True),
        "kl_weight": PublishedKey("train.kl.weight", is_common=True),
    }
)
FOREIGN_KEYS: Mapping[str, PublishedKey] = MappingProxyType({**COMMON_KEYS, **PUBLISHED_KEYS})
