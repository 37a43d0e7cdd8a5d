import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofyard.core.errors import BadInput
from proofyard.worlds import ABSENT, CRASH, read
from proofyard.worlds.archive import import_archive, write_csv
from proofyard.worlds.archive import main as import_main

HEADER = "block,gas_used,hardware,client,zkvm,status,proving_time_ms"
GOOD = ["7,100,8x5090,reth,zisk-v1,ok,50", "8,200,8x5090,reth,zisk-v1,crash,", "7,100,1xL40s,reth,sp1-v5,ok,90"]


def file(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "proofs.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def complaint(path: Path, **options: list[str]) -> str:
    with pytest.raises(BadInput) as caught:
        read(path, **options)
    said = str(caught.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    return said.removeprefix(str(path))


def test_table(tmp_path: Path) -> None:
    trace = read(file(tmp_path, *GOOD))
    assert trace.names == ("1xL40s/reth/sp1-v5", "8x5090/reth/zisk-v1")
    assert trace.block.tolist() == [7, 8]
    assert trace.gas.tolist() == [100, 200]
    assert trace.time_ms.tolist() == [[90, 50], [ABSENT, CRASH]]
    assert {array.dtype for array in (trace.block, trace.gas, trace.time_ms)} == {np.dtype(np.int64)}
    assert trace.column("8x5090/zisk") == 1


def test_only_named_set_ups_are_read(tmp_path: Path) -> None:
    trace = read(file(tmp_path, "9,300,8x5090,ethrex,zisk-v1,ok,70", *GOOD), setups=["1xL40s/sp1"])
    assert trace.names == ("1xL40s/reth/sp1-v5",)
    assert trace.block.tolist() == [7]  # blocks nobody named tried are left out


def test_order_of_set_ups_is_kept(tmp_path: Path) -> None:
    names = ["8x5090/reth/zisk-v1", "1xL40s/reth/sp1-v5"]
    assert list(read(file(tmp_path, *GOOD), setups=names).names) == names


def test_order_of_columns_and_further_ones_do_not_matter(tmp_path: Path) -> None:
    header = "note,status,proving_time_ms,zkvm,client,hardware,gas_used,block"
    trace = read(file(tmp_path, '"a, b",ok,50,zisk-v1,reth,8x5090,100,7', "", header="\ufeff" + header))
    assert trace.time_ms.tolist() == [[50]]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("x,100,8x5090,reth,zisk-v1,ok,50", ", line 5, column block: wanted a block number from 1, got 'x'."),
        ("9,1e6,8x5090,reth,zisk-v1,ok,50", ", line 5, column gas_used: wanted a positive amount of gas, got '1e6'."),
        ("9,-1,8x5090,reth,zisk-v1,ok,50", ", line 5, column gas_used: wanted a positive amount of gas, got '-1'."),
        ("9,100,8x5090,reth,zisk-v1,ok,-5", ", line 5, column proving_time_ms: wanted a positive time"),
        ("9,100,8x5090,reth,zisk-v1,ok,0", ", line 5, column proving_time_ms: wanted a positive time"),
        ("9,100,8x5090,reth,zisk-v1,ok,", ", line 5, column proving_time_ms: wanted a positive time"),
        ("9,100,8x5090,reth,zisk-v1,ok,nan", ", line 5, column proving_time_ms: wanted a positive time"),
        ("9,100,8x5090,reth,zisk-v1,crash,soon", ", line 5, column proving_time_ms: wanted a positive time"),
        ("9,100,8x5090,reth,zisk-v1,late,50", ", line 5, column status: wanted ok or crash, got 'late'."),
        ("9,100,,reth,zisk-v1,ok,50", ", line 5, column hardware: wanted a name"),
        ("9,100,8x5090,a/b,zisk-v1,ok,50", ", line 5, column client: wanted a name without a slash, got 'a/b'."),
        ("9,100,8x5090", ", line 5: wanted 7 fields as in the header, got 3."),
        ("9,100,8x5090,reth,zisk-v1,ok,50,1", ", line 5: wanted 7 fields as in the header, got 8."),
        ("7,100,8x5090,reth,zisk-v1,ok,50", ", line 5, column block: wanted one row per block and set-up, got block 7"),
        ("8,201,1xL40s,reth,sp1-v5,ok,50", ", line 5, column gas_used: wanted the same gas in every row of block 8"),
        (f"{10**19},100,8x5090,reth,zisk-v1,ok,50", ", line 5, column block: wanted a block number"),
    ],
)
def test_bad_rows(tmp_path: Path, row: str, says: str) -> None:
    assert complaint(file(tmp_path, *GOOD, row)).startswith(says)


