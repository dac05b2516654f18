"""The parts of a trimodal run put together: processor, model, triples, trainer."""

from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoTokenizer,
    CLIPVisionConfig,
)
from transformers.models.clip import CLIPImageProcessorPil

from traceformers.modeling.rrweb_bert.configuration_rrweb_trimodal import PAIRS
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertModel
from traceformers.modeling.rrweb_bert.modeling_rrweb_trimodal import RRWebTrimodalModel
from traceformers.modeling.rrweb_bert.processing_rrweb_trimodal import RRWebTrimodalProcessor
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer
from traceformers.training.model_files import model_folder
from traceformers.training.trimodal.trimodal_trainer import ENCODER_OF, TrimodalTrainer, frozen_states
from traceformers.training.trimodal.triple_collator import TripleCollator

MODALITY_OF = {"text": "text", "vision": "image", "rrweb": "session"}


def build_processor(arguments):
    """Returns the `RRWebTrimodalProcessor` of the encoders that `ModelArguments` name.

    Pictures are squeezed to what the vision encoder reads, whole: a screenshot has no middle that says it all.
    """
    if arguments.model_name_or_path:
        return RRWebTrimodalProcessor.from_pretrained(arguments.model_name_or_path, revision=arguments.model_revision)
    tokenizer = RRWebTokenizer.from_pretrained(str(model_folder(arguments.rrweb_model)))
    text_tokenizer = AutoTokenizer.from_pretrained(model_folder(arguments.text_model, arguments.text_revision))
    if arguments.vision_model == "new":
        image_processor, size = CLIPImageProcessorPil(), dict.fromkeys(("height", "width"), arguments.image_size)
    else:
        image_processor = AutoImageProcessor.from_pretrained(
            model_folder(arguments.vision_model, arguments.vision_revision)
        )
        given = image_processor.crop_size if image_processor.do_center_crop else image_processor.size
        size = {name: given[name] for name in ("height", "width")}
    image_processor.size, image_processor.crop_size, image_processor.do_center_crop = size, size, False
    return RRWebTrimodalProcessor(tokenizer, text_tokenizer, image_processor)


def build_model(arguments, max_length):
    """Returns (`RRWebTrimodalModel`, names of its encoders that have weights).

    Args:
        arguments (`ModelArguments`).
        max_length (`int`): longest window.

    Raises:
        ValueError: the rrweb encoder reads no windows so long.
    """
    pretrained = ["text_encoder", "rrweb_encoder"]
    if arguments.model_name_or_path:
        model = RRWebTrimodalModel.from_pretrained(arguments.model_name_or_path, revision=arguments.model_revision)
        pretrained.append("vision_encoder")
    else:
        rrweb = RRWebBertModel.from_pretrained(str(model_folder(arguments.rrweb_model)))
        text = AutoModel.from_pretrained(model_folder(arguments.text_model, arguments.text_revision))
        if arguments.vision_model == "new":
            vision = AutoModel.from_config(_small_vision(arguments))
        else:
            vision = _vision(model_folder(arguments.vision_model, arguments.vision_revision))
            pretrained.append("vision_encoder")
        model = RRWebTrimodalModel.from_encoders(
            text,
            vision,
            rrweb,
            projection_dim=arguments.projection_dim,
            logit_scale_init_value=arguments.logit_scale,
            text_name=arguments.text_name or _public(arguments.text_model),
            text_revision=arguments.text_revision,
            vision_name=None if arguments.vision_model == "new" else _public(arguments.vision_model),
            vision_revision=arguments.vision_revision,
            rrweb_name=_public(arguments.rrweb_model),
        )
    longest = model.config.rrweb_config.max_position_embeddings
    if max_length > longest:
        raise ValueError(f"Expected max_length of at most {longest}, what the rrweb encoder reads, got {max_length}.")
    for name in arguments.frozen_encoders:
        getattr(model, ENCODER_OF[MODALITY_OF[name]]).requires_grad_(False)
    return model, pretrained


def _small_vision(arguments):
    return CLIPVisionConfig(
        hidden_size=arguments.vision_hidden_size,
        intermediate_size=4 * arguments.vision_hidden_size,
        num_hidden_layers=arguments.vision_layers,
        num_attention_heads=arguments.vision_heads,
        image_size=arguments.image_size,
        patch_size=arguments.patch_size,
        attention_dropout=arguments.vision_dropout,
        initializer_factor=1.0,
    )


def _vision(folder):
    half = getattr(AutoConfig.from_pretrained(folder), "vision_config", None)
    return AutoModel.from_pretrained(folder, **({} if half is None else {"config": half}))


def _public(name):
    """Returns a name that means something to others, or None: not a folder of this machine."""
    return None if Path(name).is_dir() or name.startswith("package:") else name


def freeze_into_vectors(model, datasets, collator, frozen, batch_size=64, bf16=False):
    """Runs each frozen encoder once over the rows of all data sets and keeps what it gave in them.

    Args:
        frozen (list of `str`): of text, vision, rrweb.
        batch_size (`int`), bf16 (`bool`): how they run.
    """
    for name in frozen:
        modality = MODALITY_OF[name]
        for dataset in datasets:
            if len(dataset):
                dataset.vectors[modality] = frozen_states(model, dataset, collator, modality, batch_size, bf16)


def build_trainer(model, processor, datasets, data_arguments, training_arguments, pretrained=(), frozen=()):
    """Returns the `TrimodalTrainer` of a run.

    Args:
        datasets: (training, held-out sessions, held-out sites), `TripleDataset`s.
        frozen (list of `str`): encoders that run once, here.
    """
    if training_arguments.eval_strategy != "no" and not len(datasets[1].complete()):
        raise ValueError(
            "Expected held-out sessions with pictures to evaluate on, got none among "
            f"{datasets[1].counts()['sessions']} sessions. Record more, raise --held_out_share, or set "
            "--eval_strategy no."
        )
    if len(datasets[0]) < training_arguments.train_batch_size:
        raise ValueError(
            f"Expected at least one batch of {training_arguments.train_batch_size} rows to train on, got "
            f"{len(datasets[0])} rows. Record more, or lower --per_device_train_batch_size."
        )
    collator = TripleCollator(processor, data_arguments.max_length, data_arguments.text_max_length)
    size, bf16 = training_arguments.per_device_eval_batch_size, training_arguments.bf16
    freeze_into_vectors(model.to(training_arguments.device), datasets, collator, frozen, size, bf16)
    return TrimodalTrainer(
        model=model,
        args=training_arguments,
        data_collator=collator,
        processing_class=processor,
        train_dataset=datasets[0],
        eval_dataset=datasets[1],
        pretrained=pretrained,
    )


def reports(trainer, datasets):
    """Returns the retrieval figures of held-out sessions and, where there are any, of held-out sites."""
    named = {"sessions": datasets[1], "sites": datasets[2]}
    return {name: trainer.retrieval(rows) for name, rows in named.items() if len(rows.complete())}


def temperatures(model):
    """Returns the temperature of each pair as {"text-image": ...}."""
    with torch.no_grad():
        return {"-".join(pair): float(1 / scale) for pair, scale in zip(PAIRS, model.scales(), strict=True)}
