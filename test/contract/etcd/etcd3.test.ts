import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe } from "vitest";
import { etcd3Rules } from "./etcd3-rules.ts";
import {
  ETCD_36_PROGRAM,
  ETCD_PROGRAM,
  type Implementation,
  type Running,
  served,
  threeMembers,
  upstream,
  upstream36,
} from "./implementations.ts";

// Takes turns, clients of etcd: see etcdctl.test.ts.

function contract(implementation: Implementation): void {
  let running: Running;
  beforeAll(async () => {
    running = await implementation.start();
  });
  afterAll(() => running.stop());
  etcd3Rules(() => running);
}

describe("the npm client etcd3 on ours", () => contract(served));
describe("the npm client etcd3 on three of ours", () => contract(threeMembers));
describe.runIf(existsSync(ETCD_PROGRAM))("the npm client etcd3 on etcd 3.4", () =>
  contract(upstream),
);
describe.runIf(existsSync(ETCD_36_PROGRAM))("the npm client etcd3 on etcd 3.6", () =>
  contract(upstream36),
);
