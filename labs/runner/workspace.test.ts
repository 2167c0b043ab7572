import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { emptyIfAbove } from "./workspace.ts";

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "labs-workspace-"));
});
afterEach(() => rmSync(parent, { recursive: true }));

it("a folder of compiled modules is removed once it has more files than its bound", () => {
  const folder = join(parent, "compiled");
  emptyIfAbove(folder, 3);
  mkdirSync(join(folder, "version"), { recursive: true });
  for (const name of ["a", "b"]) writeFileSync(join(folder, "version", name), "");
  emptyIfAbove(folder, 3);
  expect(readdirSync(join(folder, "version"))).toEqual(["a", "b"]);
  writeFileSync(join(folder, "version", "c"), "");
  emptyIfAbove(folder, 3);
  expect(existsSync(folder)).toBe(false);
  expect(readdirSync(parent)).toEqual([]);
});
