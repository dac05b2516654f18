"""A new model for examples, with all that is fitted on those that are trained on; and the inputs of a model."""

from pathlib import Path

import numpy as np
import torch

from traceformers.datasets_scripts.feed.feed_records import HEADS
from traceformers.modeling.productive_feed.modeling_productive_feed import ProductiveFeedModel
from traceformers.training.model_files import model_folder
from traceformers.training.productive_feed.feed_batches import FeedInputs, OrderedBatches
from traceformers.training.productive_feed.feed_features import EventEncoder, FeedFeatures, number_rows, video_texts
from traceformers.training.productive_feed.feed_scalers import (
    base_rates,
    class_weights,
    event_scalers,
    known_categories,
    number_scalers,
)
from traceformers.training.productive_feed.feed_trainer import model_logits
from traceformers.training.productive_feed.text_vector_cache import cached_vectors

#: Fields of the config that are arguments of the same name.
CONFIG_FIELDS = (
    "max_length event_size activity_hidden_size max_events event_window_hours head_hidden_size film_hidden_size "
    "interest_dropout productive_dropout activity_dropout vector_dropout interest_loss_weight productive_loss_weight "
    "interest_label_smoothing productive_label_smoothing"
).split()


def build_model(arguments, kind, examples, train, device=None):
    """Returns a new `ProductiveFeedModel`, its encoder frozen, its scalers fitted on some examples.

    Args:
        arguments (`FeedModelArguments`).
        kind (`dict`): as of `FeedModelArguments.kind`.
        examples (`FeedExamples`). train (int array): rows that are trained on; nothing is fitted on others.
        device (*optional*): where to put it.
    """
    fields = {name: getattr(arguments, name) for name in CONFIG_FIELDS}
    fields |= {"use_activity": kind["use_activity"], "head": kind["head"], "time_zone": examples.time_zone}
    if arguments.text_prefix is not None:
        fields["text_prefix"] = arguments.text_prefix
    if arguments.number_names is not None:
        fields["number_names"] = arguments.number_names
    trained = examples.rows(train)
    if kind["use_activity"]:
        fields["categories"] = known_categories(trained.window, examples.events)
    name, revision = arguments.encoder, arguments.encoder_revision
    is_local = name.startswith("package:") or Path(name).is_dir()
    model = ProductiveFeedModel.from_encoder(
        model_folder(name) if is_local else name, revision, pooling=arguments.pooling, **fields
    )
    config = model.config
    if is_local:  # a path of this machine says nothing elsewhere
        config.encoder_name = config.encoder_revision = None
    videos = trained.videos.take(trained.video_row)
    numbers = number_rows(videos, trained.moments, examples.time_zone, config.number_names, examples.past)
    fitted = number_scalers(numbers, config.number_names) | {"base_rates": base_rates(trained.labels)}
    if kind["use_activity"]:
        fitted |= event_scalers(trained.window)
    if arguments.balance_classes and kind["head"] == "mlp":
        fitted["class_weights"] = class_weights(trained.labels)
    for field, value in fitted.items():
        setattr(config, field, value)
    model.encoder.requires_grad_(False)
    return model.to(device or "cpu")


def prepare_training(model, arguments, kind):
    """Adds the adapter that the arguments ask for; a linear part that was fitted is not trained any more."""
    if kind["lora"]:
        model.add_lora(arguments.lora_rank, arguments.lora_alpha, arguments.lora_target, arguments.lora_dropout)
    if kind["head"] == "residual":
        for head in HEADS:
            getattr(model, f"{head}_head").requires_grad_(False)


def inputs_of(model, examples, store=None, trains_encoder=False, progress=False):
    """Returns the `FeedInputs` of examples for a model; text vectors come from the store where it has them.

    Args:
        model (`ProductiveFeedModel`). examples (`FeedExamples`): with the window that its config asks for.
        store (`TextVectorCache` or a database with its methods, *optional*): not used where the encoder is trained.
        trains_encoder (`bool`): give tokens, not vectors.
        progress (`bool`): show progress bars.
    """
    if model.config.activity_fusion == "token" and not trains_encoder:
        raise ValueError(
            "Expected a model with activity_fusion film, got 'token': it reads text and activity together, and has no "
            "vector of a text that could be kept. Call it with input_ids yourself, or train one with film."
        )
    store = None if trains_encoder else store
    key = None if store is None else model.encoder_key()
    events = EventEncoder(model.encode_texts, store, key, "events" if progress else None)
    features = FeedFeatures(model.config, events)
    texts = video_texts(examples.videos)
    if trains_encoder:
        tokenizer = model.text_tokenizer
        read = [model.config.text_prefix + text for text in texts]
        tokens = tokenizer(read, truncation=True, max_length=model.max_tokens)["input_ids"]
        return FeedInputs(examples, features, tokens=tokens, padding_id=tokenizer.pad_token_id or 0)
    ids = examples.videos["video_id"].to_pylist()
    vectors = cached_vectors(model.encode_texts, texts, ids, store, key, "videos" if progress else None)
    return FeedInputs(examples, features, text_vectors=vectors)


def score_examples(model, examples, store=None, batch_size=256, progress=False):
    """Returns calibrated probabilities, float64 (n, 2) in the order of `HEADS`, of examples by a loaded model."""
    if not len(examples):
        return np.zeros((0, 2))
    inputs = inputs_of(model, examples, store, progress=progress)
    logits, _ = model_logits(model, OrderedBatches(inputs, np.arange(len(examples))), batch_size)
    return calibrated(model, logits)


def calibrated(model, logits):
    """Returns the model's probabilities of logits (n, 2), float64."""
    with torch.no_grad():
        return model.probabilities(torch.as_tensor(logits)).double().cpu().numpy()
