"""What a distillation run is made of: texts and teacher vectors, student, trainer, and the folders it leaves."""

import copy
import json
import re
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from safetensors import safe_open
from transformers import EarlyStoppingCallback

from traceformers.datasets_scripts.distillation.text_files import iterate_texts, list_text_files
from traceformers.modeling.ngram_encoder.configuration_ngram_encoder import NgramEncoderConfig
from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer
from traceformers.training.distillation.distillation_dataset import DistillationBatches, TokenizedTexts, tokenize_texts
from traceformers.training.distillation.distillation_losses import NEEDS_DOCUMENTS, DistillationLoss, parse_loss
from traceformers.training.distillation.distillation_trainer import DistillationTrainer, HeldoutTexts
from traceformers.training.distillation.mined_documents import MinedDocuments, mine_documents
from traceformers.training.distillation.row_shrinkage import shrink_rare_rows
from traceformers.training.distillation.target_transform import TargetTransform
from traceformers.training.distillation.teacher import DEFAULT_TEACHER, load_teacher
from traceformers.training.distillation.teacher_cache import ABOUT, TeacherCache, check_same_teacher, fill_cache
from traceformers.training.evaluation.document_map import fit_document_map
from traceformers.training.evaluation.sts_agreement import unit_length

try:
    import optuna
except ImportError:
    optuna = None

#: Teacher vectors that a target transform is fitted on.
TRANSFORM_SAMPLE = 50_000
#: Training texts that a document map is fitted on, and the most ids of one that is like a query.
MAP_SAMPLE, QUERY_IDS = 20_000, 12
#: What a search tries: name of the argument, lowest and highest value, on a logarithmic scale.
SEARCH_SPACE = (("table_learning_rate", 1e-3, 2e-2), ("logit_learning_rate", 1e-3, 1e-1), ("learning_rate", 1e-4, 1e-2))


class TextFiles:
    """The texts of files, read again at each iteration.

    Args:
        paths (list of `str`): see `list_text_files`.
        limit (`int`, *optional*): no more texts than so many.

    Raises:
        FileNotFoundError: if a path names nothing.
    """

    def __init__(self, paths, limit=None):
        self.files, self.limit = list_text_files(paths), limit

    def __iter__(self):
        return islice(iterate_texts(self.files), self.limit)


