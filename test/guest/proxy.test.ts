import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ours } from "../contract/proxy/ours.ts";
import { RULES } from "../contract/proxy/suite.ts";
import { guestsMissing, runGuest } from "./guest.ts";

const PROGRAM = join(import.meta.dirname, "proxy-in-guest.ts");
/** Trees of a reader of the labs, over the product (labs/runner/overlay.ts). */
const { R2K_LAB_TREES: trees } = process.env;
const OVERLAY = join(import.meta.dirname, "../../labs/runner/overlay.ts");
const [before, options] = trees ? [`R2K_LAB_TREES=${trees} `, ` --import ${OVERLAY}`] : ["", ""];
const TIMEOUT_MS = 300_000;
const missing = guestsMissing() ?? (process.getuid?.() === 0 ? undefined : "needs root");

interface Found {
  mode: string;
  rule: string;
  error?: string;
}

describe.runIf(missing === undefined)("Service proxies in a guest", () => {
  test(
    "IPVS keeps the contract, with each scheduler and over changes; SCTP, the overlay's guard",
    async () => {
      // Not in /tmp, which the guest covers.
      const dir = mkdtempSync("/var/tmp/r2k-sctp-");
      const sctp = join(dir, "sctp");
      const source = join(import.meta.dirname, "sctp.c");
      execFileSync("gcc", ["-O2", "-Wall", "-Werror", "-o", sctp, source]);
      const output = await runGuest({
        script: `${before}${process.execPath}${options} ${PROGRAM} ${sctp} 2>&1`,
        modules: ["ip_vs", "nf_conntrack_netlink", "sctp"],
        memory_MiB: 1024,
        timeout_ms: TIMEOUT_MS,
      });
      rmSync(dir, { recursive: true });
      const lines = [...output.matchAll(/^FOUND (.*)$/gm)];
      const found = lines.map(([, line = ""]) => JSON.parse(line) as Found);
      expect(found.filter(({ error }) => error !== undefined), output).toEqual([]);
      const { refuses } = ours("ipvs");
      const kept = RULES.map(({ name }) => name).filter((name) => !(name in refuses));
      const schedulers = ["rr", "wrr", "lc", "wlc", "sh", "dh", "sed", "nq"];
      const carried = ["SCTP from a pod", "SCTP from outside"];
      const expected = [
        ...kept, ...schedulers.map((name) => `scheduler ${name}`), ...carried, ...carried,
        "a connection continues while the proxy restarts",
        "a change to iptables leaves nothing of it",
        "a change from iptables keeps connections and no chains",
        "without it pods reach the overlay's port, directly and by IPVS",
        "encapsulated packets are taken from nodes alone, none of pods leave",
        "none of pods leave by IPVS",
        "a pod's packets have sources of its node's pods",
      ];
      expect(found.map(({ rule }) => rule), output).toEqual(expected);
    },
    TIMEOUT_MS + 10_000,
  );
});
