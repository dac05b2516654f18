"""Where the classes of a text encoder come from: transformers, an installed package, or a model's own repository.

An encoder that transformers does not know travels with its code: its config holds an `auto_map`, as that of a
repository does, whose entries name files in the root of the feed model's repository. They are imported when the feed
model's own code is, which was trusted: the same files, from the same place.
"""

import sys
from inspect import signature

from transformers import CONFIG_MAPPING, AutoModel, PreTrainedConfig
from transformers.dynamic_module_utils import custom_object_save, get_class_from_dynamic_module

#: Classes of encoders that came from repositories, by model type: a copy of a config knows no repository.
_LOADED = {}
_MODEL_CLASS = "_productive_feed_encoder_class"


def is_from_a_repository(module: str) -> bool:
    """Return whether a module is code that transformers loaded from a model's repository."""
    return module.startswith("transformers_modules.")


def encoder_config_of(settings, module: str) -> PreTrainedConfig:
    """Return the config of an encoder from a dict with a model_type, or the config itself.

    Arguments:
        module: name of the module that asks; its package may have the class.

    Raises:
        ValueError: the kind of encoder is unknown.
    """
    if isinstance(settings, PreTrainedConfig):
        return with_auto_map(settings)
    if not isinstance(settings, dict) or "model_type" not in settings:
        raise ValueError(
            f"ProductiveFeedConfig: expected encoder_config to be a config, or a dict with a model_type, got "
            f"{settings!r}; pass AutoConfig.from_pretrained(...) of the encoder."
        )
    kind = settings["model_type"]
    config_class = CONFIG_MAPPING[kind] if kind in CONFIG_MAPPING else installed_class(settings, module, "AutoConfig")
    config_class = config_class or _LOADED.get(kind)
    if config_class is None:
        raise ValueError(
            f"ProductiveFeedConfig: expected an encoder_config of a known model_type, got {kind!r}; pass the config of "
            "the encoder itself, or load the model by AutoModel.from_pretrained(..., trust_remote_code=True), which "
            "finds the encoder's code in the repository."
        )
    return with_auto_map(config_class.from_dict(settings))


def encoder_config_in_repository(settings, repository, module: str, **place):
    """Return the encoder's config, or `settings` unchanged where nothing has to be loaded for it.

    Arguments:
        settings: what the model's config.json says of its encoder. repository: folder or name.
        place: revision, token, cache_dir and so on.
    """
    if not isinstance(settings, dict) or "AutoConfig" not in (settings.get("auto_map") or {}):
        return settings
    kind = settings.get("model_type")
    known = installed_class(settings, module, "AutoConfig")
    if known is None and kind in CONFIG_MAPPING and not is_from_a_repository(CONFIG_MAPPING[kind].__module__):
        known = CONFIG_MAPPING[kind]
    if known is not None or not is_from_a_repository(module):
        return settings
    auto_map = settings["auto_map"]
    config_class = get_class_from_dynamic_module(auto_map["AutoConfig"], repository, **place)
    model_class = get_class_from_dynamic_module(auto_map["AutoModel"], repository, **place)
    for cls, auto in ((config_class, "AutoConfig"), (model_class, "AutoModel")):
        cls.register_for_auto_class(auto)
    setattr(config_class, _MODEL_CLASS, model_class)
    _LOADED[kind] = config_class
    return config_class.from_dict(settings)


def installed_class(settings, module: str, auto: str):
    """Return the class that the asking module's own package has under the name in an auto_map, or None."""
    named = (settings.get("auto_map") or {}).get(auto)
    package = sys.modules.get(module.partition(".")[0])
    if not isinstance(named, str) or package is None or is_from_a_repository(module):
        return None
    return getattr(package, named.rpartition(".")[2], None)


def with_auto_map(config: PreTrainedConfig) -> PreTrainedConfig:
    """Return the config, with an `auto_map` to the files of its classes where they are not part of transformers."""
    if not type(config).__module__.startswith("transformers."):
        model_class = encoder_class(config)
        _LOADED.setdefault(config.model_type, type(config))
        config.auto_map = {"AutoConfig": _reference(type(config)), "AutoModel": _reference(model_class)}
    return config


def encoder_class(config: PreTrainedConfig):
    """Return the class of the model of an encoder's config.

    Raises:
        ValueError: there is none.
    """
    found = getattr(type(config), _MODEL_CLASS, None)
    if found is None and type(config) in AutoModel._model_mapping:
        found = AutoModel._model_mapping[type(config)]
        found = found[0] if isinstance(found, (list, tuple)) else found
    if found is None:
        raise ValueError(
            f"Expected the config of an encoder that AutoModel knows, got {type(config).__name__}; register its model "
            "with AutoModel.register, or load the encoder by AutoModel.from_pretrained first."
        )
    return found


def encoder_options(config: PreTrainedConfig, pooling: str) -> dict:
    """Return what the model of an encoder's config is made with: without a layer whose result is not read."""
    has_pooler = "add_pooling_layer" in signature(encoder_class(config).__init__).parameters
    return {"add_pooling_layer": False} if has_pooler and pooling != "encoder" else {}


def is_bag(encoder) -> bool:
    """Return whether an encoder gives one vector a text and no states of tokens, as the n-gram encoder does."""
    return (
        not type(encoder).__module__.startswith("transformers.") and "offsets" in signature(encoder.forward).parameters
    )


def save_encoder_code(encoder, folder) -> None:
    """Write the files of an encoder's classes, and what they import beside them, where transformers has them not."""
    for part in (encoder.config, encoder):
        if not type(part).__module__.startswith("transformers."):
            custom_object_save(part, folder)


def _reference(cls) -> str:
    return f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}"
