import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { createNamespaces } from "../../../testing/network/namespaces.ts";
import { servicePort } from "../../../testing/service-port.ts";
import { USERSPACE_MODE } from "./apply.ts";

describe.runIf(process.getuid?.() === 0)("SCTP in userspace mode", () => {
  test("is not served, and the log names the port", async () => {
    const namespaces = createNamespaces("r2k-usersctp-");
    enterNetns(namespaces.add("node"));
    const warnings: unknown[] = [];
    const ignore = () => {};
    const log: Logger = {
      debug: ignore,
      info: ignore,
      error: ignore,
      warn: (...line) => void warnings.push(line),
    };
    const rules = USERSPACE_MODE.create({ clock: systemClock(), log });
    const shared = { clusterIps: ["10.96.0.7"], allEndpoints: [{ address: "10.1.0.1", port: 80 }] };
    const tcp = servicePort({ ...shared, key: "ns/s:web/TCP" });
    const sctp = servicePort({ ...shared, key: "ns/s:sctp/SCTP", transport: "sctp" });
    try {
      await rules.rebuild([tcp, sctp], []);
      expect(warnings).toEqual([
        ["SCTP is not served in userspace mode", { port: "ns/s:sctp/SCTP" }],
      ]);
    } finally {
      await rules.close();
      namespaces.close();
    }
  });
});
