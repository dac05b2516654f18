import numpy as np
import pytest
from distillation_corpus import random_texts
from tiny_student import change_config, tiny_student
from tiny_teacher import tiny_teacher

from traceformers.run_scripts.fit_student_doubt import main
from traceformers.training.distillation.teacher import load_teacher
from traceformers.training.distillation.teacher_cache import fill_cache
from traceformers.training.evaluation.student_doubt import FILE_NAME, StudentDoubt


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return tiny_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(random_texts(80)) + "\n")
    return str(tmp_path / "texts.txt")


def test_a_cache_and_the_teacher_itself_give_the_same_doubt(tmp_path, teacher, texts, capsys):
    folder = tiny_student(tmp_path / "student", teacher=teacher)
    main([folder, texts, "--quiet", "--device", "cpu"])
    assert "fitted on 80 texts" in capsys.readouterr().out
    encoded = StudentDoubt.load(f"{folder}/{FILE_NAME}")
    loaded = load_teacher(teacher, device="cpu", precision="float32")
    fill_cache(loaded, random_texts(80), tmp_path / "cache", progress=False)
    main([folder, texts, "--heldout-cache", str(tmp_path / "cache")])
    cached = StudentDoubt.load(f"{folder}/{FILE_NAME}")
    np.testing.assert_allclose(cached.quantiles, encoded.quantiles, atol=2e-3)  # the cache is of float16
    np.testing.assert_allclose(cached.weights, encoded.weights, atol=2e-3)


def test_what_is_missing_is_said_in_one_line(tmp_path, teacher, texts):
    folder = tiny_student(tmp_path / "student", teacher=teacher)
    (tmp_path / "few.txt").write_text("one\ntwo\n")
    for arguments, message in (
        ([f"{tmp_path}/few.txt"], "Expected 30 texts or more, got 2"),
        ([texts, "--heldout-cache", f"{tmp_path}/none"], r"found no teacher\.json"),
    ):
        with pytest.raises(SystemExit, match=rf"^fit_student_doubt: .*{message}"):
            main([folder, *arguments])
    change_config(folder, teacher_name=None)
    with pytest.raises(SystemExit, match="a model that names no teacher, got neither"):
        main([folder, texts])


def test_help_shows_a_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0 and "python run_scripts/fit_student_doubt.py" in capsys.readouterr().out
