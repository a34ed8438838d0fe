"""Decides questions by pycasbin. Reads {"model", "p", "g", "g2", "questions"} as JSON, writes a JSON list of booleans."""

import json
import sys

import casbin

data = json.load(sys.stdin)
model = casbin.Enforcer.new_model(text=data["model"])
enforcer = casbin.Enforcer(model)
enforcer.add_policies(data["p"])
enforcer.add_named_grouping_policies("g", data["g"])
enforcer.add_named_grouping_policies("g2", data["g2"])
assert len(enforcer.get_policy()) == len(data["p"])
json.dump([enforcer.enforce(*question) for question in data["questions"]], sys.stdout)
