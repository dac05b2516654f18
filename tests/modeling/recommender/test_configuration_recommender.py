"""The configuration that all recommenders share: fixed special ids, sizes checked where they are made."""

import pytest

from traceformers.modeling.recommender.configuration_recommender import FIRST_ITEM_ID, RecommenderConfig


def test_items_are_what_is_left_of_the_vocabulary_after_the_special_tokens():
    assert RecommenderConfig(vocab_size=FIRST_ITEM_ID + 7).num_items == 7


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("vocab_size", 2, "integer of at least 3"),
        ("vocab_size", "9", "integer of at least 3"),
        ("vocab_size", True, "integer of at least 3"),
        ("max_history", -1, "0 reads whole histories"),
        ("max_history", 2.5, "integer of at least 0"),
        ("pad_token_id", 4, "to be 0, got 4; leave it out"),
        ("mask_token_id", 0, "to be 1, got 0"),
        ("unk_token_id", None, "to be 2, got None"),
    ],
)
def test_a_bad_value_is_named_with_what_to_do(field, value, message):
    with pytest.raises(ValueError, match=rf"RecommenderConfig: expected {field} to be .*") as error:
        RecommenderConfig(**{field: value})
    assert message in str(error.value)


def test_a_configuration_survives_saving(tmp_path):
    RecommenderConfig(vocab_size=50, max_history=9).save_pretrained(tmp_path)
    loaded = RecommenderConfig.from_pretrained(tmp_path)
    assert (loaded.vocab_size, loaded.max_history) == (50, 9)
