"""MLServer: a custom runtime, asked by the Open Inference Protocol."""

import base64

import numpy as np
import torch
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from bench.peers.models import IS_IMAGE, Predictor


class Model(MLModel):
    async def load(self) -> bool:
        self.predictor = Predictor()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        outputs = self._classify(payload) if IS_IMAGE else [self._compute(payload)]
        return InferenceResponse(model_name=self.name, outputs=outputs)

    def _classify(self, payload: InferenceRequest) -> list[ResponseOutput]:
        """Pictures come as base64: the protocol's JSON has no bytes."""
        pictures = StringCodec.decode_input(payload.inputs[0])
        answers = [self.predictor.classify(base64.b64decode(picture)) for picture in pictures]
        labels = [str(best["label"]) for answer in answers for best in answer]
        scores = np.array([[best["score"] for best in answer] for answer in answers])
        return [
            StringCodec.encode_output("labels", labels),
            NumpyCodec.encode_output("scores", scores),
        ]

    def _compute(self, payload: InferenceRequest) -> ResponseOutput:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        with torch.inference_mode():
            output = self.predictor.module(torch.from_numpy(np.asarray(rows, dtype=np.float32)))
        return NumpyCodec.encode_output("output", output.numpy())
