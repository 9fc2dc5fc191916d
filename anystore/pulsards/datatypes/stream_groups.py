"""Consumer groups of a stream: how far each has read, and what its consumers have not acknowledged."""

from __future__ import annotations

from typing import Final

from anystore.pulsards.datatypes.stream_pending import Delivery, PendingEntries

#: `Group.entries_read` where the number is not known.
UNKNOWN: Final = -1
#: `Consumer.active_time` of a consumer that never got an entry.
NEVER_ACTIVE: Final = -1


class Consumer:
    """A member of a group.

    `seen_time` is when it last asked for entries, `active_time` when it last got one, both in milliseconds
    since 1970; `pending` holds those deliveries of its group that are its own.
    """

    __slots__ = ("active_time", "name", "pending", "seen_time")

    def __init__(self, name: bytes, now: int) -> None:
        self.name = name
        self.seen_time = now
        self.active_time = NEVER_ACTIVE
        self.pending = PendingEntries()


class Group:
    """A consumer group.

    `last_id` is the ID of the last entry delivered, `entries_read` the number of entries up to it that were
    ever added, or `UNKNOWN`.
    """

    __slots__ = ("consumers", "entries_read", "last_id", "pending")

    def __init__(self, last_id: int, entries_read: int = UNKNOWN) -> None:
        self.last_id = last_id
        self.entries_read = entries_read
        self.pending = PendingEntries()
        self.consumers: dict[bytes, Consumer] = {}

    def by_name(self) -> list[Consumer]:
        """The consumers in the order of their names. O(n log n)."""
        return [self.consumers[name] for name in sorted(self.consumers)]

    def deliver(self, number: int, consumer: Consumer, now: int) -> None:
        """Note that an entry went to a consumer, whoever had it before. O(1), mostly."""
        delivery = self.pending.get(number)
        if delivery is None:
            delivery = Delivery(consumer, now)
            self.pending.add(number, delivery)
        else:
            delivery.consumer.pending.discard(number)
            delivery = Delivery(consumer, now)
            self.pending.add(number, delivery)
        consumer.pending.add(number, delivery)

    def claim(self, number: int, delivery: Delivery, consumer: Consumer) -> None:
        """Give a pending entry to another consumer, or leave it with its own. O(log n)."""
        if delivery.consumer is not consumer:
            delivery.consumer.pending.discard(number)
            delivery.consumer = consumer
            consumer.pending.add(number, delivery)

    def note(self, number: int, time: int, count: int) -> None:
        """Note when, and for how many times, a pending entry was delivered last. O(1).

        What was known of it stays as it is, for images that have it.
        """
        consumer = self.pending[number].consumer
        delivery = Delivery(consumer, time, count)
        self.pending.add(number, delivery)
        consumer.pending.add(number, delivery)

    def acknowledge(self, number: int) -> bool:
        """Forget a delivery; whether the entry was pending. Amortised O(1)."""
        delivery = self.pending.discard(number)
        if delivery is None:
            return False
        delivery.consumer.pending.discard(number)
        return True

    def remove_consumer(self, name: bytes) -> int | None:
        """Remove a consumer with its deliveries; how many these were, None where there is none. O(n)."""
        consumer = self.consumers.pop(name, None)
        if consumer is None:
            return None
        for number in consumer.pending:
            self.pending.discard(number)
        return len(consumer.pending)

    def image(self) -> Group:
        """The group as it is now, for reading only: see `StreamValue.image`. O(pending entries), some ns each."""
        twin = Group(self.last_id, self.entries_read)
        twin.pending = self.pending.copy()
        for name, consumer in self.consumers.items():
            other = twin.consumers[name] = Consumer(name, consumer.seen_time)
            other.active_time = consumer.active_time
            other.pending = consumer.pending.copy()
        return twin

    def copy(self) -> Group:
        """An independent copy. O(n)."""
        twin = Group(self.last_id, self.entries_read)
        for name, consumer in self.consumers.items():
            other = twin.consumers[name] = Consumer(name, consumer.seen_time)
            other.active_time = consumer.active_time
        for number in self.pending.ids_from():
            known = self.pending[number]
            owner = twin.consumers[known.consumer.name]
            delivery = Delivery(owner, known.time, known.count)
            twin.pending.add(number, delivery)
            owner.pending.add(number, delivery)
        return twin
