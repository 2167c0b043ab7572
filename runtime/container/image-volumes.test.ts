import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { mountLayers } from "./image-volumes.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "r2k-image-volumes-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a single layer that is a link is refused, as each of several", () => {
  const target = path.join(folder, "target");
  const link = path.join(folder, "layer");
  mkdirSync(target);
  symlinkSync(folder, link);
  expect(() => mountLayers([link], target)).toThrow("is no directory");
  expect(() => mountLayers([link, folder], target)).toThrow("is no directory");
});
