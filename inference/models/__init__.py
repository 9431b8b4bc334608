"""The inference app's tables."""

from inference.models.batch import BatchChunk, BatchJob
from inference.models.replicas import Replica

__all__ = ["BatchChunk", "BatchJob", "Replica"]
