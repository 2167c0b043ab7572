import type { Backend, BackendPair, BackendWrite } from "@raft2kube/store/backend/backend.ts";
import { memoryBackend } from "@raft2kube/store/backend/memory.ts";
import { type Random, pick, randomInteger } from "@raft2kube/std/random.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import type { Host } from "./host.ts";
import type { Power } from "./power.ts";
import type { Tally } from "./tally.ts";

/** A fault that a database's next write meets. */
export const BACKEND_FAULTS = ["EIO in the backend", "ENOSPC in the backend"] as const;
export type BackendFault = (typeof BACKEND_FAULTS)[number];

/** What the engine says of a block whose checksum does not fit. */
const DAMAGED = "LEVEL_CORRUPTION";

/** Whether a read met a damaged block, at whatever depth. */
export function isDamage(thrown: unknown): boolean {
  for (let at = thrown; at instanceof Error; at = at.cause) {
    if (codeOf(at) === DAMAGED) return true;
  }
  return false;
}

/** What a member's backend has on disk: it outlives the member. */
export class BackendImage {
  #pairs = new Map<string, Buffer>();
  /** Batches written since the last synced one, and those under way. */
  #unsynced: BackendWrite[][] = [];
  /** Pairs in blocks whose bytes have changed: the engine refuses to read them. */
  readonly #damaged = new Set<string>();
  armed: BackendFault | undefined;

  get isWhole(): boolean {
    return this.#damaged.size === 0;
  }

  /** The pairs that a power cut now would leave for certain. Throws when some are damaged. */
  copy(): Map<string, Buffer> {
    this.checkWhole(this.#pairs.keys());
    return new Map(this.#pairs);
  }

  /** Throws as the engine does when a key lies in a damaged block. */
  checkWhole(keys: Iterable<string>): void {
    if (this.#damaged.size === 0) return;
    for (const key of keys) {
      if (!this.#damaged.has(key)) continue;
      throw Object.assign(new Error("Corruption: block checksum mismatch"), { code: DAMAGED });
    }
  }

  replace(pairs: Map<string, Buffer>): void {
    this.#pairs = new Map(pairs);
    this.#unsynced = [];
    this.#damaged.clear();
  }

  /** Some bytes of a block change at rest. False when there is nothing to damage. */
  damage(random: Random): boolean {
    const names = [...this.#pairs.keys()];
    if (names.length === 0) return false;
    const at = randomInteger(random, 0, names.length);
    for (const name of names.slice(at, at + pick(random, [1, 2, 8, 64]))) this.#damaged.add(name);
    return true;
  }

  written(batch: BackendWrite[], sync: boolean): void {
    this.#unsynced.push(batch);
    if (sync) this.#keep(this.#unsynced.length);
  }

  /** Power is lost: of the unsynced batches a beginning survives, each whole or not at all. */
  crash(random: Random): void {
    this.armed = undefined;
    this.#keep(randomInteger(random, 0, this.#unsynced.length + 1));
    this.#unsynced = [];
  }

  #keep(batches: number): void {
    for (const batch of this.#unsynced.splice(0, batches)) {
      for (const { key, value } of batch) {
        const name = key.toString("latin1");
        // What is written again stands in a new block.
        this.#damaged.delete(name);
        if (value) this.#pairs.set(name, Buffer.from(value));
        else this.#pairs.delete(name);
      }
    }
  }
}

export interface BackendWorld {
  host: Host;
  power: Power;
  random: Random;
  tally: Tally;
}

/** The backend of one life: batches take their time, and are whole or absent after a crash. */
export async function simulatedBackend(image: BackendImage, world: BackendWorld): Promise<Backend> {
  const { host, power, random, tally } = world;
  const { life } = host;
  const live = memoryBackend();
  const pairs = [...image.copy()];
  const loaded = pairs.map(([name, value]) => ({ key: Buffer.from(name, "latin1"), value }));
  await live.writeBatch(loaded, { sync: false });
  const write = (writes: BackendWrite[], sync: boolean): Promise<void> | undefined => {
    const moment = sync ? "backend sync" : "backend batch";
    if (power.cut("before", moment)) return undefined;
    const { armed } = image;
    image.armed = undefined;
    if (armed) {
      tally.note(armed);
      const code = armed.slice(0, armed.indexOf(" "));
      return Promise.reject(Object.assign(new Error(`${code}: simulated`), { code: FAILED }));
    }
    image.written(writes, sync);
    if (power.cut("after", moment)) return undefined;
    return live.writeBatch(writes, { sync });
  };
  const checked = async function* (chunks: AsyncIterable<BackendPair[]>) {
    for await (const chunk of chunks) {
      image.checkWhole(chunk.map(([key]) => key.toString("latin1")));
      yield chunk;
    }
  };
  return {
    ...live,
    getSync: (key) => {
      image.checkWhole([key.toString("latin1")]);
      return live.getSync(key);
    },
    scan: (range) => checked(live.scan(range)),
    writeBatch: (writes, { sync }) =>
      new Promise((resolve, reject) => {
        const delay_ms = random.next() * (sync ? 8 : 1);
        host.after(delay_ms, () => void write(writes, sync)?.then(resolve, reject), life);
      }),
  };
}

/** What the store makes of a failed write of its database. */
const FAILED = "BACKEND_WRITE";
