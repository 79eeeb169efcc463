"""What the two sides say when it is quiet: the service over its HTTP API, the platforms by their ledger."""

from ops.demo.compare import Evidence, Heard, ShopSide
from ops.demo.connect import Connection, Party
from ops.demo.shop import Shop
from ops.demo.trouble import Kill
from ops.demo.wire import Json, Sandbox


async def collect(
    parties: list[Party],
    connections: list[Connection],
    others: list[Connection],
    shops: list[Shop],
    sandbox: Sandbox,
    launched: Json,
    kill: Kill,
) -> Evidence:
    """Asked of the owners themselves, through each org's own API."""
    by_org = {party.id: party for party in parties}
    accounts, remarks, content = {}, {}, {}
    for connection in (*connections, *others):
        api, id_ = by_org[connection.org].admin, connection.account_id
        accounts[id_] = await api.get(f"/v1/accounts/{id_}")
        remarks[id_] = [c["external_id"] for c in await api.all("/v1/comments", account_id=id_)]
        content[id_] = await api.all("/v1/content", account_id=id_)
    letters = [await party.admin.get("/v1/ops/dead-letters", limit=200) for party in parties]
    return Evidence(
        launched=launched,
        ledger=await sandbox.get("/ledger"),
        heard=[_heard(c, by_org[c.org]) for c in connections],
        read=[_heard(c, by_org[c.org]) for c in others],
        accounts=accounts,
        remarks=remarks,
        content=content,
        shops=[await _shop_side(shop) for shop in shops],
        dead_letters=sum(len(page["items"]) for page in letters),
        killed_with_pending=kill.pending,
    )


def _heard(connection: Connection, party: Party) -> Heard:
    name = f"@{connection.username} of {party.name}"
    return Heard(connection.account_id, connection.key, connection.app.platform_id, name)


async def _shop_side(shop: Shop) -> ShopSide:
    api, book = shop.party.admin, shop.book
    return ShopSide(
        name=shop.party.name,
        campaign=await api.get(f"/v1/campaigns/{shop.campaign_id}"),
        accounts=tuple(c.account_id for c in shop.connections),
        links=[await api.get(f"/v1/links/{link['code']}") for link in shop.links],
        transactions=await api.all("/v1/transactions"),
        orders={o.order_id: (o.amount_minor, o.credited) for o in book.orders.values()},
        visits=dict(book.visits),
        unsure=book.unsure,
    )
