"""From files in the store to chunks ("places"), and from a chunk to rows."""

from inference.batch.inputs.described import Described, Unreadable
from inference.batch.inputs.describing import describe
from inference.batch.inputs.reading import columns_of, places, rows_of

__all__ = ["Described", "Unreadable", "columns_of", "describe", "places", "rows_of"]
