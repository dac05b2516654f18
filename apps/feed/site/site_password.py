"""Passwords of the site: hashed by scrypt, compared in constant time, and not to be guessed in a row."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import time
from collections import OrderedDict

N, R, P = 2**14, 8, 1  # of scrypt: about 16 MiB and some 50 ms a try
LEAST_CHARACTERS = 8
FREE_ATTEMPTS, LONGEST_WAIT, ADDRESSES = 5, 300.0, 4096


def hash_password(password):
    """Returns what may be kept instead of a password, text: "scrypt$n$r$p$salt$hash".

    Args:
        password (`str`): of at least LEAST_CHARACTERS characters.
    """
    if len(password) < LEAST_CHARACTERS:
        raise ValueError(
            f"Expected a password of at least {LEAST_CHARACTERS} characters, got {len(password)}. Choose a longer one."
        )
    salt = secrets.token_bytes(16)
    parts = [base64.b64encode(part).decode() for part in (salt, _scrypt(password, salt, N, R, P))]
    return "$".join(["scrypt", str(N), str(R), str(P), *parts])


def kept_hash(password, path):
    """Returns the hash of a password, the same at every start: another one would end all sessions.

    Args:
        password (`str`)
        path (`Path`): where the hash is kept, readable by the owner only.
    """
    try:
        kept = path.read_text("ascii").strip()
        if password_fits(password, kept):
            return kept
    except (FileNotFoundError, ValueError):
        pass
    kept = hash_password(password)
    half = path.with_name(f".{path.name}.{os.getpid()}.half")
    half.unlink(missing_ok=True)
    _write_private(half, kept)
    half.replace(path)
    return kept


def password_fits(password, password_hash):
    """Returns whether a password is the one of a hash; takes equally long for every wrong one."""
    n, r, p, salt, expected = _parts_of(password_hash)
    return hmac.compare_digest(_scrypt(password, salt, n, r, p), expected)


def entry_mark(password_hash):
    """Returns what a signed session carries after the password was given; another password makes it worthless."""
    return hashlib.sha256(b"entry:" + password_hash.encode()).hexdigest()[:32]


def read_or_make_secret(path):
    """Returns the secret that signs the cookies of a home, text; made at random on first use, for the owner only.

    Args:
        path (`Path`): its file.
    """
    try:
        secret = path.read_text("ascii").strip()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        secret = secrets.token_urlsafe(48)
        half = path.with_name(f".{path.name}.{os.getpid()}.half")
        _write_private(half, secret)
        try:
            os.link(half, path)  # unlike a rename, this never replaces the secret of a site that started meanwhile
        except FileExistsError:
            secret = path.read_text("ascii").strip()
        finally:
            half.unlink()
    if len(secret) < 32:
        raise ValueError(
            f"Expected a secret of at least 32 characters in {path}, got {len(secret)}. Delete it: a new one is made."
        )
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return secret


class AttemptLimiter:
    """Makes whoever gives wrong passwords wait: FREE_ATTEMPTS are free, then each wait is twice the last.

    Args:
        clock (callable, *optional*): seconds that only grow.
    """

    def __init__(self, clock=time.monotonic):
        self._clock, self._failed = clock, OrderedDict()

    def wait_seconds(self, address):
        """Returns how long an address has to wait before its next try, seconds; 0.0 for now."""
        count, last = self._failed.get(address, (0, 0.0))
        if count < FREE_ATTEMPTS:
            return 0.0
        wait = min(LONGEST_WAIT, 2.0 ** (count - FREE_ATTEMPTS + 1))
        return max(0.0, last + wait - self._clock())

    def failed(self, address):
        """Counts a wrong password."""
        count, _ = self._failed.pop(address, (0, 0.0))
        self._failed[address] = (count + 1, self._clock())
        while len(self._failed) > ADDRESSES:
            self._failed.popitem(last=False)

    def fitted(self, address):
        """Forgets what was counted."""
        self._failed.pop(address, None)


def _write_private(path, text):
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _scrypt(password, salt, n, r, p):
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32)


def _parts_of(password_hash):
    try:
        kind, n, r, p, salt, expected = password_hash.split("$")
        if kind == "scrypt":
            return int(n), int(r), int(p), base64.b64decode(salt), base64.b64decode(expected)
    except (ValueError, binascii.Error):
        pass
    raise ValueError('Expected a password hash "scrypt$n$r$p$salt$hash", got something else. Set the password again.')
