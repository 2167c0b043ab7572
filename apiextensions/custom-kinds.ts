/** A CustomResourceDefinition as the kinds that the API server serves. */
import { createHash } from "node:crypto";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { FieldReader, Kind, KubeObject, Subresource, Verb } from "@raft2kube/api/kind.ts";
import type { Struct } from "@raft2kube/api/schema.ts";
import { compareVersions } from "@raft2kube/apimachinery/group-version.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { columnsOf } from "./columns.ts";
import { coerceObject } from "./decode.ts";
import { applyDefaults } from "./defaults.ts";
import { textOf } from "./go-text.ts";
import { parseJsonPath } from "./json-path.ts";
import { ruleCheck } from "./rules/validate.ts";
import { customScaleView } from "./scale.ts";
import { type CheckRules, customStatusStrategy, customStrategy, type Parts } from "./strategy.ts";
import { structFrom } from "./struct.ts";
import { type Structural, structuralOf } from "./structural.ts";

/**
 * Converts objects of one kind to another version, in order, as many as it was given. Rejects with
 * an ApiError when the webhook cannot be reached, refuses, or lies, and when `signal` aborts: the
 * request is over that it is for.
 */
export type Convert = (
  objects: readonly KubeObject[],
  apiVersion: string,
  signal?: AbortSignal,
) => Promise<readonly KubeObject[]>;

/** Parts of a custom kind that other kinds do not have. */
export interface Custom {
  /** How objects of other versions become this one's and back, if a webhook converts them. */
  readonly convert: Convert | undefined;
  /** Prunes and coerces, in place, an object in any of the versions, as after a conversion. */
  settle(converted: KubeObject): KubeObject;
}

/**
 * A kind that came later. `fromStorage` fills in the defaults of the stored version, and no others:
 * decoding a row must not apply those of the version that is read.
 */
export interface CustomKind extends Omit<Kind, "schema"> {
  readonly schema: Struct;
  readonly custom: Custom;
}

const VERBS: readonly Verb[] = [
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "create",
  "update",
  "watch",
];
const SUBRESOURCE_VERBS: readonly Verb[] = ["get", "patch", "update"];
const HASH_BYTES = 8;

/**
 * One kind for each served version, under the accepted names. Objects are stored in the storage
 * version. Schemas are prepared when they are first needed, and shared by requests.
 */
export function customKinds(crd: CustomResourceDefinition, convert?: Convert): CustomKind[] {
  const schemas = new Schemas(crd);
  const kinds = new Map<string, CustomKind>();
  for (const version of crd.spec.versions) {
    if (!version.served) continue;
    const kind = kindFrom(crd, version, schemas, convert, kinds);
    kinds.set(`${kind.group}/${kind.version}`, kind);
  }
  return [...kinds.values()];
}

/** The schemas of a definition's versions, each made once. */
class Schemas {
  readonly #crd: CustomResourceDefinition;
  readonly #made = new Map<string, Structural | undefined>();
  readonly #rules = new Map<string, CheckRules | undefined>();

  constructor(crd: CustomResourceDefinition) {
    this.#crd = crd;
  }

  /** The schema of a version, by which values are checked and defaulted. */
  of(version: string): Structural | undefined {
    if (!this.#made.has(version)) {
      const found = this.#crd.spec.versions.find(({ name }) => name === version);
      const props = found?.schema?.openAPIV3Schema;
      this.#made.set(version, props && structuralOf(props));
    }
    return this.#made.get(version);
  }

  /** The check of a version's rules, which are compiled when the first object is written. */
  rules(version: string): CheckRules | undefined {
    if (!this.#rules.has(version)) {
      const schema = this.of(version);
      this.#rules.set(version, schema && ruleCheck(schema));
    }
    return this.#rules.get(version);
  }

  /** The same for pruning: old definitions may preserve unknown fields everywhere. */
  pruning(version: string): Structural | undefined {
    return this.#crd.spec.preserveUnknownFields === true ? undefined : this.of(version);
  }

  /** Prunes and coerces an object in the version that it is in, in place. */
  settle(object: KubeObject, strict: boolean): KubeObject {
    return coerceObject(this.pruning(versionOf(object)), object, { strict }).object;
  }
}

function versionOf({ apiVersion = "" }: KubeObject): string {
  return apiVersion.slice(apiVersion.indexOf("/") + 1);
}

