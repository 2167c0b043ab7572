import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatTranscripts, parseTranscripts, type Step } from "./transcript.ts";

const FOLDER = join(import.meta.dirname, "testdata");

/** Requests with upstream's answers, by case. */
export type Recording = Map<string, readonly Step[]>;

/** Reads `testdata/AREA.txt`, where a case's area is its name up to the colon. */
export function readRecording(): Recording {
  const texts = readdirSync(FOLDER).map((name) => readFileSync(join(FOLDER, name), "utf8"));
  return new Map(texts.flatMap((text) => [...parseTranscripts(text)]));
}

/** Writes all files of `testdata` again. */
export function writeRecording(recording: Recording): void {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER);
  const areas = Map.groupBy(recording, ([name]) => name.split(":")[0]!);
  for (const [area, cases] of areas) {
    const name = `${area.replaceAll(" ", "-")}.txt`;
    writeFileSync(join(FOLDER, name), formatTranscripts(new Map(cases)));
  }
}
