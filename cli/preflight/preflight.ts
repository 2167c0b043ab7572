import { CommandError, onOneLine } from "../terminal.ts";
import { type Check, type CheckContext, type CheckResult, runChecks } from "./check.ts";
import { kernelChecks } from "./kernel.ts";
import { machineChecks } from "./machine.ts";
import { programChecks } from "./programs.ts";
import { proxyModeCheck } from "./proxy-mode.ts";
import { runtimeVersionCheck } from "./runtime-version.ts";

export const ALL_CHECKS: readonly Check[] = [
  ...kernelChecks,
  ...machineChecks,
  ...programChecks,
  proxyModeCheck,
  runtimeVersionCheck,
];

/** Runs checks; throws with exit code 2 and every failure's remedy when one has failed. */
export async function preflight(
  context: CheckContext,
  checks: readonly Check[] = ALL_CHECKS,
): Promise<CheckResult[]> {
  const results = await runChecks(checks, context);
  const failures = results.filter((result) => result.finding.state === "failed");
  if (failures.length === 0) return results;
  throw new CommandError("PREFLIGHT", `this machine is not ready:\n${describe(failures)}`, {
    remedy: "the lines above name one each; `r2k doctor` asks again",
    exitCode: 2,
  });
}

/** Returns one line per finding, its remedy beneath, in characters that a terminal prints. */
export function describe(results: readonly CheckResult[]): string {
  const signs = { ok: "✓", warning: "!", failed: "✗" };
  const lines = results.flatMap(({ name, finding }) => [
    `  ${signs[finding.state]} ${onOneLine(`${name}: ${finding.detail}`)}`,
    ...("remedy" in finding ? [`      remedy: ${onOneLine(finding.remedy)}`] : []),
  ]);
  return lines.join("\n");
}
