"""A tiny set of interactions in each format that is read: 3 users, 4 items, 6 rows, and what is known of the items."""

import gzip

ROWS = [("u1", "10", 100), ("u2", "10", 50), ("u1", "20", 90), ("u3", "30", 70), ("u2", "40", 60), ("u1", "30", 110)]
START = 1_000_000_000  # of the seconds above, so that they are moments
TITLES = {"10": "Toy Story (1995)", "20": 'The "Best", and Rest', "30": "Metropolis (1927)", "50": "Unseen (2000)"}


def write(path, text, packed=False):
    """Writes text as UTF-8, with gzip if `packed`, then the name has .gz; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    if packed:
        path = path.with_name(path.name + ".gz")
        data = gzip.compress(data)
    path.write_bytes(data)
    return path


def table_text(header="user,item,time", separator=",", rows=ROWS, start=START):
    """Returns the rows as a text table."""
    lines = [header.replace(",", separator)] if header else []
    return "\n".join([*lines, *(separator.join([u, i, str(start + t)]) for u, i, t in rows)]) + "\n"


def seed_folder(folder, packed=False):
    """Returns a folder in the seed format with all five tables of facts."""
    write(folder / "train_ratings.csv", table_text(start=0), packed)
    write(folder / "titles.tsv", "item\ttitle\n" + "".join(f"{i}\t{t}\n" for i, t in TITLES.items()))
    write(folder / "years.tsv", "item\tyear\n10\t1996\n")
    write(folder / "genres.tsv", "item\tgenre\n10\tComedy\n10\tAnimation\n30\tDrama\n10\tComedy\n")
    write(folder / "directors.tsv", "item\tdirector\n30\tFritz Lang\n")
    write(folder / "writers.tsv", "item\twriter\n30\tThea von Harbou\n30\tFritz Lang\n")
    return folder


def users(number):
    """Returns "1" for "u1": some formats have numbers only."""
    return number.removeprefix("u")


def movielens_100k(folder, packed=False):
    """Returns a folder as that of MovieLens 100K, with two genres."""
    rows = "".join(f"{users(u)}\t{i}\t{3 + (i == '10')}\t{START + t}\n" for u, i, t in ROWS)
    write(folder / "u.data", rows, packed)
    write(folder / "u.genre", "unknown|0\nDrama|1\n\n")
    lines = ["10|Toy Story (1995)|01-Jan-1995||x|0|1", "20|Caf\u00e9|02-Feb-1990|||1|0", "30|unknown||||1|0"]
    write(folder / "u.item", ("\n".join(lines) + "\n").encode("latin-1"))
    return folder


def movielens_1m(folder, packed=False):
    """Returns a folder as that of MovieLens 1M, Latin-1."""
    write(folder / "ratings.dat", "".join(f"{users(u)}::{i}::4::{START + t}\n" for u, i, t in ROWS), packed)
    movies = "10::Toy Story (1995)::Animation|Comedy\n20::Caf\u00e9: a Tale (1990)::(no genres listed)\n"
    write(folder / "movies.dat", movies.encode("latin-1"))
    return folder


def movielens_latest(folder, packed=False):
    """Returns a folder as that of MovieLens latest, with a quoted title."""
    rows = "".join(f"{users(u)},{i},4.5,{START + t}\n" for u, i, t in ROWS)
    write(folder / "ratings.csv", "userId,movieId,rating,timestamp\n" + rows, packed)
    write(
        folder / "movies.csv",
        'movieId,title,genres\n10,Toy Story (1995),Animation|Comedy\n20,"A ""B"", C (1990)",Drama\n',
    )
    return folder


def recbole_folder(folder, packed=False):
    """Returns a folder of RecBole's atomic files with a knowledge graph."""
    rows = "".join(f"{users(u)}\t{i}\t4\t{START + t}\n" for u, i, t in ROWS)
    write(folder / "tiny.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + rows, packed)
    head = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    write(folder / "tiny.item", head + "10\tToy Story\t1995\tAnimation Comedy\n20\tVideo\tV\tDrama\n")
    write(folder / "tiny.link", "item_id:token\tentity_id:token\n10\tm.1\n30\tm.3\n")
    graph = [("m.1", "film.film.directed_by", "m.9"), ("m.9", "film.director.film", "m.1")]
    graph += [("m.8", "film.writer.film", "m.1"), ("m.7", "film.writer.film", "m.5"), ("m.1", "film.film.actor", "m.6")]
    lines = "".join("\t".join(row) + "\n" for row in graph)
    write(folder / "tiny.kg", "head_id:token\trelation_id:token\ttail_id:token\n" + lines)
    return folder
