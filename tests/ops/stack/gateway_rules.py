"""What a gateway does with which path: one table that Kong's file and nginx' are held against."""

from typing import NamedTuple

from aihub.env import MIB

PREDICT, CONSOLE, API, SIGN_IN = 500, 100, 50, 2  # requests a second from one address
SMALL, PICTURES, PART, LARGE = 4 * MIB, 32 * MIB, 128 * MIB, 2048 * MIB


class Rule(NamedTuple):
    """`role` is empty for what the world does not see; `limit` is of a body, in bytes.

    `streams` is what goes through unbuffered: its body, its answer, both or neither.
    """

    path: str
    role: str
    limit: int = 0
    rate: int = 0
    streams: str = ""
    needs_credential: bool = False


def _predicts(path: str) -> Rule:
    return Rule(path, "infer", PICTURES, PREDICT, "both", needs_credential=True)


def _hidden(path: str) -> Rule:
    return Rule(path, "")


RULES = [
    *map(_hidden, ("/metrics", "/metrics/", "/livez", "/readyz")),
    Rule("/v2", "infer", PICTURES, PREDICT),
    Rule("/v2/", "infer", PICTURES, PREDICT),
    Rule("/v2/health/live", "infer", PICTURES, PREDICT),
    Rule("/v2/health/ready", "infer", PICTURES, PREDICT),
    *map(
        _predicts,
        (
            "/v2/models",
            "/v2/models/photographs/infer",
            "/v2/models/photographs/versions/1.2.0/infer",
            "/v2/repository/index",
            "/v1/models",
            "/v1/models/photographs:predict",
            "/api/v1/models/photographs/predict",
            "/api/v1/models/photographs/predict/",
        ),
    ),
    Rule("/", "web", SMALL, CONSOLE),
    Rule("/registry/registeredmodel/", "web", SMALL, CONSOLE),
    Rule("/static/console.css", "web", SMALL, CONSOLE),
    Rule("/v2x", "web", SMALL, CONSOLE),
    Rule("/v1/modelsx", "web", SMALL, CONSOLE),
    Rule("/login/", "web", SMALL, SIGN_IN),
    Rule("/api/v1/auth/token/", "web", SMALL, SIGN_IN),
    Rule("/api/schema/", "web", SMALL, API),
    Rule("/api/v1/models/", "web", SMALL, API),
    Rule("/api/v1/models/predict/", "web", SMALL, API),
    Rule("/api/v1/models/photographs/", "web", SMALL, API),
    Rule("/api/v1/models/photographs/versions/1.2.0/", "web", SMALL, API),
    Rule("/api/v1/models/photographs/versions/", "web", LARGE, API, "both"),
    Rule("/api/v1/models/photographs/samples/", "web", LARGE, API, "both"),
    Rule("/api/v1/batch-jobs/", "web", LARGE, API, "both"),
    Rule("/api/v1/batch-jobs/7/", "web", SMALL, API),
    Rule("/api/v1/uploads/1b0c/parts/", "web", SMALL, API),
    Rule("/api/v1/uploads/1b0c/parts/3/", "web", PART, API, "body"),
    Rule("/api/v1/models/photographs/versions/1.2.0/download/", "web", SMALL, API, "answer"),
    Rule("/api/v1/batch-jobs/7/output/", "web", SMALL, API, "answer"),
    Rule("/api/v1/batch-jobs/7/events/", "web", SMALL, API, "answer"),
]
OF_GRPC = "/inference.GRPCInferenceService/ModelInfer"
