"""Every page in real Chromium: opened, used, photographed in light, dark and at the width of a phone.

Photographs go to the folder named by PROOFYARD_PHOTOGRAPHS, if it is set, so that somebody can look at them.
"""

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from explorer.looks import LOOKS, Opening, ready
from httpx import get
from playwright.sync_api import Browser, Download, Page, Route, expect

from proofyard.core.event import Kind
from proofyard.explorer.app import Explorer
from proofyard.network.records import Record

PAGES = ("", "requests", "requests/30", "provers", "provers/0", "stake", "journal", "prediction", "rule", "reports")
FEW_BYTES = 12_000  # an empty page's photograph is smaller


def photograph(page: Page, name: str) -> None:
    picture = page.screenshot(full_page=True)
    assert len(picture) > FEW_BYTES, name
    folder = os.environ.get("PROOFYARD_PHOTOGRAPHS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.png").write_bytes(picture)


@pytest.mark.parametrize("look", LOOKS)
def test_each_page_is_opened_and_photographed(opening: Opening, explored: Explorer, site: str, look: str) -> None:
    explored.prediction.wait()
    page = opening(site, **LOOKS[look])
    for name in PAGES:
        page.goto(f"{site}#/{name}")
        expect(page.locator("nav [aria-current=page]")).to_have_attribute(
            "href", re.compile(f"^#/{name.split('/')[0]}$")
        )
        ready(page, {"": 6, "stake": 2, "prediction": 1, "provers/0": 3}.get(name, 0))
        if name == "requests/30":
            expect(page.locator("main")).to_contain_text("Decided by REQUEST")
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{name} is {too_wide} px wider than the screen"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
            "rgb(20, 23, 27)" if look == "dark" else "rgb(255, 255, 255)"
        )
        photograph(page, f"{name.replace('/', '-') or 'overview'}-{look}")


def test_names_stay_text(opening: Opening, site: str, markup: str) -> None:
    page = opening(site)
    for name in PAGES:
        page.goto(f"{site}#/{name}")
        ready(page)
        assert page.evaluate("window.broken") is None
        assert page.locator("img").count() == 0
    page.goto(f"{site}#/provers/0")
    expect(page.locator("main h2")).to_have_text(markup)
    page.goto(f"{site}#/<img src=x onerror='window.broken=1'>")
    expect(page.locator("main")).to_contain_text("There is no page")
    assert page.evaluate("window.broken") is None


def settled(page: Page) -> str:
    return page.locator(".tile .value").first.inner_text()


