"""What goes wrong between this machine and the Hub: one line and one exit code each, and what is worth another try."""

import errno
import re
import time

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

OTHER, CHECKS, REFUSED, MISSING, CONFLICT, UNREACHED, DISK = 1, 3, 4, 5, 6, 7, 8
#: Exit codes and what they mean; 2 is the command line's own, for wrong arguments.
EXIT_CODES = {
    0: "done",
    OTHER: "something else",
    2: "wrong arguments",
    CHECKS: "a check failed, nothing was pushed",
    REFUSED: "no token, or one without the right (401, 403)",
    MISSING: "no such repository, revision or file (404)",
    CONFLICT: "somebody else's push or tag is in the way (409, 412)",
    UNREACHED: "the Hub is busy or out of reach (429, 5xx, connection)",
    DISK: "the disk is full",
}
TRIES, FIRST_WAIT, LONGEST_WAIT = 6, 1.0, 30.0  # seconds; doubled after each try
TEMPORARY = (408, 429, 500, 502, 503, 504)
_TOKEN = re.compile(r"\bhf_\w{4,}")


class HubFault(Exception):
    """One line for the user, and the exit code of the command."""

    def __init__(self, message, exit_code=OTHER):
        super().__init__(_TOKEN.sub("hf_***", " ".join(str(message).split())))
        self.exit_code = exit_code


def status_of(error):
    """Returns the HTTP status of an error, or None where there was no answer."""
    return getattr(getattr(error, "response", None), "status_code", None)


def is_transport_error(error):
    """Returns whether the connection failed, cut or silent; whichever HTTP library the client speaks."""
    if isinstance(error, OfflineModeIsEnabled):
        return False
    return type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2") or isinstance(
        error, ConnectionError | TimeoutError
    )


def is_conflict(error):
    """Returns whether somebody else's commit came in between."""
    return status_of(error) in (409, 412)


def retrying(call, *args, note=None, **keywords):
    """Returns what `call` returns; tries again after a busy Hub or a cut connection.

    For calls in which the client itself tries once. It waits as long as Retry-After asks, else doubles its wait.

    Args:
        note (callable, *optional*): is told, in a line, of each wait.

    Raises:
        Exception: what the last try raised, or what another try would not help against.
    """
    wait = FIRST_WAIT
    for number in range(1, TRIES + 1):
        try:
            return call(*args, **keywords)
        except Exception as error:
            status = status_of(error)
            if number == TRIES or not (status in TEMPORARY or (status is None and is_transport_error(error))):
                raise
            asked = error.response.headers.get("Retry-After", "") if status else ""
            seconds = float(asked) if asked.isdigit() else wait
            if note is not None:
                what = f"the Hub answered {status}" if status else f"the connection failed ({type(error).__name__})"
                note(f"{what}; try {number + 1} of {TRIES} in {seconds:g} s")
            time.sleep(seconds)
            wait = min(2 * wait, LONGEST_WAIT)


def fault_of(error, repository="the repository"):
    """Returns the `HubFault` that tells of an error: what was expected, what came, what to do."""
    if isinstance(error, HubFault):
        return error
    status = status_of(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HubFault(
            f"Expected room on the disk, got {error.strerror} at {error.filename or 'the folder of the download'}. "
            "Free space and run the same command again: files that are complete are kept.",
            DISK,
        )
    if isinstance(error, LocalTokenNotFoundError):
        return HubFault(
            f"Expected a token for {repository}, found none. Run: hf auth login (or set HF_TOKEN).", REFUSED
        )
    if isinstance(error, OfflineModeIsEnabled):
        return HubFault(f"Expected to reach the Hub for {repository}, HF_HUB_OFFLINE is set. Unset it.", UNREACHED)
    if isinstance(error, RevisionNotFoundError):
        return HubFault(
            f"Expected a branch, tag or commit of {repository}, the Hub has none of that name. "
            "Look at its branches and tags on its page.",
            MISSING,
        )
    if isinstance(error, LocalEntryNotFoundError):
        return fault_of(error.__cause__ or ConnectionError("no connection"), repository)
    if isinstance(error, EntryNotFoundError):
        return HubFault(
            f"Expected a file that {repository} lists, the Hub answered {status}: {_last_line(error)} Run it again.",
            MISSING,
        )
    if isinstance(error, GatedRepoError):
        return HubFault(
            f"Expected access to {repository}, which is gated (403). Ask for it on its page, with the account of the "
            "token.",
            REFUSED,
        )
    if isinstance(error, RepositoryNotFoundError):
        if status == 401:
            return HubFault(
                f"Expected a token that may see {repository}, the Hub answered 401: it does not exist, or is private. "
                "Check the name, then run: hf auth login (or set HF_TOKEN).",
                REFUSED,
            )
        return HubFault(
            f"Expected a repository {repository}, the Hub has none that this token may see (404). Check the name.",
            MISSING,
        )
    if isinstance(error, HfHubHTTPError):
        return _http_fault(error, status, repository)
    if is_transport_error(error):
        return HubFault(
            f"Expected an answer of the Hub for {repository}, the connection failed: "
            f"{type(error).__name__}: {error}. Run the same command again: what is done is kept.",
            UNREACHED,
        )
    return HubFault(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def _http_fault(error, status, repository):
    told = _last_line(error)
    if status == 401:
        return HubFault(f"Expected a valid token for {repository}, the Hub answered 401. Run: hf auth login", REFUSED)
    if status in (402, 403):
        return HubFault(
            f"Expected a token that may write to {repository}, the Hub answered {status}: {told} "
            "Use a token with write access, or another name.",
            REFUSED,
        )
    if status == 404:
        return HubFault(f"Expected {repository} on the Hub, it answered 404: {told} Check the name.", MISSING)
    if status in (409, 412):
        return HubFault(
            f"Expected {repository} to stay as it was while this ran, the Hub answered {status}: {told} "
            "Run the same command again.",
            CONFLICT,
        )
    if status in TEMPORARY:
        return HubFault(
            f"Expected an answer for {repository}, the Hub answered {status} {TRIES} times. "
            "Run the same command again later: what is done is kept.",
            UNREACHED,
        )
    return HubFault(f"the Hub answered {status} for {repository}: {told}")


def _last_line(error):
    """Returns what the server itself said, without the client's advice."""
    told = getattr(error, "server_message", None) or str(error).strip().splitlines()[-1:]
    text = told if isinstance(told, str) else " ".join(told)
    return text.rstrip(".") + "."
