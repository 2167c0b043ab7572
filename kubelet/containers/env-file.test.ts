import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { ENV_FILES_BYTES_MAX } from "../limits.ts";
import type { ReadyVolume } from "../volumes/plugin.ts";
import { envFiles, parseEnvFile } from "./env-file.ts";

test("a file has a value in quotes for each name, the first one counts", () => {
  const text = [
    "# a comment",
    "",
    "  A='1'  # another",
    "B='two\nlines \"#= '\r",
    "C= 'no value'",
    "A='2'",
    "export D='4'",
    "E=''",
  ].join("\n");
  expect(parseEnvFile(text)).toEqual({
    values: new Map([
      ["A", "1"],
      ["B", 'two\nlines "#= '],
      ["C", ""],
      ["export D", "4"],
      ["E", ""],
    ]),
  });
});

test.each(["A", "A =''", "=''", "A=1", 'A="1"', "A='1", "A='1'2", "A="])(
  "what comes before %s counts",
  (wrong) => {
    expect(parseEnvFile(`\nB='1'\n${wrong}\nC='3'`)).toEqual({
      values: new Map([["B", "1"]]),
      mistake: "line 3 is not NAME='value'",
    });
  },
);

test("a long line is parsed in linear time", () => {
  for (const character of [" ", "a", "#", "'", "=", "a "]) {
    parseEnvFile(character.repeat(500_000));
    parseEnvFile(`A='${character.repeat(500_000)}`);
  }
});

test("files are read within their volume only, and up to a limit together", () => {
  const root = testFolder("r2k-env-");
  const hostPath = join(root, "volume");
  mkdirSync(hostPath);
  writeFileSync(join(root, "secret"), "A='secret'");
  writeFileSync(join(hostPath, "file"), "A='1'");
  symlinkSync("../secret", join(hostPath, "out"));
  symlinkSync("/file", join(hostPath, "in"));
  writeFileSync(join(hostPath, "large"), "#".repeat(ENV_FILES_BYTES_MAX));
  const ready: ReadyVolume = { kind: "filesystem", hostPath, readOnly: false };
  const read = envFiles(new Map([["v", ready]]));
  expect(read("v", "in")?.values.get("A")).toBe("1");
  expect(read("v", "out")).toBeUndefined();
  expect(() => read("v", "large")).toThrow("EFBIG");
  expect(() => read("v", ".")).toThrow("is not a regular file");
  expect(() => read("other", "file")).toThrow("it is not mounted");
});
