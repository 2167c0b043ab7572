/** Requests that are wrong in some way: method, path, query, type or body. */
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import { chance } from "../fragments.ts";
import type { Step } from "../step.ts";
import { acceptOf, COLLECTIONS, NAMES, queryOf, stock } from "./objects.ts";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const BELOW = [
  "status",
  "scale",
  "log",
  "exec",
  "proxy",
  "binding",
  "eviction",
  "token",
  "ephemeralcontainers",
  "resize",
  "finalize",
  "approval",
  "nosuch",
  "status/x",
  "attach",
];
const PLACES = [
  "nosuch",
  "/api/v1/namespaces/nosuch/configmaps",
  "/api/v1/nodes/nosuch",
  "/api/v1/pods",
  "/apis/apps/v1/namespaces/{ns}/pods",
  "/api/v1/namespaces/{ns}",
  "/api/v1/namespaces/{ns}/status",
  "/api/v1/namespaces/{ns}/finalize",
  "/apis/apps/v1beta1/namespaces/{ns}/deployments",
  "/apis/nosuch.io/v1/namespaces/{ns}/things",
  "/api/v1/watch/namespaces/{ns}/configmaps/none",
  "/api/v1/bindings",
  "/api/v1/namespaces/{ns}/bindings",
  "/apis/autoscaling/v1/namespaces/{ns}/deployments",
  "/apis/apps/v1",
  "/apis/apps",
  "/apis",
  "/api",
  "/api/v1/namespaces/{ns}/serviceaccounts/default/token",
  "/api/v1/configmaps",
  "/apis/policy/v1/namespaces/{ns}/pods/a/eviction",
  "/api/v1/namespaces/{ns}/pods/a:80/proxy",
  "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
  "/apis/authorization.k8s.io/v1/namespaces/{ns}/localsubjectaccessreviews",
  "/apis/authentication.k8s.io/v1/selfsubjectreviews",
];
const PARAMETERS = {
  dryRun: ["All", "all", "", "All&dryRun=All"],
  fieldManager: ["m", "", "x".repeat(129), "a%0ab", "a&fieldManager=b"],
  fieldValidation: ["Strict", "Warn", "Ignore", "strict", "", "Strict&fieldValidation=Warn"],
  force: ["true", "false", "x", ""],
  pretty: ["true", "x"],
  timeout: ["1s", "x", "0", "1m", "40s", "-1s", ""],
  resourceVersion: ["0", "x", "{rv}"],
  watch: ["false", "0"],
  unknown: ["%zz", "1", ""],
  kind: ["Pod"],
};
const CONTENT = [
  "application/json",
  "application/yaml",
  "application/vnd.kubernetes.protobuf",
  "text/plain",
  "",
  "application/json; charset=utf-8",
  "application/json;",
  "application/json; charset=latin1",
  "application/xml",
  "json",
  "application/merge-patch+json",
  "application/json-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
  "application/apply-patch+cbor",
  "application/merge-patch+json; charset=utf-8",
  "multipart/form-data",
  "application/cbor",
  "APPLICATION/JSON",
  "application/json,application/yaml",
  "*/*",
  ";",
];

/** Odd requests about a few objects. */
export function requestsSteps(random: Random): Step[] {
  const collection = pick(random, COLLECTIONS);
  const steps = stock(random, collection, false).slice(0, 2);
  for (let left = randomInteger(random, 5, 15); left > 0; left--) {
    steps.push(request(random, collection));
  }
  return steps;
}

function request(random: Random, collection: string): Step {
  const method = pick(random, METHODS);
  const query = queryOf(random, PARAMETERS, pick(random, [0, 0, 1, 1, 2]));
  const path = `${placeOf(random, collection)}${query}`;
  const bare = method === "GET" || method === "HEAD" || method === "OPTIONS";
  if (bare || chance(random, 0.1)) return { method, path, ...acceptOf(random) };
  return { method, path, ...acceptOf(random), ...bodyOf(random, method) };
}

