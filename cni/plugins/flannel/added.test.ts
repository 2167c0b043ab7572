import { readdirSync, writeFileSync } from "node:fs";
import * as promises from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { addedConfigs } from "./added.ts";

const CONFIG = { type: "bridge", name: "net", cniVersion: "1.0.0" };
let dir: string;

beforeEach(() => {
  dir = testFolder("r2k-flannel-");
});

const added = (network = "net") => addedConfigs(dir, network);

test("GC beside an ADD leaves the record that the ADD makes meanwhile", async () => {
  writeFileSync(join(dir, "one@net.new"), "");
  const readSlowly = (async (file: string) => {
    const content = await promises.readFile(file, "utf8").catch((thrown: unknown) => thrown);
    await added().put("one", CONFIG);
    throw content;
  }) as typeof promises.readFile;
  await addedConfigs(dir, "net", { ...promises, readFile: readSlowly }).collect(new Set());
  expect(await added().get("one")).toEqual(CONFIG);
});

test("an ADD makes its record although GC deletes its unfinished file", async () => {
  let renames = 0;
  const rename: typeof promises.rename = async (from, to) => {
    if (renames++ === 0) await added().collect(new Set());
    await promises.rename(from, to);
  };
  await addedConfigs(dir, "net", { ...promises, rename }).put("one", CONFIG);
  expect([renames, await added().get("one")]).toEqual([2, CONFIG]);
  expect(readdirSync(dir)).toEqual(["one"]);
});

test("GC deletes what is left of killed ADDs, and records, of this network only", async () => {
  for (const name of ["kept", "gone"]) await added().put(name, CONFIG);
  await added("other").put("others", { ...CONFIG, name: "other" });
  for (const name of ["killed@net.new", "gone@net.new", "killed@other.new"]) {
    writeFileSync(join(dir, name), "{");
  }
  await added().collect(new Set(["kept"]));
  expect(readdirSync(dir).sort()).toEqual(["kept", "killed@other.new", "others"]);
});

test("a record that a loss of power cut short is none, and stops no GC", async () => {
  await added().put("gone", CONFIG);
  writeFileSync(join(dir, "empty"), "");
  expect(await added().get("empty")).toBe(undefined);
  await added().collect(new Set());
  expect(readdirSync(dir)).toEqual(["empty"]);
});
