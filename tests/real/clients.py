"""The vendors' own clients, each against a stand-in: `python3 clients.py CLIENT URL ARGUMENT…`.

Started by the tests of `tests/clients.rs`, which install the client into an environment of its own first. Prints what it has
done, and ends with an error at whatever the client does not like.
"""

import json
import sys


def slack_sdk(url, token, channel):
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError

    client = WebClient(token=token, base_url=url + "/")
    metadata = {"event_type": "gatepost_notification", "event_payload": {"token": "of-the-client"}}
    posted = client.chat_postMessage(channel=channel, text="by slack_sdk", metadata=metadata)
    client.chat_postMessage(channel=channel, text="a reply", thread_ts=posted["ts"], reply_broadcast=True)
    client.chat_update(channel=channel, ts=posted["ts"], text="edited by slack_sdk", metadata=metadata)
    history = client.conversations_history(channel=channel, include_all_metadata=True, limit=15)
    mine = [message for message in history["messages"] if message["ts"] == posted["ts"]]
    assert mine and mine[0]["text"] == "edited by slack_sdk" and mine[0]["metadata"] == metadata, history.data
    replies = client.conversations_replies(channel=channel, ts=posted["ts"], include_all_metadata=True)
    assert [message["text"] for message in replies["messages"]][-1] == "a reply", replies.data
    try:
        client.chat_update(channel=channel, ts="1700000000.000001", text="gone")
    except SlackApiError as error:
        assert error.response["error"] == "message_not_found", error
    else:
        raise AssertionError("an edit of a message that is not there was taken")


def jira(url, email, token, project):
    from jira import JIRA, JIRAError

    options = {"server": url, "rest_api_version": "2"}
    client = JIRA(options=options, token_auth=token, get_server_info=False, max_retries=0)
    assert client.myself()["name"], client.myself()
    fields = {"project": {"key": project}, "issuetype": {"name": "Task"}, "summary": "by the client", "labels": ["x"]}
    issue = client.create_issue(fields={**fields, "description": "what happened"}, prefetch=False)
    comment = client.add_comment(issue.key, "a comment")
    assert comment.id and client.comments(issue.key)[0].body == "a comment"
    names = [transition["name"] for transition in client.transitions(issue.key)]
    assert names, names
    client.transition_issue(issue.key, names[0])
    try:
        client.create_issue(fields={**fields, "project": {"key": "NONE"}}, prefetch=False)
    except JIRAError as error:
        assert error.status_code == 400 and "project" in error.text, error
    else:
        raise AssertionError("an issue of no project was created")


def elasticsearch(url, key, stream):
    from elasticsearch import Elasticsearch, helpers

    client = Elasticsearch(url, api_key=key, max_retries=0)
    time = "2026-11-21T10:00:00.000Z"
    actions = [{"_op_type": "create", "_id": f"of-the-client-{n}", "@timestamp": time} for n in range(3)]
    done, errors = helpers.bulk(client, actions, index=stream, raise_on_error=False)
    assert (done, errors) == (3, []), (done, errors)
    done, errors = helpers.bulk(client, actions[:1], index=stream, raise_on_error=False)
    assert done == 0 and errors[0]["create"]["status"] == 409, (done, errors)


def opsgenie_sdk(url, key):
    import time

    import opsgenie_sdk
    from opsgenie_sdk.rest import ApiException

    configuration = opsgenie_sdk.Configuration()
    configuration.host = url
    configuration.api_key["Authorization"] = key
    alerts = opsgenie_sdk.AlertApi(opsgenie_sdk.ApiClient(configuration=configuration))

    def processed(answer):
        for _ in range(50):
            try:
                return alerts.get_request_status(answer.request_id).data
            except ApiException as error:
                assert error.status == 404, error
                time.sleep(0.05)
        raise AssertionError("a request is not processed")

    payload = opsgenie_sdk.CreateAlertPayload(message="by the client", alias="of-the-client", priority="P3")
    assert processed(alerts.create_alert(create_alert_payload=payload)).is_success
    shown = alerts.get_alert(identifier="of-the-client", identifier_type="alias").data
    assert shown.message == "by the client", shown
    note = opsgenie_sdk.AcknowledgeAlertPayload(note="seen", user="dana")
    taken = alerts.acknowledge_alert("of-the-client", identifier_type="alias", acknowledge_alert_payload=note)
    assert processed(taken).is_success
    note = opsgenie_sdk.CloseAlertPayload(note="over", user="dana")
    assert processed(alerts.close_alert("of-the-client", identifier_type="alias", close_alert_payload=note)).is_success


def pagerduty(url, key):
    from pagerduty import EventsApiV2Client, HttpError

    client = EventsApiV2Client(key)
    # It demands https of what it is told, and the stand-in has none.
    client._url = url
    page = client.trigger("by the client", "host-1", dedup_key="of-the-client", severity="warning")
    assert page == "of-the-client", page
    client.acknowledge(page)
    client.resolve(page)
    try:
        client.trigger("x" * 1025, "host-1")
    except HttpError as error:
        assert error.response.status_code == 400, error
    else:
        raise AssertionError("a summary that is too long was taken")


def pdpyras(url, key):
    from pdpyras import EventsAPISession

    session = EventsAPISession(key)
    session.url = url
    page = session.trigger("by the client", "host-1", dedup_key="of-the-older-client", severity="critical")
    session.acknowledge(page)
    session.resolve(page)


def splunk_hec(url, token):
    """Splunk's own SDK has no client of the collector; this one of PyPI has."""
    import logging

    from splunk_handler import SplunkHandler

    host, port = url.removeprefix("http://").split(":")
    handler = SplunkHandler(
        host=host, port=port, token=token, index="security", protocol="http", verify=False, flush_interval=0.2,
        retry_count=1, allow_overrides=True, hostname="client", source="client", sourcetype="client", force_keep_ahead=True,
    )
    logger = logging.getLogger("client")
    logger.addHandler(handler)
    # The stand-in takes a time as a text only, so that scientific notation shows.
    logger.warning("by the client", extra={"_time": "1795255200.123"})
    handler.force_flush()
    logging.shutdown()


def standardwebhooks(path, secret):
    """Verifies what gatepost has sent: a JSON array of objects with `headers` and `body`."""
    from standardwebhooks import Webhook, WebhookVerificationError

    verifier = Webhook(secret)
    with open(path, encoding="utf-8") as file:
        requests = json.load(file)
    assert requests
    for request in requests:
        verifier.verify(request["body"].encode(), request["headers"])
        try:
            verifier.verify(request["body"].encode() + b" ", request["headers"])
        except WebhookVerificationError:
            continue
        raise AssertionError("a body that was changed is verified")


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    globals()[name](*arguments)
    print(f"{name} is content")
