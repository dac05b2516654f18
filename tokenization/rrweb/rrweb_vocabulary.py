"""The structural half of the vocabulary: what every id below `structural_vocab_size` means.

The allocation is one table, `ALLOCATION`; the file `structural_vocab.json` beside this module is that
table written out, one group after the other, so that a reader can look an id up without running code.
The numbers of rrweb's enums (event types, incremental sources, mouse and media interactions) are the
positions in the lists here, as in rrweb's `packages/types` (rrweb 2.2.2).
"""

import json
from pathlib import Path

import numpy as np

CLASSES = ("special", "event", "action", "tag", "attribute", "gap", "text")
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

EVENT_TYPES = (
    "DomContentLoaded Load FullSnapshot IncrementalSnapshot Meta Custom Plugin Asset"
).split()
SOURCES = (
    "Mutation MouseMove MouseInteraction Scroll ViewportResize Input TouchMove MediaInteraction StyleSheetRule "
    "CanvasMutation Font Log Drag StyleDeclaration Selection AdoptedStyleSheet CustomElement"
).split()
INTERACTIONS = (
    "MouseUp MouseDown Click ContextMenu DblClick Focus Blur TouchStart TouchMove_Departed TouchEnd TouchCancel"
).split()
MEDIA_INTERACTIONS = "Play Pause Seeked VolumeChange RateChange".split()
POINTERS = "mouse pen touch".split()
CANVAS_CONTEXTS = "2d webgl webgl2".split()
CHANGES = "add remove text attributes replace".split()
INPUT_STATES = "checked unchecked typed erased script".split()
SCROLLS = (
    "none top down-1 down-2 down-3 down-4 down-5 down-6 up-1 up-2 up-3 up-4 up-5 up-6 left right"
).split()
TAGS = (
    "#document #shadow-root custom other html body main header footer nav aside section article search hgroup address "
    "h1 h2 h3 h4 h5 h6 p div span a b strong i em u s small mark sub sup code pre kbd samp var q cite abbr dfn time "
    "data ruby rt rp bdi bdo br wbr hr blockquote ul ol li menu dl dt dd figure figcaption img picture source svg "
    "canvas video audio track map area iframe embed object param form fieldset legend label input button select "
    "datalist optgroup option textarea output progress meter table caption colgroup col thead tbody tfoot tr td th "
    "details summary dialog template slot noscript script style link meta title head base del ins center font big "
    "tt nobr frame frameset marquee portal math"
).split()
ATTRIBUTES = (
    "other id class style name type value role title alt placeholder label href src action method for content lang dir "
    "checked selected disabled readonly required hidden open multiple contenteditable draggable tabindex target "
    "autocomplete min max maxlength pattern download rel width height data "
    "aria-label aria-expanded aria-selected aria-checked aria-pressed aria-hidden aria-disabled aria-invalid "
    "aria-current aria-busy aria-live aria-modal aria-haspopup aria-description aria-valuenow aria-valuetext "
    "rr_dataURL rr_media rr_scroll rr_size rr_src rr_open_mode"
).split()
STATES = "true false blocked password masked".split()
ROLES = (
    "other alert alertdialog banner button cell checkbox combobox complementary contentinfo dialog document feed form "
    "grid gridcell group heading img link list listbox listitem log main menu menubar menuitem menuitemcheckbox "
    "menuitemradio navigation none option presentation progressbar radio radiogroup region row search searchbox "
    "separator slider spinbutton status switch tab table tablist tabpanel textbox timer toolbar tooltip tree treeitem"
).split()
INPUT_TYPES = (
    "other text search email url tel number password date time datetime-local month week color range checkbox radio "
    "file submit button reset image hidden"
).split()
PLACEHOLDERS = "email number token".split()
MARKERS = (
    "body continued switch same-page more repeat gone unknown page query fragment elapsed failed shown hidden"
).split()
WIDTHS = (360, 480, 600, 768, 900, 1024, 1280, 1440, 1680, 1920, 2560)  # upper bounds in CSS pixels
HEIGHTS = (480, 600, 720, 800, 900, 1000, 1200)
SCROLL_STEPS_PX = (50, 150, 400, 1000, 3000)

N_GAPS, N_LENGTHS, N_COUNTS, N_COORDINATES = 24, 16, 16, 32

# (group, class, token prefix, names): ids are given in this order, without holes.
ALLOCATION = (
    ("special", "special", "", SPECIAL_TOKENS),
    ("event types", "event", "event:", EVENT_TYPES),
    ("markers", "event", "", MARKERS),
    ("viewport width", "event", "width:", range(len(WIDTHS) + 1)),
    ("viewport height", "event", "height:", range(len(HEIGHTS) + 1)),
    ("incremental sources", "action", "source:", SOURCES),
    ("mouse interactions", "action", "do:", INTERACTIONS),
    ("media interactions", "action", "media:", MEDIA_INTERACTIONS),
    ("pointer types", "action", "pointer:", POINTERS),
    ("canvas contexts", "action", "canvas:", CANVAS_CONTEXTS),
    ("mutation kinds", "action", "change:", CHANGES),
    ("input states", "action", "input:", INPUT_STATES),
    ("scroll", "action", "scroll:", SCROLLS),
    ("x coordinate", "action", "x:", range(N_COORDINATES)),
    ("y coordinate", "action", "y:", range(N_COORDINATES)),
    ("counts", "action", "count:", range(N_COUNTS)),
    ("tags", "tag", "tag:", TAGS),
    ("attributes", "attribute", "attr:", ATTRIBUTES),
    ("states", "attribute", "is:", STATES),
    ("roles", "attribute", "role:", ROLES),
    ("input types", "attribute", "type:", INPUT_TYPES),
    ("lengths", "attribute", "length:", range(N_LENGTHS)),
    ("placeholders", "attribute", "private:", PLACEHOLDERS),
    ("gaps", "gap", "gap:", range(N_GAPS)),
)
MINIMUM_SIZE = sum(len(names) for _, _, _, names in ALLOCATION)


