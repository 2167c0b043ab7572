import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

/** A round or two on a quiet machine: it ends with the round that it is in. */
const MINUTES = "0.5";
const TIMEOUT_MS = 1_200_000;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "r2k-chaos-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Result {
  seed: string;
  broken?: string;
  counts: Record<string, number>;
}

test(
  "S1 to S10: three processes under chaos lose nothing and answer as one",
  async () => {
    const result = join(folder, "result.json");
    const program = join(import.meta.dirname, "main.ts");
    const args = [program, "--minutes", MINUTES, "--result", result];
    const chaos = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [chaos.stdout, chaos.stderr]) {
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    }
    const [code] = (await once(chaos, "exit")) as [number | null];
    expect(code, output).toBe(0);
    const { seed, broken, counts } = JSON.parse(readFileSync(result, "utf8")) as Result;
    expect(broken, `npm run chaos -- --seed ${seed}`).toBeUndefined();
    const faults = Object.keys(counts).filter((name) => name.startsWith("fault: "));
    expect(faults.length).toBeGreaterThan(2);
    for (const name of ["requests answered", "revisions replayed", "watch events checked"]) {
      expect(counts[name], name).toBeGreaterThan(0);
    }
  },
  TIMEOUT_MS,
);
