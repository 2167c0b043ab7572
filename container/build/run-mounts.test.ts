import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { contextOf } from "./context.ts";
import { parseDockerfile } from "./parse.ts";
import { contextPlace, mountsOf } from "./run-mounts.ts";

const asRoot = test.runIf(process.getuid?.() === 0);

asRoot("RUN mounts of the context what its .dockerignore leaves", async () => {
  const base = testFolder("r2k-mounts-");
  const at = (...names: string[]) => path.join(base, ...names);
  for (const name of ["work", "context", "context/a"]) mkdirSync(at(name));
  for (const name of ["a/kept", "a/secret", "secret"]) writeFileSync(at("context", name), name);
  symlinkSync("secret", at("context/link"));
  const limits = { work: at("work"), now_ms: 0 };
  const seen = async <T>(place: string, read: (file: string) => T) => {
    await using stack = new AsyncDisposableStack();
    return read(await contextPlace(contextOf(at("context")), place, limits, stack));
  };
  const names = (place: string) => seen(place, (file) => readdirSync(file));
  expect(await names("a")).toEqual(["kept", "secret"]);
  writeFileSync(at("context/.dockerignore"), "**/secret");
  expect(await names("a")).toEqual(["kept"]);
  expect(await names(".")).toEqual([".dockerignore", "a", "link"]);
  for (const place of ["secret", "link", "a/../a/secret"]) {
    await expect(names(place)).rejects.toThrow("leaves");
  }
  expect(await seen("a/kept", (file) => readFileSync(file, "utf8"))).toBe("a/kept");
  expect(readdirSync(at("work"))).toEqual([]);
});

test.each(["sharing=private", "mode=9", "uid=u", "from=x", "size=?", "env=x"])(
  "a mount with %s is refused by name",
  (setting) => {
    const [, run] = parseDockerfile(`FROM x\nRUN --mount=type=cache,target=/c,${setting} x`);
    expect(() => mountsOf(run!, new Map())).toThrow(setting.split("=")[0]!);
  },
);
