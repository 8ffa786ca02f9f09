"""The page in a real browser: what is shown, what is chosen, and that nothing else runs."""

import csv

import numpy as np
import pytest

from sklssl.inspection import write_image_map
from tests.inspection._image_map._browser import Page, start_browser

pytest.importorskip("plotly")

NASTY = (
    "</script><img src=x onerror=alert(1)>",
    '<b>bold</b> &amp; $x_1$ \u2028 "quoted"',
    "<svg onload=\"document.title='run'\">.png",
    "=1+1, 'a'",
)
N = 200


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def chrome(downloads):
    chrome = start_browser(downloads)
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def inputs(digits):
    """Digits on a grid of 20 columns with some noise; the left half are "a"."""
    rng = np.random.default_rng(0)
    grid = np.stack([np.arange(N) % 20, np.arange(N) // 20], axis=1) + rng.uniform(
        -0.2, 0.2, (N, 2)
    )
    names = [*NASTY, *(f"image {i}" for i in range(len(NASTY), N - 1)), "image 7"]  # twice
    y = {
        "half": np.where(grid[:, 0] < 9.5, "a", "<i>b</i>"),
        "digit": digits[1][:N],
        "shade": digits[0][:N].mean(axis=(1, 2, 3)),
    }
    return {"Z": grid, "X": digits[0][:N], "y": y, "names": names}


@pytest.fixture(scope="module")
def path(tmp_path_factory, inputs):
    path = tmp_path_factory.mktemp("map") / "map.html"
    return write_image_map(path, **inputs, title="A <b>map</b>", random_state=0)


@pytest.fixture(scope="module")
def opened(chrome, path):
    return Page(chrome, path)


@pytest.fixture
def page(opened):
    """The map as at the outset, but for the image in the panel: opening it takes seconds."""
    for button in ("clear", "pan", "all"):
        opened.run("document.getElementById(arguments[0]).click()", button)
    opened.run(
        "const [menu, search] = ['colouring', 'search'].map((id) => document.getElementById(id));"
        "menu.value = 0; menu.onchange({target: menu}); search.value = '';"
    )
    opened.point_at(5, 5)
    yield opened
    assert opened.errors() == []


def test_nothing_is_loaded_and_no_markup_runs(page, inputs, path):
    for i in range(len(NASTY)):
        page.drag(page.place(i))
        assert page.text("#name") == inputs["names"][i]
        assert page.text("#tip p") == inputs["names"][i]
    assert page.texts("#legend span") == ["<i>b</i>", "a"]
    assert page.chrome.title == page.text("h1") == "A <b>map</b>"
    assert (
        page.run("return document.querySelectorAll('img, b, svg[onload], [onerror]').length") == 0
    )
    assert all(url.startswith((path.as_uri(), "data:", "blob:")) for url in page.requests())


def test_scripts_that_a_name_would_add_are_blocked(page):
    page.run(
        "const bad = document.createElement('div'); window.ran = false;"
        'bad.innerHTML = \'<img src="data:," onerror="window.ran = true">\';'
        "document.body.append(bad)"
    )
    page.settle()
    assert page.run("return window.ran") is False
    assert any("Content Security Policy" in message for message in page.errors())


def test_at_the_outset_some_pictures_are_shown_that_do_not_overlap(page):
    assert 20 < page.shown() < N
    pixels = page.run(
        "const o = document.getElementById('overlay');"
        "return [...o.getContext('2d').getImageData(0, 0, o.width, o.height).data]"
        ".reduce((sum, v, i) => sum + (i % 4 === 3 && v > 0), 0)"
    )
    side = 43  # with the frame
    assert 0.9 < pixels / (page.shown() * side**2) < 1.1


def test_pointing_at_an_image(page, inputs):
    page.point_at(*page.place(50))
    assert page.element("#tip").is_displayed()
    assert page.text("#tip p") == "image 50"
    assert page.text("#tip p + p") == f"half: {inputs['y']['half'][50]}"
    picture = page.wait(
        "(() => { const c = document.querySelector('#tip canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return c.width === 160 && d.some((v) => v > 0) && "
        "[...Array(64).keys()].map((i) => "
        "d[4 * (160 * (20 * Math.floor(i / 8) + 10) + 20 * (i % 8) + 10)])"
        "})()"
    )
    shown = np.reshape(picture, (8, 8)).astype(float)
    assert np.abs(shown - inputs["X"][50, :, :, 0]).mean() < 12  # a JPEG
    page.point_at(5, 5)
    assert not page.element("#tip").is_displayed()


def test_zooming_draws_more_pictures(page):
    before, few = page.layout(), page.shown()
    page.element("#in").click()
    page.settle()
    after = page.layout()
    assert np.ptp(after["x"]) == pytest.approx(np.ptp(before["x"]) / 1.5)
    assert np.ptp(after["y"]) == pytest.approx(np.ptp(before["y"]) / 1.5)
    page.element("#map").send_keys("+++")
    page.settle()
    assert page.shown() != few
    assert np.ptp(page.layout()["x"]) == pytest.approx(np.ptp(before["x"]) / 1.5**4)
    page.element("#map").send_keys("0")
    page.settle()
    assert page.layout()["x"] == pytest.approx(before["x"])


def test_scrolling_zooms_about_the_pointer(page):
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    before, place = page.layout(), page.place(50)
    page.point_at(*place)
    origin = ScrollOrigin.from_viewport(*place)
    page.mouse().scroll_from_origin(origin, 0, -300).perform()
    page.wait(
        "document.getElementById('map').layout.xaxis.range[0] != arguments[0]", before["x"][0]
    )
    page.settle()
    after = page.layout()
    assert np.ptp(after["x"]) < 0.95 * np.ptp(before["x"])
    assert np.ptp(after["x"]) / np.ptp(before["x"]) == pytest.approx(
        np.ptp(after["y"]) / np.ptp(before["y"])
    )
    assert np.abs(np.subtract(page.place(50), place)).max() <= 2


def test_dragging_moves_the_map(page):
    left, top = page.place(50)
    before, name = page.layout(), page.text("#name")
    page.drag((left, top), (left + 50, top + 10), (left + 100, top + 30))
    assert page.place(50) == (left + 100, top + 30)
    assert np.ptp(page.layout()["x"]) == pytest.approx(np.ptp(before["x"]))
    assert page.text("#name") == name  # a drag is no click


def rectangle_names(page, inputs, low, high):
    data = page.data()
    places = np.stack([data["x"], data["y"]], axis=1)
    inside = ((places > low) & (places < high)).all(axis=1)
    return [name for name, one in zip(inputs["names"], inside, strict=True) if one]


def corner(page, x, y):
    box = page.run("return document.getElementById('map').getBoundingClientRect().toJSON()")
    layout = page.layout()
    (x0, x1), (y0, y1) = layout["x"], layout["y"]
    left = box["left"] + (x - x0) / (x1 - x0) * box["width"]
    return round(left), round(box["top"] + (y1 - y) / (y1 - y0) * box["height"])


@pytest.mark.parametrize("mode", ["lasso", "select"])
def test_a_lasso_and_a_box(mode, page, inputs):
    page.element(f"#{mode}").click()
    page.settle()
    low, high = (180, 80), (420, 350)
    corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])]
    if mode == "select":
        corners = [corners[0], corners[2]]
    page.drag(*(corner(page, *at) for at in corners))
    page.wait("!document.getElementById('selected').hidden")
    expected = rectangle_names(page, inputs, low, high)
    assert len(expected) > 10
    assert page.selected() == expected
    assert page.text("#n-selected") == str(len(expected))
    page.element("#clear").click()
    assert not page.element("#selected").is_displayed()


