from datetime import UTC, datetime

import pytest

from domain.events import Event, EventType, Topic, cloud_events, topic_of
from domain.ids import AccountId

KEY = AccountId("twitter", "100", "org_a").key
AT = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def test_the_envelope_is_cloud_events_1_0() -> None:
    event = Event(EventType.CONTENT_ENGAGED, {"content_id": "x"})
    assert cloud_events([event], KEY, "org_a", 7, AT, 2)[0] == {
        "specversion": "1.0",
        "id": "account/twitter:100:org_a:7:2",
        "source": "/accounts/twitter:100:org_a",
        "type": "rookery.ContentEngaged",
        "subject": "twitter:100:org_a",
        "time": "2026-05-01T12:00:00.250000Z",
        "datacontenttype": "application/json",
        "org": "org_a",
        "data": {"content_id": "x"},
    }


def test_publishing_again_is_the_same_event_and_another_is_not() -> None:
    event = Event(EventType.CONTENT_ENGAGED, {})
    ids = {
        cloud_events([event], KEY, "org_a", v, AT, n)[0]["id"] for v in (1, 2) for n in (0, 1) for _ in "ab"
    }
    assert len(ids) == 4


@pytest.mark.parametrize("event_type", list(EventType))
def test_every_event_is_on_the_topic_of_its_subject(event_type: EventType) -> None:
    prefixes = {
        Topic.SOCIAL: ("SocialAccount", "Operation"),
        Topic.CONTENT: ("Content", "Remark", "Publication", "Broadcast"),
        Topic.CAMPAIGN: ("Campaign",),
        Topic.COMMERCE: ("Link", "Transaction", "AdSpend", "SocialOrder"),
    }
    assert event_type.value.startswith(prefixes[topic_of(event_type)])
