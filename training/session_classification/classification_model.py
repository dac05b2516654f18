"""The classifier of a run: made on a saved encoder, with an adapter or without, and saved for the Hub.

model/                the whole model, the adapter added to its weights: loads everywhere, without peft
model/adapter/        the adapter and the classifier alone, for the encoder they were trained on
"""

from pathlib import Path

from transformers import AutoConfig

from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForSequenceClassification
from traceformers.training.session_classification.session_windows import action_ids

ADAPTER_FOLDER = "adapter"
#: Linear layers of the encoder that an adapter is put on.
ADAPTED = ("query", "key", "value", "output", "up", "down")
#: The classifier, which is new: trained whole and saved with the adapter.
HEADS = ("classifier",)


def build_classifier(folder, classes, arguments, max_length, tokenizer=None):
    """Returns a classifier on a saved encoder; with `arguments.lora` a peft model around it.

    Args:
        folder: of the encoder, or a repository.
        classes (list of `str`): their names.
        arguments (`ClassificationModelArguments`).
        max_length (`int`): longest window.
        tokenizer (`RRWebTokenizer`, *optional*): with it the classifier averages what people did, not what pages hold.

    Raises:
        ValueError: the encoder is no RRWebBERT, or has fewer positions than `max_length`.
    """
    a = arguments
    config = AutoConfig.from_pretrained(folder, revision=a.model_revision, trust_remote_code=True)
    if config.model_type != "rrweb_bert":
        raise ValueError(
            f"Expected a saved RRWebBERT in {folder}, got a model of type {config.model_type!r}. Name one."
        )
    if config.max_position_embeddings < max_length:
        raise ValueError(
            f"Expected max_length of at most {config.max_position_embeddings}, the positions of {folder}, got "
            f"{max_length}. Set --max_length to it or less."
        )
    model = RRWebBertForSequenceClassification.from_pretrained(
        folder,
        revision=a.model_revision,
        attn_implementation=a.attn_implementation,
        num_labels=len(classes),
        id2label=dict(enumerate(classes)),
        label2id={name: i for i, name in enumerate(classes)},
        problem_type="single_label_classification",
        classifier_dropout=a.head_dropout,
        **pooling_of_actions(tokenizer),
        ignore_mismatched_sizes=True,  # a model of other classes: its classifier is made anew
    )
    return add_adapter(model, a) if a.lora else model


def pooling_of_actions(tokenizer):
    """Returns the settings of a config with which the classifier averages the events in which people did something."""
    if tokenizer is None:
        return {"pooled_marks": None, "event_starts": None}
    tokens = tokenizer.window_tokens
    return {"pooled_marks": action_ids(tokenizer).tolist(), "event_starts": [tokens.first_gap, tokens.n_gaps]}


def add_adapter(model, arguments):
    """Returns the model with a LoRA adapter: that learns, and the classifier.

    Raises:
        ImportError: peft is not installed.
        ValueError: more layers are to be adapted than there are.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise ImportError(
            "Expected the package peft for --lora true, found none; run pip install peft, or set --lora false."
        ) from error
    n_layers, adapted = model.config.num_hidden_layers, arguments.lora_layers
    if not 0 <= adapted <= n_layers:
        raise ValueError(f"Expected lora_layers between 0 and {n_layers}, the layers of the encoder, got {adapted}.")
    settings = LoraConfig(
        r=arguments.lora_r,
        lora_alpha=arguments.lora_alpha,
        lora_dropout=arguments.lora_dropout,
        target_modules=list(ADAPTED),
        modules_to_save=list(HEADS),
        layers_to_transform=list(range(n_layers - adapted, n_layers)) if adapted else None,
        layers_pattern="layers" if adapted else None,
    )
    return get_peft_model(model, settings)


def save_classifier(model, tokenizer, folder):
    """Writes a trained classifier, its tokenizer and its code; an adapter also into `adapter/`.

    Args:
        model: what `build_classifier` returned; an adapter is merged into it.
        tokenizer (`RRWebTokenizer`), folder (path).
    """
    folder = Path(folder)
    if hasattr(model, "merge_and_unload"):
        model.save_pretrained(folder / ADAPTER_FOLDER)
        (folder / ADAPTER_FOLDER / "README.md").unlink(missing_ok=True)  # the card of the model stands above
        model = model.merge_and_unload()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model
