import { release } from "node:os";
import { PHASES } from "./points.ts";
import { isGood, type Outcome } from "./trials.ts";

/** The document of a whole run: a table of phases, then each case. */
export function recordOf(outcomes: readonly Outcome[], when: Date): string {
  const date = when.toISOString().slice(0, 10);
  const kills = outcomes.filter(({ name }) => phaseOf(name) !== undefined);
  const answers = outcomes.filter((one) => !kills.includes(one));
  const bad = outcomes.filter((one) => !isGood(one));
  const missed = outcomes.filter(({ faults }) => faults === 0);
  return `# Faults of storage

One volume for each line: a claim is made, attached, mounted, written to, expanded, a snapshot is
taken, and all of it is removed again. At one point of this a component is killed, or its driver
answers one call wrongly; it is started again, and the volume goes on. The points are before and
after each write to the API, before and after each call of the driver, and before each system call
by which driver and kubelet change something (writes are torn in the middle). Afterwards no mount,
loop device, directory, record, VolumeAttachment, PersistentVolume or entry in the node's status may
be left, and the data was read back after each step that a claim was there for.

Written by \`npm run storage-faults -- --record\` on ${date}, Linux ${release().split("-")[0]}.
${outcomes.length} cases, ${kills.length} of them points; ${bad.length} with something left or lost;
${missed.length} whose point was not passed when it was to be.

| phase | points | kills | left or lost |
| --- | --- | --- | --- |
${PHASES.map((phase) => phaseRow(phase, kills)).join("\n")}
| answers | ${answers.length} | | ${bad.filter((one) => answers.includes(one)).length} |

Store and apiserver are processes that get SIGKILL. The others run in one process: what a killed one
calls afterwards has no effect, and its descriptors are closed (\`test/e2e/storage-faults\`).

| point, or answer | faults | left |
| --- | --- | --- |
${[...outcomes].sort(byPhase).map(row).join("\n")}
`;
}

function phaseOf(name: string): string | undefined {
  return PHASES.find((phase) => name.startsWith(`${phase}: `));
}

/** Phases in their order, answers after them. */
function byPhase(a: Outcome, b: Outcome): number {
  const [first, second] = [a, b].map(({ name }) => {
    const phase = PHASES.findIndex((each) => each === phaseOf(name));
    return phase < 0 ? PHASES.length : phase;
  });
  return first! - second! || (a.name < b.name ? -1 : 1);
}

function phaseRow(phase: string, kills: readonly Outcome[]): string {
  const of = kills.filter(({ name }) => phaseOf(name) === phase);
  const faults = of.reduce((sum, each) => sum + each.faults, 0);
  const bad = of.filter((one) => !isGood(one));
  return `| ${phase} | ${of.length} | ${faults} | ${bad.length} |`;
}

function row({ name, faults, left, error }: Outcome): string {
  const what = [...left, ...(error === undefined ? [] : [error])].join(", ") || "nothing";
  return `| ${name} | ${faults} | ${what.replaceAll("|", "/")} |`;
}
