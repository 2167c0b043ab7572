import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { AlarmType, Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { type Check, type Finding, failed, ok, warning } from "../preflight/check.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { storeDir, storeEndpoints } from "../spec/store.ts";

const SYNCS = 20;
const SYNC_BYTES = 4_096;
/** etcd's documentation wants the 99th percentile below 10 ms. */
const SYNC_SLOW_MS = 10;
const ANSWER_TIMEOUT_MS = 3_000;

/** Checks of the store: its alarms, and how fast its disk is. None for an etcd of its own. */
export function storeChecks(config: ClusterConfig): Check[] {
  if (config.etcdServers !== undefined) return [];
  return [
    { name: "the store's alarms", ask: () => alarms(config) },
    { name: "the store's disk", ask: () => syncLatency(storeDir(config)) },
  ];
}

async function alarms(config: ClusterConfig): Promise<Finding> {
  const [endpoint = ""] = storeEndpoints(config);
  using channel = connectGrpc(endpoint);
  const maintenance = client(channel, Maintenance);
  const options = { timeout_ms: ANSWER_TIMEOUT_MS };
  const raised = (await maintenance.alarm({}, options)).alarms;
  const { dbSize, dbSizeInUse } = await maintenance.status({}, options);
  const size = `${mib(dbSize)} MiB, ${mib(dbSizeInUse)} of them in use`;
  if (raised.length === 0) return ok(`none; ${size}`);
  if (raised.some(({ alarm }) => alarm === AlarmType.NOSPACE)) {
    const remedy = `etcdctl --endpoints ${endpoint} compact, defrag, alarm disarm`;
    return failed(`NOSPACE: writes are refused; ${size}`, `delete objects, then ${remedy}`);
  }
  const what = `CORRUPT: a member's data differs; ${size}`;
  return failed(what, "restore from a backup: docs/OPERATIONS.md");
}

const mib = (bytes: number | bigint) => Math.ceil(Number(bytes) / 1024 / 1024);

/** The slowest of some writes that reach the disk, as each write of the API waits for one. */
async function syncLatency(dir: string): Promise<Finding> {
  const path = join(dir, ".doctor");
  await using file = await open(path, "w", 0o600);
  // Without a name it goes with the process.
  await rm(path);
  const clock = systemClock();
  let slowest_ms = 0;
  for (let i = 0; i < SYNCS; i++) {
    const start_ms = clock.monotonic();
    await file.write(Buffer.alloc(SYNC_BYTES, 1), 0, SYNC_BYTES, 0);
    await file.datasync();
    slowest_ms = Math.max(slowest_ms, clock.monotonic() - start_ms);
  }
  const detail = `the slowest of ${SYNCS} synced writes took ${slowest_ms.toFixed(1)} ms`;
  if (slowest_ms <= SYNC_SLOW_MS) return ok(detail);
  return warning(detail, "end what writes much to this disk, or move the data: R2K_DATA=/faster");
}
