"""The platforms that the sandbox emulates: one line each."""

from sandbox.emulation import Emulation
from sandbox.facebook.platform import FACEBOOK
from sandbox.instagram.platform import INSTAGRAM
from sandbox.pinterest.platform import PINTEREST
from sandbox.tiktok.platform import TIKTOK
from sandbox.twitter.platform import TWITTER
from sandbox.youtube.platform import YOUTUBE

# Secrets of the applications that exist from the start depend on this order.
_ALL = (TWITTER, INSTAGRAM, TIKTOK, YOUTUBE, FACEBOOK, PINTEREST)
EMULATIONS: dict[str, Emulation] = {emulation.name: emulation for emulation in _ALL}
