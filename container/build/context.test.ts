import { execFileSync } from "node:child_process";
import { symlinkSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { DOCKERFILE_BYTES } from "../limits.ts";
import { readDockerfile } from "./context.ts";

test("a Dockerfile is a regular file of the context, and bounded", () => {
  const folder = testFolder("r2k-dockerfile-");
  const at = (name: string) => path.join(folder, name);
  expect(() => readDockerfile(folder, undefined)).toThrow("Dockerfile");
  symlinkSync("/etc/hostname", at("Dockerfile"));
  expect(() => readDockerfile(folder, undefined)).toThrow("ENOENT");
  writeFileSync(at("other"), "FROM x");
  expect(readDockerfile(folder, at("other"))).toBe("FROM x");
  truncateSync(at("other"), DOCKERFILE_BYTES + 1);
  expect(() => readDockerfile(folder, at("other"))).toThrow("is no Dockerfile");
  execFileSync("mkfifo", [at("pipe")]);
  expect(() => readDockerfile(folder, at("pipe"))).toThrow("not a regular file");
  expect(() => readDockerfile(folder, "/dev/zero")).toThrow("not a regular file");
});
