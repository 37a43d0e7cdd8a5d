"""What a scenario writes as a call: the policy of provers and of delegators."""

from proofyard.policies import Policy, module_of, with_values
from proofyard.scenario.tables import Table
from proofyard.worlds.text import duration_ms, number, parse_call, unknown


def policy(text: str, field: str = "provers.policy") -> Policy:
    """Read a policy: a name of `proofyard.policies.NAMES`, or a file, with parameters.

    `shade(0.1)`, `shade(by=0.1)` and `shade(by_bips=1000)` say the same; a time may be written `margin='5s'`. Raises
    BadInput.
    """
    call = parse_call(text, field)
    known: tuple[str, ...] = module_of(call.name, field).Params._fields
    values = {
        f"{key}_ms" if f"{key}_ms" in known else key: str(duration_ms(value, field)) if f"{key}_ms" in known else value
        for key, value in call.values.items()
    }
    return with_values(call.name, values, field)


class DelegatorPolicy(Table):
    """How delegators move, as numbers."""

    chases: bool = False
    lag_ms: int = 7 * 86_400_000  # they see the return over this long
    share: float = 0.1  # of those elsewhere who reconsider at an epoch
    edge: float = 0.0  # they move for a difference in APR above this


def delegator_policy(text: str, field: str = "delegators.policy") -> DelegatorPolicy:
    """Read `stay` or `chase_apr(lag='7d', share=0.1, edge=0.01)`. Raises BadInput."""
    call = parse_call(text, field)
    if call.name == "stay" and not call.values:
        return DelegatorPolicy()
    if call.name != "chase_apr":
        raise unknown(field, repr(text), ["stay", "chase_apr"], looks_like=call.name, kind="policy")
    known = {"lag", "share", "edge"}
    for key in call.values:
        if key not in known:
            raise unknown(field, repr(text), sorted(known), looks_like=key, kind="parameter of chase_apr")
    values = call.values
    return DelegatorPolicy(
        chases=True,
        lag_ms=duration_ms(values.get("lag", "7d"), field),
        share=number(values.get("share", "0.1"), field, 0.0, 1.0),
        edge=number(values.get("edge", "0"), field, 0.0, 1e6),
    )
