/** What upstream answered about the cases: recorded by `scripts/rules.ts`, compared by tests. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

/** The complaints of one case, sorted; `undecodable` when the object has not the kind's form. */
export interface Answer {
  readonly undecodable?: true;
  readonly complaints: readonly Complaint[];
}

/** Reason, field and text of one complaint. */
export type Complaint = readonly [reason: string, field: string, text: string];

/** Answers by the id of the case. */
export type Answers = Readonly<Record<string, Answer>>;

const FILE = join(import.meta.dirname, "../../api/testdata/rules.json.gz");

export function readAnswers(): Answers {
  return JSON.parse(gunzipSync(readFileSync(FILE)).toString("utf8")) as Answers;
}

export function writeAnswers(answers: Answers): void {
  writeFileSync(FILE, gzipSync(JSON.stringify(answers), { level: 9 }));
}

/** Complaints in one order, since upstream's follows that of Go's maps. */
export function sorted(complaints: readonly Complaint[]): Complaint[] {
  return [...complaints].sort((a, b) => (a.join("\0") < b.join("\0") ? -1 : 1));
}
