"""Where the objects of a job lie in the store."""

ROOT = "batch/"
INPUTS = "inputs/"  # what teams put there themselves, a folder each
RESERVED = ("files/", "uploads/", ROOT)  # what the hub keeps for itself


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
    return f"{root(job_id)}output.{output_format}"


def manifest(job_id: int) -> str:
    return f"{root(job_id)}manifest.json"


def of_team(team: str) -> str:
    """The prefix under which a team's members may name objects."""
    return f"{INPUTS}{team}/"
