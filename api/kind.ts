import type { FieldError } from "./errors.ts";
import type { ObjectMeta } from "./gen/meta/v1.ts";
import type { SchemaRef } from "./schema.ts";

/** The fields of every API object. Decoded objects always have `metadata`. */
export type KubeObject = { apiVersion?: string; kind?: string; metadata: ObjectMeta };

/** A group, version and kind; the core group is "". */
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export type Verb =
  | "create"
  | "delete"
  | "deletecollection"
  | "get"
  | "list"
  | "patch"
  | "update"
  | "watch";

/** The user and time of a request: a strategy's only input besides the objects. */
export interface StrategyContext {
  /** The server's time, that defaults such as `lastTransitionTime` are taken from. */
  readonly now_ms: number;
  readonly user?: RequestUser;
  /**
   * Steps of expressions above which a check throws StepsExceededError (package cel), so that the
   * write is repeated where it blocks no other; without it the rules' own limits hold alone.
   */
  readonly steps_max?: number | undefined;
  /** Takes a text for a `Warning:` header. */
  readonly warn?: ((text: string) => void) | undefined;
}

export interface RequestUser {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/**
 * Processing of a write to the kind itself, or to a subresource whose body is the whole object. The
 * order is upstream's: decode, defaults, prepare, validate. All may change `object` in place, which
 * belongs to the request; `old` is frozen.
 */
export interface UpdateStrategy<T extends KubeObject> {
  /**
   * Restores fields that this write may not change (status, or everything else); raises generation.
   */
  prepareUpdate(object: T, old: T, context: StrategyContext): void;
  validateUpdate(object: T, old: T, context: StrategyContext): FieldError[];
}

/** How a kind is created and replaced. */
export interface Strategy<T extends KubeObject> extends UpdateStrategy<T> {
  /**
   * Fills what the client left out, after every decode; twice gives the same as once. With
   * `steps_max`, the context's, too much of it throws StepsExceededError.
   */
  defaults(object: T, steps_max?: number): void;
  /** Clears what a creator may not set (status), sets generation. */
  prepareCreate(object: T, context: StrategyContext): void;
  validateCreate(object: T, context: StrategyContext): FieldError[];
  /** Lines for `Warning:` headers about an accepted object. */
  warnings(object: T, old?: T): string[];
  /** Whether PUT on an absent name creates it. */
  readonly createOnUpdate: boolean;
  /** Whether PUT without resourceVersion replaces any current version. */
  readonly unconditionalUpdate: boolean;
  /** Seconds of grace for a deletion, which may name some; undefined: deleted immediately. */
  gracePeriod_s?(object: T, asked_s: number | undefined): number | undefined;
}

/** One column of `kubectl get`. Priority 0 shows always, 1 with `-o wide`. */
export interface Column<T extends KubeObject = KubeObject> {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format: string;
  readonly description: string;
  readonly priority: number;
  /** Upstream sends the cell of such a column, and not its definition: kubectl shows none. */
  readonly undeclared?: boolean;
  /** The cell; ages are counted from `now_ms`. */
  value(object: T, now_ms: number): Cell;
}

export type Cell = string | number | bigint | boolean | null;

/** A part of an object with a path of its own. */
export interface Subresource<T extends KubeObject = KubeObject> {
  readonly name: string;
  readonly verbs: readonly Verb[];
  /** The kind of the body, which differs from the parent's for scale, binding, eviction, token. */
  readonly body: GroupVersionKind;
  /** The strategy when the body is the parent object: status, approval, finalize, resize, ... */
  readonly strategy?: UpdateStrategy<T>;
  /** The view when the body shows a part of the parent: scale. */
  readonly view?: View<T>;
}

/** A smaller object read out of, and written back into, its parent. */
export interface View<T extends KubeObject> {
  /** The parent's field that a Scale's replicas are, as a path; by default `spec.replicas`. */
  readonly replicasPath?: readonly string[];
  read(object: T): KubeObject;
  /** The path of the field that the view is about, where `object` does not have it. */
  missing?(object: T): string | undefined;
  /** Copies the view's spec into `object`, in place; errors name fields of the view. */
  write(object: T, view: KubeObject): FieldError[];
}

/** Reads the value of a selectable field. A method's type, so that kinds fit in one list. */
export type FieldReader<T extends KubeObject> = { read(object: T): string }["read"];

/** Where objects lie in the store. Kinds that share objects (Event in two groups) share a place. */
interface StoragePlace {
  /** The part of the key between `/registry/` and the namespace or name: `services/specs`. */
  readonly prefix: string;
  /** The group, version and kind of stored bodies, as upstream stores them. */
  readonly as: GroupVersionKind;
}

/** Everything the apiserver knows about one kind; made by `defineKind` in `define.ts`. */
export interface Kind<T extends KubeObject = KubeObject> extends GroupVersionKind {
  readonly listKind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly Verb[];
  /** Upstream's hash of the stored version, which discovery shows. */
  readonly storageVersionHash: string | undefined;
  /** The name of the schema in the facts, `core/v1.Pod`; of a custom resource, its structure. */
  readonly schema: SchemaRef;
  /** The versions that a custom resource is served in, by apiVersion; this kind among them. */
  readonly versions?: ReadonlyMap<string, Kind>;
  /** Returns the OpenAPI schemas of a custom resource. */
  definitions?(dialect: "v2" | "v3"): Definitions;
  readonly served: Served;
  /** Place in the store; undefined for kinds that are not stored. */
  readonly storage: StoragePlace | undefined;
  readonly strategy: Strategy<T>;
  readonly subresources: Readonly<Record<string, Subresource<T>>>;
  readonly columns: readonly Column<T>[];
  /** The source of table rows, if it is not the object in this version. */
  shown?(object: T): KubeObject;
  /** Whether the object has ended, for the conditions of table rows. */
  rowConditions?(object: T): readonly object[];
  /** Field selectors, each with how its value is read; always has metadata.name and .namespace. */
  readonly selectableFields: Readonly<Record<string, FieldReader<T>>>;
  /** Text of the `Warning:` header on writes of a kind that is stored and not acted on. */
  readonly notActedOn: string | undefined;
  /** Text of the `Warning:` header of every answer, reads too, for a kind that is going away. */
  readonly deprecated: string | undefined;
  /** Rewrites a stored body of `storage.as` into this version and back; absent when they agree. */
  fromStorage?(stored: KubeObject): T;
  toStorage?(object: T): KubeObject;
  /** Whether a new object is stored without what reading fills in: a status that has a default. */
  readonly isFilledIn?: boolean;
  /**
   * Converts objects of a custom resource between its versions where a webhook does that, in order.
   * Rejects with an ApiError when the webhook cannot be reached, refuses, or lies, and when
   * `signal` aborts.
   */
  convert?(
    objects: readonly KubeObject[],
    apiVersion: string,
    signal?: AbortSignal,
  ): Promise<readonly KubeObject[]>;
}

/** The schemas of a kind and of its list, as OpenAPI has them. */
export interface Definitions {
  /** `com.example.stable.v1.CronTab`. */
  readonly name: string;
  readonly listName: string;
  /** Both schemas by name; they refer to those of meta/v1. */
  readonly schemas: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** A kind of this API itself: its schema is one of the facts. */
export type BuiltInKind<T extends KubeObject = KubeObject> = Kind<T> & { readonly schema: string };

/** Whether a kind is none of a custom resource. */
export const isBuiltIn = (kind: Kind): kind is BuiltInKind => kind.versions === undefined;

/**
 * How objects of a kind come about: they are stored; a review (TokenReview, Binding, ...) is posted
 * and answered, and nothing of it is kept; virtual ones are made when they are read.
 */
export type Served = "stored" | "review" | "virtual";

/** How objects of a kind are printed, and under which names. */
export type Printed<T extends KubeObject = KubeObject> = Pick<
  Kind<T>,
  "group" | "kind" | "listKind" | "columns" | "rowConditions" | "shown"
>;
