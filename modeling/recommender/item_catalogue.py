"""The catalogue of a recommender: which items its token ids stand for, where the tokenizer lies, how both grow.

Axes: V token ids, n new items, E width of a title's vector.
"""

import os
import sys

import numpy as np
from transformers import AutoTokenizer
from transformers.utils import cached_file

#: What `from_pretrained` was told about the repository, which the item tokenizer is then loaded with.
_HUB_ARGUMENTS = ("cache_dir", "local_files_only", "token", "revision", "subfolder", "trust_remote_code")


class NoItemTokenizerError(ValueError):
    """A model has no item tokenizer, neither assigned nor in its repository."""


class ItemCatalogueMixin:
    """The item tokenizer of a PreTrainedModel, loaded from the model's own repository and saved with the model."""

    _item_tokenizer = None
    _item_tokenizer_source = None

    @property
    def item_tokenizer(self):
        """The ItemTokenizer of this model, loaded at first use from the repository that the model came from.

        Raises:
            NoItemTokenizerError: the model came from no repository, or one without a tokenizer, and none was assigned.
        """
        if self._item_tokenizer is None:
            if self._item_tokenizer_source is None:
                raise NoItemTokenizerError(
                    f"Expected an item tokenizer, got a {type(self).__name__} that was loaded from no repository; "
                    "assign one: model.item_tokenizer = ItemTokenizer(items=[...])."
                )
            self.item_tokenizer = self._load_item_tokenizer()
        return self._item_tokenizer

    @item_tokenizer.setter
    def item_tokenizer(self, tokenizer):
        if tokenizer is not None and len(tokenizer) != self.config.vocab_size:
            raise ValueError(
                f"Expected an item tokenizer with vocab_size = {self.config.vocab_size} token ids, got "
                f"{len(tokenizer)}; assign the tokenizer that the model was trained with, or call model.add_items."
            )
        self._item_tokenizer = tokenizer

    def _load_item_tokenizer(self):
        name, arguments = self._item_tokenizer_source
        place = {key: value for key, value in arguments.items() if key != "trust_remote_code"}
        if cached_file(name, "tokenizer_config.json", _raise_exceptions_for_missing_entries=False, **place) is None:
            raise NoItemTokenizerError(
                f"Expected an item tokenizer in {name}, got none; save it there with tokenizer.save_pretrained, or "
                "assign one: model.item_tokenizer = ItemTokenizer(items=[...])."
            )
        # Code that is installed needs no trust; its package names its tokenizer at the root.
        package = sys.modules.get(type(self).__module__.partition(".")[0])
        installed = getattr(package, "ItemTokenizer", None)
        if installed is not None:
            return installed.from_pretrained(name, **arguments)
        # The code of this model came from the same repository, and was trusted.
        return AutoTokenizer.from_pretrained(name, **{**arguments, "trust_remote_code": True})

    def add_items(
        self, items, titles=None, years=None, genres=None, directors=None, writers=None, title_vectors=None
    ) -> list[int]:
        """Return the token ids of new items, which the tokenizer and the model then know; ids of others do not change.

        A model with metadata whose `output_embedding` is "fused" scores them by what it learned of their genres,
        director, writers and title; names that its catalogue did not have say nothing to it. With another
        `output_embedding` metadata counts where they are in a history, and all new items have one score until the model
        is trained on. What another model does is said at its `_extend_items`.

        Arguments:
            items: list of new item ids.
            titles, years, genres, directors, writers: as for ItemTokenizer, one entry an item.
            title_vectors (n, E): vectors of the titles, for a model that was trained with such.

        Raises:
            ValueError: an item is there already, a column does not fit, or the model cannot take more items. Nothing
                is changed then.
        """
        tokenizer = self.item_tokenizer
        columns = {"titles": titles, "years": years, "genres": genres, "directors": directors, "writers": writers}
        names, new = tokenizer.checked_new_items(items, **columns)
        metadata = {name: new.get(name) for name in columns}
        metadata["title_vectors"] = None if title_vectors is None else np.asarray(title_vectors, np.float32)
        for module in self.modules():  # an ensemble's members, too, number names as its tokenizer does
            if hasattr(module, "_extend_items"):
                _check_title_vectors(metadata["title_vectors"], len(names), module.config)
                module._item_tokenizer = tokenizer
        size = self.config.vocab_size + len(names)
        self._extend_items(len(names), metadata)
        self.config.vocab_size = size
        self._item_index = None
        return tokenizer.add_items(names, **new)

    # --- repositories ---------------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, **kwargs):
        """Return the model of a folder or repository, as for any model; it remembers where its tokenizer lies."""
        loaded = super().from_pretrained(pretrained_model_name_or_path, *model_args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded  # with output_loading_info
        if pretrained_model_name_or_path is not None:
            name = os.fspath(pretrained_model_name_or_path)
            arguments = {key: kwargs[key] for key in _HUB_ARGUMENTS if kwargs.get(key) is not None}
            if os.path.isdir(name):
                name = os.path.abspath(name)
            elif getattr(model.config, "_commit_hash", None):  # a branch may have moved on by the time of first use
                arguments["revision"] = model.config._commit_hash
            model._item_tokenizer_source = (name, arguments)
        return loaded

    def save_pretrained(self, save_directory, is_main_process=True, state_dict=None, push_to_hub=False, **kwargs):
        """Save the model, its code and its item tokenizer, where it has one, to a folder."""
        super().save_pretrained(save_directory, is_main_process=is_main_process, state_dict=state_dict, **kwargs)
        if is_main_process and self._has_item_tokenizer():
            self.item_tokenizer.save_pretrained(save_directory)
        if push_to_hub and is_main_process:
            self.push_to_hub(kwargs.pop("repo_id", os.path.basename(os.path.abspath(save_directory))), **kwargs)

    def _has_item_tokenizer(self):
        """Return whether there is an item tokenizer, which is then loaded; a broken one raises."""
        try:
            return self.item_tokenizer is not None
        except NoItemTokenizerError:
            return False


def _check_title_vectors(vectors, n, config):
    """Raise a ValueError where a model reads titles and vectors (n, E) of them do not fit."""
    if getattr(config, "metadata_fusion", "none") == "none" or "title" not in config.metadata_features:
        return
    expected = (n, config.title_embedding_size)
    if vectors is None or vectors.shape != expected:
        came = "none" if vectors is None else vectors.shape
        raise ValueError(
            f"Expected title_vectors of shape {expected}, for this model reads titles, got {came}; encode the titles "
            "of the new items with the sentence encoder that config.title_encoder names."
        )


__all__ = ["ItemCatalogueMixin", "NoItemTokenizerError"]
