// Decides questions by node-casbin, whose package is found by NODE_PATH. Input and output are those of decide.py.
//
// Two things of node-casbin stand in the way of a matcher that says `in`, so its text gets other blanks and brackets with
// the same meaning: where a matcher has ` in ` and ` (`, it takes brackets around a comma for a list; and `in` binds no
// closer than `||`.
"use strict";

const { readFileSync } = require("node:fs");
const { newEnforcer, newModelFromString } = require("casbin");

function modelText(text) {
  return text.replace(/^m = .*$/m, (matcher) =>
    matcher.replaceAll(" (", "(").replace("p.function in r.functions", "(p.function in r.functions)"),
  );
}

async function enforcerOf(entry) {
  if (entry.policy !== undefined) {
    return newEnforcer(entry.model, entry.policy);
  }
  const enforcer = await newEnforcer(newModelFromString(modelText(entry.model)));
  await enforcer.addPolicies(entry.p);
  await enforcer.addNamedGroupingPolicies("g", entry.g);
  await enforcer.addNamedGroupingPolicies("g2", entry.g2);
  if ((await enforcer.getPolicy()).length !== entry.p.length) {
    throw new Error("rules were lost");
  }
  return enforcer;
}

async function answers(entry) {
  let enforcer;
  try {
    enforcer = await enforcerOf(entry);
  } catch (error) {
    return entry.questions.map(() => `error: ${error}`);
  }
  const all = [];
  for (const question of entry.questions) {
    all.push(await enforcer.enforce(...question).catch((error) => `error: ${error}`));
  }
  return all;
}

async function main() {
  const all = [];
  for (const entry of JSON.parse(readFileSync(0, "utf8"))) {
    all.push(await answers(entry));
  }
  process.stdout.write(JSON.stringify(all));
}

main();
