"""Laws of BERT4Rec and SASRec: what sees what, and what must not matter."""

from itertools import permutations

import numpy as np
import pytest
import torch
from torch.nn import functional

from traceformers.modeling.recommender.configuration_bert4rec import Bert4RecConfig
from traceformers.modeling.recommender.configuration_sasrec import SASRecConfig
from traceformers.modeling.recommender.modeling_bert4rec import Bert4RecModel
from traceformers.modeling.recommender.modeling_sasrec import SASRecModel

MASK, FIRST = 1, 3
KINDS = {"bert4rec": (Bert4RecConfig, Bert4RecModel), "sasrec": (SASRecConfig, SASRecModel)}


def make(kind, **fields):
    config, model = KINDS[kind]
    torch.manual_seed(0)
    fields = {"vocab_size": 23, "hidden_size": 16, "num_attention_heads": 2, "max_history": 8} | fields
    model = model(config(**fields)).eval()
    for parameter in model.parameters():  # away from the small initial values, so that differences show
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture(params=sorted(KINDS))
def kind(request):
    return request.param


def test_no_position_of_sasrec_sees_a_later_item():
    model = make("sasrec")
    ids = torch.tensor([[5, 9, 4, 12, 7]])
    before = model.position_scores(ids)
    for place in range(5):
        changed = ids.clone()
        changed[0, place] = 20
        after = model.position_scores(changed)
        assert torch.equal(after[:, :place], before[:, :place])
        assert not torch.allclose(after[:, place:], before[:, place:])


def test_a_later_item_changes_what_bert4rec_reads_behind_an_earlier_mask():
    model = make("bert4rec")
    before = model.position_scores(torch.tensor([[5, MASK, 4, 12, 7]]))[:, 1]
    after = model.position_scores(torch.tensor([[5, MASK, 4, 12, 8]]))[:, 1]
    assert not torch.allclose(before, after)


def test_padding_on_either_side_changes_nothing(kind):
    model = make(kind)
    ids = torch.tensor([[5, 9, 4]])
    alone = model.next_item_scores(ids)
    right, left = functional.pad(ids, (0, 4)), functional.pad(ids, (4, 0))
    torch.testing.assert_close(model.next_item_scores(right), alone)
    torch.testing.assert_close(model.next_item_scores(left), alone)
    torch.testing.assert_close(model.next_item_scores(right, (right != 0).long()), alone)


def test_a_batch_in_any_order_gives_what_its_rows_give_alone(kind):
    model = make(kind)
    rows = [[5, 9, 4], [7], [3, 4, 5, 6, 7, 8, 9, 10, 11, 12], []]
    width = max(map(len, rows))
    batch = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    together = model.next_item_scores(batch)
    for row, scores in zip(rows, together, strict=True):
        torch.testing.assert_close(model.next_item_scores(torch.tensor([row], dtype=torch.long))[0], scores)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(model.next_item_scores(batch[order]), together[order])


def test_items_older_than_the_window_are_not_read(kind):
    model = make(kind)  # reads 8, BERT4Rec one less and the mask
    newest = list(range(10, 17 if kind == "bert4rec" else 18))
    short, long = torch.tensor([newest]), torch.tensor([[3, 4, 5, 3, 6, *newest]])
    torch.testing.assert_close(model.next_item_scores(long), model.next_item_scores(short))


def test_the_order_of_items_matters(kind):
    model = make(kind)
    assert not torch.allclose(
        model.next_item_scores(torch.tensor([[5, 9, 4]])), model.next_item_scores(torch.tensor([[9, 5, 4]]))
    )


def test_an_empty_history_has_an_answer(kind):
    model = make(kind)
    empty = model.next_item_scores(torch.zeros(1, 3, dtype=torch.long))
    assert torch.isfinite(empty).all()
    torch.testing.assert_close(empty, model.next_item_scores(torch.zeros(1, 0, dtype=torch.long)))


def test_asking_for_some_positions_gives_what_asking_for_all_does(kind):
    model = make(kind)
    ids = torch.tensor([[5, 9, 4, 12, 0], [6, 3, 0, 0, 0]])
    mask, asked = (ids != 0).long(), torch.tensor([[2, 0], [1, 0]])
    every = model.position_scores(ids, mask)
    some = model.position_scores(ids, mask, asked)
    torch.testing.assert_close(some, every.gather(1, asked[:, :, None].expand(-1, -1, every.shape[2])))


@pytest.mark.parametrize("n_asked", [1, 4])  # below and above the half at which the last layer computes everything
def test_the_loss_is_the_cross_entropy_of_the_scores_of_items_where_asked(kind, n_asked):
    model = make(kind)
    ids = torch.tensor([[5, 9, 4, 12, 7], [6, 3, 8, 0, 0]])
    mask = (ids != 0).long()
    labels = torch.full_like(ids, -100)
    labels[0, :n_asked], labels[1, 1] = torch.tensor([10, 11, 12, 13])[:n_asked], 14
    scores = model.position_scores(ids, mask)[labels >= 0][:, FIRST:]
    expected = functional.cross_entropy(scores, labels[labels >= 0] - FIRST)
    torch.testing.assert_close(model(ids, mask, labels=labels).loss, expected)
    total = model(ids, mask, labels=labels, num_items_in_batch=10).loss
    torch.testing.assert_close(total, expected * (n_asked + 1) / 10)


