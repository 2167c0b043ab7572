import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { emptyIfAbove } from "./workspace.ts";

let parent: string;
beforeEach(() => {
  parent = testFolder("labs-workspace-");
});

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
