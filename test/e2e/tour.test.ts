import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { walksOf } from "../../labs/walk.ts";
import { TestCluster } from "./cluster.ts";
import { WalkShell } from "./walk-shell.ts";

const README = join(import.meta.dirname, "../../labs/00-tour/README.md");
const START_TIMEOUT_MS = 180_000;
const COMMAND_TIMEOUT_MS = 120_000;

const walks = walksOf(readFileSync(README, "utf8"));
let cluster: TestCluster;
let shell: WalkShell;

beforeAll(async () => {
  cluster = await TestCluster.start("tour");
  shell = new WalkShell(cluster);
  // The tour's reader comes when all is there.
  await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
  await cluster.ask("rollout", "status", "deployment/data", "--timeout=60s");
}, START_TIMEOUT_MS);

afterAll(() => cluster?.close(), START_TIMEOUT_MS);

it("the README has commands to try", () => {
  expect(walks.length).toBeGreaterThan(10);
});

describe("the tour", { timeout: COMMAND_TIMEOUT_MS }, () => {
  it.each(walks)("$command", (walk) => shell.follow(walk));
});
