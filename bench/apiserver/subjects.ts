import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Credentials, makeCredentials } from "./credentials.ts";
import type { Measurements, Phase, Subject } from "./phases.ts";
import type { Side } from "./sides.ts";

/** The rounds' measurements of a subject, by the key of a row. */
export type Found = Map<string, number[]>;

interface Place {
  readonly dir: string;
  readonly credentials: Credentials;
  /** Starts a server in a folder of this name. */
  start(side: Side, name: string): Promise<Subject>;
}

/** Runs work on servers that it starts, in a temporary folder; both end with it. */
export async function withSubjects<T>(work: (place: Place) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  const started: Subject[] = [];
  try {
    const credentials = await makeCredentials(join(dir, "pki"));
    return await work({
      dir,
      credentials,
      async start(side, name) {
        const running = await side.start(folder(dir, name), credentials);
        const subject = { name: side.name, running, credentials };
        started.push(subject);
        // The account which pods need: a controller would make it.
        const account = { metadata: { name: "default" } };
        await running.ask("/api/v1/namespaces/default/serviceaccounts", account);
        return subject;
      },
    });
  } finally {
    for (const { running } of started) await running.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Makes a folder, and returns its path. */
export function folder(dir: string, name: string): string {
  const path = join(dir, name);
  mkdirSync(path);
  return path;
}

/** Starts both sides, and runs each round of each phase on them in turn. */
export async function runPhases(
  { start }: Place,
  both: readonly Side[],
  phases: readonly Phase[],
  found: readonly Found[] = both.map(() => new Map()),
): Promise<{ subjects: readonly Subject[]; found: readonly Found[] }> {
  const subjects: Subject[] = [];
  for (const [i, side] of both.entries()) subjects.push(await start(side, `${i}`));
  for (const { rounds, run } of phases) {
    for (let round = 0; round < rounds; round++) {
      for (const [i, subject] of subjects.entries()) note(found[i]!, await run(subject, round));
    }
  }
  return { subjects, found };
}

/** Adds a round's measurements to those of the rounds before. */
export function note(into: Found, measurements: Measurements): void {
  for (const [key, value] of Object.entries(measurements)) {
    into.set(key, [...(into.get(key) ?? []), value]);
  }
}
