"""A promoted model at work: text vectors from the database, the activity of now, probabilities for all videos.

The fast lane reads no text: vectors of texts are kept in the database under the encoder's name, revision and weights,
and what was done in the last hours is encoded once for all videos. A model with LoRA scores all videos on the vectors
of its encoder as it was before, and reads the texts of the best ones again with its adapter; those vectors are kept,
too.

    axes: N videos, E events, H width of a text vector
"""

import hashlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from traceformers.apps.feed.video_scores import VideoScores, event_rows
from traceformers.modeling.productive_feed import feed_texts

VIDEOS_AT_ONCE = 16_384
MOST_EVENT_TEXTS = 5_000  # remembered between scorings
TEXTS_AT_ONCE = 256  # encoded between two writes, so that a killed run keeps what it did


class ScoringModel:
    """A saved `ProductiveFeedModel`, loaded once and used for many feeds.

    Args:
        folder (`os.PathLike`): `model/` of a model of the registry.
        name (`str`): its name. device (`str`): auto, cpu, cuda or mps.
        progress (`bool`): shows a progress bar while texts are encoded.
    """

    def __init__(self, folder, name, device="auto", progress=False):
        from traceformers.modeling.productive_feed.modeling_productive_feed import ProductiveFeedModel

        self.name, self.progress = name, progress
        self.device = torch_device(device)
        with quiet():
            model, report = ProductiveFeedModel.from_pretrained(folder, output_loading_info=True)
        if missing := sorted(report["missing_keys"]):  # they would be random, and every score with them
            raise ValueError(
                f"Expected all weights of the model in {folder}, {len(missing)} are missing, {missing[0]} for one. "
                "Run `traceformers feed rollback`, or train again."
            )
        self.model = model.to(self.device).eval()
        self.key = vectors_key(self.model, with_adapter=False)
        self.joint_key = vectors_key(self.model, with_adapter=True) if self.model.has_lora else self.key
        self._features = {}

    def scores(self, database, candidates, activity, at, rerank=0, order=None):
        """Returns the `VideoScores` of candidates.

        Args:
            database (`FeedDatabase`): holds the text vectors.
            candidates (`FeedCandidates`): N videos.
            activity (`pa.Table`): events, those before the moment count. at (`int`): ms.
            rerank (`int`): how many of the best a model with LoRA reads again.
            order (callable, *optional*): (interest, productive) → indices, best first; by productive without one.
        """
        from traceformers.training.productive_feed.feed_features import ActivityEvents

        events = ActivityEvents.from_table(activity)
        vectors, encoded = self.text_vectors(database, candidates.table, joint=False)
        past = past_opinions(database, candidates.feedback)
        logits, weights, event_vectors, window = self._logits(candidates.table, vectors, events, past, at, joint=False)
        reranked = 0
        if self.model.has_lora and rerank and len(candidates):
            ordered = (order or _by_productive)(*self._probabilities(logits))
            best = np.sort(np.asarray(ordered)[:rerank])
            table = candidates.table.take(best)
            joint, more = self.text_vectors(database, table, joint=True)
            logits[best] = self._logits(table, joint, events, past, at, joint=True)[0]
            encoded, reranked = encoded + more, len(best)
        interest, productive = self._probabilities(logits)
        like, likeness = _likeness(vectors, event_vectors, weights, window)
        return VideoScores(
            interest, productive, like, likeness, event_rows(events, window), self._base_rates(), encoded, reranked
        )

    def text_vectors(self, database, table, joint=False):
        """Returns (vectors float32 (N, H), how many were encoded now); all of them are in the database afterwards.

        Args:
            database (`FeedDatabase`), table (`pa.Table`): videos. joint (`bool`): with the adapter.
        """
        key = self.joint_key if joint else self.key
        ids = table["video_id"].to_pylist()
        fields, hashes = field_hashes(table)
        found, vectors = database.text_vectors(key, ids, hashes)
        if len(ids) and vectors.shape[1] != self.model.config.text_size:
            found, vectors = np.zeros(len(ids), bool), np.zeros((len(ids), self.model.config.text_size), np.float32)
        elif not len(ids):
            vectors = np.zeros((0, self.model.config.text_size), np.float32)
        missing = np.flatnonzero(~found)
        encode = self.model.encode_texts if joint else self._encode_plain
        for start in self._steps(len(missing)):
            part = missing[start : start + TEXTS_AT_ONCE]
            texts = [feed_texts.video_text(*(column[i] for column in fields)) for i in part.tolist()]
            vectors[part] = _array(encode(texts))
            database.save_text_vectors(
                key, [ids[i] for i in part.tolist()], [hashes[i] for i in part.tolist()], vectors[part]
            )
        return vectors, len(missing)

    def _steps(self, count):
        steps = range(0, count, TEXTS_AT_ONCE)
        if not self.progress or len(steps) < 2:
            return steps
        from tqdm import tqdm

        return tqdm(steps, "reading titles", unit_scale=TEXTS_AT_ONCE, unit=" videos")

    def _logits(self, table, vectors, events, past, at, joint):
        """Returns (logits (N, 2), attention (N, E) or (1, E), event vectors (E, H), window) as arrays."""
        import torch

        features = self._features_of(joint)
        window = features.window(events, np.array([at]))
        shared = features.activity_inputs(events, window) if self.model.config.use_activity else {}
        numbers = features.numbers(table, at, past)
        shared = {name: tensor.to(self.device) for name, tensor in shared.items()}
        logits, weights = [np.zeros((0, 2))], []
        with torch.inference_mode():
            for start in range(0, len(vectors), VIDEOS_AT_ONCE):
                rows = slice(start, start + VIDEOS_AT_ONCE)
                output = self.model(
                    text_vectors=torch.from_numpy(vectors[rows]).to(self.device),
                    numbers=numbers[rows].to(self.device),
                    **shared,
                )
                logits.append(_array(output.logits))
                if output.activity_weights is not None and "event_vectors" in shared:
                    weights.append(_array(output.activity_weights))
        event_vectors = _array(shared["event_vectors"][0]) if "event_vectors" in shared else np.zeros((0, 1))
        return np.concatenate(logits), np.concatenate(weights) if weights else None, event_vectors, window

    def _features_of(self, joint):
        """Returns the builder of inputs; it remembers the events of the last scorings, in memory alone."""
        from traceformers.training.productive_feed.feed_features import EventEncoder, FeedFeatures

        held = self._features.get(joint)
        if held is None or len(held.event_encoder._row_of) > MOST_EVENT_TEXTS:
            encoder = EventEncoder(self.model.encode_texts if joint else self._encode_plain)
            held = self._features[joint] = FeedFeatures(self.model.config, encoder)
        return held

    def _probabilities(self, logits):
        import torch

        found = _array(self.model.probabilities(torch.from_numpy(logits).float().to(self.device))).astype(np.float64)
        return found[:, 0], found[:, 1]

    def _base_rates(self):
        return tuple(self.model.config.base_rates or (0.5, 0.5))

    def _encode_plain(self, texts):
        with without_adapter(self.model):
            return self.model.encode_texts(texts)


