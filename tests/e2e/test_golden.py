"""A real API server accepts the golden objects of tests/policies, and what the policies make of them."""

import pytest

from golden import Refused, is_served

# Inputs that no API server takes, with its reason. They are golden cases all the same: a preview, or a webhook that is called before validation, meets them.
REFUSED = {
    "gpus/half_a_gpu": "must be an integer",
    "gpus/request_without_limit": "Limit must be set for non overcommitable resources",
    "images/images_of_every_kind": "ephemeralContainers: Forbidden",
    "pods/future_fields_in_every_list": 'Unsupported value: "OnSolarFlare"',
    "workloads/template_without_metadata": "`selector` does not match template `labels`",
}

# Kinds that this API server does not have.
NOT_SERVED = {"pods/other_kind", "workloads/of_an_old_group", "workloads/of_somebody_else"}


def refusal(dry_runs, item):
    """Why the API server does not take it, "" where it does."""
    try:
        dry_runs.create(item)
        return ""
    except Refused as error:
        return str(error)


def test_every_kind_but_the_unknown_ones_is_served(golden):
    assert {name for name, case in golden.items() if not is_served(case["before"])} == NOT_SERVED


def test_the_inputs_are_objects_of_kubernetes(golden, dry_runs):
    refused = {name: refusal(dry_runs, case["before"]) for name, case in golden.items() if name not in NOT_SERVED}
    refused = {name: message for name, message in refused.items() if message}
    unexpected = {name: message for name, message in refused.items() if REFUSED.get(name, "\0") not in message}
    assert unexpected == {}
    assert refused.keys() == REFUSED.keys()


def test_what_we_make_of_them_is_accepted_too(golden, dry_runs):
    changed = {name: case for name, case in golden.items() if case["patch"] and name not in NOT_SERVED and name not in REFUSED}
    assert len(changed) >= 100
    assert {name: message for name, case in changed.items() if (message := refusal(dry_runs, case["after"]))} == {}
