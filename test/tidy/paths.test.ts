import { expect, it } from "vitest";
import { pathCalls } from "./paths.ts";
import { handWritten, type SourceFile } from "./sources.ts";

/**
 * Packages that handle paths which a pod, an image or a plugin can influence. They change files and
 * remove trees through base/linux/beneath.
 */
const PACKAGES = /^(kubelet|runtime|csi)\//;

/** Where a path may be used all the same: `path: call`, with the reason. None is needed now. */
const REASONED: Readonly<Record<string, string>> = {};

it("kubelet, runtime and csi change files and remove trees by descriptor", () => {
  const files = handWritten().filter((file) => {
    return PACKAGES.test(file.path) && !file.path.endsWith(".test.ts");
  });
  const found = files.flatMap(pathCalls).map(({ path, line, call }) => `${path}:${line}: ${call}`);
  const without = (place: string) => place.replace(/:\d+:/, ":");
  expect(found.filter((place) => !(without(place) in REASONED))).toEqual([]);
  const used = new Set(found.map(without));
  expect(Object.keys(REASONED).filter((place) => !used.has(place))).toEqual([]);
});

function sourceOf(text: string): SourceFile {
  return { path: `in-memory-${text.length}.ts`, text, lines: text.split("\n") };
}

it.each([
  [`import { chmod } from "node:fs/promises"; await chmod("x", 1);`, "chmod"],
  [`import { lchown as own } from "node:fs/promises"; await own("x", 1, 1);`, "lchown"],
  [`import * as fs from "node:fs"; fs.utimesSync("x", 1, 1);`, "utimesSync"],
  [`import fs from "node:fs"; await fs.promises.rm("x", { force: true, recursive: true });`, "rm"],
  [`import { rmSync } from "fs"; rmSync("x", { recursive: true, maxRetries: 3 });`, "rmSync"],
])("finds %s", (text, call) => {
  expect(pathCalls(sourceOf(text)).map((found) => found.call)).toEqual([call]);
});

it.each([
  `import { rm } from "node:fs/promises"; await rm("x", { force: true });`,
  `import { Directory } from "a"; Directory.open("x").chmod(1);`,
  `import { chmod } from "./own.ts"; chmod("x", 1);`,
])("leaves alone %s", (text) => {
  expect(pathCalls(sourceOf(text))).toEqual([]);
});
