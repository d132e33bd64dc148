"""What every client of ours tells aiokafka: address, TLS, SASL."""

from __future__ import annotations

import ssl
from typing import Any

from monitor.errors import Misconfigured
from monitor.kafka_settings import KafkaSettings


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka client takes: address, TLS, SASL."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.security_protocol,
        "request_timeout_ms": int(settings.request_timeout_s * 1000),
    }
    if settings.security_protocol in ("SSL", "SASL_SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if settings.security_protocol.startswith("SASL"):
        if not settings.sasl_username or settings.sasl_password is None:
            raise Misconfigured(
                f"WATCHKEEPER_KAFKA__SECURITY_PROTOCOL is {settings.security_protocol}, but a SASL name or password is "
                "missing",
                "set WATCHKEEPER_KAFKA__SASL_USERNAME and WATCHKEEPER_KAFKA__SASL_PASSWORD",
            )
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return options


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_file)
        if settings.ssl_cert_file is not None:
            password = settings.ssl_key_password.get_secret_value() if settings.ssl_key_password else None
            context.load_cert_chain(settings.ssl_cert_file, settings.ssl_key_file, password)
    except (OSError, ssl.SSLError) as exc:
        raise Misconfigured(
            f"the TLS files for Kafka can't be read: {type(exc).__name__}: {exc.strerror or exc}",
            "check WATCHKEEPER_KAFKA__SSL_CA_FILE, __SSL_CERT_FILE, __SSL_KEY_FILE and __SSL_KEY_PASSWORD",
        ) from exc
    return context
