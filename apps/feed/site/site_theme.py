"""The colours of the site, once: as CSS variables, and as the pairs that have to be readable."""

import re
from pathlib import Path

#: name → (light, dark)
COLOURS = {
    "paper": ("#f5f3ee", "#131519"),
    "card": ("#ffffff", "#1c1f25"),
    "sunken": ("#ebe8e0", "#262a32"),
    "ink": ("#1d2025", "#eceae5"),
    "muted": ("#575c67", "#abb0ba"),
    "line": ("#d8d4ca", "#363b45"),
    "control": ("#85817a", "#7d8390"),
    "accent": ("#0b6356", "#63d3b8"),
    "accent-soft": ("#d9efe9", "#143a33"),
    "on-accent": ("#ffffff", "#08231d"),
    "interest": ("#5638b5", "#bdaaff"),
    "interest-soft": ("#e9e3fb", "#2c2450"),
    "bad": ("#9c2b1b", "#ff9d8c"),
    "bad-soft": ("#fbe4df", "#47201a"),
    "focus": ("#0b57d0", "#9ec2ff"),
    "veil": ("#14161a", "#0b0c0f"),
    "on-veil": ("#ffffff", "#ffffff"),
}
#: (text, what it stands on): WCAG 2.1 AA asks for 4.5 to 1.
TEXT_PAIRS = [
    *((text, ground) for text in ("ink", "muted", "accent", "interest", "bad") for ground in ("paper", "card")),
    ("ink", "sunken"),
    ("muted", "sunken"),
    ("on-accent", "accent"),
    ("accent", "accent-soft"),
    ("interest", "interest-soft"),
    ("bad", "bad-soft"),
    ("ink", "accent-soft"),
    ("on-veil", "veil"),
]
#: Borders of controls and the focus ring: 3 to 1.
SHAPE_PAIRS = [
    *(("control", ground) for ground in ("paper", "card")),
    *(("focus", ground) for ground in ("paper", "card", "sunken")),
]
#: Grounds that letters are drawn on where a video has no picture, equal in both modes; the letters are "on-veil".
PLACEHOLDERS = ("#5a3d6b", "#2f4f7a", "#1f5f5b", "#7a3b3b", "#5d4a1f", "#3f5a2a", "#42447c", "#6b3357")
STYLE_SHEET = Path(__file__).with_name("site.css")


def contrast(one, other):
    """Returns the contrast ratio of two colours "#rrggbb" after WCAG 2.1, from 1.0 to 21.0."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def style_sheet():
    """Returns the CSS of all pages: the variables of both modes and the rules."""
    light, dark = ("".join(f"--{name}:{pair[mode]};" for name, pair in COLOURS.items()) for mode in (0, 1))
    return (
        f":root{{color-scheme:light;{light}}}\nbody.body--dark{{color-scheme:dark;{dark}}}\n"
        f"@media (prefers-color-scheme:dark){{body.plain{{color-scheme:dark;{dark}}}}}\n"
        f"{STYLE_SHEET.read_text('utf-8')}"
    )


def _luminance(colour):
    if not re.fullmatch("#[0-9a-f]{6}", colour):
        raise ValueError(f"Expected a colour such as #0b57d0, got {colour!r}. Write it so.")
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
