"""What is known of videos and their watching as a `datasets` builder, columns as in the feed folder.

    builder = YouTubeBuilder(config_name="watches", source="takeout.zip", reading={"time_zone": "Europe/Berlin"})
    builder.download_and_prepare()
    dataset = builder.as_dataset(split="train")

Configurations, by `config_name`: "watches", "videos", "feedback" and "subscriptions" of a Google Takeout, and
"public_videos" of a public set.
"""

from dataclasses import asdict, dataclass

import datasets

from traceformers.datasets_scripts.feed.feed_folder import SCHEMAS
from traceformers.datasets_scripts.youtube.public_videos import read_public_videos
from traceformers.datasets_scripts.youtube.takeout import read_takeout

PUBLIC = "public_videos"
TABLES = ("watches", "videos", "feedback", "subscriptions")


@dataclass
class YouTubeConfig(datasets.BuilderConfig):
    """Settings of `YouTubeBuilder`.

    Attributes:
        source (`str`): see `read_takeout`, or `read_public_videos` for "public_videos".
        reading (`dict`): further arguments of `read_takeout`.
    """

    source: str | None = None
    reading: dict | None = None


class YouTubeBuilder(datasets.GeneratorBasedBuilder):
    """One row a record; all in the split "train"."""

    BUILDER_CONFIG_CLASS = YouTubeConfig
    BUILDER_CONFIGS = [  # noqa: RUF012
        YouTubeConfig(name=name, version=datasets.Version("1.0.0")) for name in (*TABLES, PUBLIC)
    ]

    def _info(self):
        table = "videos" if self.config.name == PUBLIC else self.config.name
        return datasets.DatasetInfo(
            description="Videos, and who watched, liked and subscribed.",
            features=datasets.Features.from_arrow_schema(SCHEMAS[table]),
        )

    def _split_generators(self, dl_manager):
        if not self.config.source:
            raise ValueError("Expected source=, a Google Takeout or a file of public videos, got none.")
        return [datasets.SplitGenerator(name="train", gen_kwargs={"source": str(self.config.source)})]

    def _generate_examples(self, source):
        if self.config.name == PUBLIC:
            records = read_public_videos(source)
        else:
            records = getattr(read_takeout(source, **(self.config.reading or {})), self.config.name)
        names = list(self.info.features)
        for place, record in enumerate(records):
            row = asdict(record)
            if "tags" in row:
                row["tags"] = list(row["tags"])
            yield place, {name: row.get(name) for name in names}
