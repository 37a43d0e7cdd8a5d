"""What a stranger reads about a market: units, sheets, batches, and a page that holds still while rows come."""

import asyncio
import re
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from explorer.conftest import Growing, Served
from explorer.looks import LOOKS, Opening, ready
from httpx import get
from network import markets as m
from playwright.sync_api import Page, expect

from proofyard.core.event import Kind
from proofyard.explorer.app import Explorer, create_app
from proofyard.explorer.source import JournalSource
from proofyard.network.client import Accepted
from proofyard.network.messages import Value
from proofyard.network.records import Record

BATCH = "0x" + 64 * "b"


async def _sheets(path: Path) -> None:
    """Ask for two proofs, and prove them: first in sheets, then message by message."""
    async with m.running(m.coordinator(path)) as client:
        requester, prover = await m.staked(client)
        for count, together in ((2, True), (1, False)):
            tasks = m.tasks(count, seed=1 + together)
            payloads = [task.to_bytes() for task in tasks]
            proofs = [m.proof_of(task, m.PROVER) for task in tasks]
            if not together:
                accepted = await requester.request(payloads[0], 500 * m.TOKEN, 1_000)
                await prover.prove(accepted.job, proofs[0])
                continue
            asked: list[dict[str, Value]] = [
                {"ceiling": 500 * m.TOKEN, "size": 1_000, "payload": "0x" + m.digest_hex(data)} for data in payloads
            ]
            proven: list[dict[str, Value]] = [
                {"job": job, "tier": 0, "proof": "0x" + m.digest_hex(proof)} for job, proof in enumerate(proofs)
            ]
            told = await requester.send_sheet("request", asked, payloads)
            told += await prover.send_sheet("prove", proven, proofs)
            assert all(isinstance(each, Accepted) for each in told), told


@pytest.fixture
def sheeted(tmp_path: Path) -> Generator[str]:
    """A market some of whose messages came in sheets."""
    path = tmp_path / "market.db"
    with ThreadPoolExecutor(1) as aside:  # the browser has this thread's loop
        aside.submit(asyncio.run, _sheets(path)).result()
    served = Served(create_app(Explorer(lambda: JournalSource(str(path)))))
    yield served.url
    served.stop()


def fact(page: Page, name: str) -> str:
    return page.locator("dt", has_text=re.compile(f"^{name}$")).locator("xpath=following-sibling::dd[1]").inner_text()


def test_a_proof_names_the_sheet_it_was_signed_in(opening: Opening, sheeted: str) -> None:
    page = opening(sheeted)
    for job, words in ((0, "signed in sheet"), (1, "signed in sheet"), (2, "signed")):
        page.goto(f"{sheeted}#/requests/{job}")
        ready(page)
        body = get(f"{sheeted}api/requests/{job}").json()["proof"]["body"]
        assert (body["signature"] is None) == (job < 2)
        signed = body["sheet"] or body["signature"]
        assert fact(page, "proof").endswith(f", {words} {signed[:18]}…")
        expect(page.locator("dd code[title]")).to_have_attribute("title", signed)
    page.goto(f"{sheeted}#/journal")
    ready(page)
    kinds = page.locator("tbody tr td:nth-child(3)").all_inner_texts()
    assert kinds.count("PROVE") == 3
    assert kinds.count("REQUEST") == 3
    assert "undefined" not in page.locator("main").inner_text()


def test_what_the_rule_knew_is_told_in_its_units(opening: Opening, site: str) -> None:
    page = opening(f"{site}#/requests/30")
    ready(page)
    expect(page.locator("main")).to_contain_text("Decided by REQUEST")
    decision = get(f"{site}api/requests/30/why").json()["decision"]
    units = {column["path"]: (column["unit"], column["meaning"]) for column in decision["columns"]}
    assert units["stake"] == ("gwei", "in a seat")
    assert units["matures"] == ("time", "until when exit money can be slashed; afterwards it can be withdrawn")
    assert units["price"][0] == "gwei per gas"
    assert units["open_jobs"][0] == ""
    table = page.get_by_role("region", name="Why this prover")
    head = table.locator("th").all_inner_texts()
    for one, row in zip(decision["candidates"], table.locator("tbody tr").all(), strict=True):
        cells = dict(zip(head, row.locator("td").all_inner_texts(), strict=True))
        assert cells["stake, tokens"].replace(",", "") == f"{one['stake'] / 10**9:.4g}"
        day, rest = divmod(one["matures"], 86_400_000)
        assert cells["matures"] == f"day {day + 1}, 00:{rest // 60_000:02}:{rest // 1_000 % 60:02}"
        assert cells["price, gwei per gas"] == str(one["price"])
    expect(page.locator("main")).to_contain_text("matures: until when exit money can be slashed")
    page.goto(f"{site}#/provers/0")
    ready(page)
    assert fact(page, "matures").startswith("day 8, ")
    assert fact(page, "stake").split()[1] == "tokens"


def test_each_unit_has_its_words(opening: Opening, site: str) -> None:
    said = opening(site).evaluate("""async () => {
        const { kept, keptIn } = await import("./words.js");
        const values = [[1.5e9, "gwei"], [604803104, "time"], [604803105, "ms + 1"], [0, "ms + 1"], [1500, "ms"],
            [2500, "bips"], [5e7, "billionths"], [60, "gwei per gas"], [12345, ""]];
        return values.map(([value, unit]) => [kept(value, unit), keptIn(unit)]);
    }""")
    assert said == [
        ["1.5", "tokens"], ["day 8, 00:00:03", ""], ["day 8, 00:00:03", ""], ["–", ""], ["1,500 ms", ""], ["25 %", ""],
        ["5 %", ""], ["60", "gwei per gas"], ["12,345", ""],
    ]  # fmt: skip


