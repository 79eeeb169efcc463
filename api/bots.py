"""Telling people who follow a link from programs that merely look at it.

A click is worth money, so the rule leans to "not a person": what announces itself as a robot, a preview or
a prefetch is not counted. Nothing here catches a program that pretends to be a browser.
"""

import re
from collections.abc import Mapping

# First the words that most robots have in their names (Googlebot, Slackbot, TelegramBot, Baiduspider,
# BingPreview; but CUBOT makes phones), then link previews, other robots and plain HTTP tools without them.
# The in-app browsers of Instagram, Facebook, Pinterest and X carry none of these.
_ROBOT = re.compile(
    r"(?<!cu)bot\b|bot[/-]|crawler|spider|preview"
    r"|facebookexternalhit|facebookcatalog|meta-external|whatsapp/|slack-img|viber|embedly|iframely|vkshare"
    r"|google-inspectiontool|googleother|mediapartners-google|mastodon/|headlesschrome|lighthouse"
    r"|curl/|wget/|python-|aiohttp/|go-http-client/|okhttp/|java/|libwww-perl/|axios/|node-fetch|scrapy/|http\.rb/",
    re.IGNORECASE,
)


def is_person(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a request counts as a click. Header names are lower case.

    Not counted: HEAD; prefetching and prerendering (`Sec-Purpose`, its older spelling `Purpose`, WebKit's
    `X-Purpose`, Firefox's `X-Moz`); an empty user agent; robots, link previews and plain HTTP tools such as
    curl, which no shopper uses.
    """
    if method != "GET":
        return False
    purpose = " ".join(headers.get(name, "") for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))
    if any(word in purpose.lower() for word in ("prefetch", "prerender", "preview")):
        return False
    agent = headers.get("user-agent", "").strip()
    return bool(agent) and _ROBOT.search(agent) is None
