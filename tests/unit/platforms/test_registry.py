"""The registry, and facts of single platforms that generic code stands on."""

import pytest

from domain.errors import NotFound
from domain.secrets import Secret
from platforms import registry
from platforms.base import AuthorizeRequest, PlatformApp


def test_the_documents_starting_budgets() -> None:
    """Requirement F2."""
    twitter, instagram = registry.get("twitter").spec, registry.get("instagram").spec
    assert [(twitter.window(f).limit, twitter.window(f).seconds) for f in ("tweets", "users")] == [
        (300, 900),
        (75, 900),
    ]
    assert [(instagram.window(f).limit, instagram.window(f).seconds) for f in ("reading", "publishing")] == [
        (240, 3600),
        (25, 3600),
    ]
    facebook = registry.get("facebook").spec
    assert [(facebook.window(f).limit, facebook.window(f).seconds) for f in ("graph", "marketing")] == [
        (200, 3600),
        (5000, 3600),
    ]
    with pytest.raises(KeyError, match="nonsense"):
        twitter.window("nonsense")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match=", ".join(sorted(registry.PLATFORMS))):
        registry.get("myspace")


def test_pkce_vector() -> None:
    """RFC 7636, appendix B."""
    platform = registry.get("twitter")
    app = PlatformApp("a", "twitter", "c", Secret("x"), ())
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    url = platform.authorize_url(AuthorizeRequest(app, "https://r", "s", ("a",), verifier))
    assert "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&" in url
    with pytest.raises(ValueError, match="PKCE"):
        platform.authorize_url(AuthorizeRequest(app, "https://r", "s", ("a",)))


def test_tiktok_writes_the_challenge_in_hex() -> None:
    """TD/login-kit-desktop."""
    verifier = "sandboxVerifier-0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    expected = "838a95ef6eaf0921c175a2913653f48239531b9bf8870f30327acdbcc663946c"
    assert registry.get("tiktok").spec.code_challenge(verifier) == expected
