"""Compiling faster forms of a version, comparing them with its reference, and choosing one."""

from inference.optimising.compiling import compile_variants
from inference.optimising.task import CandidateResult, CompileTask

__all__ = ["CandidateResult", "CompileTask", "compile_variants"]
