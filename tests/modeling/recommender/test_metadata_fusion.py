"""Laws of the fused item vectors."""

import numpy as np
import pytest
import torch

from traceformers.modeling.recommender.catalogue_loss import catalogue_loss
from traceformers.modeling.recommender.configuration_bert4rec import Bert4RecConfig
from traceformers.modeling.recommender.metadata_fusion import item_tables
from traceformers.modeling.recommender.modeling_bert4rec import Bert4RecModel
from traceformers.tokenization.item.tokenization_item import ItemTokenizer
from traceformers.training.evaluation.next_item_ranks import next_item_ranks
from traceformers.training.recommenders.item_metadata import metadata_tables

FEATURES = ["genre", "director", "writer", "title"]


def tables(V=12):
    """Returns tables for V ids; nothing is known of the three special ones, nor of the last."""
    generator = torch.Generator().manual_seed(0)
    known = torch.arange(V)
    known = ((known >= 3) & (known < V - 1)).int()
    return {
        "genre_ids": torch.randint(0, 5, (V, 3), generator=generator) * known[:, None],
        "director_ids": torch.randint(1, 4, (V,), generator=generator) * known,
        "writer_ids": torch.randint(0, 6, (V, 2), generator=generator) * known[:, None],
        "title_vectors": torch.randn(V, 7, generator=generator) * known[:, None],
    }


def make(fusion, features=tuple(FEATURES), **fields):
    torch.manual_seed(0)
    sizes = {"num_genres": 4, "max_genres": 3, "num_directors": 3, "num_writers": 5, "max_writers": 2}
    config = Bert4RecConfig(
        vocab_size=12, hidden_size=8, num_attention_heads=2, max_history=6, metadata_fusion=fusion,
        metadata_features=list(features), title_embedding_size=7, **sizes, **fields,
    )  # fmt: skip
    model = Bert4RecModel(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
            module.weight.data[module.padding_idx] = 0
    if fusion != "none":
        wanted = {f"{n}_vectors" if n == "title" else f"{n}_ids" for n in features}
        model.set_item_metadata(**{name: table for name, table in tables().items() if name in wanted})
    return model


def test_gates_of_an_item_sum_to_one_and_are_what_its_vector_is_made_with():
    model = make("gate")
    ids = torch.arange(12)
    gates = model.gates(ids)
    assert gates.shape == (12, 5)
    torch.testing.assert_close(gates.sum(1), torch.ones(12))
    by_hand = (gates[:, :, None] * model.items.features(ids)).sum(1)
    torch.testing.assert_close(model.items(ids), by_hand)


@pytest.mark.parametrize("labels", [None, torch.tensor([[5, -100, -100], [4, 9, -100]])])
def test_gates_come_with_the_output_on_request(labels):
    model, ids = make("gate"), torch.tensor([[5, 3, 8], [4, 9, 0]])
    output = model(ids, labels=labels, output_gates=True)
    assert output.gates.shape == (2, 3, 5)
    torch.testing.assert_close(output.gates[1, 1], model.gates(torch.tensor([9]))[0])
    assert model(ids, labels=labels).gates is None
    with pytest.raises(ValueError, match="Expected metadata_fusion 'gate'"):
        make("add")(ids, output_gates=True)


def test_add_is_the_sum_of_what_each_source_says():
    model, known = make("add"), tables()
    items = model.items
    for i in (0, 3, 7, 11):
        genres = [items.genre_embeddings.weight[g] for g in known["genre_ids"][i] if g]
        writers = [items.writer_embeddings.weight[w] for w in known["writer_ids"][i] if w]
        expected = items.item_embeddings.weight[i] + items.title_projection(known["title_vectors"][i])
        expected = expected + sum(genres) / max(1, len(genres)) + sum(writers) / max(1, len(writers))
        if known["director_ids"][i]:
            expected = expected + items.director_embeddings.weight[known["director_ids"][i]]
        torch.testing.assert_close(items(torch.tensor([i]))[0], expected)


def test_concat_is_a_linear_map_of_all_sources_side_by_side():
    model = make("concat")
    ids = torch.tensor([3, 5])
    expected = model.items.fusion_layer(model.items.features(ids).flatten(1))
    torch.testing.assert_close(model.items(ids), expected)


@pytest.mark.parametrize("fusion", ["add", "concat", "gate"])
@pytest.mark.parametrize("feature", FEATURES)
def test_a_source_that_is_switched_off_has_no_weights_and_no_say(fusion, feature):
    model = make(fusion, [name for name in FEATURES if name != feature])
    assert not [name for name, _ in [*model.named_parameters(), *model.named_buffers()] if feature in name]
    with pytest.raises(ValueError, match=f"Expected tables.*{feature}"):
        model.set_item_metadata(**{name: table for name, table in tables().items() if name.startswith(feature)})


@pytest.mark.parametrize("fusion", ["none", "add", "concat", "gate"])
@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 0)])
def test_vectors_of_a_batch_are_those_of_the_whole_catalogue(fusion, shape):
    model = make(fusion)
    ids = torch.randint(0, 12, shape)
    torch.testing.assert_close(model.items(ids), model.items.all_items()[ids])


@pytest.mark.parametrize("fusion", ["add", "concat", "gate"])
def test_tables_are_saved_with_the_model(fusion, tmp_path):
    model = make(fusion, output_embedding="fused")
    model.save_pretrained(tmp_path)
    again = Bert4RecModel.from_pretrained(tmp_path).eval()
    ids = torch.tensor([[5, 9, 4]])
    torch.testing.assert_close(again.next_item_scores(ids), model.next_item_scores(ids), rtol=0, atol=1e-6)