def build_structural_vocabulary(size=520):
    """Returns the groups of the structural vocabulary as JSON-safe data, padded with reserved ids to `size`.

    Args:
        size (`int`): number of structural ids, at least `MINIMUM_SIZE`.

    Raises:
        ValueError: if `size` cannot hold the allocation.

    >>> build_structural_vocabulary()["groups"][0]["tokens"]
    ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    """
    if size < MINIMUM_SIZE:
        raise ValueError(
            f"Expected structural_vocab_size >= {MINIMUM_SIZE}, got {size}: the allocation of "
            "rrweb_vocabulary.py does not fit. Raise the size, or remove groups there."
        )
    groups, first = [], 0
    for group, token_class, prefix, names in ALLOCATION:
        tokens = [name if str(name).startswith("[") else f"[{prefix}{name}]" for name in names]
        groups.append({"group": group, "class": token_class, "first_id": first, "tokens": tokens})
        first += len(tokens)
    reserved = [f"[reserved:{i}]" for i in range(size - first)]
    groups.append({"group": "reserved", "class": "event", "first_id": first, "tokens": reserved})
    return {"format": 1, "size": size, "groups": groups}


def write_structural_vocabulary(path, size=520):
    """Writes the readable JSON file, one group a line."""
    data = build_structural_vocabulary(size)
    rows = ",\n".join("  " + json.dumps(group, ensure_ascii=False) for group in data["groups"])
    text = f'{{"format": {data["format"]}, "size": {size}, "groups": [\n{rows}\n]}}\n'
    Path(path).write_text(text, encoding="utf-8")


class StructuralVocabulary:
    """Token names, ids and classes of the structural vocabulary, read from its JSON file.

    Attributes:
        tokens (`list[str]`): token of each id.
        ids (`dict[str, int]`): id of each token.
        classes (`numpy.uint8` array `(size,)`): index into `CLASSES` of each id.

    >>> vocabulary = StructuralVocabulary(build_structural_vocabulary())
    >>> vocabulary.ids["[CLS]"], len(vocabulary)
    (2, 520)
    """

    def __init__(self, data):
        self.data = data
        self.tokens, classes = [], []
        for group in data["groups"]:
            if group["class"] not in CLASSES or group["first_id"] != len(self.tokens):
                raise ValueError(
                    f"Expected group {group['group']!r} to start at id {len(self.tokens)} with a class of "
                    f"{CLASSES}, got {group['first_id']} and {group['class']!r}. Write the file again with "
                    "write_structural_vocabulary."
                )
            self.tokens += group["tokens"]
            classes += [CLASSES.index(group["class"])] * len(group["tokens"])
        self.classes = np.array(classes, dtype=np.uint8)
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        if len(self.ids) != len(self.tokens) or len(self.tokens) != data["size"]:
            raise ValueError(
                f"Expected {data['size']} distinct structural tokens, got {len(self.ids)} distinct of "
                f"{len(self.tokens)}. Write the file again with write_structural_vocabulary."
            )
        if tuple(self.tokens[:5]) != SPECIAL_TOKENS:
            raise ValueError(f"Expected ids 0-4 to be {SPECIAL_TOKENS}, got {self.tokens[:5]}.")

    @classmethod
    def from_file(cls, path):
        return cls(json.loads(Path(path).read_text(encoding="utf-8")))

    def __len__(self):
        return len(self.tokens)

    def table(self, prefix, names):
        """Returns `{name: id}` for the tokens `[<prefix><name>]`."""
        return {name: self.ids[f"[{prefix}{name}]"] for name in names}

    def first(self, prefix):
        """Returns the id of `[<prefix>0]`: the start of a run of buckets."""
        return self.ids[f"[{prefix}0]"]


def log2_bucket(value, n_buckets):
    """Returns 0 for 0 and below, else the number of bits of `value`, at most `n_buckets - 1`.

    >>> [log2_bucket(v, 24) for v in (0, 1, 2, 3, 1000)]
    [0, 1, 2, 2, 10]
    """
    return min(int(value).bit_length(), n_buckets - 1) if value >= 1 else 0


def count_bucket(value):
    """Returns the count itself up to 8, then one bucket for each doubling, at most `N_COUNTS - 1`.

    >>> [count_bucket(v) for v in (0, 8, 9, 16, 17, 10**9)]
    [0, 8, 9, 9, 10, 15]
    """
    value = max(int(value), 0)
    return value if value <= 8 else min(5 + (value - 1).bit_length(), N_COUNTS - 1)


def size_bucket(value, bounds):
    """Returns the index of the first upper bound above `value`.

    >>> size_bucket(1440, WIDTHS)
    8
    """
    return sum(value >= bound for bound in bounds)


def scroll_name(dx, dy, y):
    """Returns the name in `SCROLLS` of a scroll by (dx, dy) CSS pixels that ends at `y`.

    >>> scroll_name(0, 120, 300), scroll_name(0, -900, 0), scroll_name(-5, 0, 0)
    ('down-2', 'top', 'left')
    """
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    if dy == 0:
        return "none"
    if dy < 0 and y <= 0:
        return "top"
    return f"{'down' if dy > 0 else 'up'}-{size_bucket(abs(dy), SCROLL_STEPS_PX) + 1}"
