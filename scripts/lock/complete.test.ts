import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { missingEntries } from "./complete.ts";
import { platformOf } from "./platform.ts";

const LOCK = join(import.meta.dirname, "../../package-lock.json");

test("the lock file names every optional package, so that npm ci accepts it", () => {
  const { packages } = JSON.parse(readFileSync(LOCK, "utf8"));
  expect(Object.keys(missingEntries(packages)), "run `node scripts/lock.ts`").toEqual([]);
});

test("a platform that the registry left out gets an entry beside the package that asks", () => {
  const tool = { version: "2.0.0", dev: true, optionalDependencies: { "@t/linux-x64": "2.0.0" } };
  const own = { "@t/linux-x64": "2.0.0", "@t/win32-arm64": "2.0.0" };
  const missing = missingEntries({
    "": {},
    "node_modules/@t/linux-x64": { version: "2.0.0" },
    "node_modules/tool": tool,
    "node_modules/other/node_modules/tool": { version: "2.0.0", optionalDependencies: own },
  });
  expect(missing).toEqual({
    "node_modules/other/node_modules/@t/win32-arm64": {
      version: "2.0.0",
      os: ["win32"],
      cpu: ["arm64"],
      optional: true,
    },
  });
});

test("another version further out does not do", () => {
  const missing = missingEntries({
    "node_modules/@t/linux-x64": { version: "1.0.0" },
    "node_modules/a/node_modules/t": {
      version: "2.0.0",
      dev: true,
      optionalDependencies: { "@t/linux-x64": "2.0.0" },
    },
  });
  expect(missing["node_modules/a/node_modules/@t/linux-x64"]).toMatchObject({
    version: "2.0.0",
    dev: true,
  });
});

test("a name contains system, processor and C library", () => {
  expect(platformOf("@o/binding-linux-arm-musleabihf")).toEqual({
    os: ["linux"],
    cpu: ["arm"],
    libc: ["musl"],
  });
  expect(platformOf("@o/binding-win32-x64-msvc")).toEqual({ os: ["win32"], cpu: ["x64"] });
  expect(platformOf("@o/binding-linux-riscv64-gnu").libc).toEqual(["glibc"]);
  expect(() => platformOf("fsevents")).toThrow("no platform");
});
