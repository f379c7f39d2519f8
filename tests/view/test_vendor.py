import hashlib
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "ecgfeat/view/page"
VENDOR = PAGE / "vendor"


def test_files_of_others_are_those_that_are_listed():
    listed = re.findall(r"^([0-9a-f]{64})  (\S+)$", (VENDOR / "README.txt").read_text(), re.M)
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    assert {name: digest for digest, name in listed} == {k: v for k, v in there.items() if k != "README.txt"}
    assert any("LICENSE" in name for name in there)


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_code():
    own = [path for path in PAGE.iterdir() if path.suffix in (".html", ".js", ".css", ".svg")]
    assert len(own) > 10
    for path in own:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//cdn|@import", text), path
    page = (PAGE / "index.html").read_text()
    assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=", page)
    for target in re.findall(r'(?:src|href)="/page/([^"]+)"', page):
        assert target == "colours.css" or (PAGE / target).is_file(), target
