"""`proofyard mechanisms`."""

from proofyard.cli.shared import Json, print_json


def list_mechanisms(action: str = "list", name: str = "", *, json: Json = False) -> None:
    """List the catalogue, or show one rule: its source, parameters and life cycle.

    Example: proofyard mechanisms show staked_pool

    Parameters
    ----------
    action
        list or show.
    name
        With show: the rule's name, or a rule file.
    json
        Print as JSON.
    """
    from proofyard.core.errors import BadInput
    from proofyard.lab import catalogue

    if action not in {"list", "show"}:
        raise BadInput("mechanisms", "list or show NAME", action)
    if action == "show" and not name:
        raise BadInput("mechanisms show", "the name of a rule", "none")
    entries = catalogue.entries() if action == "list" else [catalogue.entry(name)]
    if json:
        print_json([entry.as_dict() for entry in entries])
    elif action == "list":
        catalogue.show_list(entries)
    else:
        catalogue.show(entries[0])
