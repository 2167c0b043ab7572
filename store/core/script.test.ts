import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { playGoldenFile } from "../../testing/golden-file.ts";
import { ScriptRunner } from "../../testing/raft/script.ts";

/** Golden scripts of a cluster of cores (testing/golden-file.ts says how to record them again). */
const FOLDER = join(import.meta.dirname, "testdata");

const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));

test.each(scripts)("%s", (name) => {
  const runner = new ScriptRunner();
  playGoldenFile(join(FOLDER, name), (line) => runner.run(line).join("\n"));
});
