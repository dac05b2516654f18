"""Options of a command line that change nothing are refused; in a config, which may serve several runs, they stay.

As a later option overrides an earlier one, a folder of title vectors on the command line overrides an encoder of titles
in the config, and the other way round.
"""

#: Model types that are trained by steps, and those of them that know titles.
SEQUENTIAL = ("bert4rec", "sasrec")
TRAINED = (*SEQUENTIAL, "multivae")
#: Which model types each option says something to; all that are not here to all of them.
USED_BY = {
    "mask_probability": ("bert4rec",),
    "last_item_probability": ("bert4rec",),
    "random_windows": SEQUENTIAL,
    **dict.fromkeys(("title_encoder", "title_encoder_revision", "title_embeddings"), SEQUENTIAL),
    **dict.fromkeys(
        (
            "bucket_batches learning_rate lr_scheduler_type warmup_steps weight_decay adam_beta1 adam_beta2 "
            "adam_epsilon max_grad_norm optim num_train_epochs max_steps per_device_train_batch_size "
            "gradient_accumulation_steps eval_every_epochs early_stopping_patience"
        ).split(),
        TRAINED,
    ),
}
OF_TITLES = ("title_encoder", "title_embeddings")


def named_options(words):
    """Returns the names of the options among the words of a command line, set of `str`.

    >>> sorted(named_options(["--seed", "3", "--mask-probability=0.2"]))
    ['mask_probability', 'seed']
    """
    return {word[2:].partition("=")[0].replace("-", "_") for word in words if word.startswith("--")}


def refuse_unused(named, model_arguments):
    """Raises `ValueError` for an option that says nothing to this model.

    Args:
        named (set of `str`): of the command line.
        model_arguments (`RecommenderModelArguments`).
    """
    kind = model_arguments.model_type
    for name in sorted(named & set(USED_BY)):
        if kind in USED_BY[name] or (name in OF_TITLES and model_arguments.member_configs):  # members may use titles
            continue
        where = ", or name it in the configs of members" if kind == "ensemble_recommender" else ""
        raise ValueError(
            f"Expected arguments that say something to {kind}, got --{name}. Leave it out{where}: it belongs to other "
            "model types."
        )
    titles = sorted(named & set(OF_TITLES))
    if titles and kind in SEQUENTIAL and not model_arguments.reads_titles():
        raise ValueError(
            f"Expected --metadata_fusion add, concat or gate and the feature title with --{titles[0]}, got "
            f"metadata_fusion {model_arguments.metadata_fusion or 'none'} and metadata_features "
            f"{' '.join(model_arguments.metadata_features) or 'none'}. Set them, or leave --{titles[0]} out."
        )


def choose_titles(named, data_arguments):
    """Keeps of an encoder of titles and a folder of their vectors the one on the command line.

    Args:
        named (set of `str`): of the command line.
        data_arguments (`RecommenderDataArguments`): is changed.

    Raises:
        ValueError: both are given in one place, or a revision without an encoder.
    """
    if data_arguments.title_encoder and data_arguments.title_embeddings:
        on_it = [name for name in OF_TITLES if name in named]
        if len(on_it) != 1:
            raise ValueError(
                "Expected --title_encoder or --title_embeddings, got both. Name the encoder, or the folder of vectors "
                "that prepare_title_embeddings.py wrote."
            )
        (other,) = set(OF_TITLES) - set(on_it)
        setattr(data_arguments, other, None)
        if other == "title_encoder" and "title_encoder_revision" not in named:
            data_arguments.title_encoder_revision = None
    if data_arguments.title_encoder_revision and not data_arguments.title_encoder:
        raise ValueError(
            f"Expected --title_encoder with the title_encoder_revision {data_arguments.title_encoder_revision}, got "
            "none. Name it, or leave the revision out."
        )
