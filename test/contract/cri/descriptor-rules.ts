import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Bench } from "./suite.ts";

/** Number of descriptors tried; those that runc leaked were 7 to 9 (CVE-2024-21626). */
const DESCRIPTORS_TRIED = 12;

/** Open files of the OCI runtime and of ours are nothing that a container can reach. */
export function descriptorRules(bench: Bench): void {
  test("no descriptor of the runtime is open in a container", async () => {
    const id = await bench.pods.start(await bench.pods.run());
    // Until it has become the container's program, the OCI runtime's own is open in it.
    const own = "until readlink /proc/1/exe | grep -q busybox; do usleep 1000; done";
    const names = await bench.pods.shell(id, `${own}; ls /proc/1/fd`);
    expect(names.split("\n").every((name) => Number(name) <= 2)).toBe(true);
  });

  test("no working directory among the OCI runtime's descriptors leads to the machine", async () => {
    const { pods, host } = bench;
    const secret = join(host.dir, "secret");
    writeFileSync(secret, "of the machine");
    const pod = await pods.run();
    for (let fd = 3; fd <= DESCRIPTORS_TRIED; fd++) {
      const workingDir = `/proc/self/fd/${fd}`;
      const metadata = { name: `in-${fd}`, attempt: 0 };
      let id: string;
      try {
        id = await pods.start(pod, { config: { metadata, workingDir } });
      } catch (thrown) {
        // It is refused to start with: the directory is not there, or not inside.
        expect(thrown).toHaveProperty("code");
        continue;
      }
      const read = `cat ../../../../../..${secret} 2>&1 || true`;
      expect(await pods.shell(id, read), workingDir).not.toContain("of the machine");
    }
  });
}
