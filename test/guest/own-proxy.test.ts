import { execFile } from "node:child_process";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { findLab } from "../../labs/runner/manifest.ts";
import { ownTree } from "../../labs/runner/own-tree.ts";
import { OwnPart } from "../../labs/testing/own-part.ts";
import { guestsMissing, wallLimit_ms } from "./guest.ts";

const ROOT = join(import.meta.dirname, "../..");
const LAB = "14c";
/** A mistake that the plan's checks find too, and the rule of the contract that finds it. */
const MISTAKE = "node ports have every endpoint with the policy Local";
const RULE = "externalTrafficPolicy Local uses endpoints of this node only";
const TIMEOUT_MS = wallLimit_ms(620_000);
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const ASKED = process.env["R2K_OWN_IPVS"] !== undefined;
const isPossible = ASKED && guestsMissing() === undefined && process.getuid?.() === 0;

/** Runs the contract in a guest on a reader's part, as lab 14c's page says. */
function judge(own: OwnPart): Promise<{ passed: boolean; output: string }> {
  const args = [join(ROOT, "node_modules/vitest/vitest.mjs"), "run", "test/guest/proxy.test.ts"];
  // Without the file that this run of the tests is bounded to.
  const env = {
    ...process.env,
    R2K_TEST_FILES: undefined,
    NO_COLOR: "1",
    R2K_LAB_TREES: ownTree(LAB, own.env),
  };
  const options = { cwd: ROOT, env, maxBuffer: OUTPUT_BYTES_MAX };
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({ passed: error === null, output: stdout + stderr });
    });
  });
}

describe.runIf(isPossible)("a reader's own IPVS in a guest", { timeout: TIMEOUT_MS }, () => {
  const own = new OwnPart("own-ipvs", [LAB]);
  afterAll(() => own.remove());

  it("keeps the contract", async () => {
    own.writeUnjudged();
    const { passed, output } = await judge(own);
    expect(passed, output).toBe(true);
    expect(output).toMatch(/Tests .*1 passed/);
  });

  it("does not keep it with a mistake", async () => {
    own.writeUnjudged(findLab(LAB).mutants.find(({ name }) => name === MISTAKE)!);
    const { passed, output } = await judge(own);
    expect(passed).toBe(false);
    expect(output).toContain(`"rule":"${RULE}","error":`);
  });
});
