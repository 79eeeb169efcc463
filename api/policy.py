"""Who may call what: one row per route, by the route's name. A route without a row does not start.

Which *things* a caller may reach is decided beside this: another org's ids are 404 for everybody
(`api.access`), and creators change only the accounts they connected themselves.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from storage.mongo.identity import Role


class Thing(StrEnum):
    """What a route's path names, so that a caller without the role learns nothing about others' ids."""

    ACCOUNT = "account"
    CAMPAIGN = "campaign"
    LINK = "link"
    TRANSACTION = "transaction"
    CONTENT = "content"
    PUBLICATION = "publication"
    MEDIA = "media"
    OPERATION = "operation"
    AD = "ad"
    CATALOG = "catalog"
    BROADCAST = "broadcast"
    USER = "user"
    API_KEY = "api_key"
    ENTITY = "entity"
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class Access:
    """`roles` empty: anybody, without a token. `operator`: only admins of an org that runs the deployment."""

    roles: frozenset[Role] = frozenset()
    thing: Thing | None = None
    operator: bool = False

    @property
    def public(self) -> bool:
        return not self.roles


_ALL = frozenset(Role)
_READERS = _ALL - {Role.CREATOR}
_MANAGERS = frozenset({Role.ADMIN, Role.MANAGER})
_OWNERS = _MANAGERS | {Role.CREATOR}  # creators: their own accounts
_ADMINS = frozenset({Role.ADMIN})

_PUBLIC = Access()
_OPERATOR = Access(_ADMINS, operator=True)

POLICY: Final[dict[str, Access]] = {
    # The service itself
    "healthz": _PUBLIC,
    "readyz": _PUBLIC,
    "jwks": _PUBLIC,
    "follow_link": _PUBLIC,
    "live": _PUBLIC,  # a WebSocket: it authenticates by its first message or header itself
    # Tokens, people, keys
    "create_token": _PUBLIC,  # the API key in the body is the credential
    "revoke_token": Access(_ALL),
    "list_users": Access(_ADMINS),
    "create_user": Access(_ADMINS),
    "change_user": Access(_ADMINS, Thing.USER),
    "remove_user": Access(_ADMINS, Thing.USER),
    "list_api_keys": Access(_ADMINS),
    "create_api_key": Access(_ADMINS),
    "revoke_api_key": Access(_ADMINS, Thing.API_KEY),
    "list_audit": Access(_ADMINS),
    # Integrations
    "list_integrations": Access(_ALL),
    "list_platform_apps": Access(_ADMINS),
    "add_platform_app": Access(_ADMINS),
    "connect_account": Access(_OWNERS),
    "finish_connect": _PUBLIC,  # a browser that comes back: the single-use state is the credential
    "show_choice": Access(_OWNERS),  # and only the user who began
    "choose_accounts": Access(_OWNERS),
    "deauthorize": _PUBLIC,  # the platform's signature is the credential
    "delete_data": _PUBLIC,
    "show_deletion": _PUBLIC,  # the code is
    # Accounts
    "list_accounts": Access(_ALL),
    "get_account": Access(_ALL, Thing.ACCOUNT),
    "configure_account": Access(_OWNERS, Thing.ACCOUNT),
    "pause_account": Access(_OWNERS, Thing.ACCOUNT),
    "resume_account": Access(_OWNERS, Thing.ACCOUNT),
    "sync_account": Access(_OWNERS, Thing.ACCOUNT),
    "backfill_account": Access(_OWNERS, Thing.ACCOUNT),
    "disconnect_account": Access(_OWNERS, Thing.ACCOUNT),
    "erase_account": Access(_ADMINS, Thing.ACCOUNT),
    "list_account_content": Access(_ALL, Thing.ACCOUNT),
    # Content and what people answer
    "list_content": Access(_ALL),
    "get_content": Access(_ALL, Thing.CONTENT),
    "list_content_comments": Access(_READERS, Thing.CONTENT),
    "list_comments": Access(_READERS),
    # Publishing
    "create_publication": Access(_OWNERS),
    "list_publications": Access(_ALL),
    "get_publication": Access(_ALL, Thing.PUBLICATION),
    "cancel_publication": Access(_OWNERS, Thing.PUBLICATION),
    "retry_publication": Access(_OWNERS, Thing.PUBLICATION),
    "edit_content": Access(_OWNERS, Thing.CONTENT),
    "delete_content": Access(_OWNERS, Thing.CONTENT),
    "upload_media": Access(_OWNERS),
    "fetch_media": Access(_OWNERS),
    "get_media": Access(_ALL, Thing.MEDIA),
    "read_media": _PUBLIC,  # a platform that fetches: the address is the credential, and expires
    # What platforms tell and do beside content
    "list_operations": Access(_ALL),
    "get_operation": Access(_ALL, Thing.OPERATION),
    "cancel_operation": Access(_OWNERS, Thing.OPERATION),
    "list_account_insights": Access(_ALL, Thing.ACCOUNT),
    "read_account_insights": Access(_OWNERS, Thing.ACCOUNT),
    "list_content_insights": Access(_ALL, Thing.CONTENT),
    "read_content_insights": Access(_OWNERS, Thing.CONTENT),
    "read_ads": Access(_MANAGERS, Thing.ACCOUNT),
    "create_ad_campaign": Access(_MANAGERS, Thing.ACCOUNT),
    "create_ad_group": Access(_MANAGERS, Thing.AD),
    "create_ad": Access(_MANAGERS, Thing.AD),
    "list_ad_accounts": Access(_READERS),
    "list_ads": Access(_READERS),
    "get_ad": Access(_READERS, Thing.AD),
    "list_ad_days": Access(_READERS, Thing.AD),
    "change_ad": Access(_MANAGERS, Thing.AD),
    "tie_ad_campaigns": Access(_MANAGERS, Thing.CAMPAIGN),
    "read_catalogs": Access(_MANAGERS, Thing.ACCOUNT),
    "list_catalogs": Access(_READERS),
    "list_products": Access(_READERS, Thing.CATALOG),
    "read_products": Access(_MANAGERS, Thing.CATALOG),
    "upsert_products": Access(_MANAGERS, Thing.CATALOG),
    "read_orders": Access(_MANAGERS, Thing.ACCOUNT),
    "list_orders": Access(_READERS),
    "read_broadcasts": Access(_OWNERS, Thing.ACCOUNT),
    "create_broadcast": Access(_OWNERS, Thing.ACCOUNT),
    "list_broadcasts": Access(_ALL),
    "get_broadcast": Access(_ALL, Thing.BROADCAST),
    "make_stream": Access(_OWNERS, Thing.BROADCAST),
    "get_stream": Access(_OWNERS, Thing.BROADCAST),  # with it anybody can broadcast
    "change_broadcast": Access(_OWNERS, Thing.BROADCAST),
    "follow_chat": Access(_OWNERS, Thing.BROADCAST),
    "connect_grant": Access(_OWNERS, Thing.ACCOUNT),
    "bring_grant": Access(_OWNERS, Thing.ACCOUNT),
    "remove_grant": Access(_OWNERS, Thing.ACCOUNT),
    # Campaigns and commerce
    "list_campaigns": Access(_READERS),
    "create_campaign": Access(_MANAGERS),
    "get_campaign": Access(_READERS, Thing.CAMPAIGN),
    "update_campaign": Access(_MANAGERS, Thing.CAMPAIGN),
    "launch_campaign": Access(_MANAGERS, Thing.CAMPAIGN),
    "pause_campaign": Access(_MANAGERS, Thing.CAMPAIGN),
    "resume_campaign": Access(_MANAGERS, Thing.CAMPAIGN),
    "complete_campaign": Access(_MANAGERS, Thing.CAMPAIGN),
    "record_campaign_cost": Access(_MANAGERS, Thing.CAMPAIGN),
    "get_campaign_metrics": Access(_READERS, Thing.CAMPAIGN),
    "list_links": Access(_READERS),
    "create_link": Access(_MANAGERS),
    "get_link": Access(_READERS, Thing.LINK),
    "disable_link": Access(_MANAGERS, Thing.LINK),
    "list_transactions": Access(_READERS),
    "record_transaction": Access(_MANAGERS),
    "get_transaction": Access(_READERS, Thing.TRANSACTION),
    "list_events": Access(_READERS),
    # Operating
    "list_hosts": _OPERATOR,
    "list_partitions": _OPERATOR,
    "get_scale": _OPERATOR,
    "scale_hosts": _OPERATOR,
    "list_parked": _OPERATOR,
    "reseal_entities": _OPERATOR,
    "list_app_budgets": _OPERATOR,
    "set_app_limit": _OPERATOR,
    "inspect_entity": Access(_ADMINS, Thing.ENTITY),
    "isolate_entity": Access(_ADMINS, Thing.ENTITY),
    "release_entity": Access(_ADMINS, Thing.ENTITY),
    "pause_entity": Access(_ADMINS, Thing.ENTITY),
    "list_dead_letters": Access(_ADMINS),
    "get_dead_letter": Access(_ADMINS, Thing.DEAD_LETTER),
    "replay_dead_letter": Access(_ADMINS, Thing.DEAD_LETTER),
}
