/** Lists, single reads and watches with options of all shapes. */
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import { chance } from "../fragments.ts";
import type { Step } from "../step.ts";
import { acceptOf, COLLECTIONS, made, NAMES, queryOf, selectors, stock } from "./objects.ts";

const FLAGS = ["true", "false", "1", "0", "x", "", "TRUE"];
const REVISIONS = [
  "",
  "0",
  "{rv}",
  "{rv}",
  "{first-rv}",
  "{first-rv}",
  "1",
  "-1",
  "abc",
  "00",
  "0x1",
  "01",
  "1.0",
  "99999999999999999999",
  "%201",
];
const PARAMETERS = {
  limit: ["1", "2", "3", "0", "-1", "x", "500", "1.5", "", "9999999999999999999", "+1", "%2B1"],
  continue: [
    "{continue}",
    "{continue}",
    "{continue}",
    "{continue-cut}",
    "{continue-old}",
    "{continue-late}",
    "{continue-odd}",
    "",
    "x",
  ],
  resourceVersion: REVISIONS,
  resourceVersionMatch: ["Exact", "NotOlderThan", "NotOlderThan", "", "exact"],
  sendInitialEvents: FLAGS,
  allowWatchBookmarks: FLAGS,
  timeoutSeconds: ["5", "0", "-1", "x", "", "1.5"],
  pretty: FLAGS,
  includeObject: ["None", "Metadata", "Object", "none", ""],
  unknown: ["1"],
  shardSelector: ["x"],
};

/** Reads of a collection and its objects, with writes between them. */
export function listsSteps(random: Random): Step[] {
  const collection = pick(random, COLLECTIONS);
  const steps = stock(random, collection, false);
  for (let left = randomInteger(random, 5, 14); left > 0; left--) {
    steps.push(chance(random, 0.12) ? changed(random, collection) : read(random, collection));
  }
  return steps;
}

function changed(random: Random, collection: string): Step {
  const name = pick(random, NAMES);
  if (chance(random, 0.5)) return made(random, collection, name, false);
  return { method: "DELETE", path: `${collection}/${name}?gracePeriodSeconds=0` };
}

function read(random: Random, collection: string): Step {
  const parameters = { ...PARAMETERS, ...selectors(random) };
  if (chance(random, 0.15)) {
    const path = `${collection}/${pick(random, NAMES)}${queryOf(random, parameters, 2)}`;
    return { method: "GET", path, ...acceptOf(random) };
  }
  const selected = chance(random, 0.4) ? selectors(random) : parameters;
  const query = queryOf(random, selected, pick(random, [1, 2, 3, 4]));
  return { method: "GET", path: `${collection}${query}`, ...acceptOf(random) };
}

/** Watches, each for a second. */
export function watchesSteps(random: Random): Step[] {
  const collection = pick(random, COLLECTIONS);
  const steps = stock(random, collection, false);
  for (let left = randomInteger(random, 1, 3); left > 0; left--) {
    steps.push(changed(random, collection), watch(random, collection));
  }
  return steps;
}

function watch(random: Random, collection: string): Step {
  const { timeoutSeconds: _long, ...others } = PARAMETERS;
  const query = queryOf(random, { ...others, ...selectors(random) }, 4).replace("?", "&");
  const on = pick(random, ["true", "1", "1", "true", "0", "x"]);
  const name = chance(random, 0.1) ? `/${pick(random, NAMES)}` : "";
  return {
    method: "GET",
    path: `${collection}${name}?watch=${on}&timeoutSeconds=1${query}`,
    ...acceptOf(random),
  };
}
