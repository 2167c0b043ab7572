import type { RequestUser } from "@raft2kube/api/kind.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import { expect, test } from "vitest";
import type { RequestContext } from "../request/context.ts";
import { WriteBudget } from "../storage/write-budget.ts";
import { type Exchange, storeReads, storeWrites } from "./filters.ts";

const REFUSED = { http: 429, code: "TooManyRequests" };

test("what lists read from the store is bounded for each user, until they are answered", async () => {
  const reads = new Shares({ all: 100, each: 30, reserved: 20 });
  const filter = storeReads(reads);
  const contextOf = (name: string) => ({ user: { name, groups: [] } as RequestUser });
  const hold = (context: object, bytes: number) => (context as RequestContext).holdRead!(bytes);
  const run = (context: object, next: () => Promise<void>) => filter({ context } as Exchange, next);
  const [large, second, other] = ["a", "a", "b"].map(contextOf) as [object, object, object];
  await run(large, async () => {
    // Alone, a list may be larger than its user's share.
    for (let page = 0; page < 4; page++) hold(large, 10);
    const refused = run(second, async () => void hold(second, 10));
    await expect(refused).rejects.toMatchObject(REFUSED);
    await run(other, async () => void hold(other, 10));
  });
  expect(reads.taken).toBe(0);
  await run(second, async () => {
    hold(second, 10);
    expect(reads.taken).toBe(10);
  });
  await run(second, async () => {
    const sent = (second as RequestContext).holdRead!(10);
    hold(second, 5);
    expect(reads.taken).toBe(15);
    sent(); // the beginning of a watch, which goes on
    sent();
    expect(reads.taken).toBe(0);
    hold(second, 5);
    expect(reads.taken).toBe(5);
  });
  const failed = run(second, async () => {
    hold(second, 10);
    throw new RangeError("the store");
  });
  await expect(failed).rejects.toThrow("the store");
  expect(reads.taken).toBe(0);
});

test("a full store takes from controllers no new objects for users' namespaces, but their changes", async () => {
  const writes = new WriteBudget(() => new Map(), new ManualClock());
  const [size, dbSizeQuota] = [1e9, 1e9];
  writes.looked({ dbSize: size, dbSizeInUse: size, dbSizeQuota, storageVersion: "3.6.0" });
  const filter = storeWrites(writes);
  const count = async (name: string, namespace: string, before: number, ...groups: string[]) => {
    const context = { user: { name, groups }, info: { namespace } } as unknown as RequestContext;
    await filter({ context } as Exchange, async () => context.countWrite!(100, before));
  };
  const [replicaSets, manager] = [
    "system:serviceaccount:kube-system:rs",
    "system:kube-controller-manager",
  ];
  const accounts = "system:serviceaccounts:kube-system";
  await expect(count(replicaSets, "team", 0, accounts)).rejects.toMatchObject(REFUSED);
  await expect(count(manager, "team", 0)).rejects.toMatchObject(REFUSED);
  await count(replicaSets, "team", 90, accounts);
  await count(replicaSets, "kube-system", 0, accounts);
  await count(replicaSets, "", 0, accounts);
  await count("admin", "team", 0, "system:masters");

  // Beyond the nodes' reserve they renew their Leases.
  const almost = size * 0.95;
  writes.looked({ dbSize: almost, dbSizeInUse: almost, dbSizeQuota, storageVersion: "3.6.0" });
  await expect(count("system:node:n1", "team", 90, "system:nodes")).rejects.toMatchObject(REFUSED);
  await count("system:node:n1", "kube-node-lease", 90, "system:nodes");
});
