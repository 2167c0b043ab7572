import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/sysctl.ts";

const FORWARD = "net.ipv4.ip_forward";

/** Who needs the host to forward, and how it was before the first of them came. */
interface Forwarding {
  before: string;
  users: string[];
}

const fileIn = (dir: string) => join(dir, "forwarding.json");

function read(dir: string): Forwarding | undefined {
  try {
    return JSON.parse(readFileSync(fileIn(dir), "utf8")) as Forwarding;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}

/** Lets the host forward IPv4 packets for a cluster, remembering whether it did before. */
export function acquireForwarding(dir: string, user: string): void {
  const state = read(dir) ?? { before: readSysctl(FORWARD), users: [] };
  if (!state.users.includes(user)) state.users.push(user);
  mkdirSync(dir, { recursive: true });
  // Written first: a crash in between leaves a note too many, never a setting nobody undoes.
  writeFileSync(fileIn(dir), JSON.stringify(state));
  writeSysctl(FORWARD, 1);
}

/** Puts the setting back when the last cluster that needed it is gone. */
export function releaseForwarding(dir: string, user: string): void {
  const state = read(dir);
  if (!state) return;
  const users = state.users.filter((name) => name !== user);
  if (users.length > 0) return writeFileSync(fileIn(dir), JSON.stringify({ ...state, users }));
  writeSysctl(FORWARD, state.before);
  rmSync(fileIn(dir));
}
