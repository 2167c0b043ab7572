import { execFileSync } from "node:child_process";
import path from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { CHECKPOINT_BYTES_MAX } from "../limits.ts";
import { readCheckpointFile, writeCheckpointFile } from "./checkpoint-file.ts";

test("a checkpoint that would be too large to be read does not replace one that is", async () => {
  const folder = testFolder("r2k-checkpoint-");
  const file = path.join(folder, "checkpoint");
  await writeCheckpointFile(file, ["good"]);
  await expect(writeCheckpointFile(file, "x".repeat(CHECKPOINT_BYTES_MAX))).rejects.toMatchObject({
    code: "CheckpointTooLarge",
  });
  expect(await readCheckpointFile(file, "")).toEqual(["good"]);
});

test("a fifo in place of a checkpoint is damage, and not waited for; a failed call is none", async () => {
  const folder = testFolder("r2k-checkpoint-");
  const file = path.join(folder, "checkpoint");
  const long = readCheckpointFile(path.join(folder, "n".repeat(300)), "remove it");
  await expect(long).rejects.toMatchObject({ code: "ENAMETOOLONG" });
  execFileSync("mkfifo", [file]);
  const damage = { code: "CheckpointDamaged", remedy: "remove it" };
  await expect(readCheckpointFile(file, "remove it")).rejects.toMatchObject(damage);
});
