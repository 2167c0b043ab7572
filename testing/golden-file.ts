import { readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";

const REWRITE = process.env["R2K_REWRITE"] === "1";

/**
 * Plays a golden file: requests of one line, each above `----` and its answer, which ends at an
 * empty line; lines that start with `#` are comments. Fails where an answer differs. With
 * `R2K_REWRITE=1` in the environment it writes the present answers in place: read the difference
 * before you keep it.
 */
export function playGoldenFile(path: string, answer: (request: string) => string): void {
  const text = readFileSync(path, "utf8");
  const played = answered(text, answer);
  if (REWRITE) writeFileSync(path, played);
  else expect(played).toBe(text);
}

function answered(text: string, answer: (request: string) => string): string {
  const output: string[] = [];
  let inAnswer = false;
  for (const line of text.split("\n")) {
    if (line === "----") inAnswer = true;
    else if (line === "") inAnswer = false;
    if (inAnswer) continue;
    output.push(line);
    if (line === "" || line.startsWith("#")) continue;
    output.push("----", answer(line));
  }
  return output.join("\n");
}
