"""The API for Business v1.3: advertisers and their objects, synchronous reports, account holders' analytics.

Source: business-api.tiktok.com, and the client library tiktok-business-api-sdk. Everything is answered with
status 200 and a code; lists in the query are JSON texts.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from sandbox.apps import PlatformApp
from sandbox.limits import Rule
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.tiktok import ads_making as making
from sandbox.tiktok import comments, errors
from sandbox.tiktok.access import ADS, HOLDER
from sandbox.tiktok.advertising import AdObject, Advertisers, days, utc_date
from sandbox.tiktok.consents import API, advertiser_id, business_id
from sandbox.tiktok.errors import BUSINESS, Refused
from sandbox.tiktok.oauth import COMMENT_SCOPES
from sandbox.tiktok.shapes import is_public
from sandbox.web import BadInput, Call, Reply
from sandbox.world import Content, Profile, World

FAMILY = "business"
_RULE = Rule(600, 60)
_DAYS_AT_MOST = 30
_LEVELS = {"AUCTION_CAMPAIGN": "campaign", "AUCTION_ADGROUP": "adgroup", "AUCTION_AD": "ad"}
_METRICS = frozenset({"spend", "impressions", "clicks", "conversion", "reach"})


@dataclass(frozen=True, slots=True)
class Caller:
    app: PlatformApp
    account: Profile
    scopes: tuple[str, ...]


Handler = Callable[[Call, Caller], Awaitable[dict[str, Any]]]


class Business:
    def __init__(self, state: State, advertisers: Advertisers) -> None:
        self._state, self._world, self._ads = state, state.world, advertisers

    def operations(self) -> list[Operation]:
        op = self._operation
        rows = [
            op("GET", "oauth2/advertiser/get", ADS, self.advertisers),
            op("GET", "advertiser/info", ADS, self.advertiser_info),
            op("GET", "report/integrated/get", ADS, self.report),
            op("GET", "business/get", HOLDER, self.account),
            op("GET", "business/video/list", HOLDER, self.videos),
            op("GET", "business/comment/list", HOLDER, self._commented(comments.of_video)),
            op("GET", "business/comment/reply/list", HOLDER, self._commented(comments.replies)),
            op("POST", "campaign/create", ADS, self.create_campaign),
            op("POST", "adgroup/create", ADS, self.create_group),
            op("POST", "ad/create", ADS, self.create_ad),
            op("GET", "tool/region", ADS, self.regions),
            op("GET", "identity/get", ADS, self.identities),
        ]
        for level in ("campaign", "adgroup", "ad"):
            rows += [
                op("GET", f"{level}/get", ADS, self._listing(level)),
                op("POST", f"{level}/update", ADS, self._updating(level)),
                op("POST", f"{level}/status/update", ADS, self._switching(level)),
            ]
        return rows

    def _operation(self, method: str, path: str, via: str, handler: Handler) -> Operation:
        async def guarded(call: Call) -> Reply:
            try:
                caller = self._caller(call, via)
                return errors.coded(0, "OK", await handler(call, caller))
            except BadInput as error:
                return errors.coded(40002, str(error))
            except Refused as refused:
                return refused.reply

        return Operation("tiktok", BUSINESS, method, f"{API}/{path}/", guarded)

    def _caller(self, call: Call, via: str) -> Caller:
        value = call.headers.get("access-token", "")
        if not value:
            raise Refused(errors.coded(40104, "Access token is empty."))
        token, now = self._state.tokens.access(value), self._state.clock.now_ms()
        if token is None or token.revoked or token.grant.platform != "tiktok" or token.grant.via != via:
            raise Refused(errors.coded(40105, "Access token is incorrect or has been revoked."))
        if token.expires_ms <= now:
            self._state.ledger.token_expiries += 1
            raise Refused(errors.coded(40102, "Access token is expired."))
        app = self._state.app_of(token.grant.app_id)
        if self._state.limits.spend("tiktok", FAMILY, "app", app.id, _RULE, now).exceeded:
            self._state.ledger.limited(app.id)
            raise Refused(errors.coded(40100, "Too many requests. Please retry in some time."))
        account = self._world.accounts["tiktok", token.grant.external_id]
        return Caller(app, account, token.grant.scopes)

    # -- advertisers --------------------------------------------------------------------------------

    async def advertisers(self, call: Call, caller: Caller) -> dict[str, Any]:
        app = caller.app
        if (call.query.get("app_id"), call.query.get("secret")) != (app.client_id, app.client_secret):
            raise Refused(errors.coded(40101, "App id or secret is incorrect."))
        row = {
            "advertiser_id": advertiser_id(caller.account),
            "advertiser_name": f"{caller.account.name} Ads",
        }
        return {"list": [row]}

    async def advertiser_info(self, call: Call, caller: Caller) -> dict[str, Any]:
        own = advertiser_id(caller.account)
        if _listed(call, "advertiser_ids") != [own]:
            raise Refused(errors.coded(40001, "No permission to operate the advertiser."))
        row = {
            "advertiser_id": own,
            "name": f"{caller.account.name} Ads",
            "currency": self._ads.currency(caller.account),
            "timezone": "Etc/UTC",
            "status": "STATUS_ENABLE",
        }
        return {"list": [row]}

    def _listing(self, level: str) -> Handler:
        async def listing(call: Call, caller: Caller) -> dict[str, Any]:
            self._check_advertiser(call.query.get("advertiser_id"), caller)
            filtering = _parsed(call, "filtering", dict)
            ids, name = filtering.get(f"{level}_ids"), filtering.get(f"{level}_name")
            rows = [
                item.view(advertiser_id(caller.account))
                for item in self._ads.objects(caller.account).values()
                if item.level == level
                and (ids is None or item.id in ids)
                and (name is None or name.lower() in item.name.lower())
            ]
            return _page(call, rows, 10, 1000)

        return listing

    async def create_campaign(self, call: Call, caller: Caller) -> dict[str, Any]:
        wish = self._wish(call, caller)
        return self._made(caller, wish, making.campaign_of(wish))

    async def create_group(self, call: Call, caller: Caller) -> dict[str, Any]:
        wish = self._wish(call, caller)
        campaign = self._item(caller, "campaign", wish.get("campaign_id"))
        return self._made(caller, wish, making.group_of(wish, campaign, self._state.clock.now_ms()))

    async def create_ad(self, call: Call, caller: Caller) -> dict[str, Any]:
        """Of one or several creatives; there is no request id."""
        wish = self._wish(call, caller)
        group, creatives = self._item(caller, "adgroup", wish.get("adgroup_id")), wish.get("creatives")
        if (
            not isinstance(creatives, list)
            or not 1 <= len(creatives) <= 20
            or not all(isinstance(c, dict) for c in creatives)
        ):
            raise BadInput("creatives must be a list of 1 to 20 objects")
        posts = [self._post(caller, str(c.get("tiktok_item_id"))) for c in creatives]
        found = [
            making.ad_of(c, group, caller.account, post) for c, post in zip(creatives, posts, strict=True)
        ]
        made = [self._ads.add(caller.account, item) for item in found]
        shown = [item.view(advertiser_id(caller.account)) for item in made]
        return {"ad_ids": [item.id for item in made], "creatives": shown, "need_audit": True}

    async def regions(self, call: Call, caller: Caller) -> dict[str, Any]:
        self._check_advertiser(call.query.get("advertiser_id"), caller)
        if not _listed(call, "placements") or not call.query.get("objective_type"):
            raise BadInput("placements and objective_type are required")
        return {"region_info": making.regions()}

    async def identities(self, call: Call, caller: Caller) -> dict[str, Any]:
        """The account itself, linked to its advertiser."""
        self._check_advertiser(call.query.get("advertiser_id"), caller)
        row = {
            "identity_id": making.identity_id(caller.account),
            "identity_type": "TT_USER",
            "display_name": caller.account.name,
            "can_pull_video": True,
            "can_push_video": True,
        }
        page = {"page": 1, "page_size": 100, "total_number": 1, "total_page": 1}
        return {"identity_list": [row], "page_info": page}

    def _post(self, caller: Caller, post_id: str) -> Content | None:
        """What the account has posted."""
        found = self._world.find("tiktok", post_id)
        return found if found is not None and found.author_id == caller.account.id else None

    def _wish(self, call: Call, caller: Caller) -> dict[str, Any]:
        wish = call.json()
        self._check_advertiser(wish.get("advertiser_id"), caller)
        return wish

    def _made(self, caller: Caller, wish: dict[str, Any], item: AdObject) -> dict[str, Any]:
        """The same request id again makes nothing."""
        request_id = wish.get("request_id")
        if isinstance(request_id, str) and self._ads.repeated(caller.account, request_id):
            raise Refused(errors.coded(40050, "Duplicated request."))
        made = self._ads.add(caller.account, item)
        if isinstance(request_id, str):
            self._ads.remember(caller.account, request_id, made.id)
        return made.view(advertiser_id(caller.account))

    def _updating(self, level: str) -> Handler:
        async def update(call: Call, caller: Caller) -> dict[str, Any]:
            wish = call.json()
            self._check_advertiser(wish.get("advertiser_id"), caller)
            item = self._item(caller, level, wish.get(f"{level}_id"))
            if "budget" in wish:
                if not making.is_amount(wish["budget"]) or level == "ad":
                    raise BadInput("budget must be a number, of a campaign or an ad group")
                item.budget = float(wish["budget"])
            item.name = str(wish.get(f"{level}_name", item.name))
            return {f"{level}_id": item.id}

        return update

    def _switching(self, level: str) -> Handler:
        async def switch(call: Call, caller: Caller) -> dict[str, Any]:
            wish = call.json()
            self._check_advertiser(wish.get("advertiser_id"), caller)
            ids, operation = wish.get(f"{level}_ids"), wish.get("operation_status")
            if not isinstance(ids, list) or operation not in ("ENABLE", "DISABLE", "DELETE"):
                raise BadInput(f"{level}_ids and operation_status (ENABLE, DISABLE, DELETE) are needed")
            for item in [self._item(caller, level, i) for i in ids]:
                item.deleted = item.deleted or operation == "DELETE"
                item.status = "DISABLE" if operation == "DELETE" else operation
            return {f"{level}_ids": ids}

        return switch

    async def report(self, call: Call, caller: Caller) -> dict[str, Any]:
        self._check_advertiser(call.query.get("advertiser_id"), caller)
        level = _LEVELS.get(call.query.get("data_level", ""))
        dimensions, metrics = _listed(call, "dimensions"), _listed(call, "metrics")
        if call.query.get("report_type") != "BASIC" or level is None:
            raise BadInput("report_type must be BASIC and data_level AUCTION_CAMPAIGN, _ADGROUP or _AD")
        if dimensions != [f"{level}_id", "stat_time_day"]:
            raise BadInput("the sandbox reports by the object's id and stat_time_day")
        unknown = [m for m in metrics if m not in _METRICS]
        if unknown:
            raise BadInput(f"metrics: {unknown[0]!r} is invalid")
        since, until = _date(call, "start_date"), _date(call, "end_date")
        if not 0 <= (until - since).days < _DAYS_AT_MOST:
            raise BadInput("a report by stat_time_day spans at most 30 days")
        rows = []
        items = [i for i in self._ads.objects(caller.account).values() if i.level == level and i.shown]
        for day in days(since, min(until, utc_date(self._state.clock.now_ms()))):
            for item in items:
                told = self._ads.numbers(caller.account, item, day)
                rows.append(
                    {
                        "dimensions": {f"{level}_id": item.id, "stat_time_day": f"{day} 00:00:00"},
                        "metrics": {m: told[m] for m in metrics},
                    }
                )
        return _page(call, rows, 10, 1000)

    def _item(self, caller: Caller, level: str, id_: object) -> AdObject:
        item = self._ads.objects(caller.account).get(str(id_))
        if item is None or item.level != level or item.deleted:
            raise Refused(errors.coded(40007, f"The {level} does not exist."))
        return item

    def _check_advertiser(self, given: object, caller: Caller) -> None:
        if given != advertiser_id(caller.account):
            raise Refused(errors.coded(40001, "No permission to operate the advertiser."))

    # -- account holders ----------------------------------------------------------------------------

    async def account(self, call: Call, caller: Caller) -> dict[str, Any]:
        """Days of what was published on them; today is not told yet."""
        self._check_business(call, caller)
        wanted, account = _listed(call, "fields"), caller.account
        today = utc_date(self._state.clock.now_ms())
        since, until = _date(call, "start_date"), _date(call, "end_date")
        if not 0 <= (until - since).days <= 60:
            raise BadInput("start_date and end_date span at most 60 days")
        rows = []
        for day in days(since, min(until, date.fromordinal(today.toordinal() - 1))):
            own = [c for c in self._public(account) if utc_date(c.created_ms) == day]
            values: dict[str, Any] = {
                "video_views": sum(c.metrics["views"] for c in own),
                "unique_video_views": sum(c.metrics["views"] * 4 // 5 for c in own),
                "likes": sum(c.metrics["likes"] for c in own),
                "comments": sum(c.metrics["comments"] for c in own),
                "shares": sum(c.metrics["shares"] for c in own),
                "profile_views": sum(c.metrics["views"] for c in own) // 40,
                "daily_new_followers": len(own) * 3,
                "daily_lost_followers": len(own),
            }
            rows.append({"date": str(day), **{n: v for n, v in values.items() if n in wanted}})
        shown: dict[str, Any] = {
            "username": account.username,
            "display_name": account.name,
            "followers_count": account.followers,
        }
        return {n: v for n, v in shown.items() if n in wanted} | {"metrics": rows}

    async def videos(self, call: Call, caller: Caller) -> dict[str, Any]:
        self._check_business(call, caller)
        wanted, ids = _listed(call, "fields"), _parsed(call, "filters", dict).get("video_ids")
        size = _whole(call, "max_count", 10, 20)
        cursor = _whole(call, "cursor", self._state.clock.now_ms() + 1, 10**14)
        newest = sorted(self._public(caller.account), key=lambda c: -c.created_ms)
        own = [c for c in newest if c.created_ms < cursor and (ids is None or c.id in ids)]
        shown = own[:size]
        return {
            "videos": [{n: v for n, v in _video(c).items() if n in wanted} for c in shown],
            "cursor": shown[-1].created_ms if shown else 0,
            "has_more": len(own) > size,
        }

    def _commented(self, listing: Callable[[World, Profile, dict[str, str]], dict[str, Any]]) -> Handler:
        async def listed(call: Call, caller: Caller) -> dict[str, Any]:
            self._check_business(call, caller)
            if not COMMENT_SCOPES & set(caller.scopes):
                raise Refused(errors.coded(40001, "No permission to read the account's comments."))
            return listing(self._world, caller.account, call.query)

        return listed

    def _public(self, account: Profile) -> list[Content]:
        return [c for c in self._world.timeline("tiktok", account.id) if is_public(c)]

    def _check_business(self, call: Call, caller: Caller) -> None:
        if call.query.get("business_id") != business_id(caller.app, caller.account):
            raise Refused(errors.coded(40001, "No permission to the business account."))


def _video(content: Content) -> dict[str, Any]:
    views, seconds = content.metrics["views"], (content.media[0].duration_ms or 0) / 1000
    return {
        "item_id": content.id,
        "create_time": str(content.created_ms // 1000),
        "caption": content.text,
        "video_views": views,
        "reach": views * 4 // 5,
        "likes": content.metrics["likes"],
        "comments": content.metrics["comments"],
        "shares": content.metrics["shares"],
        "favorites": content.metrics["saves"],
        "total_time_watched": round(views * seconds * 0.4, 1),
        "average_time_watched": round(seconds * 0.4, 2),
        "full_video_watched_rate": 0.21,
        "new_followers": views // 900,
        "profile_views": views // 60,
        "website_clicks": views // 300,
    }


def _page(call: Call, rows: list[dict[str, Any]], default: int, most: int) -> dict[str, Any]:
    page, size = _whole(call, "page", 1, 10**6), _whole(call, "page_size", default, most)
    total = -(-len(rows) // size)
    info = {"page": page, "page_size": size, "total_number": len(rows), "total_page": total}
    return {"list": rows[(page - 1) * size : page * size], "page_info": info}


def _whole(call: Call, name: str, default: int, most: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise BadInput(f"{name} must be from 1 to {most}")
    return int(text)


def _date(call: Call, name: str) -> date:
    try:
        return date.fromisoformat(call.query.get(name, ""))
    except ValueError:
        raise BadInput(f"{name} must be a date such as 2026-11-20") from None


def _listed(call: Call, name: str) -> list[str]:
    found: list[str] = _parsed(call, name, list)
    return found


def _parsed(call: Call, name: str, kind: type) -> Any:
    """A JSON text of the query; comma-separated words are refused, as TikTok does."""
    if name not in call.query:
        return kind()
    try:
        value = orjson.loads(call.query[name])
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, kind):
        raise BadInput(f"{name} must be a JSON {kind.__name__}")
    return value
