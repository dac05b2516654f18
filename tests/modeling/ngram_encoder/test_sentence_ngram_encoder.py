"""Through SentenceTransformer: queries by the student, documents by the student or by the teacher it names."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from tiny_ngram import tiny_tokenizer
from tiny_ngram_encoder import TEXTS, saved_encoder, tiny_encoder, vectors, without_numba
from tiny_teacher import tiny_teacher

from traceformers.modeling.ngram_encoder.sentence_ngram_encoder import NgramSentenceEncoder, save_sentence_transformer


def loaded(folder):
    """Returns the SentenceTransformer of a folder; its copy of the code compiles nothing, which would take seconds."""
    with without_numba():
        return SentenceTransformer(str(folder), trust_remote_code=True, device="cpu")


def encoder_in(folder, **settings):
    """Returns a SentenceTransformer of a folder with a tiny folded encoder in it."""
    saved_encoder(folder, **settings)
    save_sentence_transformer(folder)
    return loaded(folder)


@pytest.fixture(scope="module")
def teacher_folder(tmp_path_factory):
    return tiny_teacher(tmp_path_factory.mktemp("teacher"))


def asymmetric(folder, teacher, **settings):
    return encoder_in(folder, documents="teacher", teacher_name=teacher, **settings)


def test_vectors_are_those_of_the_model_whatever_the_batch(tmp_path):
    encoder = encoder_in(tmp_path, table_dtype="int8")
    expected = vectors(tiny_encoder().fold("int8")).numpy()
    for batch_size in (1, 2, 100):
        np.testing.assert_allclose(encoder.encode(TEXTS, batch_size=batch_size), expected, atol=1e-6, rtol=0)
    np.testing.assert_allclose(encoder.encode(TEXTS[0]), expected[0], atol=1e-6, rtol=0)
    for encode in (encoder.encode_query, encoder.encode_document):  # symmetric: nobody else is named
        np.testing.assert_allclose(encode(TEXTS), expected, atol=1e-6, rtol=0)
    assert encoder.get_embedding_dimension() == 16
    assert encoder.similarity_fn_name == "cosine"
    assert encoder.encode(TEXTS, truncate_dim=4).shape == (6, 4)


@pytest.mark.slow
def test_vectors_are_the_same_where_numba_compiles_the_repositorys_code(tmp_path):
    plain = encoder_in(tmp_path / "a").encode(TEXTS)
    saved_encoder(tmp_path / "b")
    save_sentence_transformer(tmp_path / "b", max_seq_length=500)  # other files, so another copy
    encoder = SentenceTransformer(str(tmp_path / "b"), trust_remote_code=True, device="cpu")
    assert encoder.tokenizer.back_end == "numba"
    assert np.array_equal(encoder.encode(TEXTS), plain)


def test_a_prompt_stands_before_every_text(tmp_path):
    encoder = encoder_in(tmp_path)
    found = encoder.encode(["city", "cafe"], prompt="new york ")
    np.testing.assert_allclose(found, encoder.encode(["new york city", "new york cafe"]), atol=1e-6)


def test_texts_are_cut_at_the_longest_sequence(tmp_path):
    saved_encoder(tmp_path)
    save_sentence_transformer(tmp_path, max_seq_length=2)
    encoder = loaded(tmp_path)
    assert encoder.max_seq_length == 2
    np.testing.assert_allclose(encoder.encode("the city big cafe"), encoder.encode("the city"), atol=1e-6)
    encoder.max_seq_length = 3
    assert not np.allclose(encoder.encode("the city big cafe"), encoder.encode("the city"), atol=1e-3)


def test_documents_are_encoded_by_the_teacher_and_queries_by_the_student(tmp_path, teacher_folder):
    encoder = asymmetric(tmp_path, teacher_folder)
    teacher = SentenceTransformer(teacher_folder, device="cpu")
    assert encoder[0]._teacher is None  # not before it is needed
    np.testing.assert_allclose(encoder.encode_query(TEXTS), vectors(tiny_encoder().fold()).numpy(), atol=1e-6)
    assert encoder[0]._teacher is None
    np.testing.assert_allclose(encoder.encode_document(TEXTS), teacher.encode(TEXTS), atol=1e-6)
    np.testing.assert_allclose(encoder.encode_document(TEXTS, batch_size=2), teacher.encode(TEXTS), atol=1e-6)
    assert encoder[0]._teacher is not None


def test_the_teacher_is_no_part_of_the_model(tmp_path, teacher_folder):
    encoder = asymmetric(tmp_path / "a", teacher_folder)
    names = [name for name, _ in encoder.named_parameters()]
    encoder.encode_document(["the city"])
    assert [name for name, _ in encoder.named_parameters()] == names
    encoder.save(str(tmp_path / "b"))
    files = {file.name for file in (tmp_path / "b").rglob("*")}
    assert files == {file.name for file in (tmp_path / "a").rglob("*")} | {"README.md"}
    again = loaded(tmp_path / "b")
    np.testing.assert_array_equal(again.encode_document(TEXTS), encoder.encode_document(TEXTS))


def test_the_teacher_is_loaded_in_the_recorded_revision(tmp_path, teacher_folder, hub):
    from huggingface_hub import HfApi

    api = HfApi()
    repository = api.create_repo("tiny-teacher-of-ngrams").repo_id
    api.upload_folder(repo_id=repository, folder_path=teacher_folder)
    api.create_tag(repository, tag="v1")
    api.upload_folder(repo_id=repository, folder_path=tiny_teacher(tmp_path / "other", seed=1))
    encoder = asymmetric(tmp_path / "student", repository, teacher_revision="v1")
    expected = SentenceTransformer(teacher_folder, device="cpu").encode(TEXTS)
    np.testing.assert_allclose(encoder.encode_document(TEXTS), expected, atol=1e-6)
    newest = SentenceTransformer(str(tmp_path / "other"), device="cpu").encode(TEXTS)
    assert not np.allclose(newest, expected, atol=1e-2)


@pytest.mark.parametrize("plain", [False, True])
def test_the_recorded_pooling_is_the_teachers(tmp_path, teacher_folder, plain):
    folder = teacher_folder
    if plain:  # a plain BERT, whose files say nothing about pooling
        folder = tmp_path / "bert"
        teacher = SentenceTransformer(teacher_folder, device="cpu")
        teacher[0].auto_model.save_pretrained(folder)
        teacher.tokenizer.save_pretrained(folder)
    encoder = asymmetric(tmp_path / "student", str(folder), teacher_pooling="cls")
    expected = SentenceTransformer(tiny_teacher(tmp_path / "cls", pooling="cls"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(encoder.encode_document(TEXTS), expected, atol=1e-5)


def test_documents_pass_the_stored_map_which_is_saved_with_the_encoder(tmp_path, teacher_folder):
    rng = np.random.default_rng(0)
    matrix, offset = rng.standard_normal((16, 16)).astype(np.float32), rng.standard_normal(16).astype(np.float32)
    (tmp_path / "a").mkdir()
    save_file({"matrix": matrix, "offset": offset}, tmp_path / "a" / "document_map.safetensors", {"normalize": "true"})
    encoder = asymmetric(tmp_path / "a", teacher_folder, document_map=True)
    mapped = SentenceTransformer(teacher_folder, device="cpu").encode(TEXTS) @ matrix + offset
    mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode_document(TEXTS), mapped, atol=1e-5)
    encoder.save(str(tmp_path / "b"))
    again = loaded(tmp_path / "b")
    np.testing.assert_array_equal(again.encode_document(TEXTS), encoder.encode_document(TEXTS))


def test_what_does_not_fit_is_told(tmp_path, teacher_folder):
    model = tiny_encoder().fold()
    with pytest.raises(ValueError, match=r"each of the tokenizer's \d+ tokens, got \d+; save model and tokenizer"):
        NgramSentenceEncoder(model, tiny_tokenizer("neither"))
    with pytest.raises(ValueError, match="max_seq_length of at least 1, got 0"):
        NgramSentenceEncoder(model, tiny_tokenizer(), max_seq_length=0)
    with pytest.raises(FileNotFoundError, match=r"found no config\.json"):
        save_sentence_transformer(tmp_path)
    with pytest.raises(ValueError, match=r"Expected document_map\.safetensors beside the model"):
        asymmetric(tmp_path / "a", teacher_folder, document_map=True)
    narrow = asymmetric(tmp_path / "b", tiny_teacher(tmp_path / "narrow", dimension=8))
    with pytest.raises(ValueError, match=r"vectors of length 16 from the teacher .*, got 8"):
        narrow.encode_document(["the city"])
    missing = asymmetric(tmp_path / "c", "package:no_such_package_of_a_teacher")
    with pytest.raises(FileNotFoundError, match="installed package no_such_package_of_a_teacher"):
        missing.encode_document(["the city"])


def test_an_encoder_is_trained_by_sentence_transformers(tmp_path):
    from datasets import Dataset

    encoder = encoder_in(tmp_path / "student")
    pairs = {"anchor": ["the city", "new york", "a b c", "cafe"], "positive": ["big city", "york", "c b", "in"]}
    before = encoder.encode(pairs["anchor"]) @ encoder.encode(pairs["positive"]).T
    arguments = SentenceTransformerTrainingArguments(
        str(tmp_path / "run"), max_steps=8, per_device_train_batch_size=4, learning_rate=0.1, use_cpu=True,
        save_strategy="no", disable_tqdm=True, report_to="none",
    )  # fmt: skip
    loss = MultipleNegativesRankingLoss(encoder)
    SentenceTransformerTrainer(encoder, arguments, Dataset.from_dict(pairs), loss=loss).train()
    after = encoder.encode(pairs["anchor"]) @ encoder.encode(pairs["positive"]).T
    margin = lambda scores: float((np.diag(scores) - scores.mean(1)).mean())  # noqa: E731
    assert margin(after) > margin(before) + 0.2
    encoder.save(str(tmp_path / "trained"))
    again = loaded(tmp_path / "trained")
    assert np.array_equal(again.encode(TEXTS), encoder.encode(TEXTS))
    assert torch.equal(again[0].model.table, encoder[0].model.table)
