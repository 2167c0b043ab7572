import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { bundle, ROOT } from "../../scripts/build/bundle.ts";
import { suiteFolder } from "../../testing/folders.ts";
import { BUNDLES, PLACE, productFiles } from "./program-image.ts";

const folder = suiteFolder("r2k-program-image-");

test("an image has the packages that its program loads late", async () => {
  await bundle({ outDir: relative(ROOT, folder), entries: { log: "base/observe/log" } });
  const files = productFiles(relative(join(ROOT, BUNDLES), join(folder, "log.js")));
  expect([...files.keys()]).toContain(`${PLACE}/node_modules/pino/pino.js`);
});