class DistillationData:
    """Texts, ids and teacher vectors of a run, made where they are missing.

    All ranks call it: each fills its share of the teacher cache, the first one tokenizes.

    Args:
        student (`StudentArguments`), teacher (`TeacherArguments`).
        output_dir (path): tokenized texts go to `tokens/` in it.
        seed (`int`): of the batches.
        use_cpu (`bool`): the teacher computes on the CPU even where there is a GPU.

    Attributes:
        texts (`TextFiles`), tokenizer (`NgramTokenizer`), cache (`TeacherCache`).
        tokens (`TokenizedTexts`), heldout (`HeldoutTexts`).
        about_teacher (`dict`): contents of the cache's `teacher.json`.
        transform (`TargetTransform`), mined (`MinedDocuments` or None).

    Raises:
        ValueError, FileNotFoundError: what is missing, or does not belong together.
    """

    def __init__(self, student, teacher, output_dir, seed=0, use_cpu=False):
        self.student, self.arguments, self.seed, self.use_cpu = student, teacher, seed, use_cpu
        state, output_dir = PartialState(), Path(output_dir)
        self.tokenizer = NgramTokenizer.from_pretrained(vocabulary_folder(student.vocabulary))
        self.tokenizer.model_max_length = student.model_max_length
        self.texts = texts = _some(TextFiles(teacher.texts), "--texts", teacher.texts)
        heldout = list(_some(TextFiles(teacher.heldout, teacher.max_heldout), "--heldout", teacher.heldout))
        folder = Path(teacher.teacher_cache or output_dir / "teacher")
        heldout_folder = Path(teacher.heldout_cache or folder.with_name(f"{folder.name}-heldout"))
        has_cache = any((place / ABOUT).is_file() for place in (folder, heldout_folder))
        self.teacher = self._load_teacher(teacher.teacher or (None if has_cache else DEFAULT_TEACHER))
        state.wait_for_everyone()  # all have looked before one writes
        self.cache = self._fill(folder, texts, state)
        heldout_cache = self._fill(heldout_folder, heldout, state)
        self.about_teacher = self.cache.about
        check_same_teacher(heldout_folder, heldout_cache.about, self.about_teacher)
        if state.is_main_process:
            tokenize_texts(self.tokenizer, texts, output_dir / "tokens" / "train", student.model_max_length)
            tokenize_texts(self.tokenizer, heldout, output_dir / "tokens" / "heldout", student.model_max_length)
        state.wait_for_everyone()
        self.tokens = TokenizedTexts(output_dir / "tokens" / "train")
        vectors = heldout_cache.vectors(np.arange(len(heldout_cache))).astype(np.float32)
        self.heldout = HeldoutTexts(TokenizedTexts(output_dir / "tokens" / "heldout"), heldout, vectors)
        draw = np.random.default_rng(0).permutation(len(self.cache))[:TRANSFORM_SAMPLE]
        self.transform = TargetTransform.fit(teacher.target, self.cache.vectors(np.sort(draw)))
        self.mined = self._mined(output_dir / "mined.safetensors", state) if teacher.mined_documents else None

    def _load_teacher(self, name):
        a = self.arguments
        if name is None:
            return None
        return load_teacher(
            name,
            a.teacher_revision,
            a.teacher_pooling,
            device="cpu" if self.use_cpu else None,
            precision=a.teacher_precision,
            max_length=a.teacher_max_length,
            similarity=a.teacher_similarity,
        )

    def _fill(self, folder, texts, state):
        """Returns the complete, checked cache of `texts`, after filling it if there is a teacher."""
        try:
            cache = TeacherCache.open(folder)
        except FileNotFoundError:
            if self.teacher is None:
                raise
            cache = None
        state.wait_for_everyone()  # all have looked before one writes
        if cache is None:
            size, progress = self.arguments.teacher_batch_size, state.is_local_main_process
            fill_cache(self.teacher, texts, folder, state.process_index, state.num_processes, size, progress=progress)
        state.wait_for_everyone()
        if cache is None:
            return TeacherCache.open(folder)
        if self.teacher is not None:
            cache.check_teacher(self.teacher.fingerprint)
        if state.is_main_process:
            cache.check_texts(texts)
        return cache

    def _mined(self, path, state):
        if state.is_main_process and MinedDocuments.open(path, self.cache) is None:
            mine_documents(self.cache, self.arguments.mined_documents).save(path, self.cache)
        state.wait_for_everyone()
        return MinedDocuments.open(path, self.cache)

    def batches(self):
        """Returns the `DistillationBatches` of the run."""
        a = self.arguments
        n_documents = min(a.documents_per_text, a.mined_documents)
        weights = a.short_text_weight, a.long_text_weight
        return DistillationBatches(self.tokens, self.cache, self.seed, *weights, self.mined, n_documents)

    def entry_counts(self):
        """Returns how often each entry contributes in the training texts, int64 (V,): n-grams count their words too."""
        vocabulary = self.tokenizer.vocabulary
        counts = np.zeros(len(vocabulary.tokens), np.int64)
        for start in range(0, len(self.tokens.ids), 1 << 24):
            counts += np.bincount(self.tokens.ids[start : start + (1 << 24)], minlength=len(counts))
        if self.student.composed_entries:
            composition = np.asarray(vocabulary.composition)
            own = counts.copy()
            for column in composition.T:
                entries = np.flatnonzero(column >= 0)
                np.add.at(counts, column[entries], own[entries])
        return counts

    def entry_vectors(self):
        """Returns the teacher's vectors of the vocabulary's entries, float32 (V, D).

        Raises:
            FileNotFoundError: if the vocabulary was built without them.
            ValueError: if they are of another vocabulary, another width or another teacher.
        """
        path = Path(self.student.vocabulary) / "entry_vectors.safetensors"
        if not path.is_file():
            raise FileNotFoundError(
                f"Expected {path.name} in {self.student.vocabulary}, found none. "
                "Build the vocabulary with its vectors, or start from --init_table random."
            )
        with safe_open(path, framework="numpy") as file:
            vectors = file.get_tensor("vectors")
            of_teacher = (file.metadata() or {}).get("teacher")
        expected = (len(self.tokenizer.vocabulary.tokens), self.cache.dimension)
        if vectors.shape != expected:
            raise ValueError(
                f"Expected entry vectors {expected}, one for each entry of the tokenizer and as wide as the teacher's, "
                f"got {vectors.shape} in {path}. Build the vocabulary again with this teacher."
            )
        if of_teacher is not None:
            about = json.loads(of_teacher) | {"max_length": self.about_teacher["max_length"]}  # no entry is so long
            check_same_teacher(path, about, self.about_teacher)
        return vectors.astype(np.float32)


