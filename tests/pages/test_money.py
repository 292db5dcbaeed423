"""The pages show each amount exactly, with the digits that the service sends, as the terminal does."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Route, expect

from dispatcher import money
from dispatcher.currencies import DIGITS, digits_of
from tests.amounts import number
from tests.pages.conftest import PATIENCE, Seen, Town
from tests.pages.test_worker_page import ME

pytestmark = [pytest.mark.xdist_group("pages"), pytest.mark.usefixtures("browser")]

# More than a double holds: an odd number above 2^53.
LARGE = 2**53 + 1
AMOUNTS = (0, 1, -1, 5, 99, 100, -100, 1240, 123_456_789, LARGE, -LARGE, 2**62, -(2**62))
SHOWN = """async (cases) => {
  const { money } = await import("/assets/money.js");
  return cases.map(([amount, code, digits]) => money(amount, { code, digits }));
}"""


async def test_page_and_terminal_show_the_same_number_for_every_currency(town: Town, seen: Seen) -> None:
    chance = random.Random(1)
    amounts = (*AMOUNTS, *(chance.randrange(-(2**62), 2**62) for _ in range(5)))
    cases = [(amount, code) for code in (*sorted(DIGITS), "XTS", "ANG") for amount in amounts]
    await seen.page.goto(f"{town.url}/me")
    shown = await seen.page.evaluate(SHOWN, [[str(amount), code, digits_of(code)] for amount, code in cases])
    expected = [number(money.text(amount, code)) for amount, code in cases]
    assert [number(text) for text in shown] == expected


async def change_answers(seen: Seen, town: Town, method: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let the page read the service's answers of a method with a change."""

    async def answer(route: Route) -> None:
        response = await route.fetch()
        body = await response.json()
        change(body)
        await route.fulfill(response=response, body=json.dumps(body))

    await seen.page.route(f"{town.url}/api/{method}", answer)


async def test_amounts_that_no_double_holds_are_shown_to_the_last_digit(town: Town, seen: Seen) -> None:
    def enlarge(statement: dict[str, Any]) -> None:
        for line in statement.get("lines", []):
            line["minorUnits"] = str(LARGE)
        statement["total"]["minorUnits"] = statement["perOnlineHour"]["minorUnits"] = str(LARGE)

    def enlarge_top_up(measures: dict[str, Any]) -> None:
        for part in (part for one in measures.get("measures", []) if one["number"] == 8 for part in one["values"]):
            if part["name"] == "minor_units":
                part["minorUnits"] = str(LARGE)

    await change_answers(seen, town, "PayService/GetStatement", enlarge)
    await change_answers(seen, town, "TransparencyService/GetMyMeasures", enlarge_top_up)
    await seen.page.goto(f"{town.url}/me{town.signed_in('courier', ME)}")
    text = money.text(LARGE, "USD")
    await expect(seen.page.locator("#pay-figures dd").first).to_have_text(text, timeout=PATIENCE)
    await expect(seen.page.locator("#floor")).to_contain_text(f"have added {text} so far")
    await expect(seen.page.locator("#pay-lines tbody tr").first).to_be_attached(timeout=PATIENCE)
    lines = await seen.page.locator("#pay-lines tbody td:last-child").all_text_contents()
    assert lines
    assert set(lines) == {text}
    # In one instant, since the statement may grow between two looks.
    sums, names = await seen.page.evaluate(
        """() => [
          [...document.querySelectorAll("#pay-sums tbody td:last-child")].slice(0, -1).map((cell) => cell.textContent),
          [...document.querySelectorAll("#pay-lines tbody td:nth-child(2)")].map((cell) => cell.textContent),
        ]"""
    )
    assert sums == [money.text(LARGE * names.count(name), "USD") for name in dict.fromkeys(reversed(names))]
    assert seen.faults == []


async def test_a_price_is_shown_with_the_digits_that_came_with_it(town: Town, seen: Seen) -> None:
    currencies = {"JPY": 0, "HUF": 2, "KWD": 3, "CLF": 4}
    left = iter(currencies.items())

    def convert(answer: dict[str, Any]) -> None:
        code, digits = next(left)
        answer["decision"]["pay"]["total"] |= {"currencyCode": code, "digits": digits, "minorUnits": str(LARGE)}

    await change_answers(seen, town, "TransparencyService/ExplainDecision", convert)
    await seen.page.goto(f"{town.url}/me{town.signed_in('courier', ME)}")
    dialog, shown = seen.page.get_by_role("dialog"), ""
    for code in currencies:
        async with seen.page.expect_response("**/ExplainDecision"):
            await seen.page.locator("#decisions button", has_text="The pay of").first.click(timeout=PATIENCE)
        total = dialog.locator("#decision-body table", has_text="Pay").locator("tbody tr").last.locator("td").last
        await expect(total).not_to_have_text(shown, timeout=PATIENCE)
        shown = await total.inner_text()
        assert number(shown) == number(money.text(LARGE, code))
        await seen.page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()


async def test_the_service_sends_digits_with_each_amount_of_a_decision(town: Town, seen: Seen) -> None:
    await seen.page.goto(f"{town.url}/me{town.signed_in('courier', ME)}")
    async with seen.page.expect_response("**/ExplainDecision") as answered:
        offer = seen.page.locator("#decisions button", has_text="could take this job and were").first
        await offer.click(timeout=PATIENCE)
    decision = (await (await answered.value).json())["decision"]
    (pay,) = (one for one in decision["inputs"] if one["name"] == "pay")
    assert pay["amount"] == decision["offer"]["pay"]
    assert [job["pay"]["total"]["digits"] for job in decision["offer"]["jobs"]] == [2] * len(decision["offer"]["jobs"])
    await expect(seen.page.locator("#decision-body")).to_contain_text(
        money.text(int(pay["amount"]["minorUnits"]), "USD")
    )
