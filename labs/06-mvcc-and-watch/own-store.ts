import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { type Store, startStore } from "@raft2kube/store/main.ts";
import { judge } from "../judge.ts";

/** Longer than any watch needs, under load too. */
const SILENCE_MS_MAX = 15_000;

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

  /** Its client address: `127.0.0.1:PORT`. */
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

/**
 * Reads a watch's responses until `enough` returns true. Fails after SILENCE_MS_MAX without one.
 */
export async function follow(
  stream: AsyncIterator<WatchResponse>,
  enough: (responses: readonly WatchResponse[]) => boolean,
): Promise<WatchResponse[]> {
  const responses: WatchResponse[] = [];
  const read = async () => {
    for (let next = await stream.next(); !next.done; next = await stream.next()) {
      responses.push(next.value);
      if (enough(responses)) return true;
    }
    return false;
  };
  const silence = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => silence.resolve(false), SILENCE_MS_MAX);
  const whole = await Promise.race([read(), silence.promise]);
  clearTimeout(timer);
  if (whole) return responses;
  const last = responses.findLast(({ events }) => events.length > 0)?.events.at(-1);
  return judge(false, {
    when: "a watch is read",
    expected: "every event from its start revision on",
    happened: last
      ? `no event after revision ${last.kv?.modRevision} for ${SILENCE_MS_MAX / 1_000} s`
      : `no event in ${SILENCE_MS_MAX / 1_000} s`,
    why: "controllers act on watch events: without events the cluster makes no progress",
  });
}
