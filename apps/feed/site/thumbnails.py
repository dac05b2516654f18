"""Pictures of videos: fetched once by this server, kept in a folder, never asked for by the browser elsewhere."""

import asyncio
import logging
import os
import re
import time
from collections import OrderedDict

import httpx

logger = logging.getLogger(__name__)
VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
#: How a picture of a type that is kept begins.
TYPES = {"image/jpeg": (b"\xff\xd8\xff",), "image/webp": (b"RIFF",), "image/png": (b"\x89PNG\r\n\x1a\n",)}
MOST_BYTES, MOST_FILES, SECONDS, AT_ONCE = 512 * 1024, 5_000, 8.0, 6
MISSING_SECONDS, MOST_MISSING = 600.0, 10_000


class ThumbnailCache:
    """Keeps pictures by video id.

    Args:
        folder (`Path`), base (`str`): `{base}/{video_id}/mqdefault.jpg` is fetched.
        clock (callable, *optional*): seconds that only grow.
    """

    def __init__(self, folder, base, clock=time.monotonic):
        self.folder, self.base, self._clock = folder, base.rstrip("/"), clock
        self._under_way, self._missing, self._places = {}, OrderedDict(), asyncio.Semaphore(AT_ONCE)
        self._client, self._kept = None, 0

    async def get(self, video_id):
        """Returns the file of a picture, None if there is none to be had now.

        Args:
            video_id (`str`): of a known video; what is no id of YouTube is never asked for.
        """
        if not VIDEO_ID.fullmatch(video_id):
            return None
        path = self.folder / f"{video_id}.jpg"
        if path.is_file():
            return path
        if self._missing.get(video_id, 0.0) > self._clock():
            return None
        if video_id not in self._under_way:  # several browsers may ask for one picture: it is fetched once
            task = asyncio.create_task(self._fetch(video_id, path))
            self._under_way[video_id] = task
            task.add_done_callback(lambda _: self._under_way.pop(video_id, None))
        return await asyncio.shield(self._under_way[video_id])

    async def _fetch(self, video_id, path):
        try:
            async with self._places:
                content = await self._content(f"{self.base}/{video_id}/mqdefault.jpg")
            await asyncio.to_thread(self._keep, path, content)
            return path
        except (TimeoutError, httpx.HTTPError, ValueError, OSError) as error:
            logger.info("no picture of %s: %s", video_id, error or type(error).__name__)
            self._missing[video_id] = self._clock() + MISSING_SECONDS
            while len(self._missing) > MOST_MISSING:
                self._missing.popitem(last=False)
            return None

    async def _content(self, address):
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=SECONDS, follow_redirects=False)
        async with asyncio.timeout(2 * SECONDS), self._client.stream("GET", address) as answer:
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if answer.status_code != 200 or kind not in TYPES:
                raise ValueError(f"expected a picture, got status {answer.status_code} and type {kind!r}")
            content = b""
            async for block in answer.aiter_bytes():
                content += block
                if len(content) > MOST_BYTES:
                    raise ValueError(f"expected at most {MOST_BYTES} bytes, got more")
        if not content.startswith(TYPES[kind]):
            raise ValueError(f"expected {kind}, got something else that says so")
        return content

    def _keep(self, path, content):
        self.folder.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{path.name}.{os.getpid()}.half")
        half.write_bytes(content)
        half.replace(path)
        self._kept += 1
        if self._kept % 100 != 1:
            return
        files = sorted(self.folder.glob("*.jpg"), key=lambda file: file.stat().st_mtime)
        for file in files[: max(len(files) - MOST_FILES, 0)]:
            file.unlink(missing_ok=True)

    async def close(self):
        """Ends the connections."""
        if self._client is not None:
            await self._client.aclose()


def picture_type(path):
    """Returns the content type of a kept picture, by how it begins."""
    with path.open("rb") as file:
        head = file.read(16)
    return next(kind for kind, starts in TYPES.items() if head.startswith(starts))
