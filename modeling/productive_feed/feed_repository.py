"""How a feed model lies in a folder or repository, and how it comes back: encoder, adapter, tokenizer and code.

    config.json, *.py            always, in the root: `AutoModel.from_pretrained(..., trust_remote_code=True)`
    tokenizer files              of the text encoder, in the root
    model.safetensors            all weights; or all but the encoder's, where `config.encoder_saved` is False
    adapter/                     with LoRA, instead of them: the adapter and everything beside the encoder
    encoder/                     with LoRA: the frozen encoder, unless it is named by a repository and its revision

An encoder that is named is loaded from there, and its weights are compared with the sum that was kept: a base that
has changed is refused, because its scores would not be those of the model that was saved.
"""

import itertools
import json
import os
import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedConfig
from transformers.dynamic_module_utils import custom_object_save
from transformers.modeling_utils import load_state_dict
from transformers.utils import cached_file
from transformers.utils.hub import resolve_revision

from .encoder_classes import (
    encoder_class,
    encoder_options,
    installed_class,
    is_bag,
    is_from_a_repository,
    save_encoder_code,
)
from .feed_adapter import ADAPTER, ADAPTER_FOLDER, base_name, lora_target, peft, without_adapter
from .text_encoding import weights_digest

ENCODER_FOLDER = "encoder"
WEIGHTS = "model.safetensors"
#: Bytes; what torch allocates begins at a multiple of it, and what is mapped from a file anywhere.
_ALIGNMENT = 64
_PLACE = ("cache_dir", "force_download", "local_files_only", "token", "revision", "proxies", "subfolder")


class NoTextTokenizerError(ValueError):
    """A model has no text tokenizer, neither assigned nor in its repository."""


