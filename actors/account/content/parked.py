"""Events that came before anybody had connected the account."""

import structlog

from actors.runtime.envelope import stream_of
from domain.ids import AccountId, Kind, external_partition
from storage.ports import Mailboxes, Parking
from storage.records import StoreUnavailable

log = structlog.get_logger()

REPLAY_BATCH = 500


class Parked:
    def __init__(self, parking: Parking, mailboxes: Mailboxes, partitions: int) -> None:
        self._parking = parking
        self._mailboxes = mailboxes
        self._partitions = partitions

    async def replay(self, account: AccountId) -> bool:
        """They go through the mailbox like any other, under their own ids: once. False: not now."""
        target = f"{account.platform}:{account.external_id}"
        partition = external_partition(account.platform, account.external_id, self._partitions)
        stream = stream_of(Kind.ACCOUNT, partition)
        try:
            mails = await self._parking.take(target)
            for start in range(0, len(mails), REPLAY_BATCH):
                batch = mails[start : start + REPLAY_BATCH]
                await self._mailboxes.tell([(stream, mail) for mail in batch])
                await self._parking.forget(target, [mail.event_id for mail in batch])
        except StoreUnavailable:
            log.warning("parked.replay_postponed", account=str(account))
            return False
        return True
