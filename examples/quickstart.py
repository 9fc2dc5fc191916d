"""Two novels into a store, and questions about them: the quickstart of anystore.

    python examples/quickstart.py                            pulsards, started inside the store
    python examples/quickstart.py redis://localhost:6379/0   a Redis or Valkey that runs already

Chapter by chapter, pipelines count the words in a sorted set, index the lines of each word in sets, and describe the
chapter in a hash. Meanwhile a second task prints the progress, which comes over a channel. Everything is kept in a
namespace of its own and removed in the end, so it can be run on a server that is used for other things, too.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio.abc import TaskStatus

from anystore import RedisScript, Store, start_store

TEXT = Path(__file__).parent / "data" / "austen.txt"
NAMESPACE = "anystore-quickstart:"
NOVELS = ("SENSE AND SENSIBILITY", "PRIDE AND PREJUDICE")
WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
CHAPTER = re.compile(r"chapter (\d+)", re.IGNORECASE)

LONG_WORDS = RedisScript("""
    -- The most frequent words of at least ARGV[1] letters: looked for where they are, not sent over to be looked at.
    local found, first = {}, 0
    while true do
        local words = redis.call('ZREVRANGE', KEYS[1], first, first + 99)
        for _, word in ipairs(words) do
            if #word >= tonumber(ARGV[1]) then found[#found + 1] = word end
            if #found == tonumber(ARGV[2]) then return found end
        end
        if #words < 100 then return found end
        first = first + 100
    end
""")


@dataclass
class Chapter:
    """A chapter of the text: its numbered lines."""

    novel: str
    number: int
    lines: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Answers:
    """What was found out; the same on every server."""

    words: int
    different_words: int
    top_words: list[tuple[str, float]]
    long_words: list[str]
    lines_with_both: dict[tuple[str, str], list[int]]
    longest_chapter: dict[str, str]


def chapters(text: str) -> Iterator[Chapter]:
    novel, chapter = "", None
    for number, line in enumerate(text.splitlines(), 1):
        if line in NOVELS:
            novel = line.title().replace(" And ", " and ")
        elif heading := CHAPTER.fullmatch(line):
            if chapter is not None:
                yield chapter
            chapter = Chapter(novel, int(heading[1]))
        elif chapter is not None and line.strip() not in ("", "THE END"):
            chapter.lines.append((number, line))
    if chapter is not None:
        yield chapter


async def load_chapter(store: Store[str], index: int, chapter: Chapter) -> int:
    """Put one chapter into the store, all of it or nothing; the number of commands."""
    counts: Counter[str] = Counter()
    lines: defaultdict[str, set[int]] = defaultdict(set)
    for number, line in chapter.lines:
        words = WORD.findall(line.lower())
        counts.update(words)
        for word in words:
            lines[word].add(number)
    async with store.pipeline() as pipe:
        for word, count in counts.items():
            pipe.zincrby("text:words", count, word)
        for word, numbers in lines.items():
            pipe.sadd(f"text:lines:{word}", *numbers)
        title = f"{chapter.novel}, chapter {chapter.number}"
        pipe.hset(
            f"text:chapter:{index}",
            mapping={"title": title, "words": counts.total(), "different": len(counts)},
        )
        pipe.zadd("text:chapters", {str(index): counts.total()})
        await pipe.commit()
    return 2 * len(counts) + 2


async def load(store: Store[str], text: str) -> tuple[int, int]:
    """Put the text into the store, telling everybody how far it is; the numbers of chapters and of commands."""
    client = store.client()
    commands = 0
    everything = list(chapters(text))
    for index, chapter in enumerate(everything, 1):
        commands += await load_chapter(store, index, chapter)
        if index % 20 == 0 or index == len(everything):
            await client.publish("progress", f"{index} of {len(everything)} chapters")
            commands += 1
    await client.publish("progress", "done")
    return len(everything), commands + 1


async def print_progress(store: Store[str], *, task_status: TaskStatus[None]) -> None:
    """Print what is published until it is "done", or until something was missed and nobody knows what."""
    async with store.pubsub() as pubsub:
        await pubsub.subscribe("progress")
        task_status.started()
        async for message in pubsub:
            if message.kind == "gap" or message.data == "done":
                break
            print(f"  … {message.data}")


async def ask(store: Store[str]) -> Answers:
    """Questions that the store answers by itself."""
    client = store.client()
    pairs = [("pride", "vanity"), ("fine", "eyes"), ("truth", "universally")]
    return Answers(
        words=int(sum([count for _, count in await client.zrange("text:words", 0, -1, withscores=True)])),
        different_words=await client.zcard("text:words"),
        top_words=await client.zrevrange("text:words", 0, 4, withscores=True),
        long_words=await LONG_WORDS(client, keys=["text:words"], args=[8, 5]),
        lines_with_both={
            pair: sorted(
                int(number) for number in await client.sinter([f"text:lines:{word}" for word in pair])
            )
            for pair in pairs
        },
        longest_chapter=await client.hgetall(
            f"text:chapter:{(await client.zrevrange('text:chapters', 0, 0))[0]}"
        ),
    )


async def forget(store: Store[str]) -> None:
    """Remove what was loaded."""
    client = store.client()
    keys = [key async for key in client.scan_iter("text:*", count=1000)]
    if keys:
        await client.unlink(*keys)


def show(answers: Answers, text: str) -> None:
    lines = text.splitlines()
    print(f"{answers.words:,} words, {answers.different_words:,} different ones.")
    print("The most frequent:", ", ".join(f"{word} ({count:,.0f})" for word, count in answers.top_words))
    print("Of eight letters and more:", ", ".join(answers.long_words))
    longest = answers.longest_chapter
    print(f"The longest chapter: {longest['title']}, {int(longest['words']):,} words")
    for (one, other), numbers in answers.lines_with_both.items():
        print(f"Lines with {one!r} and {other!r}:")
        for number in numbers:
            print(f"{number:>8}  {lines[number - 1]}")


async def run(url: str = "pulsar://") -> Answers:
    """Do it all, on the server at `url`; `pulsar://` is one that lives in the store."""
    text = TEXT.read_text(encoding="utf-8")
    async with start_store(url, namespace=NAMESPACE, decode_responses=True) as store:
        server = await store.client().info("server")
        name = server.get("server_name", "redis")
        version = server.get(f"{name}_version", server["redis_version"])
        print(f"{name} {version} at {store.url.redacted}")
        print(f"Loading {TEXT.name}, {len(text):,} characters:")
        # Two of these programs at the same time would count everything twice.
        async with store.lock("one-at-a-time", timeout=60, renew=True):
            await forget(store)
            began = time.perf_counter()
            async with anyio.create_task_group() as tasks:
                await tasks.start(print_progress, store)
                count, commands = await load(store, text)
            seconds = time.perf_counter() - began
            answers = await ask(store)
            await forget(store)
    print(f"{count} chapters, {commands:,} commands in {seconds:.1f} s: {commands / seconds:,.0f} a second.")
    print()
    show(answers, text)
    return answers


if __name__ == "__main__":
    anyio.run(run, sys.argv[1] if len(sys.argv) > 1 else "pulsar://")
