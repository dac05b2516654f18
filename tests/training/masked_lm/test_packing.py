import numpy as np
import pytest
import torch
from session_corpus import TOKEN_CLASSES, TOKENS, VOCABULARY, masking, random_sessions

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM
from traceformers.training.masked_lm.packing import IGNORED, PackingCollator, PaddingCollator
from traceformers.training.masked_lm.window_dataset import FixedWindows


@pytest.fixture
def items():
    dataset = FixedWindows(random_sessions(0, 6), TOKENS, 64)
    return [dataset[i] for i in range(0, len(dataset), 2)]


def test_windows_lie_one_after_the_other(items):
    batch = PackingCollator(masking(), 520)(items)
    true = np.concatenate([item["ids"] for item in items])
    n = len(true)
    for name in ("input_ids", "token_type_ids", "position_ids"):
        assert batch[name].shape == (1, n) and batch[name].dtype == torch.int64
    lengths = [len(item["ids"]) for item in items]
    assert batch["cu_seq_lens_q"].dtype == torch.int32
    assert batch["cu_seq_lens_q"].tolist() == batch["cu_seq_lens_k"].tolist() == [0, *np.cumsum(lengths)]
    assert batch["max_length_q"] == batch["max_length_k"] == max(lengths)
    assert batch["position_ids"][0].tolist() == [i for length in lengths for i in range(length)]
    assert batch["labels"].tolist() == true[batch["masked_positions"].numpy()].tolist()
    rest = np.setdiff1d(np.arange(n), batch["masked_positions"].numpy())
    np.testing.assert_array_equal(batch["input_ids"][0].numpy()[rest], true[rest])


def test_a_mask_keeps_the_type_of_the_token_it_hides(items):
    batch = PackingCollator(masking(), 520)(items)
    true = np.concatenate([item["ids"] for item in items])
    np.testing.assert_array_equal(batch["token_type_ids"][0].numpy(), true >= 520)
    hidden_text = (batch["input_ids"][0] == VOCABULARY.ids["[MASK]"]) & (batch["token_type_ids"][0] == 1)
    assert hidden_text.any()


def test_padded_rows_have_the_same_masks(items):
    packed, padded = (collator(masking(), 520)(items) for collator in (PackingCollator, PaddingCollator))
    real = padded["attention_mask"] == 1
    for name in ("input_ids", "token_type_ids"):
        assert torch.equal(padded[name][real], packed[name][0])
        assert (padded[name][~real] == 0).all()
    labels = padded["labels"][real]
    assert torch.equal(labels[labels != IGNORED], packed["labels"])
    assert torch.equal(torch.nonzero(labels != IGNORED)[:, 0], packed["masked_positions"])


def test_packing_does_not_change_what_the_model_says(items):
    torch.manual_seed(0)
    config = RRWebBertConfig(
        vocab_size=len(TOKEN_CLASSES),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    model = RRWebBertForMaskedLM._from_config(config, attn_implementation="sdpa_varlen").eval()
    packed, padded = (collator(masking(), 520)(items) for collator in (PackingCollator, PaddingCollator))
    with torch.no_grad():
        one, other = model(**packed), model(**padded)
    assert one.logits.shape == (len(packed["labels"]), len(TOKEN_CLASSES))
    expected = other.logits[padded["labels"] != IGNORED]
    torch.testing.assert_close(one.logits, expected, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(one.loss, other.loss, atol=1e-5, rtol=1e-5)


def test_masks_do_not_depend_on_the_batch(items):
    collate = PackingCollator(masking(), 520)
    together = collate(items)["input_ids"][0]
    alone = torch.cat([collate([item])["input_ids"][0] for item in items])
    assert torch.equal(together, alone)
