import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { withStore } from "./own-store.ts";

const ROOT = join(import.meta.dirname, "../..");
const ETCDCTL = ["/usr/bin/etcdctl", join(ROOT, ".peers/bin/etcdctl")].find(existsSync);
const NO_ETCDCTL = "there is no etcdctl: npm run peers -- etcd";
const run = promisify(execFile);

/** Commands of etcdctl and their output. */
const COMMANDS = [
  ["put a 1", "OK"],
  ["put a 2", "OK"],
  ["put b 3", "OK"],
  ["get a", "a\n2"],
  ["get a --rev 2", "a\n1"],
  ["get a --prefix --keys-only", "a\n"],
  ["del b", "1"],
  ["del b", "0"],
  ["get --prefix a --print-value-only", "2"],
  ["compaction 4", "compacted revision 4"],
  ["get a --rev 3", "etcdserver: mvcc: required revision has been compacted"],
  ["get a --rev 99", "etcdserver: mvcc: required revision is a future revision"],
] as const;

check(
  "etcdctl gets etcd's responses",
  () =>
    withStore(async (store) => {
      for (const [words, expected] of COMMANDS) {
        const output = await etcdctl(ETCDCTL!, store.address, words.split(" "));
        judge(output.includes(expected.trim()), {
          when: `etcdctl ${words}`,
          expected,
          happened: output,
          why: "the store is compatible with etcd's clients and tools",
        });
      }
    }),
  { leftOut: ETCDCTL === undefined ? NO_ETCDCTL : undefined },
);

async function etcdctl(program: string, address: string, words: string[]): Promise<string> {
  const env = { ...process.env, ETCDCTL_API: "3", ETCDCTL_ENDPOINTS: address };
  const ended = run(program, words, { env });
  const { stdout = "", stderr = "" } = await ended.catch((failure: unknown) => {
    return failure as { stdout?: string; stderr?: string };
  });
  return `${stdout}${stderr}`.trim();
}
