import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";

/** Answers of etcd 3.6.5: `R2K_RECORD=1` records them again, where the built peer is. */
export function recordedIn<T>(name: string) {
  const file = join(import.meta.dirname, "recorded", name);
  const read = () => JSON.parse(readFileSync(file, "utf8")) as T;
  return {
    read,
    /** Expects that the peer answers as before, or records what it answers. */
    check(answers: T, text = JSON.stringify(answers, undefined, 1)): void {
      if (process.env.R2K_RECORD === "1") writeFileSync(file, `${text}\n`);
      expect(answers).toEqual(read());
    },
  };
}