def past_opinions(database, feedback):
    """Returns the `PastOpinions` of a table of feedback on videos of the database."""
    from traceformers.datasets_scripts.feed.feed_folder import table_of
    from traceformers.training.productive_feed.past_opinions import PastOpinions

    judged = database.videos(feedback["video_id"].unique().to_pylist())
    return PastOpinions.from_tables(feedback, table_of("videos", judged.values()))


@contextmanager
def without_adapter(model):
    """Within it the encoder of a model gives the vectors that it gave before LoRA.

    Only the encoder's layers are switched. `disable_adapters` of transformers 5.23 also takes away the heads that were
    saved with the adapter, and `enable_adapters` does not bring them back.
    """
    layers = [module for module in model.encoder.modules() if hasattr(module, "lora_A")] if model.has_lora else []
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


@contextmanager
def quiet(when=True):
    """Within it transformers draws no progress bars of its own, which tell nothing of the feed's progress.

    Args:
        when (`bool`): False changes nothing.
    """
    from transformers.utils import logging

    if not when or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def vectors_key(model, with_adapter):
    """Returns what text vectors of a model are kept under: a hash of all that makes them but the text.

    That is the encoder's weights, those of the adapter if wanted, its tokenizer and settings; without an adapter it is
    `model.encoder_key()`, so that training and every model on the same frozen encoder share them.

    Args:
        model (`ProductiveFeedModel`), with_adapter (`bool`).
    """
    from traceformers.modeling.productive_feed.feed_adapter import base_name
    from traceformers.modeling.productive_feed.text_encoding import weights_digest

    if with_adapter or not model.has_lora:
        return model.encoder_key()
    config = model.config
    settings = (config.pooling, config.normalize, config.text_prefix, model.max_tokens)
    vocabulary = sorted(model.text_tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    digest = hashlib.sha256(repr(settings).encode())
    digest.update(weights_digest(model.encoder, base_name).encode())
    digest.update(repr(vocabulary).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


class VideoVectors:
    """The text vectors of the database as training asks for them: by the fields of videos, events never.

    Args:
        database (`FeedDatabase`). videos (`pa.Table`): those that may be asked for.
    """

    def __init__(self, database, videos):
        from traceformers.training.productive_feed.text_vector_cache import TextVectorCache

        self.database, self.events = database, TextVectorCache()
        self.hash_of = dict(zip(videos["video_id"].to_pylist(), field_hashes(videos)[1], strict=True))

    def text_vectors(self, key, ids, hashes):
        """Returns (found bool (N,), float32 (N, H)), see `FeedDatabase.text_vectors`."""
        store, hashes = self._store(ids, hashes)
        return store.text_vectors(key, ids, hashes)

    def save_text_vectors(self, key, ids, hashes, matrix):
        """Keeps vectors, see `FeedDatabase.save_text_vectors`."""
        store, hashes = self._store(ids, hashes)
        store.save_text_vectors(key, ids, hashes, matrix)

    def _store(self, ids, hashes):
        if all(each in self.hash_of for each in ids):
            return self.database, [self.hash_of[each] for each in ids]
        return self.events, hashes


def field_hashes(videos):
    """Returns (lists of N `str`, the columns of `VIDEO_TEXT`), and what each video's text is known by, N `str`.

    Args:
        videos (`pa.Table`).
    """
    from traceformers.training.productive_feed.feed_features import VIDEO_TEXT

    fields = [[text or "" for text in videos[name].to_pylist()] for name in VIDEO_TEXT]
    layout = hashlib.sha256(Path(feed_texts.__file__).read_bytes()).hexdigest()[:8]  # of how a text is put together
    return fields, [fields_hash(layout, *row) for row in zip(*fields, strict=True)]


def fields_hash(*fields):
    """Returns what the texts of a video are known by again: cheaper than cleaning them first.

    >>> fields_hash("a", "b") == fields_hash("a", "b") != fields_hash("ab", "")
    True
    """
    return hashlib.sha256("\x1f".join(fields).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def torch_device(name):
    """Returns the device of the setting: auto takes a GPU if there is one."""
    import torch

    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _array(tensor):
    return tensor.float().cpu().numpy() if hasattr(tensor, "cpu") else np.asarray(tensor)


def _by_productive(interest, productive):
    return np.argsort(-productive, kind="stable")


def _likeness(vectors, event_vectors, weights, window):
    from traceformers.apps.feed.feed_reasons import nearest_events

    mask = window.mask[0]
    if weights is None or not mask.any():
        return np.full(len(vectors), -1), np.zeros(len(vectors))
    return nearest_events(vectors, event_vectors, np.where(mask[None, :], weights[:, -len(mask) :], 0))
