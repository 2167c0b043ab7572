import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";

const R2K = join(import.meta.dirname, "../../../cli/main.ts");
/**
 * Largest file in blocks of 512 bytes: less than a segment of the log, which is filled when it is
 * made.
 */
const FILE_BLOCKS_MAX = 1_000;

test("S10: a first start that cannot write its log ends with the reason", () => {
  const dataDir = testFolder("r2k-first-");
  // With the signal ignored, a write past the limit fails with EFBIG, as one on a full disk does.
  const script = `trap '' XFSZ; ulimit -f ${FILE_BLOCKS_MAX}; exec "$0" "$@"`;
  const listen = ["--listen-client-urls", "http://127.0.0.1:0"];
  const store = [R2K, "store", "--data-dir", dataDir, ...listen];
  const args = ["-c", script, process.execPath, ...store];
  const { status, stderr } = spawnSync("sh", args, { encoding: "utf8", timeout: 60_000 });
  expect(status).toBe(1);
  expect(stderr).toMatch(/0000000000000001\.wal: EFBIG/);
  expect(stderr).toContain("free or replace the disk");
});
