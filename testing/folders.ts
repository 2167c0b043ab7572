import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, onTestFinished } from "vitest";

/** Makes a temporary folder for the test that runs, also from its beforeEach; it goes with it. */
export const testFolder = (prefix: string): string => make(prefix, onTestFinished);

/** Makes a temporary folder for the tests of this file or `describe`; it goes with the last. */
export const suiteFolder = (prefix: string): string => make(prefix, afterAll);

function make(prefix: string, atEnd: (remove: () => void) => void): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
