"""What a log has to hold for the refusal rate at other thresholds to be identified, piece by piece, and what contradicts it."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.meaning import Word


class Piece(Word):
    """Why nothing can be said from a record: what is missing, what contradicts, or what doesn't belong here."""

    RECORD = "record", "The exchange has no refusal-token record."
    LOGITS = "logits", "There are no logits: only what was done is known, so that there are only bounds."
    REFUSAL_LOGIT = (
        "refusal_logit",
        "The logit of a refusal token is missing (top-k logs leave out the small).",
    )
    RESPOND_LOGIT = "respond_logit", "The logit of the respond token is missing."
    LOGSUMEXP = "logsumexp", "There is no log-sum-exp over the vocabulary: probabilities can't be computed."
    TEMPERATURE = "temperature", "There is no temperature."
    RULE = "rule", "There is no rule that this release knows, or another one than asked for."
    SELECTED = "selected", "The selected tokens are missing."
    THRESHOLD = "threshold", "The threshold is missing."
    EMITTED = "emitted", "It isn't told which token was written."
    UNLOGGED_TOKEN = "unlogged_token", "A token that isn't logged may have had the largest logit."

    NOT_FINITE = "not_finite", "A number is NaN or infinite."
    THRESHOLD_OUTSIDE = "threshold_outside", "The threshold is not in 0..1."
    PROPENSITY_OUTSIDE = "propensity_outside", "The propensity is not in (0, 1]."
    TEMPERATURE_NOT_POSITIVE = "temperature_not_positive", "The temperature is not positive."
    DUPLICATE_TOKEN = "duplicate_token", "Two logits have names that differ in spaces only."
    UNKNOWN_TOKEN = "unknown_token", "A token is named that the model hasn't."
    LOGSUMEXP_TOO_SMALL = (
        "logsumexp_too_small",
        "The log-sum-exp is less than that of the logged logits alone.",
    )
    BIAS_AGAINST_THRESHOLD = (
        "bias_against_threshold",
        "Bias and threshold of a bias rule don't say the same.",
    )
    EMITTED_AGAINST_RULE = (
        "emitted_against_rule",
        "The token written isn't what the rule, threshold and logits say, and no randomisation is logged.",
    )

    OTHER_MODEL = "other_model", "The record names another model, or none."
    OTHER_TOKENIZER = "other_tokenizer", "The record's tokenizer is another one, or not named."
    OTHER_TEMPLATE = "other_template", "The record's chat template is another one, or not named."
    OTHER_TEMPERATURE = (
        "other_temperature",
        "The log-sum-exp holds at the logged temperature only, and that is another one.",
    )
    LATER_TURN = "later_turn", "Not the first turn: what the user says was shaped by earlier answers."


@dataclass(frozen=True, slots=True)
class NotIdentified:
    """Nothing can be said from this record, and for which piece. `detail` names a field or token, never a user's text."""

    piece: Piece
    detail: str = ""
