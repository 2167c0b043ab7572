import { readFileSync } from "node:fs";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";

/** Shares of the last 10, 60 and 300 seconds, in percent, and microseconds since the start. */
export interface Stalls {
  avg10: number;
  avg60: number;
  avg300: number;
  total_us: number;
}

/** Time in which some processes waited for a resource, and all of them (accounting/psi.rst). */
export type Pressure = { some: Stalls; full: Stalls };

export const RESOURCES = ["cpu", "memory", "io"] as const;
export type Pressures = Partial<Record<(typeof RESOURCES)[number], Pressure>>;

const LINE = /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/gm;
const NONE: Stalls = { avg10: 0, avg60: 0, avg300: 0, total_us: 0 };

/** Parses one file; older kernels have no line `full` of the processor. */
export function parsePressure(text: string): Pressure {
  const lines = [...text.matchAll(LINE)].map(([, kind, ...numbers]) => {
    const [avg10, avg60, avg300, total_us] = numbers.map(Number);
    return [kind, { avg10, avg60, avg300, total_us }];
  });
  return { some: NONE, full: NONE, ...Object.fromEntries(lines) };
}

/** Reads the files of the resources; a kernel without this, or with it off, has none. */
export function readPressures(fileOf: (resource: string) => string): Pressures {
  const found = RESOURCES.flatMap((resource) => {
    const read = () => readFileSync(fileOf(resource), "utf8");
    const text = tolerateSync(read, errno("ENOENT", "ENODEV", "EOPNOTSUPP", "ENOTSUP"));
    return text === undefined ? [] : [[resource, parsePressure(text)]];
  });
  return Object.fromEntries(found);
}
