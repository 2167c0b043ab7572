/** Makes a `Kind` from the facts of its resource and its handwritten part. */
import { assert } from "@raft2kube/std/assert.ts";
import { ageColumn, nameColumn } from "./columns.ts";
import { type ResourceFact, resourceFacts, type SubresourceFact } from "./facts.ts";
import type {
  BuiltInKind,
  Column,
  FieldReader,
  GroupVersionKind,
  KubeObject,
  Served,
  Subresource,
  Verb,
} from "./kind.ts";
import {
  makeStatusStrategy,
  makeStrategy,
  type StatusParts,
  type StrategyParts,
} from "./strategy.ts";

/** The hand-written parts of a kind. */
export interface Definition<T extends KubeObject> extends StrategyParts<T> {
  readonly columns?: readonly Column<T>[];
  shown?(object: T): KubeObject;
  rowConditions?(object: T): readonly object[];
  readonly selectableFields?: Readonly<Record<string, FieldReader<T>>>;
  readonly status?: StatusParts<T>;
  /** Doors besides `/status`: what the facts of the subresource do not say. */
  readonly subresources?: Readonly<Record<string, Partial<Subresource<T>>>>;
  readonly storedAs?: GroupVersionKind;
  /** Nothing is stored: objects are made when they are read. */
  readonly virtual?: boolean;
  /** Why writes are answered with a warning: what does not act on the kind yet. */
  readonly notActedOn?: string;
  readonly deprecated?: string;
  fromStorage?(stored: KubeObject): T;
  toStorage?(object: T): KubeObject;
}

/** Upstream's keys that are not the plural. */
const STORAGE_PREFIXES: Readonly<Record<string, string>> = {
  "core/v1.ReplicationController": "controllers",
  "core/v1.Endpoints": "services/endpoints",
  "core/v1.Service": "services/specs",
  "core/v1.Node": "minions",
  "networking/v1.Ingress": "ingress",
  "apiregistration/v1.APIService": "apiregistration.k8s.io/apiservices",
  "apiextensions/v1.CustomResourceDefinition": "apiextensions.k8s.io/customresourcedefinitions",
};

const resources = new Map(resourceFacts().map((each) => [`${each.package}.${each.kind}`, each]));

/** Every resource of the facts, by schema name. */
export const knownSchemas = (): IterableIterator<string> => resources.keys();

function subresourceOf<T extends KubeObject>(
  fact: SubresourceFact,
  definition: Definition<T>,
): Subresource<T> {
  const usual: Subresource<T> = {
    name: fact.name,
    verbs: fact.verbs as readonly Verb[],
    body: { group: fact.group, version: fact.version, kind: fact.kind },
    ...(fact.name === "status" ? { strategy: makeStatusStrategy(definition.status ?? {}) } : {}),
  };
  return { ...usual, ...definition.subresources?.[fact.name] };
}

/** A kind that can only be created is a question, and its answer. */
function servedOf(fact: ResourceFact, virtual: boolean | undefined): Served {
  if (virtual) return "virtual";
  return fact.verbs.includes("get") ? "stored" : "review";
}

/** Defines the kind of a schema such as `apps/v1.Deployment`. */
export function defineKind<T extends KubeObject>(
  schema: string,
  definition: Definition<T> = {},
): BuiltInKind<T> {
  const fact = resources.get(schema);
  assert(fact !== undefined, `the facts list no resource for ${schema}`);
  const version = fact.package.slice(fact.package.indexOf("/") + 1);
  const self = { group: fact.group, version, kind: fact.kind };
  const served = servedOf(fact, definition.virtual);
  const hasStatus = fact.subresources.some((each) => each.name === "status");
  return {
    ...self,
    schema,
    listKind: `${fact.kind}List`,
    plural: fact.plural,
    singular: fact.singular,
    shortNames: fact.shortNames ?? [],
    categories: fact.categories ?? [],
    namespaced: fact.namespaced,
    verbs: fact.verbs as readonly Verb[],
    storageVersionHash: fact.storageVersionHash,
    served,
    storage:
      served === "stored"
        ? { prefix: STORAGE_PREFIXES[schema] ?? fact.plural, as: definition.storedAs ?? self }
        : undefined,
    strategy: makeStrategy({ schema, namespaced: fact.namespaced, hasStatus }, definition),
    subresources: Object.fromEntries(
      fact.subresources.map((each) => [each.name, subresourceOf(each, definition)]),
    ),
    columns: definition.columns ?? [nameColumn, ageColumn],
    ...(definition.shown && { shown: definition.shown }),
    ...(definition.rowConditions && { rowConditions: definition.rowConditions }),
    selectableFields: {
      "metadata.name": (object) => object.metadata.name ?? "",
      ...(fact.namespaced
        ? { "metadata.namespace": (object: T) => object.metadata.namespace ?? "" }
        : {}),
      ...definition.selectableFields,
    },
    notActedOn: definition.notActedOn,
    deprecated: definition.deprecated,
    ...(definition.fromStorage === undefined ? {} : { fromStorage: definition.fromStorage }),
    ...(definition.toStorage === undefined ? {} : { toStorage: definition.toStorage }),
  };
}
