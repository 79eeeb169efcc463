"""Which side documents an account's turn wants to see."""

from collections.abc import Sequence

from actors.account import wishes
from actors.account.content import hearing
from actors.account.documents import CONTENT, REMARKS, side_id
from actors.account.operations import tasks
from actors.account.operations.task import OPERATIONS
from actors.account.publishing import publishing
from actors.account.publishing.publication import PUBLICATIONS
from actors.account.state import AccountState
from actors.runtime.entity import Message, SideRef
from platforms.outcome import Ok


def reads(account_id: str, state: AccountState | None, message: Message) -> Sequence[SideRef]:
    found = list(_of_message(account_id, state, message))
    if state is not None:
        late = publishing.shown(state, message.name)
        found += [SideRef(PUBLICATIONS, side_id(account_id, p)) for p in late]
        if state.tasks and message.name in ("tick", "connect", "disconnect"):
            found += [SideRef(OPERATIONS, side_id(account_id, t)) for t in tasks.shown(state)]
    return found


def _of_message(account_id: str, state: AccountState | None, message: Message) -> Sequence[SideRef]:
    match message.name:
        case "platform_event":
            return hearing.reads(account_id, message.data["event"])
        case "page_fetched" | "items_read" if isinstance(message.data["outcome"], Ok):
            value = message.data["outcome"].value
            items, remarks = getattr(value, "items", ()), getattr(value, "remarks", ())
            ids = {i.external_id for i in items} | {r for i in items for r in i.replaces}
            ids |= {r.content_id for r in remarks if r.content_id} | getattr(value, "gone", set())
            refs = [SideRef(CONTENT, side_id(account_id, i)) for i in ids]
            return refs + [SideRef(REMARKS, side_id(account_id, r.external_id)) for r in remarks]
        case "publish" | "edit_content" | "delete_content" | "cancel_publication":
            return [SideRef(PUBLICATIONS, side_id(account_id, str(message.data["publication_id"])))]
        case name if name in wishes.ASKING:
            return [SideRef(OPERATIONS, side_id(account_id, str(message.data["operation_id"])))]
        case "task_stepped" if state is not None:
            return tasks.reads(state, account_id, message.data)
        case "publish_stepped" | "publication_looked":
            return [SideRef(PUBLICATIONS, side_id(account_id, message.data["publication_id"]))]
        case "disconnect" if state is not None:
            return [SideRef(PUBLICATIONS, side_id(account_id, p.id)) for p in state.publications]
        case _:
            return ()
