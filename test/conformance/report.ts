import type { Outcome, Result, Results } from "./record.ts";

/** Outcomes that need no cause. */
const QUIET: ReadonlySet<Outcome> = new Set(["passed", "skipped"]);

const RAN: ReadonlySet<Outcome> = new Set(["passed", "failed", "timeout"]);

/** Stands for the cause of a test without one. */
function unexplained({ outcome }: Result): string {
  return RAN.has(outcome) ? "not examined" : "not run";
}

type Counts = { readonly passed: number; readonly failed: number; readonly notRun: number };

/** The part of upstream that owns a test: `apps` of `[sig-apps] ...`. */
function areaOf(name: string): string {
  return /^\[sig-([^\]]+)\]/.exec(name)?.[1] ?? "other";
}

export function count(results: Iterable<Result>): Counts {
  const outcomes = [...results].map(({ outcome }) => outcome);
  const passed = outcomes.filter((outcome) => outcome === "passed").length;
  const notRun = outcomes.filter((outcome) => !RAN.has(outcome)).length;
  return { passed, failed: outcomes.length - passed - notRun, notRun };
}

/**
 * docs/CONFORMANCE.md: a table by area, then every test that did not pass, by its cause; then the
 * same of the tests beyond conformance.
 */
export function formatReport(results: Results, beyond: Results): string {
  const all = count(results.values());
  return `# Conformance

Of upstream's ${results.size} conformance tests of Kubernetes 1.36,
${all.passed + all.failed} ran, each in a process of its own, on a cluster of two nodes.
Written by \`npm run conformance\` from
\`test/conformance/results.txt\`, which has each test's last result with
its day and commit.

${table(results)}

${failures(results)}
# Beyond conformance

Of upstream's other end-to-end tests, those that ran last with
\`npm run conformance -- --beyond\`, recorded in
\`test/conformance/beyond.txt\`. Not run are those of other systems and
clouds, of features that upstream has off, disruptive and slow ones; a
test that finds nothing to run here counts as not run.

${table(beyond)}

${failures(beyond)}`;
}

function table(results: Results): string {
  const areas = Map.groupBy(results, ([name]) => areaOf(name));
  const ordered = [...areas].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const rows = ordered.map(([area, members]) => row(area, count(members.map(([, one]) => one))));
  return `| area | passed | failed | not run | all |
| --- | --- | --- | --- | --- |
${[...rows, row("all", count(results.values()))].join("\n")}`;
}

function row(area: string, { passed, failed, notRun }: Counts): string {
  return `| ${area} | ${passed} | ${failed} | ${notRun} | ${passed + failed + notRun} |`;
}

function failures(results: Results): string {
  const bad = [...results].filter(([, { outcome }]) => !QUIET.has(outcome));
  const byCause = Map.groupBy(bad, ([, result]) => result.cause ?? unexplained(result));
  const ordered = [...byCause].toSorted(([, a], [, b]) => b.length - a.length);
  return ordered.map(([cause, tests]) => section(cause, tests)).join("\n");
}

function section(cause: string, tests: readonly (readonly [string, Result])[]): string {
  const lines = tests.map(([name, { outcome }]) => `- ${outcome}: ${plain(name)}`).toSorted();
  return `## ${cause} (${tests.length})\n\n${lines.join("\n")}\n`;
}

/** A name without what all of them have, safe in Markdown. */
function plain(name: string): string {
  return `\`${name.replace(" [Conformance]", "").replaceAll("`", "'")}\``;
}
