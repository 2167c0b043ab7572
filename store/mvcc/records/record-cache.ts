import type { KeyValue } from "@raft2kube/proto/gen/etcd.ts";

const ENTRY_OVERHEAD_BYTES = 300;
/**
 * Records further into a transaction than this are not cached: their number would not fit the
 * key.
 */
const SUB_MAX = 1024;
const MAIN_MAX = Math.floor(Number.MAX_SAFE_INTEGER / SUB_MAX);

/**
 * Decoded records of older revisions, the least recently used leaving first. A revision never
 * changes.
 */
export class RecordCache {
  readonly #bytes_max: number;
  #bytes = 0;
  #records = new Map<number, KeyValue>();

  constructor(bytes_max: number) {
    this.#bytes_max = bytes_max;
  }

  get(main: number, sub: number): KeyValue | undefined {
    const id = main * SUB_MAX + sub;
    const record = this.#records.get(id);
    if (record) {
      this.#records.delete(id);
      this.#records.set(id, record);
    }
    return record;
  }

  set(main: number, sub: number, record: KeyValue): void {
    if (sub >= SUB_MAX || main >= MAIN_MAX) return;
    this.#records.set(main * SUB_MAX + sub, record);
    this.#bytes += sizeOf(record);
    for (const [id, oldest] of this.#records) {
      if (this.#bytes <= this.#bytes_max) break;
      this.#records.delete(id);
      this.#bytes -= sizeOf(oldest);
    }
  }
}

function sizeOf(record: KeyValue): number {
  return record.key.length + record.value.length + ENTRY_OVERHEAD_BYTES;
}
