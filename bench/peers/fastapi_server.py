"""FastAPI under uvicorn: one `async def` endpoint over PyTorch."""

import time
from typing import Any

import uvicorn
from fastapi import FastAPI, UploadFile
from pydantic import BaseModel

from bench.peers.models import IS_IMAGE, PORT, Predictor

app = FastAPI()
predictor = Predictor()


class Rows(BaseModel):
    inputs: list[list[float]]


async def classify(image: UploadFile) -> dict[str, Any]:
    started = time.perf_counter()
    best = predictor.classify(await image.read())
    return {"predictions": [best], "latency_ms": (time.perf_counter() - started) * 1000}


async def compute(body: Rows) -> dict[str, Any]:
    started = time.perf_counter()
    rows = predictor.compute(body.inputs)
    return {"predictions": rows, "latency_ms": (time.perf_counter() - started) * 1000}


app.post("/predict")(classify if IS_IMAGE else compute)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=PORT)
