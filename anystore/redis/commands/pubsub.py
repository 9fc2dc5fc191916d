"""Publishing, and what the server knows of subscriptions. Subscribing is in `anystore.redis.pubsub`."""

from __future__ import annotations

from collections.abc import Awaitable

from anystore.redis.commands import replies
from anystore.redis.commands.base import Commands, KeyT, S, ValueT


class PubSubCommands(Commands[S]):
    """Publishing messages and asking about channels."""

    def publish(self, channel: KeyT, message: ValueT) -> Awaitable[int]:
        """Send a message to all who listen; how many that are (on this node, in a cluster).

        O(N + M) for N subscribers of the channel and M patterns. Since 2.0.0.
        https://valkey.io/commands/publish/
        """
        return self.execute_command("PUBLISH", channel, message)

    def spublish(self, shard_channel: KeyT, message: ValueT) -> Awaitable[int]:
        """Send a message to the subscribers of a shard channel; how many they are. O(N).

        Since 7.0.0. https://valkey.io/commands/spublish/
        """
        return self.execute_command("SPUBLISH", shard_channel, message)

    def pubsub_channels(self, pattern: KeyT = "*") -> Awaitable[list[S]]:
        """The channels with subscribers that match a glob pattern. O(N) in all channels.

        Since 2.8.0. https://valkey.io/commands/pubsub-channels/
        """
        return self.execute_command("PUBSUB", "CHANNELS", pattern)

    def pubsub_shardchannels(self, pattern: KeyT = "*") -> Awaitable[list[S]]:
        """The shard channels with subscribers that match a glob pattern. O(N) in all shard channels.

        Since 7.0.0. https://valkey.io/commands/pubsub-shardchannels/
        """
        return self.execute_command("PUBSUB", "SHARDCHANNELS", pattern)

    def pubsub_numpat(self) -> Awaitable[int]:
        """How many different patterns are subscribed to. O(1).

        Since 2.8.0. https://valkey.io/commands/pubsub-numpat/
        """
        return self.execute_command("PUBSUB", "NUMPAT")

    def pubsub_numsub(self, *args: KeyT) -> Awaitable[list[tuple[S, int]]]:
        """`(channel, subscribers)` for each channel named, patterns not counted. O(N).

        Since 2.8.0. https://valkey.io/commands/pubsub-numsub/
        """
        return self.execute_command("PUBSUB", "NUMSUB", *args, reply=replies.count_pairs)

    def pubsub_shardnumsub(self, *args: KeyT) -> Awaitable[list[tuple[S, int]]]:
        """`(shard channel, subscribers)` for each shard channel named. O(N).

        Since 7.0.0. https://valkey.io/commands/pubsub-shardnumsub/
        """
        return self.execute_command("PUBSUB", "SHARDNUMSUB", *args, reply=replies.count_pairs)