def vocabulary_folder(folder):
    """Returns the folder of the tokenizer in a vocabulary's folder.

    Raises:
        FileNotFoundError: if there is none.
    """
    for candidate in (Path(folder), Path(folder) / "tokenizer"):
        if (candidate / "ngram_vocabulary.safetensors").is_file():
            return str(candidate)
    raise FileNotFoundError(
        f"Expected ngram_vocabulary.safetensors in {folder}, found none. "
        "Give the folder that build_ngram_vocabulary.py wrote."
    )


def _some(texts, name, paths):
    if next(iter(texts), None) is None:
        raise ValueError(f"Expected texts in {name} {' '.join(paths)}, got none. Name files that are not empty.")
    return texts


def build_student(data):
    """Returns a new `NgramEncoderModel` for the data of a run, its table and weights where they start.

    Args:
        data (`DistillationData`).

    Raises:
        ValueError: if shape, vocabulary and targets do not fit together.
    """
    student, about = data.student, data.about_teacher
    vocabulary = data.tokenizer.vocabulary
    dims = tuple(sorted(student.matryoshka_dims))
    config = NgramEncoderConfig(
        vocab_size=len(vocabulary.tokens),
        hidden_size=data.cache.dimension,
        embedding_size=student.embedding_size or data.cache.dimension,
        matryoshka_dims=dims,
        similarity=about["similarity"],
        teacher_name=recorded_teacher(data),
        teacher_revision=about["revision"],
        teacher_pooling=None if data.arguments.teacher_pooling == "from-config" else data.arguments.teacher_pooling,
        **{
            name: getattr(student, name)
            for name in (
                "pooling num_attention_heads phi phi_hidden_size rho rho_hidden_size num_self_attention_layers "
                "num_self_attention_heads composed_entries documents"
            ).split()
        },
    )
    data.transform.check_foldable(config)
    model = NgramEncoderModel(config)
    if config.composed_entries:
        model.set_vocabulary(vocabulary)
    if student.init_table == "teacher":
        model.set_entry_vectors(data.transform.apply(torch.from_numpy(data.entry_vectors())))
    if config.pooling != "mean":
        model.set_entry_frequencies(data.entry_counts())
    model.embeddings.weight.requires_grad_(student.train_table)
    return model


def recorded_teacher(data):
    """Returns the name of the teacher that goes into the student's config, None where only a folder is known.

    The name of a folder on this machine says nothing elsewhere, or names another model of the Hub.

    Raises:
        ValueError: if the student is to load it by that name, and only a folder or an installed package is known.
    """
    named = data.arguments.teacher_name
    name = named or data.about_teacher["teacher"]
    is_folder = not named and (Path(name).is_dir() or Path(name).is_absolute() or name.startswith("."))
    if data.student.documents != "teacher":
        return None if is_folder else name
    if is_folder or name.startswith("package:"):
        raise ValueError(
            f"Expected a name that documents can be encoded by anywhere, got {name}. "
            "Give the Hub id of the same model: --teacher_name sentence-transformers/all-MiniLM-L6-v2, for instance."
        )
    return name


def default_loss(similarity):
    """Returns the loss of a run that names none: lengths of vectors count only for the dot product."""
    return "mse" if similarity == "dot" else "cosine"


def build_trainer(data, training_arguments, model=None, model_init=None):
    """Returns the `DistillationTrainer` of a run, its model not normalizing.

    Args:
        data (`DistillationData`).
        training_arguments (`DistillationTrainingArguments`).
        model (`NgramEncoderModel`), model_init (callable): one of the two.

    Raises:
        ValueError: if the loss needs documents that were not mined.
    """
    weights = parse_loss(training_arguments.loss or default_loss(data.about_teacher["similarity"]))
    needing = [name for name in weights if name in NEEDS_DOCUMENTS]
    if needing and data.mined is None:
        raise ValueError(
            f"Expected --mined_documents of 2 or more for the loss {needing[0]}, got none. Set it, 16 for instance."
        )
    loss = DistillationLoss(
        weights,
        data.transform,
        data.about_teacher["similarity"],
        training_arguments.temperature,
        data.student.matryoshka_dims,
    )
    patience = training_arguments.early_stopping_patience
    if model is not None:
        model.config.normalize = False
    return DistillationTrainer(
        model=model,
        model_init=model_init,
        args=training_arguments,
        train_dataset=data.batches(),
        eval_dataset=data.heldout,
        callbacks=[EarlyStoppingCallback(patience)] if patience else None,
        distillation_loss=loss,
    )


