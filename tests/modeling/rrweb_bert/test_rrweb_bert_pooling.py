"""The mean of a row: of all its tokens, or of those of some events; padded, packed, and in the classifier."""

import pytest
import torch
from assertions import assert_save_load_keeps_outputs
from tiny_rrweb import click, element, mutation, names, page, tiny_tokenizer

from traceformers import RRWebBertConfig, RRWebBertForSequenceClassification
from traceformers.modeling.rrweb_bert.rrweb_bert_pooling import mean_of_tokens, tokens_of_events

STARTS, MARK = (10, 3), 20  # 10, 11 and 12 begin events
ROW = [2, 10, 30, 12, 20, 31, 11, 32, 10, 33, 20, 3]
OF_MARK = [False] * 3 + [True] * 3 + [False] * 2 + [True] * 4


def classifier(**changes):
    shape = {"vocab_size": 99, "structural_vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 1}
    shape |= {"num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64, "num_labels": 3}
    torch.manual_seed(0)
    config = RRWebBertConfig(**(shape | changes))
    return RRWebBertForSequenceClassification._from_config(config, attn_implementation="sdpa_varlen").eval()


def test_tokens_of_marked_events_are_found():
    found = tokens_of_events(torch.tensor([ROW, ROW[::-1]]), [MARK], STARTS)
    assert found[0].tolist() == OF_MARK
    assert not tokens_of_events(torch.tensor([ROW]), [77], STARTS).any()


def test_an_event_ends_with_its_window():
    row = [*ROW[:6], 2, 30, *ROW[6:]]
    borders = torch.tensor([0, 6, len(row)], dtype=torch.int32)
    found = tokens_of_events(torch.tensor([row]), [MARK], STARTS, borders)[0].tolist()
    assert found == [*OF_MARK[:6], False, False, *OF_MARK[6:]]


def test_what_a_person_did_in_a_session_is_found():
    tokenizer = tiny_tokenizer()
    events = [*page(element(5, "button", "Pay")), click(5, 900), mutation(1200)]
    ids = tokenizer(events=events, return_tensors="pt")["input_ids"]
    tokens = tokenizer.window_tokens
    marks = [tokenizer.vocabulary.ids["[source:MouseInteraction]"]]
    found = names(ids[tokens_of_events(ids, marks, (tokens.first_gap, tokens.n_gaps))])
    assert found[1:5] == ["[source:MouseInteraction]", "[do:Click]", "[tag:button]", '"Pay"'] and len(found) == 7


def test_only_chosen_tokens_are_averaged_and_all_where_there_are_none():
    hidden, chosen = torch.randn(2, 5, 4), torch.tensor([[0, 1, 1, 0, 1], [0, 0, 0, 0, 0]]).bool()
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
    found = mean_of_tokens(hidden, mask, None, chosen)
    torch.testing.assert_close(found[0], hidden[0, 1:3].mean(0))
    torch.testing.assert_close(found[1], hidden[1, :3].mean(0))
    torch.testing.assert_close(mean_of_tokens(hidden, None, None, chosen)[0], hidden[0, [1, 2, 4]].mean(0))
    packed = mean_of_tokens(hidden.reshape(1, 10, 4), None, torch.tensor([0, 5, 10]), chosen.reshape(1, 10))
    torch.testing.assert_close(packed, mean_of_tokens(hidden, None, None, chosen))


@pytest.mark.parametrize("marks", [None, [MARK]])
def test_a_classifier_answers_a_window_alone_padded_and_packed_alike(marks):
    model = classifier(pooled_marks=marks, event_starts=marks and list(STARTS))
    short = ROW[:8]
    alone = torch.cat([model(torch.tensor([row])).logits for row in (ROW, short)])
    padded = torch.tensor([ROW, short + [0] * 4])
    mask = torch.tensor([[1] * 12, [1] * 8 + [0] * 4])
    torch.testing.assert_close(model(padded, attention_mask=mask).logits, alone, rtol=0, atol=1e-5)
    borders = torch.tensor([0, 12, 20], dtype=torch.int32)
    packed = model(
        torch.tensor([ROW + short]), cu_seq_lens_q=borders, cu_seq_lens_k=borders, max_length_q=12, max_length_k=12
    )
    torch.testing.assert_close(packed.logits, alone, rtol=0, atol=1e-5)


def test_a_classifier_of_marked_events_averages_them_and_is_saved_so():
    model = classifier(pooled_marks=[MARK], event_starts=list(STARTS))
    ids = torch.tensor([ROW])
    hidden = model.rrweb_bert(ids).last_hidden_state
    torch.testing.assert_close(model(ids).logits, model.classifier(hidden[:, OF_MARK].mean(1)))
    assert_save_load_keeps_outputs(model, {"input_ids": ids})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pooled_marks": []}, "pooled_marks to be None or a list of ids"),
        ({"pooled_marks": [5]}, "event_starts to be the first id, and the number"),
        ({"event_starts": [5]}, "event_starts to be the first id, and the number"),
    ],
)
def test_what_marks_and_starts_can_be_is_checked(changes, said):
    with pytest.raises(ValueError, match=said):
        RRWebBertConfig(**changes)
