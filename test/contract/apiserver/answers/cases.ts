/**
 * Generates the requests that compare the rules of two servers: each valid object of `bases/`, and
 * the object with one leaf changed, as a creation, as an update and through the status. Pure: the
 * same list each time, so that answers recorded once stay comparable.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { BuiltInKind, KubeObject } from "@raft2kube/api/kind.ts";
import { kindOf } from "@raft2kube/api/kinds.ts";
import { parseApiVersion } from "@raft2kube/apimachinery/group-version.ts";
import { parseAllDocuments } from "yaml";
import { type Change, changed, changes } from "./mutations.ts";
import { caseOf, type Rule, readRules } from "./rules.ts";

/** One request, made of the object as it is stored (as the base has it, for a creation). */
export interface Case {
  /** Unique; says what is changed and how. */
  readonly id: string;
  readonly method: "POST" | "PUT";
  /** The path after the collection's: a name, a subresource, a query. */
  readonly path: string;
  body(object: KubeObject): KubeObject;
}

/** A valid object and what is asked about it. */
export interface Subject {
  /** `apps/v1.Deployment` */
  readonly schema: string;
  readonly collection: string;
  readonly object: KubeObject;
  /** Whether it can be stored, so that updates can be asked about. */
  readonly stored: boolean;
  readonly creates: readonly Case[];
  readonly updates: readonly Case[];
}

/** Kinds whose texts are compared too, and which are asked about more. */
export const WITH_TEXTS: ReadonlySet<string> = new Set([
  "core/v1.Pod",
  "core/v1.Service",
  "apps/v1.Deployment",
  "core/v1.PersistentVolumeClaim",
]);

type Verb = "create" | "update" | "status";

/** The most cases of one object through one door. */
const CASES_MAX: Readonly<Record<Verb, number>> = { create: 80, update: 40, status: 25 };
const CASES_MAX_WITH_TEXTS: typeof CASES_MAX = { create: 300, update: 150, status: 50 };

const BASES = join(import.meta.dirname, "bases");
const DRY_RUN = "?dryRun=All";

function readBases(): KubeObject[] {
  return readdirSync(BASES)
    .sort()
    .flatMap((file) =>
      parseAllDocuments(readFileSync(join(BASES, file), "utf8")).map(
        (document) => document.toJS() as KubeObject,
      ),
    );
}

/** All that is asked, in a fixed order. */
export function subjects(): Subject[] {
  const bases = readBases().map((object, index) => {
    return subjectOf(kindOfObject(object), object, object.metadata.name ?? `number ${index}`);
  });
  return [...bases, ...readRules().map(subjectOfRule)];
}

function kindOfObject({ apiVersion = "", kind = "" }: KubeObject): BuiltInKind {
  const { group, version } = parseApiVersion(apiVersion)!;
  const found = kindOf(group, version, kind);
  if (found === undefined) throw new Error(`no kind ${apiVersion} ${kind}`);
  return found;
}

function subjectOfRule(rule: Rule): Subject {
  const kind = kindOfObject(rule.object);
  const asked = [caseOf(rule, kind.schema)];
  const stored = rule.old !== undefined;
  return {
    schema: kind.schema,
    object: rule.old ?? rule.object,
    stored: true,
    collection: collectionOf(kind, rule.object),
    creates: stored ? [] : asked,
    updates: stored ? asked : [],
  };
}

function collectionOf(kind: BuiltInKind, { metadata }: KubeObject): string {
  const root = kind.group === "" ? "/api" : `/apis/${kind.group}`;
  const scope = kind.namespaced ? `/namespaces/${metadata.namespace ?? "default"}` : "";
  return `${root}/${kind.version}${scope}/${kind.plural}`;
}

function subjectOf(kind: BuiltInKind, object: KubeObject, name: string): Subject {
  const { schema } = kind;
  const about = `${schema} ${name}`;
  const stored = kind.storage !== undefined;
  const hasStatus = kind.subresources["status"] !== undefined && "status" in object;
  return {
    schema,
    object,
    stored,
    collection: collectionOf(kind, object),
    creates: creates(about, schema, object),
    updates: stored
      ? [...updates(about, schema, object), ...(hasStatus ? statuses(about, schema, object) : [])]
      : [],
  };
}

function creates(about: string, schema: string, object: KubeObject): Case[] {
  const post = (id: string, query: string, body: Case["body"]): Case => ({
    id: `${about} created ${id}`,
    method: "POST",
    path: query,
    body,
  });
  return [
    post("as it is", DRY_RUN, (base) => base),
    post("strictly with an unknown field", `${DRY_RUN}&fieldValidation=Strict`, (base) => ({
      ...base,
      unknown: 1,
    })),
    ...some("create", schema, changes(object, schema, "create")).map((change) =>
      post(nameOf(change), DRY_RUN, (base) => changed(base, change)),
    ),
  ];
}

function updates(about: string, schema: string, object: KubeObject): Case[] {
  const put = (id: string, name: string, body: Case["body"]): Case => ({
    id: `${about} updated ${id}`,
    method: "PUT",
    path: `/${name}${DRY_RUN}`,
    body,
  });
  const name = object.metadata.name!;
  const withMetadata =
    (more: Partial<KubeObject["metadata"]>): Case["body"] =>
    (stored) => ({ ...stored, metadata: { ...stored.metadata, ...more } });
  return [
    put("as it is", name, (stored) => stored),
    put("without a version", name, changedBy(["metadata", "resourceVersion"], undefined)),
    put("with an old version", name, withMetadata({ resourceVersion: "1" })),
    put("with another uid", name, withMetadata({ uid: "other" })),
    put("where there is none", "none-there", ({ metadata: _metadata, ...rest }) => ({
      ...rest,
      metadata: { name: "none-there" },
    })),
    ...some(
      "update",
      schema,
      changes(object, schema, "update").filter(({ path }) => path[0] !== "status"),
    ).map((change) => put(nameOf(change), name, (stored) => changed(stored, change))),
  ];
}

function statuses(about: string, schema: string, object: KubeObject): Case[] {
  const withStatus = (stored: KubeObject): KubeObject =>
    ({ ...stored, status: (object as KubeObject & { status: unknown }).status }) as KubeObject;
  const put = (id: string, body: Case["body"]): Case => ({
    id: `${about} status ${id}`,
    method: "PUT",
    path: `/${object.metadata.name}/status${DRY_RUN}`,
    body,
  });
  return [
    put("as it is", withStatus),
    ...some("status", schema, changes(object, schema, "update", "status")).map((change) =>
      put(nameOf(change), (stored) => changed(withStatus(stored), change)),
    ),
  ];
}

function changedBy(path: Change["path"], value: unknown): Case["body"] {
  return (object) => changed(object, { path, value });
}

const nameOf = ({ path, name }: Change): string => `${path.join(".")} ${name}`;

/** A share of the changes: those whose names' digests are lowest, in the order given. */
function some(verb: Verb, schema: string, all: readonly Change[]): Change[] {
  const limit = (WITH_TEXTS.has(schema) ? CASES_MAX_WITH_TEXTS : CASES_MAX)[verb];
  const digests = new Map(all.map((each) => [each, digestOf(nameOf(each))]));
  const chosen = new Set(
    [...all].sort((a, b) => (digests.get(a)! < digests.get(b)! ? -1 : 1)).slice(0, limit),
  );
  return all.filter((each) => chosen.has(each));
}

const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex");
