"""The whole database as a feed folder, and back: a copy that people can read, move between databases and merge.

An export holds all that cannot be made again (not the cached text vectors, nor which process ran a run). Into an empty
database it gives the same state; into another it merges: what is known there stays, what is missing is added.
"""

from traceformers.datasets_scripts.feed.feed_folder import read_feed_folder, write_feed_folder


def export_feed(database, folder, time_zone, format="parquet"):
    """Returns what about.json of the new folder says: `counts` of rows, `sha256` of files ...

    Args:
        database (`FeedDatabase`): read in one transaction, so that its tables fit each other.
        folder (path): to make; it is whole or not there.
        time_zone (`str`): IANA name of where the person lives. format (`str`): "parquet" or "json" (lines).

    Raises:
        FileExistsError: if the folder is there. OSError: if it cannot be written, such as on a full disk.
    """
    return write_feed_folder(folder, database.tables(), {"time_zone": time_zone}, format=format)


def import_feed(database, folder):
    """Returns {table: `Counts`} of what a feed folder brought.

    It is written in blocks, and doing it again changes nothing: after an interruption, import again.

    Args:
        database (`FeedDatabase`). folder (path): that `export_feed`, a training set or simulated users are in.

    Raises:
        FileNotFoundError, ValueError: it is not an intact feed folder. Files are checked before anything is written.
    """
    return database.add_tables(read_feed_folder(folder).tables)
