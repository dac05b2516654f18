"""What is known of items, as the tables of ids and vectors that a metadata fusion reads.

Names are numbered in the order in which they first occur in the tokenizer's columns, from 1 on; 0 is none. So the
numbering follows from the tokenizer alone, and a trained model finds it again when items are added.

    axes: V token ids, G most genres of an item, W most writers of an item, E width of a title vector
"""

import numpy as np

from traceformers.modeling.recommender.metadata_fusion import name_table, number_names

#: The tokenizer's column of each feature; a director is the first of an item's.
COLUMNS = {"genre": "genres", "director": "directors", "writer": "writers", "title": "titles"}
FEATURES = tuple(COLUMNS)


def known_features(tokenizer, has_title_vectors=False):
    """Returns those of `FEATURES` that anything is known of, list of `str`; the title counts if it has vectors."""
    found = []
    for feature in FEATURES[:-1]:
        column = getattr(tokenizer, COLUMNS[feature], None)
        if column is not None and any(column):
            found.append(feature)
    return [*found, "title"] if has_title_vectors else found


def metadata_tables(tokenizer, features, title_vectors=None, max_genres=None, max_writers=None):
    """Returns the fields of a model's config and the tables for its `set_item_metadata`, both `dict`.

    Args:
        tokenizer (`ItemTokenizer`).
        features (list of `str`): of `FEATURES`.
        title_vectors (float (items, E), *optional*): in the order of the tokenizer's items; for the feature title.
        max_genres, max_writers (`int`, *optional*): of an item's names only the first so many; all by default.

    Raises:
        ValueError: a feature is unknown, or the tokenizer knows nothing of it.
    """
    fields, tables, limits = {}, {}, {"genre": max_genres, "writer": max_writers}
    first = len(tokenizer) - len(tokenizer.items)
    for feature in features:
        if feature not in COLUMNS:
            raise ValueError(
                f"Expected metadata_features of {', '.join(FEATURES)}, got {feature!r}. Correct --metadata_features."
            )
        if feature == "title":
            if title_vectors is None:
                raise ValueError(
                    "Expected --title_encoder or --title_embeddings for the feature title, got neither. Name one "
                    "of them, or leave title out of --metadata_features."
                )
            fields["title_embedding_size"] = title_vectors.shape[1]
            tables["title_vectors"] = np.pad(np.asarray(title_vectors, np.float32), ((first, 0), (0, 0)))
            continue
        column = getattr(tokenizer, COLUMNS[feature], None)
        if column is None or not any(column):
            raise ValueError(
                f"Expected {COLUMNS[feature]} of items for the feature {feature}, the data has none. Give data with "
                "them, or leave it out of --metadata_features."
            )
        numbers = number_names(column)
        fields[f"num_{feature}s"] = len(numbers)
        if feature == "director":
            table = name_table(column, numbers, 1)[:, 0]
        else:
            most = max(len(names or ()) for names in column)
            fields[f"max_{feature}s"] = most if limits[feature] is None else min(most, limits[feature])
            table = name_table(column, numbers, fields[f"max_{feature}s"])
        tables[f"{feature}_ids"] = np.concatenate([np.zeros((first, *table.shape[1:]), np.int32), table])
    return fields, tables
