import { execFileSync } from "node:child_process";
import { mkdtempDisposableSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { DOCKERFILE_BYTES } from "../limits.ts";
import { readDockerfile } from "./build.ts";

test("a Dockerfile is a regular file of the context, and bounded", () => {
  using folder = mkdtempDisposableSync(path.join(tmpdir(), "r2k-dockerfile-"));
  const at = (name: string) => path.join(folder.path, name);
  expect(() => readDockerfile(folder.path, undefined)).toThrow("Dockerfile");
  symlinkSync("/etc/hostname", at("Dockerfile"));
  expect(() => readDockerfile(folder.path, undefined)).toThrow("ENOENT");
  writeFileSync(at("other"), "FROM x");
  expect(readDockerfile(folder.path, at("other"))).toBe("FROM x");
  truncateSync(at("other"), DOCKERFILE_BYTES + 1);
  expect(() => readDockerfile(folder.path, at("other"))).toThrow("is no Dockerfile");
  execFileSync("mkfifo", [at("pipe")]);
  expect(() => readDockerfile(folder.path, at("pipe"))).toThrow("not a regular file");
  expect(() => readDockerfile(folder.path, "/dev/zero")).toThrow("not a regular file");
});
