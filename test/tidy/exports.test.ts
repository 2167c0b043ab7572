import { expect, it } from "vitest";
import { LIBRARIES } from "../../scripts/build/libraries.ts";
import { moduleOf, targetOf } from "./exports.ts";
import { handWritten, sourceFiles } from "./sources.ts";

it("knows which file an import means", () => {
  expect(targetOf("store/wal/wal.ts", "../limits.ts")).toBe("store/limits.ts");
  expect(targetOf("cli/main.ts", "@raft2kube/std/clock.ts")).toBe("base/std/clock.ts");
  const client = "@raft2kube/client-kube/rest/client.ts";
  expect(targetOf("cli/main.ts", client)).toBe("client/kube/rest/client.ts");
  expect(targetOf("cli/main.ts", "commander")).toBeUndefined();
});

it("what a file exports is used: by another file, or by itself", () => {
  const files = handWritten().filter((file) => file.path.endsWith(".ts"));
  const users = sourceFiles().filter((file) => file.path.endsWith(".ts"));
  const modules = new Map(users.map((file) => [file.path, moduleOf(file)]));
  const used = new Map<string, Set<string>>();
  for (const { imports } of modules.values()) {
    for (const [target, names] of imports) {
      used.set(target, new Set([...(used.get(target) ?? []), ...names]));
    }
  }
  // What the npm package offers is used by others.
  for (const source of Object.values(LIBRARIES)) used.set(`${source}.ts`, new Set(["*"]));
  const unused = files.flatMap((file) => {
    const names = used.get(file.path);
    if (names?.has("*")) return [];
    return modules
      .get(file.path)!
      .exports.filter((name) => !names?.has(name))
      .filter((name) => file.text.split(new RegExp(`\\b${name}\\b`)).length <= 2)
      .map((name) => `${file.path}: ${name}`);
  });
  expect(unused).toEqual([]);
});
