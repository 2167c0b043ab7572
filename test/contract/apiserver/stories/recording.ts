import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Told } from "./teller.ts";

const FILE = join(import.meta.dirname, "upstream.json.gz");

/** What was told, by story. */
export type Recording = Record<string, Told[]>;

export function readRecording(): Recording {
  return JSON.parse(gunzipSync(readFileSync(FILE)).toString("utf8")) as Recording;
}

/** Writes one answer to a line: what changed shows in a comparison of the texts. */
export function writeRecording(recording: Recording): void {
  const stories = Object.entries(recording).map(([name, answers]) => {
    const lines = answers.map((answer) => `  ${JSON.stringify(answer)}`);
    return `${JSON.stringify(name)}: [\n${lines.join(",\n")}\n]`;
  });
  writeFileSync(FILE, gzipSync(`{\n${stories.join(",\n")}\n}\n`, { level: 9 }));
}
