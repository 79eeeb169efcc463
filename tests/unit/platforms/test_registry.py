"""Every registered platform, and what its spec must hold for generic code to work with it."""

from urllib.parse import urlsplit

import pytest

from domain.errors import NotFound
from domain.secrets import Secret
from platforms import registry
from platforms.base import AuthorizeRequest, Platform, PlatformApp


@pytest.mark.parametrize("name", sorted(registry.PLATFORMS))
def test_a_spec_is_complete(name: str) -> None:
    platform = registry.get(name)
    spec = platform.spec
    assert spec.name == name
    families = [w.family for w in spec.windows]
    assert len(set(families)) == len(families)
    needed = {spec.batch_read_family, spec.profile_family, *spec.subscribe_calls}
    for family in needed | {s.family for s in spec.sources}:
        window = spec.window(family)
        assert window.limit > 0
        assert window.seconds > 0
    names = [s.name for s in spec.sources]
    assert len(set(names)) == len(names)
    assert all(s.page_size > 0 for s in spec.sources)
    assert spec.batch_read >= 1 and spec.batch_read_calls >= 1
    # A whole window must be able to hold what is reserved at once.
    assert all(0 < calls <= spec.window(f).limit for f, calls in spec.subscribe_calls.items())
    assert spec.batch_read_calls <= spec.window(spec.batch_read_family).limit
    assert 0 < spec.token.refresh_margin < 1
    assert spec.token.min_age_s < spec.token.lifetime_s * (1 - spec.token.refresh_margin)
    assert spec.hosts
    assert all(urlsplit(f"https://{host}").hostname == host for host in spec.hosts)
    assert spec.webhook_signature_header is None or spec.webhook_signature_header.islower()


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


@pytest.mark.parametrize("platform", registry.PLATFORMS.values(), ids=list(registry.PLATFORMS))
def test_the_login_address(platform: Platform) -> None:
    app = PlatformApp("a", platform.spec.name, "client 1", Secret("hidden"), (Secret("hidden"),))
    request = AuthorizeRequest(app, "https://shop.example/cb?x=1", "s&t", ("a.b", "c"), "v" * 43)
    url = platform.authorize_url(request)
    assert url.startswith(platform.spec.authorize_url + "?")
    assert "redirect_uri=https%3A%2F%2Fshop.example%2Fcb%3Fx%3D1" in url
    assert "state=s%26t" in url
    assert "client%201" in url  # TikTok calls it `client_key`
    assert "hidden" not in url
    assert "vvvv" not in url, "only the verifier's hash may leave"
    assert ("code_challenge_method=S256" in url) is platform.spec.pkce


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
