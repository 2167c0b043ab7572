import { readSysctl, writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import type { Logger } from "@raft2kube/observe/log.ts";

/** A kernel parameter that a mode sets. */
export interface Parameter {
  name: string;
  /** The mode's value. */
  ours: string;
  /** The kernel's default. Left out of parameters that programs beside the mode set, too. */
  initial?: string;
}

/** Values of kernel parameters, by name. */
export type ParameterValues = ReadonlyMap<string, string>;

/**
 * Returns the values before the mode of the parameters that it is about to set: those that it
 * noted when it set them earlier, else the current ones.
 */
export function formerValues(
  wanted: readonly Parameter[],
  noted: ParameterValues,
): ParameterValues {
  return new Map(wanted.map(({ name }) => [name, noted.get(name) ?? readSysctl(name)]));
}

/**
 * The parameters that a mode may set, and the note that it leaves in a namespace until it is
 * removed.
 */
export interface ParameterTraces {
  all: readonly Parameter[];
  /** Returns the note of the former values; undefined if what it is kept on is gone. */
  note(): string | undefined;
  /** Whether the namespace has something else of the mode. */
  isPresent(): boolean;
}

/**
 * Returns the values before the mode: those of the note, else `known` ones, of this process. If
 * there are neither, but the mode is present, its note was deleted by hand: of parameters that have
 * the mode's values, the kernel's defaults are taken for them, and logged.
 */
export function notedValues(
  { all, note, isPresent }: ParameterTraces,
  log: Pick<Logger, "warn">,
  known: ParameterValues = new Map(),
): ParameterValues {
  const text = note();
  if (text !== undefined) return valuesOf(text, all);
  if (known.size > 0 || !isPresent()) return known;
  const lost = new Map(
    all.flatMap(({ name, ours, initial }) =>
      initial !== undefined && readSysctl(name) === ours ? [[name, initial] as const] : [],
    ),
  );
  log.warn(
    "the note of the kernel parameters' former values was deleted; the kernel's defaults " +
      "are taken for those",
    { former: noteOf(lost) },
  );
  return lost;
}

/** Sets the parameters to the mode's values. Their former values are noted before. */
export function setParameters(wanted: readonly Parameter[]): void {
  for (const { name, ours } of wanted) writeSysctl(name, ours);
}

/** Sets parameters to their former values; one that has another value than the mode's is kept. */
export function restoreParameters(all: readonly Parameter[], former: ParameterValues): void {
  for (const { name, ours } of all) {
    const value = former.get(name);
    if (value !== undefined && readSysctl(name) === ours) writeSysctl(name, value);
  }
}

/** Returns the values as a note, which outlives this process where the mode keeps it. */
export const noteOf = (values: ParameterValues) =>
  [...values].map(([name, value]) => `${name}=${value}`).join(" ");

/** Returns the values of a note; of unknown parameters none. */
function valuesOf(note: string, all: readonly Parameter[]): ParameterValues {
  const values = new Map<string, string>();
  for (const [, name = "", value = ""] of note.matchAll(/(\S+)=(\d+)/g)) {
    if (all.some((one) => one.name === name)) values.set(name, value);
  }
  return values;
}
