"""Sheets: several messages under one signature, taken, kept and audited line by line."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from network import markets as m

from proofyard.core import Kind
from proofyard.network import coordinator as coordinators
from proofyard.network import sheets
from proofyard.network.beacon import word_from
from proofyard.network.client import Accepted, Market
from proofyard.network.coordinator import Coordinator, Receipt
from proofyard.network.journal import SqliteJournal
from proofyard.network.messages import LONGEST_MS, VERBS, Domain, Value, digest_of
from proofyard.network.records import Blob, Row, digest, pack, unpack
from proofyard.network.refusals import Refused
from proofyard.network.sheets import Sheet, Sheets

DOMAIN = Domain(31_337, bytes(range(20)), bytes(range(32)))
VALUES: dict[str, Value] = {"uint64": 7, "address": "0x" + "ab" * 20, "bytes32": "0x" + "cd" * 32, "string": "to Ω"}
OFFERS: list[dict[str, Value]] = [{"price": price, "capacity": 1} for price in (10, 20, 30)]
CEILING = 500 * m.TOKEN
SECRET = b"\x11" * 32


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


def reasons(told: list[Any]) -> list[str]:
    return [each.reason if isinstance(each, Refused) else "" for each in told]


def offers(coordinator: Coordinator, lines: list[dict[str, Value]] = OFFERS, **more: Any) -> Sheet:
    return sheets.write(m.PROVER, "offer", coordinator.ready().domain, lines, **more)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "skip"])
def test_signs_what_wallets_sign(verb: str) -> None:
    fields = {name: VALUES[kind] for name, kind in VERBS[verb].fields}
    sheet = sheets.write(m.Signer(SECRET), verb, DOMAIN, [fields] * 3)
    wallet = encode_typed_data(full_message=sheets.typed_data(verb, list(sheet.lines), DOMAIN))
    assert Account.sign_message(wallet, SECRET).signature == sheet.signature
    nonces = {line["nonce"] for line in sheet.lines}
    assert len(nonces) == 3


def test_lines_become_rows_in_order_and_an_audit_finds_each_signed(url: str) -> None:
    async def play() -> None:
        coordinator = m.coordinator(url)
        async with m.running(coordinator) as client:
            requester, prover = await m.staked(client)
            told = await prover.send_sheet("offer", OFFERS)
            assert all(isinstance(each, Accepted) for each in told), told
            seqs = [each.seq for each in told if isinstance(each, Accepted)]
            assert seqs == list(range(seqs[0], seqs[0] + 3))
            tasks = m.tasks(2)
            named: list[dict[str, Value]] = [
                {"ceiling": CEILING, "size": 1_000, "payload": "0x" + m.digest_hex(task.to_bytes())} for task in tasks
            ]
            asked = await requester.send_sheet("request", named, [task.to_bytes() for task in tasks])
            assert reasons(asked) == ["", ""]
            proofs = [m.proof_of(task, m.PROVER) for task in tasks]
            proven: list[dict[str, Value]] = [
                {"job": job, "tier": 0, "proof": "0x" + m.digest_hex(proof)} for job, proof in enumerate(proofs)
            ]
            assert reasons(await prover.send_sheet("prove", proven, proofs)) == ["", ""]
            await m.until(lambda: requester.jobs(unfinished=True), [])

    run(play())
    report = m.audited(url)
    assert report.ok, report.first_failure
    assert report.signatures == 2 + 2 + 3 + 2 + 2  # joins, offer and stake, then three sheets
    assert report.proofs == 2
    assert m.rebuilt(url).state.price[1] == 30


def test_each_line_is_answered_for_itself(tmp_path: Path) -> None:
    async def play() -> None:
        coordinator = m.coordinator(tmp_path / "market.db")
        async with m.running(coordinator) as client:
            await m.staked(client)
            first = offers(coordinator)
            assert reasons(await coordinator.intake.hand_in_sheet(first)) == ["", "", ""]
            again = await coordinator.intake.hand_in_sheet(first)
            assert reasons(again) == ["REPLAYED"] * 3
            mixed = offers(coordinator, [*OFFERS, {"price": 2**61, "capacity": 1}])
            mixed = again_signed(mixed, [first.lines[0], *mixed.lines[1:]], coordinator)
            assert reasons(await coordinator.intake.hand_in_sheet(mixed)) == ["REPLAYED", "", "", "BAD_AMOUNT"]
            late = again_signed(
                mixed, [{**line, "nonce": k, "expiry": k} for k, line in enumerate(OFFERS_OF)], coordinator
            )
            assert reasons(await coordinator.intake.hand_in_sheet(late)) == ["EXPIRED", "EXPIRED"]
            far = offers(coordinator, lasts_ms=LONGEST_MS + 60_000)
            assert reasons(await coordinator.intake.hand_in_sheet(far)) == ["TOO_FAR"] * 3
            alone = await coordinator.submit(m.PROVER.sign("offer", coordinator.ready().domain, price=40, capacity=1))
            assert alone.seq == coordinator.ready().last.seq

    run(play())


OFFERS_OF: list[dict[str, Value]] = [{"sender": m.PROVER.address, "price": k, "capacity": 1} for k in (1, 2)]


def again_signed(sheet: Sheet, lines: list[dict[str, Value]], coordinator: Coordinator) -> Sheet:
    """Sign other lines, whatever nonces and times they have."""
    hashes = b"".join(sheets.struct_hash(sheet.verb, line) for line in lines)
    domain = coordinator.ready().domain
    signature = m.PROVER.sign_hash(sheets.digest_of(sheet.verb, hashes, domain))
    return sheet._replace(lines=lines, signature=signature)


def test_what_was_not_signed_together_is_refused(tmp_path: Path) -> None:
    async def play() -> None:
        coordinator = m.coordinator(tmp_path / "market.db")
        async with m.running(coordinator) as client:
            await m.staked(client)
            sheet = offers(coordinator)
            before = coordinator.ready().last.seq

            async def told(other: Sheet) -> list[str]:
                return reasons(await coordinator.intake.hand_in_sheet(other))

            assert await told(sheet._replace(lines=sheet.lines[:2])) == ["BAD_SIGNATURE"] * 2
            assert await told(sheet._replace(lines=sheet.lines[::-1])) == ["BAD_SIGNATURE"] * 3
            changed = [{**sheet.lines[0], "price": 11}, *sheet.lines[1:]]
            assert await told(sheet._replace(lines=changed)) == ["BAD_SIGNATURE"] * 3
            assert await told(sheet._replace(signature=bytes(65))) == ["BAD_SIGNATURE"] * 3
            stolen = [{**line, "sender": m.REQUESTER.address} for line in sheet.lines]
            assert await told(again_signed(sheet, stolen, coordinator)) == ["BAD_SIGNATURE"] * 3
            stranger = sheets.write(m.STRANGER, "offer", coordinator.ready().domain, OFFERS)
            assert await told(stranger) == ["UNKNOWN_SENDER"] * 3
            elsewhere = coordinator.ready().domain._replace(chain_id=7)
            assert await told(sheets.write(m.PROVER, "offer", elsewhere, OFFERS)) == ["BAD_SIGNATURE"] * 3
            assert coordinator.ready().last.seq == before
            alone = m.PROVER.sign("offer", coordinator.ready().domain, price=10, capacity=1)
            one = Sheet("offer", [alone.message], alone.signature, alone.market)
            assert await told(one) == ["BAD_SIGNATURE"]  # a signature of a message is none of a sheet with it
            assert await told(sheet) == ["", "", ""]

    run(play())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"market": bytes(32)}, "market"),
        ({"payloads": [b"one"]}, "payloads"),
        ({"verb": "skip"}, "verb"),
        ({"verb": "steal"}, "verb"),
        ({"verb": "stake"}, "message.amount"),
    ],
)
def test_a_sheet_nobody_can_have_signed_is_refused_as_a_whole(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    async def play() -> None:
        coordinator = m.coordinator(tmp_path / "market.db")
        async with m.running(coordinator) as client:
            await m.staked(client)
            with pytest.raises(Refused) as caught:
                await coordinator.intake.hand_in_sheet(offers(coordinator)._replace(**change))
            assert caught.value.field == field

    run(play())


def test_over_http_lines_are_told_as_messages_of_a_batch_are(tmp_path: Path) -> None:
    async def play() -> None:
        coordinator = m.coordinator(tmp_path / "market.db")
        async with m.running(coordinator) as client:
            _, prover = await m.staked(client)
            sheet = offers(coordinator, [*OFFERS, {"price": 2**61, "capacity": 1}])
            async with httpx.AsyncClient(base_url=prover.urls[0]) as http:
                told = (await http.post("/v1/sheets", content=sheet.to_json())).json()
                assert [each.get("reason", "") for each in told] == ["", "", "", "BAD_AMOUNT"]
                assert told[0].keys() == Receipt(0, 0, 0, 0, "")._asdict().keys()
                many = offers(coordinator, OFFERS * 22)
                answer = await http.post("/v1/sheets", content=many.to_json())
                assert (answer.status_code, answer.json()["field"]) == (422, "body.lines")
                assert (await http.post("/v1/sheets", content=b"[]")).status_code == 422
            assert reasons(await prover.hand_in_sheet(sheet)) == [
                "",
                "",
                "",
                "BAD_AMOUNT",
            ]  # what counts is found again
            await asyncio.to_thread(waits, prover.urls[0])

    run(play())


def waits(url: str) -> None:
    with Market(url, m.PROVER) as market:
        assert reasons(market.send_sheet("offer", OFFERS)) == ["", "", ""]


def test_a_sheet_that_a_full_disk_refuses_counts_once_when_there_is_room(tmp_path: Path) -> None:
    async def play() -> None:
        journal = SqliteJournal(tmp_path / "market.db")
        coordinator = coordinators.Coordinator(journal, m.WRITER, m.backend(), m.genesis())
        async with m.running(coordinator) as client:
            await m.staked(client)

            def limit(pages: int) -> None:
                journal._open().execute(f"PRAGMA max_page_count={pages}")

            await coordinator.on_disk(limit, 1)
            full = offers(coordinator, OFFERS * 20)
            refused = await client(m.PROVER, patience_s=0.0).hand_in_sheet(full)
            assert reasons(refused) == ["JOURNAL"] * 60
            trying = asyncio.create_task(client(m.PROVER).hand_in_sheet(full))
            await asyncio.sleep(0.2)
            assert not trying.done()
            await coordinator.on_disk(limit, 2**30)
            assert reasons(await trying) == [""] * 60
        rows = [row for row in m.read(tmp_path / "market.db") if b'"sheet"' in row.body]
        assert len(rows) == 60
        assert m.audited(tmp_path / "market.db").ok

    run(play())


@pytest.fixture(scope="module")
def honest(fresh: Callable[[], str]) -> str:
    url = fresh()

    async def play() -> None:
        async with m.running(m.coordinator(url)) as client:
            _, prover = await m.staked(client)
            await prover.send_sheet("offer", OFFERS)
            await prover.send_sheet("offer", OFFERS)

    run(play())
    return url


def with_body(body: dict[str, Any]) -> Callable[[list[Row]], list[Row]]:
    """Give the first line another body."""

    def change(rows: list[Row]) -> list[Row]:
        k = first_line(rows)
        return [*rows[:k], rows[k]._replace(body=pack({**unpack(rows[k].body), **body})), *rows[k + 1 :]]

    return change


def first_line(rows: list[Row]) -> int:
    return next(row.seq for row in rows if b'"sheet"' in row.body)


def test_an_audit_finds_a_line_its_sheet_does_not_hold(honest: str, fresh: Callable[[], str]) -> None:
    assert m.audited(m.forged(honest, fresh(), with_body({}))).ok
    rows = [row for row in m.read(honest) if b'"sheet"' in row.body]
    message = unpack(rows[0].body)["message"]
    mine, other = unpack(rows[0].body)["sheet"], unpack(rows[-1].body)["sheet"]
    assert mine != other
    domain = m.rebuilt(honest).domain
    hashed = sheets.struct_hash("offer", message)
    by_another = sheets.keep("offer", m.STRANGER.sign_hash(sheets.digest_of("offer", hashed, domain)), hashed)
    as_another = sheets.keep("stake", m.PROVER.sign_hash(sheets.digest_of("stake", hashed, domain)), hashed)
    of_none = sheets.keep("steal", bytes(65), hashed)
    alone = sheets.keep("offer", m.PROVER.sign_hash(digest_of("offer", message, domain)), hashed)
    broken = Blob(digest(b"{}"), b"{}")
    for body, blobs, why in [
        ({"sheet": other}, [], "one with this line"),
        ({"message": {**message, "price": 11}}, [], "one with this line"),
        ({"sheet": "0x" + "12" * 32}, [], "got none"),
        ({"sheet": "0x" + by_another.digest.hex()}, [by_another], "one by"),
        ({"sheet": "0x" + as_another.digest.hex()}, [as_another], "one with this line"),
        ({"sheet": "0x" + of_none.digest.hex()}, [of_none], "lines of one of"),
        ({"sheet": "0x" + alone.digest.hex()}, [alone], "one by"),
        ({"sheet": "0x" + broken.digest.hex()}, [broken], "signature and hashes of lines"),
        ({}, [Blob(bytes.fromhex(mine[2:]), by_another.data)], "got others"),
    ]:
        found = m.audited(m.forged(honest, fresh(), with_body(body), blobs)).first_failure
        assert found is not None, why
        assert found.seq == rows[0].seq
        assert why in found.why, found.why


def test_a_line_is_found_whatever_sheet_was_looked_at_before() -> None:
    """A reader keeps the sheet looked at last; another one in between, or a bad one, changes nothing."""
    reader = Sheets(DOMAIN)
    made = [sheets.write(m.PROVER, "offer", DOMAIN, OFFERS) for _ in range(2)]
    kept = [
        sheets.keep("offer", each.signature, b"".join(sheets.struct_hash("offer", line) for line in each.lines))
        for each in made
    ]
    blobs = {blob.digest: blob.data for blob in kept}
    for k in (0, 1, 0):
        for line in made[k].lines:
            assert reader.check("offer", line, kept[k].digest, blobs.get) == digest_of("offer", line, DOMAIN)
    with pytest.raises(Refused, match="got none"):
        reader.check("offer", made[0].lines[0], bytes(32), blobs.get)
    with pytest.raises(Refused, match="one with this line"):
        reader.check("offer", made[1].lines[0], kept[0].digest, blobs.get)
    assert reader.check("offer", made[0].lines[0], kept[0].digest, blobs.get)


def test_a_word_drawn_for_a_line_is_that_of_its_message_alone(tmp_path: Path) -> None:
    """Who draws for a line knows the same beforehand as for a message; the auditor computes it again."""

    async def play() -> None:
        async with m.running(m.coordinator(tmp_path / "market.db")) as client:
            requester, _ = await m.staked(client)
            task = m.tasks()[0].to_bytes()
            line: dict[str, Value] = {"ceiling": CEILING, "size": 1_000, "payload": "0x" + m.digest_hex(task)}
            assert reasons(await requester.send_sheet("request", [line], [task])) == [""]

    run(play())
    row = next(row for row in m.read(tmp_path / "market.db") if row.kind == Kind.REQUEST)
    body = unpack(row.body)
    signed_hash = digest_of("request", body["message"], m.rebuilt(tmp_path / "market.db").domain)
    assert row.word == word_from(bytes.fromhex(body["reveal"]), signed_hash, b"")
