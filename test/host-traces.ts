import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { WaitTimeoutError } from "@raft2kube/std/wait.ts";
import { waitFor } from "../testing/wait.ts";

const OWN = /r2k/;
const SUPERVISOR = /^\S*sh \S*\/supervise\.sh /;
const FORWARDING = "/proc/sys/net/ipv4/ip_forward";

/**
 * Names the links, namespaces, tables, mounts and supervisors of ours on this host, of which the
 * last start a cluster's processes again; whether it forwards.
 */
export function hostTraces(): ReadonlySet<string> {
  const named = [
    ...linesOf("ip", "-o", "link", "show").map((line) => `link ${line.split(": ")[1]}`),
    ...linesOf("ip", "netns", "list").map((line) => `network namespace ${line.split(" ")[0]}`),
    ...linesOf("nft", "list", "tables"),
    ...lines(readFileSync("/proc/mounts", "utf8")).map((line) => `mount ${line.split(" ")[1]}`),
    ...linesOf("ps", "-eo", "args=").filter((line) => SUPERVISOR.test(line)),
  ];
  const forwarding = `forwarding ${readFileSync(FORWARDING, "utf8").trim()}`;
  return new Set([...named.filter((name) => OWN.test(name)), forwarding]);
}

/**
 * Returns what names, as soon as the last is gone or the time is over, the traces that are on this
 * host and were not before. One that stays does harm far away: the rule that one test left behind
 * gave the connections of all others another address.
 */
export function watchHost(timeout_ms = 30_000): () => Promise<readonly string[]> {
  const before = hostTraces();
  const left = () => [...hostTraces()].filter((trace) => !before.has(trace));
  return async () => {
    try {
      await waitFor("a clean host", () => left().length === 0, { timeout_ms, interval_ms: 500 });
    } catch (thrown) {
      if (!(thrown instanceof WaitTimeoutError)) throw thrown;
    }
    return left();
  };
}

function linesOf(program: string, ...args: string[]): string[] {
  return lines(execFileSync(program, args, { encoding: "utf8" }));
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");
