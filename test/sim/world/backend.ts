import type { Backend, BackendWrite } from "@raft2kube/store/backend/backend.ts";
import { memoryBackend } from "@raft2kube/store/backend/memory.ts";
import { type Random, randomInteger } from "@raft2kube/std/random.ts";
import type { Host } from "./host.ts";

/** What a member's backend has on disk: it outlives the member. */
export class BackendImage {
  #pairs = new Map<string, Buffer>();
  /** Batches written since the last synced one, and those under way. */
  #unsynced: BackendWrite[][] = [];

  /** The pairs that a power cut now would leave for certain. */
  copy(): Map<string, Buffer> {
    return new Map(this.#pairs);
  }

  replace(pairs: Map<string, Buffer>): void {
    this.#pairs = new Map(pairs);
    this.#unsynced = [];
  }

  written(batch: BackendWrite[], sync: boolean): void {
    this.#unsynced.push(batch);
    if (sync) this.#keep(this.#unsynced.length);
  }

  /** Power is lost: of the unsynced batches a beginning survives, each whole or not at all. */
  crash(random: Random): void {
    this.#keep(randomInteger(random, 0, this.#unsynced.length + 1));
    this.#unsynced = [];
  }

  #keep(batches: number): void {
    for (const batch of this.#unsynced.splice(0, batches)) {
      for (const { key, value } of batch) {
        const name = key.toString("latin1");
        if (value) this.#pairs.set(name, Buffer.from(value));
        else this.#pairs.delete(name);
      }
    }
  }
}

/** The backend of one life: batches take their time, and are whole or absent after a crash. */
export async function simulatedBackend(
  image: BackendImage,
  host: Host,
  random: Random,
): Promise<Backend> {
  const live = memoryBackend();
  const pairs = [...image.copy()];
  const loaded = pairs.map(([name, value]) => ({ key: Buffer.from(name, "latin1"), value }));
  await live.writeBatch(loaded, { sync: false });
  return {
    ...live,
    writeBatch: (writes, { sync }) =>
      new Promise((resolve, reject) => {
        host.after(random.next() * (sync ? 8 : 1), () => {
          image.written(writes, sync);
          live.writeBatch(writes, { sync }).then(resolve, reject);
        });
      }),
  };
}
