"""Queries that the teacher encodes in place of the student, and what an index knows of that teacher."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from tiny_encoder_folder import DIMENSION, encoder_folder, some_texts
from tiny_teacher import tiny_teacher
from typer.testing import CliRunner

from traceformers.apps.search.search_commands import app
from traceformers.apps.search.search_index import SearchIndex
from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.training.evaluation.document_map import DocumentMap
from traceformers.training.evaluation.encoder_monitor import TextFigures
from traceformers.training.evaluation.student_doubt import fit_query_doubt

QUERIES = list(dict.fromkeys(some_texts(120, seed=5)))[:100]
DOUBT = "student_doubt.safetensors"


def write_doubt(student):
    """Writes a doubt of random weights with the quantiles of QUERIES; returns their doubts."""
    draw = np.random.default_rng(3)
    weights, offset = draw.normal(size=DIMENSION).astype(np.float32), np.array([0.4], dtype=np.float32)
    doubts = NgramRuntime.from_pretrained(student).encode(QUERIES) @ weights + offset
    quantiles = np.quantile(doubts, np.linspace(0, 1, 101)).astype(np.float32)
    save_file({"weights": weights, "offset": offset, "quantiles": quantiles}, student / DOUBT)
    return doubts


@pytest.fixture
def student(tmp_path):
    """A folder of a student that leaves documents to its teacher, both to be changed."""
    teacher = tiny_teacher(tmp_path / "teacher")
    folder = shutil.copytree(encoder_folder(documents="teacher", teacher_name="a teacher"), tmp_path / "student")
    change_config(folder, teacher_name=teacher, teacher_pooling="mean")
    return folder


def change_config(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.fixture
def build(tmp_path, student):
    """A function that builds an index of some texts with the student."""

    def built(name="index", model=student, mode="asymmetric", **options):
        corpus = tmp_path / "corpus.txt"
        corpus.write_text("\n".join(dict.fromkeys(some_texts(60))) + "\n")
        return SearchIndex.build(tmp_path / name, corpus, str(model), mode=mode, device="cpu", **options)

    return built


def encoders(index, share):
    return np.array([results[0].encoded_by for results in index.query(QUERIES, 1, teacher_share=share)])


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_share_of_queries_of_most_doubt_goes_to_the_teacher(build, student, share):
    doubts = write_doubt(student)
    sent = encoders(build(), share) == "teacher"
    assert abs(sent.mean() - share) <= 0.02
    assert doubts[sent].min() >= doubts[~sent].max()


def test_a_doubt_as_training_fits_it_is_asked_with_its_figures(build, student, tmp_path):
    figures = TextFigures(NgramRuntime.from_pretrained(student))
    teacher = SentenceTransformer(str(tmp_path / "teacher"), device="cpu").encode(QUERIES, show_progress_bar=False)
    doubt = fit_query_doubt(figures, QUERIES, teacher)
    doubt.save(student / DOUBT)
    sent = encoders(build(), 0.3) == "teacher"
    assert sent.any() and not sent.all()
    np.testing.assert_array_equal(sent, doubt.ask(figures, QUERIES)[1] >= doubt.threshold(0.3))


def test_a_share_of_nothing_is_never_and_of_all_is_always_and_neither_asks_for_the_doubt(build):
    index = build()
    assert set(encoders(index, 0)) == {"student"}
    assert set(encoders(index, 1)) == {"teacher"}


def test_scores_are_those_of_whoever_encoded_the_query(build, student, tmp_path):
    write_doubt(student)
    index = build()
    teacher = SentenceTransformer(str(tmp_path / "teacher"), device="cpu")
    documents = teacher.encode(list(dict.fromkeys(some_texts(60))), show_progress_bar=False)
    best = {
        "teacher": teacher.encode(QUERIES, show_progress_bar=False) @ documents.T,
        "student": NgramRuntime.from_pretrained(student).encode(QUERIES) @ documents.T,
    }
    answers = index.query(QUERIES, 1, teacher_share=0.3)
    assert {results[0].encoded_by for results in answers} == {"student", "teacher"}
    for row, (result,) in enumerate(answers):
        assert result.score == pytest.approx(best[result.encoded_by][row].max(), abs=1e-5)


def test_the_teachers_queries_follow_the_map_of_the_documents(build, student, tmp_path):
    plain = build().query(QUERIES[:9], 5, teacher_share=1)
    draw = np.random.default_rng(0)
    turned, _ = np.linalg.qr(draw.normal(size=(DIMENSION, DIMENSION)))
    DocumentMap(turned.astype(np.float32), np.zeros(DIMENSION, np.float32)).save(student / "document_map.safetensors")
    change_config(student, document_map=True)
    mapped = build("mapped")
    for one, other in zip(plain, mapped.query(QUERIES[:9], 5, teacher_share=1), strict=True):
        np.testing.assert_allclose([r.score for r in one], [r.score for r in other], atol=1e-5)
    assert len(mapped.manifest["document_map_sha256"]) == 64
    DocumentMap(np.eye(DIMENSION, dtype=np.float32), np.ones(DIMENSION, np.float32)).save(
        student / "document_map.safetensors"
    )
    with pytest.raises(ValueError, match=r"Expected the document_map_sha256 .*build an index"):
        SearchIndex(mapped.folder)


def test_what_is_missing_for_a_share_is_told(build, student):
    with pytest.raises(ValueError, match=rf"Expected {DOUBT} in .*found none\. Give a share of 0 or 1"):
        build().query(["red"], teacher_share=0.2)
    with pytest.raises(ValueError, match=r"share .* of 0 to 1, got 1\.5"):
        build().query(["red"], teacher_share=1.5)
    with pytest.raises(ValueError, match="--mode asymmetric"):
        build("both", mode="symmetric").query(["red"], teacher_share=0.2)
    save_file({"weights": np.ones(3, np.float32), "offset": np.ones(1, np.float32)}, student / DOUBT)
    with pytest.raises(ValueError, match=r"Expected weights of width 16 and quantiles .*\(3,\) and no quantiles"):
        build().query(["red"], teacher_share=0.2)


def test_no_torch_is_loaded_for_a_query_that_stays_with_the_student(build, student):
    doubts = write_doubt(student)
    index = build("words", mode="hybrid")
    script = (
        "import sys; from traceformers.apps.search.search_index import SearchIndex\n"
        "index = SearchIndex(sys.argv[1], device='cpu')\n"
        "for query in sys.argv[2:]:\n"
        "    print(index.query([query], teacher_share=0.2)[0][0].encoded_by, 'torch' in sys.modules)"
    )
    asked = [QUERIES[int(doubts.argmin())], QUERIES[int(doubts.argmax())]]
    done = subprocess.run(
        [sys.executable, "-c", script, str(index.folder), *asked], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["student False", "teacher True"]


def test_the_command_says_who_encoded_the_query(build, student):
    doubts = write_doubt(student)
    folder = str(build().folder)
    for query, who in ((doubts.argmin(), "student"), (doubts.argmax(), "teacher")):
        arguments = ["query", folder, QUERIES[int(query)], "--teacher-share", "0.2", "--json", "--device", "cpu"]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.stderr.endswith(f"query encoded by the {who}\n")
        assert {json.loads(line)["encoded_by"] for line in done.stdout.splitlines()} == {who}


# --- the identity of the teacher ------------------------------------------------------------------------------


def test_the_index_records_the_teachers_pooling_and_files(build, student):
    manifest = build().manifest
    assert manifest["teacher_pooling"] == "mean"
    assert set(map(len, manifest["teacher_sha256"].values())) == {64}
    assert manifest["document_map_sha256"] is None
    of_student = build("own", mode="symmetric").manifest
    assert (of_student["teacher_pooling"], of_student["teacher_sha256"]) == (None, None)


def test_another_pooling_of_the_teacher_is_refused(build, student):
    index = build()
    change_config(student, teacher_pooling="cls")
    with pytest.raises(ValueError, match=r"Expected the teacher_pooling mean, .* with cls"):
        SearchIndex(index.folder)


def test_another_teacher_at_the_same_place_is_refused_where_it_is_needed(build, student, tmp_path):
    write_doubt(student)
    index = build()
    before = index.query(QUERIES[:3])
    tiny_teacher(tmp_path / "teacher", seed=1)
    said = r"Expected the teacher that encoded .*model\.safetensors has SHA-256"
    with pytest.raises(ValueError, match=said):
        build()
    held = SearchIndex(index.folder, device="cpu")
    assert held.query(QUERIES[:3]) == before  # the student's queries are as right as before
    with pytest.raises(ValueError, match=said):
        held.query(["red"], teacher_share=1)
    (tmp_path / "new.txt").write_text("red walrus\n")
    with pytest.raises(ValueError, match=said):
        held.add(tmp_path / "new.txt")


def test_a_doubt_that_comes_later_does_not_make_another_model(build, student):
    index = build()
    write_doubt(student)
    assert "teacher" in encoders(SearchIndex(index.folder, device="cpu"), 0.5)
