"""Servers that follow one another: the two roles, and the stream between them."""

from anystore.pulsards.replication.followers import Follower
from anystore.pulsards.replication.following import Following
from anystore.pulsards.replication.history import NO_ID
from anystore.pulsards.replication.replication import Replication

__all__ = ("NO_ID", "Follower", "Following", "Replication")
