"""BentoML: one service with one endpoint."""

from pathlib import Path
from typing import Any

import bentoml

from bench.peers.models import IS_IMAGE, Predictor


@bentoml.service(workers=1, traffic={"timeout": 120, "max_concurrency": 1000})
class Model:
    def __init__(self) -> None:
        self.predictor = Predictor()

    if IS_IMAGE:

        @bentoml.api
        def predict(self, image: Path) -> dict[str, Any]:
            return {"predictions": [self.predictor.classify(image.read_bytes())]}

    else:

        @bentoml.api
        def predict(self, inputs: list[list[float]]) -> dict[str, Any]:
            return {"predictions": self.predictor.compute(inputs)}
