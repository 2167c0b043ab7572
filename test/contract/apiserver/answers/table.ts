/** The table in docs/FEATURES.md: written by `scripts/answers.ts`, held true by a test. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Share } from "./compare.ts";

const DOCUMENT = join(import.meta.dirname, "../../../../docs/FEATURES.md");
const BEGIN = "<!-- written by scripts/answers.ts -->\n";
const END = "<!-- end -->\n";

/** The rows of the table, as the document should have them. */
export function tableOf(shares: readonly Share[]): string {
  const rows = shares.map(
    ({ schema, asked, answers_percent, objects_percent }) =>
      `| ${schema} | ${asked} | ${shown(answers_percent)} | ${shown(objects_percent)} |\n`,
  );
  return `| kind | cases | same answer, % | same object, % |\n| --- | --- | --- | --- |\n${rows.join(
    "",
  )}`;
}

/** The rows that the document has. */
export function readTable(): Share[] {
  const rows = section(readFileSync(DOCUMENT, "utf8")).split("\n").slice(2);
  return rows
    .filter((row) => row !== "")
    .map((row) => {
      const [, schema = "", asked, answers, objects] = row.split("|").map((each) => each.trim());
      return {
        schema,
        asked: Number(asked),
        answers_percent: Number(answers),
        objects_percent: Number(objects),
      };
    });
}

/** Puts a table in the place of the one that is there. */
export function writeTable(table: string): void {
  const text = readFileSync(DOCUMENT, "utf8");
  writeFileSync(
    DOCUMENT,
    text.replace(section(text), () => table),
  );
}

function section(text: string): string {
  return text.slice(text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END));
}

const shown = (percent: number): string => (percent === 100 ? "100" : percent.toFixed(1));
