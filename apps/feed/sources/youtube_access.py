"""Which sources of YouTube's API there are, by what the reader gave: a sign-in, a key, or neither."""

from traceformers.apps.feed.sources.video_details import VideoDetails
from traceformers.apps.feed.sources.youtube_client import DAILY_UNITS, ApiKey, YouTubeClient
from traceformers.apps.feed.sources.youtube_oauth import HeldToken, OAuthProject, SignedIn, TokenFile
from traceformers.apps.feed.sources.youtube_source import YouTubeSource

TOKEN_FILE = "youtube_token.json"


def youtube_sources(
    api_key="",
    client_id="",
    client_secret="",
    refresh_token="",
    token_path=None,
    api_url="https://www.googleapis.com",
    daily_units=DAILY_UNITS,
    channels=(),
    privacy=None,
    oembed_url="https://www.youtube.com/oembed",
    project=None,
    **http_options,
):
    """Returns the sources that can be asked, `list`; making them asks nothing.

    A sign-in goes before a key; with neither, videos known by their id alone get their titles from oEmbed.

    Args:
        api_key, client_id, client_secret, refresh_token (`str`): "" is "not given".
        token_path (path, *optional*): where a sign-in is kept, such as `TOKEN_FILE` in the home.
        api_url (`str`), daily_units (`int`): see `YouTubeClient`.
        channels (iterable of `str`): ids of channels besides the subscriptions.
        privacy (callable, *optional*): makes a `PrivacyFilter`, one a source.
        oembed_url (`str`): see `VideoDetails`.
        project (`OAuthProject`, *optional*): instead of one made from id and secret.
        http_options: for `HttpClient`.
    """
    privacy = privacy or (lambda: None)
    project = project or (OAuthProject(client_id, client_secret) if client_id else None)
    kept = TokenFile(token_path) if token_path is not None else None
    credential = None
    if project is not None and kept is not None and kept.path.exists():
        credential = SignedIn(project, kept, **http_options)
    elif project is not None and refresh_token:
        credential = SignedIn(project, HeldToken(refresh_token), **http_options)
    elif api_key:
        credential = ApiKey(api_key)
    if credential is None:
        return [VideoDetails(None, oembed_url, privacy(), **http_options)]
    client = YouTubeClient(credential, api_url, daily_units, **http_options)
    source = YouTubeSource(client, channels, privacy())
    return [source, VideoDetails(client, oembed_url, privacy(), **http_options)]
