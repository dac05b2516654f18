import shutil
from itertools import pairwise

import numpy as np
import pytest
import torch
from tiny_teacher import tiny_teacher

from traceformers.modeling.ngram_encoder.configuration_ngram_encoder import NgramEncoderConfig
from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
from traceformers.tokenization.ngram.ngram_vocabulary import assemble
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer
from traceformers.training.distillation.teacher import load_teacher
from traceformers.training.vocabulary.entry_embeddings import EntryEmbeddings, entry_vectors
from traceformers.training.vocabulary.vocabulary_edit import (
    LinearMap,
    entries_to_keep,
    extend,
    load_forms,
    prune,
    save_forms,
    words_and_ngrams_to_add,
)

# Enough words and n-grams for maps of width 8 to be fitted.
WORDS = sorted({a + b + c for a in "bdgkr" for b in "aeiou" for c in "nst"})
NGRAMS = [f"{a} {b}" for a, b in pairwise(WORDS)]
VOCABULARY = assemble(WORDS, list("abdegiknorstu"), list("abdegiknorstu"), 0, NGRAMS, [f"{WORDS[0]} _ {WORDS[2]}"])
NEW = ["redcat", "blue", f"redcat {WORDS[0]}", f"{WORDS[5]} {WORDS[9]}", f"blue _ {WORDS[1]}"]
FORMS = [
    {"rho": "linear"},
    {"num_attention_heads": 2, "phi": "mlp", "phi_hidden_size": 8},
    {"pooling": "mean", "composed_entries": False},
    {"pooling": "sif", "rho": "mlp", "rho_hidden_size": 8},
]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tiny_teacher(tmp_path_factory.mktemp("teacher"), dimension=8)
    return load_teacher(folder, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def embeddings(teacher, tmp_path_factory):
    return EntryEmbeddings(tmp_path_factory.mktemp("entries"), teacher)


@pytest.fixture
def rotation():
    return np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]


def trained(embeddings, rotation, **settings):
    """Returns a model as training could leave it: the teacher's vectors turned, with residuals of n-grams."""
    torch.manual_seed(0)
    model = NgramEncoderModel(NgramEncoderConfig(vocab_size=len(VOCABULARY), hidden_size=8, **settings)).eval()
    vectors = entry_vectors(VOCABULARY, embeddings).astype(np.float32)
    composed = model.composition is not None
    if composed:
        model.set_vocabulary(VOCABULARY)
        parts = VOCABULARY.composition
        means = [vectors[row[row >= 0]].mean(0) if row[0] >= 0 else 0 for row in parts]
        vectors = vectors - np.stack([np.broadcast_to(mean, 8) for mean in means])
    with torch.no_grad():
        model.embeddings.weight.copy_(torch.from_numpy(vectors @ rotation))
        for parameter in model.parameters():
            if parameter is not model.embeddings.weight:
                parameter += 0.1 * torch.randn_like(parameter)
    return model


def saved(folder, *models, vocabulary=VOCABULARY):
    for model in models:
        place = folder if len(models) == 1 else folder / ("model" if model.config.folded else "training_model")
        model.save_pretrained(place)
        NgramTokenizer(vocabulary=vocabulary).save_pretrained(place)
    return folder


def edited(folder, output, embeddings, tokens=(), keep=None):
    tokenizer, forms = load_forms(folder)
    vocabulary = prune(forms, tokenizer.vocabulary, np.ones(len(tokenizer.vocabulary), bool) if keep is None else keep)
    vocabulary, fits = extend(forms, vocabulary, list(tokens), embeddings)
    save_forms(folder, output, forms, vocabulary, tokenizer, {"added": len(tokens)})
    return load_forms(output), fits


def rows_of(model):
    return {name: value for name, value in model.state_dict().items() if value.shape[:1] == (model.config.vocab_size,)}


