"""Activity as a `datasets` builder: one row an event of an export of ActivityWatch, columns as in the feed folder.

builder = ActivityWatchBuilder(source="aw-buckets-export.json")
builder.download_and_prepare()
dataset = builder.as_dataset(split="train")
"""

from dataclasses import asdict, dataclass

import datasets

from traceformers.datasets_scripts.activitywatch.aw_export import read_aw_export
from traceformers.datasets_scripts.feed.feed_folder import SCHEMAS


@dataclass
class ActivityWatchConfig(datasets.BuilderConfig):
    """Settings of `ActivityWatchBuilder`.

    Attributes:
        source (`str`): the exported file.
        reading (`dict`): further arguments of `read_aw_export`.
    """

    source: str | None = None
    reading: dict | None = None


class ActivityWatchBuilder(datasets.GeneratorBasedBuilder):
    """One row an event, one computer after another, each in order of time; all in the split "train"."""

    BUILDER_CONFIG_CLASS = ActivityWatchConfig
    VERSION = datasets.Version("1.0.0")

    def _info(self):
        return datasets.DatasetInfo(
            description="What a person had in front of them, and how long.",
            features=datasets.Features.from_arrow_schema(SCHEMAS["events"]),
        )

    def _split_generators(self, dl_manager):
        if not self.config.source:
            raise ValueError("Expected source=, a file that ActivityWatch exported, got none.")
        return [datasets.SplitGenerator(name="train", gen_kwargs={"source": str(self.config.source)})]

    def _generate_examples(self, source):
        yield from enumerate(map(asdict, read_aw_export(source, **(self.config.reading or {}))))
