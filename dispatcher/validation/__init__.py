"""Validation of messages: each fault as the path of a field and a sentence, found before a message has any effect."""

from __future__ import annotations

from google.protobuf.message import Message

from dispatcher.validation.rules import names_value_of_column, rule_faults
from dispatcher.validation.structure import Fault, structure_faults

__all__ = ["Fault", "faults_of", "names_value_of_column"]


def faults_of(message: Message) -> list[Fault]:
    """Return every fault of a message, at most one for each field; empty where the message is valid.

    Checks the structure first (times, spans, texts, numbers, lengths), then the rules of the contract. Never raises:
    where a rule cannot be evaluated, the field is named as one that could not be checked.
    """
    structural = structure_faults(message)
    if not structural:
        return rule_faults(message)
    known = {path for path, _ in structural}
    return structural + [fault for fault in rule_faults(message) if fault[0] not in known]
