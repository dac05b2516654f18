"""The drift monitor: quiet on texts like those of training, loud on others."""

import json
import shutil

import numpy as np
import pytest
import typer
from tiny_encoder_folder import encoder_folder, shuffled_alphabet, some_texts
from typer.testing import CliRunner

from traceformers.apps.encode.encode_commands import encode as command
from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.training.evaluation.encoder_monitor import (
    DriftMonitor,
    TextFigures,
    compare_counts,
    make_snapshot,
    read_snapshot,
    write_snapshot,
)

TRAINING = some_texts(2000, seed=0)


@pytest.fixture(scope="module")
def runtime():
    return NgramRuntime.from_pretrained(encoder_folder())


@pytest.fixture(scope="module")
def snapshot(runtime):
    return make_snapshot(runtime, iter(TRAINING))


def report(runtime, snapshot, texts):
    monitor = DriftMonitor(runtime, snapshot)
    for start in range(0, len(texts), 300):
        monitor.update(texts[start : start + 300])
    return monitor.report()


def drifted(found):
    return {figure.name for figure in found.figures if figure.verdict == "drifted"}


def test_the_training_texts_do_not_drift_from_themselves(runtime, snapshot):
    found = report(runtime, snapshot, TRAINING)
    assert found.verdict == "stable"
    assert max(figure.psi for figure in found.figures) < 1e-9
    for figure in found.figures:
        assert figure.mean == pytest.approx(figure.training_mean, abs=1e-5)


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("count", [40, 500])
def test_other_texts_of_the_same_kind_are_stable(runtime, snapshot, seed, count):
    assert report(runtime, snapshot, some_texts(count, seed=seed)).verdict == "stable"


def test_texts_in_another_alphabet_are_flagged(runtime, snapshot):
    found = report(runtime, snapshot, shuffled_alphabet(some_texts(200, seed=9)))
    assert found.verdict == "drifted"
    assert {"unknown_share", "ids_per_text"} <= drifted(found)
    assert "warning" in found.lines()[-1]


def test_longer_texts_are_flagged_by_their_length(runtime, snapshot):
    found = report(runtime, snapshot, some_texts(200, seed=9, shortest=30, longest=40))
    assert "ids_per_text" in drifted(found)
    assert "unknown_share" not in drifted(found)


def test_one_topic_is_flagged_by_its_vectors(runtime, snapshot):
    found = report(runtime, snapshot, some_texts(300, seed=9, words=("river", "water", "green")))
    assert "centroid_similarity" in drifted(found)
    assert "unknown_share" not in drifted(found)


def test_a_few_texts_tell_nothing(runtime, snapshot):
    found = report(runtime, snapshot, shuffled_alphabet(TRAINING[:10]))
    assert found.verdict == "too few texts"
    assert report(runtime, snapshot, []).verdict == "too few texts"


def test_figures_are_those_of_each_text(runtime):
    figures, units = TextFigures(runtime)(["red house", "zzz", "", "new york cat"])
    np.testing.assert_allclose(figures[:, 0], [0, 1, 1, 0])
    assert figures[:, 1].tolist() == [1, 3, 1, 2]
    np.testing.assert_allclose(units, runtime.encode(["red house", "zzz", "", "new york cat"]), atol=1e-6)
    rows = runtime.table[runtime.tokenizer.encode_flat(["cat"], 9)[0][0]], runtime.weights
    single, _ = TextFigures(runtime)(["cat"])
    weight = rows[1][runtime.tokenizer.encode_flat(["cat"], 9)[0][0], 0]
    assert single[0, 2] == pytest.approx(np.linalg.norm(rows[0] / weight), rel=1e-5)


def test_the_population_stability_index_is_as_defined():
    expected, found = np.array([50, 30, 20]), np.array([20, 30, 50])
    psi, ks, critical = compare_counts(expected * 10_000, found * 10_000)
    assert psi == pytest.approx(2 * 0.3 * np.log(2.5), rel=1e-4)
    assert ks == pytest.approx(0.3)
    assert critical < 0.01


def test_a_snapshot_is_kept_in_the_repository_and_small(runtime, snapshot, tmp_path):
    write_snapshot(tmp_path, snapshot)
    assert read_snapshot(tmp_path) == snapshot
    assert (tmp_path / "encoder_snapshot.json").stat().st_size < 10_000
    (tmp_path / "encoder_snapshot.json").write_text(json.dumps({**snapshot, "format": 9}))
    with pytest.raises(ValueError, match="format 1"):
        read_snapshot(tmp_path)


def test_a_sample_of_many_texts_describes_them_all(runtime):
    texts = [*["red cat"] * 3000, *["the river water street green"] * 1000]
    figures = make_snapshot(runtime, texts, sample=800)["figures"]
    assert figures["ids_per_text"]["mean"] == pytest.approx(2.75, abs=0.2)


def test_what_cannot_be_compared_is_told(runtime, snapshot, tmp_path):
    with pytest.raises(ValueError, match="at least 30"):
        make_snapshot(runtime, TRAINING[:5])
    with pytest.raises(ValueError, match="width 16, got 3"):
        DriftMonitor(runtime, {**snapshot, "dimension": 3})
    with pytest.raises(FileNotFoundError, match="--write-snapshot"):
        read_snapshot(tmp_path)


def test_the_command_notes_a_snapshot_and_warns_with_exit_code_0(tmp_path):
    app = typer.Typer()
    app.command()(command)
    model = shutil.copytree(encoder_folder(), tmp_path / "model")
    training, other = tmp_path / "training.txt", tmp_path / "other.txt"
    training.write_text("\n".join(TRAINING))
    other.write_text("\n".join(shuffled_alphabet(TRAINING)))

    def run(*arguments):
        result = CliRunner().invoke(app, [*map(str, arguments), "--model", str(model)], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    assert "2000 texts described" in run(training, "--write-snapshot")
    assert "stable (2000 texts)" in run(training, "--output", tmp_path / "v.npy", "--monitor")
    printed = run(other, "--output", tmp_path / "v.npy", "--monitor")
    assert "warning" in printed and "unknown_share" in printed