def test_the_list_can_be_copied_and_saved(page, inputs, downloads):
    from selenium.webdriver.common.keys import Keys

    page.element("#search").send_keys("'A'")
    page.element("#copy").click()
    page.wait("document.getElementById('copy').textContent === 'Copied'")
    page.element("#search").clear()
    page.element("#search").send_keys(Keys.CONTROL, "v")
    assert page.element("#search").get_property("value") == NASTY[3]
    assert page.selected() == [NASTY[3]]
    page.element("#save").click()
    file = downloads / "images.csv"
    page.wait("true")
    for _ in range(100):
        if file.exists():
            break
        page.settle()
    with open(file, newline="", encoding="utf-8") as opened:
        rows = list(csv.reader(opened))
    y = inputs["y"]
    assert rows == [
        ["row", "name", "half", "digit", "shade"],
        ["3", NASTY[3], y["half"][3], str(y["digit"][3]), f"{y['shade'][3]:.4g}"],
    ]


def test_searching(page):
    from selenium.webdriver.common.keys import Keys

    page.element("#search").send_keys("IMAGE 7")
    expected = ["image 7", *(f"image {i}" for i in range(70, 80)), "image 7"]
    assert page.selected() == expected
    for name in (*expected, expected[0]):  # and begins again
        page.element("#search").send_keys(Keys.ENTER)
        assert page.text("#name") == name
    page.element("#search").send_keys("nowhere")
    assert not page.element("#selected").is_displayed()


