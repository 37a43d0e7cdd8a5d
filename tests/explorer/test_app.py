"""The data behind the pages: tables cut on the server, CSV, refusals in a sentence, headers that hold scripts off."""

import csv
import io
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import Client

from proofyard.explorer.app import Explorer, create_app
from proofyard.explorer.source import JournalSource
from proofyard.network.records import Record

Serving = Callable[[FastAPI], Client]
TABLES = ("requests", "provers", "stake", "journal")


@pytest.fixture
def client(site: str) -> Generator[Client]:
    with Client(base_url=site, timeout=60) as found:
        yield found


@pytest.mark.parametrize(
    "path", ["market", "overview", "rule", "requests/10", "requests/10/why", "provers/0", "reports"]
)
def test_every_page_has_its_data_at_any_moment(client: Client, path: str) -> None:
    now = client.get(f"/api/{path}")
    assert now.status_code == 200
    assert client.get(f"/api/{path}", params={"at": 1_000}).status_code == 200
    assert "default-src 'none'" in now.headers["content-security-policy"]
    assert now.headers["cache-control"] == "no-store"


def test_the_pages_files_and_the_chart_library_are_served(client: Client) -> None:
    assert set(client.get("/themes.json").json()) == {"dark", "light"}
    assert "vegaEmbed" in client.get("/vega.js").text
    assert "<html" in client.get("/").text


@pytest.mark.parametrize("name", TABLES)
def test_pages_of_a_table_are_its_csv(client: Client, name: str) -> None:
    at = {"at": 1_500}
    first = client.get(f"/api/{name}", params={**at, "size": 40}).json()
    pages = [first] + [
        client.get(f"/api/{name}", params={**at, "size": 40, "page": k}).json()
        for k in range(1, -(-first["total"] // 40))
    ]
    rows = [row for page in pages for row in page["rows"]]
    answer = client.get(f"/api/{name}.csv", params=at)
    told = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}-1500.csv"'
    assert len(told) == len(rows) == first["total"] > 0
    for line, row in zip(told, rows, strict=True):
        for key, text in line.items():
            assert text.removeprefix("'") == ("" if row[key] is None else str(row[key])), key


def test_names_cannot_be_formulas(client: Client) -> None:
    names = [line["name"] for line in csv.DictReader(io.StringIO(client.get("/api/provers.csv").text))]
    assert "'=HYPERLINK(1)" in names


def test_requests_in_a_spreadsheet_number_who_asked_and_who_proves(client: Client) -> None:
    rows = list(csv.DictReader(io.StringIO(client.get("/api/requests.csv?at=1500").text)))
    names = {line["prover"]: line["name"] for line in csv.DictReader(io.StringIO(client.get("/api/provers.csv").text))}
    given = [row for row in rows if row["prover"]]
    assert given
    assert all(names[row["prover_number"]] == row["prover"] for row in given)
    assert {row["prover_number"] for row in rows if not row["prover"]} <= {""}
    assert all(row["requester_number"].isdecimal() for row in rows)


def test_tables_sort_and_filter_on_the_server(client: Client) -> None:
    paid = [row["paid"] for row in client.get("/api/requests?sort=paid&dir=down&size=500").json()["rows"]]
    assert paid == sorted(paid, reverse=True)
    took = client.get("/api/requests?sort=time_to_proof_ms&dir=up&size=500&at=1500").json()["rows"]
    known = [row["time_to_proof_ms"] for row in took if row["time_to_proof_ms"] is not None]
    assert known == sorted(known)
    assert all(row["time_to_proof_ms"] is None for row in took[len(known) :])
    late = client.get("/api/requests?state=late").json()
    assert late["total"] > 0
    assert all(row["late"] for row in late["rows"])
    slashes = client.get("/api/stake?kind=slash").json()["rows"]
    assert {row["what"] for row in slashes} == {"SLASH"}
    proofs = client.get("/api/journal?kind=PROVE&actor=1").json()["rows"]
    assert {(row["kind"], row["actor"]) for row in proofs} == {("PROVE", 1)}
    mine = client.get("/api/requests?actor=1&state=settled").json()["rows"]
    assert {row["prover_number"] for row in mine} == {1}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("requests?sort=colour", "sort: wanted one of job, phase"),
        ("requests?state=gone", "state: wanted one of open, settled"),
        ("journal?kind=NOTHING", "kind: wanted one of OFFER"),
        ("requests/abc", "job: wanted a whole number, got abc."),
        ("requests?page=-1", "page: wanted at least 0, got -1."),
        ("requests?size=100000", "size: wanted at most 500, got 100000."),
        ("requests?dir=along", "dir: wanted 'up' or 'down', got along."),
        ("row", "time_ms: wanted a value, got nothing."),
        ("requests/99999", "job: wanted a request made by this moment"),
        ("provers/99", "prover: wanted the number of an actor (below 5), got 99."),
    ],
)
def test_bad_input_is_a_sentence(client: Client, path: str, said: str) -> None:
    answer = client.get(f"/api/{path}")
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(said)


