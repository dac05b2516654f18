"""`traceformers encode`: the vectors of the runtime, whatever file they go to."""

import gzip
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import typer
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from tiny_encoder_folder import DIMENSION, SHORT_DIMENSION, encoder_folder, some_texts
from tiny_teacher import tiny_teacher
from typer.testing import CliRunner

from traceformers.apps.encode import encode_file as module
from traceformers.apps.encode.encode_commands import encode as command
from traceformers.apps.encode.encode_file import encode_file
from traceformers.apps.encode.vector_writers import VectorWriter
from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime

TEXTS = ["red house", "", "the walrus \u2603", *some_texts(50)]


def read(path):
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["index"] for row in rows] == list(range(len(rows)))
        return np.array([row["vector"] for row in rows], dtype=np.float32).reshape(len(rows), -1)
    return load_file(path)["vectors"]


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n")
    return path


@pytest.fixture
def run():
    """A function that runs `traceformers encode` on its arguments and returns what it printed."""
    app = typer.Typer()
    app.command()(command)

    def ran(*arguments, **options):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False, **options)
        assert result.exit_code == 0, result.output
        return result.stdout

    return ran


@pytest.mark.parametrize("suffix", [".safetensors", ".npy", ".jsonl"])
def test_row_i_is_the_runtimes_vector_of_line_i(texts, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr(module.chunks, "__defaults__", (7, 1 << 24))
    done = encode_file(texts, encoder_folder(), tmp_path / f"vectors{suffix}")
    assert done.texts == len(TEXTS)
    vectors = read(tmp_path / f"vectors{suffix}")
    np.testing.assert_array_equal(vectors, NgramRuntime.from_pretrained(encoder_folder()).encode(TEXTS))


def test_another_device_gives_the_same_vectors(texts, tmp_path):
    encode_file(texts, encoder_folder(), tmp_path / "a.npy")
    encode_file(texts, encoder_folder(), tmp_path / "b.npy", device="cpu:0")  # through torch
    np.testing.assert_allclose(read(tmp_path / "a.npy"), read(tmp_path / "b.npy"), atol=1e-5)


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_a_lower_precision_gives_nearly_the_same_vectors(texts, tmp_path, device, precision):
    encode_file(texts, encoder_folder(), tmp_path / "a.npy")
    encode_file(texts, encoder_folder(), tmp_path / "b.npy", precision=precision, device=device, dtype="float16")
    whole, low = read(tmp_path / "a.npy"), read(tmp_path / "b.npy")
    assert low.dtype == np.float16
    assert (whole * low).sum(1).min() > 0.999
    assert np.abs(whole - low).max() > 0


def test_shorter_vectors_are_the_same_on_every_device(run, texts, tmp_path):
    for device, name in (("cpu", "a.npy"), ("cpu:0", "b.npy")):
        arguments = ("--dimension", SHORT_DIMENSION, "--device", device, "--output", tmp_path / name)
        run(texts, "--model", encoder_folder(), *arguments)
    expected = NgramRuntime.from_pretrained(encoder_folder(), dimension=SHORT_DIMENSION).encode(TEXTS)
    assert expected.shape == (len(TEXTS), SHORT_DIMENSION)
    np.testing.assert_array_equal(read(tmp_path / "a.npy"), expected)
    np.testing.assert_allclose(read(tmp_path / "b.npy"), expected, atol=1e-5)


def test_plain_texts_are_encoded_without_torch_and_pyarrow(texts, tmp_path):
    script = (
        "import sys; sys.modules.update(torch=None, transformers=None, pyarrow=None)\n"
        "from traceformers.apps.encode.encode_file import encode_file\n"
        "print(encode_file(*sys.argv[1:]).texts)"
    )
    paths = [str(path) for path in (texts, encoder_folder(), tmp_path / "v.npy")]
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True)
    assert done.stdout.split() == [str(len(TEXTS))], done.stderr


def test_json_lines_and_compressed_files_are_read(tmp_path):
    path = tmp_path / "texts.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"title": "red", "text": "house"}\n{"text": "water"}\n'))
    encode_file(path, encoder_folder(), tmp_path / "v.npy")
    expected = NgramRuntime.from_pretrained(encoder_folder()).encode(["red house", "water"])
    np.testing.assert_array_equal(read(tmp_path / "v.npy"), expected)


def test_no_texts_are_a_file_without_rows(tmp_path):
    (tmp_path / "empty.txt").write_text("")
    for name in ("v.npy", "v.safetensors"):
        assert encode_file(tmp_path / "empty.txt", encoder_folder(), tmp_path / name).texts == 0
        assert read(tmp_path / name).shape == (0, DIMENSION)


