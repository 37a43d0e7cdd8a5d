# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUntypedClassDecorator=false, reportOptionalCall=false
# Numba's extension API has no types.
"""Named tuples of int64 arrays as compiled code sees them: one pointer, no owner, no reference counts.

Numba passes a named tuple of arrays by value, seven words an array, and counts references on the way: functions over
thirty arrays compile for a quarter of a minute and run ten times slower than C. Here a `Struct` is the address of a
row of (address, size) pairs, and `s.stake[i]`, `len(s.stake)`, `w.provers[i].wins += 1`, `p.window` compile to plain
loads and stores, so the same source runs on the plain Python tuples and on these. Measured in `benchmarks/`.
"""

import operator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.imputils import lower_getattr_generic, lower_setattr_generic
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr, infer_global, signature
from numba.extending import intrinsic, lower_builtin

from proofyard.core.book import Ints
from proofyard.engine.layout import call, prefetch

_WORD = ir.IntType(64)
_POINTER = _WORD.as_pointer()
_BYTES = 8


class Struct(types.Type):
    """A named tuple whose arrays are found from one address; `layout` maps each field to its type and word offset."""

    def __init__(self, name: str, layout: dict[str, tuple[Any, int]], words: int, *, fixed: bool) -> None:
        self.layout = layout
        self.words = words
        self.fixed = fixed  # do its words never change while compiled code runs?
        super().__init__(f"Struct({name}, {fixed})")


class Cells(types.Type):
    """An int64 array: its address and its size."""

    def __init__(self) -> None:
        super().__init__("Cells")


class Table(types.Type):
    """An array of records of int64 fields: its address and its size."""

    def __init__(self, record: "Row") -> None:
        self.record = record
        super().__init__(f"Table({record.name})")


class Row(types.Type):
    """One record: its address; `columns` maps each field to its place."""

    def __init__(self, record: np.dtype[Any]) -> None:
        self.columns = {name: place[1] // _BYTES for name, place in (record.fields or {}).items()}
        self.width = record.itemsize // _BYTES  # in words
        super().__init__(f"Row({record})")


CELLS = Cells()


def layout_of(tuple_type: type[Any], first: int = 0, *, fixed: bool = True) -> Struct:
    """Lay a named tuple out: two words (address, size) an array, nested tuples in place, an `int` field one word.

    An array of records is annotated with their type.
    """
    layout: dict[str, tuple[Any, int]] = {}
    at = first
    for name, hint in get_type_hints(tuple_type, include_extras=True).items():
        plain, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        if marks and isinstance(marks[0], np.dtype):
            layout[name] = (Table(Row(marks[0])), at)
            at += 2
        elif plain is int:
            layout[name] = (types.int64, at)
            at += 1
        elif plain in (Ints, Any):
            layout[name] = (CELLS, at)
            at += 2
        else:
            inner = layout_of(plain, at)
            layout[name] = (inner, at)
            at += inner.words
    return Struct(f"{tuple_type.__module__}.{tuple_type.__qualname__}+{first}", layout, at - first, fixed=fixed)


@register_default(Struct)
@register_default(Row)
class _AddressModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _POINTER)


@register_default(Cells)
@register_default(Table)
class _SpanModel(models.StructModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, [("data", types.CPointer(types.int64)), ("size", types.int64)])


@infer_getattr
class _StructFields(AttributeTemplate):
    key = Struct

    def generic_resolve(self, struct: Struct, name: str) -> Any:
        """Type of a field."""
        return struct.layout[name][0] if name in struct.layout else None


@infer_getattr
class _RowFields(AttributeTemplate):
    key = Row

    def generic_resolve(self, row: Row, name: str) -> Any:
        """Type of a field."""
        return types.int64 if name in row.columns else None


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:  # noqa: ARG002
        """Type of an element."""
        span, index = args
        if isinstance(span, Cells) and isinstance(index, types.Integer):
            return signature(types.int64, span, types.int64)
        if isinstance(span, Table) and isinstance(index, types.Integer):
            return signature(span.record, span, types.int64)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:  # noqa: ARG002
        """Type of a store."""
        span, index, value = args
        whole = isinstance(value, types.Integer | types.Boolean | types.IntEnumMember)
        if isinstance(span, Cells) and isinstance(index, types.Integer) and whole:
            return signature(types.void, span, types.int64, types.int64)
        return None


