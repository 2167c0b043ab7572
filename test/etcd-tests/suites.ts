import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { runScript } from "../conformance/suite.ts";

const ROOT = join(import.meta.dirname, "../..");
const PEERS = join(ROOT, ".peers");
const OWN = join(PEERS, "etcd-tests");

/** etcd's tests that start its programs: with the clients of both kinds, and all others. */
export const SUITES = ["common", "e2e"] as const;
export type Suite = (typeof SUITES)[number];

export const LOGS = join(OWN, "logs");
export const programOf = (suite: Suite) => join(OWN, `${suite}.test`);

/** Folders with `etcd`, `etcdctl` and `etcdutl`: the store's, and etcd's own to compare with. */
export const BIN = { store: join(OWN, "bin"), etcd: join(PEERS, "bin") } as const;

/** Builds what is missing: etcd's tests and programs, the store's bundle, and its place. */
export function buildPrograms(): void {
  const tools = ["etcdctl", "etcdutl"].map((name) => join(BIN.etcd, name));
  if (!tools.every((path) => existsSync(path))) runScript("peers/main.ts", "etcd");
  const isBuilt = SUITES.every((suite) => existsSync(programOf(suite)));
  if (!isBuilt) runScript("peers/main.ts", "etcd-tests");
  runScript("build/refresh.ts");
  rmSync(BIN.store, { recursive: true, force: true });
  mkdirSync(BIN.store, { recursive: true });
  for (const tool of tools) symlinkSync(tool, join(BIN.store, tool.slice(BIN.etcd.length)));
  symlinkSync(join(import.meta.dirname, "etcd.sh"), join(BIN.store, "etcd"));
}

/** The folder of a suite's sources: its tests look for their certificates beside it. */
export function sourcesOf(suite: Suite): string {
  const cwd = join(ROOT, "scripts/peers/etcd-tests");
  const list = ["list", "-mod=mod", "-m", "-f", "{{.Dir}}", "go.etcd.io/etcd/tests/v3"];
  return join(execFileSync("go", list, { cwd, encoding: "utf8" }).trim(), suite);
}

/** The names of a suite's tests, `e2e TestGateway`. */
export function namesOf(suite: Suite): string[] {
  const options = { cwd: sourcesOf(suite), encoding: "utf8" } as const;
  const list = execFileSync(programOf(suite), ["-test.list=."], options);
  return list
    .split("\n")
    .filter((name) => name !== "")
    .map((name) => `${suite} ${name}`);
}
