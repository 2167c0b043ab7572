import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeEditorConfig } from "./editor.ts";
import { readLabs } from "./manifest.ts";
import { ownTree } from "./own-tree.ts";
import { ROOT_DIR } from "./paths.ts";
import { cacheFolder, writeSkeletons } from "./workspace.ts";

// Takes turns, what readers use: see ../replay/page.test.ts.

const run = promisify(execFile);
const before = process.env["R2K_LABS"];
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(cacheFolder(), "labs-editor-"));
  process.env["R2K_LABS"] = folder;
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  if (before === undefined) delete process.env["R2K_LABS"];
  else process.env["R2K_LABS"] = before;
});

/** The compiler's complaints about the reader's folder, as an editor would show them. */
async function complaints(): Promise<string> {
  const tsc = [join(ROOT_DIR, "node_modules/.bin/tsc"), "--noEmit", "--project", folder];
  const ended = run(process.execPath, tsc).catch((failure: unknown) => failure);
  return ((await ended) as { stdout: string }).stdout;
}

it("an editor finds the product's files from the reader's, in one lab and in all", async () => {
  const labs = readLabs().filter(({ files }) => files.length > 0);
  for (const lab of labs) writeSkeletons(lab, ownTree(lab.number));
  writeEditorConfig();
  expect(await complaints()).toBe("");
  for (const { number } of labs.slice(1)) rmSync(ownTree(number), { recursive: true });
  writeEditorConfig();
  expect(await complaints()).toBe("");
});
