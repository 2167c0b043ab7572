// The whole suite: `npm test [GROUP...]`. Prints each group's time, what was left out and why, and
// one closing line. Exit code 0 when nothing failed and nothing unnamed was left out.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { GROUPS, type Group, type GroupResult } from "./groups.ts";
import { installTestPrograms } from "./programs.ts";

interface LeftOut {
  readonly group: string;
  readonly reason: string;
}

/** Groups that may be left out on some machines, with the reason that is accepted. */
const accepted = JSON.parse(
  readFileSync(join(import.meta.dirname, "left-out.json"), "utf8"),
) as Readonly<Record<string, string>>;

async function main(wanted: readonly string[]): Promise<number> {
  const groups = wanted.length === 0 ? GROUPS : GROUPS.filter((g) => wanted.includes(g.name));
  const unknown = wanted.filter((name) => !GROUPS.some((group) => group.name === name));
  if (unknown.length > 0) {
    const names = GROUPS.map((group) => group.name).join(", ");
    process.stderr.write(`no group ${unknown.join(", ")}; there are ${names}\n`);
    return 2;
  }
  await installTestPrograms((line) => process.stdout.write(`${line}\n`));
  const leftOut: LeftOut[] = [];
  const total: GroupResult = { passed: 0, failed: 0 };
  for (const group of groups) {
    const result = await runGroup(group, leftOut);
    total.passed += result.passed;
    total.failed += result.failed;
  }
  for (const { group, reason } of leftOut) {
    const known = group in accepted;
    process.stdout.write(`LEFT OUT ${group}: ${reason}${known ? "" : " (not in left-out.json)"}\n`);
    if (!known) total.failed += 1;
  }
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  return total.failed === 0 ? 0 : 1;
}

async function runGroup(group: Group, leftOut: LeftOut[]): Promise<GroupResult> {
  const reason = await group.missing?.();
  if (reason !== undefined) {
    leftOut.push({ group: group.name, reason });
    return { passed: 0, failed: 0 };
  }
  process.stdout.write(`== ${group.name}\n`);
  const start_ms = performance.now();
  const result = await group.run();
  const took_s = ((performance.now() - start_ms) / 1000).toFixed(1);
  process.stdout.write(
    `== ${group.name}: ${result.passed} passed, ${result.failed} failed, ${took_s} s\n`,
  );
  return result;
}

process.exitCode = await main(process.argv.slice(2));
