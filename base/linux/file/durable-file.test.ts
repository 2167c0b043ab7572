import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { createFile, replaceFile } from "./durable-file.ts";

it("on a full disk a file stays as it was, and the error names it", async () => {
  const dir = testFolder("r2k-durable-");
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
  }
});

it("a new file replaces none, and leaves no part of what fails", async () => {
  const dir = testFolder("r2k-durable-");
  const file = join(dir, "new");
  const content = async function* (fails = false) {
    yield Buffer.from("first");
    if (fails) throw new Error("the source ended");
  };
  await expect(createFile(file, content(true))).rejects.toThrow("the source ended");
  expect(readdirSync(dir)).toEqual([]);
  await createFile(file, content());
  await expect(createFile(file, content())).rejects.toMatchObject({ code: "EEXIST" });
  expect(readdirSync(dir)).toEqual(["new"]);
  writeFileSync(join(dir, "other.partial"), "of another process");
  await expect(createFile(join(dir, "other"), content())).rejects.toThrow("EEXIST");
  expect(readFileSync(join(dir, "other.partial"), "utf8")).toBe("of another process");
});
