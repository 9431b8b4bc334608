"""What a file is, and whether it may be a model: pure functions of bytes, without torch or Django.

`peek` looks at the door while a file streams in, `identify` and `scan` in the worker. Nothing here
ever runs, imports or allocates what a file names: pickles are interpreted by a machine of our own.
"""

from registry.scanning.checkpoints import unwrap
from registry.scanning.door import peek
from registry.scanning.formats import identify
from registry.scanning.report import Finding, Report, TensorInfo
from registry.scanning.scanner import scan

__all__ = ["Finding", "Report", "TensorInfo", "identify", "peek", "scan", "unwrap"]
