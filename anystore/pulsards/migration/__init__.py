"""MIGRATE: keys on their way to another server."""

from anystore.pulsards.migration.moving import Migration, Migrations, MigrationWaiter, Target

__all__ = ("Migration", "MigrationWaiter", "Migrations", "Target")
