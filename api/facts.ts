/**
 * The facts of the API as upstream's Go types state them, read from `facts/*.json` (written by
 * `scripts/facts.ts`). A package is loaded when first asked for.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One field of a type. Absent flags are false. */
export interface FieldFact {
  /** The name in JSON; for inlined types the name in protobuf. */
  readonly name: string;
  /**
   * A scalar (string, bool, int32, int64, double, bytes), a special (Time, Quantity, ...), a type
   * of the same package (`Container`), of another (`meta/v1.ObjectMeta`), or one of those after
   * `[]` (list) or `{}` (map by string).
   */
  readonly type: string;
  /** The protobuf field number; absent where upstream has no protobuf. */
  readonly id?: number;
  /** The field's own fields stand in its parent's JSON object. */
  readonly inline?: boolean;
  readonly pointer?: boolean;
  readonly omitempty?: boolean;
  readonly omitzero?: boolean;
  /** The field is listed as required in OpenAPI. */
  readonly required?: boolean;
  readonly list?: string;
  readonly listKeys?: readonly string[];
  readonly map?: string;
  /** Strategic merge patch: `merge`, `replace`, `retainKeys`, or two with a comma. */
  readonly patch?: string;
  readonly mergeKey?: string;
  readonly default?: unknown;
}

/** One type: a structure when it has fields, else a name for another type. */
export interface TypeFact {
  /** Carries apiVersion and kind. */
  readonly typeMeta?: boolean;
  readonly map?: string;
  readonly fields?: readonly FieldFact[];
  readonly base?: string;
  /** The named values of a string; closed when no others are allowed. */
  readonly values?: readonly string[];
  readonly closed?: boolean;
  /** A list that protobuf wraps in a message with `items`. */
  readonly wrapped?: boolean;
}

export interface PackageFacts {
  /** Our name of the package: `apps/v1`, `meta/v1`. */
  readonly package: string;
  readonly group: string;
  readonly version: string;
  readonly types: Readonly<Record<string, TypeFact>>;
}

/** One resource as upstream's discovery lists it. */
export interface ResourceFact {
  readonly package: string;
  readonly group: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs: readonly string[];
  readonly storageVersionHash?: string;
  readonly subresources: readonly SubresourceFact[];
}

export interface SubresourceFact {
  readonly name: string;
  readonly verbs: readonly string[];
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const FACTS_DIR = join(import.meta.dirname, "facts");
const loaded = new Map<string, PackageFacts>();

/** The facts of one package (`apps/v1`). An unknown one is an error of the caller. */
export function factsOf(name: string): PackageFacts {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const facts = JSON.parse(readFileSync(fileOf(name), "utf8")) as PackageFacts;
  loaded.set(name, facts);
  return facts;
}

/** Whether there are facts of a package. */
export const hasFacts = (name: string): boolean => loaded.has(name) || existsSync(fileOf(name));

const fileOf = (name: string): string => join(FACTS_DIR, `${name.replace("/", ".")}.json`);

/** Every resource of the stable groups, in upstream's order. Not kept: callers keep theirs. */
export function resourceFacts(): ResourceFact[] {
  return JSON.parse(readFileSync(join(FACTS_DIR, "resources.json"), "utf8")) as ResourceFact[];
}
