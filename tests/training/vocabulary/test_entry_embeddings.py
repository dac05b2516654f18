import os
import signal
import time

import numpy as np
import pytest
from tiny_teacher import tiny_teacher

from traceformers.tokenization.ngram.ngram_vocabulary import assemble
from traceformers.training.distillation.teacher import load_teacher
from traceformers.training.tensor_files import write_tensors
from traceformers.training.vocabulary import entry_embeddings
from traceformers.training.vocabulary.entry_embeddings import EntryEmbeddings, entry_text, entry_vectors

TEXTS = ["red", "cat", "new york", "house", "river", "blue", "dog", "of the", "東", "search"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def teacher(folder):
    return load_teacher(folder, device="cpu", precision="float32")


def shards(folder):
    return sorted(path.name for path in folder.glob("*.safetensors"))


def test_vectors_are_the_teachers_in_the_order_of_the_texts(teacher, tmp_path):
    embeddings = EntryEmbeddings(tmp_path, teacher, entries_a_shard=4)
    found = embeddings.encode(TEXTS[::-1] + TEXTS[:2])
    assert found.dtype == np.float16 and found.shape == (12, teacher.dimension)
    assert np.abs(found - teacher.encode(TEXTS[::-1] + TEXTS[:2])).max() < 1e-3
    assert embeddings.encoded == 10 and len(shards(tmp_path)) == 3
    assert embeddings.encode([]).shape == (0, teacher.dimension)


def test_what_was_encoded_is_not_encoded_again(teacher, tmp_path):
    first = EntryEmbeddings(tmp_path, teacher, entries_a_shard=4)
    vectors = first.encode(TEXTS)
    again = EntryEmbeddings(tmp_path, teacher, entries_a_shard=4)
    assert (again.encode(TEXTS) == vectors).all() and again.encoded == 0
    assert again.encode(["a new one", *TEXTS]).shape == (11, teacher.dimension) and again.encoded == 1


def stop_in_the_third_shard(folder, teacher, pipe):
    """Encodes in a process that says so when it writes its third shard, and then waits to be killed."""

    def slowly(path, *rest):
        if path.name.endswith("2.safetensors"):
            path.with_name(path.name + ".half").write_bytes(b"half a file")
            os.write(pipe, b"in the third")
            time.sleep(60)
        write_tensors(path, *rest)

    entry_embeddings.write_tensors = slowly
    EntryEmbeddings(folder, teacher, entries_a_shard=3).encode(TEXTS)


def test_killed_while_it_writes_it_goes_on_with_the_shard_that_was_lost(teacher, tmp_path):
    expected = teacher.encode(TEXTS)
    read, write = os.pipe()
    process = os.fork()
    if not process:
        try:
            stop_in_the_third_shard(tmp_path, teacher, write)
        finally:
            os._exit(1)
    os.close(write)
    assert os.read(read, 100) == b"in the third"
    os.close(read)
    os.kill(process, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL and len(shards(tmp_path)) == 2
    before = {name: (tmp_path / name).read_bytes() for name in shards(tmp_path)}
    embeddings = EntryEmbeddings(tmp_path, teacher, entries_a_shard=3)
    vectors = embeddings.encode(TEXTS)
    assert embeddings.encoded == 4, "two shards of three were there"
    assert np.abs(vectors - expected).max() < 1e-3
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_vectors_of_another_teacher_are_refused(folder, teacher, tmp_path):
    EntryEmbeddings(tmp_path / "vectors", teacher).encode(TEXTS)
    other = load_teacher(tiny_teacher(tmp_path / "other", seed=1), device="cpu", precision="float32")
    with pytest.raises(ValueError, match=r"Expected vectors of the teacher with weights_sha256=.* got weights_sha256="):
        EntryEmbeddings(tmp_path / "vectors", other)
    pooled = load_teacher(folder, pooling="cls", device="cpu", precision="float32")
    with pytest.raises(ValueError, match=r"pooling=cls in .*, got pooling=mean"):
        EntryEmbeddings(tmp_path / "vectors", pooled)


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_a_damaged_shard_is_named(teacher, tmp_path, content):
    EntryEmbeddings(tmp_path, teacher).encode(TEXTS)
    (tmp_path / shards(tmp_path)[0]).write_bytes(content)
    with pytest.raises(ValueError, match=r"entries-00000\.safetensors, got .*Delete the file"):
        EntryEmbeddings(tmp_path, teacher)


def test_a_vector_that_is_not_finite_stops_with_its_text(teacher, tmp_path, monkeypatch):
    broken = teacher.encode(["red", "cat"])
    broken[1, 3] = np.nan
    monkeypatch.setattr(teacher, "encode", lambda texts, batch_size: broken)
    with pytest.raises(ValueError, match=r"others for 'cat'.*--teacher-precision float32"):
        EntryEmbeddings(tmp_path, teacher).encode(["red", "cat"])
    assert shards(tmp_path) == []


def test_every_entry_of_a_vocabulary_has_its_vector(teacher, tmp_path):
    vocabulary = assemble(["new", "york"], ["y"], ["s"], 2, ["new york"], ["new _ york"])
    vectors = entry_vectors(vocabulary, EntryEmbeddings(tmp_path, teacher))
    texts = [entry_text(token) for token in vocabulary.tokens]
    assert texts == [None, None, "new", "york", "y", "s", None, None, "new york", "new york"]
    own = [i for i, text in enumerate(texts) if text]
    assert np.abs(vectors[own] - teacher.encode([texts[i] for i in own])).max() < 1e-3
    assert not vectors[0].any()
    mean = vectors[own].mean(axis=0, dtype=np.float32)
    assert all(np.abs(vectors[i] - mean).max() < 1e-3 for i in (1, 6, 7)), "[UNK] and buckets stand for any word"


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"x": np.ones(3)})
    before = path.read_bytes()
    (tmp_path / "a.safetensors.half").mkdir()  # nothing can be written there
    with pytest.raises(OSError):
        write_tensors(path, {"x": np.zeros(3)})
    assert path.read_bytes() == before
