"""LitServe, as its guide serves a PyTorch model."""

from typing import Any

import litserve as ls
from fastapi import Request

from bench.peers.models import IS_IMAGE, PORT, Predictor


class Api(ls.LitAPI):
    def setup(self, device: str) -> None:
        self.predictor = Predictor()

    def decode_request(self, request: Request) -> Any:
        return request["image"].file.read() if IS_IMAGE else request["inputs"]

    def predict(self, x: Any) -> Any:
        return [self.predictor.classify(x)] if IS_IMAGE else self.predictor.compute(x)

    def encode_response(self, output: Any) -> Any:
        return {"predictions": output}


if __name__ == "__main__":
    server = ls.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False)
