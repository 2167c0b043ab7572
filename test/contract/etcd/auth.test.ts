import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AuthCases } from "./auth-cases.ts";
import {
  ETCD_36_PROGRAM,
  embedded,
  type Implementation,
  type Running,
  served,
  threeMembers,
  upstream36,
} from "./implementations.ts";

const cases = (name: string) => readFileSync(join(import.meta.dirname, `auth-${name}.txt`), "utf8");

function contract(implementation: Implementation, name: "cases" | "closed"): void {
  let running: Running | undefined;
  beforeAll(async () => {
    running = await implementation.start();
  });
  afterAll(() => running?.stop());

  test(`the outcomes of auth-${name}.txt`, async () => {
    expect(await new AuthCases(running!.client).play(cases(name))).toBe(cases(name));
  });
}

describe.each(["cases", "closed"] as const)("%s", (name) => {
  describe("embedded", () => contract(embedded, name));
  describe("over gRPC", () => contract(served, name));
  describe("a follower of three", () => contract(threeMembers, name));
});
// The other file has requests that 3.6.5 does not refuse.
describe.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6", () => contract(upstream36, "cases"));
