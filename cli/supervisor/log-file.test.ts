import { execFileSync } from "node:child_process";
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { openLog } from "./log-file.ts";

/** Writes lines of ten bytes to its output, which it bounds by a hundred. */
const PROGRAM = `
  import { turnOver } from ${JSON.stringify(join(import.meta.dirname, "log-file.ts"))};
  import { writeSync } from "node:fs";
  for (let i = 0; i < 100; i++) {
    writeSync(i % 2 + 1, \`line \${String(i).padStart(4, "0")}\\n\`);
    turnOver(process.argv[1], 100);
  }
`;

it("a log is put aside at its limit: one such is kept, no line is lost between the two", () => {
  const dir = testFolder("r2k-log-");
  const path = join(dir, "node.log");
  const log = openSync(path, "a");
  const args = ["--input-type=module", "--eval", PROGRAM, path];
  execFileSync(process.execPath, args, { stdio: ["ignore", log, log] });
  expect(readdirSync(dir).sort()).toEqual(["node.log", "node.log.1"]);
  const kept = readFileSync(`${path}.1`, "utf8") + readFileSync(path, "utf8");
  const lines = kept.trimEnd().split("\n");
  expect(lines.at(-1)).toBe("line 0099");
  const first = 100 - lines.length;
  lines.forEach((line, i) => expect(line).toBe(`line ${String(first + i).padStart(4, "0")}`));
  expect(lines.length).toBeGreaterThan(9);
  expect(lines.length).toBeLessThan(23);
});

it("a log is opened in a folder that it makes, for its owner alone; a long one is put aside", () => {
  const dir = join(testFolder("r2k-log-"), "logs");
  const path = join(dir, "node.log");
  const opened = () => {
    const log = openLog(path);
    const { size, mode } = fstatSync(log);
    closeSync(log);
    return [size, mode & 0o777];
  };
  expect(opened()).toEqual([0, 0o600]);
  writeFileSync(path, "kept");
  expect(opened()).toEqual([4, 0o600]);
  truncateSync(path, (32 << 20) + 1);
  expect(opened()).toEqual([0, 0o600]);
  expect(readdirSync(dir).sort()).toEqual(["node.log", "node.log.1"]);
});
