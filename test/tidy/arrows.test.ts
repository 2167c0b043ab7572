import { describe, expect, it } from "vitest";
import { ARROWS, importedPackages, LAYERS, packageOf, TOP_ARROWS, TOPS } from "./arrows.ts";
import { moduleOf } from "./exports.ts";
import {
  cyclesOf,
  importsAmong,
  memberImports,
  placeOf,
  productFiles,
  upwardImports,
} from "./layers.ts";
import { sourceFiles } from "./sources.ts";

it("imports point one way", () => {
  const wrong = sourceFiles()
    .filter((file) => !file.path.endsWith(".test.ts"))
    .flatMap((file) => {
      const from = packageOf(file.path);
      if (TOPS.includes(from) || !(from in ARROWS)) return [];
      const allowed = ARROWS[from] ?? [];
      return importedPackages(file.text)
        .filter((to) => to !== from && !allowed.includes(to))
        .map((to) => `${file.path} imports ${to}`);
    });
  expect(wrong).toEqual([]);
});

it("the arrows have no cycle", () => {
  const visit = (name: string, path: readonly string[]): void => {
    expect(path, `cycle through ${name}`).not.toContain(name);
    for (const next of ARROWS[name] ?? []) visit(next, [...path, name]);
  };
  for (const name of Object.keys(ARROWS)) visit(name, []);
});

it("the packages at the top import each other one way, types included", () => {
  const wrong = TOPS.flatMap((name) => {
    const allowed = [name, ...(TOP_ARROWS[name] ?? [])];
    return productFiles(name).flatMap((file) => {
      const targets = [...moduleOf(file).imports.keys()];
      const others = targets.filter((to) => TOPS.includes(packageOf(to)));
      const upward = others.filter((to) => !allowed.includes(packageOf(to)));
      return upward.map((to) => `${file.path} imports ${to}`);
    });
  });
  expect(wrong).toEqual([]);
});

it("packages reach each other by name, not by a path through the tree", () => {
  const wrong = sourceFiles()
    .filter((file) => !TOPS.includes(packageOf(file.path)))
    .filter((file) => !/\.test\.ts$|(^|\/)testing\//.test(file.path))
    .flatMap((file) => {
      const depth = file.path.split("/").length - 1;
      const root = /^(base|client)\//.test(file.path) ? 2 : 1;
      const ups = [...file.text.matchAll(/from "((?:\.\.\/)+)/g)];
      return ups
        .filter((match) => match[1]!.length / 3 > depth - root)
        .map((match) => `${file.path}: ${match[0]}`);
    });
  expect(wrong).toEqual([]);
});

describe.each(Object.entries(LAYERS))("the layers of %s", (name, layers) => {
  const files = productFiles(name);
  const imports = importsAmong(files);

  it("have a place for every file", () => {
    const lost = files.filter(({ path }) => placeOf(name, layers, path) === undefined);
    expect(lost.map(({ path }) => path)).toEqual([]);
    const found = new Set(files.map(({ path }) => placeOf(name, layers, path)?.member));
    expect(layers.flat().filter((member) => !found.has(member))).toEqual([]);
  });

  it("import only of themselves and of those below, types included", () => {
    const upward = upwardImports(name, layers, imports);
    expect(upward.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  });

  it("have no cycle, neither of files nor of folders", () => {
    expect(cyclesOf(imports)).toEqual([]);
    expect(cyclesOf(memberImports(name, layers, imports))).toEqual([]);
  });
});

it("no package has a cycle of files, types included", () => {
  const tops = new Set(sourceFiles().map(({ path }) => path.split("/")[0]!));
  const names = [...tops].filter((name) => !/^(test|bench|scripts|examples)$/.test(name));
  expect(cyclesOf(importsAmong(names.flatMap((name) => productFiles(name))))).toEqual([]);
});

it("an import of a higher layer and a cycle are found", () => {
  const layers = [["low/"], ["high/", "low/apart.ts"]];
  const down = { from: "p/high/a.ts", to: "p/low/b.ts" };
  const up = { from: "p/low/b.ts", to: "p/high/c.ts" };
  const apart = { from: "p/low/apart.ts", to: "p/high/c.ts" };
  expect(upwardImports("p", layers, [down, up, apart])).toEqual([up]);
  expect(cyclesOf([down, up, apart])).toEqual([]);
  expect(cyclesOf(memberImports("p", layers, [down, up, apart]))).toEqual([["high/", "low/"]]);
  const back = { from: "p/high/c.ts", to: "p/high/a.ts" };
  expect(cyclesOf([down, up, back])).toEqual([["p/high/a.ts", "p/high/c.ts", "p/low/b.ts"]]);
});
