"""A trained n-gram encoder whose vocabulary grows or shrinks without training: all other rows stay as they are.

What is pruned is cut out of table and vocabulary. What is added gets a row by a linear map from the teacher's vectors,
fitted by least squares on the words that the model already has: the map is what training did to the table on the
whole. An n-gram is the sum of its words and a residual; the residual is mapped likewise, from what the teacher sees in
the n-gram beyond its words, but stays zero where such a map does not tell anything about n-grams it was not fitted on.

A folder may hold the model in training form or folded, or, as the folder of a run does, both in folders of their own:
then both are edited, and new rows of the folded one are those that folding gives.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
from traceformers.modeling.ngram_encoder.ngram_table import dequantize, quantize
from traceformers.tokenization.ngram.ngram_vocabulary import NGRAM, SKIPGRAM, WORD
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer
from traceformers.training.tensor_files import write_json
from traceformers.training.vocabulary.entry_embeddings import entry_text
from traceformers.training.vocabulary.entry_selection import candidates, select_ngrams
from traceformers.training.vocabulary.ngram_counts import (
    WordCounts,
    count_entries,
    count_ngrams,
    count_words,
    write_word_ids,
)

# Made from the old table, or of no use to the new one.
STALE = (
    *("*.onnx", "*.pt2", "*.ts", "onnx", "torch-export", "torchscript", "openvino", "checkpoint-*", "*.half"),
    *("encoder_snapshot.json", "student_doubt.safetensors", "metrics.json"),
)
MOST_FITTED = 20_000
RIDGE = 1e-3  # of the mean variance of a direction of the teacher's vectors
HISTORY = "vocabulary_edits.json"


@dataclass
class EditedForm:
    """One form of the model in a folder: its place below the folder, and the model."""

    place: Path
    model: NgramEncoderModel


def load_forms(folder):
    """Returns (`NgramTokenizer`, list of `EditedForm`, training forms first) of a folder.

    Raises:
        FileNotFoundError: if there is no n-gram encoder in it or right below it.
        ValueError: if the vocabularies in it are not of the size of their tables, or differ.
    """
    folder, forms, tokenizers = Path(folder), [], []
    for config in sorted(folder.glob("config.json")) + sorted(folder.glob("*/config.json")):
        if json.loads(config.read_text()).get("model_type") != "ngram_encoder" or config.parent.match("checkpoint-*"):
            continue
        model = NgramEncoderModel.from_pretrained(config.parent).eval()
        home = config.parent if (config.parent / "ngram_vocabulary.safetensors").exists() else folder
        tokenizers.append(NgramTokenizer.from_pretrained(home))
        if len(tokenizers[-1].vocabulary) != model.config.vocab_size:
            raise ValueError(
                f"Expected a vocabulary and a table of one size in {config.parent}, got "
                f"{len(tokenizers[-1].vocabulary)} tokens and {model.config.vocab_size} rows. "
                "Save the tokenizer that the model was trained with there."
            )
        if tokenizers[-1].vocabulary.tokens != tokenizers[0].vocabulary.tokens:
            raise ValueError(
                f"Expected all models in {folder} to have one vocabulary, got another in {config.parent}. "
                "Edit them one by one, each in a folder of its own."
            )
        forms.append(EditedForm(config.parent.relative_to(folder), model))
    if not forms:
        raise FileNotFoundError(
            f"Expected config.json of an n-gram encoder in {folder}, found none. Give the folder of a trained model."
        )
    return tokenizers[0], sorted(forms, key=lambda form: form.model.config.folded)


def words_and_ngrams_to_add(
    texts, vocabulary, n_words, n_ngrams, min_count=5, selection="count", encode=None, folder=None
):
    """Returns the most frequent words of new texts that a vocabulary lacks, then n-grams that it lacks, `list[str]`.

    Args:
        texts (callable): returns an iterator over the texts; called twice where n-grams are wanted.
        vocabulary (`NgramVocabulary`).
        n_words, n_ngrams (`int`): how many at most.
        min_count (`int`): occurrences in the texts at least.
        selection, encode: of the n-grams, see `select_ngrams`.
        folder (`str`, *optional*): an existing one, for scratch files; needed for n-grams.
    """
    counted, known = count_words(texts(), min_count, folder=folder), set(vocabulary.tokens)
    words = [word for word in counted.words if word not in known][:n_words]
    if not n_ngrams:
        return words
    new = set(words)
    kept = [i for i, word in enumerate(counted.words) if word in known or word in new]
    spelled = [counted.words[i] for i in kept]
    path = write_word_ids(texts(), spelled, Path(folder) / "word_ids")
    ids, counts = candidates(count_ngrams(np.memmap(path, np.int32, "r"), len(spelled), min_count=min_count), 1 << 62)
    fresh = [" ".join(spelled[i] for i in row if i >= 0) not in known for row in ids.tolist()]
    frequent = WordCounts(spelled, counted.counts[kept], counted.total, counted.types, counted.texts)
    chosen = select_ngrams(ids[fresh], counts[fresh], n_ngrams, selection, frequent, spelled, encode)
    return words + chosen.tokens


def entries_to_keep(vocabulary, tokenizer, texts, min_count):
    """Returns a mask (V,): False for words, n-grams and skip-grams that occur fewer than `min_count` times in texts.

    A word that is part of an n-gram that stays, stays; pieces and buckets stay, since unknown words need them all.
    """
    counts, kinds = count_entries(tokenizer, texts, len(vocabulary)), np.asarray(vocabulary.kinds)
    rare = np.isin(kinds, (WORD, NGRAM, SKIPGRAM)) & (counts < min_count)
    needed = vocabulary.composition[np.isin(kinds, (NGRAM, SKIPGRAM)) & ~rare]
    rare[needed[needed >= 0]] = False
    return ~rare


def prune(forms, vocabulary, keep):
    """Cuts entries out of all forms; returns the `NgramVocabulary` that is left.

    Args:
        keep (bool (V,)): which entries stay, if their words do.
    """
    vocabulary, old_ids = vocabulary.select(keep)
    for form in forms:
        form.model.select_entries(old_ids)
    return vocabulary


def extend(forms, vocabulary, tokens, embeddings, progress=None):
    """Adds entries to all forms; returns (`NgramVocabulary`, {"words": .., "n-grams": ..} how well the maps fit).

    Args:
        forms (list of `EditedForm`): training forms first.
        vocabulary (`NgramVocabulary`): theirs.
        tokens (list of `str`): new ones.
        embeddings (`EntryEmbeddings`): of the teacher they were distilled from.
        progress (`str`, *optional*): label of a progress bar.
    """
    longer, fits = vocabulary.append(tokens), {}
    vectors = _NewVectors(vocabulary, longer, embeddings, progress)
    trained = None
    for form in forms:
        if form.model.config.folded and trained is not None:
            _extend_as_folded(form.model, trained, longer)
            continue
        fits = vectors.extend(form.model)
        trained = form.model if not form.model.config.folded and not len(form.model.layers) else trained
    return longer, fits


class _NewVectors:
    """The teacher's vectors of the words of a vocabulary and of new entries, and maps from them to rows."""

    def __init__(self, vocabulary, longer, embeddings, progress):
        self.longer, self.n_old = longer, len(vocabulary)
        kinds, rng = np.asarray(longer.kinds), np.random.default_rng(0)
        self.new = np.arange(self.n_old, len(longer))
        pick = [np.flatnonzero(kinds[: self.n_old] == kind) for kind in (WORD, NGRAM)]
        self.words, self.ngrams = (np.sort(rng.permutation(ids)[:MOST_FITTED]) for ids in pick)
        self.new_ngrams = self.new[kinds[self.new] == NGRAM]
        if not len(self.new_ngrams):
            self.ngrams = self.ngrams[:0]
        grams = np.concatenate([self.ngrams, self.new_ngrams])
        parts = longer.composition[grams]
        ids = np.unique(np.concatenate([self.words, self.new, grams, parts[parts >= 0]]))
        texts = [entry_text(longer.tokens[i]) for i in ids]
        own = np.array([text is not None for text in texts], bool)
        self.vectors = np.zeros((len(longer), embeddings.teacher.dimension), np.float32)
        self.vectors[ids[own]] = embeddings.encode([text for text in texts if text is not None], progress)
        self.beyond = {
            int(i): self.vectors[i] - self.vectors[row[row >= 0]].mean(0) for i, row in zip(grams, parts, strict=True)
        }

    def extend(self, model):
        """Adds the new entries to a model; returns how well the maps fit."""
        rows, weights = rows_and_weights(model)
        word_map = LinearMap(self.vectors[self.words], rows[self.words])
        mapped = word_map(self.vectors[self.new])
        model.extend_to(self.longer, torch.from_numpy(mapped))
        fits = {"words": word_map.fit}
        if len(self.ngrams) and len(self.new_ngrams) and (model.config.folded or model.config.composed_entries):
            residuals = rows[self.ngrams] - (self._means(rows, weights, self.ngrams) if model.config.folded else 0)
            residual_map = LinearMap(np.stack([self.beyond[int(i)] for i in self.ngrams]), residuals)
            fits["n-grams"] = residual_map.fit
            if residual_map.fit > 0:
                found = residual_map(np.stack([self.beyond[int(i)] for i in self.new_ngrams]))
                set_residuals(model, self.new_ngrams, torch.from_numpy(found))
        return fits

    def _means(self, rows, weights, ids):
        """Returns what the words of composed entries give together, (n, E)."""
        parts = self.longer.composition[ids]
        heads, there = weights.shape[1], (parts >= 0)[..., None]
        shares = weights[parts] * there  # (n, 4, H)
        blocks = rows[parts].reshape(*parts.shape, heads, -1) * shares[..., None]
        return (blocks.sum(1) / np.maximum(shares.sum(1), 1e-30)[..., None]).reshape(len(ids), -1)


