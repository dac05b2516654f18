"""Sessions, texts and images to the inputs of the trimodal model; any of them may be missing in any row.

The rrweb tokenizer lies in the root of a saved folder, the tokenizer of texts in its subfolder `text_tokenizer`. The
image processor needs pillow; without it the model is fed by the two tokenizers alone.
"""

import numpy as np
import torch
from transformers import AutoProcessor, BatchFeature, ProcessorMixin

from .configuration_rrweb_trimodal import RRWebTrimodalConfig

_INPUTS = ("events", "text", "images")
_NAMES = {"events": "session", "text": "text", "images": "image"}


class RRWebTrimodalProcessor(ProcessorMixin):
    """Makes a batch for `RRWebTrimodalModel` of sessions, texts and images, row by row what belongs together.

    Arguments:
        tokenizer (RRWebTokenizer): of recordings.
        text_tokenizer (PreTrainedTokenizer): that of the text encoder.
        image_processor (BaseImageProcessor): that of the vision encoder.

    Example:
        >>> batch = processor(events=[session, None], text=["pays", "searches"])  # doctest: +SKIP
        >>> batch["session_mask"]  # doctest: +SKIP
        tensor([ True, False])
    """

    def __init__(self, tokenizer=None, text_tokenizer=None, image_processor=None, **kwargs):
        super().__init__(tokenizer, text_tokenizer, image_processor, **kwargs)

    def __call__(
        self, events=None, text=None, images=None, max_length=None, text_max_length=None, window_ids=None, **kwargs
    ) -> BatchFeature:
        """Return the inputs of the model as tensors; a mask for each modality in which a row is None.

        Arguments:
            events (list): sessions as the rrweb tokenizer takes them, cut to one window of `max_length`; None where a
                row has none.
            text (list of str or None), images (list or None): images are RGB, of pillow, or arrays (h, w, 3) of uint8.
            max_length, text_max_length (int): longest window and text in tokens; what each tokenizer says if not given.
            window_ids (list of lists of int): ids of windows, in place of events: what `tokenizer.windows` cuts.
            kwargs: for the image processor.

        Raises:
            ValueError: nothing is given, the lists do not match, a row is empty, or an image is not RGB.
        """
        if events is not None and window_ids is not None:
            raise ValueError("Expected either events or window_ids, got both; window_ids are events cut to windows.")
        sessions = events if window_ids is None else window_ids
        given = {"events": sessions, "text": text, "images": images}
        given = {name: _as_rows(name, rows) for name, rows in given.items() if rows is not None}
        self._check_rows(given)
        data = {}
        for name, rows in given.items():
            mask = [row is not None for row in rows]
            if not all(mask):
                data[f"{_NAMES[name]}_mask"] = torch.tensor(mask)
            if not any(mask):
                continue
            if name == "events":
                data |= self._sessions(rows, max_length, window_ids is not None)
            elif name == "text":
                data |= self._texts(rows, text_max_length)
            else:
                data |= self._images(rows, kwargs)
        return BatchFeature(data)

    @property
    def model_input_names(self):
        """Names of what `__call__` gives, without the masks."""
        return [
            "input_ids",
            "attention_mask",
            "token_type_ids",
            "text_input_ids",
            "text_attention_mask",
            "pixel_values",
        ]

    def _check_rows(self, given):
        if not given:
            raise ValueError("Expected events, text or images, got none of the three; pass at least one.")
        counts = {name: len(rows) for name, rows in given.items()}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{count} {name}" for name, count in counts.items())
            raise ValueError(f"Expected as many rows of each, got {found}; put None where a row has none.")
        for number in range(next(iter(counts.values()))):
            if all(rows[number] is None for rows in given.values()):
                raise ValueError(
                    f"Expected something in each row, got None for {' and '.join(given)} in row {number}; leave it out."
                )
        if not next(iter(counts.values())):
            raise ValueError("Expected at least one row, got empty lists; pass what should be encoded.")

    def _sessions(self, rows, max_length, are_ids):
        blank = [self.tokenizer.cls_token_id, self.tokenizer.sep_token_id]  # in the rows of what is missing: not read
        length = max_length or self.tokenizer.model_max_length
        if are_ids:
            ids = [blank if row is None else [int(i) for i in row] for row in rows]
            for number, row in enumerate(ids):
                if len(row) > length:
                    raise ValueError(
                        f"Expected windows of at most {length} tokens, got {len(row)} in row {number}; cut them with "
                        "tokenizer.windows."
                    )
        else:
            present = [row for row in rows if row is not None]
            cut = iter(self.tokenizer(events=present, truncation=True, max_length=length)["input_ids"])
            ids = [blank if row is None else next(cut) for row in rows]
        padded = self.tokenizer.pad({"input_ids": ids}, padding_side="right", return_tensors="pt")
        types = (padded["input_ids"] >= self.tokenizer.structural_vocab_size).long()
        return {**{name: padded[name] for name in ("input_ids", "attention_mask")}, "token_type_ids": types}

    def _texts(self, rows, max_length):
        encoded = self.text_tokenizer(
            ["" if row is None else row for row in rows],
            padding=True, truncation=True, max_length=max_length, return_tensors="pt",
        )  # fmt: skip
        return {f"text_{name}": encoded[name] for name in ("input_ids", "attention_mask")}

    def _images(self, rows, options):
        present = [row for row in rows if row is not None]
        for image in present:
            _check_rgb(image)
        pixels = self.image_processor(images=present, return_tensors="pt", **options)["pixel_values"]
        if len(present) < len(rows):
            where = torch.tensor([row is not None for row in rows]).nonzero()[:, 0]
            pixels = pixels.new_zeros(len(rows), *pixels.shape[1:]).index_copy(0, where, pixels)
        return {"pixel_values": pixels}


def _as_rows(name, rows):
    if isinstance(rows, (list, tuple)) and not (name == "events" and _is_one_session(rows)):
        return list(rows)
    raise ValueError(
        f"Expected a list with one of the {name} for each row, got {type(rows).__name__}{_hint(name, rows)}; put it "
        "into a list."
    )


def _is_one_session(rows):
    return bool(rows) and isinstance(rows[0], dict) and "timestamp" in rows[0] and "type" in rows[0]


def _hint(name, rows):
    return " of events, which is one session" if name == "events" and isinstance(rows, (list, tuple)) else ""


def _check_rgb(image):
    """Raises ValueError for an image that is not RGB, and for a path."""
    if isinstance(image, (np.ndarray, torch.Tensor)):
        if image.ndim != 3 or image.shape[-1] != 3 or str(image.dtype).rpartition(".")[2] != "uint8":
            raise ValueError(
                f"Expected an RGB image of shape (height, width, 3) and uint8, got {tuple(image.shape)} and "
                f"{image.dtype}; repeat a grey channel three times, drop an alpha channel."
            )
        return
    mode = getattr(image, "mode", None)
    if mode is None:
        raise ValueError(
            f"Expected an image of pillow or an array, got {type(image).__name__}; open files with PIL.Image.open."
        )
    if mode != "RGB":
        raise ValueError(f"Expected an RGB image, got one of mode {mode}; pass image.convert('RGB').")


RRWebTrimodalProcessor.register_for_auto_class("AutoProcessor")
# A copy of this file loaded from a model repository must not displace the installed class.
if not __name__.startswith("transformers_modules."):
    AutoProcessor.register(RRWebTrimodalConfig, RRWebTrimodalProcessor, exist_ok=True)

__all__ = ["RRWebTrimodalProcessor"]
