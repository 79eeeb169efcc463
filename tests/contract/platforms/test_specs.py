"""What a spec must hold for generic code to work with it, and that every platform passes this suite."""

import inspect
from urllib.parse import urlsplit

from domain.secrets import Secret
from platforms.base import AuthorizeRequest, PlatformApp
from platforms.registry import PLATFORMS
from sandbox.registry import EMULATIONS
from tests.contract.platforms.cases import CASES, Case
from tests.contract.toy import perch, perch_sandbox

TOY = "perch"
LINES = 150


def test_every_platform_is_here_and_in_the_sandbox() -> None:
    assert set(CASES) - {TOY} == set(PLATFORMS) == set(EMULATIONS)
    assert all(name == p.spec.name for name, p in PLATFORMS.items())


def test_another_platform_is_one_module_and_one_sandbox_module_of_150_lines() -> None:
    written = [
        line
        for module in (perch, perch_sandbox)
        for line in inspect.getsource(module).splitlines()
        if line.strip()
    ]
    assert len(written) < LINES


def test_a_spec_is_complete(case: Case) -> None:
    spec = case.platform.spec
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
    for calls in (*spec.publish_calls.values(), *spec.capability_calls.values()):
        assert calls
        for family, number in calls.items():
            own = spec.account_window(family)  # KeyError: it would be paid from nowhere
            assert own is None or 0 < number <= own.limit
    assert 0 < spec.token.refresh_margin < 1
    assert spec.token.min_age_s < spec.token.lifetime_s * (1 - spec.token.refresh_margin)
    assert spec.hosts
    assert all(urlsplit(f"https://{host}").hostname == host for host in spec.hosts)
    assert spec.webhook_signature_header is None or spec.webhook_signature_header.islower()


def test_the_login_address(case: Case) -> None:
    platform = case.platform
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
