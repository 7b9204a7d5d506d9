#!/usr/bin/env python3
"""bench_report.py REPORT_TEST: the HTML of `lull bench idle` in a browser.

Lays the page out in headless Chromium, wide and narrow, light and dark, and
looks: there are charts, every coordinate in them is a number, no text stands
outside its chart, no two names on the front cover each other, and the page is
not wider than the window. Screenshots go to $LULL_SCREENSHOTS where that is
set. Exit code 77 (skipped, to meson) without Chromium.
"""
import html
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120
REPORT_TEST = None

# Runs in the page; what it finds wrong becomes text that --dump-dom shows.
PROBE = """
<script>
const wrong = [], number = /^-?[0-9.]+$/;
const charts = [...document.querySelectorAll("svg.chart")];
const inside = (a, b) => a.left >= b.left - 1 && a.right <= b.right + 1 &&
    a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
const covers = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 &&
    a.top < b.bottom - 2 && b.top < a.bottom - 2;
for (const chart of charts) {
  const frame = chart.getBoundingClientRect();
  if (!(frame.width > 40 && frame.height > 10)) wrong.push("a chart is flat");
  for (const e of chart.querySelectorAll("*")) {
    for (const name of ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r",
                        "width", "height"]) {
      const value = e.getAttribute(name);
      if (value !== null && !number.test(value))
        wrong.push(`${e.tagName} ${name}=${value}`);
    }
    for (const value of (e.getAttribute("points") || "").split(/[ ,]+/))
      if (value && !number.test(value)) wrong.push("points " + value);
  }
  for (const text of chart.querySelectorAll("text"))
    if (!inside(text.getBoundingClientRect(), frame))
      wrong.push("outside its chart: " + text.textContent);
  const names = [...chart.querySelectorAll("text.label")];
  const box = chart.querySelector("rect.frame");
  names.forEach((a, i) => {
    const mine = a.getBoundingClientRect();
    if (!inside(mine, box.getBoundingClientRect()))
      wrong.push("over the frame: " + a.textContent);
    for (const b of names.slice(i + 1))
      if (covers(mine, b.getBoundingClientRect()))
        wrong.push(`${a.textContent} covers ${b.textContent}`);
  });
}
if (document.documentElement.scrollWidth > innerWidth)
  wrong.push("wider than the window: " + document.documentElement.scrollWidth);
const out = document.createElement("pre");
out.id = "probe";
out.textContent = JSON.stringify({
  wrong: wrong, charts: charts.length,
  fronts: document.querySelectorAll("svg.wide").length,
  bars: document.querySelectorAll("svg.bar").length,
  small: document.querySelectorAll("svg.small rect.fill").length,
  dots: document.querySelectorAll("svg.wide circle").length,
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  claims: document.querySelectorAll("#claims tr").length,
  scripts: document.scripts.length, partial: !!document.querySelector(
      "#partial")});
document.body.append(out);
</script>
"""


def find_browser():
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def run(folder, *words):
    # Root, as in a container, has no sandbox to be put into.
    return subprocess.run(
        [find_browser(), "--headless", "--no-sandbox", "--disable-gpu",
         "--hide-scrollbars", f"--user-data-dir={folder}/profile",
         *map(str, words)], capture_output=True, timeout=PATIENCE)


def look(page, width=1280, dark=False):
    """What the probe says about a page, and the size of its picture."""
    with tempfile.TemporaryDirectory(prefix="lull-") as name:
        folder = Path(name)
        text = Path(page).read_text(encoding="utf-8")
        # The page forbids scripts, its own and ours.
        text = re.sub(r"<meta http-equiv=Content-Security-Policy[^>]*>", "",
                      text)
        copy = folder / "page.html"
        copy.write_text(text.replace("</body>", PROBE + "</body>"),
                        encoding="utf-8")
        window = [f"--window-size={width},4400"]
        if dark:
            window.append("--blink-settings=preferredColorScheme=0")
        dom = run(folder, *window, "--dump-dom", copy.as_uri())
        found = re.search(r'<pre id="probe">(.*?)</pre>',
                          dom.stdout.decode(errors="replace"), re.DOTALL)
        if not found:
            raise AssertionError(dom.stderr.decode(errors="replace")[-2000:])
        picture = folder / "page.png"
        run(folder, *window, f"--screenshot={picture}", Path(page).as_uri())
        size = struct.unpack(">II", picture.read_bytes()[16:24])
        keep = os.environ.get("LULL_SCREENSHOTS")
        if keep:
            shade = "dark" if dark else "light"
            shutil.copy(picture,
                        Path(keep) / f"{Path(page).stem}-{width}-{shade}.png")
        return json.loads(html.unescape(found.group(1))), size


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="lull-")
        cls.page = Path(cls.folder.name) / "report.html"
        # As meson runs a program that is for another machine.
        wrapper = shlex.split(os.environ.get("MESON_EXE_WRAPPER", ""))
        subprocess.run([*wrapper, REPORT_TEST, "--write", cls.page],
                       check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def good(self, probe):
        self.assertEqual(probe["wrong"], [])
        # Two for each number of vCPUs.
        self.assertEqual(probe["fronts"], 4)
        # All policies but the one whose guest is stuck.
        self.assertEqual(probe["dots"], 2 * (12 + 2))
        self.assertEqual(probe["bars"], 13 + 2)
        self.assertGreater(probe["small"], 300)
        self.assertGreater(probe["claims"], 15)
        # Ours alone: nothing of the guest's words has become one.
        self.assertEqual(probe["scripts"], 1)
        self.assertFalse(probe["partial"])

    def test_light(self):
        probe, size = look(self.page)
        self.good(probe)
        self.assertEqual(size, (1280, 4400))

    def test_narrow_and_dark(self):
        probe, size = look(self.page, width=700, dark=True)
        self.good(probe)
        self.assertTrue(probe["dark"])
        self.assertEqual(size, (700, 4400))


if __name__ == "__main__":
    if not find_browser():
        print("skipped: no Chromium here; `scripts/bootstrap --report`"
              " installs it")
        sys.exit(77)
    REPORT_TEST = sys.argv[1]
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