def test_any_moment_can_be_opened(opening: Opening, explored: Explorer, site: str) -> None:
    rows = len(explored.replay)
    page = opening(site)
    ready(page)
    now = settled(page)
    expect(page.locator("#status")).to_have_text("recorded")
    page.locator("#row").fill(str(rows // 2))
    page.locator("#row").press("Enter")
    expect(page.locator("#status")).to_have_text("looking back")
    expect(page).to_have_url(re.compile(f"at={rows // 2}$"))
    told = get(f"{site}api/overview", params={"at": rows // 2}).json()
    expect(page.locator(".tile .value").first).to_contain_text(f"of {told['figures']['proofs']['requested']:,}")
    page.get_by_role("link", name="Requests", exact=True).click()
    ready(page)
    expect(page).to_have_url(re.compile(rf"#/requests\?at={rows // 2}$"))
    page.go_back()
    page.locator("body").press("]")
    expect(page).to_have_url(re.compile(f"at={rows // 2 + 1}$"))
    page.locator("#slider").press("Home")
    expect(page).to_have_url(re.compile("at=0$"))
    expect(page.locator(".tile .value").first).to_contain_text("of 0")
    page.locator("body").press("n")
    expect(page.locator("#status")).to_have_text("recorded")
    expect(page.locator(".tile .value").first).to_have_text(now)


def test_time_plays(opening: Opening, site: str) -> None:
    page = opening(site)
    ready(page)
    page.locator("#play").click()
    expect(page.locator("#status")).to_have_text("looking back")
    page.wait_for_function("Number(document.getElementById('slider').value) > 100")
    page.locator("body").press(" ")
    expect(page.locator("#play")).to_have_text("▶")


def test_keys_open_every_page(opening: Opening, site: str) -> None:
    page = opening(site)
    ready(page)
    for key, name in enumerate(("", "requests", "provers", "stake", "journal", "prediction", "rule", "reports"), 1):
        page.locator("body").press(str(key))
        expect(page.locator("nav [aria-current=page]")).to_have_attribute("href", f"#/{name}")
        ready(page)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_placeholder("request …")).to_be_focused()
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    expect(page.locator("main h2")).to_have_text("Request 12 ")
    page.reload()
    ready(page)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()


def read(download: Download) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(Path(download.path()).read_text(encoding="utf-8"))))


def test_tables_are_sorted_cut_and_exported(opening: Opening, site: str) -> None:
    page = opening(f"{site}#/requests")
    ready(page)
    page.get_by_role("button", name="paid").click()
    ready(page)
    expect(page.locator("th[aria-sort=descending]")).to_have_text("paid ↓")
    page.get_by_role("button", name="paid ↓").click()
    ready(page)
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("paid ↑")
    page.get_by_role("link", name="late").click()
    ready(page)
    total = page.locator(".bar", has_text=" of ").inner_text()
    with page.expect_download() as begun:
        page.get_by_role("link", name="CSV").click()
    rows = read(begun.value)
    assert f"of {len(rows):,}" in total
    assert {row["late"] for row in rows} == {"True"}
    paid = [int(row["paid"]) for row in rows]
    assert paid == sorted(paid)
    page.goto(f"{site}#/journal")
    ready(page)
    first = page.locator("tbody tr").first.inner_text()
    page.get_by_role("button", name="On", exact=True).click()
    expect(page).to_have_url(re.compile("page=1"))
    expect(page.locator("tbody tr").first).not_to_have_text(first)


def test_small_tables_are_exported_too(opening: Opening, site: str) -> None:
    page = opening(f"{site}#/rule")
    ready(page)
    with page.expect_download() as begun:
        page.get_by_role("button", name="CSV").first.click()
    rows = {row["name"]: row for row in read(begun.value)}
    assert rows["min_capacity"]["value"] == "1"
    assert rows["min_capacity"]["default"] == "32"


def test_the_reader_chooses_light_or_dark(opening: Opening, site: str) -> None:
    page = opening(site)
    ready(page)
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    page.reload()
    ready(page)
    expect(page.locator("#theme")).to_have_text("Theme: dark")


def test_a_report_of_the_simulator_opens(opening: Opening, explored: Explorer, site: str) -> None:
    explored.prediction.wait()
    page = opening(f"{site}#/reports")
    ready(page)
    with page.context.expect_page() as begun:
        page.get_by_role("link", name=re.compile("simulated with five seeds")).click()
    report = begun.value
    expect(report.locator(".chart svg").first).to_be_visible()
    assert report.evaluate("window.origin") == "null"  # shut off from the page that links to it


def test_a_live_market_is_followed_and_its_loss_is_told(opening: Opening, growing: Any, live: Any) -> None:
    page = opening(live.url)
    ready(page)
    expect(page.locator("#status")).to_have_text("live")
    expect(page.locator(".tile .value").first).to_have_text("3 of 3")
    growing.prove_one()
    expect(page.locator(".tile .value").first).to_have_text("4 of 4")
    live.stop()
    expect(page.locator("#lost")).to_contain_text(
        "The connection is lost. What is shown is how things stood after event 15"
    )
    expect(page.locator("#status")).to_have_text("connection lost")
    photograph(page, "lost-light")
    growing.prove_one()
    live.start()
    expect(page.locator("#lost")).to_be_hidden(timeout=20_000)
    expect(page.locator(".tile .value").first).to_have_text("5 of 5")
    page.goto(f"{live.url}#/journal")
    ready(page)
    expect(page.locator("main")).to_contain_text("all 17 were checked")


def test_an_address_with_a_moment_opens_that_moment(opening: Opening, explored: Explorer, site: str) -> None:
    row = len(explored.replay) // 2
    page = opening(f"{site}#/requests?at={row}")
    ready(page)
    told = get(f"{site}api/market", params={"at": row}).json()
    expect(page.locator("#row")).to_have_value(str(row))
    expect(page.locator("#slider")).to_have_value(str(row))
    expect(page.locator("#hash")).to_have_text(told["hash"][:12])
    expect(page.locator("#status")).to_have_text("looking back")
    expect(page.get_by_role("link", name="CSV")).to_have_attribute("href", f"api/requests.csv?at={row}")
    page.goto(f"{site}#/journal?at={10 * row}")  # beyond the end: what is there now
    ready(page)
    expect(page.locator("#row")).to_have_value(str(len(explored.replay)))


def test_a_lost_connection_is_known_whatever_the_browser_calls_it(opening: Opening, site: str) -> None:
    page = opening(site)
    ready(page)
    page.evaluate("() => { window.fetch = async () => { throw new TypeError('Load failed'); }; }")  # Safari's words
    page.get_by_role("link", name="Requests", exact=True).click()
    expect(page.locator("#lost")).to_contain_text("The connection is lost.")
    expect(page.locator("main .error")).to_have_count(0)


def test_a_journal_that_is_whole_again_is_not_called_broken(opening: Opening, growing: Any, live: Any) -> None:
    page = opening(live.url)
    ready(page)
    mend = growing.break_off()
    expect(page.locator("#lost")).to_contain_text("cannot be followed any further: journal: wanted row 13 to follow")
    mend()
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator(".tile .value").first).to_have_text("3 of 4")


