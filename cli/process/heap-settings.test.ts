import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { flagsOf } from "../apply/processes.ts";

function node(args: string[], cache = ""): string {
  const env = { ...process.env, NODE_COMPILE_CACHE: cache };
  return execFileSync(process.execPath, args, { encoding: "utf8", env }).trim();
}

const TAG = ["--print", "require('node:v8').cachedDataVersionTag()"];

it.each(["control", "node"] as const)(
  "the flags of the %s process leave the cache of Node's own modules valid",
  (name) => {
    expect(node([...flagsOf(name), ...TAG])).toBe(node(TAG));
  },
);

const SETTINGS = join(import.meta.dirname, "heap-settings.ts");

/** Bounds the growth; prints the files of the cache before, if any after, and the flags' tag. */
const BOUNDS = `
  import { readdirSync } from "node:fs";
  import { cachedDataVersionTag } from "node:v8";
  const dir = process.env.NODE_COMPILE_CACHE;
  const { boundHeapGrowth } = await import(${JSON.stringify(SETTINGS)});
  const files = () => readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).length;
  const before = files();
  boundHeapGrowth();
  console.log(JSON.stringify([before, files() > 0, cachedDataVersionTag()]));
`;

it("compiled code is kept before the flags change, which it would not match", () => {
  const dir = testFolder("r2k-compiled-");
  const printed = JSON.parse(node(["--input-type=module", "--eval", BOUNDS], dir)) as unknown;
  expect(printed).toEqual([0, true, Number(node(["--heap-growing-percent=50", ...TAG]))]);
});
