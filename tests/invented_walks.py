"""Invented histories whose next item is known: users walk along a ring of items, one after the other."""

import csv

import numpy as np

N_ITEMS, N_USERS = 30, 60
GENRES = ("Drama", "Comedy", "War")


def walks(n_users=N_USERS, n_items=N_ITEMS, seed=0):
    """Returns lists of items, 0 to n_items - 1, one for each user: from anywhere 6 to 14 steps around the ring."""
    random = np.random.default_rng(seed)
    starts, lengths = random.integers(0, n_items, n_users), random.integers(6, 15, n_users)
    return [[(start + step) % n_items for step in range(n)] for start, n in zip(starts, lengths, strict=True)]


def write_walks(folder, n_users=N_USERS):
    """Returns the path of a table of walks (user, item, time), and that of a table of what is known of the items."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "walks.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item", "time"])
        for user, walk in enumerate(walks(n_users)):
            writer.writerows([f"u{user}", f"film {item}", 1000 * user + step] for step, item in enumerate(walk))
    with open(folder / "films.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["item", "title", "genres", "directors", "writers"])
        for item in range(N_ITEMS):
            writer.writerow(
                [f"film {item}", f"Film {item}", GENRES[item % 3], f"Director {item // 10}", f"Writer {item % 7}"]
            )
    return folder / "walks.csv", folder / "films.csv"
