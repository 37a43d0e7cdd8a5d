"""A loop around a function of a C library, in machine code: one call from Python, and other threads run meanwhile."""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from proofyard.network.recovery import HASH_BYTES, KEY_BYTES, SIGNATURE_BYTES
from proofyard.tools import machine

_LOOP = f"""
define void @each(ptr %function, ptr %context, ptr %keys, ptr %signatures, ptr %hashes, i64 %count) {{
start:
  br label %look
look:
  %k = phi i64 [ 0, %start ], [ %next, %call ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %call, label %end
call:
  %key_at = mul i64 %k, {KEY_BYTES}
  %signature_at = mul i64 %k, {SIGNATURE_BYTES}
  %hash_at = mul i64 %k, {HASH_BYTES}
  %key = getelementptr i8, ptr %keys, i64 %key_at
  %signature = getelementptr i8, ptr %signatures, i64 %signature_at
  %hash = getelementptr i8, ptr %hashes, i64 %hash_at
  %answer = call i32 %function(ptr %context, ptr %key, ptr %signature, ptr %hash)
  %next = add i64 %k, 1
  br label %look
end:
  ret void
}}
"""


@cache
def each() -> Callable[..., Any]:
    """Make the loop: addresses of a function and its context, of keys to fill in, of signatures and hashes; a count."""
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5, ctypes.c_int64)
    return kind(machine.assembled(_LOOP, "each"))
