"""What becomes known of a call, whatever its transport, for the log and for what is counted."""

from dataclasses import dataclass

from aihub.access import Principal
from aihub.metrics import Limited
from aihub.problems import Problem
from inference.engine.measures import NOTHING, OK, Key, Measures, form_key
from inference.protocol.serving import Admitted, Ticket


@dataclass(slots=True, kw_only=True)
class Asked:
    """Who asks which version in which form, and how it ended.

    `model` is the name of one that there is, as asked for; `version` is the one asked for, then
    the one that answers; `form` names what is counted. Only predictions are.
    """

    principal: Principal | None = None
    model: str = ""
    version: str = ""
    form: Key = NOTHING
    items: int = 0
    predicts: bool = False
    outcome: str = OK

    @property
    def variant(self) -> str:
        """The form of the version that answers, or would."""
        return self.form[-1]

    def admitted(self, admitted: Admitted) -> None:
        """The caller is known, and may call what they asked for."""
        self.principal, self.model = admitted.principal, admitted.route.name
        self.version = admitted.version.version
        self.form = form_key(self.model, admitted.version)

    def entered(self, ticket: Ticket) -> None:
        """It is known what answers."""
        self.version, self.form = ticket.version.version, ticket.handle.form

    def failed(self, problem: Problem) -> None:
        """It ends in a Problem."""
        self.outcome = outcome_of(problem)

    def count(self, measures: Measures, status: int, seconds: float) -> None:
        """Count a prediction that was answered."""
        if self.predicts:
            measures.answered(self.model, self.form, self.outcome, status, seconds)

    def count_left(self, measures: Measures) -> None:
        """Count a prediction whose caller left, once."""
        if self.predicts:
            self.predicts = False
            measures.left(self.form)


def outcome_of(problem: Problem) -> str:
    """What a failure is counted as."""
    if isinstance(problem, Limited) or problem.status == 429:
        return "refused"
    by_status = {503: "unavailable", 504: "timeout"}
    return by_status.get(problem.status, "error" if problem.status >= 500 else "invalid")
