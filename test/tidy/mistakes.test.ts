import { expect, it } from "vitest";
import { readLabs } from "../../labs/runner/manifest.ts";
import { mutatedText, referenceText } from "../../labs/runner/workspace.ts";

const MISTAKES_MIN = 3;

it.each(readLabs().filter(({ files }) => files.length > 0))(
  "lab $number has plausible wrong answers, whose texts its reference has",
  ({ files, mutants }) => {
    expect(mutants.length).toBeGreaterThanOrEqual(MISTAKES_MIN);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    for (const mutant of mutants) {
      expect(files).toContain(mutant.file);
      expect(mutatedText(mutant), mutant.name).not.toBe(referenceText(mutant.file));
    }
  },
);
