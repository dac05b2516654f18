import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_teacher import tiny_teacher

from traceformers.training.distillation.teacher import load_teacher
from traceformers.training.distillation.teacher_cache import TeacherCache, fill_cache

TEXTS = [f"the {word} of the {other} {number}" for number in range(4) for word in ("cat", "dog") for other in "abcé"]
# Ends the process as `kill -9` does, while the third shard is computed.
KILLED = """
import os, signal, sys
from traceformers.training.distillation.teacher import Teacher, load_teacher
from traceformers.training.distillation.teacher_cache import fill_cache
whole, calls = Teacher.encode, []
def encode(self, texts, **kwargs):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(self, texts, **kwargs)
Teacher.encode = encode
teacher, folder = sys.argv[1:3]
fill_cache(load_teacher(teacher, device="cpu"), sys.stdin.read().splitlines(), folder, shard_size=5, progress=False)
"""


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return load_teacher(tiny_teacher(tmp_path_factory.mktemp("teacher")), device="cpu")


def fill(teacher, folder, texts=TEXTS, **kwargs):
    return fill_cache(teacher, texts, folder, **({"shard_size": 5, "progress": False} | kwargs))


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_vectors_come_back_in_any_order(teacher, tmp_path):
    cache = fill(teacher, tmp_path)
    indices = np.random.default_rng(0).integers(0, len(TEXTS), 100)
    found = cache.vectors(indices)
    assert found.dtype == np.float16 and len(cache) == len(TEXTS)
    np.testing.assert_allclose(found, teacher.encode(TEXTS)[indices], atol=2e-2)
    again = TeacherCache.open(tmp_path)
    assert np.array_equal(again.vectors(range(len(TEXTS))), np.concatenate([block for _, block in again.blocks()]))
    again.check_texts(iter(TEXTS))
    again.check_teacher(teacher.fingerprint)
    with pytest.raises(IndexError):
        cache.vectors([len(TEXTS)])


def test_filling_again_computes_nothing(teacher, tmp_path):
    fill(teacher, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    fill(teacher, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_ranks_fill_different_shards_of_one_cache(teacher, tmp_path):
    whole = fill(teacher, tmp_path / "whole")
    assert fill(teacher, tmp_path / "parts", rank=1, world_size=2) is None
    with pytest.raises(FileNotFoundError, match=r"7 shards.*4 are missing, the first is vectors-00000"):
        TeacherCache.open(tmp_path / "parts")
    threads = [
        threading.Thread(target=fill, args=(teacher, tmp_path / "three"), kwargs={"rank": r, "world_size": 3})
        for r in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fill(teacher, tmp_path / "parts", rank=0, world_size=2)
    everything = np.arange(len(TEXTS))
    for folder in ("parts", "three"):
        assert np.array_equal(TeacherCache.open(tmp_path / folder).vectors(everything), whole.vectors(everything))


def test_a_killed_filling_goes_on(teacher, tmp_path):
    whole = fill(teacher, tmp_path / "whole", texts=list(TEXTS))
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, teacher.name, str(folder)]
    killed = subprocess.run(command, input="\n".join(TEXTS), text=True, capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert sorted(contents(folder)) == ["teacher.json", "vectors-00000.safetensors", "vectors-00001.safetensors"]
    (folder / "vectors-00002.safetensors.tmp").write_bytes(b"half")  # as a kill while writing leaves it
    kept = contents(folder)["vectors-00001.safetensors"], (folder / "vectors-00001.safetensors").stat().st_mtime_ns
    cache = fill(teacher, folder)
    assert (
        contents(folder)["vectors-00001.safetensors"],
        (folder / "vectors-00001.safetensors").stat().st_mtime_ns,
    ) == kept
    assert np.array_equal(cache.vectors(range(len(TEXTS))), whole.vectors(range(len(TEXTS))))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device that is always full")
def test_a_full_disk_loses_nothing_and_says_what_to_do(teacher, tmp_path):
    (tmp_path / "vectors-00002.safetensors.tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device. 2 shards are complete and stay. Free space"):
        fill(teacher, tmp_path)
    assert sorted(contents(tmp_path)) == ["teacher.json", "vectors-00000.safetensors", "vectors-00001.safetensors"]
    assert len(fill(teacher, tmp_path)) == len(TEXTS)


def test_another_teacher_is_refused(teacher, tmp_path):
    fill(teacher, tmp_path / "cache")
    other = load_teacher(tiny_teacher(tmp_path / "other", seed=1), device="cpu")
    cls = load_teacher(teacher.name, pooling="cls", device="cpu")
    exact = load_teacher(teacher.name, precision="float32", device="cpu")
    for one, key in ((other, "weights_sha256"), (cls, "pooling"), (exact, "compute_dtype")):
        with pytest.raises(ValueError, match=f"Expected vectors of .* with {key}"):
            fill(one, tmp_path / "cache")
    TeacherCache.open(tmp_path / "cache").check_teacher(
        exact.fingerprint
    )  # how it was computed may differ for a reader
    with pytest.raises(ValueError, match="Choose another folder"):
        TeacherCache.open(tmp_path / "cache").check_teacher(cls.fingerprint)


def test_changed_texts_are_refused(teacher, tmp_path):
    cache = fill(teacher, tmp_path)
    changed = [*TEXTS[:7], "something else", *TEXTS[8:]]
    for texts in (changed, TEXTS[:-1], [*TEXTS, "one more"], TEXTS[::-1], []):
        with pytest.raises(ValueError, match=r"Expected the .*texts that the vectors"):
            cache.check_texts(texts)
    with pytest.raises(ValueError, match="among texts 5 to 9: they changed"):
        fill(teacher, tmp_path, texts=changed)
    with pytest.raises(ValueError, match=r"the 32 texts that the cache .* was begun with, got 31"):
        fill(teacher, tmp_path, texts=TEXTS[:-1])
    with pytest.raises(ValueError, match="Expected texts to embed, got none"):
        fill(teacher, tmp_path, texts=[])


def test_broken_files_are_named(teacher, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no teacher\.json"):
        TeacherCache.open(tmp_path)
    fill(teacher, tmp_path)
    shard = tmp_path / "vectors-00001.safetensors"
    whole = shard.read_bytes()
    for broken in (whole[:-3], b"", b"x" * 200):
        shard.write_bytes(broken)
        with pytest.raises(ValueError, match=r"vectors-00001.*Delete it and fill the cache again"):
            TeacherCache.open(tmp_path)
    fill(teacher, tmp_path)
    assert shard.read_bytes() == whole
    about = tmp_path / "teacher.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"format": 9}))
    with pytest.raises(ValueError, match=r"of format 1 .* got format 9"):
        TeacherCache.open(tmp_path)
    about.unlink()
    with pytest.raises(ValueError, match=r"Expected teacher\.json beside the vectors"):
        fill(teacher, tmp_path)


def test_an_iterable_without_a_length_will_do(teacher, tmp_path):
    class Lines:
        def __iter__(self):
            return iter(TEXTS)

    assert len(fill(teacher, tmp_path, texts=Lines())) == len(TEXTS)


def test_vectors_beyond_float16_are_refused(tmp_path):
    teacher = load_teacher(tiny_teacher(tmp_path / "teacher", normalize=False), device="cpu", precision="float32")
    with torch.no_grad():
        teacher.transformer.model.encoder.layer[-1].output.LayerNorm.weight.mul_(1e6)
    with pytest.raises(ValueError, match="Expected finite vectors of the teacher, got others in vectors-00000"):
        fill(teacher, tmp_path / "cache")
