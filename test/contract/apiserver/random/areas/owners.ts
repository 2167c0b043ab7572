/** Several managers write one object through all endpoints; compares the fields' owners. */
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import { subjects } from "../../answers/cases.ts";
import { changed, changes } from "../../answers/mutations.ts";
import { chance, directed, disturbed, fragmentOf, jsonPatchOf } from "../fragments.ts";
import type { Step } from "../step.ts";

/** Kinds whose status the server's own controllers write meanwhile. */
const WATCHED = /\.(CustomResourceDefinition|APIService|FlowSchema)$/;

const LEFT = subjects().filter(({ stored, schema }) => stored && !WATCHED.test(schema));
const ALL = LEFT.map(({ schema, collection, object }) => ({
  schema,
  collection: collection.replace(/\/namespaces\/[^/]+\//, "/namespaces/{ns}/"),
  object: placed(object),
}));
type Subject = (typeof ALL)[number];

/** Kinds whose lists and maps are of all sorts, or that have several versions. */
const OFTEN = ALL.filter(({ schema }) =>
  /\.(Deployment|Pod|Service|ConfigMap|Node|HorizontalPodAutoscaler|StatefulSet)$/.test(schema),
);
const SCALED = /^apps\/v1\.(Deployment|StatefulSet|ReplicaSet)$/;

function placed(object: KubeObject): KubeObject {
  const { namespace: _namespace, ...metadata } = object.metadata;
  return { ...object, metadata };
}

const STEPS = { from: 4, to: 14 };

/** A sequence of writes to one object. */
export function ownersSteps(random: Random): Step[] {
  const subject = pick(random, chance(random, 0.5) ? OFTEN : ALL);
  const twins = ALL.filter(
    ({ object, schema }) =>
      object.kind === subject.object.kind &&
      schema.split("/")[0] === subject.schema.split("/")[0] &&
      object.metadata.name === subject.object.metadata.name,
  );
  const writes = Array.from({ length: randomInteger(random, STEPS.from, STEPS.to) }, () =>
    write(random, pick(random, twins)),
  );
  const path = pathOf(subject);
  return [
    ...(path.includes("{ns}") ? [] : cleared(path)),
    chance(random, 0.7) ? create(random, subject) : apply(random, subject),
    ...writes.flat(),
    { method: "GET", path },
  ];
}

/** Steps that remove an object of the cluster that an earlier sequence left. */
function cleared(path: string): Step[] {
  const type = "application/merge-patch+json";
  const body = { metadata: { finalizers: null } };
  return [
    { method: "DELETE", path: `${path}?gracePeriodSeconds=0` },
    { method: "PATCH", path, type, body },
  ];
}

const pathOf = ({ collection, object }: Subject) => `${collection}/${object.metadata.name}`;

function create(random: Random, { collection, object }: Subject): Step {
  const body = chance(random, 0.6) ? object : withHead(fragmentOf(random, object, 0.85), object);
  return { method: "POST", path: `${collection}${managed(random)}`, body };
}

/** A part of an object that still says what it is, and mostly which. */
function withHead(part: unknown, { apiVersion, kind, metadata }: KubeObject): KubeObject {
  const { metadata: own, ...rest } = part as KubeObject;
  return { apiVersion, kind, ...rest, metadata: { ...own, name: metadata.name } } as KubeObject;
}

const MANAGERS = ["one", "two", "three"];

function managed(random: Random, more = ""): string {
  const manager = chance(random, 0.7) ? `fieldManager=${pick(random, MANAGERS)}` : "";
  const words = [manager, more, chance(random, 0.05) ? "dryRun=All" : ""].filter(Boolean);
  return words.length === 0 ? "" : `?${words.join("&")}`;
}

function write(random: Random, subject: Subject): Step[] {
  const way = randomInteger(random, 0, 20);
  if (way < 7) return [apply(random, subject)];
  if (way < 9) return [merge(random, subject)];
  if (way < 12) return [strategic(random, subject)];
  if (way < 14) return [jsonPatch(random, subject)];
  if (way < 17) return [update(random, subject)];
  if (way === 17) return SCALED.test(subject.schema) ? [scale(random, subject)] : [];
  if (way === 18) return chance(random, 0.3) ? [create(random, subject)] : [reown(random, subject)];
  return chance(random, 0.3) ? [{ method: "DELETE", path: pathOf(subject) }] : [];
}

function partOf(random: Random, { object, schema }: Subject): KubeObject {
  const whole = chance(random, 0.25)
    ? changed(object, pick(random, changes(object, schema, "update")))
    : object;
  const part = fragmentOf(random, whole, pick(random, [0.25, 0.5, 0.8]));
  return (chance(random, 0.5) ? disturbed(random, part, 0.05) : part) as KubeObject;
}

const subresource = (random: Random, { object }: Subject): string =>
  "status" in object && chance(random, 0.25) ? "/status" : "";

function apply(random: Random, subject: Subject): Step {
  const force = chance(random, 0.4) ? "&force=true" : "";
  const query = `?fieldManager=${pick(random, MANAGERS)}${force}`;
  const path = `${pathOf(subject)}${subresource(random, subject)}${query}`;
  const body = withHead(partOf(random, subject), subject.object);
  return { method: "PATCH", path, type: "application/apply-patch+yaml", body };
}

function merge(random: Random, subject: Subject): Step {
  const { apiVersion: _version, kind: _kind, ...body } = partOf(random, subject);
  const path = `${pathOf(subject)}${subresource(random, subject)}${managed(random)}`;
  return {
    method: "PATCH",
    path,
    type: "application/merge-patch+json",
    body: disturbed(random, body, 0.1),
  };
}

function strategic(random: Random, subject: Subject): Step {
  const { apiVersion: _version, kind: _kind, ...body } = partOf(random, subject);
  const path = `${pathOf(subject)}${subresource(random, subject)}${managed(random)}`;
  return {
    method: "PATCH",
    path,
    type: "application/strategic-merge-patch+json",
    body: directed(random, body),
  };
}

function jsonPatch(random: Random, subject: Subject): Step {
  const { apiVersion: _version, kind: _kind, ...object } = subject.object;
  const path = `${pathOf(subject)}${subresource(random, subject)}${managed(random)}`;
  return {
    method: "PATCH",
    path,
    type: "application/json-patch+json",
    body: jsonPatchOf(random, object),
  };
}

function update(random: Random, subject: Subject): Step {
  const path = pathOf(subject);
  const body = withHead(disturbed(random, partOf(random, subject), 0.08), subject.object);
  return {
    method: "PUT",
    path: `${path}${subresource(random, subject)}${managed(random)}`,
    body,
    ...(chance(random, 0.9) ? { onto: path } : {}),
  };
}

function scale(random: Random, subject: Subject): Step {
  const path = `${pathOf(subject)}/scale`;
  const body = {
    apiVersion: "autoscaling/v1",
    kind: "Scale",
    metadata: { name: subject.object.metadata.name },
    spec: { replicas: randomInteger(random, 0, 4) },
  };
  const manager = pick(random, MANAGERS);
  if (chance(random, 0.3)) return { method: "PUT", path: `${path}${managed(random)}`, body };
  if (chance(random, 0.3)) {
    return {
      method: "PATCH",
      path: `${path}${managed(random)}`,
      type: "application/merge-patch+json",
      body: { spec: body.spec },
    };
  }
  const force = chance(random, 0.4) ? "&force=true" : "";
  return {
    method: "PATCH",
    path: `${path}?fieldManager=${manager}${force}`,
    type: "application/apply-patch+yaml",
    body,
  };
}

/** Clients may write the list of owners themselves. */
function reown(random: Random, subject: Subject): Step {
  const type = "application/merge-patch+json";
  const entry = {
    manager: pick(random, MANAGERS),
    operation: pick(random, ["Apply", "Update"]),
    apiVersion: subject.object.apiVersion,
    fieldsType: "FieldsV1",
    time: "2026-01-01T00:00:00Z",
    fieldsV1: { "f:metadata": { "f:labels": { ".": {}, "f:a": {} } } },
  };
  const managedFields = pick(random, [[], [{}], null, [entry], [{ ...entry, fieldsType: "x" }]]);
  return {
    method: "PATCH",
    path: `${pathOf(subject)}${managed(random)}`,
    type,
    body: { metadata: { managedFields } },
  };
}
