"""Problem documents (RFC 9457)."""

from aihub import problems
from aihub.problems import Problem


def test_it_says_what_happened_with_its_values() -> None:
    problem = Problem(404, "There is no model “%(name)s”.", name="digits")
    assert str(problem) == problem.detail() == "There is no model “digits”."


def test_it_is_translated_before_its_values_are_put_in() -> None:
    problem = Problem(404, "No %(name)s.", name="digits")
    assert problem.detail({"No %(name)s.": "没有 %(name)s。"}.__getitem__) == "没有 digits。"


def test_a_message_without_values_may_hold_percent_signs() -> None:
    assert Problem(400, "100 % wrong").detail() == "100 % wrong"


def test_its_document_has_the_members_of_the_standard() -> None:
    body = problems.document(409, "It exists.", request_id="r" * 8)
    assert body == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "It exists.",
        "request_id": "r" * 8,
    }


def test_its_document_lists_findings_where_there_are_any() -> None:
    errors = [{"field": "version", "detail": "No."}]
    assert problems.document(400, "No.", request_id="-", errors=errors)["errors"] == errors
