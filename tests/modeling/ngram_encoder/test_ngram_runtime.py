"""The runtime without torch gives torch's vectors, with numba and without, and says what does not fit together."""

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from tiny_ngram import TEXTS as ANY_TEXT
from tiny_ngram import tiny_tokenizer
from tiny_ngram_encoder import TEXTS, flat, saved_encoder, tiny_encoder, vectors

from traceformers import NgramEncoderModel
from traceformers.modeling.ngram_encoder import ngram_bag
from traceformers.modeling.ngram_encoder.ngram_bag import mean_of_rows
from traceformers.modeling.ngram_encoder.ngram_files import read_tensors
from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.modeling.ngram_encoder.sentence_ngram_encoder import save_sentence_transformer

BACK_ENDS = ("numba", "python")
SHAPES = [
    {},
    {"rho": "mlp", "num_attention_heads": 4},
    {"rho": "mlp", "rho_hidden_size": 24},
    {"rho": "linear", "num_attention_heads": 2, "embedding_size": 8},
    {"pooling": "mean", "rho": "linear", "normalize": False},
]

WITHOUT = """
import sys, json
from importlib import import_module
hidden, path, module, folder, texts = json.loads(sys.argv[1])
for name in hidden:
    sys.modules[name] = None  # `import name` raises ModuleNotFoundError
sys.path.insert(0, path)
runtime = import_module(module).NgramRuntime.from_pretrained(folder)
print(json.dumps([runtime.encode(texts).tolist(), sorted({"torch", "transformers", "numba"} & set(sys.modules))]))
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A function that returns the folder of an encoder, the same one for the same arguments."""

    @cache
    def folder_of(dtype="float32", shape=0):
        return saved_encoder(tmp_path_factory.mktemp("encoder"), table_dtype=dtype, **SHAPES[shape])

    return folder_of


@pytest.mark.parametrize("shape", range(len(SHAPES)))
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_vectors_are_those_of_torch_with_and_without_numba(saved, dtype, shape):
    folder = saved(dtype, shape)
    expected = vectors(NgramEncoderModel.from_pretrained(folder)).numpy()
    scale = np.abs(expected).max()
    found = {name: NgramRuntime.from_pretrained(folder, back_end=name).encode(TEXTS) for name in BACK_ENDS}
    for name in BACK_ENDS:
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name] / scale, expected / scale, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found["numba"] / scale, found["python"] / scale, atol=1e-6, rtol=0)