def test_clicking_shows_the_nearest_neighbours(page, inputs):
    page.drag(page.place(105))
    distances = np.linalg.norm(inputs["Z"] - inputs["Z"][105], axis=1)
    nearest = np.argsort(distances)[1:13]
    labels = page.run(
        "return [...document.querySelectorAll('#neighbours button')].map((b) => b.title)"
    )
    assert labels == [inputs["names"][i] for i in nearest]
    assert page.texts("#facts dd")[:2] == [inputs["y"]["half"][105], str(inputs["y"]["digit"][105])]
    page.element("#neighbours button").click()
    assert page.text("#name") == inputs["names"][nearest[0]]


def test_the_menu_changes_the_colours(page, inputs):
    from selenium.webdriver.support.ui import Select

    colors = "return document.getElementById('map').data[0].marker.color"
    menu = Select(page.element("#colouring"))
    assert [option.text for option in menu.options] == ["half", "digit", "shade"]
    assert len(set(page.run(colors))) == 2
    menu.select_by_visible_text("digit")
    by_digit = page.run(colors)
    assert len(set(zip(by_digit, inputs["y"]["digit"].tolist(), strict=True))) == 10
    counts = np.bincount(inputs["y"]["digit"])
    assert page.texts("#legend span") == list(map(str, range(10)))
    assert page.texts("#legend small") == list(map(str, counts))
    menu.select_by_visible_text("shade")
    assert len(set(page.run(colors))) > 20
    shade = inputs["y"]["shade"]
    assert page.texts(".ends span") == [f"{shade.min():.4g}", f"{shade.max():.4g}"]


def test_the_legend_selects_classes(page, inputs):
    first, second = page.chrome.find_elements("css selector", "#legend button")
    first.click()
    in_b = [i for i in range(N) if inputs["y"]["half"][i] != "a"]
    assert page.selected() == [inputs["names"][i] for i in in_b]
    selected = page.run("return document.getElementById('map').data[0].selectedpoints")
    assert selected == in_b
    second.click()
    assert page.text("#n-selected") == str(N)
    first.click()
    second.click()
    assert not page.element("#selected").is_displayed()


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark(dark, page):
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    back = page.run("return getComputedStyle(document.body).backgroundColor")
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert back == ("rgb(21, 24, 28)" if dark else "rgb(255, 255, 255)")


def test_a_narrow_window(page):
    size = {"width": 420, "height": 800, "deviceScaleFactor": 2, "mobile": False}
    page.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.wait("document.getElementById('map').layout.width <= 420")
        page.settle()
        assert page.run("return document.documentElement.scrollWidth") <= 420
        left, _ = page.place(0)
        right, _ = page.place(N - 1)
        assert 0 < left < right < 420  # the whole map is still shown
    finally:
        page.chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_equal_positions(chrome, tmp_path, X):
    page = Page(chrome, write_image_map(tmp_path / "map.html", np.zeros((40, 2)), X))
    assert page.shown() == 1
    page.drag(page.place(0))
    assert page.text("#name").isdigit()
    assert page.errors() == []