def test_with_a_fused_output_two_items_never_seen_differ_by_what_is_known_of_them():
    model = make("gate", output_embedding="fused")
    model.items.extend(2)
    model.items.set_metadata(genre_ids=[[1, 0, 0], [4, 2, 0]], director_ids=[1, 3], title_vectors=torch.randn(2, 7))
    vectors = model.item_vectors()
    assert vectors.shape == (14, 8)
    assert torch.equal(model.items.item_embeddings.weight[12], model.items.item_embeddings.weight[13])
    assert not torch.allclose(vectors[12], vectors[13])


class FusedItems:
    """Counts the ids whose vectors an `ItemEncoder` fuses."""

    def __init__(self, model, monkeypatch):
        self.calls, fused = [], model.items.fused
        monkeypatch.setattr(model.items, "fused", lambda ids: self.calls.append(len(ids)) or fused(ids))


def test_recommending_to_many_batches_fuses_the_catalogue_once(monkeypatch):
    model = make("gate", output_embedding="fused")
    ids, offsets = np.arange(3, 12), np.array([0, 3, 5, 9])
    rows = torch.tensor([[3, 4, 5, 0], [6, 7, 0, 0], [8, 9, 10, 11]])
    with torch.no_grad():
        scores = model.next_item_scores(rows)
    fused = FusedItems(model, monkeypatch)
    found, values = model.recommend_ids(ids, offsets, k=3, batch_size=1, exclude_seen=False)
    assert fused.calls.count(12) == 1 and len(fused.calls) == 1 + 3  # the catalogue, and what each batch reads
    best = scores[:, 3:].topk(3)
    np.testing.assert_array_equal(found, best.indices + 3)
    np.testing.assert_allclose(values, best.values, rtol=1e-5, atol=1e-6)
    fused.calls.clear()
    ranks = next_item_ranks(model, ids, offsets, best.indices[:, 1] + 3, seen="nothing", batch_size=1)
    assert ranks.tolist() == [2, 2, 2] and fused.calls.count(12) == 1


@pytest.mark.parametrize("loss", ["sampled", "gbce"])
def test_a_sampled_loss_fuses_only_targets_and_negatives(loss, monkeypatch):
    model = make("gate", output_embedding="fused", loss=loss, num_negatives=2)
    states, targets = model._asked(torch.tensor([[3, 4, 5]]), None, torch.tensor([[-100, 7, 8]]))
    torch.manual_seed(1)
    table = model.item_vectors()[3:]
    of_all = catalogue_loss(states, targets - 3, table, model.output_bias[3:], loss, 2, model.config.gbce_calibration)
    weights = list(model.items.parameters())
    expected = torch.autograd.grad(of_all / 2, weights)
    fused = FusedItems(model, monkeypatch)
    torch.manual_seed(1)
    found = model(torch.tensor([[3, 4, 5]]), labels=torch.tensor([[-100, 7, 8]])).loss
    assert len(fused.calls) == 2 and fused.calls[1] <= 4  # what is read; two targets and two negatives
    torch.testing.assert_close(found, of_all / 2)
    torch.testing.assert_close(torch.autograd.grad(found, weights), expected)


def test_items_that_are_added_are_fused_by_the_names_that_training_counts():
    """The first names that there is room for, and one director, the first listed: whether it is known or not."""
    listed = {"genres": [["a", "b"], ["c"]], "directors": [["x", "y"], ["y"]], "writers": [[], ["u", "v", "w"]]}
    tokenizer = ItemTokenizer(items=["1", "2"], **listed)
    fields, trained = metadata_tables(tokenizer, ["genre", "director", "writer"], max_writers=2)
    config = Bert4RecConfig(
        vocab_size=5, hidden_size=8, num_attention_heads=2, metadata_fusion="add",
        metadata_features=["genre", "director", "writer"], **fields,
    )  # fmt: skip
    encoder = Bert4RecModel(config).items
    added = item_tables(encoder, tokenizer, listed)
    assert {name: table.tolist() for name, table in added.items()} == {n: t[3:].tolist() for n, t in trained.items()}
    new = {"genres": [["new", "b", "a"]], "directors": [["new", "y"]], "writers": [None]}
    found = {name: table.tolist() for name, table in item_tables(encoder, tokenizer, new).items()}
    assert found == {"genre_ids": [[0, 2]], "director_ids": [0], "writer_ids": [[0, 0]]}


def test_there_are_no_gates_without_a_gate():
    with pytest.raises(ValueError, match="gate"):
        make("add").gates([3])


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("genre_ids", torch.full((12, 3), 5)),  # there are four genres
        ("genre_ids", torch.zeros(12, 4)),
        ("director_ids", torch.full((12,), -1)),
        ("director_ids", torch.zeros(13)),
        ("title_vectors", torch.zeros(12, 6)),
    ],
)
def test_tables_that_do_not_fit_are_refused(name, table):
    with pytest.raises(ValueError, match=f"Expected {name} of shape"):
        make("gate").set_item_metadata(**{name: table})


def test_every_source_learns():
    model = make("gate", output_embedding="fused").train()
    ids = torch.arange(3, 12)[None, :6]
    model(ids, labels=torch.full_like(ids, 7)).loss.backward()
    still = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still