def encode(model, tokenizer, texts):
    ids, offsets = tokenizer.encode_flat(texts)
    with torch.no_grad():
        return model(torch.from_numpy(ids).long(), offsets=torch.from_numpy(offsets)).pooler_output


TEXTS = [f"{WORDS[3]} {WORDS[4]} {WORDS[7]}", f"{WORDS[20]} sun", WORDS[1]]


@pytest.mark.parametrize("settings", FORMS, ids=str)
@pytest.mark.parametrize("form", ["training", "float32", "float16", "int8"])
def test_old_rows_stay_to_the_bit_and_new_words_are_known(tmp_path, embeddings, rotation, settings, form):
    model = trained(embeddings, rotation, **settings)
    model = model if form == "training" else model.fold(form)
    folder = saved(tmp_path / "model", model)
    (tokenizer, (found,)), _ = edited(folder, tmp_path / "out", embeddings, NEW)
    assert tokenizer.vocabulary.tokens == [*VOCABULARY.tokens, *NEW]
    before, after = rows_of(model), rows_of(found.model)
    assert before.keys() == after.keys() and len(after) >= 1
    for name, rows in before.items():
        assert torch.equal(after[name][: len(VOCABULARY)], rows), name
        assert len(after[name]) == len(VOCABULARY) + len(NEW)
    assert torch.equal(
        encode(found.model, tokenizer, TEXTS), encode(model, NgramTokenizer.from_pretrained(folder), TEXTS)
    )
    assert tokenizer.encode_flat(["redcat blue"])[0].tolist() == [len(VOCABULARY), len(VOCABULARY) + 1]
    assert encode(found.model, tokenizer, ["redcat", "blue"]).isfinite().all()


@pytest.mark.parametrize("form", ["training", "float32", "int8"])
def test_a_new_word_gets_the_row_that_training_would_have_turned_it_into(tmp_path, embeddings, rotation, form):
    model = trained(embeddings, rotation, rho="none")
    folder = saved(tmp_path / "model", model if form == "training" else model.fold(form))
    (tokenizer, (found,)), fits = edited(folder, tmp_path / "out", embeddings, ["redcat", "blue"])
    assert fits["words"] > 0.97
    expected = torch.from_numpy(embeddings.teacher.encode(["redcat", "blue"]) @ rotation).float()
    similar = torch.cosine_similarity(encode(found.model, tokenizer, ["redcat", "blue"]), expected)
    assert (similar > 0.97).all(), similar


@pytest.mark.parametrize("form", ["training", "float32", "int8"])
def test_a_new_ngram_means_what_the_teacher_sees_beyond_its_words(tmp_path, embeddings, rotation, form):
    model = trained(embeddings, rotation, rho="none")
    with torch.no_grad():
        model.logits.zero_()
    folder = saved(tmp_path / "model", model if form == "training" else model.fold(form))
    ngrams = [f"{a} {b}" for a, b in zip(WORDS[::5], WORDS[3::5], strict=False)]
    (tokenizer, (found,)), fits = edited(folder, tmp_path / "out", embeddings, ngrams)
    assert fits["n-grams"] > 0.3
    assert [len(tokenizer.encode_flat([ngram])[0]) for ngram in ngrams] == [1] * len(ngrams)
    old = NgramTokenizer.from_pretrained(folder)
    (_, (before,)) = load_forms(folder)
    target = torch.from_numpy(embeddings.teacher.encode(ngrams) @ rotation).float()
    with_words = torch.cosine_similarity(encode(before.model, old, ngrams), target).mean()
    with_entry = torch.cosine_similarity(encode(found.model, tokenizer, ngrams), target).mean()
    assert with_entry > with_words


def test_a_residual_map_that_tells_nothing_is_not_used(tmp_path, embeddings, rotation):
    model = trained(embeddings, rotation)
    with torch.no_grad():
        ngrams = torch.from_numpy(np.flatnonzero(VOCABULARY.composition[:, 0] >= 0))
        model.embeddings.weight[ngrams] = torch.randn(len(ngrams), 8)
    folder = saved(tmp_path / "model", model)
    (_, (found,)), fits = edited(folder, tmp_path / "out", embeddings, NEW)
    assert fits["n-grams"] <= 0
    assert not found.model.embeddings.weight[len(VOCABULARY) + 2 :].any()


