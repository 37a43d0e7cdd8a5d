"""The API as strangers use it: fuzzed from its own description, with bodies too large, with a stream to follow."""

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Generator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from network import markets as m
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from proofyard.network.client import Market
from proofyard.network.journal import connect
from proofyard.network.market import Market as State

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def url(fresh: Callable[[], str]) -> Generator[str]:
    """A market with a little history, in a thread of its own."""
    kept = fresh()
    started, stopped = threading.Event(), threading.Event()
    found: list[str] = []

    async def live() -> None:
        async with m.running(m.coordinator(kept)) as client:
            requester, prover = await m.staked(client)
            task = m.tasks()[0]
            job = (await requester.request(task.to_bytes(), 500 * m.TOKEN, 1_000)).job
            await prover.prove(job, m.proof_of(task, m.PROVER))
            found.append(requester.urls[0])
            started.set()
            await asyncio.to_thread(stopped.wait)

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    assert started.wait(60)
    yield found[0]
    stopped.set()
    thread.join()
    journal = connect(kept)
    assert State.rebuild(journal.rows()).money_difference == 0  # whatever strangers sent
    journal.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_whatever_comes_is_answered_as_described(url: str, method: str) -> None:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json").include(method=method)
    schema = schema.exclude(path="/v1/events")  # it never ends
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    tried = 0
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # pyright: ignore[reportAttributeAccessIssue] - its types hide it

        @given(case=operation.as_strategy())
        @settings(
            max_examples=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            phases=[Phase.generate],
        )
        def call(case: Any) -> None:
            case.call_and_validate(checks=checks)

        call()
        tried += 1
    assert tried >= 2


def test_a_body_of_a_gigabyte_is_refused_before_it_is_read(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.putrequest("POST", "/v1/messages")
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(2**30))
    connection.endheaders(b"{")
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["reason"] == "TOO_LARGE"
    connection.close()


def test_a_body_that_does_not_say_how_large_it_is_is_refused_when_it_is_too_large(url: str) -> None:
    def body() -> Generator[bytes]:
        for _ in range(6):
            yield b" " * 1_000_000

    answer = httpx.post(f"{url}/v1/messages", content=body(), headers={"content-type": "application/json"}, timeout=20)
    assert answer.status_code == 413


def test_each_message_of_a_batch_is_answered_for_itself_and_in_order(url: str) -> None:
    domain = m.domain(httpx.get(f"{url}/v1/market").json())
    offers = [m.PROVER.sign("offer", domain, price=price, capacity=1) for price in (10, 11, 12)]
    strange = m.signer(99).sign("stake", domain, amount=1)
    skip = m.PROVER.sign("skip", domain, job=0, reason="too late")
    task = m.tasks()[0].to_bytes()
    request = m.REQUESTER.sign("request", domain, task, ceiling=1, size=1, payload="0x" + m.digest_hex(task))
    sent = [offers[0], offers[0], strange, request, skip, offers[1]._replace(signature=bytes(65)), offers[2]]
    body = b"[" + b",".join(each.to_json() for each in sent) + b"]"
    told = httpx.post(f"{url}/v1/batches", content=body, timeout=20).raise_for_status().json()
    reasons = [each.get("reason", "") for each in told]
    assert reasons[:3] == ["", "REPLAYED", "UNKNOWN_SENDER"]
    assert reasons[3] in ("BAD_AMOUNT", "TOO_DEAR", "NO_PROVER")  # the rule's word on a ceiling of 1 gwei
    assert reasons[4:] == ["", "BAD_SIGNATURE", ""]
    assert told[0]["seq"] < told[6]["seq"]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"nope", "body"),
        (b'{"verb": "offer", "message": {"price": 1.5}, "signature": "", "market": ""}', "body.message[...]"),
        (b'{"verb": "offer", "message": {}, "signature": "0x12", "market": ""}', "body.signature"),
        (b'{"verb": "offer", "more": 1}', "body"),
    ],
)
def test_a_malformed_message_is_refused_with_the_place(url: str, body: bytes, place: str) -> None:
    answer = httpx.post(f"{url}/v1/messages", content=body, timeout=20)
    assert answer.status_code == 422
    assert (answer.json()["reason"], answer.json()["field"]) == ("MALFORMED", place)


def test_a_stream_tells_all_from_where_it_is_asked(url: str) -> None:
    seen: list[int] = []
    with httpx.stream("GET", f"{url}/v1/events", params={"after": 1}, timeout=20) as answer:
        last = httpx.get(f"{url}/v1/market").json()["seq"]
        for line in answer.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line[6:])["seq"])
                if seen[-1] >= last:
                    break
    assert seen[: last - 1] == list(range(2, last + 1))


def test_the_sync_client_and_any_moment_of_the_past(url: str) -> None:
    with Market(url, m.STRANGER) as market:
        accepted = market.join("stranger")
        assert market.actor()["name"] == "stranger"
        assert market.job(0)["phase"] in ("PROVEN", "SETTLED")
        assert [row["kind"] for row in market.journal(-1, 3)] == ["GENESIS", "RESUME", "JOIN"]
        payload = market.job(0)["rows"][0]["body"]["message"]["payload"]
        assert json.loads(market.blob(payload))["size"] == 4
    then = httpx.get(f"{url}/v1/state", params={"at": 3}).json()
    assert then["jobs"] == []
    assert len(then["actors"]) == 1
    assert accepted.seq > 3


def test_says_how_it_is(url: str) -> None:
    assert httpx.get(f"{url}/health").json()["role"] == "writer"
    assert httpx.get(f"{url}/ready").status_code == 200
    metrics = httpx.get(f"{url}/metrics").text
    assert 'proofyard_rows_total{kind="PROVE"} 1.0' in metrics
    assert "proofyard_accept_seconds_bucket" in metrics
    assert httpx.get(f"{url}/nowhere").json()["reason"] == "NOT_FOUND"
