// The store whose turns are measured.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startStore } from "@raft2kube/store/main.ts";
import { measured } from "./measured.ts";

export interface StoreWhere {
  /** `host:port`. */
  readonly address: string;
}

const dataDir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
const listenClient = { host: "127.0.0.1", port: 0 };
const store = await startStore({ dataDir, listenClient, quotaBackendBytes: -1 });
measured({ address: store.address! } satisfies StoreWhere, async () => {
  await store.close();
  rmSync(dataDir, { recursive: true });
});
