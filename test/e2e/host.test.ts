import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTurn } from "../../testing/drawn.ts";
import { waitFor } from "../../testing/wait.ts";
import { differences, type HostSnapshot } from "./host-snapshot.ts";
import { OwnHost } from "./own-host.ts";

const NAME = "clean";
const TIMEOUT_MS = 300_000;

/** Steps of a start after which it is interrupted, as their titles are printed. */
const STEPS = [
  "certificates and plugins",
  "network namespace of the node",
  "control plane",
  "node",
  "nodes joined: node-2",
];
const STEPS_DRAWN = 1;

let host: OwnHost;
let before: HostSnapshot;

beforeAll(async () => {
  host = await OwnHost.create();
  before = await host.snapshot(NAME);
});

afterAll(async () => {
  await host.r2k(["down", "--purge", "--name", NAME]);
  await host.close();
});

/** Lists one of the host's folders; the last cluster removes the folder. */
function entries(folder: string): string[] {
  const path = join(host.dir, folder);
  return existsSync(path) ? readdirSync(path) : [];
}

const start = (env: Record<string, string> = {}, flags: readonly string[] = []) =>
  host.r2k(["start", "--name", NAME, "-o", "json", ...flags], { env });

describe("the host is as it was", () => {
  for (const step of inTurn("interrupted starts", STEPS, STEPS_DRAWN)) {
    it(`after Ctrl-C at "${step}"`, async () => {
      const flags = step.startsWith("nodes") ? ["--nodes", "2"] : [];
      const interrupted = await start({ R2K_INTERRUPT_AFTER: step }, flags);
      expect(interrupted.code, interrupted.stderr).toBe(130);
      expect(interrupted.stderr).toMatch(/interrupted/);
      expect(differences(before, await host.snapshot(NAME))).toEqual([]);
      for (const folder of ["data", "run"]) expect(entries(folder), folder).toEqual([]);
    });
  }

  it("after down during a start, which it interrupts", async () => {
    const [program, ...words] = host.program;
    const starting = host.start(program, [...words, "start", "--name", NAME]);
    const ended = once(starting, "exit");
    let said = "";
    starting.stderr!.on("data", (text) => (said += String(text)));
    const patience = { clock: machineClock(), timeout_ms: TIMEOUT_MS };
    await waitFor("the control plane", () => said.includes("✓ control plane"), patience);
    const down = await host.r2k(["down", "--purge", "--name", NAME]);
    expect(down.code, down.stderr).toBe(0);
    expect(await ended, said).toEqual([130, null]);
    expect(differences(before, await host.snapshot(NAME))).toEqual([]);
    expect(entries("data")).toEqual([]);
  });
});
