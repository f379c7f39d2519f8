"""The command as a user calls it: it prints an address, serves it, predicts, and leaves nothing behind."""

import html
import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ecgfeat.cli import main
from ecgfeat.simulate import simulate_corpus
from tests.fixtures.view_server import unpack


@contextmanager
def start(folder: Path, *arguments: object, browser: str = "") -> Iterator[subprocess.Popen[str]]:
    """Start the command; `browser` is what it opens the page with."""
    command = [sys.executable, "-m", "ecgfeat.cli", "view", *map(str, arguments), *["--no-browser"] * (not browser)]
    temporary = folder / "temporary"
    temporary.mkdir(exist_ok=True)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = os.environ | {"TMPDIR": str(temporary), "BROWSER": browser}
    with subprocess.Popen(command, **pipes, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()


def ask(address: str, path: str, method: str = "GET") -> bytes:
    host = urlsplit(address).netloc
    token, port = address.split("token=")[1], host.split(":")[1]
    with closing(http.client.HTTPConnection(host, timeout=60)) as connection:
        headers = {"Cookie": f"ecgfeat-{port}={token}", "Origin": f"http://{host}"}
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        return body


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_an_end_while_a_record_is_predicted_leaves_nothing(tmp_path, ending):
    simulate_corpus(tmp_path, num_subjects=1, minutes=10, fs_hz=128, seed=1)
    with start(tmp_path, next(tmp_path.glob("*.hea")).with_suffix("")) as process:
        address = process.stdout.readline().split(": ")[1].strip()
        ask(address, "/records/1/open", "POST")
        process.send_signal(ending)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
    assert folders_of(tmp_path) == set()


def test_a_record_is_shown_and_predicted_and_nothing_stays(tmp_path):
    simulate_corpus(tmp_path, num_subjects=1, minutes=2, fs_hz=128, seed=1)
    record = next(tmp_path.glob("*.hea")).with_suffix("")
    with start(tmp_path, record) as process:
        address = process.stdout.readline().split(": ")[1].strip()
        assert address.startswith("http://127.0.0.1:")
        described = json.loads(ask(address, "/records/1/open", "POST"))
        assert described["prediction"] == "waiting"
        assert unpack(ask(address, "/records/1/strip?from_s=0&to_s=10&columns=1000"))["num_columns"] > 1000
        assert [path.stat().st_mode & 0o777 for path in folders_of(tmp_path)] == 2 * [0o700], (
            "of the record, and of the worker"
        )
        state = json.loads(ask(address, "/records/1/events").decode().split("data: ")[-1])
        assert (state["prediction"], state["message"], state["faults"]) == ("ready", "", [])
        prediction = unpack(ask(address, "/records/1/marks/prediction"))
        assert len(prediction["time"]) > 60
        assert len(prediction["beat_probability"]) == 3 * len(prediction["time"])
        assert {"AF burden", "mean heart rate"} <= {figure["label"] for figure in prediction["figures"]}
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "GET" not in out
    assert folders_of(tmp_path) == set()


def folders_of(folder):
    return {path for path in (folder / "temporary").iterdir() if path.name.startswith("ecgfeat-view-")}


def test_what_a_killed_page_leaves_is_removed_by_the_next(tmp_path):
    simulate_corpus(tmp_path, num_subjects=1, minutes=1, fs_hz=128, seed=1)
    (tmp_path / "temporary" / "ecgfeat-view-of-another-kind").mkdir(parents=True)
    with start(tmp_path, tmp_path / "sim000", "--no-predict") as killed:
        ask(killed.stdout.readline().split(": ")[1].strip(), "/records/1/open", "POST")
        left = folders_of(tmp_path)
        assert len(left) == 2, "of the worker, and of the record"
        assert any((path / "samples.npy").exists() for path in left)
        killed.kill()
        killed.wait(60)
    assert folders_of(tmp_path) == left
    with start(tmp_path, tmp_path / "sim000", "--no-predict") as living:
        ask(living.stdout.readline().split(": ")[1].strip(), "/records/1/open", "POST")
        own = folders_of(tmp_path)
        assert len(own) == 2
        assert not own & left
        with start(tmp_path, tmp_path / "sim000", "--no-predict") as third:
            third.stdout.readline()
            assert own < folders_of(tmp_path), "those of a page that runs stay"


def test_the_browser_is_given_a_private_file_that_leads_to_the_page(tmp_path):
    simulate_corpus(tmp_path, num_subjects=1, minutes=1, fs_hz=128, seed=1)
    browser = tmp_path / "browser"
    browser.write_text(
        f"""#!/bin/sh
printf '%s\\n' "$@" > {tmp_path}/arguments
cp -p "${{1#file://}}" {tmp_path}/opened.html
"""
    )
    browser.chmod(0o700)
    with start(tmp_path, tmp_path / "sim000", "--no-predict", browser=str(browser)) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        address = lines[0].split(": ")[1].strip()
        ask(address, "/records")  # it is served once the browser has been called
        arguments = (tmp_path / "arguments").read_text().split()
        assert len(arguments) == 1
        assert arguments[0].startswith(f"file://{tmp_path}/temporary/ecgfeat-view-")
        token = address.split("token=")[1]
        assert token not in arguments[0]
        opened = tmp_path / "opened.html"
        assert opened.stat().st_mode & 0o777 == 0o600
        leads_to = re.search(r'content="0;url=([^"]*)"', opened.read_text()).group(1)
        assert html.unescape(leads_to) == address
        with closing(http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)) as connection:
            connection.request("GET", f"/?token={token}", headers={"Sec-Fetch-Site": "cross-site"})
            response = connection.getresponse()
            assert (response.status, response.headers["refresh"]) == (200, "0; url=/")
            assert token in response.headers["set-cookie"]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
    assert folders_of(tmp_path) == set()


