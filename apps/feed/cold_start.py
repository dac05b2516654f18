"""What stands in for a model as long as there is none: a rule that can be said in two sentences.

Interesting: subscribed channels a little more than others. Productive: what a video is about has a rating from -1
(leisure) to 1 (work), by its YouTube category or else by ActivityWatch's classes on its title; the more of the last
hours was work, the more that rating counts. With equal guesses the newest come first.
"""

import numpy as np

from traceformers.datasets_scripts.activitywatch.aw_categories import UNCATEGORIZED, Categorizer

NAME = "cold start"
#: Rating of a category of activity, by its first name.
ACTIVITY_RATINGS = {"Work": 1.0, "Comms": 0.0, "Media": -1.0}
#: Rating of a YouTube category.
VIDEO_RATINGS = {
    "Education": 1.0,
    "Science & Technology": 1.0,
    "Howto & Style": 0.5,
    "News & Politics": 0.0,
    "Nonprofits & Activism": 0.0,
    "Film & Animation": -0.5,
    "People & Blogs": -0.5,
    "Travel & Events": -0.5,
    "Autos & Vehicles": -0.5,
    "Pets & Animals": -1.0,
    "Sports": -1.0,
    "Comedy": -1.0,
    "Music": -0.5,
    "Gaming": -1.0,
    "Entertainment": -1.0,
}
STRENGTH = 0.4  # how far from a half the rule goes
SUBSCRIBED, OTHER = 0.75, 0.25


def work_share(categories, seconds):
    """Returns how much of some activity was work, from -1 (leisure) to 1; 0 where nothing is known.

    Args:
        categories (list of E `str`), seconds (`float (E,)`).
    """
    ratings = np.array([ACTIVITY_RATINGS.get(str(name).split(" > ")[0], 0.0) for name in categories], np.float64)
    total = float(np.sum(seconds))
    return float((ratings * np.asarray(seconds)).sum() / total) if total > 0 else 0.0


def video_ratings(categories, titles):
    """Returns the rating of each video, float64 (N,), from -1 to 1.

    Args:
        categories (list of N `str` or None): names of YouTube categories. titles (list of N `str`).
    """
    categorizer = Categorizer()

    def rating(category, title):
        if category in VIDEO_RATINGS:
            return VIDEO_RATINGS[category]
        found = categorizer.category(title=title or "")
        return 0.0 if found == UNCATEGORIZED else ACTIVITY_RATINGS.get(found.split(" > ")[0], 0.0)

    return np.array([rating(*pair) for pair in zip(categories, titles, strict=True)], np.float64)


def cold_scores(categories, titles, subscribed, work):
    """Returns (interest, productive), float64 (N,) each: guesses between 0 and 1, not calibrated.

    Args:
        categories, titles: of N videos, as in `video_ratings`. subscribed (`bool (N,)`).
        work (`float`): of `work_share`.

    >>> [round(float(guess[0]), 2) for guess in cold_scores(["Education"], [""], np.array([True]), 1.0)]
    [0.75, 0.9]
    """
    counts = (1 + work) / 2
    productive = 0.5 + STRENGTH * counts * video_ratings(categories, titles)
    return np.where(subscribed, SUBSCRIBED, OTHER), productive
