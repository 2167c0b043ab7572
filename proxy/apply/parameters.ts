import { readSysctl, writeSysctl } from "@raft2kube/linux/sysctl.ts";

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
 * Returns the values to note in place of a note that was deleted while the mode's values were in
 * force: the kernel's defaults of the parameters that still have them.
 */
export function lostValues(all: readonly Parameter[]): ParameterValues {
  return new Map(all.flatMap(({ name, ours, initial }) =>
    initial !== undefined && readSysctl(name) === ours ? [[name, initial] as const] : []));
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
export function valuesOf(note: string, all: readonly Parameter[]): ParameterValues {
  const values = new Map<string, string>();
  for (const [, name = "", value = ""] of note.matchAll(/(\S+)=(\d+)/g)) {
    if (all.some((one) => one.name === name)) values.set(name, value);
  }
  return values;
}
