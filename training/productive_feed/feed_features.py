"""The one builder of model inputs, for training and for scoring: from videos, activity and moments to tensors.

features = FeedFeatures(model.config, EventEncoder(model.encode_texts))
events = ActivityEvents.from_table(database.event_table(start, now))
inputs = features.activity(events, [now])           # B = 1: all videos share what was done before
inputs["numbers"] = features.numbers(videos, now, past)   # raw; the model standardises with scalers of its config
model(text_vectors=vectors, **inputs)

axes: B rows, E events, H width of a text vector, N numbers, D distinct events
"""

import numpy as np
import pyarrow as pa
import torch

from traceformers.datasets_scripts.feed.feed_folder import table_of
from traceformers.modeling.productive_feed.feed_texts import event_text, video_text
from traceformers.training.productive_feed.activity_window import ActivityEvents, ActivityWindow
from traceformers.training.productive_feed.local_clock import MS_A_DAY, local_clock
from traceformers.training.productive_feed.past_opinions import PAST_NAMES
from traceformers.training.productive_feed.text_vector_cache import cached_vectors, text_hash

__all__ = [
    "ActivityEvents",
    "ActivityWindow",
    "EventEncoder",
    "FeedFeatures",
    "number_rows",
    "text_hash",
    "video_texts",
]


#: The columns that are read of a video, in the order of the arguments of `video_text`.
VIDEO_TEXT = ("title", "channel", "description", "category")


def columns_of(videos):
    """Returns {"video_id", and those of `VIDEO_TEXT`: lists; "duration", "published_at": float64, NaN unknown}.

    Args:
        videos (`pa.Table` with the columns of `Video`, or sequence of `Video`).
    """
    if isinstance(videos, pa.Table):
        table = {name: videos[name].to_pylist() for name in ("video_id", *VIDEO_TEXT)}
        numbers = {name: videos[name].to_pylist() for name in ("duration", "published_at")}
    else:
        videos = list(videos)
        table = {name: [getattr(video, name) for video in videos] for name in ("video_id", *VIDEO_TEXT)}
        numbers = {name: [getattr(video, name) for video in videos] for name in ("duration", "published_at")}
    texts = {name: [value or "" for value in values] for name, values in table.items()}
    return texts | {name: np.array(values, dtype=np.float64) for name, values in numbers.items()}


def video_texts(videos):
    """Returns what the encoder reads of each video, list of `str`; see `video_text`."""
    columns = columns_of(videos)
    return [video_text(*row) for row in zip(*(columns[name] for name in VIDEO_TEXT), strict=True)]


def number_rows(videos, moments, time_zone, names, past=None):
    """Returns the numbers of videos at moments, float32 (B, N), NaN where not known. They are raw: nothing is fitted.

    Args:
        videos: see `columns_of`; B of them.
        moments (int (B,), or one `int` for all): ms.
        time_zone (`str`): IANA name; hour and day of the week are those on the wall there.
        names (sequence of `str`): of duration (s), hour_sin, hour_cos, weekday_sin, weekday_cos, age_days, and
            `PAST_NAMES`.
        past (`PastOpinions`, *optional*): without it `PAST_NAMES` are not known.

    Raises:
        ValueError: for a name that is not one of these.
    """
    columns = columns_of(videos)
    count = len(columns["video_id"])
    moments = np.asarray(moments, dtype=np.int64)
    hour, day = local_clock(moments.reshape(-1), time_zone)
    known = {
        "duration": columns["duration"],
        "hour_sin": np.sin(2 * np.pi * hour / 24),
        "hour_cos": np.cos(2 * np.pi * hour / 24),
        "weekday_sin": np.sin(2 * np.pi * day / 7),
        "weekday_cos": np.cos(2 * np.pi * day / 7),
        "age_days": np.maximum(0.0, (moments - columns["published_at"]) / MS_A_DAY),
    }
    asked = [name for name in names if name in PAST_NAMES]
    if asked and past is not None:
        table = videos if isinstance(videos, pa.Table) else table_of("videos", videos)
        known |= {name: past.numbers(name, table, moments) for name in asked}
    known |= {name: np.array(np.nan) for name in PAST_NAMES if name not in known}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"Expected numbers of {', '.join(known)}, got {unknown}. Correct number_names in the config.")
    if not names:
        return np.zeros((count, 0), dtype=np.float32)
    return np.stack([np.broadcast_to(known[name], (count,)) for name in names], axis=1).astype(np.float32)


