"""Triples of recordings: what a row holds, what is held out, what a batch is, and what is left out."""

import numpy as np
import pytest
import torch
from tiny_trimodal import IMAGE_SIZE, tiny_model, tiny_processor, write_recordings

from traceformers.training.trimodal.trimodal_trainer import frozen_states
from traceformers.training.trimodal.triple_collator import TripleCollator
from traceformers.training.trimodal.triple_dataset import TripleDataset

LENGTH = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_recordings(tmp_path_factory.mktemp("recorded") / "all", sessions=8)


@pytest.fixture(scope="module")
def dataset(folder):
    return TripleDataset.from_recordings([folder], tiny_processor(), LENGTH)


def test_a_row_is_a_window_its_log_and_its_picture(dataset):
    row, triple = dataset[0], dataset.triples[0]
    assert row["text"] == tiny_processor().tokenizer.decode(row["session"].tolist()) == triple.text
    assert "page content" in row["text"]
    assert row["image"].shape == (IMAGE_SIZE, IMAGE_SIZE, 3) and row["image"].dtype == np.uint8
    assert dataset.counts() == {"sessions": 8, "sites": 2, "windows": len(dataset), "screenshots": 32}
    assert all(row["image"] is not None for row in (dataset.complete()[i] for i in range(32)))


def test_held_out_sites_and_sessions_are_nowhere_else(dataset):
    parts = dataset.split(["blog.test"], held_out_share=0.5)
    train, sessions, sites = ({triple.session for triple in part.triples} for part in parts)
    assert {triple.site for triple in parts[2].triples} == {"blog.test"}
    assert {triple.site for part in parts[:2] for triple in part.triples} == {"shop.test"}
    assert train and sessions and not train & sessions and len(sites) == 4
    assert sum(map(len, parts)) == len(dataset)


def test_the_split_depends_on_the_names_alone(dataset, folder, tmp_path):
    fewer = write_recordings(tmp_path, sessions=4)
    other = TripleDataset.from_recordings([fewer], tiny_processor(), LENGTH)
    of_all = {triple.session for triple in dataset.split(held_out_share=0.5)[1].triples}
    of_some = {triple.session for triple in other.split(held_out_share=0.5)[1].triples}
    assert of_some == {name for name in of_all if name < "s1_0004"}


def test_a_site_that_does_not_occur_is_refused(dataset):
    with pytest.raises(ValueError, match=r"among blog.test, shop.test, got nowhere.test"):
        dataset.split(["nowhere.test"])
    with pytest.raises(ValueError, match="Expected rows to train on, got none"):
        dataset.split(["blog.test", "shop.test"])


def test_a_batch_holds_all_rows_with_masks_where_there_is_no_picture(dataset):
    numbers = [0, 1, 2, 3]
    batch = TripleCollator(tiny_processor(), LENGTH, 32)([dataset[number] for number in numbers])
    there = [dataset.triples[number].is_complete for number in numbers]
    assert batch["image_mask"].tolist() == there and not all(there)
    assert len(batch["input_ids"]) == len(batch["text_input_ids"]) == 4


def test_vectors_of_frozen_encoders_give_the_batch_of_their_inputs(dataset):
    model, collator = tiny_model(), TripleCollator(tiny_processor(), LENGTH, 32)
    rows = [dataset[number] for number in range(6)]
    with torch.no_grad():
        expected = model(**collator(rows))
    cached = TripleDataset(dataset.triples, dataset.picture_size)
    for modality in ("text", "image", "session"):
        cached.vectors[modality] = frozen_states(model, cached, collator, modality, batch_size=3)
        with torch.no_grad():
            found = model(**collator([cached[number] for number in range(6)]))
        for name in ("loss", "text_embeds", "image_embeds", "session_embeds"):
            torch.testing.assert_close(found[name], expected[name], atol=1e-5, rtol=1e-4)
    assert "pixel_values" not in collator([cached[number] for number in range(6)])


def test_vectors_in_bfloat16_point_the_same_way(dataset):
    model, collator = tiny_model(), TripleCollator(tiny_processor(), LENGTH, 32)
    exact, rounded = (frozen_states(model, dataset, collator, "session", bf16=bf16) for bf16 in (False, True))
    assert exact.dtype == rounded.dtype == torch.float32 and not torch.equal(exact, rounded)
    assert torch.nn.functional.cosine_similarity(exact, rounded).min() > 0.999


def test_a_batch_of_vectors_and_pictures_keeps_its_rows(dataset):
    model, collator = tiny_model(), TripleCollator(tiny_processor(), LENGTH, 32)
    cached = TripleDataset(dataset.triples, dataset.picture_size)
    for modality in ("text", "session"):
        cached.vectors[modality] = frozen_states(model, cached, collator, modality)
    numbers = [number for number in range(len(cached)) if number % 3]
    batch = collator([cached[number] for number in numbers])
    there = [cached.triples[number].is_complete for number in numbers]
    assert batch["image_mask"].tolist() == there and not all(there)
    assert batch["pixel_values"].flatten(1).any(1).tolist() == there


def test_a_broken_recording_is_left_out_with_its_reason(tmp_path):
    folder = write_recordings(tmp_path, sessions=3)
    (folder / "s1_0001.json.gz").write_bytes(b"no gzip")
    (folder / "s1_0002_screens" / "000.webp").unlink()
    dataset = TripleDataset.from_recordings([folder], tiny_processor(), LENGTH)
    assert {triple.session for triple in dataset.triples} == {"s1_0000"}
    assert len(dataset.left_out) == 2 and any("000.webp" in reason for reason in dataset.left_out)


def test_recordings_without_pictures_or_labels_are_refused(tmp_path):
    folder = write_recordings(tmp_path / "plain", sessions=1, every=1000.0)
    with pytest.raises(ValueError, match="Expected recordings with screenshots"):
        TripleDataset.from_recordings([folder], tiny_processor(), LENGTH)
    with pytest.raises(FileNotFoundError, match=r"Expected labels\.csv"):
        TripleDataset.from_recordings([tmp_path], tiny_processor(), LENGTH)
