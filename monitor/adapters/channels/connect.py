"""A channel of the file to what speaks to it. Nothing is connected before it is told something."""

from __future__ import annotations

from monitor.adapters.channels.addresses import Resolve, resolve
from monitor.adapters.channels.alertmanager import AlertmanagerChannel
from monitor.adapters.channels.email import EmailChannel
from monitor.adapters.channels.pagerduty import PagerDutyChannel
from monitor.adapters.channels.slack import SlackChannel
from monitor.adapters.channels.webhook import WebhookChannel
from monitor.notifying.channels import Alertmanager, Channel, Email, PagerDuty, Slack, Webhook
from monitor.notifying.references import Secrets
from monitor.ports import AlertChannel


def alert_channel(channel: Channel, secrets: Secrets, *, resolver: Resolve = resolve) -> AlertChannel:
    """What tells this channel."""
    match channel:
        case Alertmanager():
            return AlertmanagerChannel(channel, secrets, resolver=resolver)
        case Slack():
            return SlackChannel(channel, secrets, resolver=resolver)
        case Webhook():
            return WebhookChannel(channel, secrets, resolver=resolver)
        case PagerDuty():
            return PagerDutyChannel(channel, secrets, resolver=resolver)
        case Email():
            return EmailChannel(channel, secrets, resolver=resolver)
