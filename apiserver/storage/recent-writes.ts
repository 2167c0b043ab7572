import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { beginSpan, type Span } from "@raft2kube/observe/trace/tracer.ts";
import { Entry, selectedFields } from "../object/entry.ts";
import { isServedAsStored, servedBody } from "./body.ts";
import { keyOf } from "./keys.ts";
import { RECENT_WRITES_BUDGET, type Remembered } from "./recent-writes-budget.ts";
import type { Row } from "./rows.ts";

interface Write extends Remembered {
  readonly value: Buffer;
  /** The fields that selectors can match. */
  readonly selected: ReturnType<typeof selectedFields>;
  /** Ends when the store's watch returns it: watches of this server get it then. */
  readonly span: Span | undefined;
  /** The body that clients get, once its revision is known. */
  served: { revision: number; body: Buffer } | undefined;
}

/**
 * The objects of one kind that this server wrote last, so that it neither parses them again when
 * the store's watch returns them, nor serialises them again for its answer.
 */
export class RecentWrites {
  readonly #kind: Kind;
  readonly #served: boolean;
  readonly #writes = new Map<string, Write>();

  constructor(kind: Kind) {
    this.#kind = kind;
    this.#served = isServedAsStored(kind);
  }

  /** `object` is being stored as `value`. */
  note(key: string, value: Buffer, object: KubeObject): void {
    if (!this.#served) return;
    const selected = selectedFields(this.#kind, object);
    const before = this.#writes.get(key);
    if (before) RECENT_WRITES_BUDGET.drop(before);
    const forget = () => void this.#writes.delete(key);
    // Twice: as it is stored and as it is served.
    const bytes = 2 * value.length;
    const span = beginSpan("watch event");
    const write = { value, selected, span, served: undefined, bytes, forget };
    this.#writes.set(key, write);
    RECENT_WRITES_BUDGET.add(write);
  }

  /** A value is stored, at `revision`. */
  stored(key: string, value: Buffer, revision: number): void {
    const write = this.#writes.get(key);
    if (write?.value === value) servedAt(write, revision);
  }

  /** Forgets all. */
  close(): void {
    for (const write of this.#writes.values()) RECENT_WRITES_BUDGET.drop(write);
    this.#writes.clear();
  }

  /** The cache's entry of a row that is just what was written last; undefined for any other. */
  entryOf({ key, value, revision }: Row): Entry | undefined {
    const write = this.#writes.get(key);
    if (write === undefined || !write.value.equals(value)) return undefined;
    write.span?.end();
    return new Entry({ ...write.selected, key, revision, body: servedAt(write, revision) });
  }

  /** The JSON of an object that has just been written; undefined when that is not known. */
  bodyOf(object: KubeObject): Buffer | undefined {
    const { namespace = "", name = "", resourceVersion } = object.metadata;
    if (name === "") return undefined;
    const served = this.#writes.get(keyOf(this.#kind, namespace, name))?.served;
    return served?.revision === Number(resourceVersion) ? served.body : undefined;
  }
}

function servedAt(write: Write, revision: number): Buffer {
  if (write.served?.revision !== revision) {
    write.served = { revision, body: servedBody(write.value, revision) };
  }
  return write.served.body;
}
