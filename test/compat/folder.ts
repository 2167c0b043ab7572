import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Calls `use` with an empty folder, which is removed when that settles. */
export async function withFolder<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "r2k-compat-"));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true });
  }
}
