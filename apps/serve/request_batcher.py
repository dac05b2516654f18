"""Requests that come at the same time are encoded together."""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor


class QueueFull(RuntimeError):
    """More texts wait than the service takes."""


class RequestBatcher:
    """Joins the texts of concurrent requests into batches; one batch is encoded at a time, in a thread.

    A batch is what has come while the one before was encoded. Only when further requests are known to be on their way
    does it wait for them, at most `max_wait_ms`; a lone request waits for nothing.

    Args:
        encode (callable): of a list of texts to a sequence with one item a text.
        max_texts (`int`): texts in a batch; a larger request is a batch of its own.
        max_wait_ms (`float`): longest wait for requests on their way.
        max_queued_texts (`int`): texts that may wait; more are refused.
        coming (callable, *optional*): returns how many requests are on their way to `submit`.
        observe (callable, *optional*): called with the number of texts of each batch.
        inline_characters (`int`): a batch of at most so many characters is encoded in the event loop: where that takes
            less time than to wake a thread and be woken by it.
    """

    def __init__(
        self, encode, max_texts, max_wait_ms, max_queued_texts, coming=None, observe=None, inline_characters=0
    ):
        self.inline_characters = inline_characters
        self.encode, self.max_texts, self.max_wait = encode, max_texts, max_wait_ms / 1000
        self.max_queued_texts = max_queued_texts
        self.coming = coming or (lambda: 0)
        self.observe = observe or (lambda texts: None)
        self.queued_texts = 0  # not answered yet
        self._pending = deque()  # (texts, future) not taken into a batch yet
        self._arrived, self._closed = asyncio.Event(), False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._task = None

    def start(self):
        """Starts to take requests; call it in the event loop."""
        self._task = asyncio.create_task(self._work())

    async def stop(self):
        """Encodes what was submitted, then ends."""
        self._closed = True
        self._arrived.set()
        await self._task
        self._executor.shutdown()

    async def submit(self, texts):
        """Returns the items of `texts`, in their order.

        Raises:
            QueueFull: too many texts wait.
        """
        if self.queued_texts and self.queued_texts + len(texts) > self.max_queued_texts:
            raise QueueFull(f"{self.queued_texts} texts are waiting")
        answer = asyncio.get_running_loop().create_future()
        self._pending.append((texts, answer))
        self.queued_texts += len(texts)
        self._arrived.set()
        try:
            return await answer
        finally:
            self.queued_texts -= len(texts)

    async def _work(self):
        while self._pending or not self._closed:
            if self._pending:
                await self._wait_for_more()
                await self._answer(self._next_batch())
            else:
                self._arrived.clear()
                await self._arrived.wait()

    async def _wait_for_more(self):
        loop = asyncio.get_running_loop()
        latest = loop.time() + self.max_wait
        await asyncio.sleep(0)  # handlers that are ready submit first
        while not self._closed and self.coming() and sum(len(texts) for texts, _ in self._pending) < self.max_texts:
            self._arrived.clear()
            try:
                async with asyncio.timeout_at(latest):
                    await self._arrived.wait()
            except TimeoutError:
                return

    def _next_batch(self):
        batch = [self._pending.popleft()]
        count = len(batch[0][0])
        while self._pending and count + len(self._pending[0][0]) <= self.max_texts:
            batch.append(self._pending.popleft())
            count += len(batch[-1][0])
        return batch

    async def _answer(self, batch):
        texts = [text for texts, _ in batch for text in texts]
        self.observe(len(texts))
        try:
            if sum(map(len, texts)) <= self.inline_characters:
                items = self.encode(texts)
            else:
                items = await asyncio.get_running_loop().run_in_executor(self._executor, self.encode, texts)
        except Exception as error:  # whatever it is, it belongs to those who asked
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        start = 0
        for asked, answer in batch:
            if not answer.done():  # who asked may have gone
                answer.set_result(items[start : start + len(asked)])
            start += len(asked)
