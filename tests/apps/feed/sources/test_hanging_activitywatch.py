"""An ActivityWatch server that answers at first and then hangs keeps nobody for minutes."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.sources import activitywatch_client
from traceformers.apps.feed.sources.activitywatch_client import ActivityWatchClient
from traceformers.apps.feed.sources.activitywatch_source import ActivityWatchSource

NOW = 1_790_000_000_000


def test_a_server_that_hangs_in_the_middle_is_given_up_and_what_is_wrong_is_told(tmp_path):
    asked = []

    class Hanging(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path == "/api/0/info":
                body = b'{"hostname": "desk", "version": "v0.13"}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            else:
                given_up.wait(20)

        def log_message(self, *_):
            """Says nothing."""

    given_up = Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Hanging) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        client = ActivityWatchClient(
            port=server.server_port, timeout=(1, 0.1), patience=0.3, backoff=0.001, attempts=99
        )
        with FeedDatabase(f"sqlite:///{tmp_path}/feed.sqlite") as database:
            report = ActivityWatchSource(client=client).collect(database, NOW)
        given_up.set()
        server.shutdown()
    assert f"ActivityWatch at 127.0.0.1:{server.server_port} is out of reach: it did not answer in time" in report.error
    assert 2 <= len(asked) < 8
    assert ActivityWatchClient().http.patience == activitywatch_client.PATIENCE_SECONDS <= 90
