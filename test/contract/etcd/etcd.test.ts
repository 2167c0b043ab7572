import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inTurn } from "../../../testing/drawn.ts";
import { compactRules } from "./compact-rules.ts";
import {
  ETCD_36_PROGRAM,
  ETCD_PROGRAM,
  embedded,
  type Implementation,
  type Running,
  served,
  threeMembers,
  upstream,
  upstream36,
} from "./implementations.ts";
import { leaseRules } from "./lease-rules.ts";
import { rangeRules } from "./range-rules.ts";
import { txnRules } from "./txn-rules.ts";
import { watchRules } from "./watch-rules.ts";
import { writeRules } from "./write-rules.ts";

function contract(implementation: Implementation): void {
  let running: Running | undefined;
  const now = () => {
    if (!running) throw new Error("the implementation has not started");
    return running;
  };
  beforeAll(async () => {
    running = await implementation.start();
  });
  afterAll(() => running?.stop());

  describe("range", () => rangeRules(now, implementation));
  describe("put and delete", () => writeRules(now));
  describe("txn", () => txnRules(now, implementation));
  describe("compact", () => compactRules(now));
  describe("watch", () => watchRules(now, implementation));
  describe("lease", () => leaseRules(now));
  test("status", async () => {
    const status = await now().client.status();
    expect(status.version).toMatch(/^3\.[0-9]+\.[0-9]+$/);
    expect(status.leader).not.toBe(0n);
    expect(status.raftAppliedIndex).toBe(status.raftIndex);
    expect(status.dbSize).toBeGreaterThan(0);
  });
}

describe("embedded", () => contract(embedded));
const REACHED = [
  ["over gRPC", served],
  ["a follower of three", threeMembers],
] as const;
for (const [way, ours] of inTurn("ours", REACHED, 1)) describe(way, () => contract(ours));
/** Peers take turns: a run's seed chooses the one that the rules are compared with. */
const PEERS = [
  ["etcd", ETCD_PROGRAM, upstream],
  ["etcd 3.6", ETCD_36_PROGRAM, upstream36],
] as const;
const isHere = ([, program]: (typeof PEERS)[number]) => existsSync(program);
for (const [name, program, peer] of inTurn("etcd", PEERS, 1, isHere)) {
  describe.runIf(existsSync(program))(name, () => contract(peer));
}
