import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DRAW_SEED, inTurn } from "../../testing/drawn.ts";
import { bundled } from "../../testing/guest-program.ts";
import type { Implementation } from "../contract/proxy/implementation.ts";
import { ours } from "../contract/proxy/ours.ts";
import { RESTRICTED, RULES } from "../contract/proxy/suite.ts";
import { IPSET, IPTABLES_PROGRAMS, KUBE_PROXY, upstream } from "../contract/proxy/upstream.ts";
import { guestsMissing, runGuest, wallLimit_ms } from "./guest.ts";

// Takes turns, networks that change: see test/e2e/mode-changes.test.ts.

/** Trees of a reader of the labs, over the product. */
const TREES = (process.env["R2K_LAB_TREES"] ?? "").split(":").filter(Boolean);
const TIMEOUT_MS = 600_000;
const missing = guestsMissing() ?? (process.getuid?.() === 0 ? undefined : "needs root");
/** IPVS schedulers, and those that a run judges. */
const SCHEDULERS = ["rr", "wrr", "lc", "wlc", "sh", "dh", "sed", "nq"];
const SCHEDULERS_DRAWN = 2;
const JUDGED = inTurn("IPVS", SCHEDULERS, SCHEDULERS_DRAWN);
/** Minutes pass until kube-proxy has made each of its syncs in a guest. */
const PEER_TIMEOUT_MS = 1_800_000;
const withPeer =
  process.env["R2K_KUBE_PROXY_IPVS"] === "1" && existsSync(KUBE_PROXY) && existsSync(IPSET);

type Found = { mode: string; rule: string; error?: string };

/** Runs the program in a guest; returns the names of the rules that were kept, in their order. */
async function judge(words: string, timeout_ms: number, shell: string[] = []): Promise<string[]> {
  const output = await runGuest({
    script: [...shell, `${await bundled("guest/proxy-in-guest", TREES)} ${words} 2>&1`].join("\n"),
    modules: ["ip_vs", "nf_conntrack_netlink", "sctp"],
    memory_MiB: 1024,
    timeout_ms,
  });
  const lines = [...output.matchAll(/^FOUND (.*)$/gm)];
  const found = lines.map(([, line = ""]) => JSON.parse(line) as Found);
  expect(
    found.filter(({ error }) => error !== undefined),
    output,
  ).toEqual([]);
  expect(found, output).not.toEqual([]);
  return found.map(({ rule }) => rule);
}

/** Judges the product's modes, with a program of SCTP that is built for this run. */
async function judgeOurs(): Promise<string[]> {
  // Not in /tmp, which the guest covers.
  const dir = mkdtempSync("/var/tmp/r2k-sctp-");
  try {
    const sctp = join(dir, "sctp");
    const source = join(import.meta.dirname, "sctp.c");
    execFileSync("gcc", ["-O2", "-Wall", "-Werror", "-o", sctp, source]);
    return await judge([sctp, ...JUDGED].join(" "), TIMEOUT_MS);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The rules of the contract that an implementation keeps in a guest. */
const keptBy = ({ refuses }: Implementation) => [
  ...RULES.map(({ name }) => name).filter((name) => !(name in refuses)),
  RESTRICTED.name,
];

describe.runIf(missing === undefined)("Service proxies in a guest", () => {
  test(
    `IPVS keeps the contract, with schedulers and over changes; SCTP, guards (seed ${DRAW_SEED})`,
    async () => {
      const found = await judgeOurs();
      const damaged = [
        "a virtual server",
        "a destination",
        "an address of the device",
        "the device",
        "the entries of a set",
        "the rules of a chain",
      ];
      const carried = ["SCTP from a pod", "SCTP from outside"];
      expect(found).toEqual([
        ...keptBy(ours("ipvs")),
        "with strict ARP the node does not answer for a Service's address",
        "without strict ARP it does, also afterwards",
        ...JUDGED.map((name) => `scheduler ${name}`),
        "virtual servers of others stay over syncs and a removal",
        "a node port that another program had is served once it is free",
        "a destination has weight 0 until its connections have ended",
        "other work has turns while a Service of many endpoints is set",
        "an endpoint whose address the kernel refuses stops no other",
        "no set lacks an entry while all are written again",
        "source ranges of a deleted Service outlive its servers",
        ...damaged.map((what) => `${what} that is deleted by hand comes back`),
        "a start after its device's deletion makes its note again",
        "a cleanup after its device's deletion leaves nothing of it",
        ...carried,
        ...carried,
        "a connection continues while the proxy restarts",
        "a change to iptables leaves nothing of it",
        "after it a pod continues, if there is one endpoint",
        "after it a connection that was masqueraded is reset at once",
        "a change from iptables keeps connections and no chains",
        "a cleanup leaves what others have, and the former parameters",
        "without it pods reach the overlay's port, directly and by IPVS",
        "encapsulated packets are taken from nodes alone, none of pods leave",
        "none of pods leave by IPVS",
        "IPVS takes a pod's packets out of INPUT before policies judge",
        ...["10.244.0.11", "198.51.100.2"].map(
          (client) => `OUTPUT has the addresses of ${client} and the endpoint`,
        ),
        "a pod's packets have sources of its node's pods",
      ]);
    },
    wallLimit_ms(TIMEOUT_MS),
  );
});

describe.runIf(missing === undefined && withPeer)("upstream's kube-proxy in a guest", () => {
  test(
    "keeps the contract in mode ipvs",
    async () => {
      const legacy = IPTABLES_PROGRAMS.map(
        (name) => `ln -sf xtables-legacy-multi /usr/sbin/${name}`,
      );
      expect(await judge("", PEER_TIMEOUT_MS, legacy)).toEqual(keptBy(upstream("ipvs")));
    },
    wallLimit_ms(PEER_TIMEOUT_MS),
  );
});
