import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { walksOf } from "../../labs/walk.ts";
import { TestCluster } from "./cluster.ts";
import { WalkShell } from "./walk-shell.ts";

const PAGES_DIR = join(import.meta.dirname, "../../docs/walks");
/** Pages that take the whole cluster for themselves; the others wait more than they compute. */
const ALONE = /^05-/;

/** Two minutes of a whole run that has 25: run when asked for. */
const ASKED = process.env["R2K_WALKS"] !== undefined;

let cluster: TestCluster;

beforeAll(async () => {
  if (ASKED) cluster = await TestCluster.start("walks");
});

afterAll(() => cluster?.close());

async function follow(page: string): Promise<void> {
  const shell = new WalkShell(cluster);
  for (const walk of walksOf(readFileSync(join(PAGES_DIR, page), "utf8"))) await shell.follow(walk);
}

const TITLE = "what a page's commands print is what stands there";
describe.runIf(ASKED)(TITLE, () => {
  const pages = globSync("[0-9]*.md", { cwd: PAGES_DIR }).sort();
  for (const page of pages.filter((name) => !ALONE.test(name))) {
    it.concurrent(page, () => follow(page));
  }
  for (const page of pages.filter((name) => ALONE.test(name))) it(page, () => follow(page));
});
