import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, it } from "vitest";
import { runLabChecks } from "./check.ts";
import { readLabs } from "./manifest.ts";
import { LABS_DIR } from "./paths.ts";
import { cacheFolder } from "./workspace.ts";

const IMPORTS = [
  ["check, stillAtWork", join(LABS_DIR, "check.ts")],
  ["idleClock", join(LABS_DIR, "idle-clock.ts")],
  ["delay", "@raft2kube/std/wait.ts"],
].map(([words, file]) => `import { ${words} } from ${JSON.stringify(file)};`);

it("a check that loops decides: no scenario that shows its mistake is waited for", async () => {
  const folder = mkdtempSync(join(cacheFolder(), "labs-stopping-"));
  try {
    const files = {
      "rule.check.ts": `check("loops", () => { for (;;); });`,
      "scenario.check.ts": `
        const scenario = (title, body) => check(title, body, { scenario: true });
        scenario("goes on", async () => {
          for (;;) {
            await delay(idleClock, 100);
            stillAtWork();
          }
        });
      `,
    };
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(folder, name), [...IMPORTS, text].join("\n"));
    }
    const checks = Object.keys(files);
    const lab = { ...readLabs()[0]!, folder: relative(LABS_DIR, folder), checks };
    const { outcomes, stopped } = await runLabChecks(lab, []);
    expect(outcomes).toMatchObject([{ title: "loops", passed: false, hung: true }]);
    expect(stopped).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
