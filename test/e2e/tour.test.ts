import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compared, squeezed, walksOf } from "../../labs/walk.ts";
import { TestCluster } from "./cluster.ts";

const ROOT = join(import.meta.dirname, "../..");
const README = join(ROOT, "labs/00-tour/README.md");
const START_TIMEOUT_MS = 180_000;
const COMMAND_TIMEOUT_MS = 60_000;

const walks = walksOf(readFileSync(README, "utf8"));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start("tour");
  // The tour's reader comes when all is there.
  await cluster.ask("rollout", "status", "deployment/web", "--timeout=60s");
}, START_TIMEOUT_MS);

afterAll(() => cluster?.close(), START_TIMEOUT_MS);

it("the README has commands to try", () => {
  expect(walks.length).toBeGreaterThan(10);
});

describe("the tour", { timeout: COMMAND_TIMEOUT_MS }, () => {
  it.each(walks)("$command", async ({ command, expected }) => {
    // As root nothing is asked for; sudo would drop the variables that move the cluster's folders.
    const script = `cd "$R2K_ROOT" && ${command.replaceAll("sudo ", "")}`;
    const path = `${ROOT}:${process.env["PATH"] ?? ""}`;
    const env = { ...cluster.env, PATH: path, R2K_ROOT: ROOT };
    const { stdout, stderr } = await cluster.host.run("sh", ["-c", script], { env });
    const printed = stdout.trim() === "" ? stderr : stdout;
    expect(compared(printed, expected)).toEqual(expected.map(squeezed));
  });
});