class LinearMap:
    """A map from (n, D) to (n, E) with an intercept, fitted by least squares with a little ridge.

    Attributes:
        fit (`float`): share of the variance explained on a fifth that the map was not fitted on; 0 if there are too
            few rows to tell. The map itself is fitted on all.
    """

    def __init__(self, inputs, outputs):
        inputs, outputs = np.asarray(inputs, np.float64), np.asarray(outputs, np.float64)
        fifth, self.fit = np.random.default_rng(0).permutation(len(inputs)) % 5 == 0, 0.0
        if len(inputs) > 2 * inputs.shape[1]:
            self._solve(inputs[~fifth], outputs[~fifth])
            unexplained = ((outputs[fifth] - self(inputs[fifth])) ** 2).sum()
            total = ((outputs[fifth] - outputs[~fifth].mean(0)) ** 2).sum()
            self.fit = round(float(1 - unexplained / total), 4) if total > 0 else 0.0
        self._solve(inputs, outputs)

    def _solve(self, inputs, outputs):
        self.mean_in, self.mean_out = inputs.mean(0), outputs.mean(0)
        centred = inputs - self.mean_in
        gram = centred.T @ centred
        ridge = RIDGE * np.trace(gram) / len(gram) + 1e-12
        self.matrix = np.linalg.solve(gram + ridge * np.eye(len(gram)), centred.T @ (outputs - self.mean_out))

    def __call__(self, inputs):
        return ((inputs - self.mean_in) @ self.matrix + self.mean_out).astype(np.float32)