def test_bad_files(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.csv") == ": wanted a CSV file, got no such file."
    assert complaint(tmp_path) == ": wanted a CSV file, got a folder."
    path = tmp_path / "odd.csv"
    path.write_bytes(b"")
    assert complaint(path) == ": wanted a header line and rows, got an empty file."
    path.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in complaint(path)
    path.write_text(HEADER, encoding="utf-8")
    assert complaint(path) == ": wanted at least one row of data, got none."
    path.write_text(HEADER + '\n"7', encoding="utf-8")
    assert "comma-separated" in complaint(path)
    missing = complaint(file(tmp_path, *GOOD, header=HEADER.replace("gas_used", "gas_usd")))
    assert missing.startswith(", line 1: wanted a column gas_used (nearest: gas_usd), got block, gas_usd")


def test_set_up_not_in_the_file(tmp_path: Path) -> None:
    path = file(tmp_path, *GOOD)
    assert "(nearest: 8x5090/reth/zisk-v1)" in complaint(path, setups=["8x5090/reth/zisk-v2"])
    assert "at least one set-up" in complaint(path, setups=[])


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(f"{HEADER}\n{GOOD[0]}\n{text}", encoding="utf-8", errors="replace", newline="")
    try:
        assert len(read(path).block) >= 1
    except BadInput as refusal:
        assert str(refusal).startswith(str(path))  # noqa: PT017  # either outcome is right, a traceback is not


def test_measured_or_made_file(proving_csv: Path) -> None:
    trace = read(proving_csv, setups=["8x5090/zisk-0.16", "8x5090/reth/risc0-v3.0.4"])
    assert trace.names == ("8x5090/reth-v1.11.0/zisk-v0.16.1", "8x5090/reth/risc0-v3.0.4")
    assert trace.time_ms.shape == (250, 2)
    assert (trace.time_ms[:, 1] == CRASH).sum() > 3


# The public archive, in its true layout: records as they are found there.


def record(folder: Path, place: str, block: int, proving: object, gas: int = 31_234_343) -> Path:
    path = folder / "data" / "proving" / place / f"rpc_block_{block}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    stamp = "2026-04-08T16:18:37.897903483Z"
    content = {"name": f"rpc_block_{block}", "timestamp_completed": stamp, "metadata": {"block_used_gas": gas}}
    path.write_text(json.dumps(content | {"proving": proving}), encoding="utf-8")
    return path


ZISK = "8x5090/mainnet-23533500-23533999/reth-v1.11.0/zisk-v0.16.1"
RISC0 = "1xL40s/mainnet-23326233-23326262/ethrex/risc0-v3.0.3"
SUCCESS = {"success": {"proof_size": 343_580, "proving_time_ms": 21_318, "verification_time_ms": 10}}
OLD_SUCCESS = {"success": {"proof_size": 223_239, "proving_time_ms": 1_860_345}}
CRASHED = {"crashed": {"reason": 'zkVM method error: Failed to prove: Task error: Generic("verify segment")'}}


def archive(folder: Path) -> Path:
    record(folder, ZISK, 23_533_501, CRASHED, 28_063_301)
    record(folder, ZISK, 23_533_500, SUCCESS)
    record(folder, RISC0, 23_326_233, OLD_SUCCESS, 11_228_935)
    (folder / "data/proving/8x5090/mainnet-23533500-23533999/hardware.json").write_text("{}", encoding="utf-8")
    other = folder / "data/executions/1xL40s/mainnet-23533500-23533999/reth/sp1-v5.2.1/rpc_block_23533500.json"
    other.parent.mkdir(parents=True)
    other.write_text('{"execution": {}}', encoding="utf-8")
    record(folder, "8x5090/eest-fd1dd63/reth-v1.11.0/zisk-v0.16.1", 1, {"unknown": {}})
    return folder


def test_import_archive(tmp_path: Path) -> None:
    rows = import_archive(archive(tmp_path))
    assert [row.block for row in rows] == [23_326_233, 23_533_500, 23_533_501]
    assert rows[0] == (23_326_233, 11_228_935, "1xL40s", "ethrex", "risc0-v3.0.3", "ok", 1_860_345, 223_239, None)
    assert rows[1][5:] == ("ok", 21_318, 343_580, 10)
    assert rows[2][5:] == ("crash", None, None, None)
    write_csv(rows, tmp_path / "out.csv")
    trace = read(tmp_path / "out.csv")
    assert trace.names == ("1xL40s/ethrex/risc0-v3.0.3", "8x5090/reth-v1.11.0/zisk-v0.16.1")
    assert trace.time_ms.tolist() == [[1_860_345, ABSENT], [ABSENT, 21_318], [ABSENT, CRASH]]


def test_import_from_further_down(tmp_path: Path) -> None:
    archive(tmp_path)
    assert len(import_archive(tmp_path / "data/proving/8x5090")) == 2
    assert len(import_archive(tmp_path / "data/proving" / ZISK)) == 2


@pytest.mark.parametrize(
    ("proving", "says"),
    [
        ({}, "an object success, got none"),
        ([], "an object proving"),
        ({"success": {"proof_size": 3}}, "a whole number proving_time_ms, got none"),
        ({"success": {"proof_size": 3, "proving_time_ms": "9"}}, "a whole number proving_time_ms, got '9'"),
        ({"success": {"proof_size": -3, "proving_time_ms": 9}}, "a whole number proof_size, got -3"),
    ],
)
def test_bad_records(tmp_path: Path, proving: object, says: str) -> None:
    path = record(tmp_path, ZISK, 1, proving)
    with pytest.raises(BadInput) as caught:
        import_archive(tmp_path)
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)


