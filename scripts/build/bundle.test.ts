import { execFileSync, spawnSync } from "node:child_process";
import {
  globSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { bundle, ROOT } from "./bundle.ts";
import { BUNDLED } from "./entries.ts";

const folder = suiteFolder("r2k-bundle-");

/** Prints what it has of the module, and whether that brought undici along. */
const PROGRAM = `
  import http, { createServer, STATUS_CODES } from "node:http";
  import * as all from "node:http";
  const loaded = process.moduleLoadList.some((name) => name.includes("undici/undici"));
  const same = http.createServer === createServer && all.request === http.request;
  console.log(JSON.stringify({ same, ok: STATUS_CODES[200], loaded }));
`;

test("a bundle that imports node:http has all that it asks for, and not undici", async () => {
  writeFileSync(join(folder, "program.ts"), PROGRAM);
  const entries = { program: join(relative(ROOT, folder), "program") };
  await bundle({ outDir: relative(ROOT, folder), entries });
  const said = execFileSync(process.execPath, [join(folder, "program.js")], { encoding: "utf8" });
  expect(JSON.parse(said)).toEqual({ same: true, ok: "OK", loaded: false });
});

test("a bundle is made again when any folder changes that it has sources of", async () => {
  const outDir = join(relative(ROOT, folder), "whole");
  const sources = await bundle({ outDir, entries: { main: "cli/main" } });
  const folders = sources.flatMap((path) => /^([\w-]+)\/.+\.ts$/.exec(path)?.[1] ?? []);
  const found = new Set(folders);
  expect(found.size).toBeGreaterThan(20);
  expect([...found].filter((name) => !BUNDLED.includes(name))).toEqual([]);
  // One other character would double what a process keeps of a bundle.
  // cached-code.mjs reads the program of containers by hand as ASCII.
  await bundle({ outDir, entries: { container: "cli/container" }, startsQuickly: true });
  const files = globSync("**/*.{js,cjs}", { cwd: join(ROOT, outDir) });
  expect(files).toContain("container.cjs");
  const wide = files.filter((path) => {
    return /[^\0-\x7f]/.test(readFileSync(join(ROOT, outDir, path), "latin1"));
  });
  expect(wide).toEqual([]);
});

/** Prints what Node has loaded at its start, and after an import. */
const QUICK = `
  import { connect } from "node:tls";
  import { webcrypto } from "node:crypto";
  const loads = (name) => process.moduleLoadList.includes("NativeModule " + name);
  const before = [loads("https"), loads("internal/util/diff")];
  process.exitCode = process.argv.includes("fails") ? 1 : 0;
  import("./later.ts").then(({ type }) => {
    console.log(JSON.stringify([...before, loads("https"), type, typeof connect, typeof webcrypto]));
  });
`;

test("a bundle that starts quickly loads what it uses, and keeps its code by verbs", async () => {
  writeFileSync(join(folder, "quick.ts"), QUICK);
  const later = 'import { get } from "node:https"; export const type = typeof get;';
  writeFileSync(join(folder, "later.ts"), later);
  const entries = { quick: join(relative(ROOT, folder), "quick") };
  const kept = join(folder, "kept");
  await bundle({ outDir: relative(ROOT, folder), entries, startsQuickly: true });
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [join(folder, "quick.js"), ...words], {
      encoding: "utf8",
      env: { ...process.env, NODE_COMPILE_CACHE: kept },
    }).stdout;
  const said = '[false,false,true,"function","function","object"]\n';
  const files = () => readdirSync(kept).filter((name) => /^[a-z]+-\d+-\d+-\d+$/.test(name));
  expect(run("other", "ps")).toBe(said);
  expect(run("container", "../ps")).toBe(said);
  expect(run("container", "fails")).toBe(said);
  expect(files()).toEqual([]);
  expect(run("container", "--cluster", "../ps")).toBe(said);
  expect(files()).toEqual([]);
  expect(run("container", "--cluster", "other", "ps")).toBe(said);
  const [file] = files();
  expect(file).toMatch(/^ps-/);
  const place = join(kept, file!);
  const { ino, size } = statSync(place);
  expect(run("container", "ps", "-a")).toBe(said);
  expect([files(), statSync(place).ino]).toEqual([[file], ino]);
  // A file that is cut short is made again.
  truncateSync(place, size - 1000);
  expect(run("container", "ps")).toBe(said);
  expect([files(), statSync(place).size]).toEqual([[file], size]);
});

test("a bundle has the values of YAML files' documents, and needs no such files", async () => {
  writeFileSync(join(folder, "data.yaml"), '# Two.\n---\nword: $& "one"\n---\n[2]\n');
  writeFileSync(join(folder, "more.yaml"), "---\n3\n");
  writeFileSync(
    join(folder, "reader.ts"),
    `
    import { yamlDocuments } from ${JSON.stringify(join(ROOT, "apimachinery/yaml.ts"))};
    const values = await yamlDocuments(new URL("./data.yaml", import.meta.url));
    const more = await yamlDocuments(new URL("./more.yaml", import.meta.url));
    const again = await yamlDocuments(new URL("./data.yaml", import.meta.url));
    console.log(JSON.stringify([values, more, again.length]));
  `,
  );
  const entries = { reader: join(relative(ROOT, folder), "reader") };
  const sources = await bundle({ outDir: relative(ROOT, folder), entries });
  for (const name of ["data.yaml", "more.yaml"]) {
    expect(sources).toContain(relative(ROOT, join(folder, name)));
    rmSync(join(folder, name));
  }
  const said = execFileSync(process.execPath, [join(folder, "reader.js")], { encoding: "utf8" });
  expect(JSON.parse(said)).toEqual([[{ word: '$& "one"' }, [2]], [3], 2]);
});
