"""No job is stuck: from any point, firing due timers brings every job to its end."""

from proofyard.conformance.market import TIMER_OF, Market
from proofyard.core.event import Phase, Verdict

TIMERS_A_JOB = 200  # a timer that waits for another job may ask again, ever more rarely, but not for ever
PATIENCE = 20  # timers a job where a parameter was drawn that may be meant as patience: then no verdict is given


def drain(market: Market) -> None:
    """Fire the timers in the order they fall due until every job is final. Raises Broken if that never ends."""
    deadline = market.book.deadline
    patient = _may_wait_longer(market)
    fired, most = 0, (PATIENCE if patient else TIMERS_A_JOB) * len(market.live_jobs())
    while live := market.live_jobs():
        job = min(live, key=lambda k: (int(deadline[k]), k))
        time = max(market.now, int(deadline[job]) + 1)
        phase = Phase(int(market.book.phase[job]))
        verdict = market.answer(market.timer(job, time))
        if verdict != Verdict.OK:
            kind = TIMER_OF[phase].name
            raise market.broken("stuck", f"job {job} is {phase.name}, its {kind} is due and answered {verdict.name}")
        fired += 1
        if fired > most:
            if patient:
                return
            raise market.broken("stuck", f"job {job} is still {phase.name} after {fired} timers that were due")


def _may_wait_longer(market: Market) -> bool:
    """Tell whether a parameter was drawn that may say how often a job waits."""
    rule = market.setup.rule
    defaults = type(rule.params)()
    return any(value != default and value >= PATIENCE for value, default in zip(rule.params, defaults, strict=True))
