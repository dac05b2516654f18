"""The trimodal processor: rows with holes, saving and loading both tokenizers, and what it refuses."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_rrweb import tiny_tokenizer
from tiny_trimodal import IMAGE_SIZE, TEXTS, tiny_model, tiny_picture, tiny_processor, tiny_session
from transformers import AutoProcessor

from traceformers import RRWebTrimodalProcessor

SESSIONS = [tiny_session(0, seconds=3), tiny_session(1, seconds=4)]


@pytest.fixture(scope="module")
def processor():
    return tiny_processor()


def test_each_modality_is_what_its_own_part_gives(processor):
    batch = processor(events=SESSIONS, text=TEXTS[:2], images=[tiny_picture(0), tiny_picture(1)])
    tokens = processor.tokenizer(events=SESSIONS, padding=True, return_tensors="pt")
    words = processor.text_tokenizer(TEXTS[:2], padding=True, return_tensors="pt")
    pixels = processor.image_processor(images=[tiny_picture(0), tiny_picture(1)], return_tensors="pt")
    for name in ("input_ids", "attention_mask", "token_type_ids"):
        assert torch.equal(batch[name], tokens[name])
    assert torch.equal(batch["text_input_ids"], words["input_ids"])
    assert torch.equal(batch["pixel_values"], pixels["pixel_values"])
    assert not [name for name in batch if name.endswith("_mask") and "attention" not in name]
    assert set(batch) == set(processor.model_input_names)


def test_what_is_missing_in_a_row_is_masked_and_the_others_stay_as_they_are(processor):
    pictures = [tiny_picture(0), tiny_picture(1)]
    whole = processor(events=SESSIONS, text=TEXTS[:2], images=pictures)
    holes = processor(events=[None, SESSIONS[1]], text=[TEXTS[0], None], images=[None, pictures[1]])
    assert holes["session_mask"].tolist() == [False, True]
    assert holes["text_mask"].tolist() == [True, False]
    assert holes["image_mask"].tolist() == [False, True]
    assert torch.equal(holes["input_ids"][1], whole["input_ids"][1])
    assert torch.equal(holes["pixel_values"][1], whole["pixel_values"][1])
    with torch.no_grad():
        outputs = tiny_model()(**holes)
    assert outputs.session_embeds.any(1).tolist() == [False, True]


def test_a_modality_that_is_none_everywhere_leaves_only_its_mask(processor):
    batch = processor(events=SESSIONS, images=[None, None])
    assert batch["image_mask"].tolist() == [False, False] and "pixel_values" not in batch


def test_a_session_is_cut_to_one_window_and_a_text_to_its_length(processor):
    batch = processor(events=SESSIONS, text=[" ".join(TEXTS * 5)] * 2, max_length=32, text_max_length=12)
    assert batch["input_ids"].shape == (2, 32) and batch["text_input_ids"].shape == (2, 12)


def test_windows_that_are_cut_already_go_in_as_ids(processor):
    windows = processor.tokenizer.windows(SESSIONS[0], max_length=48)["input_ids"]
    batch = processor(window_ids=windows[:2], max_length=48)
    assert batch["input_ids"][0][batch["attention_mask"][0].bool()].tolist() == windows[0]


def test_arrays_and_pictures_of_pillow_are_the_same_image(processor):
    picture = tiny_picture(3)
    array, tensor = np.asarray(picture), torch.tensor(np.asarray(picture))
    expected = processor(images=[picture])["pixel_values"]
    assert torch.equal(processor(images=[array])["pixel_values"], expected)
    assert torch.equal(processor(images=[tensor])["pixel_values"], expected)
    assert expected.shape == (1, 3, IMAGE_SIZE, IMAGE_SIZE)


def test_a_saved_processor_gives_the_same_batch(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert type(again) is RRWebTrimodalProcessor
    inputs = {"events": [SESSIONS[0], None], "text": ["red house", "blue"], "images": [None, tiny_picture(1)]}
    first, second = processor(**inputs), again(**inputs)
    assert set(first) == set(second)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_two_tokenizers_do_not_lie_in_each_others_way(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    again = RRWebTrimodalProcessor.from_pretrained(tmp_path)
    assert again.tokenizer.get_vocab() == tiny_tokenizer().get_vocab()
    assert again.text_tokenizer.get_vocab() == processor.text_tokenizer.get_vocab()
    assert (tmp_path / "text_tokenizer" / "tokenizer.json").is_file() and not (tmp_path / "tokenizer.json").exists()


def test_saving_twice_and_saving_what_was_loaded_change_nothing(processor, tmp_path):
    processor.save_pretrained(tmp_path / "once")
    processor.save_pretrained(tmp_path / "twice")
    RRWebTrimodalProcessor.from_pretrained(tmp_path / "once").save_pretrained(tmp_path / "again")
    for folder in ("twice", "again"):
        for name in (
            "processor_config.json",
            "text_tokenizer/tokenizer.json",
            "structural_vocab.json",
            "text_bpe.json",
        ):
            assert (tmp_path / folder / name).read_bytes() == (tmp_path / "once" / name).read_bytes()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "Expected events, text or images, got none of the three"),
        ({"events": SESSIONS, "text": ["red"]}, "Expected as many rows of each, got 2 events, 1 text"),
        ({"text": ["red", None], "images": [tiny_picture(), None]}, "got None for text and images in row 1"),
        ({"text": []}, "Expected at least one row"),
        ({"text": "red house"}, "Expected a list with one of the text for each row, got str"),
        ({"events": SESSIONS[0]}, "got list of events, which is one session"),
        ({"events": SESSIONS, "window_ids": [[2, 3]]}, "either events or window_ids, got both"),
        ({"window_ids": [[2] * 40], "max_length": 16}, "windows of at most 16 tokens, got 40 in row 0"),
        ({"images": ["picture.png"]}, "an image of pillow or an array, got str"),
        ({"images": [Image.new("RGBA", (4, 4))]}, r"an RGB image, got one of mode RGBA; pass image.convert\('RGB'\)"),
        ({"images": [Image.new("L", (4, 4))]}, "got one of mode L"),
        ({"images": [np.zeros((4, 4), np.uint8)]}, r"\(height, width, 3\) and uint8, got \(4, 4\)"),
        ({"images": [np.zeros((4, 4, 4), np.uint8)]}, r"got \(4, 4, 4\)"),
        ({"images": [np.zeros((4, 4, 3), np.float32)]}, "got .* and float32"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(processor, inputs, said):
    with pytest.raises(ValueError, match=said):
        processor(**inputs)