def test_what_fails_leaves_the_file_of_before_and_nothing_else(tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"fine\n\xff\n")
    (tmp_path / "v.npy").write_text("mine")
    with pytest.raises(ValueError, match="line 2"):
        encode_file(tmp_path / "bad.txt", encoder_folder(), tmp_path / "v.npy")
    assert (tmp_path / "v.npy").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "v.npy"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"output": "v.bin"}, "--format"),
        ({"kind": "csv"}, "output"),
        ({"dtype": "int4"}, "float16"),
        ({"precision": "int4"}, "int8"),
        ({"monitor": True, "device": "cpu:0"}, "--device cpu"),
        ({"device": "nonsense"}, "Expected a device that torch can use here, got nonsense"),
        ({"device": "meta"}, "Expected a device that torch can use here, got meta"),
        ({"dimension": 3}, "Expected a dimension of 8, 16"),
    ],
)
def test_settings_that_do_not_exist_are_told(texts, tmp_path, options, said):
    output = tmp_path / options.pop("output", "v.npy")
    with pytest.raises(ValueError, match=said):
        encode_file(texts, encoder_folder(), output, **options)
    assert not output.exists()


@pytest.mark.parametrize("documents", ["teacher", "student"])
def test_documents_are_encoded_by_the_teacher_that_the_repository_names(run, texts, tmp_path, documents):
    teacher = tiny_teacher(tmp_path / "teacher")
    student = encoder_folder(documents=documents, teacher_name=teacher)
    run(texts, "--model", student, "--documents", "--output", tmp_path / "v.npy")
    expected = SentenceTransformer(teacher, device="cpu").encode(TEXTS, show_progress_bar=False)
    np.testing.assert_allclose(read(tmp_path / "v.npy"), expected, atol=1e-5)
    run(texts, "--model", student, "--documents", "--dimension", SHORT_DIMENSION, "--output", tmp_path / "short.npy")
    short = expected[:, :SHORT_DIMENSION]
    short = short / np.linalg.norm(short, axis=1, keepdims=True)
    np.testing.assert_allclose(read(tmp_path / "short.npy"), short, atol=1e-5)
    for options in ({"precision": "int8"}, {"monitor": True}):
        with pytest.raises(ValueError, match="Expected"):
            encode_file(texts, student, tmp_path / "v.npy", documents=True, **options)


def test_documents_of_a_repository_without_a_teacher_are_the_students(texts, tmp_path):
    encode_file(texts, encoder_folder(), tmp_path / "v.npy", documents=True)
    np.testing.assert_array_equal(
        read(tmp_path / "v.npy"), NgramRuntime.from_pretrained(encoder_folder()).encode(TEXTS)
    )
    unnamed = shutil.copytree(encoder_folder(), tmp_path / "unnamed")
    config = json.loads((unnamed / "config.json").read_text())
    (unnamed / "config.json").write_text(json.dumps({**config, "documents": "teacher"}))
    with pytest.raises(ValueError, match="names none"):
        encode_file(texts, unnamed, tmp_path / "w.npy", documents=True)


def test_a_missing_model_is_told(texts, tmp_path):
    with pytest.raises(FileNotFoundError, match="found none at"):
        encode_file(texts, tmp_path / "absent", tmp_path / "v.npy")


def test_the_command_tells_how_fast_it_was(run, texts, tmp_path):
    printed = run(texts, "--model", encoder_folder(), "--output", tmp_path / "v.safetensors")
    assert printed.startswith(f"{len(TEXTS)} texts in ") and "texts/s" in printed
    assert len(read(tmp_path / "v.safetensors")) == len(TEXTS)


def test_the_standard_input_is_read_line_by_line(run, tmp_path):
    run("-", "--model", encoder_folder(), "--output", tmp_path / "v.npy", input="red house\r\n\nwater")
    expected = NgramRuntime.from_pretrained(encoder_folder()).encode(["red house", "", "water"])
    np.testing.assert_array_equal(read(tmp_path / "v.npy"), expected)


def test_the_command_has_help_with_an_example(run):
    assert "Example: traceformers encode" in run("--help")


def test_on_the_cpu_no_torch_is_loaded(texts, tmp_path):
    script = (
        "import sys; from traceformers.apps.encode.encode_file import encode_file; encode_file(*sys.argv[1:]); "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    arguments = [texts, encoder_folder(), tmp_path / "v.npy"]
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_memory_does_not_grow_with_the_number_of_texts():
    pieces = module.chunks(iter(["x" * 10] * 100), most_texts=30, most_characters=200)
    assert [len(piece) for piece in pieces] == [20] * 5
    assert [len(piece) for piece in module.chunks(["x"] * 70, most_texts=30)] == [30, 30, 10]


def test_the_room_of_the_head_is_enough_for_any_number(tmp_path):
    writer = VectorWriter(tmp_path / "v.npy", 10**6, "npy")
    assert len(writer._head(10**15)) == 128
    assert np.lib.format.read_magic(io.BytesIO(writer._head(5))) == (1, 0)