@pytest.mark.parametrize("table_dtype", ["float32", "int8"])
@pytest.mark.parametrize("settings", FORMS, ids=str)
def test_the_folded_form_beside_a_training_form_stays_its_fold(tmp_path, embeddings, rotation, settings, table_dtype):
    model = trained(embeddings, rotation, **settings)
    if model.logits is not None:  # the largest weight of all is pruned, by which folding divides
        model.logits.data[VOCABULARY.ids[WORDS[30]]] = 5
    folder = saved(tmp_path / "model", model, model.fold(table_dtype))
    keep = np.ones(len(VOCABULARY), bool)
    keep[VOCABULARY.ids[WORDS[30]]] = False
    (tokenizer, (training, folded)), _ = edited(folder, tmp_path / "out", embeddings, NEW, keep)
    assert not training.model.config.folded and folded.model.config.folded and WORDS[30] not in tokenizer.vocabulary.ids
    texts = [*TEXTS, "redcat blue", f"redcat {WORDS[0]} x {WORDS[5]} {WORDS[9]}", f"blue x {WORDS[1]}"]
    vectors = [encode(form.model, tokenizer, texts) for form in (training, folded)]
    assert torch.cosine_similarity(*vectors).min() > (0.99999 if table_dtype == "float32" else 0.999)


def test_pruned_entries_are_gone_with_their_ngrams_and_no_other_row_moved(tmp_path, embeddings, rotation):
    model = trained(embeddings, rotation, rho="linear")
    folder = saved(tmp_path / "model", model.fold("int8"))
    keep = np.ones(len(VOCABULARY), bool)
    keep[VOCABULARY.ids[WORDS[10]]] = False
    (tokenizer, (found,)), _ = edited(folder, tmp_path / "out", embeddings, (), keep)
    gone = {WORDS[10], f"{WORDS[9]} {WORDS[10]}", f"{WORDS[10]} {WORDS[11]}"}
    assert [token for token in VOCABULARY.tokens if token not in gone] == tokenizer.vocabulary.tokens
    kept = torch.tensor([i for i, token in enumerate(VOCABULARY.tokens) if token not in gone])
    for name, rows in rows_of(model.fold("int8")).items():
        assert torch.equal(rows[kept], rows_of(found.model)[name])
    old = NgramTokenizer.from_pretrained(folder)
    assert torch.equal(encode(found.model, tokenizer, TEXTS), encode(model.fold("int8"), old, TEXTS))


def test_what_is_rare_in_texts_is_pruned_but_not_words_that_an_ngram_needs():
    vocabulary = assemble(["new", "york", "cat", "dog"], ["d"], ["o"], 0, ["new york", "cat dog"])
    tokenizer = NgramTokenizer(vocabulary=vocabulary, back_end="python")
    keep = entries_to_keep(vocabulary, tokenizer, ["new york cat", "new york cat", "dog"], 2)
    kept = [token for token, stays in zip(vocabulary.tokens, keep, strict=True) if stays]
    assert kept == ["[PAD]", "[UNK]", "new", "york", "cat", "d##", "##o", "new york"]


def test_new_words_and_ngrams_come_from_texts_and_are_not_known_yet(tmp_path):
    vocabulary = assemble(["new", "york"], ngrams=["new york"])
    texts = ["New York has a newspaper in new york", "a newspaper has a reader"] * 3 + ["once"]

    def found(n_words, n_ngrams):
        return words_and_ngrams_to_add(lambda: iter(texts), vocabulary, n_words, n_ngrams, 3, folder=tmp_path)

    assert found(9, 0) == ["a", "has", "newspaper", "in", "reader"] and found(2, 0) == ["a", "has"]
    added = found(2, 3)
    assert added[:2] == ["a", "has"] and len(added) == 5 and added[2] == "has a"
    assert vocabulary.append(added).tokens[-5:] == added, "every word of an n-gram is there"
    assert all("newspaper" not in token for token in added)


