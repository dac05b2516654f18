"""`Trainer` for the trimodal model: two learning rates, and evaluation by retrieval."""

import time

import numpy as np
import torch
from transformers import Trainer

from traceformers.training.trimodal.retrieval_directions import retrieval_report
from traceformers.training.trimodal.triple_collator import MODALITIES

ENCODER_OF = {"text": "text_encoder", "image": "vision_encoder", "session": "rrweb_encoder"}


class TrimodalTrainer(Trainer):
    """Trains on triples; evaluates by how well each modality finds each other one among complete rows.

    Args:
        pretrained (sequence of `str`): encoder attributes that were loaded with weights; they get
            `args.encoder_learning_rate`.
        kwargs: for `Trainer`.
    """

    def __init__(self, *args, pretrained=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.pretrained = tuple(f"{name}." for name in pretrained)

    def get_decay_parameter_names(self, model):
        """Returns the names of the parameters that decay: temperatures are none of them."""
        return [name for name in super().get_decay_parameter_names(model) if not name.endswith("logit_scales")]

    def create_optimizer(self, model=None):
        """Returns AdamW with groups for new and pre-trained parameters, with and without decay."""
        if self.optimizer is None:
            model = self.model if model is None else model
            decays, groups = set(self.get_decay_parameter_names(model)), {}
            for name, parameter in model.named_parameters():
                if parameter.requires_grad:
                    groups.setdefault((name.startswith(self.pretrained), name in decays), []).append(parameter)
            rates = {False: self.args.learning_rate, True: self.args.encoder_learning_rate}
            decay = {False: 0.0, True: self.args.weight_decay}
            parameters = [
                {"params": group, "lr": rates[is_pretrained], "weight_decay": decay[has_decay]}
                for (is_pretrained, has_decay), group in sorted(groups.items())
            ]
            cls, options = self.get_optimizer_cls_and_kwargs(self.args, model)
            self.optimizer = cls(parameters, **options)
        return self.optimizer

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Returns and logs the mean R@1, R@5 and MRR of the six directions, over the complete rows of a data set."""
        started = time.perf_counter()
        report = self.retrieval(self.eval_dataset if eval_dataset is None else eval_dataset)
        figures = {f"{metric_key_prefix}_{name}": value for name, value in report["all"]["mean"].items()}
        figures[f"{metric_key_prefix}_runtime"] = time.perf_counter() - started
        self.log(figures)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, figures)
        return figures

    def retrieval(self, dataset):
        """Returns the `retrieval_report` of the complete rows of a data set, sites as groups."""
        rows = dataset.complete()
        if not len(rows):
            raise ValueError("Expected rows with window, log and picture to evaluate on, got none. Hold out more.")
        embeds = self.embeds(rows)
        return retrieval_report(embeds, [triple.site for triple in rows.triples])

    @torch.no_grad()
    def embeds(self, dataset):
        """Returns {modality: float32 (N, P)} of the rows of a data set, in their order."""
        model = self.accelerator.unwrap_model(self.model)
        was_training, size = model.training, self.args.per_device_eval_batch_size
        model.eval()
        parts = {modality: [] for modality in MODALITIES}
        for start in range(0, len(dataset), size):
            rows = [dataset[number] for number in range(start, min(start + size, len(dataset)))]
            batch = {name: value.to(model.device) for name, value in self.data_collator(rows).items()}
            outputs = model(**batch, return_loss=False)
            for modality in MODALITIES:
                parts[modality].append(outputs[f"{modality}_embeds"].float().cpu().numpy())
        model.train(was_training)
        return {modality: np.concatenate(vectors) for modality, vectors in parts.items()}


@torch.no_grad()
def frozen_states(model, dataset, collator, modality, batch_size=64, bf16=False):
    """Returns what a frozen encoder gives for all rows of a data set, float32 (rows, H); zeros where a row has none.

    Args:
        model (`RRWebTrimodalModel`), dataset (`TripleDataset`), collator (`TripleCollator`).
        modality (`str`): text, image or session.
        bf16 (`bool`): compute in bfloat16, as Trainer does with `bf16`.
    """
    states = torch.zeros(len(dataset), model.config.sizes[modality])
    names = {
        "text": ("text_input_ids", "text_attention_mask"),
        "image": ("pixel_values",),
        "session": ("input_ids", "attention_mask", "token_type_ids"),
    }[modality]
    order = sorted(range(len(dataset)), key=lambda number: len(dataset.triples[number].ids))  # of like length together
    training = model.training
    model.eval()
    for start in range(0, len(order), batch_size):
        numbers = [
            n for n in order[start : start + batch_size] if modality != "image" or dataset.triples[n].is_complete
        ]
        if not numbers:
            continue
        rows = [{**dict.fromkeys(MODALITIES), modality: dataset[number][modality]} for number in numbers]
        batch = collator(rows)
        inputs = {name: batch[name].to(model.device) for name in names}
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            states[numbers] = getattr(model, f"{modality}_states")(**inputs).float().cpu()
    model.train(training)
    return states
