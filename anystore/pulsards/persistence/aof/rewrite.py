"""Rewriting a log: an image of the data takes the place of all the commands that led to them.

In steps, so that whatever they are interrupted by, what is on disk is the whole of the data:

1. everything written so far is on disk, a new increment is named by the manifest, and written to from now on; a
   snapshot of this very moment begins;
2. the snapshot is written to a draft, slice by slice, while the server goes on;
3. the draft is synced and gets its name;
4. the manifest names it as the base, and what it replaces as history;
5. the history is removed.

Without a log (``appendonly no``) there is no increment in 1, and the base is all that the manifest names in 4.

Up to 4 the old base and all increments are what is loaded; from there on it is the new base and the increments from the
new one on.

Source: BGREWRITEAOF of Redis 7, whose files are the same at each step.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from anystore.pulsards.persistence.aof.folder import LogFolder
from anystore.pulsards.persistence.aof.manifest import Manifest, Part

if TYPE_CHECKING:
    from anystore.pulsards.persistence.snapshot import Snapshot
    from anystore.pulsards.persistence.storage import Draft

logger = logging.getLogger("anystore.pulsards")


class Rewrite:
    """One rewrite. `open`, `commit` and `remove_history` may be called in a thread, one at a time."""

    def __init__(
        self,
        folder: LogFolder,
        manifest: Manifest,
        snapshot: Snapshot,
        kept: Part | None,
        *,
        named: bool,
        is_image: bool,
    ) -> None:
        """`kept` is the increment that begins where the snapshot was taken; `named`: the manifest names it already.

        None is kept where there is no log that goes on behind the base. `is_image`: the snapshot is written as an RDB
        file, and not as commands.
        """
        self._folder = folder
        #: The image, which was taken when the rewrite began.
        self.snapshot = snapshot
        self._kept = kept
        full = manifest if named or kept is None else manifest.with_increment(kept)
        base = full.next_base(folder.name, is_image)
        self._base = base
        self._opened: Draft | None = None
        self._given_up = False
        #: The manifest as it will be.
        self.manifest = full.with_base(base, kept)

    @property
    def wanted(self) -> bool:
        """Whether the rewrite has not been given up."""
        return not self._given_up

    @property
    def draft(self) -> Draft:
        """Where the image is written to, once it has been opened."""
        assert self._opened is not None
        return self._opened

    def open(self) -> None:
        """Make the draft. Raises `OSError`."""
        self._opened = self._folder.draft(self._base)

    def commit(self) -> None:
        """Make the image the log's base. Raises `OSError`; the rewrite is to be given up then."""
        assert self.snapshot.finished
        self.draft.commit()
        self._folder.save_manifest(self.manifest)

    def remove_history(self) -> None:
        """Remove what the new base replaces; where that fails, the next rewrite or start does it."""
        try:
            self.manifest = self._folder.remove_history(self.manifest)
        except OSError as error:
            logger.warning("parts of the append-only log that are not needed any more stay: %s", error)

    def give_up(self) -> None:
        """Leave everything as it was before, but for the new increment. Never raises; `discard` follows.

        A step that runs in a thread comes to its end.
        """
        self._given_up = True
        self.snapshot.cancel()

    def discard(self) -> None:
        """Remove what has been written, unless it is the base by now. Not while a step runs. Never raises."""
        if self._opened is not None:
            self._opened.discard()
