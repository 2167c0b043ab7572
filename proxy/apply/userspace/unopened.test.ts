import { execFileSync } from "node:child_process";
import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { createNamespaces } from "../../../testing/network/namespaces.ts";
import { servicePort } from "../../../testing/service-port.ts";
import { USERSPACE_MODE } from "./apply.ts";

const LISTED = { tcp: "-Hltn", udp: "-Hlun" } as const;

describe.runIf(process.getuid?.() === 0)("more Service ports than numbers of proxy ports", () => {
  test.each(["tcp", "udp"] as const)(
    "of %s leave the others served, are logged once, and are " + "tried again",
    async (transport) => {
      const listeners = () =>
        execFileSync("ss", [LISTED[transport]], { encoding: "utf8" }).trim().split("\n");
      const namespaces = createNamespaces("r2k-unopened-");
      enterNetns(namespaces.add("node"));
      writeSysctl("net.ipv4.ip_local_port_range", "50000 50003"); // two for listeners
      const errors: unknown[] = [];
      const ignore = () => {};
      const log: Logger = {
        debug: ignore,
        info: ignore,
        warn: ignore,
        error: (...line) => void errors.push(line),
      };
      const rules = USERSPACE_MODE.create({ clock: systemClock(), log });
      const ports = [1, 2, 3].map((i) =>
        servicePort({
          key: `ns/s${i}:web`,
          transport,
          clusterIps: [`10.96.0.${i}`],
          allEndpoints: [{ address: "10.1.0.1", port: 80 }],
        }),
      );
      try {
        await rules.rebuild(ports, []);
        expect(listeners()).toHaveLength(2);
        expect(errors).toEqual([
          [
            expect.stringContaining("no proxy port"),
            {
              port: "ns/s3:web",
              error: expect.stringContaining("no number is left") as string,
              remedy: expect.stringContaining("ip_local_port_range") as string,
            },
          ],
        ]);
        await rules.change(new Map([[ports[0]!.key, undefined]]));
        await rules.change(new Map());
        expect(listeners()).toHaveLength(2);
        expect(await rules.intact()).toBe(true);
        expect(errors).toHaveLength(1);
        const table = execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" });
        expect(table).toContain("10.96.0.3");
        expect(table).not.toContain("10.96.0.1 ");
      } finally {
        await rules.close();
        namespaces.close();
      }
    },
  );
});