function kindFrom(
  crd: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  schemas: Schemas,
  convert: Convert | undefined,
  versions: ReadonlyMap<string, CustomKind>,
): CustomKind {
  const { group, scope, conversion } = crd.spec;
  const names = crd.status!.acceptedNames;
  const storage = crd.spec.versions.find((each) => each.storage);
  assert(storage !== undefined, `${crd.metadata.name} has no storage version`);
  const stored = storage.name;
  const status = storage.schema?.openAPIV3Schema?.properties?.["status"];
  const apiVersion = `${group}/${version.name}`;
  const parts: Parts = {
    kind: names.kind,
    apiVersion,
    namespaced: scope === "Namespaced",
    hasStatus: version.subresources?.status !== undefined,
    scale: version.subresources?.scale,
    schema: () => schemas.of(version.name),
    rules: () => schemas.rules(version.name),
  };
  const byWebhook = conversion?.strategy === "Webhook";
  const self = { group, version: version.name, kind: names.kind };
  let schema: Struct | undefined;
  return {
    ...self,
    versions,
    listKind: names.listKind ?? `${names.kind}List`,
    plural: names.plural,
    singular: names.singular ?? "",
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    namespaced: parts.namespaced,
    verbs: VERBS,
    storageVersionHash: hashOf(`${group}/${stored}/${names.kind}`),
    get schema() {
      return (schema ??= structFrom(schemas.pruning(version.name), `${apiVersion}.${names.kind}`));
    },
    served: "stored",
    storage: { prefix: `${group}/${names.plural}`, as: { ...self, version: stored } },
    strategy: customStrategy(parts),
    subresources: subresourcesOf(parts, self),
    columns: columnsOf(version),
    selectableFields: selectableFieldsOf(version, parts.namespaced),
    notActedOn: undefined,
    deprecated: deprecationOf(crd, version),
    fromStorage: (object) => fromStorage(schemas, object, apiVersion, byWebhook),
    isFilledIn: parts.hasStatus && status?.default !== undefined,
    ...(stored === version.name || byWebhook
      ? {}
      : { toStorage: (object) => convertedTo(schemas, object, `${group}/${stored}`) }),
    custom: {
      convert: byWebhook ? convert : undefined,
      settle: (object) => schemas.settle(object, true),
    },
  };
}

/** Upstream's hash of a storage version. */
function hashOf(text: string): string {
  return createHash("sha256").update(text).digest().subarray(0, HASH_BYTES).toString("base64");
}

/** Repairs and defaults a stored object in its version, then converts it where nothing is to do. */
function fromStorage(
  schemas: Schemas,
  stored: KubeObject,
  apiVersion: string,
  byWebhook: boolean,
): KubeObject {
  const object = schemas.settle(stored, false);
  object.metadata.generation ??= 1;
  // Those beyond the limit are left out: an object that was written stays readable.
  applyDefaults(schemas.of(versionOf(object)), object);
  return object.apiVersion === apiVersion || byWebhook
    ? object
    : convertedTo(schemas, object, apiVersion);
}

/** The conversion `None`: another apiVersion, and what that version does not know is gone. */
function convertedTo(schemas: Schemas, object: KubeObject, apiVersion: string): KubeObject {
  object.apiVersion = apiVersion;
  return schemas.settle(object, true);
}

function subresourcesOf(
  parts: Parts,
  self: Subresource["body"],
): Readonly<Record<string, Subresource>> {
  const verbs = SUBRESOURCE_VERBS;
  return {
    ...(parts.hasStatus
      ? { status: { name: "status", verbs, body: self, strategy: customStatusStrategy(parts) } }
      : {}),
    ...(parts.scale === undefined
      ? {}
      : {
          scale: {
            name: "scale",
            verbs,
            body: { group: "autoscaling", version: "v1", kind: "Scale" },
            view: customScaleView(parts.scale),
          },
        }),
  };
}

function selectableFieldsOf(
  { selectableFields = [] }: CustomResourceDefinitionVersion,
  namespaced: boolean,
): Readonly<Record<string, FieldReader<KubeObject>>> {
  const own = selectableFields.map(({ jsonPath }): [string, FieldReader<KubeObject>] => {
    const path = parseJsonPath(jsonPath);
    return [
      jsonPath.replace(/^\./, ""),
      (object) => {
        const [value] = path(object);
        return value === undefined || value === null ? "" : textOf(value);
      },
    ];
  });
  return {
    "metadata.name": ({ metadata }) => metadata.name ?? "",
    ...(namespaced ? { "metadata.namespace": ({ metadata }) => metadata.namespace ?? "" } : {}),
    ...Object.fromEntries(own),
  };
}

/** The warning of a deprecated version: its own, or one that names the best other version. */
function deprecationOf(
  { spec }: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
): string | undefined {
  if (version.deprecated !== true) return undefined;
  if (version.deprecationWarning !== undefined) return version.deprecationWarning;
  const [best] = spec.versions
    .filter(
      (each) =>
        each.served && each.deprecated !== true && compareVersions(version.name, each.name) < 0,
    )
    .sort((a, b) => compareVersions(b.name, a.name));
  const { group } = spec;
  const { kind } = spec.names;
  const own = `${group}/${version.name} ${kind} is deprecated`;
  return best === undefined ? own : `${own}; use ${group}/${best.name} ${kind}`;
}