function placeOf(random: Random, collection: string): string {
  const way = randomInteger(random, 0, 10);
  if (way < 3) return collection;
  if (way < 6) return `${collection}/${pick(random, NAMES)}`;
  if (way < 8) return `${collection}/${pick(random, NAMES)}/${pick(random, BELOW)}`;
  return pick(random, PLACES);
}

function bodyOf(random: Random, method: string): { body: unknown; type?: string } {
  const usual = method === "PATCH" ? CONTENT.slice(10, 14) : CONTENT.slice(0, 1);
  const type = pick(random, chance(random, 0.7) ? usual : CONTENT);
  return { body: content(random), type };
}

/** A member that is not there at all. */
const ABSENT = "absent";
const METADATA: readonly unknown[] = [
  ABSENT,
  {},
  null,
  [],
  "x",
  { name: "a" },
  { name: "new" },
  { name: "a", namespace: "other" },
  { name: "a", namespace: "{ns}" },
  { name: "b" },
  { generateName: "gen-" },
  { name: "" },
  { name: "UPPER" },
  { name: "a", generateName: "gen-" },
  { name: 1 },
  { name: "a", uid: "x" },
  { name: "a", resourceVersion: "x" },
  { name: "a", resourceVersion: "{rv}" },
  { namespace: "{ns}" },
  { name: "a", labels: { "bad key": "x" } },
  { name: "a", labels: null },
  { name: "a", labels: [] },
  { name: "a", annotations: { a: 1 } },
  { name: "a", ownerReferences: [{}] },
  { name: "a", finalizers: ["x"] },
  { name: "a", creationTimestamp: "x" },
  { name: "a", unknown: 1 },
  { name: "a", creationTimestamp: null },
  { name: "a", deletionTimestamp: "2026-01-01T00:00:00Z" },
  { name: "a", selfLink: "/x", generation: 7, deletionGracePeriodSeconds: 3 },
  { Name: "a" },
];
const KINDS = [
  ABSENT,
  "ConfigMap",
  "Pod",
  "Status",
  "",
  "List",
  "ConfigMapList",
  "configmap",
  1,
  "DeleteOptions",
  "Secret",
  "Deployment",
  "Scale",
  "Eviction",
];
const VERSIONS = [
  ABSENT,
  "v1",
  "apps/v1",
  "v2",
  "",
  "a/b/c",
  "apps/v1beta1",
  1,
  "policy/v1",
  "autoscaling/v1",
];
const TEXTS = [
  "",
  "{",
  "null",
  "[]",
  "1",
  '"x"',
  "true",
  "{} {}",
  "a: b",
  "- a",
  "\u0000",
  "{}\n",
  " ",
  '{"a":1,"a":2}',
  '{"metadata":{"name":"a"},}',
  "[1",
  "{'a':1}",
  "a: [",
  "---\n",
  "\ufeff{}",
  '{"metadata":{"name":"a","name":"b"}}',
  "kind: ConfigMap\napiVersion: v1\nmetadata: {name: y}\n",
  '[{"op":"add","path":"/metadata/labels","value":{"z":"1"}}]',
  '[{"op":"test","path":"/x"}]',
  '[{"op":"remove","path":"/metadata/labels/app"}]',
  "[null]",
  "[{}]",
  '{"metadata":{"labels":{"q":null}}}',
];

function content(random: Random): unknown {
  if (chance(random, 0.3)) return pick(random, TEXTS);
  const head = {
    kind: pick(random, KINDS),
    apiVersion: pick(random, VERSIONS),
    metadata: pick(random, METADATA),
  };
  const more = pick(random, [
    {},
    {},
    { data: { a: "1" } },
    { items: [] },
    { data: { a: 1 } },
    { spec: { replicas: 1 } },
    { spec: null },
    { Data: { a: "b" } },
    { status: {} },
    { spec: [] },
  ]);
  const given = Object.entries(head).filter(([, value]) => value !== ABSENT);
  return { ...Object.fromEntries(given), ...more };
}