def test_a_stream_that_is_refused_is_asked_for_again_by_one_clock(browser: Browser, site: str) -> None:
    asked: list[str] = []

    def refuse_once(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=502) if len(asked) == 1 else route.continue_()

    with browser.new_context() as context:
        context.add_init_script("const set = setInterval; window.clocks = 0;"
                                "setInterval = (...how) => { window.clocks += 1; return set(...how); };")  # fmt: skip
        page = context.new_page()
        page.route("**/api/stream", refuse_once)
        page.goto(site)
        expect(page.locator("#lost")).to_contain_text("The connection is lost.")
        expect(page.locator("#lost")).to_be_hidden(timeout=30_000)
        assert len(asked) == 2
        assert page.evaluate("window.clocks") == 1


def saved(page: Page, name: str) -> list[dict[str, str]]:
    with page.expect_download() as begun:
        page.locator(f"[data-keep='csv-{name}']").click()
    return read(begun.value)


def test_every_table_has_a_csv(opening: Opening, growing: Any, live: Any) -> None:
    growing.skip(1, 1, "QUEUE_FULL")
    page = opening(live.url)
    for name in ("requests", "requests/1", "provers", "provers/1", "stake", "journal", "prediction", "rule"):
        page.goto(f"{live.url}#/{name}")
        ready(page)
        tables = page.locator("main table").count()
        expect(page.locator("main").get_by_text("CSV", exact=True)).to_have_count(tables)
        if name == "requests/1":
            assert [(row["prover"], row["reason"]) for row in saved(page, "skips")] == [("1", "QUEUE_FULL")]
        if name == "provers/1":
            assert saved(page, "skip-reasons") == [{"reason": "QUEUE_FULL", "count": "1"}]


def test_the_rules_state_and_all_predicted_provers_are_exported(
    opening: Opening, explored: Explorer, site: str
) -> None:
    def many(route: Route) -> None:
        told = get(route.request.url).json()
        route.fulfill(json={**told, "provers": [{**told["provers"][0], "prover": k} for k in range(250)]})

    explored.prediction.wait()
    page = opening(f"{site}#/rule")
    ready(page)
    names = page.locator("main table").last.locator("tbody td:first-child").all_inner_texts()
    assert [row["name"] for row in saved(page, "state")] == names
    page.route("**/api/prediction?*", many)
    page.goto(f"{site}#/prediction")
    ready(page, 1)
    assert [row["prover"] for row in saved(page, "prediction-provers")] == [str(k) for k in range(250)]


