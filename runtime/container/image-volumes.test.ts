import { mkdirSync, symlinkSync } from "node:fs";
import path from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { mountLayers } from "./image-volumes.ts";

let folder: string;
beforeEach(() => {
  folder = testFolder("r2k-image-volumes-");
});

test("a single layer that is a link is refused, as each of several", () => {
  const target = path.join(folder, "target");
  const link = path.join(folder, "layer");
  mkdirSync(target);
  symlinkSync(folder, link);
  expect(() => mountLayers([link], target)).toThrow("is no directory");
  expect(() => mountLayers([link, folder], target)).toThrow("is no directory");
});