@torch.no_grad()
def rows_and_weights(model):
    """Returns (rows (V, E), weights (V, H)) of a model, float32: its table, or what each folded entry is alone."""
    if not model.config.folded:
        return model.embeddings.weight.float().numpy(), np.ones((model.config.vocab_size, 1), np.float32)
    values, weights = dequantize(model.table, model.scale).numpy(), model.weights.float().numpy()
    alone = values.reshape(*weights.shape, -1) / np.maximum(weights, 1e-30)[..., None]
    return np.where(weights[:, :1] > 0, alone.reshape(values.shape), 0).astype(np.float32), weights


@torch.no_grad()
def set_residuals(model, ids, residuals):
    """Gives new n-grams what they mean beyond their words, (n, E): as rows, or on top of the sum of their words."""
    ids = torch.as_tensor(ids)
    if not model.config.folded:
        model.embeddings.weight[ids] = residuals.to(model.embeddings.weight.dtype)
        return
    weights = model.weights[ids]
    values = dequantize(model.table[ids], None if model.scale is None else model.scale[ids])
    values = values + (residuals.view(*weights.shape, -1) * weights[..., None]).flatten(1)
    _set_folded_rows(model, ids, values)


def _set_folded_rows(model, ids, values):
    table, scale = quantize(values.contiguous(), model.weights.shape[1], model.config.table_dtype)
    model.table.data[ids] = table
    if scale is not None:
        model.scale[ids] = scale


