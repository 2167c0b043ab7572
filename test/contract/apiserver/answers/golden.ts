/**
 * Reads and writes upstream's answers: recorded by `scripts/answers.ts`, compared by it and by the
 * test.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Answer } from "./judge.ts";

/** An answer with the accepted object as its digest, which keeps the files small. */
export type Golden = Omit<Answer, "object"> & { readonly object?: string };

const FOLDER = join(import.meta.dirname, "recorded");
const DIGEST_LENGTH = 8;

/** Reads `recorded/GROUP.json`, where a case's group is its id up to the slash. */
export function readGolden(): ReadonlyMap<string, Golden> {
  const texts = readdirSync(FOLDER).map((name) => readFileSync(join(FOLDER, name), "utf8"));
  const files = texts.map((text) => JSON.parse(text) as Record<string, Golden>);
  return new Map(files.flatMap((file) => Object.entries(file)));
}

/** Writes the files again, a line for each case, so that a comparison shows what changed. */
export function writeGolden(answers: ReadonlyMap<string, Answer>): void {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  const groups = Map.groupBy(answers, ([id]) => id.split("/")[0]!);
  for (const [group, cases] of groups) {
    const lines = cases.map(([id, answer]) => {
      return `${JSON.stringify(id)}: ${JSON.stringify(goldenOf(answer))}`;
    });
    writeFileSync(join(FOLDER, `${group}.json`), `{\n${lines.join(",\n")}\n}\n`);
  }
}

/** The form in which an answer is kept and compared. */
export function goldenOf({ object, ...refusal }: Answer): Golden {
  if (object === undefined) return refusal;
  const digest = createHash("sha256").update(JSON.stringify(object)).digest("hex");
  return { ...refusal, object: digest.slice(0, DIGEST_LENGTH) };
}
