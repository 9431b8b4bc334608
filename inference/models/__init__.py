"""The inference app's tables."""

from inference.models.batch import BatchChunk, BatchJob
from inference.models.replicas import Replica
from inference.models.schedules import BatchSchedule

__all__ = ["BatchChunk", "BatchJob", "BatchSchedule", "Replica"]
