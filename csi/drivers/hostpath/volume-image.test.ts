import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { CAPACITY_BYTES_MAX, PROGRAM_TIMEOUT_MS } from "./limits.ts";
import { imagesMissing, repairFailure, repairTimeout_ms } from "./volume-image.ts";

const run = promisify(execFile);

describe("the check of an image", () => {
  it("may take longer for a larger one", () => {
    expect(repairTimeout_ms(1)).toBeGreaterThanOrEqual(PROGRAM_TIMEOUT_MS);
    expect(repairTimeout_ms(CAPACITY_BYTES_MAX)).toBeGreaterThan(10 * repairTimeout_ms(1));
  });

  it("that was ended calls nothing damaged", async () => {
    const failureOf = async (script: string, timeout: number) => {
      const failed = run("sh", ["-c", script], { timeout, killSignal: "SIGKILL" });
      return repairFailure("/i", await failed.catch((thrown: unknown) => thrown));
    };
    expect(await failureOf("exec sleep 60", 1)).toContain("by its time limit");
    expect(await failureOf("kill -9 $$", 0)).toBe("the check of /i was ended by SIGKILL");
    expect(await failureOf("exit 4", 0)).toContain("/i is damaged");
  });
});

describe("the probe for images", () => {
  let directory: string;
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(directory, { recursive: true });
  });

  it("is no other's that probes the same directory", async () => {
    directory = await mkdtemp(path.join(os.tmpdir(), "r2k-probe-"));
    vi.stubEnv("PATH", directory);
    const found = await Promise.all([imagesMissing(directory), imagesMissing(directory)]);
    expect(found).toEqual(Array(2).fill("spawn mkfs.ext4 ENOENT"));
    expect(await readdir(directory)).toEqual([]);
  });
});