def test_a_table_says_whose_the_recordings_are(tmp_path):
    simulate_corpus(tmp_path, num_subjects=3, minutes=1, fs_hz=128, seed=1)
    table = tmp_path / "who.csv"
    table.write_text("record,subject\nsim000,anna\nsim002,anna\n")
    with start(tmp_path, tmp_path, "--no-predict", "--subject", table) as process:
        first = process.stdout.readline()
        assert first.startswith("3 recordings: "), "the table is none"
        records = json.loads(ask(first.split(": ")[1].strip(), "/records"))
        assert [(of["name"], of["subject"]) for of in records] == [
            ("sim000", "anna"),
            ("sim002", "anna"),
            ("sim001", ""),
        ]


WITHOUT_LOCKS = """
import signal, sys
sys.modules["fcntl"] = None
del signal.SIGHUP
import ecgfeat.view.twin
from ecgfeat.cli import main
from ecgfeat.view.security import PrivateFolder
with PrivateFolder() as folder:
    (folder.path / "samples").touch()
assert not folder.path.exists()
sys.exit(main(["view", sys.argv[1], "--no-browser"]))
"""


def test_on_windows_the_page_can_be_written_and_the_command_says_what_to_do(tmp_path):
    simulate_corpus(tmp_path, num_subjects=1, minutes=1, fs_hz=128, seed=1)
    record = next(tmp_path.glob("*.hea")).with_suffix("")
    run = subprocess.run([sys.executable, "-c", WITHOUT_LOCKS, str(record)], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.count("\n") == 1, run.stderr
    assert "expected Linux or macOS" in run.stderr


def test_other_machines_are_let_in_by_a_long_option_alone(tmp_path):
    simulate_corpus(tmp_path, num_subjects=1, minutes=1, fs_hz=128, seed=1)
    with start(tmp_path, tmp_path, "--no-predict", "--expose-to-network") as process:
        address = process.stdout.readline().split(": ")[1].strip()
        assert process.stdout.readline() == "Every machine of the network that has this address can open it.\n"
        assert [record["name"] for record in json.loads(ask(address, "/records"))] == ["sim000"]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing-here"], 1, "nothing-here"),
        (["--port", "99999", "x"], 2, "port"),
        (["--models", "no-models", "{record}"], 2, "--models"),
        (["--subject", "no group", "{record}"], 2, "--subject"),
        (["--subject", "{record}.csv", "{record}"], 2, "--subject"),
    ],
)
def test_a_wrong_call_is_one_line(tmp_path, capsys, arguments, code, message):
    simulate_corpus(tmp_path, num_subjects=1, minutes=1, fs_hz=128, seed=1)
    record = next(tmp_path.glob("*.hea")).with_suffix("")
    given = [argument.format(record=record) for argument in arguments]
    assert main(["view", *given, "--no-browser"]) == code
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