@pytest.mark.parametrize("loss", ["full", "sampled", "gbce"])
@pytest.mark.parametrize("output_embedding", ["item", "own"])
def test_every_parameter_learns(kind, loss, output_embedding):
    model = make(kind, loss=loss, output_embedding=output_embedding, num_negatives=30).train()
    ids = torch.randint(FIRST, 23, (4, 8))
    model(ids, labels=ids).loss.backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


def test_gradient_checkpointing_changes_no_gradient(kind):
    ids = torch.randint(FIRST, 23, (4, 6))
    gradients = []
    for checkpointing in (False, True):
        model = make(kind, hidden_dropout_prob=0.0).train()
        if checkpointing:
            model.activation_checkpointing_enable()
        model(ids, labels=ids).loss.backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    torch.testing.assert_close(*gradients)


def test_saving_and_loading_is_exact(kind, tmp_path):
    model = make(kind)
    model.save_pretrained(tmp_path)
    again = KINDS[kind][1].from_pretrained(tmp_path).eval()
    old, new = model.state_dict(), again.state_dict()
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name], new[name]) for name in old)
    ids = torch.tensor([[5, 9, 4, 12, 7]])  # products of one row round by how the weights lie in memory
    torch.testing.assert_close(again.next_item_scores(ids), model.next_item_scores(ids), rtol=0, atol=1e-6)


def test_in_a_checkerboard_only_items_of_the_own_group_are_recommended(kind):
    """Trained as a run trains it; the groups are even and odd ids, and who has had two of a group wants the others."""
    from traceformers.training.recommenders.causal_batches import CausalBatches
    from traceformers.training.recommenders.cloze_batches import ClozeBatches
    from traceformers.training.recommenders.histories import Histories

    groups = [3, 5, 7, 9], [4, 6, 8, 10]
    histories = Histories.from_lists([order for group in groups for order in permutations(group)])
    torch.manual_seed(0)
    model = KINDS[kind][1](
        KINDS[kind][0](vocab_size=11, hidden_size=16, num_attention_heads=2, max_history=8, hidden_dropout_prob=0.0)
    )
    if kind == "bert4rec":
        batches = ClozeBatches(histories, 8, 48, vocab_size=11, mask_probability=0.4)
    else:
        batches = CausalBatches(histories, 8, 48)
    optimizer = torch.optim.Adam(model.train().parameters(), 0.01)
    for epoch in range(60):
        batches.set_epoch(epoch)
        model(**batches.__getitems__(list(range(48)))).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    found, _ = model.recommend_ids(np.array([3, 5, 10, 4, 7]), np.array([0, 2, 4, 5]), k=2)
    assert [set(row) for row in found.tolist()[:2]] == [{7, 9}, {6, 8}]
    assert set(found[2].tolist()) < set(groups[0])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"loss": "bce"}, ["loss", "full, sampled, gbce", "bce"]),
        ({"hidden_size": 10, "num_attention_heads": 3}, ["hidden_size", "num_attention_heads", "10 and 3"]),
        ({"metadata_fusion": "gate"}, ["metadata_features", "gate"]),
        ({"metadata_fusion": "gate", "metadata_features": ["actor"]}, ["metadata_features", "actor"]),
        ({"output_embedding": "fused"}, ["metadata_fusion", "fused"]),
        ({"metadata_fusion": "add", "metadata_features": ["genre", "genre"]}, ["metadata_features", "occur once"]),
        ({"max_history": 0}, ["max_history", "at least 1", "got 0"]),
        ({"num_hidden_layers": 0}, ["num_hidden_layers", "at least 1", "got 0"]),
        ({"num_attention_heads": 0}, ["num_attention_heads", "at least 1", "got 0"]),
        ({"hidden_size": 0}, ["hidden_size", "at least 1", "got 0"]),
        ({"num_negatives": 0}, ["num_negatives", "at least 1", "got 0"]),
        ({"hidden_dropout_prob": 1.5}, ["hidden_dropout_prob", "below 1", "got 1.5"]),
        ({"gbce_calibration": 2}, ["gbce_calibration", "from 0 to 1", "got 2"]),
        ({"hidden_act": "glue"}, ["hidden_act", "gelu", "glue"]),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_words(kind, fields, words):
    with pytest.raises(ValueError, match=r"[Ee]xpected") as error:
        KINDS[kind][0](**fields)
    assert all(word in str(error.value) for word in words)


def test_layers_begin_with_weights_by_their_width_where_the_config_says_so():
    for wide in (False, True):
        config = SASRecConfig(vocab_size=23, hidden_size=256, num_attention_heads=2, xavier_layers=wide)
        model = SASRecModel(config)
        deviation = model.encoder.layers[0].up.weight.std().item()  # 256 to 1,024
        assert deviation == pytest.approx((2 / (256 + 1024)) ** 0.5 if wide else 0.02, rel=0.02)
        assert model.items.item_embeddings.weight.std().item() == pytest.approx(0.02, rel=0.1)
