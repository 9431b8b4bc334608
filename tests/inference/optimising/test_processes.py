"""The compiler's process: what it says, and what its death or its hanging costs."""

import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aihub import request_context
from inference.optimising import CandidateResult, CompileTask, compile_variants
from tests.inference import samples
from tests.inference.optimising import making
from tests.logged import id_of, logged

# A compiler of the candidates a, b and c, that comes to `end` at b.
SCRIPT = """
import json, os, signal, sys, threading
from dataclasses import asdict
from inference.optimising.candidates import Candidate, reference_of
from inference.optimising.task import CompileTask

def say(**line):
    print(json.dumps(line), flush=True)

task = CompileTask.from_json(json.load(sys.stdin))
plan = [Candidate(name, "openvino", "fp32") for name in "abc"]
if END == "reference" and "a" in task.done:
    os._exit(3)
say(result=reference_of(task.spec).result().as_json())
say(plan=[asdict(candidate) for candidate in plan])
for candidate in plan:
    if candidate.name in task.done:
        continue
    say(begin=candidate.name)
    if candidate.name == "b":
        if END == "hang":
            threading.Event().wait()
        told = {"level": 30, "logger": "a.compiler", "message": "b is odd", "stack": "a trace"}
        say(log=told)
        os.kill(os.getpid(), signal.SIGKILL)
    say(result=candidate.result().as_json())
"""


def task(folder: Path, **fields: object) -> CompileTask:
    files = {"m.onnx": samples.linear_onnx(folder / "m.onnx")}
    return CompileTask(samples.spec_for(files, format="onnx"), files, folder, **fields)  # type: ignore[arg-type]


def outcome(task: CompileTask, end: str) -> dict[str, str]:
    command = (sys.executable, "-c", SCRIPT.replace("END", repr(end)))
    return {result.name: told(result) for result in compile_variants(task, command)}


def told(result: CandidateResult) -> str:
    return result.reason["message"] % result.reason["values"] if result.reason else result.state


def test_a_compiler_that_dies_costs_its_candidate_alone(tmp_path: Path) -> None:
    assert outcome(task(tmp_path), "die") == {
        "onnxruntime-fp32": "ready",
        "a": "ready",
        "b": "The compiler died: SIGKILL.",
        "c": "ready",
    }


def test_a_compiler_that_hangs_is_stopped(tmp_path: Path) -> None:
    assert outcome(task(tmp_path, limit=4.0), "hang") == {
        "onnxruntime-fp32": "ready",
        "a": "ready",
        "b": "Compiling took longer than 4 seconds.",
        "c": "ready",
    }


def test_without_a_reference_nothing_is_left_to_try(tmp_path: Path) -> None:
    found = outcome(task(tmp_path), "reference")
    assert found["b"] == "The compiler died: SIGKILL."
    assert found["c"] == "The compiler died: 3."
    assert list(found) == ["onnxruntime-fp32", "a", "b", "c"]


def test_what_it_says_for_the_log_is_of_the_work_that_it_is_for(tmp_path: Path) -> None:
    with request_context.use("asked-0001"), logged() as lines:
        outcome(task(tmp_path), "die")
    (told,) = (line for line in lines if line["log"]["logger"] == "a.compiler")
    assert (told["message"], told["error"]["stack_trace"]) == ("b is odd", "a trace")
    (died,) = (line for line in lines if "exit_code" in line["process"])
    assert died["process"]["exit_code"] == -signal.SIGKILL
    assert {id_of(line) for line in lines} == {"asked-0001"}


def test_what_is_done_is_left_out(tmp_path: Path) -> None:
    assert list(outcome(task(tmp_path, done=frozenset({"onnxruntime-fp32", "b"})), "die")) == [
        "a",
        "c",
    ]


@pytest.mark.slow
def test_the_real_compiler_survives_a_crash_in_an_export(tmp_path: Path) -> None:
    done = frozenset({"openvino-bf16", "onnxruntime-fp32"})
    architecture = "digits_cnn=tests.inference.optimising.hostile:dies_in_export"
    compiling = replace(making.digits(tmp_path, done=done), architectures=(architecture,))
    found = {result.name: told(result) for result in compile_variants(compiling)}
    assert found == {
        "torch-fp32": "ready",
        "openvino-fp32": "The compiler died: SIGSEGV.",
        "torch-bf16": "ready",
    }


def test_closing_stops_the_compiler(tmp_path: Path) -> None:
    command = (sys.executable, "-c", SCRIPT.replace("END", "'hang'"))
    results = compile_variants(task(tmp_path), command)
    assert next(results).reference
    results.close()


def test_a_task_and_its_results_survive_json(tmp_path: Path) -> None:
    given = task(tmp_path, samples={"a.png": tmp_path}, sparsity=0.5, done=frozenset({"x"}))
    assert CompileTask.from_json(given.as_json()) == given
    result = CandidateResult("a", "openvino", "fp32", file=tmp_path, reason={"message": "m"})
    assert CandidateResult.from_json(result.as_json()) == result
