"""A search index: equal to brute force, to itself after any change, and to nothing else's model."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tiny_encoder_folder import encoder_folder, some_texts
from tiny_teacher import tiny_teacher

from traceformers.apps.search import search_change, search_vectors
from traceformers.apps.search.search_index import SearchIndex, snippet
from traceformers.apps.search.search_manifest import read_manifest
from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.modeling.ngram_encoder.sentence_ngram_encoder import save_sentence_transformer

QUERIES = ["red house", "the bank of new york", "water", "zebra"]


def write_corpus(path, documents):
    """Writes {id: text or (title, text)} in the layout of BEIR."""
    with open(path, "w") as file:
        for identity, text in documents.items():
            title, text = text if isinstance(text, tuple) else ("", text)
            file.write(json.dumps({"_id": identity, "title": title, "text": text}) + "\n")
    return path


def corpus(count, seed=0):
    return {f"d{i}": text for i, text in enumerate(dict.fromkeys(some_texts(count, seed)))}


def found(index, top_k=10, queries=QUERIES):
    """Returns [{id: score}] of queries, which leaves out the order of equal scores."""
    return [
        {result.id: pytest.approx(result.score, abs=1e-6) for result in results}
        for results in index.query(queries, top_k)
    ]


@pytest.fixture
def documents():
    return corpus(300)


@pytest.fixture
def build(tmp_path):
    """A function that builds an index of documents in a folder of its own."""

    def built(documents, name="index", model=None, **options):
        path = write_corpus(tmp_path / f"{name}.jsonl", documents)
        return SearchIndex.build(tmp_path / name, path, str(model or encoder_folder()), **options)

    return built


def test_a_flat_index_answers_as_brute_force_does(build, documents):
    index = build(documents)
    encoder = NgramRuntime.from_pretrained(encoder_folder())
    names = list(documents)
    scores = encoder.encode(QUERIES) @ encoder.encode(list(documents.values())).T
    for row, results in zip(scores, index.query(QUERIES, top_k=10), strict=True):
        best = np.argsort(-row, kind="stable")[:10]
        np.testing.assert_allclose([result.score for result in results], row[best], atol=1e-6)
        for result in results:
            assert result.score == pytest.approx(row[names.index(result.id)], abs=1e-6)


def test_more_answers_than_documents_are_all_documents(build):
    assert [len(results) for results in build({"a": "red cat", "b": "blue dog"}).query(["red"], top_k=5)] == [2]


def test_hnsw_finds_nearly_what_flat_finds(build, documents):
    flat, graph = build(documents, "flat"), build(documents, "hnsw", index="hnsw")
    shared = [set(a) & set(b) for a, b in zip(found(flat), found(graph), strict=True)]
    assert np.mean([len(both) for both in shared]) >= 9


def test_ivfpq_says_how_many_documents_it_needs(build, documents):
    with pytest.raises(ValueError, match=r"Expected at least 9984 documents .*got \d+.*--index flat"):
        build(documents, index="ivfpq")


def test_ivfpq_finds_nearly_what_flat_finds_and_scores_it_by_whole_vectors(build, tmp_path, monkeypatch):
    monkeypatch.setattr(search_vectors, "SMALLEST_IVFPQ", 1000)
    documents = corpus(2000)
    flat, codes = build(documents, "flat"), build(documents, "codes", index="ivfpq")
    texts = list(documents.values())[::100]
    exact, near = ([{r.id: r.score for r in results} for results in index.query(texts)] for index in (flat, codes))
    assert np.mean([len(a.keys() & b.keys()) / len(a) for a, b in zip(exact, near, strict=True)]) > 0.9
    for one, other in zip(exact, near, strict=True):
        assert all(other[name] == pytest.approx(one[name], abs=1e-6) for name in one.keys() & other.keys())
    done = codes.add(write_corpus(tmp_path / "more.jsonl", {"new": "red red walrus"}), remove=["d5"])
    assert (done["added"], done["removed"]) == (1, 1)
    assert codes.query(["red red walrus"], 1)[0][0].id == "new"


@pytest.mark.slow
def test_ivfpq_of_the_width_of_a_teacher_is_learnt_in_a_minute_and_loses_little():
    draw = np.random.default_rng(0)
    centres = draw.normal(size=(300, 384))
    vectors = centres[draw.integers(0, 300, 12_000)] + 0.7 * draw.normal(size=(12_000, 384))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    queries, rows = vectors[:200] + 0.02 * draw.normal(size=(200, 384)).astype(np.float32), np.arange(12_000)
    _, exact = search_vectors.nearest(search_vectors.make_index("flat", vectors, rows)[0], queries, 10)
    started = time.process_time()
    index, _ = search_vectors.make_index("ivfpq", vectors, rows)
    assert time.process_time() - started < 120
    _, candidates = search_vectors.nearest(index, queries, 10 * search_vectors.REFINED)
    _, near = search_vectors.refined(candidates, vectors, queries, 10)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, near, strict=True)]) > 0.95


def test_ivfpq_keeps_its_codes_when_it_grows_and_forgets_what_was_removed():
    vectors = np.random.default_rng(0).normal(size=(10_100, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index, trained_on = search_vectors.make_index("ivfpq", vectors, np.arange(search_vectors.SMALLEST_IVFPQ))
    rows = np.arange(50, len(vectors))
    index, still = search_vectors.make_index("ivfpq", vectors, rows, index, trained_on)
    assert still == trained_on
    np.testing.assert_array_equal(np.sort(search_vectors._listed(index)), rows)
    _, near = search_vectors.nearest(index, vectors[[60, 10_099]], 100)
    assert 60 in near[0] and 10_099 in near[1]


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_adding_gives_what_building_at_once_gives(build, tmp_path, documents, kind):
    names = list(documents)
    first = {name: documents[name] for name in names[:200]}
    changed = {**dict(list(documents.items())[50:]), "d60": "search the river", "new": "a new water street"}
    index = build(first, "grown", index=kind, mode="hybrid")
    done = index.add(write_corpus(tmp_path / "next.jsonl", changed), remove_missing=True)
    assert done == {"added": len(changed) - 149, "removed": 51, "encoded": len(changed) - 149}
    whole = build(changed, "whole", index=kind, mode="hybrid")
    assert found(index) == found(whole)
    assert len(index) == len(whole) == len(changed)
    assert index.manifest["texts_sha256"] == whole.manifest["texts_sha256"]
    np.testing.assert_array_equal(sorted(stored(index)), sorted(stored(whole)))


def stored(index):
    """Returns the vectors an index answers from, as tuples."""
    rows = index.documents.rows(index.manifest["generation"])
    file = search_vectors.VectorFile(index.folder / "vectors.bin", index.manifest["dimension"])
    return [tuple(vector) for vector in file.open(index.documents.last_row() + 1)[rows].tolist()]


def test_only_what_is_new_is_encoded(build, tmp_path, documents):
    index = build(documents)
    encoded = []
    encode = index.model.encode_documents
    index.model.encode_documents = lambda texts, by_teacher: encoded.extend(texts) or encode(texts, by_teacher)
    moved = {"other name": documents["d3"], **documents, "d5": "green walrus", "d999": "blue walrus river"}
    done = index.add(write_corpus(tmp_path / "next.jsonl", moved))
    assert encoded == ["green walrus", "blue walrus river"]
    assert done == {"added": 3, "removed": 1, "encoded": 2}
    assert {"other name", "d3"} <= set(found(index, 2, [documents["d3"]])[0])
    assert index.add(tmp_path / "next.jsonl") == {"added": 0, "removed": 0, "encoded": 0}
    assert index.manifest["generation"] == 2


def test_removed_documents_are_not_found_and_their_room_is_used_again(build, tmp_path, documents):
    index = build(documents)
    size = (index.folder / "vectors.bin").stat().st_size
    for turn in range(3):
        index.add(remove=[f"d{turn}"])
        assert f"d{turn}" not in found(index, len(documents))[0]
        index.add(write_corpus(tmp_path / "more.jsonl", {f"x{turn}": f"red cat {'x' * turn}"}))
    assert (index.folder / "vectors.bin").stat().st_size == size
    with pytest.raises(ValueError, match="'d0', which is not in the index"):
        index.add(remove=["d0"])
    assert len(index) == len(documents)


def test_an_index_is_never_left_without_documents(build):
    index = build({"a": "red cat"})
    with pytest.raises(ValueError, match="Expected documents"):
        index.add(remove=["a"])
    assert list(found(index, 1, ["red"])[0]) == ["a"]


def test_building_again_brings_the_index_to_the_corpus(build, documents):
    build(documents)
    fewer = dict(list(documents.items())[10:])
    assert len(build(fewer)) == len(fewer)


def test_another_model_is_refused(build, tmp_path, documents):
    index = build(documents)
    with pytest.raises(ValueError, match=r"model\.safetensors has SHA-256 .*--model"):
        SearchIndex(index.folder, model=str(encoder_folder(seed=1)))
    with pytest.raises(ValueError, match="SHA-256"):
        SearchIndex.build(index.folder, tmp_path / "index.jsonl", str(encoder_folder(seed=1)))
    copy = shutil.copytree(encoder_folder(), tmp_path / "copied-model")
    (copy / "metrics.json").write_text("{}")
    assert found(SearchIndex(index.folder, model=str(copy))) == found(index)


def test_other_settings_and_other_folders_are_refused(build, tmp_path, documents):
    build(documents)
    with pytest.raises(ValueError, match=r"with mode 'hybrid' in .*found one with 'symmetric'"):
        build(documents, mode="hybrid")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="found other files"):
        build(documents, "taken")
    with pytest.raises(FileNotFoundError, match=r"found no index\.json"):
        SearchIndex(tmp_path / "taken")
    with pytest.raises(ValueError, match="names none"):
        build(documents, "asymmetric", mode="asymmetric")


def test_one_change_at_a_time(build, documents):
    index = build(documents)
    with search_change._locked(index.folder), pytest.raises(RuntimeError, match="another process"):
        index.add(remove=["d1"])


def test_a_reader_is_undisturbed_by_a_change(build, tmp_path, documents):
    reader = build(documents)
    before = found(reader)
    writer = SearchIndex(reader.folder)
    writer.add(write_corpus(tmp_path / "next.jsonl", {"d1": "red red red", "y": "red house"}))
    after = found(reader)
    assert all(set(new) <= set(old) for new, old in zip(after, before, strict=True))
    assert "y" in found(writer, 3, ["red house"])[0]


def test_the_index_says_what_it_was_made_from(build, documents):
    manifest = build(documents, mode="hybrid").manifest
    assert manifest["model"] == str(encoder_folder().resolve())
    assert set(manifest["sha256"]) == {"model.safetensors", "ngram_vocabulary.safetensors"}
    assert (manifest["mode"], manifest["documents_by"], manifest["teacher"]) == ("hybrid", "student", None)
    assert len(manifest["texts_sha256"]) == 64


def test_a_sentence_transformers_model_can_be_searched_with_too(build, tmp_path):
    documents = corpus(40)
    model = tiny_teacher(tmp_path / "teacher")
    index = build(documents, model=model, dtype="float16")
    text = documents["d7"]
    assert list(found(index, 1, [text])[0]) == ["d7"]


KILLED = """
import os, signal, sys
from traceformers.apps.search import search_change, search_index, search_vectors
from traceformers.apps.search.search_documents import DocumentStore
folder, corpus, model, place, times = sys.argv[1:]
search_change.CHUNK = 40
owner, name = {"vectors": (search_vectors.VectorFile, "write"), "documents": (DocumentStore, "insert"),
               "index": (search_vectors, "write_index"), "manifest": (search_change, "write_manifest")}[place]
