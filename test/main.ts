// The whole suite: `npm test [GROUP...]`. Prints each group's time, what was left out and why, and
// one closing line. Exit code 0 when nothing failed and nothing unnamed was left out.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { GROUPS, type Group, type GroupResult } from "./groups.ts";
import { installTestPrograms } from "./programs.ts";

/** What may be left out on some machines, by the title it stands under, and why. */
const accepted = JSON.parse(
  readFileSync(join(import.meta.dirname, "left-out.json"), "utf8"),
) as Readonly<Record<string, string>>;

/** So many files of a run may pass at their second try; one more, and they count as failed. */
const SECOND_TRIES_MAX = 4;

async function main(wanted: readonly string[]): Promise<number> {
  const groups = wanted.length === 0 ? GROUPS : GROUPS.filter((g) => wanted.includes(g.name));
  const unknown = wanted.filter((name) => !GROUPS.some((group) => group.name === name));
  if (unknown.length > 0) {
    const names = GROUPS.map((group) => group.name).join(", ");
    process.stderr.write(`no group ${unknown.join(", ")}; there are ${names}\n`);
    return 2;
  }
  await installTestPrograms((line) => process.stdout.write(`${line}\n`));
  const results: GroupResult[] = [];
  for (const row of rowsOf(groups)) results.push(...(await Promise.all(row.map(runGroup))));
  const leftOut = results.flatMap((result) => result.leftOut);
  const unnamed = leftOut.filter((title) => !(title in accepted));
  leftOut.forEach((title, i) => {
    const reason = accepted[title] ?? "no reason stands in test/left-out.json: counted as failed";
    process.stdout.write(`LEFT OUT ${i + 1}: ${title}: ${reason}\n`);
  });
  const tries = results.flatMap((result) => result.secondTries);
  for (const told of tries) process.stdout.write(`SECOND TRY ${told}\n`);
  const failures = results.flatMap((result) => result.failures);
  for (const told of failures) process.stdout.write(`FAILED ${told}\n`);
  const untrusted = tries.length > SECOND_TRIES_MAX ? tries.length : 0;
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = failures.length + unnamed.length + untrusted;
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

/** The groups that run at the same time. */
function rowsOf(groups: readonly Group[]): Group[][] {
  const rows: Group[][] = [];
  for (const group of groups) {
    const row = rows.at(-1);
    if (group.beside && row) row.push(group);
    else rows.push([group]);
  }
  return rows;
}

async function runGroup(group: Group): Promise<GroupResult> {
  if (!((await group.possible?.()) ?? true)) {
    return { passed: 0, failures: [], leftOut: [group.name], secondTries: [] };
  }
  process.stdout.write(`== ${group.name}\n`);
  const start_ms = performance.now();
  const result = await group.run();
  const took_s = ((performance.now() - start_ms) / 1000).toFixed(1);
  process.stdout.write(
    `== ${group.name}: ${result.passed} passed, ${result.failures.length} failed, ${took_s} s\n`,
  );
  return result;
}

process.exitCode = await main(process.argv.slice(2));
