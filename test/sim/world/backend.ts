import { codeOf } from "@raft2kube/std/errors.ts";
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import type {
  Backend,
  BackendPair,
  BackendSnapshot,
  BackendWrite,
} from "@raft2kube/store/backend/backend.ts";
import { CRC_BYTES, seal } from "@raft2kube/store/backend/checked.ts";
import { INVENTORY_KEY } from "@raft2kube/store/backend/inventory.ts";
import { memoryBackend } from "../../../testing/store/memory-backend.ts";
import type { Counters } from "./counters.ts";
import type { Host } from "./host.ts";
import type { DiskPace } from "./pace.ts";
import type { Power } from "./power.ts";

/** A fault that a database's next write meets. */
export const BACKEND_FAULTS = ["EIO in the backend", "ENOSPC in the backend"] as const;
export type BackendFault = (typeof BACKEND_FAULTS)[number];

/** The share of batches that start a new log of the engine's. */
const LOG_CHANGE_CHANCE = 0.1;
/** The engine's error code for a block that it cannot decode. */
const UNREADABLE = "LEVEL_CORRUPTION";
/** The store's error code for a failed write of its database. */
const FAILED = "BACKEND_WRITE";

/** Whether a read met damage, at any depth. */
export function isDamage(thrown: unknown): boolean {
  for (let at = thrown; at instanceof Error; at = at.cause) {
    if (codeOf(at) === UNREADABLE || codeOf(at) === "BACKEND_DAMAGED") return true;
  }
  return false;
}

/**
 * A pair whose stored bytes have changed at rest: one bit, or so much that nothing reads it, or
 * that the engine does not find it any more.
 */
type Damage = { right: Buffer; bit: number | undefined };

/** A batch, and the engine's log that it was written to. */
type Batch = { readonly writes: BackendWrite[]; readonly log: number; durable: boolean };

/** The content of a member's backend on disk: it outlives the member. */
export class BackendImage {
  #pairs = new Map<string, Buffer>();
  /** Batches from the first one on that is not durable yet, and the log that the next goes to. */
  #batches: Batch[] = [];
  #log = 0;
  readonly #damaged = new Map<string, Damage>();
  armed: BackendFault | undefined;

  get isWhole(): boolean {
    return this.#damaged.size === 0;
  }

  /** The pairs that a power cut now would leave for certain. */
  get pairs(): ReadonlyMap<string, Buffer> {
    return this.#pairs;
  }