def test_who_was_given_a_request_and_who_proved_it_are_told_apart(opening: Opening, site: str) -> None:
    rows: list[dict[str, Any]] = get(f"{site}api/requests", params={"state": "late", "size": 500}).json()["rows"]
    chosen = ((row, get(f"{site}api/requests/{row['job']}/why").json()["decision"]) for row in rows)
    row, decision = next(
        (row, one) for row, one in chosen if row["prover"] and one["trials"] and one["chosen"] != row["prover_number"]
    )
    page = opening(f"{site}#/requests/{row['job']}")
    ready(page)
    expect(page.locator("main")).to_contain_text(f"{decision['name']} was ")
    expect(page.locator("main")).to_contain_text(f"In the end {row['prover']} proved it.")


def test_a_batch_is_told_by_its_number_and_is_nobodys(opening: Opening, growing: Growing, live: Served) -> None:
    growing.add(Record.SETTLEMENT, 60_000, 0, amount=7, body={"transaction": "0x" + 64 * "a", "jobs": [0], "seq": 12})
    growing.add(Record.SETTLEMENT, 60_000, 0, amount=8, body={"transaction": BATCH, "jobs": [1], "seq": 12, "block": 5})
    page = opening(f"{live.url}#/requests/1")
    ready(page)
    assert fact(page, "on chain") == f"batch 8 in block 5, transaction {BATCH}; row 14, which settles all up to row 12"
    page.goto(f"{live.url}#/")
    ready(page)
    expect(page.locator("main .steps li").first).to_contain_text("Batch 8 is sent to the chain")
    rows = get(f"{live.url}api/journal").json()["rows"]
    assert [(row["actor"], row["amount"]) for row in rows[:2]] == [(None, 8), (None, 7)]
    mine = get(f"{live.url}api/journal", params={"actor": 0}).json()
    assert {row["kind"] for row in mine["rows"]} == {"JOIN", "DEPOSIT", "REQUEST"}
    assert mine["actor"] == "rollup"


def test_a_page_holds_still_while_rows_come(opening: Opening, growing: Growing, live: Served) -> None:
    page = opening(f"{live.url}#/journal", **LOOKS["phone"])
    ready(page)
    request = "main a[href='#/requests/1']"
    page.locator(request).last.focus()
    page.locator("main .wide").evaluate("one => { one.scrollLeft = 60; }")
    growing.prove_one()
    expect(page.locator("main tbody tr")).to_have_count(15)
    assert page.evaluate(f'document.activeElement === [...document.querySelectorAll("{request}")].at(-1)')
    assert page.locator("main .wide").evaluate("one => one.scrollLeft") == 60


def test_the_reason_stays_while_the_rule_is_asked_again(opening: Opening, growing: Growing, live: Served) -> None:
    page = opening(f"{live.url}#/requests/1")
    ready(page)
    page.get_by_text("The rule in words").click()
    page.locator("main details").evaluate("one => { one.mine = true; }")
    for count in (15, 17):  # the first answer is read by the time of the second
        with page.expect_response("**/requests/1/why?*"):
            growing.prove_one()
        expect(page.locator("#of")).to_have_text(f"of {count}")
    assert page.locator("main details").evaluate("one => [one.mine, one.open]") == [True, True]


def test_the_page_one_is_on_can_be_seen_on_a_phone(opening: Opening, site: str) -> None:
    page = opening(site, **LOOKS["phone"])
    for name in ("reports", "requests"):
        page.goto(f"{site}#/{name}")
        ready(page)
        box = page.locator("nav [aria-current=page]").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def test_names_of_parameters_break_at_underscores_only(opening: Opening, site: str) -> None:
    page = opening(f"{site}#/rule", **LOOKS["phone"])
    ready(page)
    lines = page.locator("main td:first-child code").evaluate_all(
        "all => all.map(one => [one.textContent, new Set([...one.getClientRects()].map(box => box.top)).size])"
    )
    assert [name for name, _ in lines if "_" in name]
    assert [name for name, count in lines if count > name.count("_") + 1] == []


def test_what_is_empty_says_so(opening: Opening, growing: Growing, live: Served) -> None:
    page = opening(f"{live.url}#/stake?kind=slash")
    ready(page)
    expect(page.locator("main .wide")).to_contain_text("None so far.")
    page.goto(f"{live.url}#/stake")
    ready(page)
    expect(page.locator("main .wide")).not_to_contain_text("None so far.")
    growing.add(Kind.REQUEST, 60_000, 0, 3, 10**9)
    for job, said in ((3, "none yet"), (0, "row 8")):
        page.goto(f"{live.url}#/requests/{job}")
        ready(page)
        assert fact(page, "proof").startswith(said)


def test_proofs_are_counted_in_whole_numbers(opening: Opening, live: Served) -> None:
    page = opening(f"{live.url}#/provers/1")
    ready(page, 2)
    ticks = page.locator(".chart").first.locator("[aria-label^='Y-axis'] text").all_text_contents()
    assert [text for text in ticks if "." in text] == []
    assert "1" in ticks
