import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Store, startStore as startMember } from "./main.ts";
import type { StoreOptions } from "./options.ts";

// The exports of the npm package `raft2kube/store`.

export { type Imported, type ImportOptions, importSnapshot } from "./import.ts";
export type { StoreOptions } from "./options.ts";

/** A store in this process, which other programs can reach as well. */
export interface EmbeddedStore extends Store {
  /** The endpoint for etcd's clients: `http://127.0.0.1:PORT`, or `unix:///path`. */
  endpoint: string;
}

/**
 * Starts a store of one member in this process, served on a free port of the loopback. Without
 * `dataDir` its data lives in a directory of its own that `close` removes: what a test wants.
 * Messages go to standard error; `R2K_LOG=warn` or `silent` in the environment says which.
 */
export async function startStore(options: Partial<StoreOptions> = {}): Promise<EmbeddedStore> {
  const temporary = options.dataDir === undefined;
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), "r2k-store-")));
  const remove = () => (temporary ? rm(dataDir, { recursive: true, force: true }) : undefined);
  const listenClient = options.listenClient ?? { host: "127.0.0.1", port: 0 };
  try {
    const store = await startMember({ ...options, dataDir, listenClient });
    return {
      ...store,
      endpoint: store.endpoints[0] ?? "",
      async close() {
        await store.close();
        await remove();
      },
    };
  } catch (thrown) {
    await remove();
    throw thrown;
  }
}