@given(text=ANY_TEXT)
def test_any_text_has_one_vector_whatever_computes_it(text):
    runtimes = {name: runtime_of(name) for name in BACK_ENDS}
    found = {name: runtime.encode(text) for name, runtime in runtimes.items()}
    np.testing.assert_allclose(found["numba"], found["python"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(found["numba"], vectors(folded(), flat([text])).numpy()[0], atol=1e-5, rtol=0)


@cache
def folded():
    return tiny_encoder(num_attention_heads=2).fold("int8")


@cache
def runtime_of(back_end):
    tensors = {name: tensor.numpy() for name, tensor in folded().state_dict().items()}
    return NgramRuntime(tiny_tokenizer().engine, tensors, folded().config.to_dict(), back_end=back_end)


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_batches_and_threads_change_no_vector(saved, back_end):
    texts = [" ".join(TEXTS[i % len(TEXTS)] for i in range(n % 7)) for n in range(50)]
    expected = NgramRuntime.from_pretrained(saved(), back_end=back_end).encode(texts)
    threaded = NgramRuntime.from_pretrained(saved(), threads=3, back_end=back_end)
    for batch_size in (1, 7, 1024):
        assert np.array_equal(threaded.encode(texts, batch_size=batch_size), expected)
    alone = np.stack([threaded.encode(text) for text in texts])
    np.testing.assert_allclose(alone, expected, atol=1e-6, rtol=0)
    assert threaded.encode([]).shape == (0, 16)
    assert threaded.encode(iter(texts)).shape == (50, 16)


@pytest.mark.parametrize("stored", ["float32", "float16", "int8"])
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_a_table_is_held_in_the_precision_asked_for(saved, stored, precision):
    runtime = NgramRuntime.from_pretrained(saved(stored, 1), precision=precision)
    assert runtime.table.dtype == precision
    expected = vectors(NgramEncoderModel.from_pretrained(saved("float32", 1))).numpy()
    assert ((runtime.encode(TEXTS) * expected).sum(1) > 0.999).all()


def test_a_precision_made_at_loading_is_the_one_a_fold_makes(saved):
    made = NgramRuntime.from_pretrained(saved("float32", 1), precision="int8")
    stored = NgramRuntime.from_pretrained(saved("int8", 1))
    assert np.array_equal(made.table, stored.table)
    np.testing.assert_allclose(made.scale, stored.scale, rtol=1e-6)


def test_remembered_texts_have_their_vectors_and_the_least_recent_one_goes(saved):
    plain, cached = NgramRuntime.from_pretrained(saved()), NgramRuntime.from_pretrained(saved(), cache_size=2)
    a, b, c = TEXTS[:3]
    assert np.array_equal(cached.encode([a, b, a]), plain.encode([a, b, a]))
    assert (cached.cache_hits, cached.cache_misses) == (0, 2)
    cached.encode(a)  # b is now the least recent
    cached.encode(c)
    assert list(cached._cache) == [a, c]
    vector = cached.encode(a)
    vector[:] = 7  # a caller's own array
    np.testing.assert_allclose(cached.encode(a), plain.encode(a), atol=1e-6)
    assert (cached.cache_hits, cached.cache_misses) == (3, 3)


def test_many_threads_may_use_one_cache(saved):
    plain, cached = NgramRuntime.from_pretrained(saved()), NgramRuntime.from_pretrained(saved(), cache_size=3)
    expected = {text: plain.encode(text) for text in TEXTS}
    with ThreadPoolExecutor(8) as pool:
        for text, vector in pool.map(lambda i: (TEXTS[i % 6], cached.encode(TEXTS[i % 6])), range(400)):
            np.testing.assert_allclose(vector, expected[text], atol=1e-6)
    assert cached.cache_hits + cached.cache_misses == 400 and len(cached._cache) == 3


@pytest.mark.parametrize("hidden", [["torch", "transformers"], ["torch", "transformers", "numba"]], ids=str)
def test_it_runs_where_torch_and_transformers_cannot_be_imported(saved, repository_root, hidden):
    expected = NgramRuntime.from_pretrained(saved()).encode(TEXTS)
    module = "traceformers.modeling.ngram_encoder.ngram_runtime"
    request = [hidden, str(repository_root / "src"), module, str(saved()), TEXTS]
    np.testing.assert_allclose(answer_of(request, hidden), expected, atol=1e-6, rtol=0)


def test_a_repository_alone_holds_the_runtime(tmp_path):
    folder = tmp_path / "an-encoder"
    saved_encoder(folder)
    save_sentence_transformer(folder)
    hidden = ["torch", "transformers", "numba", "traceformers"]
    request = [hidden, str(tmp_path), f"{folder.name}.ngram_runtime", str(folder), TEXTS]
    expected = NgramRuntime.from_pretrained(folder).encode(TEXTS)
    np.testing.assert_allclose(answer_of(request, hidden), expected, atol=1e-6, rtol=0)


def answer_of(request, hidden):
    run = subprocess.run([sys.executable, "-c", WITHOUT, json.dumps(request)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    found, loaded = json.loads(run.stdout)
    assert set(loaded) <= {*hidden, "numba"}  # those hidden are there as None
    return found


# --- what does not fit --------------------------------------------------------------------------------------


def change_json(folder, name, **changes):
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (lambda f: (f / "model.safetensors").unlink(), FileNotFoundError, "found no model.safetensors"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), ValueError, "whole safetensors file, got 0 bytes"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\4\0\0\0\0\0\0\0[12]"), ValueError, "describes no tensors"),
        (lambda f: cut(f / "model.safetensors"), ValueError, r"whole safetensors file, got \w+ from byte"),
        (lambda f: change_json(f, "config.json", folded=False), ValueError, "folded ngram_encoder.*folded False"),
        (lambda f: change_json(f, "config.json", model_type="bert"), ValueError, "got model_type 'bert'"),
        (lambda f: tiny_encoder().save_pretrained(f), ValueError, "got model_type 'ngram_encoder' with folded False"),
        (
            lambda f: tiny_tokenizer("neither").save_pretrained(f),
            ValueError,
            r"vocabulary's \d+ entries, got \d+ rows .*different models",
        ),
    ],
)
def test_files_that_are_damaged_or_of_different_models_are_told(tmp_path, spoil, error, said):
    folder = saved_encoder(tmp_path)
    spoil(folder)
    with pytest.raises(error, match=said):
        NgramRuntime.from_pretrained(folder)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threads": 0}, "threads to be an integer of at least 1, got 0"),
        ({"cache_size": -1}, "cache_size to be an integer of at least 0, got -1"),
        ({"precision": "int4"}, "precision to be one of float32, float16, int8 or None, got 'int4'"),
        ({"back_end": "rust"}, "got 'rust'"),
    ],
)
def test_options_that_cannot_be_are_told(saved, options, said):
    with pytest.raises(ValueError, match=said):
        NgramRuntime.from_pretrained(saved(), **options)


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("wrong", [-1, 9])
def test_an_id_without_a_row_is_told_and_nothing_beyond_the_table_is_read(back_end, wrong):
    table, weights = np.ones((9, 4), np.float32), np.ones((9, 1), np.float32)
    with pytest.raises(IndexError, match=rf"ids in \[0, 9\).* got -?\d to {max(wrong, 3)}"):
        mean_of_rows(table, None, weights, np.array([3, wrong], np.int32), np.array([0, 2]), True, back_end)


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_a_text_without_ids_has_the_vector_of_zeros(back_end):
    table, weights = np.ones((9, 4), np.float32), np.ones((9, 2), np.float32)
    found = mean_of_rows(table, None, weights, np.array([3], np.int32), np.array([0, 0, 1, 1]), False, back_end)
    assert found.tolist() == [[0] * 4, [1] * 4, [0] * 4]


