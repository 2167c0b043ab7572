import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { replaceFile } from "./durable-file.ts";

it("on a full disk a file stays as it was, and the error names it", async () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-durable-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", dir]);
  try {
    const file = join(dir, "state.json");
    await replaceFile(file, "first");
    await expect(replaceFile(file, Buffer.alloc(128 * 1024))).rejects.toMatchObject({
      code: "ENOSPC",
      message: `${file} cannot be written: no space is left on its disk`,
    });
    expect(readdirSync(dir)).toEqual(["state.json"]);
    expect(readFileSync(file, "utf8")).toBe("first");
  } finally {
    execFileSync("umount", [dir]);
    rmSync(dir, { recursive: true });
  }
});
