import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { CHECKPOINT_BYTES_MAX } from "../limits.ts";
import { readCheckpointFile, writeCheckpointFile } from "./checkpoint-file.ts";

test("a checkpoint that would be too large to be read does not replace one that is", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "r2k-checkpoint-"));
  try {
    const file = path.join(folder, "checkpoint");
    await writeCheckpointFile(file, ["good"]);
    await expect(writeCheckpointFile(file, "x".repeat(CHECKPOINT_BYTES_MAX))).rejects.toMatchObject(
      { code: "CheckpointTooLarge" },
    );
    expect(await readCheckpointFile(file, "")).toEqual(["good"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