@pytest.mark.parametrize("room", [1, 100, 1 << 22])
def test_numpy_looks_up_part_by_part_and_gives_the_same_vectors(monkeypatch, room):
    rng = np.random.default_rng(0)
    table, weights = rng.standard_normal((9, 8)).astype(np.float32), rng.random((9, 2)).astype(np.float32)
    offsets = np.array([0, 0, 3, 40, 41, 41, 60, 60])
    ids = rng.integers(0, 9, 60).astype(np.int32)
    expected = mean_of_rows(table, None, weights, ids, offsets, True, "numba")
    monkeypatch.setattr(ngram_bag, "_GATHER_AT_ONCE", room)
    np.testing.assert_allclose(mean_of_rows(table, None, weights, ids, offsets, True, "python"), expected, atol=1e-6)


def test_a_file_is_read_as_safetensors_reads_it(tmp_path):
    from safetensors.numpy import load_file, save_file

    rng = np.random.default_rng(0)
    arrays = {"a": rng.random((3, 2), np.float32), "b": rng.integers(-9, 9, 5).astype(np.int8), "c": np.zeros((0, 4))}
    arrays["c"] = arrays["c"].astype(np.float16)
    save_file(arrays, tmp_path / "x.safetensors", metadata={"one": "1"})
    for source in (tmp_path / "x.safetensors", (tmp_path / "x.safetensors").read_bytes()):
        found, metadata = read_tensors(source)
        assert metadata == {"one": "1"} and sorted(found) == ["a", "b", "c"]
        for name, array in load_file(tmp_path / "x.safetensors").items():
            assert found[name].dtype == array.dtype and np.array_equal(found[name], array)
            assert not found[name].flags.writeable


@pytest.mark.parametrize("settings", [{}, {"normalize": False}, {"rho": "mlp", "num_attention_heads": 4}])
def test_a_dimension_of_training_is_the_beginning_of_the_whole_vector(tmp_path, settings):
    folder = saved_encoder(tmp_path, matryoshka_dims=[4, 8], **settings)
    whole = NgramRuntime.from_pretrained(folder).encode(TEXTS)[:, :8]
    if settings.get("normalize", True):
        whole = whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-12)
    short = NgramRuntime.from_pretrained(folder, dimension=8, threads=2, cache_size=2)
    assert short.dimension == 8
    for runtime in (short, pickle.loads(pickle.dumps(short))):
        np.testing.assert_allclose(runtime.encode(TEXTS, batch_size=2), whole, atol=1e-6)
    np.testing.assert_allclose(short.encode(TEXTS[0]), whole[0], atol=1e-6)
    with pytest.raises(ValueError, match=r"Expected a dimension of 4, 8, 16, .* got 5"):
        NgramRuntime.from_pretrained(folder, dimension=5)