class FeedRepository:
    """Part of `ProductiveFeedModel`: where its encoder, adapter and tokenizer come from and go to."""

    _text_tokenizer = None
    _text_tokenizer_source = None

    # --- making ---------------------------------------------------------------------------------------------

    @classmethod
    def from_encoder(cls, name, revision=None, pooling=None, trust_remote_code=None, token=None, **settings):
        """Return a new feed model on a text encoder that was trained before, with its tokenizer.

        Arguments:
            name: folder or repository of a text encoder that transformers, or this package, knows.
            pooling: see `ProductiveFeedConfig`; by default what a sentence encoder's folder says, else "mean".
            trust_remote_code, token: for the encoder's repository.
            settings: further fields of `ProductiveFeedConfig`.

        Example:
            >>> ProductiveFeedModel.from_encoder("BAAI/bge-m3", head="linear").config.pooling  # doctest: +SKIP
            'cls'
        """
        name = os.fspath(name)
        where = {"revision": resolve_revision(name, revision, token=token), "token": token}
        installed_class(_json_of(name, "config.json", where), cls.__module__, "AutoConfig")  # which registers it
        encoder = AutoModel.from_pretrained(name, trust_remote_code=trust_remote_code, dtype=torch.float32, **where)
        commit = getattr(where["revision"], "resolved", None) or revision
        config = cls.config_class(
            encoder_config=encoder.config,
            encoder_name=name,
            encoder_revision=None if commit is None else str(commit),
            pooling=pooling or _usual_pooling(name, encoder, where),
            **settings,
        )
        model = cls(config, encoder=encoder)
        config = model.config
        config.encoder_sha256 = weights_digest(model.encoder)
        model._text_tokenizer_source = (name, where | {"trust_remote_code": trust_remote_code})
        return model.eval()

    def add_lora(self, r: int = 8, alpha: float = 16, target="all-linear", dropout: float = 0.0):
        """Return the model, with a LoRA adapter on its encoder: from now on that and what is beside the encoder learn.

        Arguments:
            r: rank. alpha: the adapter counts alpha / r. dropout: of its input. target: see `lora_target`.

        Raises:
            ImportError: peft is not installed.
            ValueError: the encoder has no such layers, or there is an adapter already.
        """
        if self.has_lora:
            raise ValueError("Expected a model without an adapter, got one with LoRA; call merge_lora() first.")
        self._remember_base()
        pattern = lora_target(self.encoder, target)
        settings = peft().LoraConfig(
            r=r,
            lora_alpha=alpha,
            lora_dropout=dropout,
            target_modules=pattern,
            modules_to_save=[name for name, _ in self.named_children() if name != "encoder"],
        )
        self.add_adapter(settings, ADAPTER)
        self.config.lora = {"r": r, "alpha": alpha, "dropout": dropout, "target": target}
        return self

    @property
    def has_lora(self) -> bool:
        """Whether there is an adapter on the encoder that is not merged."""
        return bool(getattr(self, "_hf_peft_config_loaded", False))

    def merge_lora(self):
        """Return the model, with the adapter added to the encoder's weights: faster, and saved without peft."""
        if self.has_lora:
            without_adapter(self)
            self.peft_config = {}
            self._hf_peft_config_loaded = False
            self._weight_conversions = None  # names of an adapter's weights, which loading it left here
            self.config.lora = None
            self.config.encoder_saved = True
        return self

    def _remember_base(self):
        """Keep the sum of the encoder's weights, and forget where they came from if they are others now."""
        if self._base_has_changed():
            self.config.encoder_sha256, self.config.encoder_saved = weights_digest(self.encoder, base_name), True
            self.config.encoder_name = self.config.encoder_revision = None

    def _base_has_changed(self):
        """Return whether the encoder, without its adapter, is another than the one that was named.

        Only float32 can tell: what was rounded has another sum.
        """
        known = self.config.encoder_sha256
        if self.encoder.dtype != torch.float32 or (known is None and self.config.encoder_name is not None):
            return False
        return weights_digest(self.encoder, base_name) != known

    # --- loading --------------------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, config=None, is_trainable=False, **kwargs):
        """Return the model of a folder or repository, as for any model: whole, named or adapted.

        Arguments:
            is_trainable: let an adapter, and what was saved with it, learn further.
        """
        if pretrained_model_name_or_path is None:
            return super().from_pretrained(None, *model_args, config=config, **kwargs)
        name = os.fspath(pretrained_model_name_or_path)
        place = {key: kwargs.pop(key) for key in _PLACE if key in kwargs}
        trust = kwargs.pop("trust_remote_code", None)
        # A config would take it for its own field, even "auto". The second is its old name.
        dtypes = [kwargs.pop(key, None) for key in ("dtype", "torch_dtype")]
        place["revision"] = resolve_revision(
            name,
            place.get("revision"),
            token=place.get("token"),
            local_files_only=bool(place.get("local_files_only")),
            cache_dir=place.get("cache_dir"),
        )
        if not isinstance(config, PreTrainedConfig):
            source = name if config is None else config
            config, kwargs = cls.config_class.from_pretrained(source, return_unused_kwargs=True, **place, **kwargs)
        kwargs |= next(({"dtype": dtype} for dtype in dtypes if dtype is not None), {})
        with_info = kwargs.pop("output_loading_info", False)
        kwargs["output_loading_info"] = True
        if config.lora is None and config.encoder_saved:
            model, info = super().from_pretrained(name, *model_args, config=config, **place, **kwargs)
        else:
            model, info = cls._assembled(name, config, place, is_trainable, kwargs)
        missing = sorted(key for key in info["missing_keys"] if not key.startswith("encoder."))
        # Who asks for what is missing sees it; nobody else may get heads of random numbers.
        if missing and not (with_info or kwargs.get("ignore_mismatched_sizes")):
            raise ValueError(
                f"Expected all weights of the model in {name}, {len(missing)} are missing, such as {missing[0]}: it "
                "would answer with random numbers. Save the model again with save_pretrained; to begin from an "
                "encoder alone, use from_encoder."
            )
        _align(model)
        if os.path.isdir(name):
            name = os.path.abspath(name)
        where = {key: value for key, value in place.items() if value is not None}
        model._text_tokenizer_source = (name, where | {"trust_remote_code": trust})
        return (model, info) if with_info else model

    @classmethod
    def _assembled(cls, name, config, place, is_trainable, kwargs):
        """Return (model, what was missing) of a repository that does not hold all its weights in one file."""
        wanted = kwargs.get("dtype", "auto")
        wanted = (config.dtype or torch.float32) if wanted in ("auto", None) else wanted
        wanted = getattr(torch, wanted) if isinstance(wanted, str) else wanted
        options = {"config": config.encoder_config, "dtype": wanted}
        options |= encoder_options(config.encoder_config, config.pooling)
        for key in ("attn_implementation", "quantization_config"):
            if kwargs.get(key) is not None:
                options[key] = kwargs[key]
        if config.encoder_saved:
            folder = os.path.join(place.get("subfolder") or "", ENCODER_FOLDER)
            encoder_from, where = name, {**place, "subfolder": folder}
        else:
            encoder_from = config.encoder_name
            where = {key: place[key] for key in ("cache_dir", "local_files_only", "token") if key in place}
            where["revision"] = config.encoder_revision
        encoder = encoder_class(config.encoder_config).from_pretrained(encoder_from, **where, **options)
        model = cls(config, encoder=encoder).to(wanted)
        if not config.encoder_saved and model._base_has_changed():
            raise ValueError(
                f"Expected the encoder that this model was trained with in {encoder_from} (revision "
                f"{config.encoder_revision}), got other weights; restore that revision, or take a model that was saved "
                "with save_encoder=True."
            )
        info = model._load_rest(name, place, is_trainable)
        model.eval()
        device = kwargs.get("device_map")
        if isinstance(device, (str, int, torch.device)) and device != "auto":
            model.to(device)
        return model, info

    def load_saved(self, folder, is_trainable=True):
        """Return the model, with the weights that `save_pretrained` wrote for it to a local folder, a checkpoint.

        Arguments:
            is_trainable: let an adapter learn further.

        Raises:
            ValueError: the folder holds the weights of a model of another kind.
        """
        self._load_rest(os.fspath(folder), {}, is_trainable)
        return self

    def _load_rest(self, name, place, is_trainable):
        """Load what lies in the model's own repository beside the encoder; return what was missing and unexpected."""
        place = {key: value for key, value in place.items() if value is not None}
        if self.config.lora is not None:
            folder = os.path.join(place.pop("subfolder", ""), ADAPTER_FOLDER)
            if self.has_lora:
                file = cached_file(name, "adapter_model.safetensors", subfolder=folder, **place)
                tensors = {key.removeprefix("base_model.model."): value for key, value in load_state_dict(file).items()}
                keys = peft().set_peft_model_state_dict(self, tensors, ADAPTER)
                return {"missing_keys": set(), "unexpected_keys": set(keys.unexpected_keys), "mismatched_keys": set()}
            peft()
            found = self.load_adapter(
                name,
                ADAPTER,
                is_trainable=is_trainable,
                adapter_kwargs={**place, "subfolder": folder},
            )
            self.config.lora = dict(self.config.lora)
            names = ("missing_keys", "unexpected_keys", "mismatched_keys")
            return {name: getattr(found, name) for name in names}
        tensors = load_state_dict(cached_file(name, WEIGHTS, **place))
        shapes = {key: tensor.shape for key, tensor in self.state_dict().items()}
        if not any(key.startswith("encoder.") for key in tensors):
            shapes = {key: shape for key, shape in shapes.items() if not key.startswith("encoder.")}
        other = {key for key in shapes.keys() | tensors if key not in tensors or tensors[key].shape != shapes.get(key)}
        if other:
            raise ValueError(
                f"Expected the weights of this model in {name}, got {WEIGHTS} in which {len(other)} are missing, of "
                f"another shape or of another model, {min(other)} for one; load the folder that belongs to this config."
            )
        self.load_state_dict(tensors, strict=False)
        return {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set()}

    # --- saving ---------------------------------------------------------------------------------------------

    def save_pretrained(
        self,
        save_directory,
        is_main_process=True,
        state_dict=None,
        push_to_hub=False,
        save_encoder: bool | None = None,
        **kwargs,
    ):
        """Save the model, its code, its encoder's code and its tokenizer to a folder.

        Arguments:
            save_encoder: whether the encoder's weights go with it. False names the encoder's repository instead. By
                default they do, but not with an adapter on an encoder whose repository and revision are known.

        Raises:
            ValueError: save_encoder is False for an encoder that has no name, or is no longer what it names.
        """
        folder = os.fspath(save_directory)
        before = self.config.encoder_saved
        saves = self._saves_encoder(save_encoder)
        if not saves and self._base_has_changed():
            raise ValueError(
                f"Expected the encoder as {self.config.encoder_name} has it for save_encoder=False, got one that was "
                "trained since; save it too."
            )
        self.config.encoder_saved = saves
        try:
            if self.has_lora:
                self._save_adapter(folder, is_main_process, state_dict, kwargs)
            else:
                if not self.config.encoder_saved:
                    tensors = self.state_dict() if state_dict is None else state_dict
                    state_dict = {key: value for key, value in tensors.items() if not key.startswith("encoder.")}
                super().save_pretrained(folder, is_main_process=is_main_process, state_dict=state_dict, **kwargs)
                if is_main_process:
                    _remove(folder, ADAPTER_FOLDER, ENCODER_FOLDER)
            if is_main_process:
                save_encoder_code(self.encoder, folder)
                if self._has_text_tokenizer():
                    self.text_tokenizer.save_pretrained(folder)
        finally:
            self.config.encoder_saved = before
        if push_to_hub and is_main_process:
            name = kwargs.pop("repo_id", os.path.basename(os.path.abspath(folder)))
            self.push_to_hub(name, **kwargs)

    def _saves_encoder(self, asked):
        config = self.config
        named = config.encoder_name is not None
        if asked is False and not named:
            raise ValueError(
                "Expected the name of the encoder's repository for save_encoder=False, got a model without "
                "encoder_name; make it by from_encoder, or save the encoder too."
            )
        if asked is not None:
            return asked
        if self.has_lora and named and config.encoder_revision and not os.path.isdir(config.encoder_name):
            return False
        return config.encoder_saved

    def _save_adapter(self, folder, is_main_process, state_dict, kwargs):
        adapter = Path(folder, ADAPTER_FOLDER)
        said, named = self.peft_config[ADAPTER], not self.config.encoder_saved
        said.base_model_name_or_path = self.config.encoder_name if named else None
        said.revision = self.config.encoder_revision if named else None
        super().save_pretrained(adapter, is_main_process=is_main_process, state_dict=state_dict, **kwargs)
        if not is_main_process:
            return
        for file in [*adapter.glob("*.py"), adapter / "README.md"]:  # code belongs to the root
            file.unlink(missing_ok=True)
        _remove(folder, WEIGHTS, ENCODER_FOLDER)
        self.config.dtype = self.dtype
        self.config.architectures = [type(self).__name__]
        if self.config.encoder_saved:
            tensors = {base_name(name): tensor for name, tensor in self.encoder.state_dict().items()}
            tensors.pop(None, None)
            path = Path(folder, ENCODER_FOLDER)
            self.encoder.save_pretrained(path, state_dict=tensors)
            for file in path.glob("*.py"):
                file.unlink()
        custom_object_save(self, folder, config=self.config)
        self.config.save_pretrained(folder)

    # --- tokenizer ------------------------------------------------------------------------------------------

    @property
    def text_tokenizer(self):
        """The tokenizer of the text encoder, loaded at first use from where the model came from.

        Raises:
            NoTextTokenizerError: the model came from nowhere, or from a place without one, and none was assigned.
        """
        if self._text_tokenizer is None:
            if self._text_tokenizer_source is None:
                raise NoTextTokenizerError(
                    "Expected a text tokenizer, got a model that was loaded from no repository; assign that of the "
                    "encoder: model.text_tokenizer = AutoTokenizer.from_pretrained(...)."
                )
            self._text_tokenizer = self._load_text_tokenizer()
        return self._text_tokenizer

    @text_tokenizer.setter
    def text_tokenizer(self, tokenizer):
        self._text_tokenizer = tokenizer

    def _load_text_tokenizer(self):
        name, arguments = self._text_tokenizer_source
        place = {key: arguments[key] for key in _PLACE if arguments.get(key) is not None}
        said = _json_of(name, "tokenizer_config.json", place)
        if not said:
            raise NoTextTokenizerError(
                f"Expected a text tokenizer in {name}, got none; save it there with tokenizer.save_pretrained, or "
                "assign one: model.text_tokenizer = AutoTokenizer.from_pretrained(...)."
            )
        # Code that is installed needs no trust; its package names its tokenizer at the root.
        named = str(said.get("tokenizer_class"))
        package = sys.modules.get(type(self).__module__.partition(".")[0])
        installed = None if is_from_a_repository(type(self).__module__) else getattr(package, named, None)
        if installed is not None:
            return installed.from_pretrained(name, **place)
        # The code of a model that came from a repository was trusted, and its tokenizer lies beside it.
        trust = is_from_a_repository(type(self).__module__) or arguments.get("trust_remote_code")
        return AutoTokenizer.from_pretrained(name, trust_remote_code=trust, **place)

    def _has_text_tokenizer(self):
        """Return whether there is a text tokenizer, which is then loaded; a broken one raises."""
        try:
            return self.text_tokenizer is not None
        except NoTextTokenizerError:
            return False


def _json_of(name, file, place):
    """Return what a JSON file of a folder or repository holds; {} where there is no such file."""
    path = cached_file(name, file, _raise_exceptions_for_missing_entries=False, **place)
    return {} if path is None else json.loads(Path(path).read_text(encoding="utf-8"))


def _align(model):
    """Move weights on the CPU to addresses as torch chooses them: sums would round otherwise than before saving."""
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % _ALIGNMENT:
            tensor.data = tensor.data.clone()


def _usual_pooling(name, encoder, place):
    """Return the pooling that the folder of a sentence encoder names, or what its kind of encoder is made for."""
    said = _json_of(name, "1_Pooling/config.json", place)
    if said.get("pooling_mode_cls_token") or said.get("pooling_mode") == "cls":
        return "cls"
    if said:
        return "mean"
    return "encoder" if is_bag(encoder) else "mean"


def _remove(folder, *names):
    """Delete what an earlier save of another kind left in a folder: loaded beside this one, it would be wrong."""
    for path in (Path(folder, name) for name in names):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
