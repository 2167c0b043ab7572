import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { STORE_GROWTH_BYTES_MAX, STORE_GROWTH_BYTES_MIN, STORE_LOOK_MS } from "../limits.ts";
import { Compactor } from "./compactor.ts";
import { WriteBudget } from "./write-budget.ts";

test("a store that grows fast is compacted before its time, each time to the last", async () => {
  const clock = new ManualClock();
  let [dbSize, dbSizeQuota, revision] = [0, 0, 0];
  const compacted: number[] = [];
  const etcd = {
    status: async () => ({ dbSize, dbSizeInUse: dbSize, dbSizeQuota, storageVersion: "3.6.0" }),
    txn: async () => ({ succeeded: true, header: { revision }, responses: [] }),
    compact: async (request: { revision: number }) => void compacted.push(request.revision),
  } as unknown as EtcdClient;
  const compactor = new Compactor(
    etcd,
    clock,
    new WriteBudget(() => new Map(), clock),
    () => undefined,
  );
  const look = async (size: number, at: number) => {
    [dbSize, revision] = [size, at];
    clock.advance(STORE_LOOK_MS);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  await look(10, 1);
  await look(STORE_GROWTH_BYTES_MAX, 2);
  expect(compacted).toEqual([]);
  await look(10 + STORE_GROWTH_BYTES_MAX, 3);
  await look(10 + 2 * STORE_GROWTH_BYTES_MAX, 4);
  await look(10 + 3 * STORE_GROWTH_BYTES_MAX, 5);
  expect(compacted).toEqual([3, 4]);
  // With little room left it does not wait until that is used up.
  dbSizeQuota = dbSize + 4 * STORE_GROWTH_BYTES_MIN;
  await look(dbSize + STORE_GROWTH_BYTES_MIN, 6);
  expect(compacted).toEqual([3, 4, 5]);
  await compactor.close();
});
