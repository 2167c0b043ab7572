import { MODE_NAMES } from "@raft2kube/proxy/mode-names.ts";
import { expect, test } from "vitest";
import { modeFinding } from "./proxy-mode.ts";

/** A machine that has what the modes need, or not. */
const machine = (has: boolean) => ({
  hasIpvs: () => has,
  findProgram: async (name: string) => (has ? `/usr/sbin/${name}` : undefined),
});

test("a cluster in IPVS mode is refused, with a remedy, where the kernel has no IPVS", async () => {
  expect(await modeFinding("ipvs", machine(false))).toMatchObject({
    state: "failed",
    detail: expect.stringContaining("no IPVS") as string,
    remedy: expect.stringMatching(/modprobe ip_vs.*--guest --proxy-mode ipvs/) as string,
  });
});

test("a cluster in iptables mode is refused, with a remedy, where no program is", async () => {
  expect(await modeFinding("iptables", machine(false))).toMatchObject({
    state: "failed",
    detail: expect.stringContaining("iptables-nft-restore") as string,
    remedy: expect.stringContaining("install iptables") as string,
  });
});

test("the other modes need neither, and all are served where both are", async () => {
  for (const mode of MODE_NAMES) {
    expect(await modeFinding(mode, machine(true))).toEqual({ state: "ok", detail: mode });
    if (mode === "ipvs" || mode === "iptables") continue;
    expect(await modeFinding(mode, machine(false))).toEqual({ state: "ok", detail: mode });
  }
});
