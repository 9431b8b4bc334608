"""Ray Serve: one deployment, asked over its HTTP proxy."""

import os
import time
from typing import Any

from ray import serve
from starlette.requests import Request

from bench.peers.models import IS_IMAGE, PORT, Predictor


# Ray gives PyTorch as many threads as the replica has processors: one, unless told.
@serve.deployment(
    num_replicas=1, max_ongoing_requests=128, ray_actor_options={"num_cpus": os.cpu_count()}
)
class Model:
    def __init__(self) -> None:
        self.predictor = Predictor()

    async def __call__(self, request: Request) -> dict[str, Any]:
        if not IS_IMAGE:
            return {"predictions": self.predictor.compute((await request.json())["inputs"])}
        image = (await request.form())["image"]
        return {"predictions": [self.predictor.classify(await image.read())]}


if __name__ == "__main__":
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    serve.run(Model.bind(), route_prefix="/predict")
    while True:
        time.sleep(60)
