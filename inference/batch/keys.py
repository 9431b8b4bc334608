"""Where the objects of a job lie in the store, and which others it may read."""

import re
import uuid
from collections.abc import Iterable

ROOT = "batch/"
INPUTS = "inputs/"  # what teams put there themselves, a folder each
RESERVED = ("files/", "uploads/", ROOT)  # what the hub keeps for itself
LONGEST = 1024  # bytes of a key
_STEPS = re.compile(r"(^|/)\.{0,2}(/|$)|[\\\0]")  # what a folder takes for another place


def root(job_id: int) -> str:
    """Everything of a job but an input that it was given."""
    return f"{ROOT}{job_id}/"


def spill(job_id: int) -> str:
    """What the planner lays out anew."""
    return f"{root(job_id)}input"


def part(job_id: int, number: int) -> str:
    return f"{root(job_id)}parts/{number:06d}"


def listing(job_id: int) -> str:
    """The objects of a prefix, as they were when the job was planned."""
    return f"{root(job_id)}objects"


def output(job_id: int, output_format: str) -> str:
    """A place of its own each time: whoever was overtaken while writing overwrites nothing."""
    return f"{root(job_id)}output-{uuid.uuid4().hex[:12]}.{output_format}"


def manifest(output: str) -> str:
    """Beside the output that it describes."""
    return f"{output}.manifest.json"


def of_team(team: str) -> str:
    """The prefix under which a team's members may name objects."""
    return f"{INPUTS}{team}/"


def is_plain(key: str) -> bool:
    """Whether a key names the same place in every store, folders among them."""
    return not _STEPS.search(key) and len(key.encode("utf-8", "replace")) <= LONGEST


def is_within(key: str, roots: Iterable[str]) -> bool:
    """Whether a plain key lies under one of the prefixes, taken as folders; all do under an empty
    one. What the hub keeps for itself is nobody's."""
    if key.startswith(RESERVED):
        return False
    return any(key.startswith(root.rstrip("/") + "/") if root else True for root in roots)
