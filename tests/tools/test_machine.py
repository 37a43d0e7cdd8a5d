"""Machine code on disk: made once, loaded as often as wanted, made anew when it is not what was written."""

import ctypes
from pathlib import Path
from typing import Any

from llvmlite import binding  # pyright: ignore[reportAttributeAccessIssue]

from proofyard.tools import machine


def seven() -> tuple[str, bytes]:
    """Compile a function that returns seven."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target: Any = binding.Target.from_default_triple().create_target_machine(jit=True)
    return "seven", target.emit_object(binding.parse_assembly("define i64 @seven() { ret i64 7 }"))


class Compiler:
    """Counts how often it is asked."""

    asked = 0

    def __call__(self) -> tuple[str, bytes]:
        """Compile."""
        self.asked += 1
        return seven()


def answer(address: int) -> int:
    """Call what lies there."""
    return ctypes.CFUNCTYPE(ctypes.c_int64)(address)()


def test_code_is_made_once_and_kept(tmp_path: Path) -> None:
    place, make, heard = tmp_path / "deep" / "seven.o", Compiler(), list[str]()
    assert answer(machine.address(place, make)) == answer(machine.address(place, make, heard.append)) == 7
    assert (make.asked, heard) == (1, ["seven"])
    assert [path.name for path in place.parent.iterdir()] == ["seven.o"]


def test_code_that_is_not_as_it_was_written_is_made_anew(tmp_path: Path) -> None:
    place, make = tmp_path / "seven.o", Compiler()
    machine.address(place, make)
    whole = place.read_bytes()
    for damaged in (b"", whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), whole.replace(b"seven ", b"eight ", 1)):
        place.write_bytes(damaged)
        assert answer(machine.address(place, make)) == 7
    assert make.asked == 5
    assert place.read_bytes() == whole


def test_the_processor_is_named_with_what_it_can_do() -> None:
    assert str(binding.get_host_cpu_name()) in machine.processor()
    assert "+" in machine.processor()