  /** The same as they read. Throws when some are damaged. */
  copy(): Map<string, Buffer> {
    if (!this.isWhole) throw unreadable();
    return new Map(this.#pairs);
  }

  /** Some pairs change at rest. False when there is nothing to damage. */
  damage(random: Random): boolean {
    const all = [...this.#pairs];
    if (all.length === 0) return false;
    const first = randomInteger(random, 0, all.length);
    const count = pick(random, [1, 2, 8, 64]);
    const kind = pick(random, ["bit", "bit", "block", "missing"] as const);
    for (const [name, right] of all.slice(first, first + count)) {
      const bits = 8 * (right.length + CRC_BYTES);
      const bit = kind === "bit" ? randomInteger(random, 0, bits) : undefined;
      this.#damaged.set(name, { right, bit });
      // The engine skips it silently; a reader that has read it already still has it.
      if (kind === "missing") this.#pairs.delete(name);
    }
    return true;
  }

  /** A stored pair, sealed, as the disk gives it back. */
  read(key: Buffer, value: Buffer): Buffer {
    const sealed = seal(key, value);
    const damage = this.#damaged.get(key.toString("latin1"));
    // Values written since then lie elsewhere.
    if (!damage?.right.equals(value)) return sealed;
    if (damage.bit === undefined) throw unreadable();
    const at = damage.bit >> 3;
    sealed[at] = sealed[at]! ^ (1 << (damage.bit & 7));
    return sealed;
  }

  /**
   * A batch goes to the engine's log, or to the next one, once that before the present one is in a
   * table. A sync is one of the present log alone.
   */
  written(writes: BackendWrite[], sync: boolean, changesLog: boolean): void {
    if (changesLog) {
      this.#durable((log) => log < this.#log);
      this.#log++;
    }
    this.#batches.push({ writes, log: this.#log, durable: false });
    if (sync) this.#durable((log) => log === this.#log);
  }

  #durable(has: (log: number) => boolean): void {
    for (const batch of this.#batches) batch.durable ||= has(batch.log);
    const open = this.#batches.findIndex(({ durable }) => !durable);
    this.#keep(this.#batches.splice(0, open < 0 ? this.#batches.length : open));
  }

  /** Power is lost: of each log's unsynced batches a beginning survives, whole or not at all. */
  crash(random: Random): void {
    this.armed = undefined;
    for (const log of [this.#log - 1, this.#log]) {
      const open = this.#batches.filter((batch) => batch.log === log && !batch.durable);
      const survivors = randomInteger(random, 0, open.length + 1);
      for (const batch of open.slice(0, survivors)) batch.durable = true;
    }
    this.#keep(this.#batches.filter(({ durable }) => durable));
    this.#batches = [];
  }

  #keep(batches: Batch[]): void {
    for (const { writes } of batches) {
      for (const { key, value } of writes) {
        const name = key.toString("latin1");
        this.#damaged.delete(name);
        if (value) this.#pairs.set(name, Buffer.from(value));
        else this.#pairs.delete(name);
      }
    }
  }
}

function unreadable(): Error {
  return Object.assign(new Error("Corruption: a block that cannot be read"), { code: UNREADABLE });
}

export interface BackendWorld {
  host: Host;
  power: Power;
  random: Random;
  pace: DiskPace;
  counters: Counters;
  /** The layer between the state and the stored values. */
  checksums: (raw: Backend) => Backend;
}

/** The backend of one life. */
export async function simulatedBackend(image: BackendImage, world: BackendWorld): Promise<Backend> {
  const live = memoryBackend();
  const loaded = [...image.pairs].map(([name, value]) => {
    return { key: Buffer.from(name, "latin1"), value };
  });
  await live.writeBatch(loaded, { sync: false });
  return world.checksums(rawBackend(image, live, world));
}

/** The engine below the checksums: batches take their time, and are whole or absent. */
function rawBackend(image: BackendImage, live: Backend, world: BackendWorld): Backend {
  const { host, random, pace } = world;
  const { generation } = host;
  const stored = async function* (chunks: AsyncIterable<BackendPair[]>) {
    for await (const chunk of chunks) {
      yield chunk.map(([key, value]): BackendPair => [key, image.read(key, value)]);
    }
  };
  return {
    ...live,
    getSync: (key) => {
      const value = live.getSync(key);
      return value && image.read(key, value);
    },
    scan: (range) => stored(live.scan(range)),
    snapshot: (): BackendSnapshot => {
      const frozen = live.snapshot();
      return { scan: (range) => stored(frozen.scan(range)), close: () => frozen.close() };
    },
    writeBatch: (writes, { sync }) => {
      const plain = Array.from(writes, ({ key, value }) => {
        return { key, value: value?.subarray(0, value.length - CRC_BYTES) };
      });
      return new Promise((resolve, reject) => {
        const delay_ms = pace(random, sync ? 4 : 0.5);
        const write = () => void writeOut(image, live, world, plain, sync)?.then(resolve, reject);
        host.operate(delay_ms, write, generation);
      });
    },
  };
}

/** Whether a batch only removes records, as a compaction's do; the inventory goes with each. */
const removesAlone = (writes: BackendWrite[]) =>
  writes.every(({ key, value }) => value === undefined || INVENTORY_KEY.equals(key));

/** A batch reaches the disk, or fails; undefined when power is lost first. */
function writeOut(
  image: BackendImage,
  live: Backend,
  { power, random, counters }: BackendWorld,
  writes: BackendWrite[],
  sync: boolean,
): Promise<void> | undefined {
  const moment = removesAlone(writes) ? "backend removals" : "backend sync";
  if (power.cut("before", moment)) return undefined;
  const { armed } = image;
  image.armed = undefined;
  if (armed) {
    counters.note(armed);
    const code = armed.slice(0, armed.indexOf(" "));
    return Promise.reject(Object.assign(new Error(`${code}: simulated`), { code: FAILED }));
  }
  image.written(writes, sync, random.next() < LOG_CHANGE_CHANCE);
  if (power.cut("after", moment)) return undefined;
  return live.writeBatch(writes, { sync });
}
