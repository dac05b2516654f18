"""The parts of a contrastive run put together: encoder, projection, pairs, trainer, figures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.losses import MatryoshkaLoss, MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import Normalize
from transformers import EarlyStoppingCallback

from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertModel
from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import save_sentence_transformer
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer
from traceformers.training.contrastive.contrastive_trainer import ContrastiveTrainer
from traceformers.training.contrastive.pair_batches import PairBatches, PairCollator, first_pages
from traceformers.training.contrastive.session_projection import fitted_projection
from traceformers.training.contrastive.session_views import MaskedText, SessionViews
from traceformers.training.contrastive.view_retrieval import ViewRetrieval, ranking_report
from traceformers.training.masked_lm.session_store import SessionStore

SHORTEST_VECTOR = 32
ALL_PAIRS = ("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc")


@dataclass
class PairData:
    """A prepared data set as pairs of views, for one encoder.

    Args:
        arguments (`PairArguments`).
        encoder (`SessionEncoder`).
        batch_size (`int`): pairs in a batch, of all ranks together.
        seed (`int`): of pairs and their order.
    """

    arguments: object
    encoder: object
    batch_size: int = 16
    seed: int = 0

    def __post_init__(self):
        tokenizer, a = self.encoder.tokenizer, self.arguments
        mask = MaskedText(
            *tokenizer.convert_tokens_to_ids(["[is:masked]", "[length:0]"]),
            tokenizer.structural_vocab_size,
            a.mask_text_in,
        )
        self.views = SessionViews(
            tokenizer.window_tokens,
            a.max_length or self.encoder.max_seq_length,
            self.encoder,
            a.windows_per_view,
            a.page_windows_per_view,
            mask if a.mask_text_in else None,
        )
        self._retrieval = {}

    def store(self, split):
        """Returns the `SessionStore` of a split.

        Raises:
            ValueError: if the data set was prepared with another tokenizer.
        """
        store = SessionStore(self.arguments.data_dir, split)
        prepared = store.info.get("vocab_size", self.encoder.tokenizer.vocab_size)
        if prepared != self.encoder.tokenizer.vocab_size:
            raise ValueError(
                f"Expected a data set prepared with the encoder's tokenizer ({self.encoder.tokenizer.vocab_size} ids), "
                f"got {prepared} ids in {self.arguments.data_dir}. Prepare the recordings again with that tokenizer."
            )
        return store

    def pairs(self):
        """Returns the training pairs."""
        store = self.store(self.arguments.train_split)
        return PairBatches(
            store,
            self.views,
            store.texts("site"),
            first_pages(store),
            self.batch_size,
            self.arguments.passes_per_epoch,
            self.seed,
        )

    def retrieval(self, split):
        """Returns the `ViewRetrieval` of a split."""
        if split not in self._retrieval:
            store = self.store(split)
            self._retrieval[split] = ViewRetrieval(
                store, self.views, store.texts("site"), self.arguments.max_eval_windows, self.batch_size
            )
        return self._retrieval[split]


def start_model(arguments, pair_arguments, folder, device="cpu"):
    """Returns the encoder to train, as `SentenceTransformer`, loaded back from `folder`, where it is written first.

    A class of the installed package would name the package in every checkpoint; loaded from a folder it is repository
    code, and so is what is saved of it.

    Args:
        arguments (`EncoderArguments`), pair_arguments (`PairArguments`).
        folder (path): for the encoder with the projection still to be trained.
        device (`str` or `torch.device`).

    Raises:
        ValueError: if no encoder or data set is named.
    """
    for key, given in (("model_name_or_path", arguments.model_name_or_path), ("data_dir", pair_arguments.data_dir)):
        if not given:
            raise ValueError(f"Expected --{key}, got none. Name it, or set {key} in the config.")
    name, revision = arguments.model_name_or_path, arguments.model_revision
    RRWebBertModel.from_pretrained(name, revision=revision).save_pretrained(folder)
    RRWebTokenizer.from_pretrained(name, revision=revision).save_pretrained(folder)
    save_sentence_transformer(folder, pair_arguments.max_length, pooling=arguments.pooling)
    encoder = SentenceTransformer(str(folder), trust_remote_code=True, device="cpu")[0]
    wide = encoder.get_embedding_dimension()
    size = arguments.embedding_size or encoder.model.config.hidden_size
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(size, wide, generator=generator) / wide**0.5
    bias = torch.zeros(size)
    if arguments.fit_projection:
        data = PairData(pair_arguments, encoder)
        weight, bias = fitted_projection(encoder.to(device), data.store(pair_arguments.train_split), data.views, size)
    dense = Dense(wide, size, activation_function=None, init_weight=weight, init_bias=bias)
    model = SentenceTransformer(modules=[encoder.cpu(), dense, Normalize()], similarity_fn_name="cosine")
    model.save(str(folder), create_model_card=False)
    return SentenceTransformer(str(folder), trust_remote_code=True, device=str(device))


def vector_lengths(arguments, size):
    """Returns the lengths a vector is trained at, longest first.

    Raises:
        ValueError: if one is longer than the vector.
    """
    lengths = arguments.matryoshka_dims or [size // 2**n for n in range(8) if n == 0 or size // 2**n >= SHORTEST_VECTOR]
    if not all(1 <= length <= size for length in lengths):
        raise ValueError(
            f"Expected matryoshka_dims between 1 and the {size} of a vector, got {lengths}. Leave the others out."
        )
    return sorted({*lengths, size}, reverse=True)


def build_trainer(model, data, arguments, training_arguments):
    """Returns the `ContrastiveTrainer` of a run.

    Args:
        model (`SentenceTransformer`): from `start_model`.
        data (`PairData`).
        arguments (`EncoderArguments`).
        training_arguments (`ContrastiveTrainingArguments`).
    """
    if not arguments.train_encoder:
        model[0].model.requires_grad_(False)
    loss = MultipleNegativesRankingLoss(model, scale=1 / training_arguments.temperature, directions=ALL_PAIRS)
    patience = training_arguments.early_stopping_patience
    return ContrastiveTrainer(
        model=model,
        args=training_arguments,
        train_dataset=data.pairs(),
        data_collator=PairCollator(model[0].pack),
        loss=MatryoshkaLoss(model, loss, vector_lengths(arguments, model.get_embedding_dimension())),
        evaluator=data.retrieval(data.arguments.eval_split),
        callbacks=[EarlyStoppingCallback(patience)] if patience else None,
    )


def split_report(model, retrieval, lengths):
    """Returns the figures of one split: at every length of the vectors, before the projection, and of TF-IDF.

    Args:
        model (`SentenceTransformer`).
        retrieval (`ViewRetrieval`).
        lengths (list of `int`).
    """
    first, second = retrieval.vectors(model)
    cut = {str(length): [_unit(half[:, :length]) for half in (first, second)] for length in lengths}
    report = {length: ranking_report(*halves, retrieval.sites) for length, halves in cut.items()}
    return {
        **report[str(max(lengths))],
        "lengths": {
            length: {name: figures[name] for name in ("mrr", "recall_at_1")} for length, figures in report.items()
        },
        "baselines": {"tfidf": ranking_report(*retrieval.token_vectors(), retrieval.sites)},
    }


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def source_card(arguments, pair_arguments):
    """Returns the YAML of what no run knows of its data, as a path; it need not exist."""
    return Path(pair_arguments.about_data or Path(pair_arguments.data_dir) / "about_data.yaml")