def test_nothing_is_told_by_colour_or_sign_alone(opening: Opening, site: str) -> None:
    page = opening(f"{site}#/requests/30", **LOOKS["phone"])
    ready(page)
    expect(page.locator("main")).to_contain_text("Decided by REQUEST")
    links = page.locator("p a, .steps a, .facts dd a")
    assert links.count() > 0
    assert set(links.evaluate_all("all => all.map(one => getComputedStyle(one).textDecorationLine)")) == {"underline"}
    labels = page.locator("#time button").evaluate_all("all => all.map(one => one.ariaLabel ?? one.textContent)")
    assert labels == ["To the start", "One event back", "Play", "One event on", "Now"]
    for name in PAGES:
        page.goto(f"{site}#/{name}")
        ready(page)
        assert "" not in page.locator("main th").evaluate_all("all => all.map(one => one.textContent.trim())"), name
        named = page.locator("main .wide").evaluate_all("all => all.map(one => one.ariaLabel)")
        assert len({*named, "table"}) == len(named) + 1, name
    page.goto(f"{site}#/provers/0")
    ready(page)
    page.locator("main h2").evaluate("one => { one.textContent = 'n'.repeat(60); }")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_the_last_request_has_none_after_it(opening: Opening, growing: Any, live: Any) -> None:
    growing.add(Kind.REQUEST, 60_000, 0, 7, 10**9)  # the numbers between were never used
    page = opening(f"{live.url}#/requests/2")
    ready(page)
    page.get_by_role("link", name="next →").click()
    expect(page.locator("main h2")).to_have_text("Request 7 ")
    expect(page.get_by_role("link", name="next →")).to_have_count(0)
    page.get_by_role("link", name="← before").click()
    expect(page.locator("main h2")).to_have_text("Request 2 ")


def test_amounts_beyond_the_numbers_of_a_browser_stay_exact(opening: Opening, growing: Any, live: Any) -> None:
    asked = 2**53 + 1
    growing.add(Record.DEPOSIT, 60_000, 0, amount=2 * asked)
    growing.add(Kind.REQUEST, 60_000, 0, 3, asked)
    page = opening(f"{live.url}#/journal")
    ready(page)
    expect(page.locator("tbody tr").first).to_contain_text(f"{asked:,}")

    def bid(route: Route) -> None:
        told = get(route.request.url).json()
        text = json.dumps({**told, "bids": [{"prover": 1, "name": "a", "amount": asked, "time_ms": 0, "won": False}]})
        route.fulfill(body=text, content_type="application/json")

    page.route("**/api/requests/3?*", bid)
    page.goto(f"{live.url}#/requests/3")
    ready(page)
    (row,) = saved(page, "bids")
    assert (row["prover"], row["amount"]) == ("1", str(asked))


def test_a_known_nothing_is_a_nought(opening: Opening, growing: Any, live: Any) -> None:
    growing.add(Kind.REQUEST, 60_000, 0, 3, 10**9)
    page = opening(live.url)
    for name, wanted in {
        "requests": {"paid": "0", "given": "0", "time to proof": "–"},
        "provers": {"missed": "0", "slashed": "0", "spent": "–"},
    }.items():
        page.goto(f"{live.url}#/{name}")
        ready(page)
        head = page.locator("thead th").all_inner_texts()
        row = dict(zip(head, page.locator("tbody tr").first.locator("td").all_inner_texts(), strict=True))
        assert wanted.items() <= row.items()


def test_a_spread_is_told_in_the_unit_of_its_mean(opening: Opening, site: str) -> None:
    said = opening(site).evaluate("""async () => {
        const { spread } = await import("./words.js");
        return [spread("duration", 4860, 1483), spread("duration", 10900, 206), spread("count", 8.3, 1.9)];
    }""")
    assert said == ["1.5 s", "0.21 s", "1.9"]
