import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LABS_DIR } from "./paths.ts";
import type { CheckEvent, Ended } from "./run-checks.ts";
import { cacheFolder } from "./workspace.ts";

/** How a check of this body ends. */
function endOf(body: string): Ended | undefined {
  const folder = mkdtempSync(join(cacheFolder(), "labs-waiting-"));
  try {
    const file = join(folder, "own.check.ts");
    const imports = [["check", "check"], ["must", "mustPass"]].map(([name, word]) => {
      return `import { ${word} } from ${JSON.stringify(join(LABS_DIR, `${name}.ts`))};`;
    });
    writeFileSync(file, [...imports, `check("own", async () => { ${body} });`].join("\n"));
    const { output } = spawnSync(process.execPath, [join(LABS_DIR, "runner/run-checks.ts"), file], {
      stdio: ["ignore", "ignore", "inherit", "pipe"],
      encoding: "utf8",
    });
    const lines = (output[3] ?? "").split("\n").filter(Boolean);
    const events = lines.map((line) => JSON.parse(line) as CheckEvent);
    return events.find((event) => event.kind === "ended");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it("a check that waits while nothing is at work ends after 5 s, and names what it awaits", () => {
  const judgement = `{ when: "the third append", expected: "it resolves", why: "its caller" }`;
  const ended = endOf(`await mustPass(new Promise(() => undefined), ${judgement});`);
  expect(ended).toMatchObject({ result: "failed" });
  expect(ended?.message).toMatch(/^the third append\n.*: nothing was at work for 5 s\n/);
});
