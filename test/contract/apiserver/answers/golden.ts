/** What upstream answered: recorded by `scripts/answers.ts`, compared by it and by the test. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Answer } from "./judge.ts";

/** An answer with the accepted object as its digest, which keeps the file small. */
export type Golden = Omit<Answer, "object"> & { readonly object?: string };

const FILE = join(import.meta.dirname, "golden.json.gz");
const DIGEST_LENGTH = 8;

export function readGolden(): ReadonlyMap<string, Golden> {
  const text = gunzipSync(readFileSync(FILE)).toString("utf8");
  return new Map(Object.entries(JSON.parse(text) as Record<string, Golden>));
}

export function writeGolden(answers: ReadonlyMap<string, Answer>): void {
  const lines = [...answers].map(([id, answer]) => [id, goldenOf(answer)] as const);
  writeFileSync(FILE, gzipSync(JSON.stringify(Object.fromEntries(lines)), { level: 9 }));
}

/** The form in which an answer is kept and compared. */
export function goldenOf({ object, ...refusal }: Answer): Golden {
  if (object === undefined) return refusal;
  const digest = createHash("sha256").update(JSON.stringify(object)).digest("hex");
  return { ...refusal, object: digest.slice(0, DIGEST_LENGTH) };
}
