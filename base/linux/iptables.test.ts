import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const MODULE = join(import.meta.dirname, "iptables.ts");

/** Whether an ordinary user may have namespaces of its own here. */
const possible = spawnSync("unshare", ["-Urn", "true"], { uid: 65_534, gid: 65_534 }).status === 0;

describe.runIf(possible)("tables in an ordinary user's namespace", () => {
  test("there is no nat table, nor an error", () => {
    const code = `console.log((await import(${JSON.stringify(MODULE)})).hasNatTable())`;
    const args = ["-Urn", process.execPath, "--input-type=module", "-e", code];
    const found = execFileSync("unshare", args, { encoding: "utf8", uid: 65_534, gid: 65_534 });
    expect(found.trim()).toBe("false");
  });
});
