import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runLabChecks } from "../runner/check.ts";
import { findLab } from "../runner/manifest.ts";
import { cacheFolder, writeReference } from "../runner/workspace.ts";

const tree = mkdtempSync(join(cacheFolder(), "labs-own-error-"));
afterAll(() => rmSync(tree, { recursive: true }));

it("a container that died is shown with its own error, in a namespace that ends it", async () => {
  const lab = findLab("1");
  expect(lab.namespaces).toBe("processes");
  writeReference(lab, tree, {
    name: "the last step fails",
    caughtBy: "",
    file: "runtime/by-hand/privileges.ts",
    find: "    prctl(PR_SET_NO_NEW_PRIVS, 1);\n",
    replace: '    throw new Error("no such privilege");\n',
  });
  const { outcomes } = await runLabChecks(lab, [tree], { only: "container: capabilities" });
  expect(outcomes.map(({ passed }) => passed)).toEqual([false]);
  expect(outcomes[0]!.message).toContain("it ended before: ");
  expect(outcomes[0]!.message).toContain("no such privilege");
});
