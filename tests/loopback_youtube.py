"""YouTube on the loopback interface: the Data API v3, the RSS feeds, oEmbed and Google's sign-in, in recorded shapes.

    with LoopbackYouTube() as youtube:
        youtube.add_channel("UC" + "a" * 22, "A channel", videos=[youtube.video("aaaaaaaaaaa", "A title")])
        youtube.fail("/youtube/v3/videos", status=503, times=2)
        youtube.url                 # instead of https://www.googleapis.com
        youtube.requests            # [("GET", path, query, headers), ...]

It is as strict as the API: pages of at most 50, a key or a token, parts that are named; and as untidy: deleted and
private videos stay in playlists, ids that are gone are left out of answers, one video may come on two pages.
"""

import base64
import hashlib
import json
import secrets
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.sax.saxutils import escape, quoteattr

API_KEY, CLIENT_ID, CLIENT_SECRET = "AIza-loopback-key", "client-id", "client-secret"
PUBLISHED = "2026-11-01T12:00:00Z"
MESSAGES = {
    "quotaExceeded": "The request cannot be completed because you have exceeded your quota.",
    "keyInvalid": "API key not valid. Please pass a valid API key.",
    "authError": "Request had invalid authentication credentials.",
}
ENTRY = """ <entry>
  <id>yt:video:{id}</id>
  <yt:videoId>{id}</yt:videoId>
  <yt:channelId>{channel_id}</yt:channelId>
  <title>{title}</title>
  <link rel="alternate" href={link}/>
  <author><name>{channel}</name><uri>https://www.youtube.com/channel/{channel_id}</uri></author>
  <published>{published}</published>
  <updated>{published}</updated>
  <media:group>
   <media:title>{title}</media:title>
   <media:content url="https://www.youtube.com/v/{id}?version=3" type="application/x-shockwave-flash"/>
   <media:thumbnail url="https://i3.ytimg.com/vi/{id}/hqdefault.jpg" width="480" height="360"/>
   <media:description>{description}</media:description>
   <media:community><media:statistics views="1"/></media:community>
  </media:group>
 </entry>
"""
FEED = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns:media="http://search.yahoo.com/mrss/"
 xmlns="http://www.w3.org/2005/Atom">
 <title>{title}</title>
 <author><name>{title}</name></author>
 <published>2015-01-01T00:00:00+00:00</published>
{entries}</feed>
"""


def channel_id(name):
    """Returns the id of a channel, 24 characters, from a short name."""
    return "UC" + (name + "_" * 22)[:22]


def video_id(number):
    """Returns the id of a video, 11 characters."""
    return f"v{number:010d}"


class LoopbackYouTube:
    """The server; a context manager."""

    def __init__(self):
        self.channels, self.videos, self.subscriptions = {}, {}, []
        self.ratings = {"like": [], "dislike": []}
        self.gone = set()  # deleted and private videos: in playlists, nowhere else
        self.requests, self.faults = [], []
        self.access_tokens, self.refresh_tokens, self.codes = set(), set(), {}
        self.lock = threading.RLock()
        handler = type("BoundHandler", (Handler,), {"youtube": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that gave up is no fault
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.rss_url, self.oembed_url = f"{self.url}/feeds/videos.xml", f"{self.url}/oembed"
        self.token_url, self.revoke_url = f"{self.url}/token", f"{self.url}/revoke"
        self.auth_url = f"{self.url}/auth"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    # --- what there is --------------------------------------------------------------------------------------

    def add_channel(self, channel, title, videos=()):
        """Adds a channel with videos (`dict`s of `video`), newest first."""
        self.channels[channel] = {"title": title, "videos": [one["id"] for one in videos]}
        for one in videos:
            self.videos[one["id"]] = {**one, "channel_id": channel, "channel": title}

    def add_videos(self, videos, channel="UC" + "x" * 22, title="Others"):
        """Adds videos that are in no playlist."""
        for one in videos:
            self.videos[one["id"]] = {**one, "channel_id": channel, "channel": title}

    @staticmethod
    def video(identity, title="A video", duration="PT10M", published=PUBLISHED, **more):
        """Returns the description of a video."""
        defaults = {"description": f"About {title}", "live": "none", "category": "27", "short": False, "tags": ["a"]}
        return {"id": identity, "title": title, "duration": duration, "published": published, **defaults, **more}

    def token(self, seconds=3600):
        """Returns an access token and a refresh token that are good."""
        access, refresh = f"ya29.{secrets.token_hex(8)}", f"1//{secrets.token_hex(8)}"
        self.access_tokens.add(access)
        self.refresh_tokens.add(refresh)
        return access, refresh

    # --- what goes wrong ------------------------------------------------------------------------------------

    def fail(self, path, status=503, reason="backendError", times=1, after=0, headers=None, how="answer", where=""):
        """Makes the next `times` requests to a path fail, but for the first `after`.

        Args:
            how (`str`): "answer" with the status; "cut" the connection in the middle; "hang"; "text": no JSON.
            where (`str`): only requests whose query has this text.
        """
        self.faults.append(
            {
                "path": path,
                "status": status,
                "reason": reason,
                "times": times,
                "after": after,
                "headers": headers or {},
                "how": how,
                "where": where,
            }
        )

    def fault_for(self, path, query):
        """Returns the fault that this request meets, or None."""
        for fault in self.faults:
            if fault["path"] == path and fault["where"] in query and fault["times"] > 0:
                if fault["after"] > 0:
                    fault["after"] -= 1
                    continue
                fault["times"] -= 1
                return fault
        return None

    def asked(self, path):
        """Returns the queries of the requests to a path, `list` of `dict`."""
        return [query for _, asked, query, _ in self.requests if asked == path]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    youtube = None

    def log_message(self, *_):
        """Says nothing."""

    def answer_request(self):
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.form = {name: values[0] for name, values in parse_qs(body).items()}
        with self.youtube.lock:
            self.youtube.requests.append((self.command, url.path, self.query or self.form, dict(self.headers)))
            fault = self.youtube.fault_for(url.path, url.query)
        if fault:
            return self.meet(fault)
        routes = {
            "/youtube/v3/videos": self.list_videos,
            "/youtube/v3/subscriptions": self.list_subscriptions,
            "/youtube/v3/playlistItems": self.list_playlist,
            "/feeds/videos.xml": self.give_feed,
            "/oembed": self.give_oembed,
            "/auth": self.give_permission,
            "/token": self.give_token,
            "/revoke": self.revoke,
        }
        with self.youtube.lock:
            return routes.get(url.path, lambda: self.send(b"", status=404))()

    do_GET = do_POST = answer_request

    def meet(self, fault):
        if fault["how"] == "hang":
            return threading.Event().wait(3)
        if fault["how"] == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b'{"items": [{"id": "')
            self.wfile.flush()
            self.close_connection = True
            return self.connection.close()
        if fault["how"] == "text":
            return self.send(b"<html>try again</html>")
        return self.refuse(fault["status"], fault["reason"], fault["headers"])

    def send(self, content, status=200, headers=None):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, status, reason, headers=None):
        message = MESSAGES.get(reason, reason)
        error = {"message": message, "domain": "youtube.quota", "reason": reason}
        self.send({"error": {"code": status, "message": message, "errors": [error]}}, status, headers)

    # --- the API --------------------------------------------------------------------------------------------

    def signed_in(self):
        return self.headers.get("Authorization", "").removeprefix("Bearer ") in self.youtube.access_tokens

    def may_ask(self, needs_person):
        if "Authorization" in self.headers:
            if not self.signed_in():
                self.refuse(401, "authError")
                return False
            return True
        if self.headers.get("X-Goog-Api-Key") != API_KEY:
            self.refuse(400, "keyInvalid")
            return False
        if needs_person:
            self.refuse(401, "authorizationRequired")
            return False
        return True

    def one_page(self, items):
        size = int(self.query.get("maxResults", 5))
        if not 1 <= size <= 50 or "part" not in self.query:
            return self.refuse(400, "invalidParameter")
        start = int(self.query.get("pageToken", "P0").removeprefix("P"))
        page = {"kind": "list", "items": items[start : start + size]}
        page["pageInfo"] = {"totalResults": len(items), "resultsPerPage": size}
        if start + size < len(items):
            page["nextPageToken"] = f"P{start + size}"
        return self.send(page)

    def video_item(self, identity):
        video = self.youtube.videos[identity]
        snippet = {
            "publishedAt": video["published"],
            "channelId": video["channel_id"],
            "title": video["title"],
            "description": video["description"],
            "channelTitle": video["channel"],
            "tags": video["tags"],
            "categoryId": video["category"],
            "liveBroadcastContent": video["live"],
        }
        details = {"duration": video["duration"], "dimension": "2d"}
        return {"kind": "youtube#video", "id": identity, "snippet": snippet, "contentDetails": details}

    def there(self, identities):
        return [one for one in identities if one in self.youtube.videos and one not in self.youtube.gone]

    def list_videos(self):
        if not self.may_ask("myRating" in self.query):
            return None
        if "myRating" in self.query:
            rated = self.youtube.ratings[self.query["myRating"]]
            return self.one_page([self.video_item(one) for one in self.there(rated)])
        asked = self.query["id"].split(",")
        if len(asked) > 50 or "maxResults" in self.query:
            return self.refuse(400, "invalidFilters")
        return self.send({"items": [self.video_item(one) for one in self.there(dict.fromkeys(asked))]})

    def list_subscriptions(self):
        if not self.may_ask(True):
            return None
        items = [
            {"snippet": {"title": self.youtube.channels[one]["title"], "resourceId": {"channelId": one}}}
            for one in self.youtube.subscriptions
        ]
        return self.one_page(items)

    def list_playlist(self):
        if not self.may_ask(False):
            return None
        channel = "UC" + self.query["playlistId"][2:]
        if channel not in self.youtube.channels or self.query["playlistId"][:2] != "UU":
            return self.refuse(404, "playlistNotFound")
        items = []
        for identity in self.youtube.channels[channel]["videos"]:
            video, gone = self.youtube.videos[identity], identity in self.youtube.gone
            snippet = {
                "publishedAt": video["published"],
                "channelId": channel,
                "title": "Deleted video" if gone else video["title"],
                "description": "This video is unavailable." if gone else video["description"],
                "channelTitle": video["channel"],
                "resourceId": {"kind": "youtube#video", "videoId": identity},
            }
            details = {"videoId": identity}
            if not gone:
                snippet |= {"videoOwnerChannelTitle": video["channel"], "videoOwnerChannelId": channel}
                details["videoPublishedAt"] = video["published"]
            items.append({"snippet": snippet, "contentDetails": details})
        return self.one_page(items)

    # --- feeds, oEmbed --------------------------------------------------------------------------------------

    def give_feed(self):
        long_only = "playlist_id" in self.query
        channel = "UC" + self.query["playlist_id"][4:] if long_only else self.query["channel_id"]
        known = self.youtube.channels.get(channel)
        listed = self.there(known["videos"]) if known else []
        videos = [self.youtube.videos[one] for one in listed]
        videos = [one for one in videos if not (long_only and one["short"])][:15]
        if known is None or (long_only and not videos):
            return self.send(b"<html>404</html>", 404)
        entries = "".join(
            ENTRY.format(
                id=one["id"],
                channel_id=channel,
                title=escape(one["title"]),
                channel=escape(known["title"]),
                description=escape(one["description"]),
                published=one["published"].replace("Z", "+00:00"),
                link=quoteattr(f"https://www.youtube.com/{'shorts/' if one['short'] else 'watch?v='}{one['id']}"),
            )
            for one in videos
        )
        feed = FEED.format(title=escape(known["title"]), entries=entries).encode()
        etag = f'"{hashlib.sha256(feed).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == etag:
            return self.send(b"", 304, {"ETag": etag})
        modified = formatdate(1_790_000_000, usegmt=True)
        return self.send(feed, headers={"ETag": etag, "Last-Modified": modified, "Content-Type": "text/xml"})

    def give_oembed(self):
        identity = parse_qs(urlsplit(self.query["url"]).query)["v"][0]
        if identity not in self.youtube.videos:
            return self.send(b"Not Found", 404)
        if identity in self.youtube.gone:
            return self.send(b"Forbidden", 403)
        video = self.youtube.videos[identity]
        return self.send({"title": video["title"], "author_name": video["channel"], "type": "video"})

    # --- signing in -----------------------------------------------------------------------------------------

    def give_permission(self):
        """Stands for the browser too: answers with the address it would go back to."""
        query = self.query
        if query.get("client_id") != CLIENT_ID or query.get("code_challenge_method") != "S256":
            return self.send(b"bad request", 400)
        code = secrets.token_hex(8)
        self.youtube.codes[code] = query["code_challenge"], query["redirect_uri"], query["scope"]
        back = f"{query['redirect_uri']}?{urlencode({'state': query['state'], 'code': code, 'scope': query['scope']})}"
        return self.send(b"", 302, {"Location": back})

    def give_token(self):
        form = self.form
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return self.send({"error": "invalid_client"}, 401)
        access, refresh = self.youtube.token()
        answer = {"access_token": access, "expires_in": 3599, "token_type": "Bearer"}
        if form["grant_type"] == "refresh_token":
            self.youtube.refresh_tokens.discard(refresh)
            if form["refresh_token"] not in self.youtube.refresh_tokens:
                said = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
                return self.send(said, 400)
            return self.send(answer)
        challenge, redirect_uri, _ = self.youtube.codes.pop(form["code"], ("", "", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        good = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        if not good or form["redirect_uri"] != redirect_uri:
            return self.send({"error": "invalid_grant"}, 400)
        return self.send({**answer, "refresh_token": refresh})

    def revoke(self):
        if self.form.get("token") not in self.youtube.refresh_tokens:
            return self.send({"error": "invalid_token", "error_description": "Token expired or revoked"}, 400)
        self.youtube.refresh_tokens.remove(self.form["token"])
        return self.send({})
