import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { entryOf } from "../cache/entry-of-row.ts";
import type { Entry } from "../cache/entry.ts";
import { RECENT_WRITES_MAX } from "../limits.ts";
import { isServedAsStored, servedBody } from "./body.ts";
import { keyOf } from "./keys.ts";
import type { Row } from "./rows.ts";

interface Write {
  readonly value: Buffer;
  readonly object: KubeObject;
  /** As clients get it, once its revision is known. */
  served: { revision: number; body: Buffer } | undefined;
}

/**
 * What this server wrote last of one kind, so that it need not parse it again when the store's
 * watch brings it back, nor serialise it again for its answer.
 */
export class RecentWrites {
  readonly #kind: Kind;
  readonly #served: boolean;
  /** By key, the oldest first. */
  readonly #writes = new Map<string, Write>();

  constructor(kind: Kind) {
    this.#kind = kind;
    this.#served = isServedAsStored(kind);
  }

  /** `object` is being stored as `value`; but for its resourceVersion nobody changes it again. */
  note(key: string, value: Buffer, object: KubeObject): void {
    if (!this.#served) return;
    this.#writes.delete(key);
    this.#writes.set(key, { value, object, served: undefined });
    if (this.#writes.size <= RECENT_WRITES_MAX) return;
    const [oldest] = this.#writes.keys();
    this.#writes.delete(oldest!);
  }

  /** The cache's entry of a row that is just what was written last; undefined for any other. */
  entryOf({ key, value, revision }: Row): Entry | undefined {
    const write = this.#writes.get(key);
    if (write === undefined || !write.value.equals(value)) return undefined;
    return entryOf(this.#kind, write.object, key, revision, servedAt(write, revision));
  }

  /** The JSON of an object that has just been written; undefined when that is not known. */
  bodyOf(object: KubeObject): Buffer | undefined {
    const { namespace = "", name = "", resourceVersion } = object.metadata;
    if (name === "" || resourceVersion === undefined) return undefined;
    const write = this.#writes.get(keyOf(this.#kind, namespace, name));
    return write?.object === object ? servedAt(write, Number(resourceVersion)) : undefined;
  }
}

function servedAt(write: Write, revision: number): Buffer {
  if (write.served?.revision !== revision) {
    write.served = { revision, body: servedBody(write.value, revision) };
  }
  return write.served.body;
}
