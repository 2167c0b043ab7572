import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type Store, startStore } from "@raft2kube/store/main.ts";
import { judge } from "../judge.ts";
import { QUIET_S, untilQuiet } from "../quiet.ts";

/** A store with the reader's parts and its own data directory; it can be restarted. */
export class OwnStore {
  readonly #dataDir = mkdtempSync(join(tmpdir(), "r2k-lab-"));
  #store: Store | undefined;
  readonly #broken = Promise.withResolvers<never>();

  static async start(): Promise<OwnStore> {
    const own = new OwnStore();
    // `or` reports it; without a waiting `or` the check has failed already.
    own.#broken.promise.catch(() => undefined);
    await own.#open();
    return own;
  }

  async #open(): Promise<void> {
    this.#store = await startStore({
      dataDir: this.#dataDir,
      listenClient: { host: "127.0.0.1", port: 0 },
      onFatal: (reason) => this.#broken.reject(reason),
    });
  }

  get client(): EtcdClient {
    return this.#store!.client;
  }

  /** The store's client address: `127.0.0.1:PORT`. */
  get address(): string {
    return this.#store!.address!;
  }

  async restart(): Promise<void> {
    await this.#store!.close();
    await this.#open();
  }

  /** Waits for work; rejects if the store fails meanwhile. */
  or<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#broken.promise]);
  }

  async close(): Promise<void> {
    await this.#store?.close();
    rmSync(this.#dataDir, { recursive: true });
  }
}

/** Runs a check on a store of its own. */
export async function withStore(body: (store: OwnStore) => Promise<void>): Promise<void> {
  const store = await OwnStore.start();
  try {
    await store.or(body(store));
  } finally {
    await store.close();
  }
}

/** The responses that are awaited of a watch: `every event up to revision 61`. */
export interface Awaited {
  readonly named: string;
  readonly enough: (responses: readonly WatchResponse[]) => boolean;
}

/** Reads a watch's responses until there are enough. Fails when no more come. */
export async function follow(
  stream: AsyncIterator<WatchResponse>,
  { named, enough }: Awaited,
): Promise<WatchResponse[]> {
  const responses: WatchResponse[] = [];
  let [whole, over] = [false, false];
  const read = async () => {
    for (let next = await stream.next(); !next.done && !over; next = await stream.next()) {
      responses.push(next.value);
      if ((whole = enough(responses))) return;
    }
    over = true;
  };
  const reading = read();
  await Promise.race([
    reading,
    untilQuiet(
      () => whole || over,
      () => responses.length,
    ),
  ]);
  if (whole) return responses;
  const ended = over ? "the stream has ended" : `no response for ${QUIET_S} s`;
  over = true;
  const last = responses.findLast(({ events }) => events.length > 0)?.events.at(-1);
  return judge(false, {
    when: "a watch is read",
    expected: named,
    happened: last ? `after the event of revision ${last.kv?.modRevision}: ${ended}` : ended,
    why: "controllers act on watch events: without events the cluster makes no progress",
  });
}
