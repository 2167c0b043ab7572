import { CommandError } from "../terminal.ts";
import type { MachineContext, Phase } from "./context.ts";
import { CLUSTER_PHASES } from "./phases/cluster.ts";
import { FILE_PHASES, manifestOf, podsOf } from "./phases/files.ts";
import { checksOf, runPreflight } from "./preflight.ts";

export const INIT_PHASES: readonly Phase[] = [
  {
    name: "preflight",
    text: "Run pre-flight checks",
    run: (context) => runPreflight(context, checksOf(context, "init")),
  },
  ...FILE_PHASES,
  ...CLUSTER_PHASES,
];

/** The phases but those that are skipped. Throws CommandError `PHASE` for a name that is none. */
export function selectPhases(skipped: readonly string[]): Phase[] {
  const names = INIT_PHASES.map(({ name }) => name);
  const unknown = skipped.find((name) => !names.includes(name));
  if (unknown === undefined) return INIT_PHASES.filter(({ name }) => !skipped.includes(name));
  const remedy = `phases are ${names.join(", ")}`;
  throw new CommandError("PHASE", `there is no phase "${unknown}"`, { remedy });
}

/** Runs phases in turn, each with a note at its start, until one fails or an interrupt. */
export async function runPhases(context: MachineContext, phases: readonly Phase[]): Promise<void> {
  for (const { name, text, run } of phases) {
    context.signal.throwIfAborted();
    context.note(`[${name}] ${text}`);
    await run(context);
  }
}

/** Prints what `init` would do: the phases and their manifests; writes nothing. */
export async function dryRun(context: MachineContext, phases: readonly Phase[]): Promise<void> {
  const lines = phases.map(({ name, text }) => `[dryrun] would run ${name}: ${text}\n`);
  process.stdout.write(lines.join(""));
  const pods = phases.flatMap(({ name }) => podsOf(name, context));
  for (const pod of pods) process.stdout.write(`---\n${await manifestOf(context, pod)}`);
}
