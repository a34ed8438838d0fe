"""Decides questions by pycasbin. Reads cases as JSON from standard input, writes for each a list of answers: true, false, or
an error's text. A case has "model" and either "p", "g", "g2" (lines) or "policy" (a file; "model" is a file then too), and
"questions"."""

import json
import sys

import casbin


def enforcer_of(case):
    if "policy" in case:
        return casbin.Enforcer(case["model"], case["policy"])
    enforcer = casbin.Enforcer(casbin.Enforcer.new_model(text=case["model"]))
    enforcer.add_policies(case["p"])
    enforcer.add_named_grouping_policies("g", case["g"])
    enforcer.add_named_grouping_policies("g2", case["g2"])
    assert len(enforcer.get_policy()) == len(case["p"])
    return enforcer


def answer(enforcer, question):
    try:
        return bool(enforcer.enforce(*question))
    except Exception as error:
        return f"error: {error}"


def answers(case):
    try:
        enforcer = enforcer_of(case)
    except Exception as error:
        return [f"error: {error}"] * len(case["questions"])
    return [answer(enforcer, question) for question in case["questions"]]


json.dump([answers(case) for case in json.load(sys.stdin)], sys.stdout)
