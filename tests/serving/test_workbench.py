"""The page: what it says without a browser, and what a person sees in one."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import url_contains
from selenium.webdriver.support.ui import WebDriverWait

from tests.serving.running import ACTION, Running


def rows(html: str) -> list[str]:
    return re.findall(r'data-customer="([^"]+)"', html)


def test_the_list_is_ranked_and_paged(service: Running) -> None:
    first = service.get("/").text
    assert rows(first) == [f"C{i}" for i in range(25)]
    assert "29 customers at stake" in first
    assert 'rel="next" href="/?offset=25"' in first
    second = service.get("/?offset=25").text
    assert rows(second) == ["C25", "C26", "C27", "ключ/7"]
    assert 'rel="prev" href="/"' in second.replace('href="/?"', 'href="/"')
    assert 'rel="next"' not in second


@pytest.mark.parametrize(
    ("query", "ids"), [("?tier=key&owner=", [f"C{i}" for i in range(6)]), ("?owner=Ada", ["C0", "ключ/7"])]
)
def test_filters(service: Running, query: str, ids: list[str]) -> None:
    assert rows(service.get("/" + query).text) == ids


def test_a_filter_without_a_match_says_so(service: Running) -> None:
    assert "matches this filter" in service.get("/?owner=Nobody").text


@pytest.mark.parametrize("query", ["?offset=x", "?offset=-1", "?colour=red"])
def test_a_bad_query_is_told_on_the_page(service: Running, query: str) -> None:
    answer = service.get("/" + query)
    assert answer.status_code == 400
    assert re.search(r'class="notice"[^>]*>(offset|colour): ', answer.text)


def test_names_are_text_not_html(service: Running) -> None:
    html = service.get("/?owner=%22%3E%3Cscript%3E").text
    assert "<script" not in html
    assert "&lt;b&gt;Bold &amp; Sons&lt;/b&gt;" in service.get("/").text


def test_no_script_no_inline_style_no_other_host(service: Running) -> None:
    html = service.get("/").text
    assert not re.search(r"<script|\son\w+=|\sstyle=|javascript:", html)
    assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", html)
    assert "url(" not in service.get("/workbench.css").text
    assert "@import" not in service.get("/workbench.css").text


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = which("chromium"), which("chromedriver")
    if not chromium or not driver:
        told = "Chromium is absent; install Debian's packages chromium and chromium-driver"
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    options = Options()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,1000"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options, Driver(driver))
    try:
        yield started
    finally:
        started.quit()


def test_a_person_reads_the_first_row(service: Running, browser: webdriver.Chrome) -> None:
    browser.get(service.url)
    if place := os.environ.get("REMORA_SCREENSHOTS"):
        browser.save_screenshot(str(Path(place) / "ranked.png"))
    first = browser.find_element(By.CSS_SELECTOR, "tbody tr")
    cells = [cell.text for cell in first.find_elements(By.CSS_SELECTOR, "th, td")]
    assert cells[0] == "1"
    assert cells[1].splitlines() == ["Nordwind Trading", "C0", "Ada"]
    assert cells[2].splitlines() == ["93% high"]
    assert cells[3:5] == ["4,200", "3,906"]
    assert cells[5].lower() == "key"
    assert "last purchase 74 days ago" in cells[6]
    assert cells[7] == ACTION
    assert browser.get_log("browser") == []  # nothing broke the content security policy, nothing was missing


def test_reasons_unfold_without_a_script(service: Running, browser: webdriver.Chrome) -> None:
    browser.get(service.url)
    first = browser.find_element(By.CSS_SELECTOR, "tbody tr")
    assert "NPS" not in first.text
    first.find_element(By.TAG_NAME, "summary").click()
    assert "last NPS answer was 9 of 10" in first.text


def test_the_form_filters(service: Running, browser: webdriver.Chrome) -> None:
    browser.get(service.url)
    browser.find_element(By.NAME, "owner").send_keys("Ada")
    browser.find_element(By.CSS_SELECTOR, "form button").click()
    WebDriverWait(browser, 30).until(url_contains("owner=Ada"))
    rows = browser.find_elements(By.CSS_SELECTOR, "tbody tr")
    assert [row.get_attribute("data-customer") for row in rows] == ["C0", "ключ/7"]