def test_the_importer_is_a_command_that_says_nothing_but_its_line(tmp_path: Path) -> None:
    archive(tmp_path)
    command = [sys.executable, "-m", "proofyard.worlds.archive", str(tmp_path), str(tmp_path / "out.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"wrote 3 proofs to {tmp_path / 'out.csv'}\n"


def test_bad_archives(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="wanted a folder, got nothing there"):
        import_archive(tmp_path / "none")
    with pytest.raises(BadInput, match=r"rpc_block_<n>\.json, got none"):
        import_archive(tmp_path)
    record(tmp_path, ZISK, 1, SUCCESS).write_text("{", encoding="utf-8")
    with pytest.raises(BadInput, match="a JSON record"):
        import_archive(tmp_path)
    record(tmp_path, ZISK, 1, SUCCESS)
    record(tmp_path, ZISK.replace("23533999", "23533749"), 1, SUCCESS)
    with pytest.raises(BadInput, match="a second one of block 1"):
        import_archive(tmp_path)
    with pytest.raises(BadInput, match="can be written"):
        write_csv([], tmp_path / "none" / "out.csv")


def test_the_importer_runs_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "proving" / "8x5090" / "mainnet-1-2" / "reth" / "zisk-v1"
    place.mkdir(parents=True)
    record = {"metadata": {"block_used_gas": 21_000}, "proving": {"crashed": {"reason": "out of memory"}}}
    (place / "rpc_block_1.json").write_text(json.dumps(record), encoding="utf-8")
    assert import_main([str(tmp_path / "proving"), str(tmp_path / "out.csv")]) == 0
    assert capsys.readouterr().out == f"wrote 1 proofs to {tmp_path / 'out.csv'}\n"
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[1] == "1,21000,8x5090,reth,zisk-v1,crash,,,"
    assert import_main([str(tmp_path / "nowhere"), str(tmp_path / "out.csv")]) == 2
    assert import_main([]) == 2
