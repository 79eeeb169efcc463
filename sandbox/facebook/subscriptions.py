"""Who hears what: the app's own subscriptions (address and fields) and each page's.

An event goes out when both have the field. Source: "Webhooks: subscriptions edge", reference
page/subscribed_apps.
"""

from sandbox.apps import PlatformApp, Subscription
from sandbox.facebook.access import GRAPH, Access, Caller
from sandbox.facebook.read import Reading, bad_parameter
from sandbox.facebook.webhooks import PAGE_FIELDS
from sandbox.meta import errors, forms, webhooks
from sandbox.routing import Operation
from sandbox.state import State
from sandbox.web import Call, Reply, json_reply

_OBJECTS = ("page", "permissions", "user", "instagram")


class Subscriptions:
    def __init__(self, state: State, access: Access, reading: Reading) -> None:
        self._state, self._access, self._reading = state, access, reading
        self._fields: dict[tuple[str, str], tuple[str, ...]] = {}  # (app, object) -> fields
        self._pages: dict[tuple[str, str], tuple[str, ...]] = {}  # (app, page) -> fields

    def operations(self) -> list[Operation]:
        op = self._access.operation
        return [
            Operation("facebook", GRAPH, "GET", "/:id/subscriptions", self.of_app),
            Operation("facebook", GRAPH, "POST", "/:id/subscriptions", self.set_app),
            Operation("facebook", GRAPH, "DELETE", "/:id/subscriptions", self.end_app),
            op("POST", "/:id/subscribed_apps", self.subscribe, "pages_manage_metadata"),
            op("GET", "/:id/subscribed_apps", self.subscribed, "pages_manage_metadata pages_show_list"),
            op("DELETE", "/:id/subscribed_apps", self.unsubscribe, "pages_manage_metadata"),
        ]

    async def of_app(self, call: Call) -> Reply:
        app = self._access.app_of_token(call)
        if app is None or call.params["id"] != app.client_id:
            return errors.graph_error(15, "(#15) This method must be called with an app access_token.")
        hook = app.target(None)
        rows = [
            {
                "object": about,
                "callback_url": hook.url if hook else "",
                "active": hook is not None,
                "fields": [{"name": name, "version": "v26.0"} for name in fields],
            }
            for (app_id, about), fields in self._fields.items()
            if app_id == app.id
        ]
        return json_reply({"data": rows})

    async def set_app(self, call: Call) -> Reply:
        app = self._access.app_of_token(call)
        if app is None or call.params["id"] != app.client_id:
            return errors.graph_error(15, "(#15) This method must be called with an app access_token.")
        form = call.fields()
        about, url = form.get("object", ""), form.get("callback_url", "")
        fields = tuple(forms.names(form.get("fields", "")))
        if about not in _OBJECTS or not url or not fields:
            return errors.graph_error(100, "(#100) object, callback_url and fields are required")
        known = app.webhooks.get("callback")
        app.verify_token = form.get("verify_token", app.verify_token)
        if known is None or known.url != url:
            wrong = await webhooks.register(self._state, app, url)
            if wrong is not None:
                message = f"(#2200) Callback verification failed: {wrong}"
                return errors.graph_error(2200, message)
        self._fields[app.id, about] = fields
        self._apply(app)
        return json_reply({"success": True})

    async def end_app(self, call: Call) -> Reply:
        app = self._access.app_of_token(call)
        if app is None:
            return errors.graph_error(15, "(#15) This method must be called with an app access_token.")
        about = call.fields().get("object")
        for key in [k for k in self._fields if k[0] == app.id and about in (None, k[1])]:
            del self._fields[key]
        self._apply(app)
        return json_reply({"success": True})

    async def subscribe(self, call: Call, caller: Caller) -> Reply:
        page = self._reading.own(call, caller)
        names = forms.names(call.fields().get("subscribed_fields", ""))
        unknown = [name for name in names if name not in PAGE_FIELDS]
        if not names or unknown:
            allowed = ", ".join(PAGE_FIELDS)
            raise bad_parameter(f"Param subscribed_fields[0] must be one of {{{allowed}}}")
        key = caller.app.id, page.id
        self._pages[key] = tuple(dict.fromkeys((*self._pages.get(key, ()), *names)))
        self._apply(caller.app)
        return json_reply({"success": True})

    async def subscribed(self, call: Call, caller: Caller) -> Reply:
        page = self._reading.own(call, caller)
        names = list(self._pages.get((caller.app.id, page.id), ()))
        row = {"id": caller.app.client_id, "name": caller.app.name, "subscribed_fields": names}
        return json_reply({"data": [row] if names else []})

    async def unsubscribe(self, call: Call, caller: Caller) -> Reply:
        page = self._reading.own(call, caller)
        self._pages.pop((caller.app.id, page.id), None)
        self._apply(caller.app)
        return json_reply({"success": True})

    def _apply(self, app: PlatformApp) -> None:
        """What is on in both places. An app whose address was set over the control API has everything on."""
        wide = not any(app_id == app.id for app_id, _ in self._fields)
        on = (*PAGE_FIELDS, "permissions") if wide else self._fields.get((app.id, "page"), ())
        told = wide or (app.id, "permissions") in self._fields
        now = self._state.clock.now_ms()
        app.subscriptions = {
            f"{page}:{name}": Subscription(f"{page}:{name}", page, name, now)
            for (app_id, page), names in self._pages.items()
            if app_id == app.id
            for name in (*names, *(("permissions",) if told else ()))
            if name in on or name == "permissions"
        }