def test_a_linear_map_is_found_again_and_noise_is_not():
    rng = np.random.default_rng(0)
    inputs, matrix = rng.normal(size=(200, 6)), rng.normal(size=(6, 4))
    outputs = inputs @ matrix + 3
    found = LinearMap(inputs, outputs)
    assert found.fit > 0.999 and np.abs(found(inputs) - outputs).max() < 0.1
    assert LinearMap(inputs, rng.normal(size=(200, 4))).fit <= 0.05
    few = LinearMap(inputs[:5], outputs[:5])
    assert few.fit == 0 and np.isfinite(few(inputs)).all()


def test_the_edited_folder_holds_all_but_what_the_old_table_made(tmp_path, embeddings, rotation):
    folder = saved(tmp_path / "model", trained(embeddings, rotation).fold("int8"))
    (folder / "README.md").write_text("a card")
    (folder / "model.onnx").write_bytes(b"old")
    for name in ("encoder_snapshot.json", "student_doubt.safetensors", "metrics.json"):
        (folder / name).write_text("{}")
    for name in ("checkpoint-5", "onnx", "torch-export", "torchscript"):
        (folder / name).mkdir()
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    tokenizer, forms = load_forms(folder)
    left_out = save_forms(folder, tmp_path / "out", forms, tokenizer.vocabulary, tokenizer, {"added": 0})
    stale = "checkpoint-5 encoder_snapshot.json metrics.json model.onnx onnx student_doubt.safetensors torch-export"
    assert sorted(left_out) == [*stale.split(), "torchscript"]
    assert (tmp_path / "out" / "README.md").read_text() == "a card"
    assert not (tmp_path / "out" / "model.onnx").exists() and not (tmp_path / "out.half").exists()
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    save_forms(tmp_path / "out", tmp_path / "again", forms, tokenizer.vocabulary, tokenizer, {"added": 1})
    assert '"added": 0' in (tmp_path / "again" / "vocabulary_edits.json").read_text()


def test_of_the_folder_of_a_run_only_the_models_are_copied(tmp_path, embeddings, rotation):
    model = trained(embeddings, rotation)
    folder = saved(tmp_path / "run", model, model.fold("int8"))
    (folder / "teacher").mkdir()
    (folder / "teacher" / "vectors-00000.safetensors").write_bytes(b"many")
    edited(folder, tmp_path / "out", embeddings, ["blue"])
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.safetensors")}
    names = ("model.safetensors", "ngram_vocabulary.safetensors")
    assert found == {f"{place}/{name}" for place in ("model", "training_model") for name in names}


def test_folders_that_do_not_fit_are_errors(tmp_path, embeddings, rotation):
    with pytest.raises(FileNotFoundError, match=r"config\.json of an n-gram encoder"):
        load_forms(tmp_path)
    folder = saved(tmp_path / "model", trained(embeddings, rotation))
    NgramTokenizer(vocabulary=assemble(["new"])).save_pretrained(folder)
    with pytest.raises(ValueError, match=rf"of one size in .*, got 3 tokens and {len(VOCABULARY)} rows"):
        load_forms(folder)
    model = trained(embeddings, rotation)
    both = saved(tmp_path / "both", model, model.fold())
    other = [*VOCABULARY.tokens[:2], *VOCABULARY.tokens[2:][::-1]]
    NgramTokenizer(vocabulary=type(VOCABULARY)(other)).save_pretrained(both / "training_model")
    with pytest.raises(ValueError, match="to have one vocabulary"):
        load_forms(both)
    shutil.rmtree(both / "training_model")
    assert len(load_forms(both)[1]) == 1
