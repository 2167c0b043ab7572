import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";

/** An entry's strings, labels and fields, the objects around its body, and its event's. */
const ENTRY_OVERHEAD_BYTES = 1_024;

/**
 * One object as the cache holds it: its JSON as clients get it, and the fields that selectors
 * match.
 */
export class Entry {
  /** The storage key, `/registry/pods/default/web`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly revision: number;
  readonly labels: Readonly<Record<string, string>>;
  /** The kind's selectable fields. */
  readonly fields: Readonly<Record<string, string>>;
  /** JSON, resourceVersion within, in memory of its own: caches keep it. Frozen. */
  readonly body: Buffer;
  #shared: KubeObject | undefined;

  constructor(init: EntryInit) {
    this.key = init.key;
    this.revision = init.revision;
    this.body = init.body;
    this.labels = init.labels;
    this.fields = init.fields;
    this.name = init.name;
    this.namespace = init.namespace;
    this.uid = init.uid;
  }

  /** Bytes of the entry in memory. */
  get bytes(): number {
    return this.body.length + ENTRY_OVERHEAD_BYTES;
  }

  /** Another has taken its place in the cache: what is looked at with each request is that one. */
  replaced(): void {
    this.#shared = undefined;
  }

  /**
   * Returns the object, parsed once and shared: do not modify it. For fields that each request
   * reads.
   */
  shared<T extends KubeObject = KubeObject>(): Readonly<T> {
    this.#shared ??= this.object<T>();
    return this.#shared as T;
  }

  /** Parses the object at each call: the caller owns the result. */
  object<T extends KubeObject = KubeObject>(): T {
    return parseExact(this.body.toString("utf8")) as T;
  }
}

export type EntryInit = Pick<
  Entry,
  "key" | "name" | "namespace" | "uid" | "revision" | "labels" | "fields" | "body"
>;

/** The fields that selectors can match. */
export function selectedFields(kind: Kind, object: KubeObject) {
  const fields: Record<string, string> = {};
  for (const [name, read] of Object.entries(kind.selectableFields)) fields[name] = read(object);
  const { name = "", namespace = "", uid = "", labels = {} } = object.metadata;
  return { name, namespace, uid, labels, fields };
}
