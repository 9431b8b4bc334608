"""The replicas that serve, as they last said of themselves."""

from django.db import models


class Replica(models.Model):
    """A process that predicts, of a `version` of the hub. `loaded` lists what it holds in memory,
    `breakers` what it watches.

    A row older than 15 s is of a replica that is gone.
    """

    name = models.CharField(max_length=150, unique=True)
    pool = models.CharField(max_length=64, blank=True)
    cpu = models.CharField(max_length=16)
    version = models.CharField(max_length=32, blank=True, default="", db_default="")
    loaded = models.JSONField(default=list)
    breakers = models.JSONField(default=list)
    memory = models.BigIntegerField(default=0)
    started_at = models.DateTimeField()
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.name