def shrink_rows(trainer, data):
    """Returns the report of `shrink_rare_rows` for a trained student, or None where its rows have no prior.

    The strength is chosen by the mean cosine of the held-out texts. All ranks call it and do the same.

    Args:
        trainer (`DistillationTrainer`).
        data (`DistillationData`).
    """
    model, student = trainer.accelerator.unwrap_model(trainer.model), data.student
    if student.init_table != "teacher" or not student.train_table:
        return None
    start = data.transform.apply(torch.from_numpy(data.entry_vectors())).numpy()
    composed = (np.asarray(data.tokenizer.vocabulary.composition) >= 0).any(1) & student.composed_entries
    theirs = unit_length(data.heldout.teacher_vectors)

    def cosine():
        return float((unit_length(trainer.encode(data.heldout.tokens)) * theirs).sum(1).mean())

    return shrink_rare_rows(model.embeddings, start, data.entry_counts(), composed, cosine)


def search(data, training_arguments):
    """Returns {"parameters": {name: value}, "objective": float} of the best of `search_trials` short runs.

    Args:
        data (`DistillationData`).
        training_arguments (`DistillationTrainingArguments`): of the run; of each trial but for the rates that it tries.
    """
    if optuna is None:
        raise ValueError("Expected optuna for --search_trials, it is not installed. Install it: pip install optuna.")
    if training_arguments.world_size > 1:
        raise ValueError(
            f"Expected one rank for a search, got {training_arguments.world_size}. Search on one, then set the rates."
        )
    arguments = copy.deepcopy(training_arguments)
    arguments.output_dir = str(Path(arguments.output_dir) / "search")
    arguments.save_strategy, arguments.load_best_model_at_end = "no", False
    arguments.early_stopping_patience = None

    def new_student(trial=None):
        model = build_student(data)
        model.config.normalize = False
        return model

    trainer = build_trainer(data, arguments, model_init=new_student)
    metric = re.sub("^(eval_)?", "eval_", training_arguments.metric_for_best_model)
    best = trainer.hyperparameter_search(
        hp_space=lambda trial: {
            name: trial.suggest_float(name, low, high, log=True) for name, low, high in SEARCH_SPACE
        },
        compute_objective=lambda metrics: metrics[metric],
        n_trials=training_arguments.search_trials,
        direction="maximize" if training_arguments.greater_is_better else "minimize",
        backend="optuna",
        sampler=optuna.samplers.TPESampler(seed=training_arguments.seed),
    )
    return {"parameters": best.hyperparameters, "objective": best.objective}


def finished_student(model, data, weights):
    """Returns the trained model itself, giving vectors in the teacher's space, of length 1 if lengths mean nothing.

    Args:
        model (`NgramEncoderModel`): in the training form, changed in place.
        data (`DistillationData`).
        weights (dict of `str` to `float`): of the losses it was trained with.
    """
    data.transform.fold_inverse(model)
    about = data.about_teacher
    lengths_learned = data.transform.kind != "l2" and set(weights) != {"cosine"}
    model.config.normalize = about["normalize"] or about["similarity"] == "cosine" or not lengths_learned
    return model.eval()


@torch.no_grad()
def student_document_map(model, data):
    """Returns the `DocumentMap` of the teacher's document vectors for a student's queries, see `fit_document_map`.

    It is fitted on training texts of up to 12 ids, or on all where these are fewer than the width.

    Args:
        model (`NgramEncoderModel`): the finished student.
        data (`DistillationData`).
    """
    chosen = np.flatnonzero(data.tokens.lengths <= QUERY_IDS)
    if len(chosen) < data.cache.dimension:
        chosen = np.arange(len(data.tokens))
    chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:MAP_SAMPLE])
    parts = []
    for start in range(0, len(chosen), 2048):
        ids, offsets = (torch.from_numpy(x).to(model.device) for x in data.tokens.flat(chosen[start : start + 2048]))
        parts.append(model(ids, offsets=offsets).pooler_output.float().cpu().numpy())
    student, teacher = np.concatenate(parts), data.cache.vectors(chosen).astype(np.float32)
    return fit_document_map(student, unit_length(teacher) if model.config.normalize else teacher)
