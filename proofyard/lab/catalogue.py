"""The catalogue: what each rule is, what can be set, and the life of a job under it.

Everything comes from the rule file itself, so the same works for a rule anywhere on disk: names and defaults from
`Params` and `State`, units and meanings from the comments beside their fields, the life cycle from playing the rule.
"""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from proofyard import mechanisms
from proofyard.core import FINAL, Kind, diagram, shape
from proofyard.core.rule import Rule
from proofyard.lab.life import Transition, life_tree, observe

LONG = 10  # zeros at the end of a number that nobody counts

_UNITS = (
    "gwei per gas", "gwei", "wei", r"ms \+ 1", "ms", "s", "bips", "billionths", "percent", "gas", "tokens", "switch"
)  # fmt: skip
_UNIT = re.compile(rf"(?P<scope>[A-Z][A-Z0-9]*: )?(?P<unit>{'|'.join(_UNITS)})(?:[:,;] | (?!\W)|$)(?P<meaning>.*)")
_SUFFIXES = {"_ms": "ms", "_s": "s", "_gwei": "gwei", "_wei": "wei", "_percent": "percent", "_rate": "bips"}
_HEADING = re.compile(r"(?P<title>[A-Z][A-Za-z-]*(?: [a-z]+){0,2})(?:\s{2,}(?P<text>\S.*))?$")
_SIZES: dict[str | int, str] = {"actor": "per actor", "job": "per job", "once": "one", "tree": "sum tree"}


class FieldNote(NamedTuple):
    """A field of a class as its source has it."""

    name: str
    annotation: str
    default: str  # "" = none
    comment: str  # what stands behind it on its last line


class Parameter(NamedTuple):
    """One parameter of a rule."""

    name: str
    default: int
    unit: str
    meaning: str


class StateField(NamedTuple):
    """One array of a rule's own state, besides the book."""

    name: str
    size: str
    money: bool
    meaning: str


@dataclass(frozen=True)
class Entry:
    """One rule of the catalogue.

    Attributes
    ----------
    rule : the rule itself
    name, family : as in the scenario file; the family is "" when the module names none
    line : what it is, in one line
    source : where the rule comes from, "" when the module names none
    sections : the rest of the module's docstring, by heading
    parameters, state : in order of definition
    kinds : events the rule's source mentions
    """

    rule: Rule
    name: str
    family: str
    line: str
    source: str
    sections: dict[str, str]
    parameters: list[Parameter]
    state: list[StateField]
    kinds: list[Kind]

    @cached_property
    def transitions(self) -> tuple[Transition, ...]:
        """The life of a job, as observed in play; computed when first asked for, in about a second."""
        return observe(self.rule, self.kinds)

    @property
    def mermaid(self) -> str:
        """The life of a job as a Mermaid state diagram."""
        reached = {phase for _, _, targets in self.transitions for phase in targets}
        idle = {f"    {phase.name} --> [*]" for phase in FINAL if phase not in reached}
        return "\n".join(line for line in diagram(self.transitions).splitlines() if line not in idle) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "name": self.name,
            "family": self.family,
            "line": self.line,
            "source": self.source,
            "sections": self.sections,
            "parameters": [parameter._asdict() for parameter in self.parameters],
            "state": [field._asdict() for field in self.state],
            "kinds": [kind.name for kind in self.kinds],
            "life_cycle": [
                {"from": source.name, "kind": kind.name, "to": [phase.name for phase in targets]}
                for source, kind, targets in self.transitions
            ],
        }


def entries() -> list[Entry]:
    """List the rules of the catalogue, in its order."""
    return [_shipped(name) for name in mechanisms.NAMES]


def entry(name: str) -> Entry:
    """Describe one rule: a name from the catalogue, or a rule file. Raises BadInput."""
    rule = mechanisms.rule(name, "mechanisms show")
    module = rule.module
    source = inspect.getsource(module)
    doc = inspect.getdoc(module) or ""
    state = {note.name: note for note in field_notes(source, "State")}
    return Entry(
        rule=rule,
        name=rule.name,
        family=getattr(module, "FAMILY", ""),
        line=" ".join(doc.split("\n\n", 1)[0].split()),
        source=getattr(module, "SOURCE", ""),
        sections=sections(doc),
        parameters=[_parameter(note, type(rule.params)()) for note in field_notes(source, "Params")],
        state=[
            StateField(
                field.path, _SIZES.get(field.size, f"{field.size} entries"), field.money, state[field.path].comment
            )
            for field in shape.fields(module.State)
            if field.path in state
        ],
        kinds=kinds_in(source),
    )


_shipped = cache(entry)  # the play takes a while; shipped rules do not change under way


