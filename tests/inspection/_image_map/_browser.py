"""A headless Chromium, and what the tests ask of the page in it."""

import json
import shutil

import pytest

FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")


def start_browser(downloads):
    """Start Chromium with a software WebGL, or skip the test if it is not installed."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, "--enable-unsafe-swiftshader", "--window-size=1400,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    behavior = {"behavior": "allow", "downloadPath": str(downloads)}
    chrome.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)
    return chrome


class Page:
    """An open map, with shorthands for what is on it."""

    def __init__(self, chrome, path):
        self.chrome = chrome
        chrome.get(path.as_uri())
        self.wait("document.querySelector('#overlay[aria-busy=false]')")

    def run(self, script, *values):
        return self.chrome.execute_script(script, *values)

    def wait(self, condition, *values):
        """Wait until a JavaScript expression is true, and return its value."""
        from selenium.webdriver.support.ui import WebDriverWait

        script = f"return {condition}"
        return WebDriverWait(self.chrome, 20, 0.02).until(lambda _: self.run(script, *values))

    def element(self, selector):
        return self.chrome.find_element("css selector", selector)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def texts(self, selector):
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)"
        return self.run(script, selector)

    def data(self):
        return json.loads(self.text("#data"))

    def layout(self):
        return self.run(
            "const {xaxis, yaxis, dragmode} = document.getElementById('map').layout;"
            "return {x: xaxis.range, y: yaxis.range, dragmode}"
        )

    def place(self, i):
        """Return where image `i` is in the window, in pixels."""
        box = self.run("return document.getElementById('map').getBoundingClientRect().toJSON()")
        layout, data = self.layout(), self.data()
        (x0, x1), (y0, y1) = layout["x"], layout["y"]
        left = box["left"] + (data["x"][i] - x0) / (x1 - x0) * box["width"]
        return round(left), round(box["top"] + (y1 - data["y"][i]) / (y1 - y0) * box["height"])

    def shown(self):
        return int(self.run("return document.getElementById('overlay').dataset.shown"))

    def selected(self):
        return self.run("return document.getElementById('list').value").split("\n")

    def settle(self):
        """Wait until two frames have been drawn."""
        self.chrome.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)))"
        )

    def mouse(self):
        from selenium.webdriver.common.action_chains import ActionChains

        return ActionChains(self.chrome, duration=20)

    def point_at(self, left, top):
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        actions = ActionBuilder(self.chrome, duration=20)
        actions.pointer_action.move_to_location(left, top)
        actions.perform()
        self.settle()

    def drag(self, *places):
        """Press the button at the first place, move through the others, and let go."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        actions = ActionBuilder(self.chrome, duration=40)
        actions.pointer_action.move_to_location(*places[0]).pointer_down()
        for place in places[1:]:
            actions.pointer_action.move_to_location(*place)
        actions.pointer_action.pointer_up()
        actions.perform()
        self.settle()

    def errors(self):
        return [x["message"] for x in self.chrome.get_log("browser") if x["level"] == "SEVERE"]

    def requests(self):
        """Return the addresses of everything that was loaded."""
        messages = [json.loads(x["message"])["message"] for x in self.chrome.get_log("performance")]
        sent = [x for x in messages if x["method"] == "Network.requestWillBeSent"]
        return [x["params"]["request"]["url"] for x in sent]
