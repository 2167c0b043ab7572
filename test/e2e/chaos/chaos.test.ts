import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { inTurn } from "../../../testing/drawn.ts";
import { testFolder } from "../../../testing/folders.ts";
import { previousRelease } from "./releases.ts";

// Takes turns, faults: each file has programs die under load. Three play a small part of what a
// command plays for hours: here `npm run chaos`, in storage-faults.test.ts `npm run
// storage-faults`, in kills.test.ts kills of a container's verbs. In restart.test.ts a cluster's
// two processes are killed, in part-restarts.test.ts a process for each part.

/** A round or two on a quiet machine: it ends with the round that it is in. */
const MINUTES = "0.5";
const TIMEOUT_MS = 1_200_000;

let folder: string;
beforeEach(() => {
  folder = testFolder("r2k-chaos-test-");
});

type Result = { seed: string; broken?: string; counts: Record<string, number> };

/** Runs the program to its end, which must be a good one; returns its totals. */
async function run(...args: string[]): Promise<Result["counts"]> {
  const result = join(folder, "result.json");
  const program = [join(import.meta.dirname, "main.ts"), ...args, "--result", result];
  const chaos = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [chaos.stdout, chaos.stderr]) {
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  }
  const [code] = (await once(chaos, "exit")) as [number | null];
  // A reporter may show the first line alone: it says which property did not hold.
  const last = output.trimEnd().split("\n").at(-1);
  if (!existsSync(result)) expect.fail(`the program ended with ${code}: ${last}\n${output}`);
  const { seed, broken, counts } = JSON.parse(readFileSync(result, "utf8")) as Result;
  const inOneLine = broken?.replaceAll("\n", " ");
  if (inOneLine !== undefined) expect.fail(`${inOneLine} (seed ${seed})\n${output}`);
  expect(code, output).toBe(0);
  for (const name of ["requests answered", "revisions replayed", "watch events checked"]) {
    expect(counts[name], name).toBeGreaterThan(0);
  }
  return counts;
}

const underChaos = () =>
  test(
    "S1 to S10: three processes under chaos lose nothing and answer as one",
    async () => {
      const counts = await run("--minutes", MINUTES);
      const faults = Object.keys(counts).filter((name) => name.startsWith("fault: "));
      expect(faults.length).toBeGreaterThan(2);
    },
    TIMEOUT_MS,
  );

const previous = previousRelease();

const upgraded = () =>
  describe.runIf(previous)("a rolling upgrade from an earlier release", () => {
    test(
      "S1 to S7: members of both serve together, and nothing is lost on the way, there and back",
      async () => {
        const counts = await run("--upgrade-from", previous!);
        expect(counts["member upgraded"]).toBe(4);
        expect(counts["member downgraded"]).toBe(1);
        expect(counts["member replaced among members of another release"]).toBe(2);
        expect(counts["newer data refused by the earlier release"]).toBe(1);
      },
      TIMEOUT_MS,
    );
  });

const isHere = (judge: () => void) => judge === underChaos || previous !== undefined;
for (const judge of inTurn("stores", [underChaos, upgraded], 1, isHere)) judge();
