import { execFile } from "node:child_process";
import { open } from "node:fs/promises";
import { promisify } from "node:util";
import { messageOf } from "@raft2kube/std/errors.ts";
import { internal, resourceExhausted } from "../../lib/errors.ts";
import { BLOCK_BYTES, COPY_TIMEOUT_MS } from "./limits.ts";

const run = promisify(execFile);

/** Makes a file at least `size_bytes` long, in whole blocks, without using space for it; synced. */
export async function growFile(file: string, size_bytes: number): Promise<void> {
  await using handle = await open(file, "a+", 0o600);

  const size = Math.ceil(size_bytes / BLOCK_BYTES) * BLOCK_BYTES;
  if ((await handle.stat()).size < size) await handle.truncate(size);
  await handle.chmod(0o600);
  await handle.sync();
}

/**
 * Copies a file, and leaves holes where it has zeros. Throws RESOURCE_EXHAUSTED when the disk is
 * full, INTERNAL for other failures.
 */
export async function copyFileSparsely(from: string, to: string): Promise<void> {
  const how = ["--sparse=always", "--reflink=auto", "--no-preserve=mode", "-T", "--"];
  const env = { ...process.env, LC_ALL: "C" };
  try {
    const options = { timeout: COPY_TIMEOUT_MS, killSignal: "SIGKILL", env } as const;
    await run("cp", [...how, from, to], options);
  } catch (thrown) {
    const message = messageOf(thrown);
    if (/No space left on device|Disk quota exceeded/.test(message)) {
      throw resourceExhausted(message);
    }
    throw internal(`copying the content of the source failed: ${message}`);
  }
}
