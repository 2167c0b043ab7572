/** Upstream's answers to the cases: recorded by `scripts/rules.ts`, compared by tests. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The complaints of one case, sorted; `undecodable` when the object has not the kind's form. */
export type Answer = { readonly undecodable?: true; readonly complaints: readonly Complaint[] };

/** Reason, field and text of one complaint. */
export type Complaint = readonly [reason: string, field: string, text: string];

/** Answers by the id of the case. */
export type Answers = Readonly<Record<string, Answer>>;

const FILE = join(import.meta.dirname, "../../api/testdata/rules.json");

export const readAnswers = (): Answers => JSON.parse(readFileSync(FILE, "utf8")) as Answers;

/** Writes a line for each case, so that a comparison shows what changed. */
export function writeAnswers(answers: Answers): void {
  const lines = Object.entries(answers).map(
    ([id, answer]) => `${JSON.stringify(id)}: ${JSON.stringify(answer)}`,
  );
  writeFileSync(FILE, `{\n${lines.join(",\n")}\n}\n`);
}

/** Complaints in one order, since upstream's follows that of Go's maps. */
export function sorted(complaints: readonly Complaint[]): Complaint[] {
  return [...complaints].sort((a, b) => (a.join("\0") < b.join("\0") ? -1 : 1));
}
