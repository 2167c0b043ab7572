import { CodedError } from "@raft2kube/std/errors.ts";
import { valueOf } from "@raft2kube/std/quantity.ts";
import type { EvictionThresholds } from "./options.ts";

/** A flag's text is not of its form; the message names the part. */
const badFlag = (message: string, remedy: string) =>
  new CodedError("BAD_FLAG", message, { remedy });

/** Reads a taint as upstream's --register-with-taints: `key=value:effect` or `key:effect`. */
export function parseTaint(text: string): { key: string; value?: string; effect: string } {
  const match = /^([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$/.exec(text);
  if (!match) throw badFlag(`not a taint: ${text}`, "write it as key=value:NoSchedule");
  const [, key = "", value, effect = ""] = match;
  return { key, effect, ...(value === undefined ? {} : { value }) };
}

/** Reads upstream's --pod-max-pids: a whole number above 0, or -1 for no limit. */
export function parsePodPids(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && (count > 0 || count === -1)) return count;
  throw badFlag(`--pod-max-pids is not a count: ${text}`, "such as 4096, or -1 for no limit");
}

const SIGNALS: Record<string, keyof EvictionThresholds> = {
  "memory.available": "memoryAvailable_bytes",
  "nodefs.available": "nodefsAvailable",
  "nodefs.inodesFree": "nodefsInodesFree",
  "imagefs.available": "imagefsAvailable",
  "pid.available": "pidAvailable",
};

/**
 * Reads upstream's --eviction-hard: `memory.available<100Mi,nodefs.available<10%`. Memory is an
 * amount, the others are shares of the whole. An unknown signal is refused by name.
 */
export function parseEvictionHard(text: string): EvictionThresholds {
  const thresholds: EvictionThresholds = {};
  for (const part of text.split(",").filter(Boolean)) {
    const [signal = "", amount = ""] = part.split("<", 2);
    const field = SIGNALS[signal];
    if (!field) {
      const known = Object.keys(SIGNALS).join(", ");
      throw badFlag(`unknown eviction signal: ${signal}`, `known are ${known}`);
    }
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(amount);
    if (field === "memoryAvailable_bytes") {
      if (percent) throw badFlag(`${signal} takes an amount, not ${amount}`, "such as 100Mi");
      thresholds[field] = valueOf(amount);
    } else {
      if (!percent) throw badFlag(`${signal} takes a share, not ${amount}`, "such as 10%");
      thresholds[field] = Number(percent[1]) / 100;
    }
  }
  return thresholds;
}
