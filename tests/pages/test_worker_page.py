"""The worker's page: my hours, my pay, my decisions with their reasons and a way to contest; and nobody else's."""

from __future__ import annotations

import re

import aiohttp
import grpc
import pytest
from playwright.async_api import expect
from yarl import URL

from gig.v1 import pay_service_pb2 as pay_pb
from gig.v1 import pay_service_pb2_grpc as pay_rpc
from tests.pages.charts import drawn
from tests.pages.conftest import PATIENCE, Seen, Town

pytestmark = pytest.mark.usefixtures("browser")

ME = "courier-1"
JSON = {"Content-Type": "application/json"}


async def test_my_hours_pay_and_decisions_are_mine_and_equal_my_statement(town: Town, seen: Seen) -> None:
    await seen.page.goto(f"{town.url}/me{town.signed_in('courier', ME)}")
    await expect(seen.page.locator("#pay-sums tbody tr").nth(1)).to_be_visible(timeout=PATIENCE)
    await expect(seen.page.locator("#hours-text")).to_contain_text("waiting for work")
    await expect(seen.page.locator("#hours .bars .point")).to_have_count(4)
    await expect(seen.page.locator("#measures tbody")).to_contain_text("Utilisation")
    floor = seen.page.locator("#floor")
    await expect(floor).to_contain_text("A shift pays at least $16.50 for each hour online.")
    await expect(floor).to_contain_text("compare earnings with $16.50 an hour. The comparison adds nothing to pay.")
    await seen.page.get_by_text("Every line with its arithmetic").click()
    await expect(seen.page.locator("#pay-lines tbody tr").first).to_contain_text(re.compile("[a-z]"))
    async with grpc.aio.insecure_channel(town.suite.target) as channel:
        asked = pay_pb.GetStatementRequest(worker_id=ME)
        statement = await pay_rpc.PayServiceStub(channel).GetStatement(asked, metadata=town.suite.wallet.courier(ME))
    rules = {line.rule for line in statement.lines}
    shown = await seen.page.locator("#pay-lines tbody tr td:nth-child(3)").all_inner_texts()
    assert shown
    assert set(shown) <= rules
    assert seen.faults == []


async def test_each_part_of_my_hours_is_drawn_as_wide_as_it_is_long(town: Town, seen: Seen) -> None:
    await seen.page.goto(f"{town.url}/me{town.signed_in('courier', ME)}")
    await expect(seen.page.locator("#hours-text")).to_contain_text("of the time with a job", timeout=PATIENCE)
    bars = await drawn(seen.page, "hours")
    widths = [width for width, _ in bars.sizes]
    assert sum(bars.values) > 0
    assert sum(widths) > 900, "the bar takes the chart's width, of 1,300 pixels"
    assert all(height > 20 for _, height in bars.sizes)
    assert bars.inside
    shares = [value / sum(bars.values) for value in bars.values]
    assert [width / sum(widths) for width in widths] == pytest.approx(shares, abs=0.01)


async def test_i_contest_a_decision_and_am_told_until_when_a_human_answers(town: Town, seen: Seen) -> None:
    await seen.page.goto(f"{town.url}/me{town.signed_in('courier', ME)}")
    price = seen.page.locator("#decisions button", has_text="The pay of").first
    await price.click(timeout=PATIENCE)
    dialog = seen.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("by version")
    await dialog.get_by_label("What is wrong with it?").fill("The way was longer than that.")
    await dialog.get_by_role("button", name="Contest this decision").click()
    await expect(seen.page.locator("#contested")).to_contain_text("A human will answer by", timeout=PATIENCE)


async def test_without_a_token_there_is_nothing_to_see(town: Town, seen: Seen) -> None:
    await seen.page.goto(f"{town.url}/me")
    await expect(seen.page.locator("#welcome")).to_be_visible()
    await expect(seen.page.locator("#mine")).to_be_hidden()
    await seen.page.get_by_role("button", name="Sign in").click()
    await seen.page.get_by_label("Token").fill("somebody")
    await seen.page.get_by_role("dialog").get_by_role("button", name="Sign in").click()
    await expect(seen.page.locator("#sign-in-fault")).to_contain_text("not valid")


