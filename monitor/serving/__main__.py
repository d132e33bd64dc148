"""`python -m monitor.serving`: what whoever serves a model needs from a shell (docs/serving.md)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from monitor.errors import Rejected, WatchkeeperError
from monitor.recalibration.life import in_force, version_in_force
from monitor.recalibration.rules import checked
from monitor.recalibration.signing import verify
from monitor.serving.config import load, secret_in, secrets
from monitor.serving.hashes import template_hash, tokenizer_hash
from monitor.serving.openai_export import export, ids_by
from monitor.serving.starting import load_tokenizer, served_by
from monitor.serving.thresholds import BAD_THRESHOLDS, read_small, standing_of
from schemas.calibrations import Calibration, Thresholds
from schemas.refusal_tokens import RefusalToken

WRONG: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0; 1 where what was asked about is wrong, with why on standard error; 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog="python -m monitor.serving", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser(
        "check", help="is this file a calibration to be trusted, and what does it say"
    )
    check.add_argument("file", type=Path, metavar="FILE")
    _keys(check)
    check.set_defaults(run=_check)

    openai = commands.add_parser(
        "export-openai", help="the thresholds in force as logit_bias, with its caveats"
    )
    openai.add_argument("file", type=Path, metavar="FILE")
    openai.add_argument("--tokenizer", metavar="FOLDER", help="folder or hub id, read with transformers")
    openai.add_argument(
        "--token-id",
        action="append",
        default=[],
        metavar="NAME=ID",
        help="in place of a tokenizer; repeat for each token",
    )
    _keys(openai)
    openai.set_defaults(run=_export)

    schema = commands.add_parser("record-schema", help="the refusal-token record as JSON Schema")
    schema.set_defaults(run=_schema)

    hashes = commands.add_parser("hashes", help="tokenizer_hash and template_hash of a tokenizer")
    hashes.add_argument("tokenizer", metavar="TOKENIZER", help="folder or hub id, read with transformers")
    hashes.add_argument(
        "--template", type=Path, metavar="FILE", help="the chat template, if not the tokenizer's own"
    )
    hashes.set_defaults(run=_hashes)

    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except WatchkeeperError as exc:
        sys.stderr.write(f"{exc}\n")
        return WRONG
    except OSError as exc:
        sys.stderr.write(f"{exc.filename}: {exc.strerror}\n")
        return WRONG
    return 0


def _keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="TOML",
        help="the settings file; check then also says whether it applies here",
    )
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="ID=FILE",
        help="in place of --config: a key id and its secret's file",
    )


def _verified(given: argparse.Namespace) -> tuple[Calibration, Thresholds | None]:
    found = verify(read_small(given.file), _secrets(given))
    thresholds = in_force(found)
    for one in (found.now, found.before):
        try:
            _ = one is None or checked(one)
        except ValueError as exc:
            raise Rejected(BAD_THRESHOLDS, str(exc)) from exc
    return found, thresholds


def _secrets(given: argparse.Namespace) -> dict[str, bytes]:
    if given.config is not None:
        return secrets(load(given.config))
    found = {}
    for one in given.key:
        name, is_given, path = one.partition("=")
        if not (name and is_given and path):
            raise Rejected("bad_argument", "--key: expected ID=FILE")
        found[name] = secret_in(Path(path), f"--key {name}")
    if not found:
        raise Rejected("bad_argument", "expected --config TOML, or --key ID=FILE")
    return found


def _check(given: argparse.Namespace) -> None:
    found, thresholds = _verified(given)
    lines = [
        f"calibration {found.version} of {found.model} in {found.fleet}: {found.state} at {found.at.isoformat()}",
        f"signature: good; tokenizer {found.tokenizer_hash}, template {found.template_hash}",
    ]
    if thresholds is None:
        lines.append("in force: no rule: the model chooses its token itself")
    else:
        lines.append(
            f"in force: version {version_in_force(found)}, the {thresholds.rule} rule at temperature {thresholds.temperature:g}"
        )
        lines += [
            f"  {name or ', '.join(thresholds.selected)}: {value:.6g}"
            for name, value in thresholds.values.items()
        ]
    _say(lines)
    if given.config is not None:
        config = load(given.config)
        served = served_by(config, load_tokenizer(config.tokenizer))
        if (found.fleet, found.model) != (served.fleet, served.serving.model):
            raise Rejected("other_place", f"it is not for {served.serving.model} in {served.fleet}")
        standing = standing_of(found, served)
        if standing.thresholds is None and standing.why is not None and thresholds is not None:
            raise Rejected(str(standing.why), standing.why.meaning)
        _say(["applies to the model of these settings"])


def _export(given: argparse.Namespace) -> None:
    found, thresholds = _verified(given)
    if thresholds is None:
        raise Rejected("no_rule", "the calibration has no thresholds in force: there is nothing to export")
    if given.tokenizer is not None:
        ids = ids_by(load_tokenizer(given.tokenizer), thresholds)
    else:
        ids = dict(_token_id(one) for one in given.token_id)
    exported = export(thresholds, ids)
    _json(exported.document(found))
    sys.stderr.write("".join(f"note: {caveat}\n" for caveat in exported.caveats))


def _token_id(given: str) -> tuple[str, int]:
    name, is_given, number = given.rpartition("=")
    if not (name.strip() and is_given and number.isascii() and number.isdigit()):
        raise Rejected("bad_argument", "--token-id: expected NAME=ID, the id a whole number: one token")
    return name.strip(), int(number)


def _schema(_: argparse.Namespace) -> None:
    _json(msgspec.json.schema(RefusalToken))


def _hashes(given: argparse.Namespace) -> None:
    tokenizer = load_tokenizer(given.tokenizer)
    template = (
        tokenizer.chat_template if given.template is None else given.template.read_text(encoding="utf-8")
    )
    _say([f"tokenizer_hash {tokenizer_hash(tokenizer)}", f"template_hash {template_hash(template)}"])


def _json(value: Any) -> None:
    _say([msgspec.json.format(msgspec.json.encode(value), indent=2).decode()])


def _say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
