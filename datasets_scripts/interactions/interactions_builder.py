"""Interactions as a `datasets` builder: the rows or the items of any known format, for streaming, Parquet and the Hub.

    builder = InteractionsBuilder(config_name="interactions", source="movielens-small")
    builder.download_and_prepare()
    dataset = builder.as_dataset(split="train")                          # or builder.as_streaming_dataset()

Two configurations, by `config_name`: "interactions" (user, item, time, value) and "items" (those with rows, then
the others).
"""

from dataclasses import dataclass

import datasets
import pyarrow as pa

from traceformers.datasets_scripts.interactions.canonical_folder import interactions_table
from traceformers.datasets_scripts.interactions.read_interactions import read_interactions

TEXT, TEXTS = datasets.Value("string"), datasets.List(datasets.Value("string"))
COLUMNS = {
    "interactions": {
        "user": TEXT,
        "item": TEXT,
        "time": datasets.Value("float64"),
        "value": datasets.Value("float32"),
    },
    "items": {
        "item": TEXT,
        "title": TEXT,
        "year": datasets.Value("int32"),
        "genres": TEXTS,
        "directors": TEXTS,
        "writers": TEXTS,
    },
}
ROWS_AT_ONCE = 10_000


@dataclass
class InteractionsConfig(datasets.BuilderConfig):
    """Settings of `InteractionsBuilder`.

    Attributes:
        source (`str`): file, folder or name, see `read_interactions`.
        format (`str`): of the source; told from its files if None.
        reading (`dict`): further arguments of `read_interactions`.
    """

    source: str | None = None
    format: str | None = None
    reading: dict | None = None


class InteractionsBuilder(datasets.GeneratorBasedBuilder):
    """One row an interaction, in the order of the file, or one row an item; all in the split "train"."""

    BUILDER_CONFIG_CLASS = InteractionsConfig
    BUILDER_CONFIGS = [InteractionsConfig(name=name, version=datasets.Version("1.0.0")) for name in COLUMNS]  # noqa: RUF012

    def _info(self):
        return datasets.DatasetInfo(
            description="Who chose what, and when; what is known of the items.",
            features=datasets.Features(COLUMNS[self.config.name]),
        )

    def _split_generators(self, dl_manager):
        if not self.config.source:
            raise ValueError("Expected source=, a file, a folder or movielens-small, got none.")
        return [datasets.SplitGenerator(name="train", gen_kwargs={"source": str(self.config.source)})]

    def _generate_examples(self, source):
        read = read_interactions(source, self.config.format, **(self.config.reading or {}))
        if self.config.name == "interactions":
            table = interactions_table(read)
        else:
            tables = [table for table in (read.items_table, read.untouched_items) if table is not None]
            table = pa.concat_tables(tables) if tables else pa.table({"item": read.item_ids})
        nothing = dict.fromkeys(COLUMNS[self.config.name])
        rows = (row for batch in table.to_batches(ROWS_AT_ONCE) for row in batch.to_pylist())
        yield from enumerate({**nothing, **row} for row in rows)