@infer_global(len)
class _Length(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:  # noqa: ARG002
        """Type of a size."""
        return signature(types.int64, *args) if isinstance(args[0], Cells | Table) else None


def _at(builder: Any, pointer: Any, words: Any) -> Any:
    index = ir.Constant(_WORD, words) if isinstance(words, int) else words
    return builder.gep(pointer, [index])


def _load_fixed(builder: Any, pointer: Any, offset: int) -> Any:
    """Load a word that never changes while compiled code runs: an address, a size, a parameter."""
    word = builder.load(_at(builder, pointer, offset))
    word.set_metadata("invariant.load", builder.module.add_metadata([]))
    return word


@lower_getattr_generic(Struct)
def _struct_field(context: Any, builder: Any, struct: Any, pointer: Any, name: str) -> Any:
    kind, offset = struct.layout[name]
    if isinstance(kind, Struct):
        return pointer  # a nested tuple counts its offsets from the same address
    if not struct.fixed:
        return builder.load(_at(builder, pointer, offset))
    first = _load_fixed(builder, pointer, offset)
    if kind == types.int64:
        return first
    span = cgutils.create_struct_proxy(kind)(context, builder)
    span.data = builder.inttoptr(first, _POINTER)
    span.size = _load_fixed(builder, pointer, offset + 1)
    return span._getvalue()  # noqa: SLF001


@lower_getattr_generic(Row)
def _row_field(context: Any, builder: Any, row: Any, pointer: Any, name: str) -> Any:
    return builder.load(_at(builder, pointer, row.columns[name]))


@lower_setattr_generic(Row)
def _set_row_field(context: Any, builder: Any, sig: Any, args: Any, name: str) -> None:
    row, value = args
    word = context.cast(builder, value, sig.args[1], types.int64)
    builder.store(word, _at(builder, row, sig.args[0].columns[name]))


@lower_builtin(operator.getitem, Cells, types.Integer)
def _get_cell(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    span = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0])
    return builder.load(_at(builder, span.data, args[1]))


@lower_builtin(operator.setitem, Cells, types.Integer, types.Integer)
def _set_cell(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    span = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0])
    builder.store(args[2], _at(builder, span.data, args[1]))
    return context.get_dummy_value()


@lower_builtin(operator.getitem, Table, types.Integer)
def _get_row(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    table = sig.args[0]
    span = cgutils.create_struct_proxy(table)(context, builder, args[0])
    return _at(builder, span.data, builder.mul(args[1], ir.Constant(_WORD, table.record.width)))


@lower_builtin(len, Cells)
@lower_builtin(len, Table)
def _size(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0]).size


def pointer_to(struct: Struct) -> Any:
    """Make the compiled function that takes an address for a `struct`."""

    def as_struct(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], _POINTER)

        return struct(types.int64), codegen

    return intrinsic(as_struct)


@intrinsic
def cells_at(typingctx: Any, address: Any, size: Any) -> Any:
    """Make of an address and a size the array that lies there."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        span = cgutils.create_struct_proxy(CELLS)(context, builder)
        span.data, span.size = builder.inttoptr(args[0], _POINTER), args[1]
        return span._getvalue()  # noqa: SLF001

    return CELLS(types.int64, types.int64), codegen


@infer_global(prefetch)
class _Prefetch(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:  # noqa: ARG002
        """Take a table or cells, and where."""
        return signature(types.void, args[0], types.int64)


@lower_builtin(prefetch, Table, types.Integer)
@lower_builtin(prefetch, Cells, types.Integer)
def _lower_prefetch(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    span = cgutils.create_struct_proxy(sig.args[0])(context, builder, args[0])
    width = sig.args[0].record.width if isinstance(sig.args[0], Table) else 1
    row = _at(builder, span.data, builder.mul(args[1], ir.Constant(_WORD, width)))
    row = builder.bitcast(row, cgutils.voidptr_t)
    kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, *[cgutils.int32_t] * 3])
    fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    to_write, keep, data = (cgutils.int32_t(value) for value in (1, 3, 1))
    builder.call(fetch, [row, to_write, keep, data])
    return context.get_dummy_value()


@infer_global(call)
class _Call(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:  # noqa: ARG002
        """Type of a verdict or of what a policy decides."""
        return signature(types.int64, types.int64, types.int64, CELLS)


@lower_builtin(call, types.int64, types.int64, Cells)
def _lower_call(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    rule = ir.FunctionType(_WORD, [_WORD, _WORD])
    span = cgutils.create_struct_proxy(CELLS)(context, builder, args[2])
    event_address = builder.ptrtoint(span.data, _WORD)
    return builder.call(builder.inttoptr(args[0], rule.as_pointer()), [args[1], event_address])