class EventEncoder:
    """Vectors of distinct events, each text encoded once.

    Args:
        encode (callable): list of `str` to float32 (n, H), array or tensor.
        store (`TextVectorCache` or `FeedDatabase`, *optional*): where vectors are kept between runs, under `key`.
        key (`str`, *optional*): of the encoder.
        progress (`str`, *optional*): show a progress bar of this name.
    """

    def __init__(self, encode, store=None, key=None, progress=None):
        self.encode, self.store, self.key, self.progress = encode, store, key, progress
        self._row_of, self._vectors = {}, None

    def __call__(self, events, index):
        """Returns (vectors float32 (K, H), rows int64 of the shape of `index`) so that `vectors[rows]` are the events'.

        Args:
            events (`ActivityEvents`).
            index (int array): rows in `events.distinct`; -1, no event, gets row 0 of the vectors.
        """
        wanted = np.unique(index[index >= 0])
        texts = [
            event_text(*(events.distinct[name][i] for name in ("category", "app", "title", "url"))) for i in wanted
        ]
        rows = self.rows_of(texts)
        table = np.zeros(events.distinct_count + 1, dtype=np.int64)  # -1 is its last
        table[wanted] = rows
        return self._vectors, table[index]

    def forget(self):
        """Forgets all vectors: the encoder is another now."""
        self._row_of, self._vectors = {}, None

    def rows_of(self, texts):
        """Returns the rows of texts in the vectors that are kept, int64 (n,); new texts are encoded."""
        new = [text for text in dict.fromkeys(texts) if text not in self._row_of]
        if new or self._vectors is None:
            self._add(new or [""])
        return np.array([self._row_of[text] for text in texts], dtype=np.int64)

    def _add(self, texts):
        ids = [f"event:{text_hash(text)}" for text in texts]
        vectors = cached_vectors(self.encode, texts, ids, self.store, self.key, self.progress)
        start = 0 if self._vectors is None else len(self._vectors)
        self._row_of |= {text: start + i for i, text in enumerate(texts)}
        self._vectors = vectors if self._vectors is None else np.concatenate([self._vectors, vectors])


class FeedFeatures:
    """Model inputs as a config asks for them.

    Args:
        config (`ProductiveFeedConfig`): number_names, categories, event_window_hours, max_events, time_zone.
        event_encoder (`EventEncoder`, *optional*): not needed where `config.use_activity` is false.
    """

    def __init__(self, config, event_encoder=None):
        self.config, self.event_encoder = config, event_encoder

    def numbers(self, videos, moments, past=None):
        """Returns the raw numbers, float32 tensor (B, N), see `number_rows`."""
        config = self.config
        return torch.from_numpy(number_rows(videos, moments, config.time_zone, config.number_names, past))

    def window(self, events, moments, video_ids=None, titles=None):
        """Returns the `ActivityWindow` before moments (B,) that the config asks for."""
        return events.windows(moments, self.config.event_window_hours, self.config.max_events, video_ids, titles)

    def activity(self, events, moments, video_ids=None, titles=None):
        """Returns {"event_vectors", "event_numbers", "event_categories", "event_mask"}, tensors; {} without activity.

        Args:
            events (`ActivityEvents`).
            moments (int (B,)): ms; one for B = 1, which the model shares among all videos.
            video_ids, titles (*optional*): see `ActivityEvents.windows`.
        """
        if not self.config.use_activity:
            return {}
        return self.activity_inputs(events, self.window(events, moments, video_ids, titles))

    def activity_inputs(self, events, window):
        """Returns the inputs of `activity` for a window of these events."""
        vectors, rows = self.event_encoder(events, window.event_index)
        return {"event_vectors": torch.from_numpy(vectors[rows])} | self.event_inputs(events, window)

    def event_inputs(self, events, window):
        """Returns the inputs of `activity` without the vectors."""
        categories = self.categories(events)
        return {
            "event_numbers": torch.from_numpy(event_numbers(window, self.config.time_zone)),
            "event_categories": torch.from_numpy(np.where(window.mask, categories[window.event_index], 0)),
            "event_mask": torch.from_numpy(window.mask.copy()),
        }

    def categories(self, events):
        """Returns the category of each distinct event, int64 (D + 1,), the last for no event."""
        indices = [self.config.category_index(name) for name in events.category_names]
        return np.append(np.array(indices, dtype=np.int64)[events.category_of], 0)


def event_numbers(window, time_zone):
    """Returns what the model is told of events in numbers, float32 (B, E, 3): seconds, minutes ago, hour of the day."""
    hour = np.zeros(window.mask.shape, dtype=np.float32)
    hour[window.mask] = local_clock(window.started_at[window.mask], time_zone)[0]
    return np.stack([window.seconds, window.minutes_ago, hour], axis=-1)