@pytest.mark.parametrize(
    ("token", "method", "request_", "status", "text"),
    [
        ("", "PayService/GetStatement", '{"workerId": "courier-1"}', 401, "sign in"),
        ("courier-2", "PayService/GetStatement", '{"workerId": "courier-1"}', 403, "somebody else"),
        ("courier-2", "TransparencyService/GetMyMeasures", '{"courierId": "courier-1"}', 403, "somebody else"),
        ("courier-1", "PayService/GetStatement", '{"workerId": ', 400, "not JSON"),
        ("courier-1", "PayService/GetStatement", '{"worker": "x"}', 400, "worker"),
        ("courier-1", "PayService/GetStatement", '{"workerId": "a b"}', 400, "worker_id"),
        ("courier-1", "PayService/GetStatement", '{"workerId": "\\ud800"}', 400, "worker_id: must not hold"),
        ("courier-1", "PayService/GetStatement", '{"\\udfff": 1}', 400, "is not a field"),
        ("courier-1", "PayService/GetStatement", "[" * 50_000, 400, "not JSON"),
        ("courier-1", "PayService/GetStatement", '{"workerId": NaN}', 400, "not JSON"),
        ("courier-1", "PayService/GetStatement", '{"workerId": ' + "9" * 5000 + "}", 400, "not JSON"),
        ("courier-1", "PayService/GetStatement", b'{"workerId": "\xff"}', 400, "not JSON"),
        ("courier-1", "PayService/GetStatement", '{"workerId": "courier-1\\n"}', 400, "worker_id"),
        ("courier-1", "PayService/GetStatement", '{"startTime": "0001-01-01T00:00:00Z"}', 400, "start_time"),
        ("courier-1", "PayService/GetStatement", '{"period": {"timeZone": "a\\u0000"}}', 400, "period.time_zone"),
        ("nobody", "TransparencyService/GetMyMeasures", '{"courierId": "nobody"}', 404, "nobody"),
        ("courier-1", "JobService/PlaceJob", "{}", 404, ""),
    ],
)
async def test_what_the_page_asks_is_checked_as_any_call_is(
    town: Town, token: str, method: str, request_: str | bytes, status: int, text: str
) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        if token:
            async with session.post(f"{town.url}/session", data=town.suite.wallet.token("courier", token)) as signed_in:
                assert signed_in.status == 200
        async with session.post(f"{town.url}/api/{method}", data=request_, headers=JSON) as answer:
            assert answer.status == status
            assert text in await answer.text()


async def test_prices_and_scores_are_opened_to_nobody_who_has_not_said_who_they_are(town: Town, seen: Seen) -> None:
    await seen.page.goto(f"{town.url}/me{town.signed_in('courier', ME)}")
    price = seen.page.locator("#decisions button", has_text="The pay of").first
    decision_id = await price.get_attribute("data-decision", timeout=PATIENCE)
    async with aiohttp.ClientSession() as anybody, anybody.get(f"{town.url}/live/decisions/{decision_id}") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("decision_id", ["%00", "a%0A", "%ED%A0%80", "%FF", "x" * 2000, "a%2F..%2Fb"])
async def test_an_id_that_cannot_be_is_not_found(town: Town, decision_id: str) -> None:
    url = URL(f"{town.url}/live/decisions/{decision_id}", encoded=True)
    async with aiohttp.ClientSession() as anybody, anybody.get(url) as answer:
        assert answer.status == 404


async def test_a_token_that_is_none_signs_nobody_in(town: Town) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{town.url}/session", data="root") as answer:
        assert answer.status == 401
        assert "not valid" in await answer.text()
        assert not answer.cookies
