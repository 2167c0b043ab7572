/** Deletions of one and of many, with options of all shapes, of objects that are held or not. */
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import { chance, fragmentOf } from "../fragments.ts";
import type { Step } from "../step.ts";
import { acceptOf, COLLECTIONS, made, NAMES, queryOf, selectors, stock } from "./objects.ts";

const POLICIES = ["Foreground", "Background", "Orphan", "", "foreground"];
const PARAMETERS = {
  gracePeriodSeconds: ["0", "1", "5", "30", "-1", "x", ""],
  propagationPolicy: POLICIES,
  orphanDependents: ["true", "false", "x", ""],
  dryRun: ["All", "", "x"],
  ignoreStoreReadErrorWithClusterBreakingPotential: ["true", "false"],
  pretty: ["true"],
  fieldManager: ["m"],
};

/** Deletions from a collection, each looked at. */
export function deletesSteps(random: Random): Step[] {
  const collection = pick(random, COLLECTIONS);
  const steps = stock(random, collection, true);
  for (let left = randomInteger(random, 3, 10); left > 0; left--) {
    const name = pick(random, NAMES);
    const path = `${collection}/${name}`;
    if (chance(random, 0.15)) steps.push(made(random, collection, name, true));
    else if (chance(random, 0.2)) steps.push(released(random, path));
    else if (chance(random, 0.2)) steps.push(...collectionDeleted(random, collection));
    else steps.push(...oneDeleted(random, path));
  }
  return steps;
}

function oneDeleted(random: Random, path: string): Step[] {
  const query = queryOf(random, PARAMETERS, pick(random, [0, 1, 1, 2]));
  return [
    { method: "GET", path },
    { method: "DELETE", path: `${path}${query}`, ...options(random), ...acceptOf(random) },
    { method: "GET", path },
  ];
}

function collectionDeleted(random: Random, collection: string): Step[] {
  const more = {
    limit: ["1", "2", "x"],
    resourceVersion: ["{rv}", "0", "1"],
    continue: ["x", "{continue}"],
    timeoutSeconds: ["3", "x"],
    resourceVersionMatch: ["Exact"],
  };
  const query = queryOf(random, { ...PARAMETERS, ...selectors(random), ...more }, 3);
  return [
    { method: "DELETE", path: `${collection}${query}`, ...options(random), ...acceptOf(random) },
    { method: "GET", path: collection },
  ];
}

function options(random: Random): { body?: unknown; type?: string } {
  if (chance(random, 0.5)) return {};
  const uid = pick(random, ["{uid}", "{uid}", "other", ""]);
  const resourceVersion = pick(random, ["{rv}", "{rv}", "1", "x", ""]);
  const preconditions = pick(random, [{ uid }, { resourceVersion }, { uid, resourceVersion }, {}]);
  const whole = {
    kind: pick(random, ["DeleteOptions", "DeleteOptions", "Pod", "ConfigMap"]),
    apiVersion: pick(random, ["v1", "v1", "meta.k8s.io/v1", "apps/v1", "v2"]),
    gracePeriodSeconds: pick(random, [0, 1, 5, -1, "x", 1.5]),
    propagationPolicy: pick(random, POLICIES),
    orphanDependents: pick(random, [true, false]),
    dryRun: pick(random, [["All"], [], ["x"], ["All", "All"]]),
    preconditions,
    unknown: 1,
  };
  const body = fragmentOf(random, whole, 0.25);
  return chance(random, 0.1) ? { body, type: "application/yaml" } : { body };
}

function released(random: Random, path: string): Step {
  const finalizers = pick(random, [null, [], ["example.com/more"], ["orphan"], ["kubernetes"]]);
  return {
    method: "PATCH",
    path,
    type: "application/merge-patch+json",
    body: { metadata: { finalizers } },
  };
}
