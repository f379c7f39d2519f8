import tempfile

import pytest

from ecgfeat.view.security import PrivateFolder, remove_left_folders
from tests.fixtures.view_server import TOKEN, serve, write_square_waves


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serve([write_square_waves(tmp_path_factory.mktemp("security"))]) as served:
        yield served


@pytest.mark.parametrize("path", ["/", "/records", "/page/main.js", "/page/colours.css", "/records/1/events", "/none"])
@pytest.mark.parametrize("token", [None, "", "another"])
def test_without_the_token_there_is_nothing(served, path, token):
    response, body = served.ask(path, token=token)
    assert response.status == 403
    assert body == b"Open the address that ecgfeat view printed: it has a token."


def test_the_token_of_the_address_becomes_a_cookie_and_leaves_the_address(served):
    response, _ = served.ask(f"/?token={TOKEN}", token=None)
    assert response.status == 303
    assert response.headers["location"] == "/"
    cookie = response.headers["set-cookie"]
    assert cookie.startswith(f"ecgfeat={TOKEN};")
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}
    assert served.ask("/?token=another", token=None)[0].status == 403


def test_a_cookie_of_another_page_of_this_machine_hides_no_token(served):
    for cookie in (f'look={{"dark":1}}; ecgfeat={TOKEN}', f"ecgfeat={TOKEN}; a b=;;"):
        assert served.ask("/records", token=None, headers={"Cookie": cookie})[0].status == 200


def test_a_browser_that_comes_from_a_file_is_led_to_the_page(served):
    response, _ = served.ask(f"/?token={TOKEN}", token=None, headers={"Sec-Fetch-Site": "cross-site"})
    assert (response.status, response.headers["refresh"]) == (200, "0; url=/")
    assert response.headers["set-cookie"].startswith(f"ecgfeat={TOKEN};")


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "evil", ""])
def test_another_name_of_the_host_is_refused(served, host):
    assert served.ask("/records", headers={"Host": host})[0].status == 400
    assert served.ask("/records")[0].status == 200


@pytest.mark.parametrize("origin", ["http://example.org", "null", "", "http://127.0.0.1:1", "https://{host}"])
def test_what_changes_something_must_come_from_the_page(served, origin):
    headers = {"Origin": origin.format(host=served.host)}
    assert served.ask("/records/1/open", method="POST", headers=headers)[0].status == 403
    assert served.ask("/records/1/open", method="POST")[0].status == 200


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/records", "/none", "/records/1/strip"])
def test_every_answer_has_the_headers_of_safety(served, path):
    for token in (TOKEN, None):
        headers = served.ask(path, token=token)[0].headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["/page/../server.py", "/page/%2e%2e/server.py", "/page//etc/passwd", "/page/vendor/../../server.py", "/page/"],
)
def test_no_name_is_a_path(served, path):
    assert served.ask(path)[0].status == 404


@pytest.mark.parametrize("number", ["0", "2", "01", "square", "..", "%2fetc%2fpasswd", "1%00"])
def test_a_record_is_known_by_its_number_alone(served, number):
    assert served.ask(f"/records/{number}/events")[0].status == 404


def test_a_folder_that_another_start_removes_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    make, made = tempfile.mkdtemp, []

    def make_and_lose_the_first(**options):
        made.append(make(dir=tmp_path, **options))
        if len(made) == 1:
            remove_left_folders()
        return made[-1]

    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(tempfile, "mkdtemp", make_and_lose_the_first)
    with PrivateFolder() as folder:
        assert [str(path) for path in tmp_path.iterdir()] == [str(folder.path)] == made[1:]