done, left = getattr(owner, name), int(times)
def killed(*arguments):
    global left
    done(*arguments)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, name, killed)
search_index.SearchIndex.build(folder, corpus, model, mode="hybrid")
"""


@pytest.mark.parametrize(("place", "times"), [("vectors", 3), ("documents", 2), ("index", 1), ("manifest", 1)])
def test_a_killed_build_goes_on_to_the_same_index(build, tmp_path, documents, place, times):
    whole = build(documents, "whole", mode="hybrid")
    path = write_corpus(tmp_path / "index.jsonl", documents)
    arguments = [tmp_path / "index", path, encoder_folder(), place, times]
    run = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], capture_output=True)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()
    if place != "manifest":
        with pytest.raises(ValueError, match="interrupted"):
            SearchIndex(tmp_path / "index")
    index = build(documents, mode="hybrid")
    assert found(index) == found(whole)
    assert stored(index) == stored(whole)
    for key in ("documents", "texts_sha256", "generation"):
        assert index.manifest[key] == whole.manifest[key]
    assert {path.name for path in index.folder.iterdir()} == {path.name for path in whole.folder.iterdir()}


def test_an_interrupted_change_leaves_the_old_index_and_can_be_followed_by_another(
    build, tmp_path, documents, monkeypatch
):
    index = build(documents)
    before = found(index)
    full = write_corpus(tmp_path / "full.jsonl", {**documents, "d1": "water water", "z": "red house red"})

    def disk_full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(search_vectors, "write_index", disk_full)
        with pytest.raises(OSError, match="No space left"):
            index.add(full)
    assert found(SearchIndex(index.folder)) == before
    other = write_corpus(tmp_path / "other.jsonl", {"w": "blue cat"})
    assert index.add(other) == {"added": 1, "removed": 0, "encoded": 1}
    assert found(index, 500) == found(build({**documents, "w": "blue cat"}, "whole"), 500)


def test_vectors_that_were_cut_off_are_told(build, tmp_path, documents):
    index = build(documents)
    os.truncate(index.folder / "vectors.bin", 100)
    with pytest.raises(ValueError, match="cut off"):
        index.add(write_corpus(tmp_path / "next.jsonl", {"n": "water", "other": documents["d200"]}))


def test_a_snippet_shows_where_the_words_of_the_query_are():
    text = "nothing here. " * 50 + "the walrus and the carpenter " + "were walking. " * 50
    shown = snippet(text, "Walrus carpenter")
    assert "walrus and the carpenter" in shown
    assert len(shown) < 220
    assert shown.startswith("... ") and shown.endswith(" ...")
    assert snippet("short\n  text", "x") == "short text"


def test_read_manifest_refuses_another_format(tmp_path):
    (Path(tmp_path) / "index.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="format 1"):
        read_manifest(tmp_path)


@pytest.fixture(scope="module")
def student_and_teacher(tmp_path_factory):
    """Folders of a student that leaves documents to its teacher, and of that teacher."""
    teacher = tiny_teacher(tmp_path_factory.mktemp("teachers") / "teacher")
    student = encoder_folder(documents="teacher", teacher_name=teacher)
    save_sentence_transformer(student)
    return student, teacher


def test_asymmetric_search_compares_the_students_queries_with_the_teachers_documents(build, student_and_teacher):
    student, teacher = student_and_teacher
    documents = corpus(60)
    index = build(documents, model=student, mode="asymmetric")
    queries = NgramRuntime.from_pretrained(student).encode(QUERIES)
    teachers = SentenceTransformer(teacher, device="cpu").encode(list(documents.values()), show_progress_bar=False)
    for row, results in zip(queries @ teachers.T, index.query(QUERIES, 5), strict=True):
        np.testing.assert_allclose([result.score for result in results], -np.sort(-row)[:5], atol=1e-5)
    manifest = index.manifest
    assert (manifest["documents_by"], manifest["teacher"], manifest["mode"]) == ("teacher", teacher, "asymmetric")


def test_hybrid_takes_the_teachers_documents_and_symmetric_the_students(build, student_and_teacher):
    documents = corpus(20)
    made = {mode: build(documents, mode, model=student_and_teacher[0], mode=mode) for mode in ("hybrid", "symmetric")}
    assert {mode: index.manifest["documents_by"] for mode, index in made.items()} == {
        "hybrid": "teacher",
        "symmetric": "student",
    }


def test_another_teacher_is_refused(build, tmp_path, student_and_teacher):
    student, _ = student_and_teacher
    index = build(corpus(20), model=student, mode="asymmetric")
    copied = shutil.copytree(student, tmp_path / "copied")
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "teacher_name": "user/other"}))
    with pytest.raises(ValueError, match=r"Expected the teacher .*user/other"):
        SearchIndex(index.folder, model=str(copied))


def test_asymmetric_search_takes_the_teacher_that_a_symmetric_repository_names(build, tmp_path, student_and_teacher):
    student, _ = student_and_teacher
    copied = shutil.copytree(student, tmp_path / "copied")
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "documents": "student"}))
    documents = corpus(20)
    one, other = (build(documents, f"by{i}", model, mode="asymmetric") for i, model in enumerate((student, copied)))
    assert found(one) == found(other)
    assert build(documents, "both", copied, mode="hybrid").manifest["documents_by"] == "student"


def test_the_weight_of_words_is_recorded_and_can_be_overridden(build, tmp_path):
    documents = corpus(60)
    index = build(documents, mode="hybrid", word_weight=0.2)
    assert index.manifest["word_weight"] == 0.2
    given = [index.query(QUERIES, word_weight=weight) for weight in (0.2, 0.5, 0, 1)]
    assert index.query(QUERIES) == given[0] and given[0] != given[1]
    assert build(documents, mode="hybrid").manifest["word_weight"] == 0.2
    assert build(documents, mode="hybrid", word_weight=0.5).query(QUERIES) == given[1]
    assert given[2] == build(documents, "dense").query(QUERIES)
    assert all("red" in result.snippet or "house" in result.snippet for result in given[3][0])
    with pytest.raises(ValueError, match="--mode hybrid"):
        build(documents, "plain", word_weight=0.3)
    with pytest.raises(ValueError, match="0 to 1"):
        build(documents, "more", mode="hybrid", word_weight=1.5)


def test_fusion_is_the_sum_of_weighted_reciprocal_ranks(build):
    index = build(corpus(30), mode="hybrid")
    dense, lexical, both = (index.query(["red house"], 30, word_weight=weight)[0] for weight in (0, 1, 0.3))
    expected = {}
    for results, weight in ((dense, 0.7), (lexical, 0.3)):
        for rank, result in enumerate(results, 1):
            expected[result.id] = expected.get(result.id, 0) + weight / (60 + rank)
    assert {result.id: pytest.approx(result.score, rel=1e-5) for result in both} == expected


def test_the_precision_of_the_table_is_that_of_the_queries(build):
    index = build(corpus(20), precision="int8")
    expected = NgramRuntime.from_pretrained(encoder_folder(), precision="int8").encode(QUERIES)
    found = index.model.encode_queries(QUERIES)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    as_stored = SearchIndex(index.folder).model.encode_queries(QUERIES)
    assert np.abs(found - as_stored).max() > 1e-5
