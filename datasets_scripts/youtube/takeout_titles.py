"""Titles of videos out of a JSON history, which has them in a sentence: "Watched X", "X angesehen", "X を視聴しました".

A list has the words of the common languages. Those of the others are what the titles of different channels have in
common, if there are enough channels. A title that does not fit is left as it is.
"""

import re

FEWEST_CHANNELS = 8  # channels seldom begin their titles alike
SURE_CHANNELS = 30  # from here on the words need not end at a space
SHARE = 0.8
MOST_TITLES = 2_000

KNOWN_FRAMES = (
    ("Watched ", ""),
    ("Has visto ", ""),
    ("Vous avez regardé ", ""),
    ("Hai guardato ", ""),
    ("", " angesehen"),
    ("", " bekeken"),
    ("", " を視聴しました"),
    ("", " 을(를) 시청했습니다."),
    ("", "을(를) 시청했습니다."),
    ("观看了 ", ""),
    ("已观看 ", ""),
    ("觀看了 ", ""),
    ("已觀看 ", ""),
)


def title_frame(titles):
    """Returns `(prefix, suffix)` that sentences have around their titles; ("", "") if none can be told.

    Args:
        titles: sentences, one of each channel.
    """
    titles = [title.replace("\xa0", " ") for title in titles if title][:MOST_TITLES]
    fits = {frame: sum(map(_fit(frame), titles)) for frame in KNOWN_FRAMES}
    best = max(fits, key=fits.get)
    if fits[best] > SHARE * len(titles):
        return best
    if len(titles) < FEWEST_CHANNELS:
        return "", ""
    prefix = _common(titles)
    suffix = _common([title[len(prefix) :][::-1] for title in titles if title.startswith(prefix)])[::-1]
    if len(titles) < SURE_CHANNELS:
        prefix = prefix[: prefix.rfind(" ") + 1]
        suffix = suffix[suffix.find(" ") :] if " " in suffix else ""
    return (prefix, suffix) if re.search(r"[^\W\d_]", prefix + suffix) else ("", "")


def bare_title(title, frame):
    """Returns the title inside a sentence, as it was written; the sentence if it does not fit the frame."""
    prefix, suffix = frame
    if not _fit(frame)(title.replace("\xa0", " ")):
        return title
    return title[len(prefix) : len(title) - len(suffix)]


def _fit(frame):
    prefix, suffix = frame
    return lambda title: len(title) > len(prefix) + len(suffix) and title.startswith(prefix) and title.endswith(suffix)


def _common(titles):
    """Returns the longest text with which the wanted share of the titles begins."""
    wanted = SHARE * len(titles)
    alike, place = titles, 0
    while True:
        counts = {}
        for title in alike:
            if len(title) > place:
                counts[title[place]] = counts.get(title[place], 0) + 1
        best = max(counts, key=counts.get, default=None)
        if best is None or counts[best] < wanted:
            return alike[0][:place] if alike else ""
        alike = [title for title in alike if title[place : place + 1] == best]
        place += 1
