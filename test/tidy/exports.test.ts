import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LIBRARIES } from "../../scripts/build/libraries.ts";
import { moduleOf, targetOf } from "./exports.ts";
import { APART, handWritten, ROOT, type SourceFile, sourceFiles } from "./sources.ts";

it("knows which file an import means", () => {
  expect(targetOf("store/wal/wal.ts", "../limits.ts")).toBe("store/limits.ts");
  expect(targetOf("cli/main.ts", "@raft2kube/std/clock.ts")).toBe("base/std/clock.ts");
  const client = "@raft2kube/client-kube/rest/client.ts";
  expect(targetOf("cli/main.ts", client)).toBe("client/kube/rest/client.ts");
  expect(targetOf("cli/main.ts", "commander")).toBeUndefined();
});

const files = handWritten().filter((file) => /\.tsx?$/.test(file.path));
const modules = new Map(
  sourceFiles()
    .filter((file) => /\.tsx?$/.test(file.path))
    .map((file) => [file.path, moduleOf(file)]),
);

/** Exports that no file of `users` imports and their own file does not use, as `path: name`. */
function unused(of: readonly SourceFile[], users: (path: string) => boolean): string[] {
  const used = new Map<string, Set<string>>();
  for (const [path, { imports }] of modules) {
    if (!users(path)) continue;
    for (const [target, names] of imports) {
      used.set(target, new Set([...(used.get(target) ?? []), ...names]));
    }
  }
  // The exports of the npm package are used by others.
  for (const source of Object.values(LIBRARIES)) used.set(`${source}.ts`, new Set(["*"]));
  return of.flatMap((file) => {
    const names = used.get(file.path);
    if (names?.has("*")) return [];
    return modules
      .get(file.path)!
      .exports.filter((name) => !names?.has(name))
      .filter((name) => file.text.split(new RegExp(`\\b${name}\\b`)).length <= 2)
      .map((name) => `${file.path}: ${name}`);
  });
}

it("what a file exports is used: by another file, or by itself", () => {
  expect(unused(files, () => true)).toEqual([]);
});

/** Doubles, what tests look at the kernel with, what documents are compared with. */
const FOR_TESTS = [
  "apiserver/cache/selection.ts: EVERYTHING",
  "base/linux/namespace/netns.ts: enterNetns",
  "base/linux/netfilter/conntrack.ts: listFlows",
  "base/std/clock.ts: ManualClock",
  "base/std/random.ts: seededRandom",
  "cni/build.ts: buildPlugins",
  "openapi/descriptions.ts: describedPackages",
  "runtime/image/archive.ts: saveArchive",
];

it("no part of the product is there for its tests alone", () => {
  const isProduct = (path: string) => !APART.test(path);
  const product = files.filter(({ path }) => isProduct(path));
  expect(unused(product, isProduct)).toEqual(FOR_TESTS);
});

/** Packages that list what is public; `./*` is there for tests and labs. */
const LISTING = [
  "apiserver",
  "client/etcd",
  "client/kube",
  "controllers",
  "csi",
  "device",
  "kubelet",
  "runtime",
  "scheduler",
];

it.each(LISTING)("the exports of %s are what other packages of the product import", (folder) => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8")) as {
    exports: Record<string, string>;
  };
  const imported = new Set<string>();
  for (const [path, { imports }] of modules) {
    if (APART.test(path) || path.startsWith(`${folder}/`)) continue;
    for (const target of imports.keys()) {
      if (target.startsWith(`${folder}/`)) imported.add(`.${target.slice(folder.length)}`);
    }
  }
  const listed = [...imported].sort();
  expect(exports).toEqual(Object.fromEntries([...listed, "./*"].map((each) => [each, each])));
});
