import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ScriptRunner } from "../../testing/raft/script.ts";

/**
 * Golden scripts: `R2K_REWRITE=1 npx vitest run store/core/script.test.ts` writes down what
 * happens now; read the difference before you keep it.
 */
const FOLDER = join(import.meta.dirname, "testdata");
const REWRITE = process.env["R2K_REWRITE"] === "1";

/**
 * Runs a script: blocks of commands, each followed by `----` and what they do, up to an empty
 * line.
 */
function play(script: string): string {
  const runner = new ScriptRunner();
  const output: string[] = [];
  let inResult = false;
  for (const line of script.split("\n")) {
    if (inResult) {
      if (line !== "") continue;
      inResult = false;
    }
    if (line === "----") {
      inResult = true;
      continue;
    }
    output.push(line);
    if (line === "" || line.startsWith("#")) continue;
    output.push("----", ...runner.run(line));
  }
  return output.join("\n");
}

const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));

test.each(scripts)("%s", (name) => {
  const path = join(FOLDER, name);
  const script = readFileSync(path, "utf8");
  const played = play(script);
  if (REWRITE) writeFileSync(path, played);
  else expect(played).toBe(script);
});