@pytest.mark.parametrize("path", ["requests?page=-1", "requests?size=100000", "requests?at=-3", "provers/x"])
def test_what_is_no_number_is_refused(client: Client, path: str) -> None:
    assert client.get(f"/api/{path}").status_code == 422


def test_prediction_has_the_simulators_figures_and_its_report(client: Client, explored: Explorer) -> None:
    explored.prediction.wait()
    told = client.get("/api/prediction").json()
    assert told["ready"]
    rows = {row["name"]: row for row in told["figures"]}
    assert rows["requests"]["real"] == pytest.approx(rows["requests"]["predicted"], rel=0.2)
    assert rows["price of a proof"]["deviation"] is not None
    report = client.get("/reports/prediction")
    assert report.headers["content-security-policy"].startswith("sandbox allow-scripts")
    assert "<h1>" in report.text


def test_reports_on_disk_are_served_and_nothing_else(growing: Any, serving: Serving, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<h1>told</h1>", encoding="utf-8")
    (tmp_path / "secret.html").write_text("secret", encoding="utf-8")
    client = serving(create_app(Explorer(lambda: JournalSource(str(growing.path)), reports=(tmp_path / "runs",))))
    (found,) = client.get("/api/reports").json()["reports"]
    assert client.get(f"/reports/{found['name']}").text == "<h1>told</h1>"
    assert client.get("/reports/..%2Fsecret.html").status_code == 404
    assert client.get("/reports/secret").status_code == 404


def test_mounted_below_a_market_that_has_not_begun(growing: Any, serving: Serving, tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    outer = FastAPI()
    outer.mount("/explorer", create_app(Explorer(lambda: JournalSource(str(path)))))
    client = serving(outer)
    assert "which does not exist" in client.get("/explorer/api/market").json()["message"]
    growing.path.rename(path)
    for tail in ("-wal", "-shm"):
        growing.path.with_name(growing.path.name + tail).rename(path.with_name(path.name + tail))
    market = client.get("/explorer/api/market").json()
    assert (market["title"], market["rows"], market["recorded_hashes"], market["chain_id"]) == ("devnet", 13, True, 0)
    assert client.get("/explorer", follow_redirects=True).text.startswith("<!doctype html>")


def test_a_journal_tells_proof_names_and_skips(growing: Any, serving: Serving, markup: str) -> None:
    growing.skip(1, 1, "QUEUE_FULL")
    client = serving(create_app(Explorer(lambda: JournalSource(str(growing.path)))))
    one = client.get("/api/requests/1").json()
    assert one["proof"]["body"]["proof"] == "0x" + 64 * "a"
    assert one["skips"] == [{"prover": 1, "name": markup, "reason": "QUEUE_FULL"}]
    assert client.get("/api/provers/1").json()["skips"] == [["QUEUE_FULL", 1]]
    assert client.get("/api/provers").json()["rows"][0]["cost"] is None


def test_a_request_tells_its_neighbours_as_far_as_there_are_any(growing: Any, serving: Serving) -> None:
    client = serving(create_app(Explorer(lambda: JournalSource(str(growing.path)))))
    growing.prove_one()
    told = [client.get(f"/api/requests/{job}").json() for job in range(4)]
    assert [(one["before"], one["next"]) for one in told] == [(None, 1), (0, 2), (1, 3), (2, None)]


def test_a_final_request_names_the_batch_that_settled_it(growing: Any, serving: Serving) -> None:
    client = serving(create_app(Explorer(lambda: JournalSource(str(growing.path)))))
    assert client.get("/api/requests/1").json()["settlement"] is None
    growing.add(Record.SETTLEMENT, 60_000, 0, amount=1, body={"transaction": "0x" + 64 * "b"})
    rows = client.get("/api/market").json()["rows"]
    told = client.get("/api/requests/1").json()["settlement"]
    assert told == {"row": rows - 1, "batch": 1, "transaction": "0x" + 64 * "b"}
    assert client.get(f"/api/requests/1?at={rows - 1}").json()["settlement"] is None
