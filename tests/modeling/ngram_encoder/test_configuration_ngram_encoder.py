"""A configuration says at once what cannot be, and what to do about it."""

import pytest
from assertions import assert_hub_folder_is_self_contained
from tiny_ngram import tiny_tokenizer
from tiny_ngram_encoder import tiny_encoder

from traceformers import NgramEncoderConfig


def test_the_table_is_as_wide_as_the_result_unless_said_otherwise():
    assert NgramEncoderConfig(hidden_size=64).embedding_size == 64
    assert NgramEncoderConfig(hidden_size=64, embedding_size=32, rho="linear").embedding_size == 32


def test_a_configuration_saved_and_loaded_is_the_same(tmp_path):
    config = NgramEncoderConfig(
        vocab_size=50,
        hidden_size=64,
        matryoshka_dims=(64, 32),
        teacher_name="user/teacher",
        teacher_revision="v1",
        documents="teacher",
    )
    config.save_pretrained(tmp_path)
    again = NgramEncoderConfig.from_pretrained(tmp_path)
    assert again.to_dict() == config.to_dict()
    assert again.matryoshka_dims == [64, 32]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"pooling": "max"}, r"pooling to be one of attention, sif, mean, got 'max'"),
        ({"phi": "linear"}, r"phi to be one of none, mlp"),
        ({"rho": "relu"}, r"rho to be one of none, linear, mlp"),
        ({"similarity": "l2"}, r"similarity to be one of cosine, dot"),
        ({"vocab_size": 0}, r"vocab_size to be an integer of at least 1, got 0"),
        ({"hidden_size": "64"}, r"hidden_size to be an integer of at least 1, got '64'"),
        ({"hidden_size": 10, "num_attention_heads": 4}, r"embedding_size to be a multiple of num_attention_heads = 4"),
        ({"hidden_size": 10, "num_self_attention_layers": 1}, r"a multiple of num_self_attention_heads = 6"),
        ({"embedding_size": 32}, r"hidden_size = 384 where rho is 'none', got 32; set rho='linear'"),
        ({"folded": True, "num_self_attention_layers": 1}, r"0 in a folded model, got 1; .* keep the model unfolded"),
        ({"table_dtype": "int8"}, r"'float32' in a model that is not folded, got 'int8'; .*fold\(table_dtype"),
        ({"matryoshka_dims": [512]}, r"between 1 and hidden_size = 384, got \[512\]"),
        ({"pad_token_id": 30_000}, r"an id in \[0, 30000\), got 30000"),
        ({"documents": "teacher"}, r"teacher_name .*, got None; name it, or set documents='student'"),
        ({"teacher_name": 7}, r"teacher_name to be a name or None, got 7"),
        ({"normalize": 1}, r"normalize to be True or False, got 1"),
    ],
)
def test_what_cannot_be_is_told(settings, said):
    with pytest.raises(ValueError, match=f"NgramEncoderConfig: expected .*{said}"):
        NgramEncoderConfig(**settings)


def test_a_saved_training_form_is_self_contained(tmp_path):
    tiny_encoder(phi="mlp").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    assert_hub_folder_is_self_contained(tmp_path)
