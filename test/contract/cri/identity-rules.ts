import { SecurityProfile_ProfileType as ProfileType } from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

export function identityRules(bench: Bench): void {
  const startWith = async (securityContext: object) => {
    const { pods } = bench;
    const pod = await pods.run();
    return pods.start(pod, {
      config: {
        linux: {
          securityContext: { namespaceOptions: pods.namespaceOptions({}), ...securityContext },
        },
      },
    });
  };
  const statusLine = async (id: string, name: string) => {
    const line = await bench.pods.shell(id, `grep ^${name}: /proc/self/status`);
    return line.split(":")[1]!.trim();
  };

  describe("the user and groups of a container's process", () => {
    test("user, group and supplemental groups", async () => {
      const id = await startWith({
        runAsUser: { value: 1000 },
        runAsGroup: { value: 2000 },
        supplementalGroups: [3000],
      });
      expect(await bench.pods.shell(id, "id -u; id -g; id -G")).toMatch(
        /^1000\n2000\n2000( 2000)? 3000$/,
      );
      expect(await statusLine(id, "CapEff")).toBe("0000000000000000");
    });

    test("capabilities are dropped and added", async () => {
      const id = await startWith({
        capabilities: { dropCapabilities: ["ALL"], addCapabilities: ["NET_ADMIN"] },
      });
      expect(BigInt(`0x${await statusLine(id, "CapBnd")}`)).toBe(1n << 12n);
    });

    test("no new privileges and seccomp reach the process", async () => {
      const id = await startWith({
        noNewPrivs: true,
        seccomp: { profileType: ProfileType.RuntimeDefault },
      });
      expect(await statusLine(id, "NoNewPrivs")).toBe("1");
      expect(await statusLine(id, "Seccomp")).toBe("2");
      const refused = await bench.pods.shell(id, "unshare -U true 2>&1 || echo refused");
      expect(refused).toContain("refused");
    });
  });
}
