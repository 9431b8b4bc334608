"""Which variant serves."""

from typing import Any

from hypothesis import given, strategies as st

from inference.optimising import CandidateResult
from inference.optimising.policy import choose

RATES = st.none() | st.floats(0, 1e6)
SHARES = st.none() | st.floats(0, 1)


def row(name: str = "a", **fields: Any) -> CandidateResult:
    given: dict[str, Any] = {
        "precision": "fp32",
        "inputs": 200,
        "inputs_from": "photographs",
        "decided": 150,
        "agreement": 1.0,
        "max_difference": 0.0,
        "rate_1": 10.0,
        "rate_8": 10.0,
    }
    return CandidateResult(name=name, runtime="openvino", **{**given, **fields})


REFERENCE = row("reference", reference=True, rate_1=1.0, rate_8=1.0)
BF16 = {"precision": "bf16", "max_difference": 0.1, "agreement": 0.99}
INT8 = {"precision": "int8", "max_difference": 0.3, "agreement": 0.98, "inputs_from": "owner"}


@st.composite
def rows(draw: st.DrawFn) -> list[CandidateResult]:
    others = [
        row(
            f"v{index}",
            precision=draw(st.sampled_from(["fp32", "bf16", "int8"])),
            state=draw(st.sampled_from(["ready", "failed"])),
            inputs=draw(st.sampled_from([1, 199, 200, 400])),
            inputs_from=draw(st.sampled_from(["owner", "photographs", "texts", "made-up"])),
            decided=draw(st.sampled_from([0, 1, 150])),
            agreement=draw(SHARES),
            max_difference=draw(SHARES),
            rate_1=draw(RATES),
            rate_8=draw(RATES),
        )
        for index in range(draw(st.integers(0, 5)))
    ]
    rate = draw(st.floats(0, 1e6))
    return [row("reference", reference=True, rate_1=rate, rate_8=rate), *others]


def chosen(precision: str, table: list[CandidateResult], pinned: str = "") -> CandidateResult:
    name = choose(precision, table, pinned)
    assert name != "reference"  # the reference is None
    return next(row for row in table if row.name == (name or "reference"))


PRECISIONS = st.sampled_from(["exact", "fast", "int8"])


@given(PRECISIONS, rows())
def test_it_takes_nothing_that_failed_or_is_slower(
    precision: str, table: list[CandidateResult]
) -> None:
    found, reference = chosen(precision, table), table[0]
    assert found.state == "ready"
    assert (found.rate_1 or 0) * (found.rate_8 or 0) >= (reference.rate_1 or 0) ** 2


@given(rows())
def test_exact_never_differs(table: list[CandidateResult]) -> None:
    found = chosen("exact", table)
    assert found.max_difference is not None
    assert found.max_difference <= 1e-3
    assert found.precision != "int8"


@given(rows())
def test_fast_agrees_or_is_exact(table: list[CandidateResult]) -> None:
    found = chosen("fast", table)
    exact = found.max_difference is not None and found.max_difference <= 1e-3
    assert exact or (found.agreement or 0) >= 0.98
    assert exact or (found.inputs >= 200 and found.decided and found.inputs_from != "made-up")
    assert found.precision != "int8"


@given(rows())
def test_int8_needs_the_owners_data(table: list[CandidateResult]) -> None:
    found = chosen("int8", table)
    assert found.precision != "int8" or (
        found.inputs_from == "owner" and (found.agreement or 0) >= 0.98
    )


@given(PRECISIONS, rows(), st.integers(0, 5))
def test_a_pinned_one_wins_if_it_is_ready(
    precision: str, table: list[CandidateResult], index: int
) -> None:
    name = f"v{index}"
    held = [row for row in table if row.name == name and row.state == "ready"]
    unpinned = choose(precision, table)
    assert choose(precision, table, name) == (name if held else unpinned)


def test_the_reference_may_be_pinned() -> None:
    assert choose("fast", [REFERENCE, row()], "reference") is None


def test_each_precision_takes_its_fastest() -> None:
    table = [
        REFERENCE,
        row("fp32", rate_1=2.0, rate_8=2.0),
        row("bf16", **BF16, rate_1=4.0, rate_8=4.0),
        row("int8", **INT8, rate_1=8.0, rate_8=8.0),
    ]
    assert [choose(p, table) for p in ("exact", "fast", "int8")] == ["fp32", "bf16", "int8"]


def test_made_up_inputs_only_vouch_for_fp32() -> None:
    exact = {"max_difference": 0.0, "inputs_from": "made-up"}
    table = [REFERENCE, row("bf16", precision="bf16", **exact, rate_1=99.0), row("fp32", **exact)]
    assert {choose(p, table) for p in ("exact", "fast", "int8")} == {"fp32"}


def test_without_a_measured_reference_there_is_no_choice() -> None:
    assert choose("fast", [row()]) is None
    assert choose("fast", []) is None
