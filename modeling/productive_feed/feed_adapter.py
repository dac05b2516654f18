"""LoRA on the text encoder, by peft: made, merged, and found in a repository under `adapter/`.

After "LoRA: Low-Rank Adaptation of Large Language Models" (Hu, Shen, Wallis, Allen-Zhu, Li, Wang, Wang, Chen, ICLR
2022, arXiv 2106.09685). Everything beside the encoder is trained as it is and saved with the adapter: peft calls such
parts modules to save, and saves no others.

peft is imported where an adapter is made or loaded, and nowhere else: a model without one needs no peft.
"""

import re
from importlib import import_module

from torch import nn

#: Folder of the adapter in a repository. In the root, adapter_config.json would send AutoModel to the base model.
ADAPTER_FOLDER = "adapter"
ADAPTER = "default"


def peft():
    """Return the module peft.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return import_module("peft")
    except ImportError as error:
        raise ImportError(
            "Expected peft for a model with a LoRA adapter, got none installed; run pip install peft, or use a model "
            "that was saved after merge_lora()."
        ) from error


def lora_target(encoder: nn.Module, target) -> str:
    """Return the regular expression of the encoder's linear layers that are adapted, as names in the whole model.

    Arguments:
        target: "all-linear", or the last part of names, one or a list: ["query", "value"].

    Raises:
        ValueError: there is no such layer.
    """
    linear = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    wanted = None if target == "all-linear" else {target} if isinstance(target, str) else set(target)
    last = {name.rpartition(".")[2] for name in linear}
    if not linear or (wanted is not None and not wanted <= last):
        raise ValueError(
            f"Expected target to be 'all-linear' or names of linear layers of the encoder ({', '.join(sorted(last))}), "
            f"got {target!r}; an encoder without linear layers has nothing to adapt: train it as it is."
        )
    names = "|".join(re.escape(name) for name in sorted(wanted or last))
    return rf"encoder\.(?:.*\.)?(?:{names})"


def base_name(name: str) -> str | None:
    """Return the name that a tensor of an adapted encoder has in the encoder alone; None for the adapter's own.

    Example:
        >>> base_name("layer.0.query.base_layer.weight"), base_name("layer.0.query.lora_A.default.weight")
        ('layer.0.query.weight', None)
    """
    return None if ".lora_" in name else name.replace(".base_layer.", ".")


def without_adapter(model: nn.Module) -> None:
    """Put plain modules in the place of peft's, in place: LoRA is added to the weights it belongs to."""
    for name, module in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if hasattr(module, "modules_to_save") and hasattr(module, "original_module"):
            plain = module.modules_to_save[ADAPTER]
        elif hasattr(module, "get_base_layer") and hasattr(module, "lora_A"):
            module.merge()
            plain = module.get_base_layer()
        else:
            continue
        setattr(model.get_submodule(parent), last, plain)