@torch.no_grad()
def _extend_as_folded(folded, trained, vocabulary):
    """Adds to a folded model the entries that its training form has beyond it, as folding gives them."""
    n_old = folded.config.vocab_size
    absorbs = folded.config.rho == "none" and trained.config.rho == "linear"
    again = trained.fold("float32", absorb_rho=absorbs)
    # Folding divides by the largest weight of all; that entry may have been pruned since the folded model was made.
    words = torch.from_numpy(np.flatnonzero(np.asarray(vocabulary.kinds[:n_old]) == WORD))
    factor = (folded.weights[words] / again.weights[words]).median(0).values  # (H,)
    new = torch.arange(n_old, len(vocabulary))
    folded.extend_to(vocabulary)
    folded.weights[new] = again.weights[new] * factor
    values = again.table[new].view(len(new), len(factor), -1) * factor[:, None]
    _set_folded_rows(folded, new, values.flatten(1))


def save_forms(folder, output_dir, forms, vocabulary, tokenizer, edit):
    """Writes the edited folder: the new models, and of the old ones' folders all but what was made from the old table.

    Args:
        folder, output_dir (`str`): two folders; the second must not exist or be empty.
        tokenizer (`NgramTokenizer`): of `folder`; its settings are kept.
        edit (dict): what was done, for the history.

    Returns:
        list of `str`: what was not copied.
    """
    folder, output_dir = Path(folder), Path(output_dir)
    half = output_dir.with_name(output_dir.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    left_out = []

    def stale(directory, names):
        found = [name for name in names if any(Path(name).match(pattern) for pattern in STALE)]
        left_out.extend(str((Path(directory) / name).relative_to(folder)) for name in found)
        return found

    if any(form.place == Path() for form in forms):
        shutil.copytree(folder, half, ignore=stale)
    else:  # the folder of a run, with much that is not the model
        for form in forms:
            shutil.copytree(folder / form.place, half / form.place, ignore=stale)
    settings = {"model_max_length": tokenizer.model_max_length}
    for form in forms:
        place = half / form.place
        form.model.save_pretrained(place)
        if form.place == Path() or (place / "ngram_vocabulary.safetensors").exists():
            NgramTokenizer(vocabulary=vocabulary, **settings).save_pretrained(place)
    history = json.loads((half / HISTORY).read_text()) if (half / HISTORY).exists() else []
    write_json(half / HISTORY, [*history, edit])
    if output_dir.exists():
        output_dir.rmdir()
    half.replace(output_dir)
    return left_out
