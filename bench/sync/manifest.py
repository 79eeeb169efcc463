"""The declarative connector for airbyte-cdk: X's timeline and mentions, as its low-code builder would save
it."""

from typing import Any

from bench.sync.job import QUERIES, STREAMS


def _stream(path: str, name: str) -> dict[str, Any]:
    return {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": ["id"],
        "schema_loader": {
            "type": "InlineSchemaLoader",
            "schema": {"type": "object", "additionalProperties": True, "properties": {}},
        },
        "incremental_sync": {
            "type": "DatetimeBasedCursor",
            "cursor_field": "created_at",
            "cursor_datetime_formats": ["%Y-%m-%dT%H:%M:%S.%fZ"],
            "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
            "start_datetime": {
                "type": "MinMaxDatetime",
                "datetime": "{{ config['start'] }}",
                "datetime_format": "%Y-%m-%dT%H:%M:%SZ",
            },
            "start_time_option": {
                "type": "RequestOption",
                "field_name": "start_time",
                "inject_into": "request_parameter",
            },
        },
        "retriever": {
            "type": "SimpleRetriever",
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
            },
            "paginator": {
                "type": "DefaultPaginator",
                "page_token_option": {
                    "type": "RequestOption",
                    "field_name": "pagination_token",
                    "inject_into": "request_parameter",
                },
                "pagination_strategy": {
                    "type": "CursorPagination",
                    "cursor_value": "{{ response.get('meta', {}).get('next_token') }}",
                    "stop_condition": "{{ not response.get('meta', {}).get('next_token') }}",
                },
            },
            "requester": {
                "type": "HttpRequester",
                "url_base": "{{ config['sandbox'] }}/api.x.com",
                "path": "/2/users/{{ config['external_id'] }}/" + path,
                "http_method": "GET",
                "request_parameters": QUERIES[path],
                "authenticator": _AUTHENTICATOR,
                "error_handler": {
                    "type": "DefaultErrorHandler",
                    "max_retries": 10,
                    "backoff_strategies": [
                        {"type": "WaitUntilTimeFromHeader", "header": "x-rate-limit-reset"}
                    ],
                    "response_filters": [
                        {
                            "type": "HttpResponseFilter",
                            "http_codes": [401],
                            "action": "REFRESH_TOKEN_THEN_RETRY",
                        },
                        {"type": "HttpResponseFilter", "http_codes": [429], "action": "RATE_LIMITED"},
                    ],
                },
            },
        },
    }


_AUTHENTICATOR = {
    "type": "OAuthAuthenticator",
    "token_refresh_endpoint": "{{ config['sandbox'] }}/api.x.com/2/oauth2/token",
    "grant_type": "refresh_token",
    "client_id": "{{ config['client_id'] }}",
    "client_secret": "{{ config['client_secret'] }}",
    "refresh_token": "{{ config['refresh_token'] }}",
    "access_token_value": "{{ config['access_token'] }}",
    "refresh_request_headers": {
        "Authorization": "Basic {{ (config['client_id'] ~ ':' ~ config['client_secret']) | base64encode }}",
        "Content-Type": "application/x-www-form-urlencoded",
    },
    "refresh_token_updater": {
        "refresh_token_name": "refresh_token",
        "refresh_token_config_path": ["refresh_token"],
        "access_token_config_path": ["access_token"],
        "token_expiry_date_config_path": ["token_expiry_date"],
    },
}

MANIFEST = {
    "version": "7.0.0",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["posts"]},
    "streams": [_stream(path, name) for path, name in STREAMS.items()],
    "spec": {
        "type": "Spec",
        "connection_specification": {"type": "object", "additionalProperties": True, "properties": {}},
    },
}