def field_notes(source: str, name: str) -> list[FieldNote]:
    """List the annotated fields of the class `name` in `source`, with the comments beside them."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
    classes = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == name)
    return [
        FieldNote(
            node.target.id,
            ast.unparse(node.annotation),
            ast.unparse(node.value) if node.value else "",
            comments.get(node.end_lineno or node.lineno, ""),
        )
        for known in classes
        for node in known.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]


def _parameter(note: FieldNote, defaults: Any) -> Parameter:
    unit, meaning = unit_of(note.name, note.comment)
    return Parameter(note.name, getattr(defaults, note.name), unit, meaning)


def unit_of(name: str, comment: str) -> tuple[str, str]:
    """Split the comment beside a field into its unit, else that of its name ("" = none), and its meaning."""
    found = _UNIT.match(comment)
    if found:
        return found["unit"], (found["scope"] or "") + found["meaning"].strip()
    return next((unit for suffix, unit in _SUFFIXES.items() if name.endswith(suffix)), ""), comment


def kinds_in(source: str) -> list[Kind]:
    """List the kinds of event that `source` mentions, in the order of their numbers."""
    names = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Kind"
    }
    return [kind for kind in Kind if kind.name in names]


def sections(doc: str) -> dict[str, str]:
    """Split a module's docstring behind its first paragraph by its headings: words at the margin, text indented."""
    found, title = dict[str, list[str]](), ""
    for line in doc.split("\n\n", 1)[-1].splitlines() if "\n\n" in doc else []:
        heading = _HEADING.match(line)
        if heading:
            title = heading["title"]
            found[title] = [heading["text"] or ""]
        elif title:
            found[title].append(line.strip())
    return {title: "\n".join(lines).strip() for title, lines in found.items()}


def paragraphs(text: str) -> list[str]:
    """Join wrapped lines; a new paragraph begins where one line ends with a sentence and the next begins one."""
    found: list[str] = []
    for line in text.splitlines():
        if found and line and not (found[-1].endswith((".", ":")) and line[0].isupper()):
            found[-1] += " " + line
        elif line:
            found.append(line)
    return found


def families(found: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Sort rules by family; families in the order of their first rule."""
    sorted_: dict[str, list[Entry]] = {}
    for one in found:
        sorted_.setdefault(one.family, []).append(one)
    return sorted_


def show_list(found: Sequence[Entry], console: Console | None = None) -> None:
    """Print one row per rule, family by family, each with its source."""
    table = Table(box=None, header_style="cyan", padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column("rule", style="bold", no_wrap=True)
    table.add_column("what it is")
    for family, members in families(found).items():
        table.add_row(Text(family or "other", "cyan"), "")
        for one in members:
            source = Text(one.source, "dim", no_wrap=True, overflow="ellipsis")
            table.add_row("  " + one.name, Group(Text(one.line.split(": ", 1)[-1]), source))
    console = console or Console()
    console.print(table)
    console.print("\nproofyard mechanisms show NAME tells more.", style="dim", highlight=False)


def show(one: Entry, console: Console | None = None) -> None:
    """Print all about one rule."""
    console = console or Console()
    console.print(Text.assemble((one.name, "bold"), (f"  {one.family}" if one.family else "", "dim")))
    console.print(Text(one.line))
    if one.source:
        console.print(Text.assemble(("Source: ", "dim"), one.source))
    if "Rules" in one.sections:
        _head(console, "Rules")
        for paragraph in paragraphs(one.sections["Rules"]):
            console.print(Padding(Text(paragraph), (0, 0, 0, 2), expand=False))
    _head(console, "Parameters")
    console.print(_parameters(one) if one.parameters else Text("  none"))
    if one.state:
        _head(console, "State, besides the book")
        console.print(_state(one))
    _head(console, "Life of a job")
    console.print(Padding(life_tree(one.transitions), (0, 0, 0, 2), expand=False))
    console.print(Text("  ■ the end   ↑ goes on as above", style="dim"))
    standing = ", ".join(kind.name for kind in one.kinds if kind < Kind.REQUEST)
    console.print(Text.assemble(("Other events: ", "dim"), standing or "none"))


def _head(console: Console, title: str) -> None:
    console.print(Text(f"\n{title}", style="cyan"))


def _plain() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")


def _parameters(one: Entry) -> Table:
    table = _plain()
    for title in ("name", "default", "unit", "meaning"):
        table.add_column(title, justify="right" if title == "default" else "left", no_wrap=title != "meaning")
    for parameter in one.parameters:
        table.add_row(parameter.name, in_short(parameter.default), parameter.unit, Text(parameter.meaning))
    return table


def in_short(value: int) -> str:
    """Write a whole number; many zeros at its end as a power of ten."""
    zeros = len(str(value)) - len(str(value).rstrip("0"))
    front = f"{value // 10**zeros} * " if value > 10**zeros else ""
    return f"{value:_}" if zeros < LONG else f"{front}10**{zeros}"


def _state(one: Entry) -> Table:
    table = _plain()
    for title in ("name", "size", "holds", "meaning"):
        table.add_column(title, no_wrap=title != "meaning")
    for field in one.state:
        table.add_row(field.name, field.size, "money" if field.money else "", Text(field.meaning))
    return table
