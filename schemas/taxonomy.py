"""The risk categories: WildGuard's thirteen subcategories (arXiv 2406.18495) as slugs, and benign.

The order is the label order of every category tensor. Append only.
"""

from __future__ import annotations

from typing import Final

BENIGN: Final = "benign"

CATEGORIES: Final[tuple[str, ...]] = (
    BENIGN,
    "sensitive_information_organization",
    "private_information_individual",
    "copyright_violations",
    "false_or_misleading_information",
    "material_harm_by_misinformation",
    "social_stereotypes_discrimination",
    "violence_physical_harm",
    "toxic_language_hate_speech",
    "sexual_content",
    "cyberattacks",
    "fraud_illegal_activities",
    "unethical_unsafe_actions",
    "mental_health_overreliance",
)

HARM_CATEGORIES: Final[tuple[str, ...]] = CATEGORIES[1:]
